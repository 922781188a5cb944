package owns

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
)

// A Memory is a folder that notes what packages own, so that none is read
// twice.
type Memory struct{ Dir string }

func (m Memory) file(sha256 string) string { return filepath.Join(m.Dir, sha256) }

// Recall returns what Keep noted of a file, by its sha256.
func (m Memory) Recall(sha256 string) (owned map[string]string, known bool) {
	f, err := os.Open(m.file(sha256))
	if err != nil {
		return nil, false
	}
	defer f.Close()
	owned = map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		p, sum, _ := strings.Cut(lines.Text(), "\t")
		owned[p] = sum
	}
	return owned, lines.Err() == nil
}

// Keep notes what a file owns.
func (m Memory) Keep(sha256 string, owned map[string]string) error {
	var text strings.Builder
	for _, p := range slices.Sorted(maps.Keys(owned)) {
		fmt.Fprintf(&text, "%s\t%s\n", p, owned[p])
	}
	return m.write(sha256, []byte(text.String()))
}

func (m Memory) write(name string, data []byte) error {
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return err
	}
	return whole.WriteFile(m.file(name), data, 0o644)
}

func baseName(digest string) string { return strings.TrimPrefix(digest, "sha256:") + ".held" }

// HasBase reports whether KeepBase has noted what a base holds.
func (m Memory) HasBase(digest string) bool {
	_, err := os.Stat(m.file(baseName(digest)))
	return err == nil
}

// KeepBase notes what the packages of an extended base own: a table of kind,
// name, version, path and hash.
func (m Memory) KeepBase(digest string, table []byte) error { return m.write(baseName(digest), table) }

// RecallBase returns the packages of the extended base that a lock names, and
// what each owns, as far as KeepBase has noted it.
func (m Memory) RecallBase(l *pins.Lock, platform string) (packages []pins.Artifact, owned []map[string]string) {
	table, err := os.ReadFile(m.file(baseName(l.Base)))
	if err != nil {
		return nil, nil
	}
	at := map[pins.Pin]int{}
	for _, line := range strings.Split(string(table), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 5 {
			continue
		}
		p := pins.New(pins.Kind(f[0]), f[1], f[2])
		i, ok := at[p]
		if !ok {
			i, at[p] = len(packages), len(packages)
			packages = append(packages, pins.Artifact{Pin: p, Platform: platform, Use: pins.Held})
			owned = append(owned, map[string]string{})
		}
		owned[i][f[3]] = f[4]
	}
	return packages, owned
}

// Known returns what is noted of what a package owns; known reports whether
// nothing more can be learnt: of a wheel that was built on another machine
// nothing is.
func (m Memory) Known(a pins.Artifact) (owned map[string]string, known bool) {
	if a.Kind == pins.Npm && !a.Is(pins.PinRoot) { // only the programs of pins are linked to
		return atTop(a, nil), true
	}
	owned, known = m.Recall(a.SHA256)
	if a.Kind == pins.Npm {
		owned = atTop(a, owned)
	}
	return owned, known || a.Built()
}
