package hub_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins/hub"
)

var digest = strings.Repeat("ab", 32)

func TestSetImage(t *testing.T) {
	for name, test := range map[string]struct{ in, path, ref, want string }{
		"name and tag": {"# é\nhub: {}\nsingleuser:\n  image:   {name: \"a/b\", 'tag': old}  # keep\n",
			"singleuser.image", "c/d:new1",
			"# é\nhub: {}\nsingleuser:\n  image:   {name: \"c/d\", 'tag': new1}  # keep\n"},
		"by digest": {"singleuser:\n  image:\n    tag: old # x\n    name: a/b\n", "singleuser.image",
			"r:5000/c/d:t@sha256:" + digest,
			"singleuser:\n  image:\n    tag: " + digest + " # x\n    name: r:5000/c/d@sha256\n"},
		"a number": {"i: {name: a, tag: b}\n", "i", "a:1234", "i: {name: a, tag: \"1234\"}\n"},
		"a reference": {"images:\n  images:\n    - name: 'reg/x:old'\r\n", "images.images.0.name", "reg/x:new",
			"images:\n  images:\n    - name: 'reg/x:new'\r\n"},
		"é before":        {"{é: ü, i: a:b}\n", "i", "c:d", "{é: ü, i: c:d}\n"},
		"a key with dots": {"a.b: {c: x:1}\n", "a.b.c", "x:2", "a.b: {c: x:2}\n"},
		"other keys":      {"1: {2: .nan}\ni: {name: a, tag: b}\n", "i", "a:c", "1: {2: .nan}\ni: {name: a, tag: c}\n"},
		"no such path":    {"a: b\n", "c", "x:2", "error: there is no c"},
		"no tag":          {"a: b:1\n", "a", "x", "error: is not an image reference"},
		"two places":      {"a: &i b:1\nc: *i\n", "a", "x:2", "error: more than a"},
		"a mapping alone": {"a: {b: c}\n", "a", "x:2", "error: neither"},
		"a folded text":   {"a: >-\n  b:\n  1\n", "a", "x:2", "error: in one piece"},
	} {
		out, err := hub.SetImage(hub.File{Name: "v.yaml", Data: []byte(test.in)}, test.path, test.ref)
		if want, fails := strings.CutPrefix(test.want, "error: "); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %s\n%s", name, err, want, out)
			}
			continue
		}
		if err != nil || string(out) != test.want {
			t.Errorf("%s: %v: got\n%s\nwant\n%s", name, err, out, test.want)
			continue
		}
		if got, err := hub.Image(hub.File{Name: "v.yaml", Data: out}, test.path); err != nil ||
			!strings.HasSuffix(got, test.ref[strings.LastIndexByte(test.ref, ':'):]) {
			t.Errorf("%s: it reads as %q, %v", name, got, err)
		}
	}
}

func FuzzSetImage(f *testing.F) {
	f.Add([]byte("singleuser:\n  image: {name: a, tag: 'b'}\n"), "singleuser.image")
	f.Add([]byte("a: [\"x:1\", &b y]\n"), "a.0")
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		out, err := hub.SetImage(hub.File{Name: "v", Data: data}, path, "c/d:new")
		if err != nil {
			return
		}
		if got, err := hub.Image(hub.File{Name: "v", Data: out}, path); err != nil || got != "c/d:new" {
			t.Errorf("%q at %q: %q, %v", out, path, got, err)
		}
	})
}
