package installed

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// IsCondaMeta matches conda's record of an installed package, at any prefix. What
// lies below a folder of Python's packages, or of documents, is none; neither are
// the shadows that macOS makes of files.
func IsCondaMeta(dir, base string) bool {
	return path.Base(dir) == "conda-meta" && strings.HasSuffix(base, ".json") && !strings.HasPrefix(base, "._") &&
		!Vendored(dir) && !strings.Contains("/"+dir, "/share/doc/") && !strings.Contains("/"+dir, "/tests/")
}

// readConda reads a record (CEP 34). One whose file is not called after what it
// says conda passes over.
func readConda(name string, data []byte) (Fact, error) {
	record, err := readObject(data)
	if err != nil {
		return Fact{}, fmt.Errorf("not a record of conda's: %w", err)
	}
	title, version, build := record.text("name"), record.text("version"), record.text("build")
	if build != "" && path.Base(name) != title+"-"+version+"-"+build+".json" {
		return Fact{}, nil
	}
	f := item(title, version, pins.Detail{Build: build, Channel: channelName(record.text("channel"))}, condaAbout(record))
	prefix := path.Dir(path.Dir(name))
	for _, file := range record.texts("files") {
		if mayBeMetadata([]byte(file)) {
			f.Owns = append(f.Owns, strings.TrimPrefix(path.Join("/", prefix, file), "/"))
		}
	}
	return f, nil
}

// isCondaCached matches what lies beside the files of a package in conda's cache,
// wherever that is: the record by which the package was made.
func isCondaCached(dir, base string) bool {
	return path.Base(dir) == "info" && base == "index.json"
}

// readCondaCached keeps how the folder of a cached package is called.
func readCondaCached(_ string, data []byte) (Fact, error) {
	record, err := readObject(data)
	if err != nil || record.text("build") == "" {
		return Fact{}, nil // it is something else
	}
	return item(record.text("name")+"-"+record.text("version")+"-"+record.text("build"), "cached", pins.Detail{}, About{}), nil
}

// condaCached are the folders of packages in conda's caches.
func condaCached(facts Facts) (folders []string) {
	for name, f := range facts {
		folder := path.Dir(path.Dir(name))
		if isCondaCached(path.Dir(name), path.Base(name)) && len(f.Items) == 1 && path.Base(folder) == f.Items[0].Name {
			folders = append(folders, folder+"/")
		}
	}
	return folders
}

// superseded reports whether the Python distributions of a record are gone: pip
// has put others in their place, or taken them away, and conda's own list drops
// the record then (conda's core/prefix_data.py).
func superseded(name string, facts Facts) bool {
	anchors, there := 0, 0
	for _, owned := range facts[name].Owns {
		if !isPythonMetadata(path.Dir(owned), path.Base(owned)) ||
			path.Base(path.Dir(path.Dir(owned))) != "site-packages" {
			continue
		}
		anchors++
		if _, ok := facts[owned]; ok {
			there++
		}
	}
	return anchors > 0 && there == 0
}

func condaPackages(name string, facts Facts) ([]Package, error) {
	if superseded(name, facts) {
		return nil, nil
	}
	out := facts[name].packages(pins.Conda, "/"+strings.TrimPrefix(path.Dir(path.Dir(name)), "."))
	if len(out) == 1 && out[0].Name == "python" { // it is the interpreter, whatever its program looks like
		p := Package{Pin: pins.New(pins.Python, "python", out[0].Version), Owner: &Owner{pins.Conda, "python"}}
		p.Where = out[0].Where
		out = append(out, p)
	}
	return out, nil
}

var condaSubdir = regexp.MustCompile(`/(?:noarch|linux-64|linux-aarch64|osx-64|osx-arm64|win-64)/?$`)

// channelName is the channel without its host, credentials and platform.
func channelName(channel string) string {
	channel = condaSubdir.ReplaceAllString(channel, "")
	if _, rest, ok := strings.Cut(channel, "://"); ok {
		_, path, _ := strings.Cut(rest, "/")
		if _, afterToken, ok := strings.Cut(path, "/"); ok && strings.HasPrefix(path, "t/") {
			_, path, _ = strings.Cut(afterToken, "/")
		}
		channel = strings.Trim(path, "/")
	}
	return channel
}
