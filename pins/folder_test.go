package pins_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// What a .dockerignore names is neither copied nor listed; the file that is the
// Dockerfile's own comes before that of the folder.
func TestDockerignore(t *testing.T) {
	files := map[string]string{"Dockerfile": "# syntax=docker/dockerfile:1\nFROM a\nCOPY . /srv/\n", "requirements.txt": "idna==3.3\n",
		"dev-requirements.txt": "six\n", "data/a.csv": "1\n", "data/keep.csv": "2\n", "notes/x.md": "", "pins.lock": ""}
	for name, test := range map[string]struct{ file, text, want, asks string }{
		"none": {"", "", "Dockerfile data/ data/a.csv data/keep.csv dev-requirements.txt notes/ notes/x.md requirements.txt",
			"six idna==3.3"},
		"folder": {".dockerignore", "# not these\ndata\n!data/keep.csv\n**/*.md\ndev-*\n",
			".dockerignore Dockerfile data/ data/keep.csv requirements.txt", "idna==3.3"},
		"everything":      {".dockerignore", "*\n!requirements.txt\n", "requirements.txt", "idna==3.3"},
		"Dockerfile's":    {"Dockerfile.dockerignore", "*\n!notes\n", "notes/ notes/x.md", ""},
		"not well-formed": {".dockerignore", "[\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{}
			for k, v := range files {
				all[k] = v
			}
			if test.file != "" {
				all[test.file] = test.text
			}
			m, err := pins.ReadCourse(write(t, all))
			if test.want == "" {
				if err == nil {
					t.Error("it is read")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var archive bytes.Buffer
			if err := m.Folder().Write(&archive); err != nil {
				t.Fatal(err)
			}
			var names, asks []string
			for r := tar.NewReader(&archive); ; {
				h, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, h.Name)
			}
			if diff := cmp.Diff(test.want, strings.Join(names, " ")); diff != "" {
				t.Error(diff)
			}
			for _, r := range m.Listed {
				if r.Kind == pins.Pip {
					asks = append(asks, r.Spec)
				}
			}
			if diff := cmp.Diff(test.asks, strings.Join(asks, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Another frontend's syntax is warned of.
func TestSyntax(t *testing.T) {
	for text, warned := range map[string]bool{"# syntax=docker/dockerfile:1.7\nFROM a\n": false,
		"# escape=`\n# syntax = example.test/other:2\nFROM a\n": true, "FROM a\n# syntax=example.test/other:2\n": false} {
		m, err := pins.ReadCourse(write(t, map[string]string{"Dockerfile": text}))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(m.Findings.Error(), "syntax example.test/other:2 has no effect here"); got != warned {
			t.Errorf("%q: %v", text, m.Findings)
		}
	}
}
