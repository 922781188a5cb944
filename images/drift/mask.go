package drift

import (
	"slices"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
)

// An Inventory is what a source holds, and how it runs, with what the source can
// tell at all.
type Inventory struct {
	Name, Digest string
	Packages     []installed.Package
	Config       *Config // nil if the source does not say how it runs
	Layers       []LayerInfo
	Knows        Knowledge
	Lock         *pins.Lock // of a lock
	Platform     string     // of the lock, if one is meant; empty: all
}

// Knowledge is what an inventory can tell: inventories are compared by what all of
// them know.
type Knowledge struct {
	Kinds     Kinds
	NamedDebs bool // of Debian's packages it names only some: it says nothing of others
	Places    bool // where packages are
	Commits   bool // which commit a package was built from
}

// Kinds are those that an inventory tells of.
type Kinds int

// All kinds, or those that locks hold.
const (
	All Kinds = iota
	Locked
)

// What images, whose layers are read, and locks know.
var (
	OfImage = Knowledge{Places: true, Commits: true}
	OfLock  = Knowledge{Kinds: Locked, NamedDebs: true, Places: true, Commits: true}
)

// Mask leaves of inventories what all of them can tell: locks, and SBOMs of
// others, know fewer kinds, some know neither places nor commits, and a lock does
// not name what the base has of Debian's.
func Mask(list []Inventory) []Inventory {
	all := OfImage
	var named []installed.Package
	someNames, everyNames := false, true
	for _, v := range list {
		all.Kinds = max(all.Kinds, v.Knows.Kinds)
		all.Places, all.Commits = all.Places && v.Knows.Places, all.Commits && v.Knows.Commits
		someNames, everyNames = someNames || v.Knows.NamedDebs, everyNames && v.Knows.NamedDebs
		if v.Knows.NamedDebs {
			named = append(named, v.Packages...)
		}
	}
	out := slices.Clone(list)
	for i := range out {
		p := &out[i].Packages
		if all.Kinds == Locked {
			*p = Lockable(*p)
		}
		if someNames && !everyNames && !out[i].Knows.NamedDebs {
			*p = lockedDebs(*p, named)
		}
		if !all.Commits {
			*p = without(*p, func(p *installed.Package) { p.Commit = "" })
		}
		if !all.Places {
			*p = placeless(*p)
		}
	}
	return out
}

// Between returns what changed from one inventory to another. shared are the
// diffIDs of layers that both have: a package that one of them brought is no
// difference of that layer.
func Between(a, b Inventory, shared map[string]bool) *Drift {
	a, b = onOnePlatform(a, b)
	d := &Drift{A: a.Name, B: b.Name, Packages: []Change{}, Config: []Setting{}}
	if a.Config != nil && b.Config != nil {
		d.Config = CompareConfigs(*a.Config, *b.Config)
	}
	if a.Layers != nil && b.Layers != nil {
		d.Layers = &Layers{markShared(a.Layers, b.Layers), markShared(b.Layers, a.Layers)}
	}
	masked := Mask([]Inventory{a, b})
	x, y := masked[0].Packages, masked[1].Packages
	d.Packages, d.Renames = append(d.Packages, compareSharing(x, y, shared)...), Renamed(x, y)
	d.Trees = trees(x, y, d.Renames)
	if a.Lock != nil && b.Lock != nil {
		d.betweenLocks(a, b)
	}
	d.count()
	return d
}

// lockedDebs leaves out the Debian packages that a lock does not name.
func lockedDebs(packages, lock []installed.Package) []installed.Package {
	named := map[string]bool{}
	for _, p := range lock {
		named[string(p.Kind)+" "+p.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(packages),
		func(p installed.Package) bool { return p.Kind == pins.Deb && !named["deb "+p.Name] })
}

// KnowsCommits reports whether one of some packages tells the commit that it was
// built from.
func KnowsCommits(packages []installed.Package) bool {
	return slices.ContainsFunc(packages, func(p installed.Package) bool { return p.Commit != "" })
}

// without are packages of which something is forgotten.
func without(packages []installed.Package, forget func(*installed.Package)) []installed.Package {
	out := slices.Clone(packages)
	for i := range out {
		forget(&out[i])
	}
	return out
}

// placeless forgets where packages are. Of several copies of one version one is
// left.
func placeless(packages []installed.Package) []installed.Package {
	out := without(packages, func(p *installed.Package) { p.Where = "" })
	slices.SortStableFunc(out, func(a, b installed.Package) int { return pins.Order(a.Pin, b.Pin) })
	return slices.CompactFunc(out, func(a, b installed.Package) bool {
		return a.Kind == b.Kind && a.Name == b.Name && a.Version == b.Version
	})
}

// Lockable are the packages of kinds that locks hold; other packages bring the
// rest.
func Lockable(packages []installed.Package) []installed.Package {
	return slices.DeleteFunc(slices.Clone(packages), func(p installed.Package) bool {
		return !slices.Contains([]pins.Kind{pins.Deb, pins.Conda, pins.Pip, pins.Npm, pins.R}, p.Kind)
	})
}
