package images

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/images/layers"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
)

// A Drift is the difference of two inventories, and of the configs of their
// images. It is data; package report words it.
type Drift struct {
	A        string    `json:"a"` // how the sources are called
	B        string    `json:"b"`
	Packages []Change  `json:"packages"`
	Renames  []Rename  `json:"renames,omitempty"` // environments that are elsewhere now
	Trees    []Tree    `json:"trees,omitempty"`   // environments, and trees of node packages, that are new or gone
	Config   []Setting `json:"config"`
	Damages  []Damage  `json:"damages,omitempty"`  // of the files of b, if they were looked at
	Breaches []Breach  `json:"breaches,omitempty"` // of a policy, if there was one
	Layers   *Layers   `json:"layers,omitempty"`   // of both, if they are images
	Summary  Summary   `json:"summary"`
	// Unverified are the images of which layers were read without being hashed.
	Unverified []Unverified `json:"unverified,omitempty"`
	Expand     bool         `json:"-"` // what is written for reading lists the packages of trees too
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
	Kind    pins.Kind     `json:"kind"`
	Name    string        `json:"name"`
	Where   string        `json:"where"`  // the environment's prefix
	Change  string        `json:"change"` // added, removed or changed
	A       *string       `json:"a"`      // versions; nil where the package is not
	B       *string       `json:"b"`
	ADetail *pins.Detail  `json:"aDetail,omitempty"`
	BDetail *pins.Detail  `json:"bDetail,omitempty"`
	Was     *Was          `json:"was,omitempty"`    // what it is in a, if that is something else: it moved
	Brings  []Brought     `json:"brings,omitempty"` // what of its files other package managers see
	Level   version.Level `json:"level"`            // of a change; else empty
	Down    bool          `json:"down,omitempty"`   // b is the older one
	Layer   string        `json:"layer,omitempty"`  // the diffID of the layer that made the difference: one that the two images do not share
	Event   string        `json:"event,omitempty"`  // the history entry that made that layer
	Cause   *Cause        `json:"cause,omitempty"`  // if a lock was at hand

	Path string `json:"-"` // the file that tells of the package, of what was added or removed
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
	Asked    int                   `json:"asked"`    // changes for which a pin changed
	Followed int                   `json:"followed"` // changes that came along with those
}

// Any reports whether there is any drift.
func (d *Drift) Any() bool {
	return len(d.Packages)+len(d.Renames)+len(d.Config)+len(d.Damages) > 0
}

// New puts a drift together and counts it.
func New(a, b string, packages []Change, config []Setting) *Drift {
	d := &Drift{A: a, B: b, Packages: packages, Config: config}
	d.Count()
	return d
}

// Count makes the summary.
func (d *Drift) Count() {
	d.Summary = Summary{Levels: map[version.Level]int{}, Kinds: map[pins.Kind]int{}, Config: len(d.Config)}
	for _, c := range d.Packages {
		d.Summary.Kinds[c.Kind]++
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
}

// Drift returns what changed from image a to image b. Either may be a lock or
// an SBOM, which say nothing of how an image runs.
func (r Reader) Drift(ctx context.Context, a, b *Image) (*Drift, error) {
	d := &Drift{A: a.Name, B: b.Name, Packages: []Change{}, Config: []Setting{}}
	if a.HasConfig() && b.HasConfig() {
		d.Config = CompareConfigs(a.Config, b.Config)
	}
	if a.layers != nil && b.layers != nil {
		d.Layers = &Layers{tellLayers(a, b), tellLayers(b, a)}
	}
	if r.Layers || !sameLayers(a, b) {
		found, err := r.Inventories(ctx, a, b)
		if err != nil {
			return nil, err
		}
		found[0], found[1] = comparable(a, b, found[0], found[1])
		d.Packages, d.Renames = compareSharing(found[0], found[1], shared(a, b)), Renamed(found[0], found[1])
		d.Trees = trees(found[0], found[1], d.Renames)
		tellHiding(d.Packages, a, b)
		d.Unverified = r.Unverified(a, b)
	}
	d.Count()
	return d, nil
}

// Unverified are those of some images of which layers are read without being hashed.
func (r Reader) Unverified(imgs ...*Image) (all []Unverified) {
	for _, img := range imgs {
		if img.Unverified > 0 && !r.carries(img) && !r.Layers {
			all = append(all, Unverified{img.Name, img.Unverified})
		}
	}
	return all
}

// shared are the diffIDs of the layers that two images both have.
func shared(a, b *Image) map[string]bool {
	theirs := map[string]bool{}
	for _, l := range b.layers {
		theirs[l.Key()] = true
	}
	out := map[string]bool{}
	for _, l := range a.layers {
		if theirs[l.Key()] {
			out[l.DiffID] = true
		}
	}
	return out
}

// tellHiding names the layer of the other image that hides what was removed, where
// that lies in a layer that both images have; and likewise of what was added.
func tellHiding(changes []Change, a, b *Image) {
	both := shared(a, b)
	for i := range changes {
		c := &changes[i]
		other := b
		if c.Change == Added {
			other = a
		}
		if c.Change == Changed || !both[c.Layer] || c.Path == "" || len(other.known) != len(other.layers) {
			continue
		}
		if l, ok := other.hiding(c); ok {
			c.Layer, c.Event = l.DiffID, l.Event
		}
	}
}

// hiding is the layer of an image that hides the file by which a package is known
// in a lower one, or of dpkg's one file the first that lacks the package.
func (img *Image) hiding(c *Change) (layers.Layer, bool) {
	from := slices.IndexFunc(img.layers, func(l layers.Layer) bool { return l.DiffID == c.Layer })
	for i := from + 1; i < len(img.layers) && from >= 0; i++ {
		content := img.known[i]
		if content == nil {
			return layers.Layer{}, false
		}
		if fact, ok := content.Files[c.Path[1:]]; ok && c.Kind == pins.Deb {
			name, _, _ := strings.Cut(c.Name, ":")
			if !slices.ContainsFunc(fact.Items, func(item installed.Item) bool { return item.Name == name }) {
				return img.layers[i], true
			}
			continue
		}
		if content.Hides(c.Path[1:]) {
			return img.layers[i], true
		}
	}
	return layers.Layer{}, false
}

// root is the environment of a package, or what holds the outermost node_modules
// of a tree of node packages.
func root(p Package) string {
	where, _, _ := strings.Cut(p.Where+"/", "/node_modules/")
	where = strings.TrimSuffix(where, "/")
	if p.Kind == pins.Npm {
		return where + "/node_modules"
	}
	return where
}

// trees are the environments, and trees of node packages, of which one side has
// nothing.
func trees(a, b []Package, renames []Rename) []Tree {
	count := func(packages []Package) map[string]*Tree {
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
	at := root(Package{Pin: pins.Pin{Kind: c.Kind, Where: c.Where}})
	return slices.ContainsFunc(d.Trees, func(t Tree) bool { return t.Where == at && t.Change == c.Change })
}

// sameLayers reports whether two images consist of the same bytes.
func sameLayers(a, b *Image) bool {
	return a.layers != nil && slices.EqualFunc(a.layers, b.layers, func(x, y layers.Layer) bool {
		return x.Digest != "" && x.Digest == y.Digest
	})
}

func tellLayers(img, other *Image) []LayerInfo {
	theirs := map[string]bool{}
	for _, l := range other.layers {
		theirs[l.Key()] = true
	}
	out := []LayerInfo{}
	for _, l := range img.layers {
		out = append(out, LayerInfo{l.DiffID, l.Size, l.Event, theirs[l.Key()]})
	}
	return out
}

// comparable leaves of two inventories what both sources can tell: locks, and
// SBOMs of others, know fewer kinds, and some know neither places nor commits.
func comparable(a, b *Image, x, y []Package) ([]Package, []Package) {
	if a.partial() || b.partial() {
		x, y = lockable(x), lockable(y)
	}
	if (a.Lock == nil) != (b.Lock == nil) { // a lock does not name what the base has of Debian's
		if a.Lock != nil {
			y = lockedDebs(y, x)
		} else {
			x = lockedDebs(x, y)
		}
	}
	if a.Carried != nil && a.Carried.Foreign && !knowsCommits(x) || b.Carried != nil && b.Carried.Foreign && !knowsCommits(y) {
		x, y = without(x, func(p *Package) { p.Commit = "" }), without(y, func(p *Package) { p.Commit = "" })
	}
	if a.Carried != nil && a.Carried.Placeless || b.Carried != nil && b.Carried.Placeless {
		x, y = placeless(x), placeless(y)
	}
	return x, y
}

// lockedDebs leaves out the Debian packages that a lock does not name.
func lockedDebs(packages, lock []Package) []Package {
	named := map[string]bool{}
	for _, p := range lock {
		named[string(p.Kind)+" "+p.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(packages), func(p Package) bool { return p.Kind == pins.Deb && !named["deb "+p.Name] })
}

// partial reports whether the source knows only the kinds that locks hold.
func (img *Image) partial() bool {
	return img.Lock != nil || img.Carried != nil && img.Carried.Foreign
}

func knowsCommits(packages []Package) bool {
	return slices.ContainsFunc(packages, func(p Package) bool { return p.Commit != "" })
}

// without are packages of which something is forgotten.
func without(packages []Package, forget func(*Package)) []Package {
	out := slices.Clone(packages)
	for i := range out {
		forget(&out[i])
	}
	return out
}

// placeless forgets where packages are. Of several copies of one version one is
// left.
func placeless(packages []Package) []Package {
	out := without(packages, func(p *Package) { p.Where = "" })
	slices.SortStableFunc(out, func(a, b Package) int { return pins.Order(a.Pin, b.Pin) })
	return slices.CompactFunc(out, func(a, b Package) bool { return a.Kind == b.Kind && a.Name == b.Name && a.Version == b.Version })
}

// CompareConfigs returns what changed from one config to the other. Labels of
// driftpin's own, which name locks and plans, always differ with the image and
// are left out.
func CompareConfigs(a, b Config) []Setting {
	was, is := a.settings(), b.settings()
	all := maps.Clone(was)
	maps.Copy(all, is)
	out := []Setting{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		va, inA := was[name]
		vb, inB := is[name]
		if inA == inB && va == vb {
			continue
		}
		s := Setting{Name: name}
		if inA {
			s.A = &va
		}
		if inB {
			s.B = &vb
		}
		out = append(out, s)
	}
	return out
}

// settings flattens a config; what is not set is not in it.
func (c Config) settings() map[string]string {
	out := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	for k, v := range c.Env {
		out["env."+k] = v
	}
	for k, v := range c.Labels {
		if !strings.HasPrefix(k, pins.LabelPrefix) {
			out["label."+k] = v
		}
	}
	set("cmd", quoteWords(c.Cmd))
	set("entrypoint", quoteWords(c.Entrypoint))
	set("shell", quoteWords(c.Shell))
	set("user", c.User)
	set("working-dir", c.WorkingDir)
	set("platform", c.Platform)
	set("stop-signal", c.StopSignal)
	set("healthcheck", c.Healthcheck)
	set("on-build", strings.Join(c.OnBuild, "; "))
	for _, v := range c.Volumes {
		out["volume."+v] = "yes"
	}
	for _, p := range c.Ports {
		out["port."+p] = "yes"
	}
	return out
}

// quoteWords writes a command as a shell would read it.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\$`&|;<>()*?[]{}#~") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		quoted[i] = w
	}
	return strings.Join(quoted, " ")
}
