package layers

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins/whole"
)

// A Memory keeps contents of layers in a folder, by the digests of the layers'
// bytes: those are checked when a layer is read, where a diffID is only what an
// image's config claims. The zero Memory keeps nothing. Several processes may
// use one folder.
type Memory struct {
	Dir     string
	Version string // of what makes the contents: another version, other contents
}

func (m Memory) file(l Layer) string {
	hex, ok := strings.CutPrefix(l.Digest, "sha256:")
	if m.Dir == "" || !ok || strings.ContainsAny(hex, `/\.`) {
		return ""
	}
	return filepath.Join(m.Dir, m.Version, hex)
}

// kept is a content as it is kept: as JSON in one line, and then the hashes of
// Others, Folders and Leaves, 8 bytes each.
type kept[T any] struct {
	Content[T]
	Others, Folders, Leaves int // how many
}

// Recall returns what is known of a layer, or nil.
func Recall[T any](m Memory, l Layer) *Content[T] {
	file := m.file(l)
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	head, hashes, _ := bytes.Cut(data, []byte("\n"))
	var k kept[T]
	n := len(hashes) / 8
	if json.Unmarshal(head, &k) != nil || min(k.Others, k.Folders, k.Leaves) < 0 || len(hashes)%8 != 0 ||
		k.Others > n || k.Folders > n-k.Others || k.Leaves != n-k.Others-k.Folders {
		return nil // of a power cut, or of a disk: it is read anew
	}
	k.Content.Others, k.Content.Folders, k.Content.Leaves = make([]uint64, k.Others), make([]uint64, k.Folders),
		make([]uint64, k.Leaves)
	for _, list := range [][]uint64{k.Content.Others, k.Content.Folders, k.Content.Leaves} {
		for i := range list {
			list[i] = binary.LittleEndian.Uint64(hashes[i*8:])
		}
		hashes = hashes[len(list)*8:]
	}
	if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > day { // Trim goes by this
		_ = os.Chtimes(file, time.Time{}, time.Now())
	}
	return &k.Content
}

const day = 24 * time.Hour

// Has reports whether something is known of a layer.
func (m Memory) Has(l Layer) bool {
	file := m.file(l)
	if file == "" {
		return false
	}
	_, err := os.Stat(file)
	return err == nil
}

// Keep remembers what a layer says.
func Keep[T any](m Memory, l Layer, c *Content[T]) error {
	file := m.file(l)
	if file == "" {
		return nil
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(kept[T]{*c, len(c.Others), len(c.Folders), len(c.Leaves)}); err != nil {
		return err
	}
	var again kept[T] // JSON has no way to write names that are not UTF-8
	if err := json.Unmarshal(b.Bytes(), &again); err != nil || !sameNames(c, &again.Content) {
		return err
	}
	w := bufio.NewWriter(&b)
	for _, h := range slices.Concat(c.Others, c.Folders, c.Leaves) {
		if err := binary.Write(w, binary.LittleEndian, h); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Flush(), os.MkdirAll(filepath.Dir(file), 0o755)); err != nil {
		return err
	}
	return whole.WriteFile(file, b.Bytes(), 0o644)
}

// sameNames reports whether two contents are the same but for the hashes.
func sameNames[T any](a, b *Content[T]) bool {
	x, y := *a, *b
	for _, c := range []*Content[T]{&x, &y} {
		c.Others, c.Folders, c.Leaves = nil, nil, nil
	}
	return reflect.DeepEqual(x, y)
}

// maxMemory is how many bytes Trim leaves.
const maxMemory = 512 << 20

// Trim removes what was not used for longest, until the rest is not too much.
func (m Memory) Trim() error {
	if m.Dir == "" {
		return nil
	}
	type old struct {
		file string
		info fs.FileInfo
	}
	var all []old
	var total int64
	err := filepath.WalkDir(m.Dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			all = append(all, old{file, info})
			total += info.Size()
		}
		return nil
	})
	slices.SortFunc(all, func(a, b old) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, o := range all {
		if total <= maxMemory {
			break
		}
		total -= o.info.Size()
		if gone := os.Remove(o.file); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}
