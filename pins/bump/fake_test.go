package bump

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftpin/driftpin/pins"
)

// A universe is an index of packages: by name and version, when it was published
// and what it requires, as in "2023-01-15 b>=2".
type universe map[string]map[string]string

// A fakeSolver solves in a universe, as slowly and as truly as can be: it tries
// all versions, those that are preferred and the newest first.
type fakeSolver struct {
	universe universe
	solves   atomic.Int64
	overlaps pins.Findings
	failing  error // of Resolve
	links    []string
}

// PostLinks implements Solver.
func (s *fakeSolver) PostLinks(context.Context, *pins.Lock) ([]string, error) { return s.links, nil }

func (s *fakeSolver) Resolve(_ context.Context, q pins.Query) ([]pins.Artifact, error) {
	s.solves.Add(1)
	if s.failing != nil {
		return nil, s.failing
	}
	if q.Kind != pins.Pip {
		return nil, nil
	}
	chosen := map[string]string{}
	needed := map[string][]pins.Request{}
	by := map[string][]string{}
	for _, r := range q.Requests {
		needed[r.Name] = append(needed[r.Name], r)
	}
	if !s.solve(q, needed, chosen) {
		return nil, s.refusal(q)
	}
	for name, version := range chosen {
		for _, r := range s.requires(name, version) {
			by[r.Name] = append(by[r.Name], name)
		}
	}
	var out []pins.Artifact
	for name, version := range chosen {
		a := pins.Artifact{Pin: pins.New(pins.Pip, name, version), Platform: q.Platform,
			File:   strings.ReplaceAll(name, "-", "_") + "-" + version + "-py3-none-any.whl",
			SHA256: strings.Repeat("a", 64), Size: 1, Use: pins.Install, By: by[name]}
		if slices.ContainsFunc(q.Requests, func(r pins.Request) bool { return r.Name == name }) {
			a.Roots = []pins.Root{pins.PinRoot}
		}
		out = append(out, a)
	}
	return out, nil
}

// solve chooses versions for what is needed, and for what that requires.
func (s *fakeSolver) solve(q pins.Query, needed map[string][]pins.Request, chosen map[string]string) bool {
	for _, name := range inOrder(q, needed) {
		requests := needed[name]
		if chosen[name] != "" {
			if !meets(chosen[name], requests) {
				return false
			}
			continue
		}
		for _, v := range s.versions(name, q) {
			if !meets(v, requests) {
				continue
			}
			more := map[string][]pins.Request{}
			for n, r := range needed {
				more[n] = slices.Clone(r)
			}
			for _, r := range s.requires(name, v) {
				more[r.Name] = append(more[r.Name], r)
			}
			tried := map[string]string{name: v}
			for n, v := range chosen {
				tried[n] = v
			}
			if s.solve(q, more, tried) {
				for n, v := range tried {
					chosen[n] = v
				}
				return true
			}
		}
		return false
	}
	return true
}

// inOrder are the names of what is needed: those of the query first, then what they
// require.
func inOrder(q pins.Query, needed map[string][]pins.Request) (names []string) {
	for _, r := range q.Requests {
		if _, ok := needed[r.Name]; ok && !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// versions are those of a package by a query's date, the preferred one first.
func (s *fakeSolver) versions(name string, q pins.Query) (out []string) {
	for v := range s.universe[name] {
		if q.Before.IsZero() || s.published(name, v).Before(q.Before) {
			out = append(out, v)
		}
	}
	preferred := func(v string) int {
		if slices.ContainsFunc(q.Prefer, func(a pins.Artifact) bool { return a.Name == name && a.Version == v }) {
			return 0
		}
		return 1
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(preferred(a)-preferred(b), pins.Pip.Scheme().Compare(b, a))
	})
	return out
}

func (s *fakeSolver) published(name, version string) time.Time {
	date, _, _ := strings.Cut(s.universe[name][version], " ")
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err)
	}
	return t
}

func (s *fakeSolver) requires(name, version string) (out []pins.Request) {
	for _, spec := range strings.Fields(s.universe[name][version])[1:] {
		r, err := pins.ParsePip(spec)
		if err != nil {
			panic(err)
		}
		out = append(out, r)
	}
	return out
}

func meets(version string, requests []pins.Request) bool {
	for _, r := range requests {
		if ok, err := pins.Pip.Scheme().Satisfies(version, r.Constraint); err != nil || !ok {
			return false
		}
	}
	return true
}

// refusal names, as solvers do, requests without which there is a solution.
func (s *fakeSolver) refusal(q pins.Query) error {
	e := &pins.NoSolution{Text: "the pip pins can't be met together"}
	for i, r := range q.Requests {
		rest := slices.Delete(slices.Clone(q.Requests), i, i+1)
		needed := map[string][]pins.Request{}
		for _, o := range rest {
			needed[o.Name] = append(needed[o.Name], o)
		}
		if s.solve(q, needed, map[string]string{}) {
			e.Involved = append(e.Involved, r)
		}
	}
	return e
}

func (s *fakeSolver) Overlaps(context.Context, *pins.Manifest, *pins.Lock) (pins.Findings, error) {
	return s.overlaps, nil
}

func (s *fakeSolver) Neighbours(_ context.Context, q pins.Query, name, version string,
	siblings []string) (n pins.Neighbours, err error) {
	if s.universe[name][version] != "" {
		return n, nil
	}
	n.Below, n.Above = pins.Pip.Scheme().Nearest(version, s.versions(name, q))
	for _, other := range siblings {
		if s.universe[other][version] != "" {
			n.Sibling = other
		}
	}
	return n, nil
}

func (s *fakeSolver) Releases(_ context.Context, q pins.Query,
	constraints map[string]string) (map[string]pins.Release, error) {
	found := map[string]pins.Release{}
	q.Prefer = nil
	for name, constraint := range constraints {
		for _, v := range s.versions(name, q) {
			if ok, err := pins.Pip.Scheme().Satisfies(v, constraint); err == nil && ok {
				found[name] = pins.Release{Version: v, Published: s.published(name, v)}
				break
			}
		}
	}
	return found, nil
}

// courseOf is a locked course of one manifest, in the folder dir.
func courseOf(t *testing.T, s *fakeSolver, dir, manifest string) *Course {
	t.Helper()
	read := func(data []byte) (*pins.Manifest, error) {
		m, err := pins.ParseManifest(dir+"/pins.yaml", data)
		if err == nil {
			m.Dir = dir
		}
		return m, err
	}
	m, err := read([]byte("course: " + dir + "\nbase: oci-layout:x\n" + manifest))
	if err != nil {
		t.Fatal(err)
	}
	c := &Course{Manifest: m, Solver: s, Options: pins.LockOptions{BaseDigest: "sha256:" + strings.Repeat("b", 64)}}
	c.Read = func(edited map[string][]byte) (*pins.Manifest, error) {
		for name, data := range edited {
			if name == dir+"/pins.yaml" {
				return read(data)
			}
		}
		return m, nil
	}
	if c.Lock, err = pins.Relock(t.Context(), m, nil, s, c.Options); err != nil {
		t.Fatal(err)
	}
	s.solves.Store(0)
	return c
}

// locked are the versions of a lock, as name=version.
func locked(l *pins.Lock) string {
	var out []string
	for _, a := range l.Artifacts {
		out = append(out, a.Name+"="+a.Version)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// bumping selects what is asked for of a course.
func bumping(t *testing.T, c *Course, targets ...string) *Bumping {
	t.Helper()
	s, err := c.Select(parsed(t, targets...))
	if err != nil {
		t.Fatal(err)
	}
	return &Bumping{Course: c, Bumps: s.Bumps}
}

func parsed(t *testing.T, texts ...string) (out []Target) {
	t.Helper()
	for _, text := range texts {
		target, err := ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, target)
	}
	return out
}

var errDown = errors.New("the index is down")

func text(bumps []pins.Bump) string {
	var out []string
	for _, b := range bumps {
		out = append(out, fmt.Sprintf("%s=%s", b.Request.Name, b.Version))
	}
	return strings.Join(out, " ")
}
