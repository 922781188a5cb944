package resolve

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

func TestParsePylock(t *testing.T) {
	const text = `lock-version = "1.0"
[[packages]]
name = "Crypto.Graphy"
version = "39.0.2"
wheels = [
 { url = "http://x/cryptography-39.0.2-cp36-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", size = 1, hashes = { sha256 = "a1" } },
 { url = "http://x/cryptography-39.0.2-cp36-abi3-manylinux_2_28_x86_64.whl#f", size = 2, hashes = { sha256 = "a2" } },
 { url = "http://x/cryptography-39.0.2-cp36-abi3-manylinux_2_24_x86_64.whl", size = 3, hashes = { sha256 = "a3" } },
]
[[packages]]
name = "docopt"
version = "0.6.2"
sdist = { url = "http://x/docopt-0.6.2.tar.gz", size = 4, hashes = { sha256 = "b" } }
[[packages]]
name = "tmpystore"
version = "0.0.1"
archive = { path = "/w/tmpystore-0.0.1-py3-none-any.whl", hashes = { sha256 = "c" } }
`
	found, err := parsePylock([]byte(text), "linux/amd64", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range found {
		got = append(got, c.Name+" "+c.File+" "+c.SHA256)
	}
	want := []string{"crypto-graphy cryptography-39.0.2-cp36-abi3-manylinux_2_28_x86_64.whl a2",
		"docopt docopt-0.6.2.tar.gz b", "tmpystore tmpystore-0.0.1-py3-none-any.whl c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !found[1].sdist || found[0].sdist {
		t.Error("sdists are not told from wheels")
	}
	for _, bad := range []string{"packages = 1", "[[packages]]\nname='a'\nversion='1'",
		"[[packages]]\nname='a'\nversion='1'\nwheels=[{url='http://x/a-1-py3-none-any.whl'}]"} {
		if _, err := parsePylock([]byte(bad), "linux/amd64", nil); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// Of the files of a requirement with hashes only those are taken.
func TestAllowed(t *testing.T) {
	const text = `
[[packages]]
name = "a"
version = "1"
wheels = [
 { url = "http://x/a-1-py3-none-any.whl", hashes = { sha256 = "plain" } },
 { url = "http://x/a-1-cp311-cp311-manylinux_2_17_x86_64.whl", hashes = { sha256 = "compiled" } },
]
sdist = { url = "http://x/a-1.tar.gz", hashes = { sha256 = "source" } }
`
	for hash, want := range map[string]string{
		"":                "a-1-cp311-cp311-manylinux_2_17_x86_64.whl",
		"sha256:compiled": "a-1-cp311-cp311-manylinux_2_17_x86_64.whl",
		"sha256:plain":    "a-1-py3-none-any.whl",
		"sha256:source":   "a-1.tar.gz",
		"sha256:other":    "",
		"sha512:compiled": "",
	} {
		r := request(t, "a==1", 1)
		if hash != "" {
			r.Hashes = []string{hash}
		}
		p := &pip{r: &resolution{query: pins.Query{Requests: []pins.Request{r}}}}
		found, err := parsePylock([]byte(text), "linux/amd64", p.allowed)
		var none *noFileError
		switch {
		case want == "" && !errors.As(err, &none):
			t.Errorf("%s: got %v, want that no file fits", hash, err)
		case want != "" && (err != nil || found[0].File != want):
			t.Errorf("%s: got %v, %v, want %s", hash, found, err, want)
		}
	}
}

// The order is that of packaging.tags for CPython 3.11 on glibc 2.36, best
// first.
func TestCompareWheels(t *testing.T) {
	want := []string{
		"p-1-cp311-cp311-manylinux_2_28_x86_64.whl",
		"p-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
		"p-1-cp311-cp311-manylinux1_x86_64.whl",
		"p-1-cp37-abi3-manylinux_2_28_x86_64.whl",
		"p-1-cp36-abi3-manylinux_2_28_x86_64.whl",
		"p-1-1-py3-none-any.whl",
		"p-1-py3-none-any.whl",
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b string) int { return compareWheels(b, a) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseVia(t *testing.T) {
	got := parseVia("anyio==3.6.2              # via jupyter-server\ntornado==6.2              # via bokeh, " +
		"dask[x], -r requirements.in\ntmpystore @ file:///w/t.whl  # via -r requirements.in\n# nothing\n")
	want := map[string][]string{"anyio": {"jupyter-server"}, "tornado": {"bokeh", "dask"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRelations(t *testing.T) {
	got := relations("libc6 (>= 2.36), a | b:any [amd64], python3:any, ")
	if diff := cmp.Diff([]string{"libc6", "a", "b", "python3"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestUvFailure(t *testing.T) {
	u := &uv{r: &resolution{session: &session.Session{}, query: pins.Query{Requests: []pins.Request{
		request(t, "boken==2.4.3", 4), request(t, "jupyter_server==2.27.3", 5), request(t, "jupyterlab==3.6.3", 6),
		request(t, "prettytable==3.6.0", 7),
	}}}}
	for name, test := range map[string]struct{ text, want string }{
		"name": {"error: No solution found when resolving dependencies\n  cause: Because boken was not found " +
			"in the package registry and you require boken==2.4.3, we can conclude that your requirements are " +
			"unsatisfiable.\n", "pins.yaml:4: no index has a package boken: did you mean bokeh?"},
		"version": {"error: x\n  cause: Because there is no version of jupyter-server==2.27.3 and you require " +
			"jupyter-server==2.27.3, we can conclude that your requirements are unsatisfiable.\n",
			"pins.yaml:5: jupyter-server has no version 2.27.3"},
		"late": {"error: x\n  cause: Because there is no version of jupyterlab==3.6.3 and you require " +
			"jupyterlab==3.6.3, we can.\n\nhint: `jupyterlab` was filtered by `exclude-newer` to only include " +
			"packages uploaded before 2023-03-18T00:00:00Z. The requested version, v3.6.3, was published at " +
			"2023-03-31T07:10:44.272Z. Consider.\n",
			"pins.yaml:6: jupyterlab 3.6.3 is newer than as-of: it was published on 2023-03-31"},
		"both": {"error: x\n  cause: Because ipython-sql==0.4.1 depends on prettytable<1 and you require " +
			"prettytable==3.6.0, we can\n         conclude.\n", "Pins involved:\n  pins.yaml:7: prettytable==3.6.0"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := u.failure(test.text); !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want …%q…", err, test.want)
			}
		})
	}
}

func request(t *testing.T, spec string, line int) pins.Request {
	t.Helper()
	r, err := pins.ParsePip(spec)
	if err != nil {
		t.Fatal(err)
	}
	r.At = pins.Position{File: "pins.yaml", Line: line}
	return r
}

func FuzzParsePylock(f *testing.F) {
	f.Add([]byte("[[packages]]\nname='a'\nversion='1'\n" +
		"wheels=[{url='http://x/a-1-py3-none-any.whl',hashes={sha256='a'}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = parsePylock(data, "linux/amd64", nil)
		parseVia(string(data))
		relations(string(data))

		compareWheels(string(data), "a-1-py3-none-any.whl")
	})
}

// What steps write comes from programs of the base, which is anybody's.
func FuzzTables(f *testing.F) {
	f.Add("a\t1\tamd64\tpool/a.deb\t7\tabc\thttp://x/a.deb\tb (>= 1), c|d\te\n")
	f.Add("pip\ta\t1\t/opt/env\tabc\na==1 ; x > '1'    # via b[c], -r requirements.in\n")
	f.Fuzz(func(_ *testing.T, text string) {
		parseVia(text)
		_, _, _ = parseDebs(text, "linux/amd64")
	})
}
