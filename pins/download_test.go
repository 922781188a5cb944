package pins_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// What can't be a download is told with its line.
func TestBadDownloads(t *testing.T) {
	for entry, want := range map[string]string{
		"{url: 'https://a.test/x', to: /x}":                               "",
		"{url: 'ftp://a.test/x', to: /x}":                                 "not an address of HTTP",
		"{to: /x}":                                                        "not an address of HTTP",
		"{url: 'https://me:hush@a.test/x', to: /x}":                       "holds a user or a password",
		"{url: 'https://a.test/x?v=1&access_token=hush', to: /x}":         "a secret by its parameter access_token",
		"{url: 'https://a.test/x', sha256: abc, to: /x}":                  "sha256 has 64 digits",
		"{url: 'https://a.test/x', to: x}":                                "must be a plain absolute path",
		"{url: 'https://a.test/x', to: /tmp/x}":                           "is not kept in an image",
		"{url: 'https://a.test/x', to: /x}, {url: 'b://c/d', to: /x}":     "not an address of HTTP",
		"{url: 'https://a.test/x', to: /x}, {url: 'https://b/c', to: /x}": "two have the target /x",
	} {
		_, err := pins.ParseManifest("pins.yaml", []byte("course: c\ndownloads: ["+entry+"]\n"))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "pins.yaml:2: ") ||
			!strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want …%s…", entry, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", entry, err)
		}
	}
}

// A download is fetched once, and again where it is named, or is to have another
// sha256; without a way to fetch, the lock is stale.
func TestFetch(t *testing.T) {
	read := func(entry string) *pins.Manifest {
		m, err := pins.ParseManifest("pins.yaml", []byte("course: c\ndownloads: ["+entry+"]\n"))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const entry = "{url: 'https://a.test/x', to: /x}, {url: 'https://a.test/x', to: /y}"
	fetched := 0
	o := pins.LockOptions{BaseDigest: "sha256:" + hashA, Fetch: func(_ context.Context, d pins.Download) (pins.Fetched, error) {
		if fetched++; fetched > 2 {
			return pins.Fetched{}, errors.New("the server is gone")
		}
		return pins.Fetched{URL: d.URL, SHA256: hashA, Size: 1}, nil
	}}
	m := read(entry)
	l, err := pins.Relock(t.Context(), m, nil, &fakeResolver{}, o)
	if err != nil || len(l.Downloads) != 1 || fetched != 1 || pins.Stale(m, l, o) != "" {
		t.Fatalf("%v, %v, fetched %d times: %s", err, l.Downloads, fetched, pins.Stale(m, l, o))
	}
	if _, err = pins.Relock(t.Context(), m, l, &fakeResolver{}, o); err != nil || fetched != 1 {
		t.Errorf("again: %v, fetched %d times", err, fetched)
	}
	o.Names = []string{"https://a.test/x"}
	if _, err = pins.Relock(t.Context(), m, l, &fakeResolver{}, o); err != nil || fetched != 2 {
		t.Errorf("upgraded: %v, fetched %d times", err, fetched)
	}
	o.Names = nil
	other := read("{url: 'https://a.test/x', sha256: '" + strings.Repeat("b", 64) + "', to: /x}")
	if why := pins.Stale(other, l, o); !strings.Contains(why, "is locked with another sha256") {
		t.Errorf("stale: %q", why)
	}
	_, err = pins.Relock(t.Context(), other, l, &fakeResolver{}, o)
	if err == nil || !strings.HasPrefix(err.Error(), "pins.yaml:2: the server is gone") {
		t.Errorf("gone: %v", err)
	}
	if why := pins.Stale(read(""), l, o); !strings.Contains(why, "which the course does not ask for") {
		t.Errorf("stale: %q", why)
	}
}
