package pins_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// A fakeRecorder records what is asked of it.
type fakeRecorder struct{ ran, known []string }

func (r *fakeRecorder) Record(_ context.Context, _ *pins.Manifest, l *pins.Lock, s pins.Script,
	earlier pins.Remembered) (pins.Recording, error) {
	r.ran = append(r.ran, s.Name)
	for _, a := range earlier.Answers {
		r.known = append(r.known, a.URL)
	}
	p := pins.New(pins.Pip, "six", "1.16.0")
	p.Where = pins.Env
	return pins.Recording{Brought: []pins.Pin{p}, Answers: []pins.Answer{{Method: "GET", URL: "https://example.test/" + s.Name,
		Status: 200, SHA256: hashA, Size: int64(len(l.Recordings))}}}, nil
}

func (r *fakeRecorder) Settle(context.Context, *pins.Manifest, *pins.Lock) error { return nil }

// wants holds which scripts ran, and what they were told again, against what is wanted.
func (r *fakeRecorder) wants(t *testing.T, what, ran, known string) {
	t.Helper()
	if got := strings.Join(r.ran, " "); got != ran {
		t.Errorf("%s: %q ran, want %q", what, got, ran)
	}
	if got := strings.ReplaceAll(strings.Join(r.known, " "), "https://example.test/", ""); got != known {
		t.Errorf("%s: %q was known, want %q", what, got, known)
	}
}

// Scripts are recorded once, in their order; again when what they run on changes, with
// what they were told; and from nothing where they are named.
func TestRecordings(t *testing.T) {
	dir := write(t, map[string]string{"pins.yaml": "course: c\npins: {pip: [idna==3.3]}\nrun: [a.sh, b.sh]\n",
		"a.sh": "#!/bin/sh\n", "b.sh": "#!/bin/sh\n", "other": "x"})
	o := pins.LockOptions{BaseDigest: "sha256:" + hashA}
	relock := func(old *pins.Lock, change func(*pins.LockOptions)) (*pins.Lock, *fakeRecorder) {
		t.Helper()
		m, err := pins.ReadCourse(dir)
		if err != nil {
			t.Fatal(err)
		}
		r := &fakeRecorder{}
		o := o
		o.Recorder = r
		if change != nil {
			change(&o)
		}
		l, err := pins.Relock(t.Context(), m, old, &fakeResolver{}, o)
		if err != nil {
			t.Fatal(err)
		}
		if why := pins.Stale(m, l, o); why != "" && o.Recorder != nil {
			t.Error(why)
		}
		return l, r
	}
	l, r := relock(nil, nil)
	r.wants(t, "at first", "a.sh b.sh", "")
	read, err := pins.ParseLock("pins.lock", []byte(l.String()))
	if err != nil || read.String() != l.String() || !strings.HasPrefix(l.String(), "driftpin-lock 2\n") {
		t.Errorf("%v: %s", err, l)
	}
	_, r = relock(l, nil)
	r.wants(t, "nothing changed", "", "")
	_, r = relock(l, func(o *pins.LockOptions) { o.Names = []string{"b.sh"} })
	r.wants(t, "upgraded", "b.sh", "")
	_, r = relock(l, func(o *pins.LockOptions) { o.Again = true })
	r.wants(t, "again", "a.sh b.sh", "a.sh b.sh b.sh a.sh")
	write1(t, dir, "other", "y")
	m, _ := pins.ReadCourse(dir)
	if why := pins.Stale(m, l, o); !strings.Contains(why, "a.sh was recorded in another image") {
		t.Errorf("stale: %q", why)
	}
	_, r = relock(l, nil)
	r.wants(t, "another file", "a.sh b.sh", "a.sh b.sh b.sh a.sh")
	kept, r := relock(l, func(o *pins.LockOptions) { o.Recorder = nil })
	r.wants(t, "without a recorder", "", "")
	if kept.Recording("a.sh") == nil {
		t.Error("without a recorder nothing is kept")
	}
	write1(t, dir, "pins.yaml", "course: c\npins: {pip: [idna==3.3]}\nrun: [b.sh]\n")
	m, _ = pins.ReadCourse(dir)
	if why := pins.Stale(m, l, o); !strings.Contains(why, "b.sh is not recorded") {
		t.Errorf("stale: %q", why)
	}
}

// recordedLock has a line of each kind that recordings have.
func recordedLock() *pins.Lock {
	l := exampleLock()
	p := pins.New(pins.Npm, "my course", "")
	l.Recordings = []pins.Recording{{Script: "a/b c.sh", Inputs: "sha256:" + hashA, Brought: []pins.Pin{p}, Removed: []pins.Pin{p},
		Varying: []string{"/a b", "/%41"}, Answers: []pins.Answer{{Method: "HEAD", URL: "http://example.test/?a=b", Status: 404,
			Size: -1, Accept: "a/b; q=1", Sent: hashA, Header: map[string]string{"Link": "<x>; y=\"z\""}}}}}
	l.Images = []pins.Image{{Ref: "example.test/a:1", Digest: "sha256:" + hashA}}
	l.Downloads = []pins.Fetched{{URL: "https://example.test/x", SHA256: hashA, Size: 3}}
	l.Sort()
	return l
}

// Lines of recordings come back as they were, or are refused with their line.
func TestRecordingLines(t *testing.T) {
	l := recordedLock()
	text := l.String()
	read, err := pins.ParseLock("pins.lock", []byte(text))
	if err != nil || read.String() != text {
		t.Fatalf("%v\n%s\n%s", err, text, read)
	}
	for _, change := range [][2]string{{"answer a%2Fb%20c.sh", "answer other"}, {"HEAD http://", "HEAD ftp://"},
		{"http://example.test/?", "http://me:hush@example.test/?"}, {" 404 ", " 99 "}, {"HEAD", "PUT"},
		{"script a%2Fb%20c.sh sha256", "script a%2Fb%20c.sh md5"}, {"Link=", "Etag="}, {"brought ", "bought "}} {
		other := strings.Replace(text, change[0], change[1], 1)
		if other == text {
			t.Errorf("%q is not in\n%s", change[0], text)
		}
		if _, err := pins.ParseLock("pins.lock", []byte(other)); err == nil || !strings.HasPrefix(err.Error(), "pins.lock:") {
			t.Errorf("%q: %v", change[1], err)
		}
	}
}

// write1 writes a file into a folder.
func write1(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
