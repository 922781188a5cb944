package installed_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// names are metadata files of every kind.
var names = []string{
	"var/lib/dpkg/status", "var/lib/dpkg/status.d/a", "var/lib/dpkg/info/a.list", "var/lib/dpkg/status.d/a.md5sums",
	"e/lib/python3.11/site-packages/a-1.dist-info/METADATA", "e/lib/python3.11/site-packages/a-1.dist-info/RECORD",
	"e/lib/python3.11/site-packages/a-1.dist-info/direct_url.json",
	"e/lib/python3.11/site-packages/b.egg-info/PKG-INFO",
	"e/lib/python3.11/site-packages/c.egg-link", "c/c.egg-info/PKG-INFO",
	"e/lib/python3.11/site-packages/d-1-py3.11.egg",
	"usr/bin/python3.11", "e/pyvenv.cfg", "e/conda-meta/a.json", "l/node_modules/@a/b/package.json",
	"e/share/jupyter/labextensions/a/package.json",
	"e/etc/jupyter/jupyter_server_config.d/a.json", "e/share/jupyter/kernels/a/kernel.json", "r/a/DESCRIPTION",
}

func ExamplePackages() {
	name := "opt/env/lib/python3.11/site-packages/numpy-1.23.5.dist-info/METADATA"
	fact, err := installed.Read(name, 40, strings.NewReader("Metadata-Version: 2.1\nName: numpy\nVersion: 1.23.5\n"))
	if err != nil {
		fmt.Println(err)
	}
	packages, err := installed.Packages(installed.Facts{name: fact})
	fmt.Println(packages[0].Kind, packages[0].Name, packages[0].Version, packages[0].Where, err)
	// Output: pip numpy 1.23.5 /opt/env <nil>
}

// Of a file whose beginning is enough no more is read, however large it is.
func TestReadsHeads(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("Name: a\nVersion: 1\n\n"), zeros{})
	fact, err := installed.Read(names[4], 100<<30, endless)
	if err != nil || len(fact.Items) != 1 {
		t.Errorf("%+v, %v", fact, err)
	}
	if _, err := installed.Read("var/lib/dpkg/status", 1<<40, zeros{}); err == nil || !strings.Contains(err.Error(),
		"too many") {
		t.Errorf("a huge status: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Every name is wanted, and what lies in caches is not.
func TestIsMetadata(t *testing.T) {
	for _, name := range names {
		if !installed.IsMetadata(name) {
			t.Errorf("%s is not wanted", name)
		}
		if cached := "root/.cache/uv/" + name; installed.IsMetadata(cached) &&
			!(installed.Spare(cached) && installed.Alike(cached, name)) {
			t.Errorf("%s is wanted", cached)
		}
	}
}

// FuzzRead reads any bytes as every kind of file: an error, or packages that
// have a kind and lie somewhere.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n",
		"/usr/bin/python3.11\n/e/pyvenv.cfg\n",
		"Name: a\nVersion: 1\n\nx", "a/../../../share/jupyter/kernels/a/kernel.json,sha256=x,1\n",
		`{"vcs_info":{"commit_id":"abc"}}`, "/c\n.", "\x003.11.2\x00",
		"version = 3.11.2\n", `{"name":"a","version":"1","build":"0","channel":"https://u:p@x/t/t/c/noarch",` +
			`"files":["bin/python3.11"],"bundledDependencies":["x"]}`,
		`{"ServerApp":{"jpserver_extensions":{"a":true}}}`, `{"display_name":"A","argv":["a"]}`,
		"Package: a\nVersion: 1\nBuilt: R\nRemoteSha: abc\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		facts := installed.Facts{}
		for _, name := range names {
			if fact, err := installed.Read(name, int64(len(data)), bytes.NewReader(data)); err == nil {
				facts[name] = fact
			}
		}
		packages, err := installed.Packages(facts)
		if err != nil {
			return
		}
		for _, p := range packages {
			if p.Kind == "" || p.Path == "" || p.Kind != pins.Deb && !strings.HasPrefix(p.Where, "/") {
				t.Errorf("%+v", p)
			}
		}
	})
}

// What an archive of node's carries belongs to its package, and only there.
func TestBundles(t *testing.T) {
	packages := packagesOf(t, map[string]string{
		"lib/node_modules/npm/package.json": `{"name":"npm","version":"9",` +
			`"bundleDependencies":["a"]}`,
		"lib/node_modules/npm/node_modules/@x/a/package.json":           `{"name":"@x/a","version":"1"}`,
		"lib/node_modules/npm/node_modules/b/node_modules/package.json": `{}`,
		"app/package.json":                `{"name":"app","version":"1","bundleDependencies":["q"]}`,
		"app/node_modules/q/package.json": `{"name":"q","version":"1"}`,
	})
	owners := map[string]string{}
	for _, p := range packages {
		owners[p.Name] = ""
		if p.Owner != nil {
			owners[p.Name] = p.Owner.Name
		}
	}
	if diff := cmp.Diff(map[string]string{"npm": "", "@x/a": "npm", "q": ""}, owners); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
