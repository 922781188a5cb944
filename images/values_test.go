package images_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
)

// What a values file deploys is opened as the image that it names.
func TestOpenValues(t *testing.T) {
	dir := t.TempDir()
	lock := filepath.Join(dir, "pins.lock")
	write(t, lock, []byte("driftpin-lock 1\ncourse a\nbase sha256:"+strings.Repeat("a", 64)+"\nplatform linux/amd64\nartifacts 0\n"), 0o644)
	for text, want := range map[string]string{
		"singleuser: {image: {name: 'lock', tag: '" + lock + "'}}":          "",
		"jupyterhub: {singleuser: {image: 'lock:" + lock + "'}}":            "",
		"images: [{name: 'lock:" + lock + "'}]\n#images.0.name":             "",
		"singleuser: {image: {name: a.example.org/b}}\n#singleuser.picture": "values.yaml: there is no singleuser.picture",
		"singleuser: {}":                              "values.yaml: there is no singleuser.image, and no jupyterhub.singleuser.image",
		"singleuser: {image: {}}":                     "values.yaml:1: singleuser.image names no image",
		"singleuser: {image: [}":                      "values.yaml:1: not valid YAML",
		"singleuser: {image: 'values:values.yaml'}":   "which is no image",
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
