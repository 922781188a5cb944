package layers_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/images/layers"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A node is an entry of a layer.
type node struct {
	name string
	kind byte
	text string // what a file holds, or what a link leads to
}

func tarOf(t testing.TB, nodes ...node) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range nodes {
		h := &tar.Header{Name: n.name, Typeflag: n.kind, Mode: 0o644}
		if n.kind == tar.TypeReg {
			h.Size = int64(len(n.text))
		} else {
			h.Linkname = n.text
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, n.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A blob counts how often it is opened, and how much of it is read.
type blob struct {
	data         []byte
	opened, read int
}

func (b *blob) layer() layers.Layer {
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256(b.data))
	return layers.Layer{Digest: sum, Size: int64(len(b.data)), Open: func(context.Context) (io.ReadCloser, error) {
		b.opened++
		return &blobReader{b, bytes.NewReader(b.data)}, nil
	}}
}

type blobReader struct {
	b *blob
	*bytes.Reader
}

// Read implements io.Reader.
func (r *blobReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.b.read += n
	return n, err
}

// ReadAt implements io.ReaderAt.
func (r *blobReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := r.Reader.ReadAt(p, at)
	r.b.read += n
	return n, err
}

func (r *blobReader) Close() error { return nil }

// sieve wants files called meta, and keeps their first 100 bytes.
var sieve = layers.Sieve[string]{
	Wanted: func(name string) bool { return filepath.Base(name) == "meta" },
	Within: func(folder string) []string {
		if strings.HasPrefix(folder, "pkgs/") {
			return []string{"meta"}
		}
		return nil
	},
	Keep: func(_ string, _ int64, r io.Reader) (string, error) {
		data, err := io.ReadAll(io.LimitReader(r, 100))
		return string(data), err
	},
}

func visible(t testing.TB, list ...layers.Layer) map[string]string {
	t.Helper()
	return visibleBy(t, sieve, list...)
}

func visibleBy(t testing.TB, s layers.Sieve[string], list ...layers.Layer) map[string]string {
	t.Helper()
	contents, err := layers.Scan(t.Context(), list, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := layers.Visible(t.Context(), list, contents, s)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name, s := range seen {
		out[name] = s.Value
	}
	return out
}

func plain(t testing.TB, nodes ...node) layers.Layer {
	return (&blob{data: tarOf(t, nodes...)}).layer()
}

const file, hard, soft, dir = tar.TypeReg, tar.TypeLink, tar.TypeSymlink, tar.TypeDir

// linksCases are the cases of TestLinks.
var linksCases = map[string]struct {
	layers [][]node
	want   map[string]string
}{
	"to a file that is not wanted": {[][]node{{{"x", file, "1"}, {"a/meta", hard, "x"}}},
		map[string]string{"a/meta": "1"}},
	"to a lower layer": {[][]node{{{"x", file, "1"}}, {{"a/meta", hard, "x"}}},
		map[string]string{"a/meta": "1"}},
	"symbolic": {[][]node{{{"a/x", file, "1"}, {"a/meta", soft, "x"}}},
		map[string]string{"a/meta": "1"}},
	"symbolic, absolute": {[][]node{{{"x", file, "1"}, {"a/meta", soft, "/x"}}},
		map[string]string{"a/meta": "1"}},
	"symbolic, out of the image": {[][]node{{{"x", file, "1"}, {"a/meta", soft, "../../../../x"}}},
		map[string]string{"a/meta": "1"}},
	"symbolic, to a folder": {[][]node{{{"src/meta", file, "1"}, {"pkgs/a", soft, "../src"}}},
		map[string]string{"src/meta": "1", "pkgs/a/meta": "1"}},
	"symbolic, to a folder of none": {[][]node{{{"pkgs/a", soft, "../src"}}}, map[string]string{}},
	"symbolic, empty": {[][]node{{{"src/meta", file, "1"}, {"pkgs/a", soft, ""}, {"b/meta", soft, ""}}},
		map[string]string{"src/meta": "1"}},
	"symbolic, to a folder, and replaced": {[][]node{{{"src/meta", file, "1"}, {"pkgs/a", soft, "../src"}, {"pkgs/a", file, ""}}},
		map[string]string{"src/meta": "1"}},
	"symbolic, empty, over a file": {[][]node{{{"a/meta", file, "1"}}, {{"a/meta", soft, ""}}}, map[string]string{}},
	"to a link": {[][]node{{{"x", file, "1"}, {"a/meta", hard, "x"},
		{"b/meta", hard, "a/meta"}}}, map[string]string{"a/meta": "1", "b/meta": "1"}},
	"to itself": {[][]node{{{"a/meta", soft, "meta"}}}, map[string]string{}},
	"in a circle": {[][]node{{{"a/meta", soft, "/b/meta"}, {"b/meta", soft, "/a/meta"}}},
		map[string]string{}},
	"to nothing": {[][]node{{{"a/meta", hard, "x"}}}, map[string]string{}},
	"hard, to what is replaced": {[][]node{{{"x", file, "1"}, {"a/meta", hard, "x"}}, {{"x", file, "2"}}},
		map[string]string{"a/meta": "1"}},
	"symbolic, to what is replaced": {[][]node{{{"x", file, "1"}, {"a/meta", soft, "/x"}}, {{"x", file, "2"}}},
		map[string]string{"a/meta": "2"}},
	"symbolic, to what is removed": {[][]node{{{"x", file, "1"}, {"a/meta", soft, "/x"}}, {{".wh.x", file, ""}}},
		map[string]string{}},
	"symbolic, to a later layer": {[][]node{{{"a/meta", soft, "/x"}}, {{"x", file, "1"}}},
		map[string]string{"a/meta": "1"}},
	"symbolic, over a file": {[][]node{{{"x", file, "1"}, {"a/meta", soft, "/x/y"}}}, map[string]string{}},
	"over a chain of folders": {[][]node{{{"pkgs/a", soft, "../b"}}, {{"b", soft, "c/d"}},
		{{"c", soft, "src"}}, {{"src/d/meta", file, "1"}}}, map[string]string{"src/d/meta": "1",
		"pkgs/a/meta": "1"}},
	"symbolic, to the root": {[][]node{{{"meta", file, "1"}, {"pkgs/a", soft, "/"},
		{"pkgs/b", soft, "../.."}}}, map[string]string{"meta": "1", "pkgs/a/meta": "1", "pkgs/b/meta": "1"}},
	"hard, to a symbolic one": {[][]node{{{"x", file, "1"}, {"a/meta", soft, "/x"},
		{"b/meta", hard, "a/meta"}}}, map[string]string{"a/meta": "1", "b/meta": "1"}},
	"hard, over one, to below": {[][]node{{{"x", file, "1"}},
		{{"b/meta", hard, "x"}, {"a/meta", hard, "b/meta"}}}, map[string]string{"a/meta": "1", "b/meta": "1"}},
	"symbolic, to hard, to below": {[][]node{{{"x", file, "1"}}, {{"y", hard, "x"}, {"a/meta", soft, "/y"}}},
		map[string]string{"a/meta": "1"}},
	"over a chain of files": {[][]node{{{"a/meta", soft, "/b"}}, {{"b", soft, "c"}, {"c", hard, "x"},
		{"x", file, "1"}}}, map[string]string{"a/meta": "1"}},
	"a folder in a link's place": {[][]node{{{"src/meta", file, "1"}, {"pkgs/a", soft, "../src"}},
		{{"pkgs/a", dir, ""}}}, map[string]string{"src/meta": "1"}},
	"a package in a link's place": {[][]node{{{"src/meta", file, "1"}, {"pkgs/a", soft, "../src"}},
		{{"pkgs/a", dir, ""}, {"pkgs/a/meta", file, "2"}}}, map[string]string{"src/meta": "1", "pkgs/a/meta": "2"}},
	"replaced by a file": {[][]node{{{"x", file, "1"}, {"a/meta", hard, "x"}},
		{{"a/meta", file, "2"}}}, map[string]string{"a/meta": "2"}},
	"the last of a name": {[][]node{{{"a/meta", file, "1"}, {"a/meta", file, "2"}}},
		map[string]string{"a/meta": "2"}},
	"a folder in its place": {[][]node{{{"a/meta", file, "1"}}, {{"a/meta", dir, ""}}},
		map[string]string{}},
	"a file in the folder's place": {[][]node{{{"a/meta", file, "1"}}, {{"a", file, ""}}}, map[string]string{}},
}

func TestLinks(t *testing.T) {
	for name, test := range linksCases {
		t.Run(name, func(t *testing.T) {
			var list []layers.Layer
			for _, nodes := range test.layers {
				list = append(list, plain(t, nodes...))
			}
			if diff := cmp.Diff(test.want, visible(t, list...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A layer is not read again for links to files that were kept.
func TestReadsOnce(t *testing.T) {
	own := &blob{data: tarOf(t, node{"cache/meta", file, "1"}, node{"pkgs/a", soft, "../src"},
		node{"src/meta", file, "2"}, node{"x/meta", hard, "cache/meta"}, node{"y/meta", hard, "x/meta"})}
	alike := sieve
	alike.Alike = func(a, b string) bool { return filepath.Base(a) == filepath.Base(b) }
	alike.Spare = func(name string) bool { return strings.HasPrefix(name, "cache/") }
	got := visibleBy(t, alike, own.layer())
	want := map[string]string{"pkgs/a/meta": "2", "src/meta": "2", "x/meta": "1", "y/meta": "1"}
	if diff := cmp.Diff(want, got); diff != "" || own.opened != 1 {
		t.Errorf("opened %d times, -want +got:\n%s", own.opened, diff)
	}
}

// What a layer makes us hold is bounded.
func TestHolds(t *testing.T) {
	heavy := sieve
	heavy.Weigh = func(string) int { return 50 << 20 }
	_, err := layers.Scan(t.Context(), []layers.Layer{plain(t, node{"a/meta", file, ""}, node{"b/meta", file, ""})},
		heavy, nil)
	if err == nil || !strings.Contains(err.Error(), "take more than") {
		t.Error(err)
	}
}

// Nor may links make us hold more than is weighed.
func TestLinksHold(t *testing.T) {
	heavy := sieve
	heavy.Weigh = func(string) int { return 1 << 20 }
	nodes := []node{{"x", file, "1"}}
	for i := range 70 {
		nodes = append(nodes, node{fmt.Sprintf("%d/meta", i), hard, "x"})
	}
	_, err := layers.Scan(t.Context(), []layers.Layer{plain(t, nodes...)}, heavy, nil)
	if err == nil || !strings.Contains(err.Error(), "take more than") {
		t.Error(err)
	}
}

// A layer is read once, however many images have it, and a tar that can be
// skipped is read in part only.
func TestReadsLittle(t *testing.T) {
	big := &blob{data: tarOf(t, node{"filler", file, strings.Repeat("x", 4<<20)}, node{"a/meta", file, "1"})}
	l := big.layer()
	if _, err := layers.Scan(t.Context(), []layers.Layer{l, l, l}, sieve, nil); err != nil || big.opened != 1 {
		t.Errorf("opened %d times, %v", big.opened, err)
	}
	big.read, l.Seekable = 0, true
	if got := visible(t, l); got["a/meta"] != "1" || big.read > 100_000 {
		t.Errorf("%v, having read %d bytes", got, big.read)
	}
	checked := sieve
	checked.Check = true
	l.Digest = "sha256:" + strings.Repeat("0", 64)
	if _, err := layers.Scan(t.Context(), []layers.Layer{l}, checked, nil); err == nil ||
		!strings.Contains(err.Error(), "damaged") {
		t.Errorf("a wrong digest: %v", err)
	}
}

// What is remembered is what was read; damage is as if nothing was remembered.
func TestMemory(t *testing.T) {
	m := layers.Memory{Dir: t.TempDir(), Version: "v1"}
	l := plain(t, node{"a/meta", file, "1"}, node{"b/.wh.meta", file, ""}, node{"c/.wh..wh..opq", file, ""},
		node{"x", file, ""}, node{"y/meta", dir, ""})
	if c := layers.Recall[string](m, l); c != nil || m.Has(l) {
		t.Errorf("recalled %v of nothing", c)
	}
	read, err := layers.Scan(t.Context(), []layers.Layer{l}, sieve, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := layers.Keep(m, l, read[0]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read[0], layers.Recall[string](m, l)); diff != "" {
		t.Errorf("-read +recalled:\n%s", diff)
	}
	if c := layers.Recall[string](layers.Memory{Dir: m.Dir, Version: "v2"}, l); c != nil {
		t.Error("another version was recalled")
	}
	files, err := filepath.Glob(filepath.Join(m.Dir, "v1", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		if err := os.WriteFile(files[0], data[:i], 0o644); err != nil {
			t.Fatal(err)
		}
		if layers.Recall[string](m, l) != nil {
			t.Errorf("cut at %d of %d: recalled", i, len(data))
		}
	}
}

// Of a memory that is too large the oldest is forgotten.
func TestTrim(t *testing.T) {
	m := layers.Memory{Dir: t.TempDir(), Version: "v1"}
	for i, name := range []string{"new", "old", "older"} {
		file := filepath.Join(m.Dir, name)
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, 250<<20); err != nil { // no byte of it is on the disk
			t.Fatal(err)
		}
		then := time.Now().AddDate(0, 0, -i)
		if err := os.Chtimes(file, then, then); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Trim(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(m.Dir, "*"))
	if diff := cmp.Diff([]string{filepath.Join(m.Dir, "new"), filepath.Join(m.Dir, "old")}, left); diff != "" ||
		err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// What can't be remembered as it is is not.
func TestForgets(t *testing.T) {
	m := layers.Memory{Dir: t.TempDir(), Version: "v1"}
	l := plain(t, node{"caf\xe9/meta", file, "1"}, node{"caf\xe8/meta", file, "2"})
	read, err := layers.Scan(t.Context(), []layers.Layer{l}, sieve, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := layers.Keep(m, l, read[0]); err != nil || layers.Recall[string](m, l) != nil {
		t.Errorf("%v, recalled %v", err, layers.Recall[string](m, l))
	}
}

// Whatever the compression, the same is read.
func TestCompressions(t *testing.T) {
	data := tarOf(t, node{"filler", file, strings.Repeat("xy", 1<<20)}, node{"a/meta", file, "1"})
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, stored := range map[string][]byte{"plain": data, "gzip": gzipped(t, data),
		"zstd": z.EncodeAll(data, nil)} {
		if got := visible(t, (&blob{data: stored}).layer()); got["a/meta"] != "1" {
			t.Errorf("%s: %v", name, got)
		}
		for i := range 20 {
			cut := (&blob{data: stored}).layer()
			n := len(stored) * i / 20
			cut.Open = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(stored[:n])), nil
			}
			if _, err := layers.Scan(t.Context(), []layers.Layer{cut}, sieve, nil); err == nil {
				t.Errorf("%s, cut at %d of %d: no error", name, n, len(stored))
			}
		}
	}
}

// FuzzVisible lays layers of any bytes upon each other: an error, or what is
// seen is among what the layers hold.
func FuzzVisible(f *testing.F) {
	f.Add(tarOf(f, node{"a/meta", file, "1"}, node{"pkgs/a", soft, "/a"}), tarOf(f, node{"a/.wh.meta", file, ""},
		node{"b/meta", hard, "a/meta"}))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		list := []layers.Layer{(&blob{data: a}).layer(), (&blob{data: b}).layer()}
		contents, err := layers.Scan(t.Context(), list, sieve, nil)
		if err != nil {
			return
		}
		seen, err := layers.Visible(t.Context(), list, contents, sieve)
		if err != nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(seen)) {
			if !sieve.Wanted(name) || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") {
				t.Errorf("%q is seen", name)
			}
		}
	})
}
