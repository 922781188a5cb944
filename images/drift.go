package images

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// A Drift is the difference of two inventories, and of the configs of their
// images. It is data; package report words it.
type Drift struct {
	A        string    `json:"a"` // how the sources are called
	B        string    `json:"b"`
	Packages []Change  `json:"packages"`
	Config   []Setting `json:"config"`
	Damages  []Damage  `json:"damages,omitempty"` // of the files of b, if they were looked at
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
	Level   pins.Level   `json:"level"`           // of a change; else empty
	Down    bool         `json:"down,omitempty"`  // b is the older one
	Layer   string       `json:"layer,omitempty"` // the diffID of the layer of b, of what was removed of a
	Event   string       `json:"event,omitempty"` // the history entry that made that layer
	Cause   *Cause       `json:"cause,omitempty"` // if a lock was at hand
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

// A Summary counts changes.
type Summary struct {
	Added   int                `json:"added"`
	Removed int                `json:"removed"`
	Changed int                `json:"changed"`
	Levels  map[pins.Level]int `json:"levels"`
	Config  int                `json:"config"`
}

// Any reports whether there is any drift.
func (d *Drift) Any() bool { return len(d.Packages)+len(d.Config)+len(d.Damages) > 0 }

// Compare returns what changed from a to b. Packages are known by kind, name
// and environment; of each environment that holds a package several times,
// equal versions are paired first. Versions are compared by their kind's rules,
// so that 6.2 and 6.2.0 are no change.
func Compare(a, b []Package) []Change {
	before, after := group(a), group(b)
	keys := before.keys(after)
	out := []Change{}
	for _, k := range keys {
		was, is := unpaired(before[k], after[k])
		for i := range max(len(was), len(is)) {
			out = append(out, change(at(was, i), at(is, i)))
		}
	}
	return out
}

// A place is where one package is, whatever its version.
type place struct {
	kind        pins.Kind
	name, where string
}

type places map[place][]Package

func group(packages []Package) places {
	g := places{}
	for _, p := range packages {
		k := place{p.Kind, p.Name, p.Where}
		g[k] = append(g[k], p)
	}
	return g
}

func (g places) keys(other places) []place {
	all := maps.Clone(g)
	maps.Copy(all, other)
	return slices.SortedFunc(maps.Keys(all), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name), cmp.Compare(a.where, b.where))
	})
}

// unpaired leaves out what is the same on both sides.
func unpaired(a, b []Package) (was, is []Package) {
	is = slices.Clone(b)
	for _, p := range a {
		i := slices.IndexFunc(is, func(q Package) bool { return same(p.Pin, q.Pin) })
		if i >= 0 {
			is = slices.Delete(is, i, i+1)
		} else {
			was = append(was, p)
		}
	}
	return was, is
}

// same reports whether two pins of one package mean the same bytes, as far as
// both tell. A detail that only one of them knows is no difference.
func same(p, q pins.Pin) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return pins.CompareVersions(p.Kind, p.Version, q.Version) == 0 &&
		p.Commit == q.Commit && !differ(p.Build, q.Build) && !differ(p.Channel, q.Channel)
}

func at(list []Package, i int) *Package {
	if i < len(list) {
		return &list[i]
	}
	return nil
}

func change(a, b *Package) Change {
	c := Change{}
	if a != nil {
		c.Kind, c.Name, c.Where, c.Layer, c.Event = a.Kind, a.Name, a.Where, a.Layer, a.Event
		c.A, c.ADetail = &a.Version, detail(a.Pin)
		c.Change = Removed
	}
	if b != nil {
		c.Kind, c.Name, c.Where, c.Layer, c.Event = b.Kind, b.Name, b.Where, b.Layer, b.Event
		c.B, c.BDetail = &b.Version, detail(b.Pin)
		c.Change = Added
	}
	if a != nil && b != nil {
		c.Change = Changed
		c.Level = pins.LevelOf(a.Kind, a.Version, b.Version)
		c.Down = pins.CompareVersions(a.Kind, a.Version, b.Version) > 0
	}
	return c
}

func detail(p pins.Pin) *pins.Detail {
	if p.Detail == (pins.Detail{}) {
		return nil
	}
	return &p.Detail
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
	set("user", c.User)
	set("working-dir", c.WorkingDir)
	set("platform", c.Platform)
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

// New puts a drift together and counts it.
func New(a, b string, packages []Change, config []Setting) *Drift {
	d := &Drift{A: a, B: b, Packages: packages, Config: config, Summary: Summary{Levels: map[pins.Level]int{}, Config: len(config)}}
	for _, c := range packages {
		switch c.Change {
		case Added:
			d.Summary.Added++
		case Removed:
			d.Summary.Removed++
		default:
			d.Summary.Changed++
			d.Summary.Levels[c.Level]++
		}
	}
	return d
}
