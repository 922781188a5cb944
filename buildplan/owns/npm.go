package owns

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// topNpm reports whether a package of npm's lies at the top of the environment's
// node_modules, where other kinds of package may put theirs too.
func topNpm(a pins.Artifact) bool {
	return a.Kind == pins.Npm && strings.Count("/"+a.File, "/node_modules/") == 1
}

// atTop adds to what an npm package's file says that it owns the place where
// the lock puts it.
func atTop(a pins.Artifact, programs map[string]string) map[string]string {
	owned := maps.Clone(programs)
	if owned == nil {
		owned = map[string]string{}
	}
	owned["lib/"+path.Dir(a.File)+"/package.json"] = "npm " + a.Name + " " + a.Version
	return owned
}

// readNpm reads which programs an npm package brings (npm's documentation,
// "package.json", bin and directories.bin), in the words of readOwned; a program
// is known by the file that it runs.
func readNpm(r io.Reader) (map[string]string, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	var files []string
	var manifest []byte
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(path.Clean(h.Name), "/") // package/, or what its author called the folder
		if name != "package.json" {
			files = append(files, name)
			continue
		}
		if manifest, err = io.ReadAll(io.LimitReader(t, maxRecord)); err != nil {
			return nil, err
		}
	}
	if manifest == nil {
		return nil, errors.New("the file has no package.json, so it is not an npm package")
	}
	programs, err := npmPrograms(manifest, files)
	if err != nil {
		return nil, fmt.Errorf("package.json: %w", err)
	}
	return programs, nil
}

func npmPrograms(manifest []byte, files []string) (map[string]string, error) {
	var p struct {
		Name        string          `json:"name"`
		Bin         json.RawMessage `json:"bin"`
		Directories json.RawMessage `json:"directories"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(manifest, []byte("\ufeff")), &p); err != nil {
		return nil, err
	}
	owned := map[string]string{}
	add := func(name, runs string) {
		if name = path.Base(path.Clean("/" + name)); name != "/" && !strings.ContainsAny(name, "\t\n\r") {
			owned["bin/"+name] = "runs " + strings.Join(strings.Fields(p.Name+path.Clean("/"+runs)), " ")
		}
	}
	var one string
	var many map[string]string
	var directories struct{ Bin string }
	switch {
	case json.Unmarshal(p.Bin, &one) == nil && one != "":
		add(p.Name, one)
	case json.Unmarshal(p.Bin, &many) == nil && many != nil:
		for _, name := range slices.Sorted(maps.Keys(many)) {
			add(name, many[name])
		}
	case len(p.Bin) == 0 && json.Unmarshal(p.Directories, &directories) == nil && directories.Bin != "":
		for _, f := range files {
			if strings.HasPrefix(f, path.Clean("/" + directories.Bin)[1:]+"/") {
				add(f, f)
			}
		}
	}
	return owned, nil
}
