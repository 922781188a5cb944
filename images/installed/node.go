package installed

import (
	"bytes"
	"cmp"
	"encoding/json"
	"path"
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// nodePlace matches the folder of a package that node finds: in a node_modules
// folder, or in that of another such package, or in the store of pnpm, npm, bun or
// deno that node_modules leads to. Debian's nodejs folders are node_modules folders
// too, for its node looks there. Packages carry others as test data elsewhere. The
// first part is what holds the outermost of these folders.
var nodePlace = regexp.MustCompile(`^((?:[^/]+/)*?)(?:node_modules/(?:\.(?:pnpm|store|bun|` +
	`deno)/(?:@[^/]+/)?[^/]+/node_modules/)?|` + debianNode +
	`)(?:@[^/]+/)?[^/@.][^/]*(?:/node_modules/(?:@[^/]+/)?[^/@.][^/]*)*$`)

// debianNode are the folders of Debian's node packages (nodejs's documentation of
// Debian's patches, module.globalPaths).
const debianNode = `usr/share/nodejs/|usr/lib/nodejs/|usr/lib/[^/]+-linux-gnu[^/]*/nodejs/`

var debianNodePlace = regexp.MustCompile(`^(?:` + debianNode + `)`)

// nodeStore matches what lies in a store below a node_modules folder.
var nodeStore = regexp.MustCompile(`^(.*?)(?:^|/)node_modules/\.(?:pnpm|store|bun|deno)/`)

// isNodePackage matches the package.json of a package in a node_modules folder.
func isNodePackage(dir, base string) bool {
	if base != "package.json" || !strings.Contains(dir, "node_modules/") && !strings.Contains(dir, "nodejs/") {
		return false
	}
	m := nodePlace.FindStringSubmatch(dir)
	return m != nil && !strings.Contains(m[1], "node_modules/") &&
		(m[1] == "" || !debianNodePlace.MatchString(dir[len(m[1]):]))
}

// isNodeSource matches any other package.json: npm link and workspaces make a
// package of it by a link.
func isNodeSource(_, base string) bool { return base == "package.json" }

// readNode reads a package. Packages carry broken ones as test data; npm passes
// over them, and over those without a version.
func readNode(_ string, data []byte) (Fact, error) {
	record, err := readObject(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if err != nil {
		return Fact{}, nil
	}
	version := record.text("version")
	var number json.Number
	if version == "" && json.Unmarshal(record["version"], &number) == nil {
		version = number.String() // as npm takes it
	}
	name := record.text("name")
	if version == "" || len(name) == 0 && len(record["name"]) > 0 && string(record["name"]) != "null" {
		return Fact{}, nil
	}
	// one without a name has that of its folder
	f := Fact{Items: []Item{{name, version, pins.Detail{}, nodeAbout(record)}}}
	for _, key := range []string{"bundleDependencies", "bundledDependencies"} { // npm's documentation, "package.json"
		f.Bundles = f.Bundles || len(record.texts(key)) > 0 || string(record[key]) == "true"
	}
	return f, nil
}

// nodePackages returns a package; where it lies is the folder that holds its
// node_modules. What lies in a store is where the store is: once, whatever links to
// it.
func nodePackages(name string, facts Facts) ([]Package, error) {
	dir := path.Dir(name)
	folder := strings.LastIndex("/"+dir, "/node_modules/") + len("node_modules/")
	if m := debianNodePlace.FindString(dir); m != "" && !strings.Contains(dir[len(m):], "node_modules/") {
		folder = len(m)
	}
	title := dir[folder:]
	holder := strings.TrimSuffix(strings.TrimSuffix(dir[:folder], "nodejs/"), "node_modules/")
	if m := nodeStore.FindStringSubmatch(dir); m != nil {
		holder = m[1]
	}
	out := facts[name].packages(pins.Npm, "/"+strings.TrimSuffix(holder, "/"))
	for i := range out {
		out[i].Name = cmp.Or(out[i].Name, title)
	}
	return out, nil
}
