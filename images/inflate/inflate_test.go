package inflate_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"

	"github.com/driftpin/driftpin/images/inflate"
	library "github.com/klauspost/compress/gzip"
)

func deflated(t testing.TB, level int, members ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, data := range members {
		w, err := library.NewWriterLevel(&b, level)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// texts are inputs of many shapes: random, repeating, mixed, and this program.
func texts(t testing.TB) [][]byte {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	out := [][]byte{{}, {1}, bytes.Repeat([]byte{0}, 1<<20)}
	for _, n := range []int{2, 300, 70_000, 1 << 20} {
		noise, mixed := make([]byte, n), []byte{}
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		for len(mixed) < n {
			if k := random.IntN(300); random.IntN(3) > 0 && len(mixed) > 0 {
				from := random.IntN(min(len(mixed), 40_000))
				mixed = append(mixed, mixed[len(mixed)-1-from:min(len(mixed), len(mixed)-1-from+k)]...)
			} else {
				mixed = append(mixed, bytes.Repeat([]byte{byte(k)}, 1+random.IntN(20))...)
				mixed = append(mixed, noise[:min(n, random.IntN(9))]...)
			}
		}
		out = append(out, noise, mixed)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	return append(out, program[:min(len(program), 8<<20)])
}

func TestRead(t *testing.T) {
	for i, text := range texts(t) {
		for level := library.HuffmanOnly; level <= 9; level++ {
			data := deflated(t, level, text)
			got, err := io.ReadAll(inflate.NewReader(bytes.NewReader(data)))
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("text %d of %d bytes, level %d: %d bytes, %v", i, len(text), level, len(got), err)
			}
		}
	}
}

func TestMembersAndSmallReads(t *testing.T) {
	a, b := bytes.Repeat([]byte("ab"), 200_000), []byte("c")
	data := deflated(t, 6, a, nil, b)
	got, err := io.ReadAll(iotest.OneByteReader(inflate.NewReader(iotest.OneByteReader(bytes.NewReader(data)))))
	if want := append(a, b...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestDiscard(t *testing.T) {
	text := texts(t)[8]
	r := inflate.NewReader(bytes.NewReader(deflated(t, 6, text)))
	random := rand.New(rand.NewPCG(3, 4))
	for at := 0; ; {
		n := random.IntN(100_000)
		skipped, err := r.Discard(int64(n))
		if at += int(skipped); err == io.EOF {
			if at != len(text) {
				t.Errorf("ended at %d of %d", at, len(text))
			}
			return
		}
		if err != nil || int(skipped) != n {
			t.Fatal(skipped, err)
		}
		var b [1]byte
		if _, err := io.ReadFull(r, b[:]); err == io.EOF {
			continue
		} else if err != nil || b[0] != text[at] {
			t.Fatalf("at %d: %d, %v", at, b[0], err)
		}
		at++
	}
}

// Every cut, and every flipped bit, is an error.
func TestDamage(t *testing.T) {
	data := deflated(t, 6, texts(t)[8][:3000])
	for i := range data {
		if _, err := io.Copy(io.Discard, inflate.NewReader(bytes.NewReader(data[:i]))); err == nil {
			t.Errorf("cut at %d of %d: no error", i, len(data))
		}
		if i == 8 || i == 9 || 4 <= i && i < 8 {
			continue // time, flags and system mean nothing
		}
		flipped := bytes.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		text, err := io.ReadAll(inflate.NewReader(bytes.NewReader(flipped)))
		other, otherErr := readLibrary(flipped)
		if (err == nil) != (otherErr == nil) || err == nil && !bytes.Equal(text, other) {
			t.Errorf("flipped at %d: %v, and the library says %v", i, err, otherErr)
		}
	}
}

// What the input's own reader says is passed on.
func TestSourceError(t *testing.T) {
	data := deflated(t, 6, texts(t)[5])
	want := errors.New("cut")
	_, err := io.Copy(io.Discard, inflate.NewReader(io.MultiReader(bytes.NewReader(data[:len(data)/2]),
		iotest.ErrReader(want))))
	if !errors.Is(err, want) {
		t.Error(err)
	}
}

func readLibrary(data []byte) ([]byte, error) {
	r, err := library.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// FuzzReader holds the reader against the library: the same bytes, or an error
// from both.
func FuzzReader(f *testing.F) {
	for i, text := range texts(f) {
		if len(text) < 1<<17 {
			f.Add(deflated(f, i%10, text, text[:len(text)/2]))
		}
	}
	f.Add(
		[]byte(
			"\x1f\x8b\b\x1c\x00\x00\x00\x00\x00\x03\x02\x00ABname\x00comment\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := io.ReadAll(io.LimitReader(inflate.NewReader(bytes.NewReader(data)), 16<<20))
		want, wantErr := readLibrary(data)
		if len(got) == 16<<20 {
			t.Skip()
		}
		if err == io.ErrUnexpectedEOF && wantErr == nil && bytes.Equal(got, want) {
			return // the library takes a later member's name that is cut short for the end
		}
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v; the library: %d bytes, %v", len(got), err, len(want), wantErr)
		}
	})
}

// BenchmarkReader inflates the file that $LAYER names, or this program.
func BenchmarkReader(b *testing.B) {
	data := benchmarkData(b)
	for name, open := range map[string]func(io.Reader) (io.Reader, error){
		"inflate": func(r io.Reader) (io.Reader, error) { return inflate.NewReader(r), nil },
		"library": func(r io.Reader) (io.Reader, error) { return library.NewReader(r) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r, err := open(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				var n int64
				if d, ok := r.(interface{ Discard(int64) (int64, error) }); ok {
					n, err = d.Discard(1 << 60)
				} else {
					n, err = io.Copy(io.Discard, r)
				}
				if err != nil && err != io.EOF {
					b.Fatal(err)
				}
				b.SetBytes(n)
			}
		})
	}
}

func benchmarkData(b *testing.B) []byte {
	b.Helper()
	if file := os.Getenv("LAYER"); file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	all := texts(b)
	return deflated(b, 6, all[len(all)-1])
}
