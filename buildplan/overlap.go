package buildplan

import (
	"bufio"
	"cmp"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"golang.org/x/sync/errgroup"
)

// KnownOverlaps is Overlaps as far as what packages own is known in home:
// nothing is fetched.
func KnownOverlaps(home string, m *pins.Manifest, l *pins.Lock) (all pins.Findings) {
	for _, platform := range l.Platforms {
		packages := inEnvironment(l, platform)
		owned := make([]map[string]string, len(packages))
		for i, a := range packages {
			owned[i], _ = knownOwned(home, a)
		}
		all = append(all, overlapsIn(home, m, l, platform, packages, owned)...)
	}
	return all
}

// Overlaps finds the paths that several packages of the environment own, pip's,
// conda's or npm's, with different bytes: only one of them can have its file. Each
// pair of packages is a finding, at the pin that brings the first; paths that
// the manifest's overlaps name are not. It reads what the packages themselves
// say that they own, and of one that is not at hand it fetches only that part.
func (b *Builder) Overlaps(ctx context.Context, m *pins.Manifest, l *pins.Lock) (pins.Findings, error) {
	var all pins.Findings
	for _, platform := range l.Platforms {
		packages := inEnvironment(l, platform)
		unknown := slices.DeleteFunc(slices.Clone(packages), func(a pins.Artifact) bool {
			_, known := knownOwned(b.home, a)
			return known
		})
		q := pins.Query{Platform: platform, Below: below(l, platform)}
		if err := b.locateFiles(ctx, q, unknown); err != nil {
			return nil, err
		}
		if err := b.heldOwners(ctx, q); err != nil {
			return nil, err
		}
		owned := make([]map[string]string, len(packages))
		group, gctx := errgroup.WithContext(ctx)
		for i, a := range packages {
			group.Go(func() (err error) {
				owned[i], err = b.owned(gctx, a)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		all = append(all, overlapsIn(b.home, m, l, platform, packages, owned)...)
	}
	return all, nil
}

// overlapsIn is overlaps with what an extended base holds.
func overlapsIn(home string, m *pins.Manifest, l *pins.Lock, platform string, packages []pins.Artifact, owned []map[string]string) pins.Findings {
	if m.Extends {
		held, theirs := recalledHeld(home, l, platform)
		packages, owned = append(packages, held...), append(owned, theirs...)
	}
	return overlaps(m, l, packages, owned)
}

// below are what a lock installs on a platform below pip's packages.
func below(l *pins.Lock, platform string) []pins.Artifact {
	return slices.DeleteFunc(l.Below(), func(a pins.Artifact) bool { return a.Platform != platform })
}

// inEnvironment are the packages that a lock installs into the environment; of
// npm's, which have a folder each, those that others can get in the way of.
func inEnvironment(l *pins.Lock, platform string) []pins.Artifact {
	return slices.DeleteFunc(l.Installed(platform), func(a pins.Artifact) bool {
		return a.Kind != pins.Pip && a.Kind != pins.Conda && !topNpm(a)
	})
}

// A pair are two packages, by their places in a list.
type pair struct{ a, b int }

// clashes finds the paths that two packages both own with different bytes, or
// that are a file of one and a folder of the other.
func clashes(owned []map[string]string) map[pair][]string {
	first := map[string]int{}
	found := map[pair][]string{}
	add := func(i, j int, p string) {
		k := pair{min(i, j), max(i, j)}
		if !slices.Contains(found[k], p) {
			found[k] = append(found[k], p)
		}
	}
	for i := range owned {
		for p, sum := range owned[i] {
			if j, ok := first[p]; !ok {
				first[p] = i
			} else if owned[j][p] != sum {
				add(j, i, p)
			}
		}
	}
	for i := range owned {
		for p := range owned[i] {
			for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
				if j, ok := first[dir]; ok && i != j {
					add(i, j, dir)
				}
			}
		}
	}
	return found
}

// overlaps words what clashes, but for what the manifest allows.
func overlaps(m *pins.Manifest, l *pins.Lock, packages []pins.Artifact, owned []map[string]string) pins.Findings {
	found := clashes(owned)
	maps.DeleteFunc(found, func(k pair, paths []string) bool {
		if packages[k.a].Use == pins.Held { // two of the base: its own affair
			return true
		}
		replaced := replaces(m, packages[k.a], packages[k.b]) || replaces(m, packages[k.b], packages[k.a])
		found[k] = slices.DeleteFunc(paths, func(p string) bool {
			return m.MayOverlap(p) || replaced && (strings.HasPrefix(p, "site-packages/") || strings.HasPrefix(p, "bin/"))
		})
		return len(found[k]) == 0
	})
	var out pins.Findings
	for _, k := range slices.SortedFunc(maps.Keys(found), func(x, y pair) int { return cmp.Or(x.a-y.a, x.b-y.b) }) {
		a, b, paths := packages[k.a], packages[k.b], found[k]
		slices.Sort(paths)
		f := pins.Finding{Position: pins.Position{File: m.Sources[0].Name}, Rule: "overlap"}
		if chain, _ := pins.Why(m, l, a.Kind, a.Name); len(chain) > 0 && chain[0].Request != nil {
			f.Position = chain[0].Request.At
		}
		more := ""
		if len(paths) > 3 {
			paths, more = paths[:3], fmt.Sprintf(" and %d more", len(paths)-3)
		}
		one, other := a.Name+" "+a.Version, b.Name+" "+b.Version
		if a.Kind != b.Kind {
			one, other = string(a.Kind)+"'s "+one, string(b.Kind)+"'s "+other
		}
		if b.Use == pins.Held {
			other += ", of the base image,"
		}
		f.Message = fmt.Sprintf("%s and %s both own %s%s, with different bytes: only one of them will find its own; if that does no harm, list the path under overlaps:",
			one, other, strings.Join(paths, ", "), more)
		f.Subject = fmt.Sprintf("%s %s, %s %s: %s", a.Kind, a.Name, b.Kind, b.Name, strings.Join(paths, ", "))
		out = append(out, f)
	}
	return out
}

// replaces reports whether a pip pin stands for what a conda package brings.
func replaces(m *pins.Manifest, a, b pins.Artifact) bool {
	r := m.Request(a.Kind, a.Name, a.From)
	return r != nil && b.Kind == pins.Conda && (r.Replaces == b.Name || r.Over == b.Name)
}

// owned returns the paths that a package owns, with their hashes. Of a wheel
// that was built on another machine nothing is known.
func (b *Builder) owned(ctx context.Context, a pins.Artifact) (map[string]string, error) {
	if known, ok := knownOwned(b.home, a); ok {
		return known, nil
	}
	b.files.Expect(a.SHA256, path.Base(a.File), a.Size)
	owned, err := b.peekOwned(ctx, a)
	if err != nil { // of a server's ranges, or of a size that is not true: the whole file has a hash
		if owned, err = b.fileOwned(ctx, a); err != nil {
			return nil, fmt.Errorf("%s: %w", a.File, err)
		}
	}
	if err := b.recall(a.SHA256, owned); err != nil {
		return nil, err
	}
	if a.Kind == pins.Npm {
		owned = atTop(a, owned)
	}
	return owned, nil
}

// knownOwned is owned as far as it is known in home; known reports whether
// nothing more can be learnt.
func knownOwned(home string, a pins.Artifact) (owned map[string]string, known bool) {
	if a.Kind == pins.Npm && !a.Is(pins.PinRoot) { // only the programs of pins are linked to
		return atTop(a, nil), true
	}
	owned, known = recalled(home, a.SHA256)
	if a.Kind == pins.Npm {
		owned = atTop(a, owned)
	}
	return owned, known || a.Built()
}

func (b *Builder) peekOwned(ctx context.Context, a pins.Artifact) (map[string]string, error) {
	if strings.HasSuffix(a.File, ".tar.bz2") || a.Kind == pins.Npm {
		return nil, errors.New("one stream can't be read in parts")
	}
	r, err := b.files.Peek(ctx, a.SHA256, a.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return ownedBy(a, r, a.Size)
}

func (b *Builder) fileOwned(ctx context.Context, a pins.Artifact) (map[string]string, error) {
	name, err := b.files.File(ctx, a.SHA256)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return ownedBy(a, f, info.Size())
}

// ownedBy reads what an artifact owns from its file.
func ownedBy(a pins.Artifact, r io.ReaderAt, size int64) (map[string]string, error) {
	switch {
	case a.Kind == pins.Npm:
		return readNpm(io.NewSectionReader(r, 0, size))
	case a.Kind != pins.Conda:
		return readOwned(r, size)
	case strings.HasSuffix(a.File, ".tar.bz2"):
		return readCondaTar(bzip2.NewReader(io.NewSectionReader(r, 0, size)))
	}
	return readCondaZip(r, size)
}

func memory(home, sha256 string) string { return filepath.Join(home, "records", sha256) }

// recalled reads what recall wrote.
func recalled(home, sha256 string) (map[string]string, bool) {
	f, err := os.Open(memory(home, sha256))
	if err != nil {
		return nil, false
	}
	defer f.Close()
	owned := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		p, sum, _ := strings.Cut(lines.Text(), "\t")
		owned[p] = sum
	}
	return owned, lines.Err() == nil
}

// recall notes what a wheel owns, so that it need not be read again.
func (b *Builder) recall(sha256 string, owned map[string]string) error {
	var text strings.Builder
	for _, p := range slices.Sorted(maps.Keys(owned)) {
		fmt.Fprintf(&text, "%s\t%s\n", p, owned[p])
	}
	if err := os.MkdirAll(filepath.Dir(memory(b.home, sha256)), 0o755); err != nil {
		return err
	}
	return whole.WriteFile(memory(b.home, sha256), []byte(text.String()), 0o644)
}
