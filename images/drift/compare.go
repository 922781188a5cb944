package drift

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
)

// Was is what a package that moved is in a: another manager's, under another
// name, or in another environment.
type Was struct {
	Kind  pins.Kind `json:"kind"`
	Name  string    `json:"name"`
	Where string    `json:"where"`
}

// Brought is a change of what another package manager sees of a package's
// files: pip sees the metadata in conda's numpy.
type Brought struct {
	Kind pins.Kind `json:"kind"`
	Name string    `json:"name"`
	A    *string   `json:"a"`
	B    *string   `json:"b"`
}

// A Rename is an environment that is at another place in b.
type Rename struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Packages int    `json:"packages"` // that are in both
}

// Compare returns what changed from a to b. Packages are known by kind, name
// and environment; of each environment that holds a package several times,
// equal versions are paired first. Versions are compared by their kind's rules,
// so that 6.2 and 6.2.0 are no change. What belongs to another package is
// counted with that, and what moved from one manager, name or environment to
// another is one change.
func Compare(a, b []installed.Package) []Change { return compareSharing(a, b, nil) }

// compareSharing is Compare for two images that share layers, by diffID: which
// layer made a difference is one that they do not share.
func compareSharing(a, b []installed.Package, shared map[string]bool) []Change {
	pairs := unpaired(relocated(a, Renamed(a, b)), b)
	pairs = fold(pairs)
	pairs = joinMoved(pairs)
	out := []Change{}
	for _, p := range pairs {
		out = append(out, p.change(shared))
	}
	return out
}

// A pair is a package of a, and what it is in b; either may be nil.
type pair struct {
	a, b   *installed.Package
	brings []*pair
	like   *pair // of one that moved: what one manager sees on both sides, whose versions can be compared
	gone   bool  // another pair tells of it: into, if it tells of all
	into   *pair
}

// goInto leaves it to another pair to tell of this one.
func (p *pair) goInto(other *pair) { p.gone, p.into = true, other }

// either is the package of the newer side that there is.
func (p *pair) either() *installed.Package { return cmp.Or(p.b, p.a) }

// A place is where one package is, whatever its version.
type place struct {
	kind        pins.Kind
	name, where string
}

func placeOf(p installed.Package) place { return place{p.Kind, p.Name, p.Where} }

type places map[place][]installed.Package

func group(packages []installed.Package) places {
	g := places{}
	for _, p := range packages {
		g[placeOf(p)] = append(g[placeOf(p)], p)
	}
	return g
}

// unpaired pairs what is not the same on both sides. Of what is the same only
// that is left which has come to another owner.
func unpaired(a, b []installed.Package) []*pair {
	before, after := group(a), group(b)
	all := maps.Clone(before)
	maps.Copy(all, after)
	keys := slices.SortedFunc(maps.Keys(all), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name), cmp.Compare(a.where, b.where))
	})
	var out []*pair
	for _, k := range keys {
		var was []installed.Package
		is := slices.Clone(after[k])
		for _, p := range before[k] {
			i := slices.IndexFunc(is, func(q installed.Package) bool { return p.Same(q.Pin) })
			if i < 0 {
				was = append(was, p)
				continue
			}
			if q := is[i]; (p.Owner == nil) != (q.Owner == nil) {
				out = append(out, &pair{a: &p, b: &q})
			}
			is = slices.Delete(is, i, i+1)
		}
		for i := range max(len(was), len(is)) {
			p := &pair{}
			if i < len(was) {
				p.a = &was[i]
			}
			if i < len(is) {
				p.b = &is[i]
			}
			out = append(out, p)
		}
	}
	return out
}

// fold counts what belongs to other packages with those, and joins what became
// another manager's.
func fold(pairs []*pair) []*pair {
	f := newFolding(pairs)
	for _, p := range pairs {
		var from, to *pair // the changes of the owners
		if p.a != nil && p.a.Owner != nil {
			from = f.find(*p.a, func(q *pair) *installed.Package { return q.a })
		}
		if p.b != nil && p.b.Owner != nil {
			to = f.find(*p.b, func(q *pair) *installed.Package { return q.b })
		}
		f.foldOne(p, from, to)
	}
	return slices.DeleteFunc(pairs, func(p *pair) bool { return p.gone })
}

// foldOne does it for one pair whose owners' changes are from in a and to in b.
func (f folding) foldOne(p, from, to *pair) {
	aOwned, bOwned := p.a == nil || p.a.Owner != nil, p.b == nil || p.b.Owner != nil
	switch {
	case aOwned && bOwned:
		if from != nil && to != nil && from != to && from.b == nil && to.a == nil { // the owner has another name now
			to.a, to.like = from.a, p
			from.goInto(to)
		}
		if owner := cmp.Or(to, from); owner != nil && owner != p {
			owner.brings = append(owner.brings, p)
			p.goInto(owner)
		}
	case bOwned && to != nil && to.a == nil:
		to.a, to.like = p.a, p
		p.goInto(to)
	case bOwned && to != nil && to.a.Kind == p.a.Kind: // one that moved brings more than one
		to.brings = append(to.brings, p)
		p.goInto(to)
	case aOwned && from != nil && from.b == nil && p.b != nil:
		p.like = &pair{a: p.a, b: p.b}
		p.a = from.a
		from.goInto(p)
	}
	if p.a != nil && p.b != nil && placeOf(*p.a) == placeOf(*p.b) && p.a.Same(p.b.Pin) {
		p.gone = true
	}
}

// A folding finds the changes of owners.
type folding map[installed.Owner][]*pair

func newFolding(pairs []*pair) folding {
	f := folding{}
	for _, p := range pairs {
		for _, side := range []*installed.Package{p.a, p.b} {
			if side != nil {
				name, _, _ := strings.Cut(side.Name, ":")
				k := installed.Owner{Kind: side.Kind, Name: name}
				if list := f[k]; len(list) == 0 || list[len(list)-1] != p {
					f[k] = append(f[k], p)
				}
			}
		}
	}
	return f
}

// find returns the change of a package's owner on one side, or nil.
func (f folding) find(of installed.Package, side func(*pair) *installed.Package) *pair {
	for _, p := range f[*of.Owner] {
		owner := side(p)
		if owner != nil && (owner.Where == "" || owner.Where == of.Where || strings.HasPrefix(of.Where,
			strings.TrimSuffix(owner.Where, "/")+"/")) {
			for p != nil && p.gone {
				p = p.into
			}
			return p
		}
	}
	return nil
}

// joinMoved joins what went from one environment and came to another, where
// there is one of each.
func joinMoved(pairs []*pair) []*pair {
	type thing struct {
		kind pins.Kind
		name string
	}
	went, came := map[thing][]*pair{}, map[thing][]*pair{}
	for _, p := range pairs {
		k := thing{p.either().Kind, p.either().Name}
		// a dependency of another package: that one's affair
		nested := k.kind == pins.Npm && strings.Contains(p.either().Where+"/", "/node_modules/")
		switch {
		case p.either().Owner != nil || k.kind == pins.Python || nested:
		case p.b == nil:
			went[k] = append(went[k], p)
		case p.a == nil:
			came[k] = append(came[k], p)
		}
	}
	for k, from := range went {
		if to := came[k]; len(from) == 1 && len(to) == 1 {
			to[0].a, from[0].gone = from[0].a, true
		}
	}
	return slices.DeleteFunc(pairs, func(p *pair) bool { return p.gone })
}

// Renamed finds environments of a that are not in b, and each of which is
// mostly the same as one that is not in a: half of the packages of either, by
// name.
func Renamed(a, b []installed.Package) []Rename {
	before, after := rooms(a), rooms(b)
	var out []Rename
	taken := map[string]bool{}
	for _, from := range slices.Sorted(maps.Keys(before)) {
		if after[from] != nil {
			continue
		}
		best := Rename{From: from}
		for _, to := range slices.Sorted(maps.Keys(after)) {
			if before[to] != nil || taken[to] {
				continue
			}
			n := 0
			for name := range before[from] {
				if after[to][name] {
					n++
				}
			}
			if n > best.Packages && 2*n >= max(len(before[from]), len(after[to])) && n >= leastRoom {
				best.To, best.Packages = to, n
			}
		}
		if best.To != "" {
			taken[best.To] = true
			out = append(out, best)
		}
	}
	return out
}

// leastRoom is how many packages an environment must have in common with
// another to be taken for it.
const leastRoom = 5

// rooms are the environments of Python's and conda's packages, with their names.
func rooms(packages []installed.Package) map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, p := range packages {
		if p.Kind != pins.Pip && p.Kind != pins.Conda {
			continue
		}
		if out[p.Where] == nil {
			out[p.Where] = map[string]bool{}
		}
		out[p.Where][string(p.Kind)+" "+p.Name] = true
	}
	return out
}

// relocated are packages with the environments' new names.
func relocated(packages []installed.Package, renames []Rename) []installed.Package {
	if len(renames) == 0 {
		return packages
	}
	out := slices.Clone(packages)
	for i := range out {
		for _, r := range renames {
			if w := out[i].Where; w == r.From || strings.HasPrefix(w, r.From+"/") {
				out[i].Where = r.To + w[len(r.From):]
				break
			}
		}
	}
	return out
}

// change words a pair.
func (p *pair) change(shared map[string]bool) Change {
	c := Change{Change: Changed}
	of := p.either()
	c.Kind, c.Name, c.Where, c.Layer, c.Event = of.Kind, of.Name, of.Where, of.Layer, of.Event
	if p.a != nil && p.b != nil && shared[p.b.Layer] && !shared[p.a.Layer] { // a is the one that changed it
		c.Layer, c.Event = p.a.Layer, p.a.Event
	}
	if p.a == nil || p.b == nil {
		c.Path = of.Path
	}
	if p.a != nil {
		c.A, c.ADetail, c.AAbout = &p.a.Version, detail(p.a.Pin), about(p.a)
	} else {
		c.Change = Added
	}
	if p.b != nil {
		c.B, c.BDetail, c.BAbout = &p.b.Version, detail(p.b.Pin), about(p.b)
	} else {
		c.Change = Removed
	}
	if c.Change == Changed {
		v := cmp.Or(p.like, p)
		c.Level = v.b.Kind.Scheme().LevelOf(v.a.Version, v.b.Version)
		c.Down = v.b.Kind.Scheme().Compare(v.a.Version, v.b.Version) > 0
		if placeOf(*p.a) != placeOf(*p.b) {
			c.Was = &Was{p.a.Kind, p.a.Name, p.a.Where}
		}
	}
	c.Brings = p.brought()
	// dpkg records no licences
	tells := p.a != nil && p.b != nil && p.a.Kind != pins.Deb && p.b.Kind != pins.Deb && c.AAbout != nil && c.BAbout != nil
	c.Relicensed = tells && !installed.SameLicense(c.AAbout.License, c.BAbout.License)
	return c
}

// brought is what a package brings, and what that brings.
func (p *pair) brought() (out []Brought) {
	for _, q := range p.brings {
		b := Brought{Kind: q.either().Kind, Name: q.either().Name}
		if q.a != nil {
			b.A = &q.a.Version
		}
		if q.b != nil {
			b.B = &q.b.Version
		}
		out = append(append(out, b), q.brought()...)
	}
	return out
}

func about(p *installed.Package) *installed.About {
	if p.About == (installed.About{}) {
		return nil
	}
	return &p.About
}

func detail(p pins.Pin) *pins.Detail {
	if p.Detail == (pins.Detail{}) {
		return nil
	}
	return &p.Detail
}

// LockPackages is what a lock says will be in the image for its first platform. Of the base's own
// packages it has those of an extended environment that pins need.
func LockPackages(l *pins.Lock) []installed.Package { return LockPackagesOn(l, l.Platforms[0]) }

// LockPackagesOn is LockPackages for one of the lock's platforms.
func LockPackagesOn(l *pins.Lock, platform string) []installed.Package {
	var out []installed.Package
	for _, a := range l.Present(platform) {
		p := installed.Package{Pin: a.Pin}
		switch a.Kind {
		case pins.Pip, pins.Conda:
			p.Where = cmp.Or(l.Environment, pins.Env)
		case pins.Npm: // node_modules/NAME/FILE, or further down
			place := path.Dir(a.File)
			p.Where = path.Join(cmp.Or(l.Environment, pins.Env), "lib",
				place[:strings.LastIndex(place, "node_modules/")])
		}
		out = append(out, p)
	}
	for _, r := range l.Recordings {
		// A script may put another version in the place of a locked one, and bring several:
		// npm's aliases.
		changed := slices.Concat(r.Removed, r.Brought)
		out = slices.DeleteFunc(out, func(p installed.Package) bool {
			return slices.ContainsFunc(changed,
				func(c pins.Pin) bool { return p.Kind == c.Kind && p.Name == c.Name && p.Where == c.Where })
		})
		for _, b := range r.Brought {
			out = append(out, installed.Package{Pin: b})
		}
	}
	slices.SortFunc(out, func(a, b installed.Package) int { return pins.Order(a.Pin, b.Pin) })
	return out
}
