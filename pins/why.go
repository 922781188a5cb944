package pins

import (
	_ "embed"
	"slices"
)

// A Step is one link of the chain from what a course asks for to a package
// that came along.
type Step struct {
	Artifact Artifact
	Request  *Request // the manifest's request, on the step that is a pin
}

// Why returns how a locked package came to be there: the shortest chain from a
// pin of the manifest (first) to the package (last), and the names of all that
// require it. The chain is nil if the lock has no such package.
func Why(m *Manifest, l *Lock, kind Kind, name string) (chain []Step, by []string) {
	return NewReasons(m, l).Why(kind, name)
}

// Reasons tell why the packages of a lock are there.
type Reasons struct {
	manifest  *Manifest
	artifacts map[Kind]map[string]*Artifact
}

// NewReasons returns the reasons of a lock's packages; the manifest may be nil.
func NewReasons(m *Manifest, l *Lock) *Reasons {
	r := &Reasons{m, map[Kind]map[string]*Artifact{}}
	for i, a := range l.Artifacts {
		if !a.InImage() {
			continue
		}
		if r.artifacts[a.Kind] == nil {
			r.artifacts[a.Kind] = map[string]*Artifact{}
		}
		if b := r.artifacts[a.Kind][a.Name]; b == nil || a.before(*b) {
			r.artifacts[a.Kind][a.Name] = &l.Artifacts[i]
		}
	}
	return r
}

// Why is the function Why for one of the packages.
func (r *Reasons) Why(kind Kind, name string) (chain []Step, by []string) {
	name = CanonicalName(kind, name)
	artifacts := r.artifacts[kind]
	target := artifacts[name]
	if target == nil {
		return nil, nil
	}
	next := map[string]string{name: ""}
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		at := artifacts[queue[0]]
		if len(at.Roots) > 0 && (at.Is(PinRoot) || len(at.By) == 0) {
			return r.unroll(artifacts, next, at.Name), target.By
		}
		for _, parent := range at.By {
			if _, seen := next[parent]; !seen && artifacts[parent] != nil {
				next[parent] = at.Name
				queue = append(queue, parent)
			}
		}
	}
	return []Step{{Artifact: *target}}, target.By
}

// Requires reports whether one of the packages requires another, itself or by way of
// others.
func (r *Reasons) Requires(kind Kind, name, other string) bool {
	artifacts := r.artifacts[kind]
	seen := map[string]bool{}
	for queue := []string{other}; len(queue) > 0; queue = queue[1:] {
		a := artifacts[queue[0]]
		if a == nil {
			continue
		}
		for _, by := range a.By {
			if by == name && name != other {
				return true
			}
			if !seen[by] {
				seen[by] = true
				queue = append(queue, by)
			}
		}
	}
	return false
}

func (r *Reasons) unroll(artifacts map[string]*Artifact, next map[string]string, name string) (chain []Step) {
	for ; name != ""; name = next[name] {
		s := Step{Artifact: *artifacts[name]}
		if s.Artifact.Is(PinRoot) && r.manifest != nil {
			s.Request = r.manifest.Request(s.Artifact.Kind, name, s.Artifact.From)
		}
		chain = append(chain, s)
	}
	return chain
}

// WithoutIt returns what would come of a locked package's not being there: the
// pins of the manifest that require it, by way of others too, and so would
// break; and the packages that only it brings, and that would go with it. Both
// are in the lock's order.
func WithoutIt(l *Lock, kind Kind, name string) (breaks, leave []Artifact) {
	name = CanonicalName(kind, name)
	var all []Artifact
	for _, a := range l.Artifacts {
		if a.Kind == kind && a.InImage() {
			all = append(all, a)
		}
	}
	// grow adds the artifacts that meet a condition until none does.
	grow := func(set map[string]bool, meets func(Artifact) bool) {
		for n := -1; n != len(set); {
			n = len(set)
			for _, a := range all {
				if !set[a.Name] && meets(a) {
					set[a.Name] = true
				}
			}
		}
	}
	requirers := map[string]bool{name: true}
	grow(requirers, func(a Artifact) bool {
		return slices.ContainsFunc(all, func(b Artifact) bool {
			return requirers[b.Name] && slices.Contains(b.By, a.Name)
		})
	})
	stay := map[string]bool{}
	grow(stay, func(a Artifact) bool {
		return a.Name != name && (len(a.Roots) > 0 || slices.ContainsFunc(a.By,
			func(by string) bool { return stay[by] }))
	})
	for _, a := range all {
		switch {
		case a.Name == name:
		case requirers[a.Name] && a.Is(PinRoot):
			breaks = append(breaks, a)
		case !stay[a.Name]:
			leave = append(leave, a)
		}
	}
	return breaks, leave
}
