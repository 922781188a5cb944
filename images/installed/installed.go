// Package installed says which packages are installed in an image, from the
// files in which package managers keep their books.
//
// Of an image's files those that [IsMetadata] tells are wanted. [Read] makes a
// [Fact] of one of them: what it says by itself, small and to be kept. From the
// facts of all that can be seen [Packages] makes the inventory: where each
// package is, and to which other package its files belong. Nothing here opens a
// file, so it does not matter where the bytes came from.
//
// Every manager has a reader here, tried in the order of readers.
package installed

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/driftpin/driftpin/pins"
)

// Version counts changes to what a Fact holds: facts of another version are not
// to be mixed with these.
const Version = "8"

// A Package is a package that is installed, and where it was found.
type Package struct {
	pins.Pin
	Path  string `json:"path,omitempty"`  // the file that tells of it
	Layer string `json:"layer,omitempty"` // the diffID of the layer that holds that file
	Event string `json:"event,omitempty"` // the history entry that made that layer
	Owner *Owner `json:"owner,omitempty"` // the package that brought that file
	About About  `json:"about,omitzero"`
}

// An Owner is a package whose files tell of another package: conda's numpy
// brings the metadata by which pip knows numpy.
type Owner struct {
	Kind pins.Kind `json:"kind"`
	Name string    `json:"name"`
}

// A Fact is what one file says.
type Fact struct {
	Items   []Item   `json:"i,omitempty"` // the packages that it tells of
	Owns    []string `json:"o,omitempty"` // the metadata files that belong to its package
	Commit  string   `json:"c,omitempty"` // of a package beside it: where that came from
	Bundles bool     `json:"b,omitempty"` // the package carries its dependencies itself
	Link    string   `json:"l,omitempty"` // the folder of its sources
	Bytes   int64    `json:"s,omitempty"` // how large the files that it lists are
}

// An Item is a package as a file tells of it, by its names there.
type Item struct {
	Name    string `json:"n"`
	Version string `json:"v"`
	pins.Detail
	About About `json:"a,omitzero"`
}

// Facts are the facts of an image, by path without a leading slash.
type Facts map[string]Fact

// A reader reads one kind of metadata.
type reader struct {
	match func(dir, base string) bool
	read  func(name string, data []byte) (Fact, error)
	tell  func(name string, facts Facts) ([]Package, error) // nil for a file that other readers look at
	head  int                                               // bytes that are enough; 0: all
}

// readers are tried in order; the first that matches reads the file.
func readers() []reader {
	return []reader{
		{isDpkgStatus, readDpkg, dpkgPackages, 0},
		{isDpkgList, readDpkgList, nil, 0},
		{isPythonMetadata, readPython, pythonPackages, headBytes},
		{isPythonOrigin, readOrigin, nil, 0},
		{isInstaller, readNothing, nil, 1},
		{isCondaCached, readCondaCached, nil, 0},
		{isPythonRecord, readRecord, nil, 0},
		{isEggLink, readEggLink, eggLinkPackages, headBytes},
		{isEggFile, readEggFile, herePackages(pins.Pip), 1},
		{isInterpreter, readInterpreter, interpreterPackages, interpreterBytes},
		{isVenv, readVenv, venvPackages, headBytes},
		{IsCondaMeta, readConda, condaPackages, 0},
		{isNodePackage, readNode, nodePackages, 0},
		{isLabExtension, readNode, labPackages, 0},
		{isNodeSource, readNode, nil, 0},
		{isServerConfig, readServerConfig, serverPackages, 0},
		{isKernel, readKernel, kernelPackages, 0},
		{isRDescription, readR, rPackages, headBytes},
	}
}

// table is readers: the functions in it keep nothing.
var table = readers()

// headBytes are enough of a file whose header alone matters: the first fields
// of a METADATA name the package, its description may be of any length.
const headBytes = 1 << 20

// maxBytes is the most that is held of a file.
const maxBytes = 64 << 20

// maxItem is how long the words of a package may be together, in bytes.
const maxItem = 16 << 10

// elsewhere matches what package managers keep for later: conda's package
// cache (NAME-VERSION-BUILD), and those of pip, uv and npm. What lies there is not
// installed.
var elsewhere = regexp.MustCompile(`(?:^|/)(?:pkgs/(?:[^/]+/)*?[^/]+-[0-9][^/-]*-[^/-]*[0-9][^/-]*|\.cache/[^/]+|` +
	`\.npm/_[^/]+)/`)

// IsMetadata reports whether a file tells of installed packages, or may do so by
// a link to it. The name has no leading slash.
func IsMetadata(name string) bool {
	return readerOf(name) >= 0 && (!Spare(name) || movable(name))
}

func readerOf(name string) int {
	dir, base := ".", name // as path.Dir and path.Base have it, of names that are clean
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i], name[i+1:]
	}
	return slices.IndexFunc(table, func(r reader) bool { return r.match(dir, base) })
}

// Spare reports whether a file of metadata counts only by hard links to it: it
// lies in a cache of a package manager.
func Spare(name string) bool {
	// Poetry's environments lie in its cache
	return mayBeElsewhere(name) && elsewhere.MatchString(name) && !strings.Contains(name, "/virtualenvs/") ||
		isRCached(name)
}

// mayBeElsewhere is a quick look, for most names are of no cache.
func mayBeElsewhere(name string) bool {
	return strings.Contains(name, "pkgs/") || strings.Contains(name, ".cache/") || strings.Contains(name, ".npm/")
}

// Same reports whether a file of metadata tells of the same where it is by either of
// two names.
func Same(a, b string) bool {
	i := readerOf(a)
	return i >= 0 && i == readerOf(b) && Spare(a) == Spare(b) && (held(b) || !held(a))
}

// held reports whether a file lies below a folder that Holds.
func held(name string) bool {
	for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
		if Holds(name[:i]) {
			return true
		}
	}
	return false
}

// Holds reports whether files below a folder tell of packages for its name.
func Holds(folder string) bool {
	switch path.Base(folder) {
	case "node_modules", "site-packages", "dist-packages", "conda-meta", "kernels", "labextensions":
		return true
	}
	return folder == "var" || folder == "var/lib" || folder == "var/lib/dpkg" ||
		debianNodePlace.FindString(folder+"/") == folder+"/" || serverConfig.MatchString(folder)
}

// Alike reports whether two files of metadata with the same bytes say the same,
// wherever they are.
func Alike(a, b string) bool {
	same := path.Base(a) == path.Base(b) && movable(a) && movable(b)
	// which has to be called like its package
	return same && (path.Base(a) != "DESCRIPTION" || path.Base(path.Dir(a)) == path.Base(path.Dir(b)))
}

// movable matches files of which Read makes the same in any folder.
func movable(name string) bool {
	switch path.Base(name) {
	case "METADATA", "PKG-INFO", "direct_url.json", "package.json", "DESCRIPTION", "INSTALLER":
		return !IsCondaMeta(path.Dir(name), path.Base(name))
	}
	return false
}

// Real reports whether a file tells of something only if it is no symbolic
// link: the python of a virtual environment is another's.
func Real(name string) bool { return isInterpreter(path.Dir(name), path.Base(name)) }

// Within are the files of a folder that tell of an installed package: those of
// a folder that may well be a symbolic link, as npm link makes it.
func Within(folder string) []string {
	switch {
	case isNodePackage(folder, "package.json"):
		return []string{"package.json"}
	case isPythonMetadata(folder, "METADATA"):
		return []string{"METADATA", "RECORD", "INSTALLER", "direct_url.json"}
	case isLabExtension(folder, "package.json"):
		return []string{"package.json"}
	case isKernel(folder, "kernel.json"):
		return []string{"kernel.json"}
	case isRLibrary(folder):
		return []string{"DESCRIPTION"}
	case folder == "var/lib/dpkg":
		return []string{"status"}
	}
	return nil
}

// Read makes a Fact of a metadata file. One that tells of nothing where it is
// may be anything.
func Read(name string, size int64, r io.Reader) (Fact, error) {
	return read(name, size, r, func(data []byte) (Fact, error) { return understand(name, data) })
}

// Reading is a Read that makes a Fact once of files with one name and the same
// bytes: images have many in common, also in layers that are not known to be the
// same. It can be used by several at a time.
func Reading() func(name string, size int64, r io.Reader) (Fact, error) {
	type made struct {
		fact Fact
		err  error
	}
	var facts sync.Map // made, by the SHA-256 of name and bytes
	return func(name string, size int64, r io.Reader) (Fact, error) {
		return read(name, size, r, func(data []byte) (Fact, error) {
			hash := sha256.New()
			fmt.Fprintf(hash, "%q ", name)
			hash.Write(data) // a hash's Write returns no error
			key := [sha256.Size]byte(hash.Sum(nil))
			if known, ok := facts.Load(key); ok {
				return known.(made).fact, known.(made).err
			}
			f, err := understand(name, data)
			facts.Store(key, made{f, err})
			return f, err
		})
	}
}

// read reads as much of a metadata file as matters, and has a Fact made of it.
func read(name string, size int64, r io.Reader, understand func(data []byte) (Fact, error)) (Fact, error) {
	i := readerOf(name)
	if i < 0 {
		return Fact{}, errors.New("no reader knows this file")
	}
	limit := int64(table[i].head)
	if limit == 0 && size > maxBytes {
		return Fact{}, fmt.Errorf("%d bytes are too many for a package's metadata", size)
	} else if limit == 0 {
		limit = size
	}
	var b bytes.Buffer
	b.Grow(int(min(size, limit)) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(r, limit)); err != nil {
		return Fact{}, err
	}
	f, err := understand(b.Bytes())
	if err != nil && movable(name) && !tells(name) {
		return Fact{}, nil
	}
	return f, err
}

// understand makes a Fact of the bytes of a metadata file.
func understand(name string, data []byte) (Fact, error) {
	f, err := table[readerOf(name)].read(name, data)
	for _, item := range f.Items {
		if err == nil && len(item.Name)+len(item.Version)+len(item.Build)+len(item.Channel)+len(item.Commit) > maxItem {
			err = fmt.Errorf("a name or a version of more than %d bytes", maxItem)
		}
	}
	var owns []string
	for _, owned := range f.Owns {
		if tells(owned) {
			owns = append(owns, owned)
		}
	}
	f.Owns = owns
	return f, err
}

// tells reports whether a file tells of packages where it is.
func tells(name string) bool {
	i := readerOf(name)
	return i >= 0 && table[i].tell != nil && !Spare(name)
}

// Size is about how much memory a Fact takes, in bytes.
func (f Fact) Size() int {
	n := 64 + len(f.Commit) + len(f.Link)
	for _, i := range f.Items {
		n += 152 + len(i.Name) + len(i.Version) + len(i.Build) + len(i.Channel) + len(i.Commit) +
			len(i.About.License) + len(i.About.Home) + len(i.About.Changes)
	}
	for _, o := range f.Owns {
		n += 16 + len(o)
	}
	return n
}

// Packages returns what facts say is installed, with the owners of what belongs
// to other packages, sorted by pins.Order. A file that can't be right is an
// error: an inventory is complete or it is none.
func Packages(facts Facts) ([]Package, error) {
	out := []Package{}
	cached := condaCached(facts)
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		r := table[readerOf(name)]
		if r.tell == nil || slices.ContainsFunc(cached,
			func(folder string) bool { return strings.HasPrefix(name, folder) }) {
			continue
		}
		found, err := r.tell(name, facts)
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", name, err)
		}
		for i := range found {
			found[i].Path = "/" + name
		}
		out = append(out, found...)
	}
	out = importable(out, facts)
	own(out, facts)
	lend(out)
	slices.SortStableFunc(out, func(a, b Package) int { return pins.Order(a.Pin, b.Pin) })
	return slices.CompactFunc(out, told), nil
}

// told reports whether two packages are one, of which two files tell: an
// interpreter's program and its library, a distribution's dist-info and egg-info,
// what dpkg has in two places, a package of a store and a link to it.
func told(a, b Package) bool {
	if a.Pin != b.Pin {
		return false
	}
	switch a.Kind {
	case pins.Python, pins.Pip, pins.Deb, pins.R:
		return true
	case pins.Npm:
		return nodeStore.MatchString(a.Path) || nodeStore.MatchString(b.Path)
	}
	return false
}

// herePackages returns a file's items as packages of a kind; where they are is the
// prefix of the folder that the file lies in.
func herePackages(kind pins.Kind) func(string, Facts) ([]Package, error) {
	return func(name string, facts Facts) ([]Package, error) {
		return facts[name].packages(kind, prefix(path.Dir(name))), nil
	}
}

func (f Fact) packages(kind pins.Kind, where string) []Package {
	var out []Package
	for _, i := range f.Items {
		p := Package{Pin: pins.New(kind, i.Name, i.Version)}
		p.Where, p.Detail, p.About = where, i.Detail, i.About
		out = append(out, p)
	}
	return out
}

// item is the fact of one package; none if it has no name or no version.
func item(name, version string, d pins.Detail, about About) Fact {
	if name == "" || version == "" {
		return Fact{}
	}
	return Fact{Items: []Item{{name, version, d, about}}}
}

// own notes which package brought each other package's metadata.
func own(packages []Package, facts Facts) {
	bundle(packages, facts)
	at := map[string][]int{}
	for i, p := range packages {
		at[p.Path] = append(at[p.Path], i)
	}
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		f := facts[name]
		if len(f.Owns) == 0 {
			continue
		}
		owner := ownerOf(name, facts)
		for _, owned := range f.Owns {
			for _, i := range at["/"+owned] {
				if p := &packages[i]; owner.Name != "" && p.Kind != owner.Kind && p.Owner == nil {
					p.Owner = &owner
				}
			}
		}
	}
}

// bundle notes what node packages carry in their own archives.
func bundle(packages []Package, facts Facts) {
	bundling := map[string]string{} // names, by folder
	for name, f := range facts {
		if f.Bundles && tells(name) {
			bundling["/"+path.Dir(name)] = f.Items[0].Name
		}
	}
	for i, p := range packages {
		if p.Kind != pins.Npm || len(bundling) == 0 {
			continue
		}
		for folder := p.Path; ; {
			end := strings.LastIndex(folder, "/node_modules/")
			if end < 0 {
				break
			}
			folder = folder[:end]
			if name, ok := bundling[folder]; ok {
				packages[i].Owner = &Owner{pins.Npm, name}
				break
			}
		}
	}
}

// ownerOf is the package whose list of files a file is.
func ownerOf(name string, facts Facts) Owner {
	dir, base := path.Dir(name), path.Base(name)
	switch {
	case isDpkgList(dir, base):
		owner, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(base, ".list"), ".md5sums"), ":")
		return Owner{pins.Deb, owner}
	case IsCondaMeta(dir, base) && len(facts[name].Items) > 0:
		return Owner{pins.Conda, pins.CanonicalName(pins.Conda, facts[name].Items[0].Name)}
	case isPythonRecord(dir, base):
		if f := facts[dir+"/METADATA"]; len(f.Items) > 0 {
			return Owner{pins.Pip, pins.CanonicalName(pins.Pip, f.Items[0].Name)}
		}
	}
	return Owner{}
}

// prefix is the environment that a folder of Python's packages belongs to: what
// stands before lib/pythonX.Y/site-packages, or else the folder itself.
func prefix(site string) string {
	if m := pythonPrefix.FindStringSubmatch(site); m != nil {
		return "/" + m[1]
	}
	return "/" + site
}

var pythonPrefix = regexp.MustCompile(`^(?:(.*?)/)?lib(?:64)?/python[0-9.]*t?/(?:site|dist)-packages$`)
