package images

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// fields reads the first paragraph of a control file, as Debian (policy 5.1),
// R (DESCRIPTION) and Python (core metadata, before its body) write it: name:
// value, and lines that begin with white space go on with the last value. It
// returns what follows the paragraph. Names come out in lower case; of a
// repeated one the first counts.
func fields(data []byte) (values map[string]string, rest []byte) {
	values = map[string]string{}
	key := ""
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(bytes.TrimSpace(line)) == 0 {
			if len(values) == 0 {
				continue
			}
			return values, data
		}
		if line[0] == ' ' || line[0] == '\t' {
			if key != "" {
				values[key] += "\n" + string(bytes.TrimSpace(line))
			}
			continue
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		key = ""
		if ok {
			k := strings.ToLower(string(bytes.TrimSpace(name)))
			if _, again := values[k]; !again {
				key = k
				values[k] = string(bytes.TrimSpace(value))
			}
		}
	}
	return values, nil
}

// isDpkgStatus matches dpkg's database, and the folder that distroless images
// have in its place.
func isDpkgStatus(dir, base string) bool {
	return dir == "var/lib/dpkg" && base == "status" ||
		dir == "var/lib/dpkg/status.d" && !strings.HasSuffix(base, ".md5sums")
}

// isDpkgList matches dpkg's lists of the files that each package owns.
func isDpkgList(dir, base string) bool {
	return dir == "var/lib/dpkg/info" && strings.HasSuffix(base, ".list")
}

// own notes which Debian or conda package each other package's metadata belongs
// to.
func own(packages []Package, files map[string]file) error {
	at := map[string][]int{}
	for i, p := range packages {
		if p.Kind != pins.Deb && p.Kind != pins.Conda {
			at[p.Path] = append(at[p.Path], i)
		}
	}
	if len(at) == 0 {
		return nil
	}
	for name, f := range files {
		dir, base := path.Split(name)
		switch dir = path.Clean(dir); {
		case isDpkgList(dir, base):
			owner, _, _ := strings.Cut(strings.TrimSuffix(base, ".list"), ":")
			for data := f.data; len(data) > 0; {
				var line []byte
				line, data, _ = bytes.Cut(data, []byte("\n"))
				for _, i := range at[string(line)] {
					packages[i].Owner = owner
				}
			}
		case isCondaMeta(dir, base):
			var record struct {
				Name  string
				Files []string
			}
			if err := json.Unmarshal(f.data, &record); err != nil {
				return fmt.Errorf("/%s: %w", name, err)
			}
			for _, owned := range record.Files {
				for _, i := range at[path.Join("/", path.Dir(dir), owned)] {
					packages[i].Owner = record.Name
				}
			}
		case isNodePackage(dir, base) && bundles(f.data) != "":
			for i, p := range packages {
				if p.Kind == pins.Npm && strings.HasPrefix(p.Path, "/"+dir+"/node_modules/") {
					packages[i].Owner = bundles(f.data)
				}
			}
		}
	}
	return nil
}

// readDpkg reads installed packages (dpkg-query(1)): those whose status ends in
// installed. A package of a foreign architecture is NAME:ARCH, as dpkg-query
// has it, only where several architectures of it are there.
func readDpkg(name string, files map[string]file) ([]Package, error) {
	distroless := path.Base(path.Dir(name)) == "status.d"
	var out []Package
	arch := map[string][]string{}
	for data := files[name].data; len(data) > 0; {
		var f map[string]string
		f, data = fields(data)
		if len(f) == 0 {
			break
		}
		status := strings.Fields(f["status"])
		installed := len(status) == 3 && status[2] == "installed" || distroless && len(status) == 0
		if f["package"] == "" || !installed {
			continue
		}
		p := Package{Pin: pins.New(pins.Deb, f["package"], f["version"])}
		p.Build = f["architecture"]
		arch[p.Name] = append(arch[p.Name], p.Build)
		out = append(out, p)
	}
	for i := range out {
		if len(arch[out[i].Name]) > 1 {
			out[i].Name += ":" + out[i].Build
		}
		out[i].Build = ""
	}
	return out, nil
}

// isPythonMetadata matches the metadata of an installed distribution
// (PyPA, "Recording installed projects"), and of an egg.
func isPythonMetadata(dir, base string) bool {
	return base == "METADATA" && strings.HasSuffix(dir, ".dist-info") ||
		base == "PKG-INFO" && (strings.HasSuffix(dir, ".egg-info") || path.Base(dir) == "EGG-INFO") ||
		strings.HasSuffix(base, ".egg-info")
}

// isPythonOrigin matches the record of where a distribution came from (PEP 610).
func isPythonOrigin(dir, base string) bool {
	return base == "direct_url.json" && strings.HasSuffix(dir, ".dist-info")
}

var vendored = regexp.MustCompile(`(?:^|/)(?:site|dist)-packages/`)

var pythonPrefix = regexp.MustCompile(`^(.*?)/?lib(?:64)?/python[0-9.]*/(?:site|dist)-packages$`)

// readPython reads a distribution; where it lies is the environment's prefix.
func readPython(name string, files map[string]file) ([]Package, error) {
	f, _ := fields(files[name].data)
	if f["name"] == "" || f["version"] == "" {
		// pip takes no notice of such a file either; but say what it is.
		return nil, nil
	}
	p := Package{Pin: pins.New(pins.Pip, f["name"], f["version"])}
	info := path.Dir(name)
	if strings.HasSuffix(name, ".egg-info") {
		info = name
	}
	site := path.Dir(info)
	if path.Base(info) == "EGG-INFO" {
		site = path.Dir(site)
	}
	if vendored.MatchString(site) {
		return nil, nil // a copy that another package carries inside itself: pip does not see it either
	}
	p.Where = "/" + site
	if m := pythonPrefix.FindStringSubmatch(site); m != nil {
		p.Where = "/" + m[1]
	}
	if origin, ok := files[info+"/direct_url.json"]; ok {
		var record struct {
			VCS struct {
				Commit string `json:"commit_id"`
			} `json:"vcs_info"`
		}
		if err := json.Unmarshal(origin.data, &record); err != nil {
			return nil, fmt.Errorf("direct_url.json beside it: %w", err)
		}
		p.Commit = record.VCS.Commit
	}
	return []Package{p}, nil
}

// isCondaMeta matches conda's record of an installed package, at any prefix.
func isCondaMeta(dir, base string) bool {
	return path.Base(dir) == "conda-meta" && strings.HasSuffix(base, ".json")
}

// readConda reads a record (CEP 34); where it lies is the environment's prefix.
func readConda(name string, files map[string]file) ([]Package, error) {
	var record struct{ Name, Version, Build, Channel string }
	if err := json.Unmarshal(files[name].data, &record); err != nil {
		return nil, err
	}
	if record.Name == "" {
		return nil, nil
	}
	p := Package{Pin: pins.New(pins.Conda, record.Name, record.Version)}
	p.Where = "/" + strings.TrimPrefix(path.Dir(path.Dir(name)), ".")
	p.Build = record.Build
	p.Channel = channelName(record.Channel)
	return []Package{p}, nil
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

// isNodePackage matches the package.json of a package in a node_modules folder.
func isNodePackage(dir, base string) bool {
	if base != "package.json" {
		return false
	}
	parent := path.Dir(dir)
	if strings.HasPrefix(path.Base(parent), "@") {
		parent = path.Dir(parent)
	}
	return path.Base(parent) == "node_modules"
}

// readNode reads a package; where it lies is the folder that holds its
// node_modules.
func readNode(name string, files map[string]file) ([]Package, error) {
	var record struct{ Name, Version string }
	if err := json.Unmarshal(bytes.TrimPrefix(files[name].data, []byte("\xef\xbb\xbf")), &record); err != nil {
		return nil, nil // packages carry broken ones as test data; npm passes over them
	}
	dir := path.Dir(name)
	installed := path.Base(dir)
	if scope := path.Base(path.Dir(dir)); strings.HasPrefix(scope, "@") {
		installed = scope + "/" + installed
	}
	if record.Version == "" || record.Name == "" {
		return nil, nil // an alias has another name than its folder, but it has one
	}
	p := Package{Pin: pins.New(pins.Npm, record.Name, record.Version)}
	p.Where = "/" + strings.TrimSuffix(strings.TrimSuffix(dir, installed), "/node_modules/")
	return []Package{p}, nil
}

// bundles is the name of a package that carries its dependencies in its own
// archive (npm's documentation, "package.json": bundleDependencies); else empty.
func bundles(data []byte) string {
	var record struct {
		Name string
		A    json.RawMessage `json:"bundleDependencies"`
		B    json.RawMessage `json:"bundledDependencies"`
	}
	if json.Unmarshal(data, &record) != nil {
		return ""
	}
	for _, list := range []string{string(record.A), string(record.B)} {
		if list != "" && list != "[]" && list != "false" && list != "null" {
			return record.Name
		}
	}
	return ""
}

// isRDescription matches the DESCRIPTION of an R package.
func isRDescription(dir, base string) bool {
	return base == "DESCRIPTION" && dir != "."
}

// readR reads an installed package: one that was built, and that lies in a
// folder of its own name. Sources and test data are neither.
func readR(name string, files map[string]file) ([]Package, error) {
	f, _ := fields(files[name].data)
	dir := path.Dir(name)
	if f["built"] == "" || f["package"] != path.Base(dir) || f["version"] == "" {
		return nil, nil
	}
	p := Package{Pin: pins.New(pins.R, f["package"], f["version"])}
	p.Where = "/" + path.Dir(dir)
	if sha := strings.Fields(f["remotesha"]); len(sha) > 0 {
		p.Commit = sha[0]
	}
	return []Package{p}, nil
}
