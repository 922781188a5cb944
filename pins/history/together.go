package history

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// A Companion is a package whose pin took another version in commits that
// changed another pin's, and in how many.
type Companion struct {
	Name  string
	Times int
}

// Together returns the packages whose pins mostly changed with one: in at least
// two of the commits that changed its version, and in half of them or more;
// the most frequent first. bumps counts those commits. events are those of name,
// as Of returns them.
func Together(ctx context.Context, dir, name string, events []Event) (companions []Companion, bumps int, err error) {
	var objects []string
	var files []string
	for _, e := range events {
		if e.Before != "" && e.Version != "" {
			objects = append(objects, e.Commit+"^:"+e.File, e.Commit+":"+e.File)
			files = append(files, e.File)
		}
	}
	if len(files) < 2 {
		return nil, len(files), nil
	}
	contents, err := readObjects(ctx, dir, objects)
	if err != nil {
		return nil, 0, err
	}
	times := map[string]int{}
	for i, file := range files {
		before, after := asks(file, contents[2*i]), asks(file, contents[2*i+1])
		for name, version := range after {
			if was := before[name]; was != "" && version != "" && was != version {
				times[name]++
			}
		}
	}
	for _, other := range slices.Sorted(maps.Keys(times)) {
		same := pins.CanonicalName(pins.Pip, other) == pins.CanonicalName(pins.Pip, name)
		if times[other] >= 2 && 2*times[other] >= len(files) && !same {
			companions = append(companions, Companion{other, times[other]})
		}
	}
	slices.SortStableFunc(companions, func(a, b Companion) int { return cmp.Compare(b.Times, a.Times) })
	return companions, len(files), nil
}

// asks is what a file asks for, by name, as far as it is one version.
func asks(file string, data []byte) map[string]string {
	found := map[string]string{}
	for _, r := range pins.ReadAlone(file, data) {
		if r.Name != "" {
			found[r.Name] = version(r)
		}
	}
	return found
}

// readObjects returns the contents of files of commits, in order; one that is
// not there is nil.
func readObjects(ctx context.Context, dir string, objects []string) ([][]byte, error) {
	out, err := git(ctx, dir, strings.NewReader(strings.Join(objects, "\n")+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	contents := make([][]byte, len(objects))
	for i := range objects {
		head, rest, _ := bytes.Cut(out, []byte("\n"))
		out = rest
		f := strings.Fields(string(head)) // ID TYPE SIZE, or OBJECT missing
		if len(f) != 3 || f[1] != "blob" {
			continue
		}
		size, err := strconv.Atoi(f[2])
		if err != nil || size > len(rest) {
			return nil, fmt.Errorf("git cat-file said %q", head)
		}
		contents[i], out = rest[:size], bytes.TrimPrefix(rest[size:], []byte("\n"))
	}
	return contents, nil
}
