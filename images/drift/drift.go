// Package drift says what differs between inventories, and why. All of it is data,
// which package report words.
//
// [Compare] pairs the packages of two; [Between] compares two inventories by what
// both can tell, and [Across] any number; [Drift.Explain] finds the causes in locks
// and manifests, and a [Policy] what is not allowed.
package drift

import (
	"cmp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
)

// A Drift is the difference of two inventories, and of the configs of their
// images. It is data; package report words it.
type Drift struct {
	A        string    `json:"a"` // how the sources are called
	B        string    `json:"b"`
	Sources  *Sources  `json:"sources,omitempty"` // what is known of them, if something is
	Packages []Change  `json:"packages"`
	Renames  []Rename  `json:"renames,omitempty"` // environments that are elsewhere now
	Trees    []Tree    `json:"trees,omitempty"`   // environments, and trees of node packages, that are new or gone
	Config   []Setting `json:"config"`
	Damages  []Damage  `json:"damages,omitempty"`  // of the files of b, if they were looked at
	Breaches []Breach  `json:"breaches,omitempty"` // of a policy, if there was one
	Layers   *Layers   `json:"layers,omitempty"`   // of both, if they are images
	Summary  Summary   `json:"summary"`
	// Untold are the images that carry an inventory without sizes and licences.
	Untold []string `json:"untold,omitempty"`
	// Unverified are the images of which layers were read without being hashed.
	Unverified []Unverified `json:"unverified,omitempty"`
	Expand     bool         `json:"-"` // what is written for reading lists the packages of trees too
}

// Sources are what is known of the two that are compared.
type Sources struct {
	A Source `json:"a"`
	B Source `json:"b"`
}

// A Source is an image, or a lock.
type Source struct {
	Course  string `json:"course,omitempty"`  // that it is of
	Digest  string `json:"digest,omitempty"`  // of the image's manifest, or of the lock
	Created string `json:"created,omitempty"` // the day of its config, or the as-of of the lock it was built from
	Size    int64  `json:"size,omitempty"`    // of the image's layers, in bytes, as they are stored
}

// TwoCourses are the names of the courses, if the two are of different ones: then nothing
// was added to one, or removed from the other.
func (d *Drift) TwoCourses() (a, b string, ok bool) {
	if d.Sources == nil || d.Sources.A.Course == "" || d.Sources.B.Course == "" || d.Sources.A.Course == d.Sources.B.Course {
		return "", "", false
	}
	return d.Sources.A.Course, d.Sources.B.Course, true
}

// An Unverified image is one of which layers were read without being hashed.
type Unverified struct {
	Image  string `json:"image"`
	Layers int    `json:"layers"` // how many
}

// A Tree is an environment, or what lies in a node_modules folder and below, of
// which one image has nothing: all its packages were added, or removed.
type Tree struct {
	Where    string            `json:"where"`
	Change   string            `json:"change"`   // added or removed
	Packages int               `json:"packages"` // how many
	Kinds    map[pins.Kind]int `json:"kinds"`
}

// A Change is what happened to one package in one environment.
type Change struct {
	Kind    pins.Kind    `json:"kind"`
	Name    string       `json:"name"`
	Where   string       `json:"where"`  // the environment's prefix
	Change  string       `json:"change"` // added, removed or changed
	A       *string      `json:"a"`      // versions; nil where the package is not
	B       *string      `json:"b"`
	ADetail *pins.Detail `json:"aDetail,omitempty"`
	BDetail *pins.Detail `json:"bDetail,omitempty"`
	// what the packages say of themselves, as far as it is known
	AAbout *installed.About `json:"aAbout,omitempty"`
	BAbout *installed.About `json:"bAbout,omitempty"`
	// the two name other licences; see installed.SameLicense
	Relicensed bool          `json:"relicensed,omitempty"`
	Was        *Was          `json:"was,omitempty"`    // what it is in a, if that is something else: it moved
	Brings     []Brought     `json:"brings,omitempty"` // what of its files other package managers see
	Level      version.Level `json:"level"`            // of a change; else empty
	Down       bool          `json:"down,omitempty"`   // b is the older one
	// the diffID of the layer that made the difference: one that the two images do not share
	Layer string `json:"layer,omitempty"`
	Event string `json:"event,omitempty"` // the history entry that made that layer
	Cause *Cause `json:"cause,omitempty"` // if a lock was at hand

	// the platform of the lock, of a change that its first one does not have
	Platform string `json:"platform,omitempty"`

	Path string `json:"-"` // the file that tells of the package, of what was added or removed
}

// Bytes is by how much the package's installed files are larger in b; a package that is not
// there has none. known is false where metadata does not tell.
func (c Change) Bytes() (more int64, known bool) {
	size := func(version *string, about *installed.About) (int64, bool) {
		if version == nil {
			return 0, true
		}
		if about == nil || about.Size == 0 {
			return 0, false
		}
		return about.Size, true
	}
	a, knownA := size(c.A, c.AAbout)
	b, knownB := size(c.B, c.BAbout)
	if !knownA || !knownB {
		return 0, false
	}
	return b - a, true
}

// Links are the addresses of the project's page and of its changelog, those that the newer
// package tells; empty if it tells none.
func (c Change) Links() (home, changes string) {
	for _, about := range []*installed.About{c.AAbout, c.BAbout} {
		if about != nil {
			home, changes = cmp.Or(about.Home, home), cmp.Or(about.Changes, changes)
		}
	}
	return home, changes
}

// What a Change can be.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// A Setting is a difference of the images' configs.
type Setting struct {
	Name string  `json:"name"` // such as env.PATH, cmd or user
	A    *string `json:"a"`    // nil where it is not set
	B    *string `json:"b"`
}

// Layers are the layers of two images, the lowest first.
type Layers struct {
	A []LayerInfo `json:"a"`
	B []LayerInfo `json:"b"`
}

// A LayerInfo tells of a layer.
type LayerInfo struct {
	DiffID string `json:"diffID"`
	Size   int64  `json:"size"` // in bytes, as it is stored; 0 if not known
	Event  string `json:"event,omitempty"`
	Shared bool   `json:"shared"` // the other image has it too

	Key string `json:"-"` // what is the same for the same layer
}

// A Summary counts changes.
type Summary struct {
	Added    int                   `json:"added"`
	Removed  int                   `json:"removed"`
	Changed  int                   `json:"changed"`
	Moved    int                   `json:"moved"` // of those that changed
	Levels   map[version.Level]int `json:"levels"`
	Kinds    map[pins.Kind]int     `json:"kinds"` // changes by kind
	Config   int                   `json:"config"`
	Licenses int                   `json:"licenses"`        // packages that name another licence
	Asked    int                   `json:"asked"`           // changes for which a pin changed
	Followed int                   `json:"followed"`        // changes that came along with those
	Sizes    *Sizes                `json:"sizes,omitempty"` // if of one change at least they are known
}

// Sizes are those of the installed files of packages that changed, in bytes.
type Sizes struct {
	More    int64 `json:"more"`    // in b, of packages that are larger there
	Less    int64 `json:"less"`    // in b, of packages that are smaller there
	Unknown int   `json:"unknown"` // packages whose metadata tells no size
}

// Any reports whether there is any drift.
func (d *Drift) Any() bool {
	return len(d.Packages)+len(d.Renames)+len(d.Config)+len(d.Damages) > 0
}

// New puts a drift together and counts it.
func New(a, b string, packages []Change, config []Setting) *Drift {
	d := &Drift{A: a, B: b, Packages: packages, Config: config}
	d.count()
	return d
}

// count makes the summary.
func (d *Drift) count() {
	d.Summary = Summary{Levels: map[version.Level]int{}, Kinds: map[pins.Kind]int{}, Config: len(d.Config)}
	var sizes Sizes
	for _, c := range d.Packages {
		d.Summary.Kinds[c.Kind]++
		more, known := c.Bytes()
		sizes.More, sizes.Less = sizes.More+max(0, more), sizes.Less+max(0, -more)
		if !known {
			sizes.Unknown++
		}
		if c.Relicensed {
			d.Summary.Licenses++
		}
		switch c.Change {
		case Added:
			d.Summary.Added++
		case Removed:
			d.Summary.Removed++
		default:
			d.Summary.Changed++
			d.Summary.Levels[c.Level]++
		}
		if c.Was != nil {
			d.Summary.Moved++
		}
		switch {
		case c.Cause == nil:
		case c.Cause.Asked:
			d.Summary.Asked++
		default:
			d.Summary.Followed++
		}
	}
	if sizes.Unknown < len(d.Packages) {
		d.Summary.Sizes = &sizes
	}
}

// root is the environment of a package, or what holds the outermost node_modules
// of a tree of node packages.
func root(p installed.Package) string {
	where, _, _ := strings.Cut(p.Where+"/", "/node_modules/")
	where = strings.TrimSuffix(where, "/")
	if p.Kind == pins.Npm {
		return where + "/node_modules"
	}
	return where
}

// trees are the environments, and trees of node packages, of which one side has
// nothing.
func trees(a, b []installed.Package, renames []Rename) []Tree {
	count := func(packages []installed.Package) map[string]*Tree {
		out := map[string]*Tree{}
		for _, p := range packages {
			if p.Where == "" || p.Owner != nil {
				continue
			}
			t := out[root(p)]
			if t == nil {
				t = &Tree{Where: root(p), Kinds: map[pins.Kind]int{}}
				out[root(p)] = t
			}
			t.Packages++
			t.Kinds[p.Kind]++
		}
		return out
	}
	before, after := count(a), count(b)
	var found []Tree
	only := func(here, there map[string]*Tree, change string) {
		for where, t := range here {
			renamed := slices.ContainsFunc(renames, func(r Rename) bool { return r.From == where || r.To == where })
			if there[where] == nil && t.Packages >= leastRoom && !renamed {
				t.Change = change
				found = append(found, *t)
			}
		}
	}
	only(before, after, Removed)
	only(after, before, Added)
	slices.SortFunc(found, func(a, b Tree) int {
		return cmp.Or(strings.Compare(a.Change, b.Change), strings.Compare(a.Where, b.Where))
	})
	return found
}

// Within reports whether a change is one of a tree that is new or gone.
func (d *Drift) Within(c Change) bool {
	if c.Change == Changed {
		return false
	}
	at := root(installed.Package{Pin: pins.Pin{Kind: c.Kind, Where: c.Where}})
	return slices.ContainsFunc(d.Trees, func(t Tree) bool { return t.Where == at && t.Change == c.Change })
}

// markShared are the layers of an inventory, as they stand to those of another.
func markShared(layers, other []LayerInfo) []LayerInfo {
	theirs := map[string]bool{}
	for _, l := range other {
		theirs[l.Key] = true
	}
	out := []LayerInfo{}
	for _, l := range layers {
		l.Shared = theirs[l.Key]
		out = append(out, l)
	}
	return out
}

// A Damage is an installed file that is not as its package recorded it.
type Damage struct {
	Path    string `json:"path"`    // absolute, in the image
	Package string `json:"package"` // that recorded it
	What    string `json:"what"`    // "changed" or "missing"
}
