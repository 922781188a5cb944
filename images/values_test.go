package images_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// What a values file deploys is opened as the image that it names.
func TestOpenValues(t *testing.T) {
	dir := t.TempDir()
	lock := filepath.Join(dir, "pins.lock")
	write(t, lock, []byte("driftpin-lock 1\ncourse a\nbase sha256:"+strings.Repeat("a", 64)+
		"\nplatform linux/amd64\nartifacts 0\n"), 0o644)
	for text, want := range map[string]string{
		"singleuser: {image: {name: 'lock', tag: '" + lock + "'}}": "",
		"jupyterhub: {singleuser: {image: 'lock:" + lock + "'}}":   "",
		"images: [{name: 'lock:" + lock + "'}]\n#images.0.name":    "",
		"singleuser: {image: {name: a.example.org/b}}\n#singleuser.picture": "values.yaml: there is " +
			"no singleuser.picture",
		"singleuser: {}": "values.yaml: there is no singleuser.image, and no " +
			"jupyterhub.singleuser.image",
		"singleuser: {image: {}}":                     "values.yaml:1: singleuser.image names no image",
		"singleuser: {image: [}":                      "values.yaml:1: not valid YAML",
		"singleuser: {image: 'values:values.yaml'}":   "which is not an image",
		"singleuser: {image: 'lock:/nowhere/at.all'}": "opening lock:/nowhere/at.all",
	} {
		text, path, _ := strings.Cut(text, "\n")
		file := filepath.Join(dir, "values.yaml")
		write(t, file, []byte(text+"\n"), 0o644)
		img, err := images.Open(t.Context(), "values:"+file+path, images.Options{})
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", text, err, want)
		case want == "" && (err != nil || img.Lock == nil || img.Lock.Course != "a"):
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Tags of a layout that somebody else has made stay what they are: an index of
// several images beside each of them.
func TestForeignTags(t *testing.T) {
	a, b := image(t, []node{dist("a", "1")}), image(t, []node{dist("b", "1")})
	on := func(architecture string) v1.Descriptor {
		return v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}
	}
	index := mutate.AppendManifests(emptyIndex(), mutate.IndexAddendum{Add: a, Descriptor: on("amd64")},
		mutate.IndexAddendum{Add: b, Descriptor: on("arm64")})
	dir := filepath.Join(t.TempDir(), "layout")
	p, err := layout.Write(dir, emptyIndex())
	if err == nil {
		tag := func(name string) layout.Option {
			return layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": name})
		}
		err = errors.Join(p.AppendIndex(index), p.AppendImage(a, tag("a")), p.AppendImage(b, tag("b")))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		img, err := images.Open(t.Context(), "oci-layout:"+dir+":"+name, images.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if packages, err := img.Inventory(t.Context()); err != nil || len(packages) != 1 || packages[0].Name != name {
			t.Errorf("%s: %v, %v", name, packages, err)
		}
	}
}
