package installed

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// nodePlace matches the folder of a package that node finds: in a node_modules
// folder, or in that of another such package. Packages carry others as test
// data elsewhere. The first part is what holds the outermost node_modules.
var nodePlace = regexp.MustCompile(`^((?:[^/]+/)*?)node_modules/(?:\.pnpm/[^/]+/node_modules/)?(?:@[^/]+/)?[^/@.][^/]*(?:/node_modules/(?:@[^/]+/)?[^/@.][^/]*)*$`)

// isNodePackage matches the package.json of a package in a node_modules folder.
func isNodePackage(dir, base string) bool {
	if base != "package.json" {
		return false
	}
	m := nodePlace.FindStringSubmatch(dir)
	return m != nil && !strings.Contains(m[1], "node_modules/")
}

// isNodeSource matches any other package.json: npm link and workspaces make a
// package of it by a link.
func isNodeSource(_, base string) bool { return base == "package.json" }

// readNode reads a package. Packages carry broken ones as test data; npm passes
// over them, and over those without a version.
func readNode(_ string, data []byte) (Fact, error) {
	var record struct {
		Name, Version string
		A             json.RawMessage `json:"bundleDependencies"` // npm's documentation, "package.json"
		B             json.RawMessage `json:"bundledDependencies"`
	}
	if json.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), &record) != nil {
		return Fact{}, nil
	}
	f := item(record.Name, record.Version, pins.Detail{})
	for _, list := range []string{string(record.A), string(record.B)} {
		if len(f.Items) > 0 && list != "" && list != "[]" && list != "false" && list != "null" {
			f.Bundles = true
		}
	}
	return f, nil
}

// tellNode tells of a package; where it lies is the folder that holds its
// node_modules.
func tellNode(name string, facts Facts) ([]Package, error) {
	dir := path.Dir(name)
	return facts[name].packages(pins.Npm, "/"+strings.TrimSuffix(dir[:strings.LastIndex("/"+dir, "/node_modules/")], "/")), nil
}
