//go:build !race

package layers_test

import (
	"archive/tar"
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images/layers"
)

// Bombs take time, and little memory: 10 GB of zeros, and more entries than a
// layer may have. A member of theirs comes over and over, as gzip allows. The race
// detector finds nothing in them, and takes fifty times as long.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("it inflates much")
	}
	header := func(name string, size int64) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, Format: tar.FormatGNU}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	zeros := gzipped(t, make([]byte, 64<<20))
	const times = 160 // 10 GB
	zeroBomb := append(gzipped(t, header("a/meta", times*64<<20)), bytes.Repeat(zeros, times)...)
	entries := gzipped(t, bytes.Repeat(header("x", 0), 1<<16))
	for name, test := range map[string]struct {
		data []byte
		want string // in the error
	}{
		"zeros":   {append(zeroBomb, gzipped(t, make([]byte, 1024))...), ""},
		"entries": {bytes.Repeat(entries, 81), "more than 5242880 entries"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		contents, err := layers.Scan(t.Context(), []layers.Layer{(&blob{data: test.data}).layer()}, sieve, nil)
		runtime.ReadMemStats(&after)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && len(contents[0].Files["a/meta"]) != 100 {
			t.Errorf("%s: %d bytes kept", name, len(contents[0].Files["a/meta"]))
		}
		if held := int64(after.HeapSys) - int64(before.HeapSys); held > 256<<20 {
			t.Errorf("%s: %d MB of memory", name, held>>20)
		}
	}
}
