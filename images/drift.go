package images

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/layers"
	"github.com/driftpin/driftpin/pins"
)

// A Drift is the difference of two inventories, and of the configs of their
// images. It is data; package report words it.
type Drift struct {
	A        string    `json:"a"` // how the sources are called
	B        string    `json:"b"`
	Packages []Change  `json:"packages"`
	Renames  []Rename  `json:"renames,omitempty"` // environments that are elsewhere now
	Config   []Setting `json:"config"`
	Damages  []Damage  `json:"damages,omitempty"`  // of the files of b, if they were looked at
	Breaches []Breach  `json:"breaches,omitempty"` // of a policy, if there was one
	Layers   *Layers   `json:"layers,omitempty"`   // of both, if they are images
	Summary  Summary   `json:"summary"`
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
	Was     *Was         `json:"was,omitempty"`    // what it is in a, if that is something else: it moved
	Brings  []Brought    `json:"brings,omitempty"` // what of its files other package managers see
	Level   pins.Level   `json:"level"`            // of a change; else empty
	Down    bool         `json:"down,omitempty"`   // b is the older one
	Layer   string       `json:"layer,omitempty"`  // the diffID of the layer of b, of what was removed of a
	Event   string       `json:"event,omitempty"`  // the history entry that made that layer
	Cause   *Cause       `json:"cause,omitempty"`  // if a lock was at hand
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
	Added    int                `json:"added"`
	Removed  int                `json:"removed"`
	Changed  int                `json:"changed"`
	Moved    int                `json:"moved"` // of those that changed
	Levels   map[pins.Level]int `json:"levels"`
	Config   int                `json:"config"`
	Asked    int                `json:"asked"`    // changes for which a pin changed
	Followed int                `json:"followed"` // changes that came along with those
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
	d.Summary = Summary{Levels: map[pins.Level]int{}, Config: len(d.Config)}
	for _, c := range d.Packages {
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
		d.Packages, d.Renames = Compare(found[0], found[1]), Renamed(found[0], found[1])
	}
	d.Count()
	return d, nil
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
		if !strings.HasPrefix(k, "org.driftpin.") {
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
