package installed

import (
	"bytes"
	"encoding/csv"
	"hash/maphash"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// isPythonMetadata matches the metadata of an installed distribution
// (PyPA, "Recording installed projects"), and of an egg.
func isPythonMetadata(dir, base string) bool {
	return (base == "METADATA" || base == "PKG-INFO") &&
		(strings.HasSuffix(dir, ".dist-info") || strings.HasSuffix(dir, ".egg-info")) ||
		base == "PKG-INFO" && path.Base(dir) == "EGG-INFO" ||
		strings.HasSuffix(base, ".egg-info")
}

func readPython(_ string, data []byte) (Fact, error) {
	f := headers(data, "name", "version", "license-expression", "license", "classifier*", "home-page", "project-url*")
	return item(f["name"], f["version"], pins.Detail{}, pythonAbout(f)), nil
}

// isInstaller matches what every installer leaves in a distribution's folder, and
// caches of wheels do not have.
func isInstaller(dir, base string) bool {
	return base == "INSTALLER" && strings.HasSuffix(dir, ".dist-info")
}

// readNothing reads a file that says enough by being there.
func readNothing(string, []byte) (Fact, error) { return Fact{}, nil }

// Vendored matches a folder within a folder of installed packages: what lies
// there is carried by another package inside itself, and pip does not see it.
func Vendored(folder string) bool { return vendored.MatchString(folder) }

var vendored = regexp.MustCompile(`(?:^|/)(?:site|dist)-packages/`)

// pythonPackages returns a distribution; where it lies is the environment's
// prefix. An egg-info in a folder of sources counts only by an egg-link.
func pythonPackages(name string, facts Facts) ([]Package, error) {
	info := path.Dir(name)
	if strings.HasSuffix(name, ".egg-info") {
		info = name
	}
	site := path.Dir(info)
	if path.Base(info) == "EGG-INFO" {
		site = path.Dir(site)
	}
	base := path.Base(site)
	installs := base == "site-packages" || base == "dist-packages"
	// what pip left of one that it could not take away: it passes over it
	if strings.HasPrefix(path.Base(info), "~") || strings.HasPrefix(path.Base(info), ".") {
		return nil, nil
	}
	if Vendored(site) || !installs && !strings.HasSuffix(info, ".dist-info") {
		return nil, nil
	}
	if _, installed := facts[info+"/INSTALLER"]; !installs && !installed {
		return nil, nil
	}
	fact := facts[name]
	if title, version, ok := strings.Cut(strings.TrimSuffix(path.Base(info), ".dist-info"),
		"-"); len(fact.Items) == 0 && ok && installs && strings.HasSuffix(info, ".dist-info") {
		fact = item(title, version, pins.Detail{}, About{}) // metadata without a name: pip goes by the folder's
	}
	out := fact.packages(pins.Pip, prefix(site))
	for i := range out {
		out[i].Commit, out[i].About.Size = facts[info+"/direct_url.json"].Commit, facts[info+"/RECORD"].Bytes
	}
	return out, nil
}

// isPythonOrigin matches the record of where a distribution came from (PEP 610).
func isPythonOrigin(dir, base string) bool {
	return base == "direct_url.json" && strings.HasSuffix(dir, ".dist-info")
}

func readOrigin(_ string, data []byte) (Fact, error) {
	record, err := readObject(data)
	if err != nil {
		return Fact{}, nil // pip takes no notice of it either
	}
	return Fact{Commit: record.object("vcs_info").text("commit_id")}, nil
}

// isPythonRecord matches a distribution's list of files.
func isPythonRecord(dir, base string) bool {
	return base == "RECORD" && strings.HasSuffix(dir, ".dist-info")
}

// readRecord keeps, of a distribution's files, those by which Jupyter knows
// extensions and kernels, and how large all are together.
func readRecord(name string, data []byte) (f Fact, err error) {
	site := path.Dir(path.Dir(name))
	seed, counted := maphash.MakeSeed(), map[uint64]bool{}
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		if file, size, ok := recorded(line); ok && !counted[maphash.Bytes(seed, file)] { // some are listed twice
			counted[maphash.Bytes(seed, file)] = true
			f.Bytes = sized(f.Bytes, size)
		}
		if !bytes.Contains(line, []byte("jupyter/")) {
			continue
		}
		file, _, _ := strings.Cut(string(line), ",")
		if strings.HasPrefix(file, `"`) {
			row, err := csv.NewReader(bytes.NewReader(line)).Read()
			if err != nil {
				continue
			}
			file = row[0]
		}
		if !path.IsAbs(file) {
			file = path.Join("/", site, file)
		}
		f.Owns = append(f.Owns, strings.TrimPrefix(path.Clean(file), "/"))
	}
	return f, nil
}

// recorded takes a line of a RECORD apart: FILE,HASH,SIZE. A name in quotes may have commas; the size is
// empty of a file that was made at the installation, which counts as 0.
func recorded(line []byte) (file []byte, size int64, ok bool) {
	last := bytes.LastIndexByte(line, ',')
	if last < 0 {
		return nil, 0, false
	}
	before := bytes.LastIndexByte(line[:last], ',')
	if before < 0 {
		return nil, 0, false
	}
	size, _ = strconv.ParseInt(string(bytes.Trim(line[last+1:], "\" \r\n")), 10, 64)
	return line[:before], size, true
}

// isEggLink matches what setup.py develop leaves: the folder of the sources.
func isEggLink(dir, base string) bool {
	return strings.HasSuffix(base, ".egg-link") && (path.Base(dir) == "site-packages" ||
		path.Base(dir) == "dist-packages")
}

func readEggLink(_ string, data []byte) (Fact, error) {
	line, _, _ := strings.Cut(string(data), "\n")
	return Fact{Link: strings.TrimPrefix(path.Clean("/"+strings.TrimSpace(line)), "/")}, nil
}

// eggLinkPackages returns the distribution whose egg-info lies where a link leads.
func eggLinkPackages(name string, facts Facts) ([]Package, error) {
	link := strings.TrimSuffix(path.Base(name), ".egg-link")
	for _, spelling := range []string{link, strings.ReplaceAll(link, "-", "_")} {
		info := path.Join(facts[name].Link, spelling+".egg-info/PKG-INFO")
		if f, ok := facts[info]; ok {
			return f.packages(pins.Pip, prefix(path.Dir(name))), nil
		}
	}
	return nil, nil // the sources are gone: it can't be imported either
}

var eggFile = regexp.MustCompile(`^([A-Za-z0-9._]+)-([A-Za-z0-9._!+]+)-py[0-9.]+(?:-[^/]*)?\.egg$`)

// isEggFile matches an egg that is one file, which says what it is by its name.
func isEggFile(dir, base string) bool {
	return strings.HasSuffix(base, ".egg") &&
		(path.Base(dir) == "site-packages" || path.Base(dir) == "dist-packages") && eggFile.MatchString(base)
}

func readEggFile(name string, _ []byte) (Fact, error) {
	m := eggFile.FindStringSubmatch(path.Base(name))
	return item(m[1], m[2], pins.Detail{}, About{}), nil
}

var interpreter = regexp.MustCompile(`^(?:bin/python|lib(?:/[^/]+-linux-gnu)?/libpython)([23]\.[0-9]+)(?:t?|` +
	`t?\.so\.1\.0)$`)

// interpreterBytes is how far into a program its version is looked for.
const interpreterBytes = 48 << 20

// isInterpreter matches CPython's program, or the library that is all of it.
func isInterpreter(dir, base string) bool {
	if !strings.HasPrefix(base, "python") && !strings.HasPrefix(base, "libpython") {
		return false
	}
	folder := path.Base(dir)
	if strings.HasSuffix(folder, "-linux-gnu") {
		folder = path.Base(path.Dir(dir)) + "/" + folder
	}
	return interpreter.MatchString(folder + "/" + base)
}

// readInterpreter finds the version that stands in CPython's program, between
// zero bytes.
func readInterpreter(name string, data []byte) (Fact, error) {
	series := regexp.MustCompile(`[23]\.[0-9]+`).FindString(path.Base(name))
	start := []byte("\x00" + series + ".")
	for rest := data; ; {
		i := bytes.Index(rest, start)
		if i < 0 {
			return Fact{}, nil
		}
		rest = rest[i+1:]
		version, _, ok := bytes.Cut(rest[:min(len(rest), 32)], []byte{0})
		if ok && pythonVersion.Match(version) {
			return item("python", string(version), pins.Detail{}, About{}), nil
		}
	}
}

var pythonVersion = regexp.MustCompile(`^[23]\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?\+?$`)

func interpreterPackages(name string, facts Facts) ([]Package, error) {
	where := path.Dir(path.Dir(name))
	if strings.HasSuffix(path.Base(path.Dir(name)), "-linux-gnu") {
		where = path.Dir(where)
	}
	return facts[name].packages(pins.Python, "/"+strings.TrimPrefix(where, ".")), nil
}

// isVenv matches the file that makes a folder a virtual environment (PEP 405).
func isVenv(_, base string) bool { return base == "pyvenv.cfg" }

func readVenv(_ string, data []byte) (Fact, error) {
	var version string
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "version", "version_info":
			version = strings.TrimSpace(value)
		}
	}
	version, _, _ = strings.Cut(version, ".final")
	return item("python", version, pins.Detail{}, About{}), nil
}

func venvPackages(name string, facts Facts) ([]Package, error) {
	return facts[name].packages(pins.Python, "/"+strings.TrimPrefix(path.Dir(name), ".")), nil
}

// minor is the minor version of Python, such as 3.11, of which a folder of packages
// is; empty where the folder does not tell (Debian's python3).
func minor(site string) string {
	if m := sitesMinor.FindStringSubmatch(site); m != nil {
		return m[1]
	}
	return ""
}

var (
	sitesMinor   = regexp.MustCompile(`(?:^|/)lib(?:64)?/python([23]\.[0-9]+t?)/(?:site|dist)-packages(?:/|$)`)
	programMinor = regexp.MustCompile(`python([23]\.[0-9]+t?)(?:$|\.so)`)
)

// pythons are the minor versions of the Pythons of each environment, by prefix:
// its programs', and those that pyvenv.cfg and conda's record tell of.
func pythons(packages []Package, facts Facts) map[string]map[string]bool {
	known := map[string]map[string]bool{}
	note := func(where, minor string) {
		if known[where] == nil {
			known[where] = map[string]bool{}
		}
		known[where][minor] = true
	}
	for name := range facts {
		if m := programMinor.FindStringSubmatch(path.Base(name)); m != nil && isInterpreter(path.Dir(name),
			path.Base(name)) {
			where := path.Dir(path.Dir(name))
			if strings.HasSuffix(path.Base(path.Dir(name)), "-linux-gnu") {
				where = path.Dir(where)
			}
			note("/"+strings.TrimPrefix(where, "."), m[1])
		}
	}
	for _, p := range packages {
		if p.Kind != pins.Python {
			continue
		}
		if parts := strings.SplitN(p.Version, ".", 3); len(parts) > 1 {
			note(p.Where, parts[0]+"."+parts[1])
			note(p.Where, parts[0]+"."+parts[1]+"t") // neither tells which of the two it is
		}
	}
	return known
}

// importable leaves out distributions that no Python of the image can import: those
// in the folder of another minor version than its environment's Pythons are of. An
// environment without a Python, such as ~/.local, is any Python's.
func importable(packages []Package, facts Facts) []Package {
	known := pythons(packages, facts)
	all := map[string]bool{}
	for _, minors := range known {
		maps.Copy(all, minors)
	}
	return slices.DeleteFunc(packages, func(p Package) bool {
		v := minor(p.Path)
		if p.Kind != pins.Pip || v == "" || len(all) == 0 {
			return false
		}
		if own := known[p.Where]; len(own) > 0 {
			return !own[v]
		}
		return !all[v]
	})
}
