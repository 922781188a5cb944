package pins

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// LockOptions steer Relock.
type LockOptions struct {
	Base       string // the base's reference as it is written, where that may come to mean another image
	BaseDigest string // of the base image, as the resolver found it
	// Images are those that the course's Dockerfile names, as far as their digests are
	// known.
	Images []Image
	// Environment is that of a base which is extended, if it is not /opt/env.
	Environment string
	Tools       []Tool // what resolves and installs: other tools, another lock
	// Was is the manifest that the old lock was made of, if that is known: git
	// requirements that stand in it too keep their commits.
	Was *Manifest
	// Upgrade forgets what the old lock preferred, for all packages. With Upgrade
	// false it is forgotten for Names alone.
	Upgrade bool
	Names   []string
	// Fetch has a download brought here. If it is nil, what the old lock has is taken
	// over, and the lock may be stale.
	Fetch func(context.Context, Download) (Fetched, error)
	// PostLinks finds the conda packages of a lock that bring a script to be run after
	// they were installed. If it is nil, what the old lock has is taken over.
	PostLinks func(context.Context, *Lock) ([]string, error)
	// Recorder runs the course's scripts. If it is nil, what the old lock has of them
	// is taken over, and the lock may be stale.
	Recorder Recorder
	// Again has scripts run that are recorded already; what they were told before, they
	// are told again.
	Again bool
	// Doubted says that the old lock was edited by hand or merged: its versions are
	// preferred, and nothing of it is taken over without a solve.
	Doubted bool
}

// Relock returns the lock of a course. Kinds whose inputs are those of the old
// lock are taken over from it without a solve; in the others the old lock's
// versions are preferred. old may be nil.
func Relock(ctx context.Context, m *Manifest, old *Lock, r Resolver, o LockOptions) (*Lock, error) {
	if err := m.Findings.Err(); err != nil {
		return nil, err
	}
	l := header(m, o)
	faulty := faultyKinds(m, old)
	kept := func(k Kind, platform string, o LockOptions) ([]Artifact, bool) {
		if old == nil || o.Upgrade || o.Doubted || old.Inputs[k] != l.Inputs[k] ||
			!slices.Contains(old.Platforms, platform) || touches(old, k, o.Names) {
			return nil, false
		}
		return takenOver(old, k, platform), true
	}
	for _, platform := range l.Platforms {
		var below []Artifact
		for _, kind := range m.kinds() {
			l.Inputs[kind] = inputs(l, m, kind, o, below)
			o := o
			o.Doubted = o.Doubted || faulty[kind] && old.Inputs[kind] == l.Inputs[kind]
			found, ok := kept(kind, platform, o)
			if !ok {
				q := Query{
					Kind: kind, Platform: platform, Before: m.AsOf.End, Requests: m.requestsOf(kind),
					Python: m.python(kind), Channels: m.CondaChannels(), Below: below, Prefer: preferred(old, o),
					Over: kind == Pip && !m.own(), Last: last(old, l, o), Compilers: compilers(old, l, o), Commits: commits(old, o),
				}
				var err error
				if found, err = r.Resolve(ctx, q); err != nil {
					return nil, err
				}
			}
			below = append(below, found...)
		}
		l.Artifacts = append(l.Artifacts, below...)
	}
	l.Sort()
	l.Artifacts = merged(l.Artifacts)
	if err := postLinks(ctx, m, old, l, o); err != nil {
		return nil, err
	}
	if err := fetch(ctx, m, old, l, o); err != nil {
		return nil, err
	}
	if err := record(ctx, m, old, l, o); err != nil {
		return nil, err
	}
	written, err := ParseLock(LockName, []byte(l.String()))
	if err != nil {
		return nil, fmt.Errorf("the resolver returned what a lock can't hold: %w", err)
	}
	if found := Prove(LockName, m, written); len(found) > 0 {
		return nil, fmt.Errorf("the resolver's answer does not satisfy the pins: %w", found)
	}
	return written, nil
}

// takenOver is what an old lock has as the answer to a query of a kind.
func takenOver(old *Lock, k Kind, platform string) (taken []Artifact) {
	names := map[string]bool{}
	shared := map[int]bool{}
	for _, a := range old.Artifacts {
		part, ok := a.part(k)
		if !ok || a.Platform != platform {
			continue
		}
		names[a.Name] = true
		shared[len(taken)] = len(part.Roots) != len(a.Roots)
		taken = append(taken, part)
	}
	for i, a := range taken {
		if shared[i] { // what requires it may be of the other part
			taken[i].By = slices.DeleteFunc(slices.Clone(a.By), func(name string) bool { return !names[name] })
		}
	}
	return taken
}

// faultyKinds are the kinds of queries whose answers in a lock do not hold what a
// manifest asks for.
func faultyKinds(m *Manifest, l *Lock) map[Kind]bool {
	faulty := map[Kind]bool{}
	if l != nil {
		for _, f := range Prove(LockName, m, l) {
			faulty[Kind(f.Subject)] = true
		}
	}
	return faulty
}

// Stale says why a lock does not hold what its course asks for; empty if it
// does.
func Stale(m *Manifest, l *Lock, o LockOptions) string {
	want := header(m, o)
	switch {
	case l.Course != want.Course:
		return fmt.Sprintf("it is the lock of another course, %s, not of %s", l.Course, want.Course)
	case o.BaseDigest != "" && l.Base != o.BaseDigest:
		return "the base image has changed since it was locked"
	case !slices.Equal(l.Platforms, want.Platforms):
		return "the course's platforms have changed"
	case !slices.Equal(l.Images, want.Images) || !m.names(l.Images):
		return "the Dockerfile names other images, or they have changed"
	case !slices.Equal(l.Tools, want.Tools):
		return "it was made with other versions of driftpin's tools"
	case l.AsOf != want.AsOf:
		return "as-of has changed"
	case l.Environment != want.Environment:
		return "the base image's environment has changed"
	}
	for _, k := range []Kind{Deb, Conda, Pip, Npm} {
		if slices.Contains(m.kinds(), k) {
			want.Inputs[k] = inputs(want, m, k, o, l.Artifacts)
		}
		if l.Inputs[k] != want.Inputs[k] {
			return "other " + k.Key() + " pins are asked for" + changedRequests(m, l, k)
		}
	}
	if why := changedPostLinks(m, l); why != "" {
		return why
	}
	if why := unfetched(m, l); why != "" {
		return why
	}
	return unrecorded(m, l)
}

// names reports whether a manifest's Dockerfile names some images, and no others.
func (m *Manifest) names(images []Image) bool {
	for _, ref := range m.Images {
		if !slices.ContainsFunc(images, func(i Image) bool { return i.Ref == ref.Value }) {
			return false
		}
	}
	return len(images) == len(m.Images)
}

// changedRequests names requests that the lock can't satisfy, as a hint.
func changedRequests(m *Manifest, l *Lock, k Kind) string {
	locked := map[string]Artifact{}
	for _, a := range l.Artifacts {
		if a.Kind == k && a.Is(PinRoot) {
			locked[a.Name] = a
		}
	}
	var names []string
	for _, r := range m.requestsOf(k) {
		a, ok := locked[r.Name]
		if r.Name != "" && (!ok || !r.allows(a)) {
			names = append(names, fmt.Sprintf("%s (%s)", r.Spec, r.At))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

func header(m *Manifest, o LockOptions) *Lock {
	l := &Lock{
		Course: m.Course, AsOf: m.AsOf.Text, Base: o.BaseDigest, Environment: o.Environment, Inputs: map[Kind]string{},
		Images: slices.Clone(o.Images), Platforms: slices.Sorted(slices.Values(m.Platforms)),
		Tools: slices.Clone(o.Tools),
	}
	l.Sort()
	return l
}

// inputs is the digest of all that decides what a kind resolves to; below are
// the artifacts of the kinds before it, and maybe more. What is asked of apt does
// not decide what pip gets: only the Python does.
func inputs(l *Lock, m *Manifest, k Kind, o LockOptions, below []Artifact) string {
	lines := []string{"base " + o.Base + " " + l.Base}
	if m.Extends {
		lines = append(lines, "extended")
	}
	tools := func() {
		for _, t := range l.Tools {
			lines = append(lines, "tool "+t.Name+" "+t.Version)
		}
	}
	switch k {
	case Deb:
		if m.python(Deb) == BuildInput {
			lines = append(lines, "python for steps")
		} else {
			lines = append(lines, fmt.Sprintf("python %t", m.python(Deb) == Install))
		}
	case Conda:
		lines = append(lines, "as-of "+l.AsOf, fmt.Sprintf("python %t", m.python(Conda) == Install),
			"channels "+strings.Join(m.CondaChannels(), " "))
		tools()
	case Npm:
		lines = append(lines, "as-of "+l.AsOf)
		tools()
	case Pip:
		lines = append(lines, "as-of "+l.AsOf)
		for _, a := range slices.SortedFunc(slices.Values(below), orderArtifacts) {
			if a.Kind == Deb && a.Use == Install && a.Is(PythonRoot) {
				lines = append(lines, "python "+a.Name+" "+a.Version)
			} else if a.Kind == Conda {
				lines = append(lines, "conda "+a.File+" "+a.SHA256)
			}
		}
		tools()
	}
	var specs []string
	for _, r := range m.requestsOf(k) {
		specs = append(specs, "request "+r.normal())
	}
	slices.Sort(specs)
	return digest(strings.Join(append(lines, specs...), "\n"))
}

func touches(l *Lock, k Kind, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(l.Artifacts, func(a Artifact) bool {
			_, has := a.part(k)
			return has && a.Name == CanonicalName(a.Kind, name)
		})
	})
}

// commits returns what git requirements meant in the old lock.
func commits(old *Lock, o LockOptions) map[Git]string {
	known := map[Git]string{}
	if old == nil || o.Doubted || o.Was == nil {
		return known
	}
	for _, a := range preferred(old, o) {
		if r := o.Was.Request(a.Kind, a.Name, a.From); r != nil && r.Git != nil && a.Commit != "" {
			known[*r.Git] = a.Commit
		}
	}
	return known
}

// last returns the old lock, if it is of the same date and tools, without the
// wheels that are to be upgraded, or built with what is.
func last(old, l *Lock, o LockOptions) []Artifact {
	if old == nil || o.Upgrade || o.Doubted || old.AsOf != l.AsOf || old.Base != l.Base ||
		!slices.Equal(old.Tools, l.Tools) {
		return nil
	}
	upgrade := func(a Artifact) bool {
		return slices.ContainsFunc(o.Names, func(n string) bool { return CanonicalName(a.Kind, n) == a.Name })
	}
	return slices.DeleteFunc(slices.Clone(old.Artifacts), func(a Artifact) bool {
		return a.Built() && (upgrade(a) || slices.ContainsFunc(old.Artifacts, func(b Artifact) bool {
			return b.Use == BuildInput && upgrade(b) && (b.Is(ToolchainRoot) || slices.Contains(b.By, a.Name))
		}))
	})
}

// compilers returns what the old lock builds wheels with, if it is of the same
// base and nothing of it is to be upgraded.
func compilers(old, l *Lock, o LockOptions) (tools []Artifact) {
	if old == nil || o.Doubted || old.Base != l.Base {
		return nil
	}
	for _, a := range old.Artifacts {
		if a.Is(ToolchainRoot) {
			tools = append(tools, a)
		}
	}
	kept := preferred(old, o)
	if slices.ContainsFunc(tools, func(t Artifact) bool {
		return !slices.ContainsFunc(kept, func(a Artifact) bool { return a.SHA256 == t.SHA256 })
	}) {
		return nil
	}
	return tools
}

// preferred returns what the old lock has, without what is to be upgraded.
func preferred(old *Lock, o LockOptions) []Artifact {
	if old == nil || o.Upgrade {
		return nil
	}
	var out []Artifact
	for _, a := range old.Artifacts {
		upgrade := slices.ContainsFunc(o.Names, func(n string) bool { return CanonicalName(a.Kind, n) == a.Name })
		if !upgrade {
			out = append(out, a)
		}
	}
	return out
}
