package layers

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// written is a tar of some headers; regular files have content.
func written(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = "what " + h.Name + " says\n"
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tars are such as there are, of all formats.
func tars(t testing.TB) map[string][]byte {
	long := strings.Repeat("a-folder/", 20) + "file"
	at := time.Unix(1679011200, 5)
	plain := written(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "usr/", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "usr/é", Mode: 0o644},
		tar.Header{Typeflag: tar.TypeReg, Name: "usr/a"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "lib", Linkname: "usr/lib"},
		tar.Header{Typeflag: tar.TypeLink, Name: "b", Linkname: "usr/a"},
		tar.Header{Typeflag: tar.TypeFifo, Name: "fifo"},
		tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("p", 90) + "/" + strings.Repeat("q", 90)})
	old := bytes.Clone(plain)
	old[156] = 0 // a folder by its name's last byte, as in 1979
	copy(old[148:], fmt.Sprintf("%06o", checksum((*[blockSize]byte)(old))))
	return map[string][]byte{
		"plain":     plain,
		"no end":    plain[:len(plain)-2*blockSize],
		"one block": plain[:len(plain)-blockSize],
		"cut":       plain[:len(plain)-4*blockSize+3],
		"unpadded":  append(written(t, tar.Header{Typeflag: tar.TypeReg, Name: "a"})[:blockSize], "what a says\n"...),
		"old":       old,
		"pax": written(t,
			tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "global",
				PAXRecords: map[string]string{"comment": "all"}},
			tar.Header{Typeflag: tar.TypeReg, Name: long, Format: tar.FormatPAX, ModTime: at},
			tar.Header{Typeflag: tar.TypeReg, Name: "after", PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b"}},
			tar.Header{Typeflag: tar.TypeSymlink, Name: "s", Linkname: long},
			tar.Header{Typeflag: tar.TypeReg, Name: "plain", Mode: 0o644}),
		"gnu": written(t,
			tar.Header{Typeflag: tar.TypeReg, Name: long, Format: tar.FormatGNU},
			tar.Header{Typeflag: tar.TypeReg, Name: "times", Format: tar.FormatGNU, AccessTime: at, ChangeTime: at},
			tar.Header{Typeflag: tar.TypeReg, Name: "after", Format: tar.FormatGNU, Uid: 1 << 40},
			tar.Header{Typeflag: tar.TypeLink, Name: "l", Linkname: long, Format: tar.FormatGNU}),
		"empty": nil,
		"text":  []byte(strings.Repeat("no tar at all\n", 100)),
	}
}

// sameEntries holds what a tarReader makes of a tar against what archive/tar
// does. Only in what archive/tar refuses may they differ.
func sameEntries(t *testing.T, data []byte) (n int) {
	t.Helper()
	theirs, ours := tar.NewReader(bytes.NewReader(data)), &tarReader{r: bytes.NewReader(data)}
	for ; ; n++ {
		want, wantErr := theirs.Next()
		got, err := ours.next()
		if wantErr != nil && wantErr != io.EOF {
			return n
		}
		if err != wantErr {
			t.Fatalf("entry %d: %v; archive/tar: %v", n, err, wantErr)
		}
		if err != nil {
			return n
		}
		if got.name != want.Name || got.link != want.Linkname || got.kind != want.Typeflag {
			t.Fatalf("entry %d is %+v; archive/tar: %+v", n, got, want)
		}
		if n%3 == 2 {
			continue // its content is passed over
		}
		wantData, wantErr := io.ReadAll(theirs)
		gotData, err := io.ReadAll(ours)
		if !bytes.Equal(gotData, wantData) || err != wantErr {
			t.Fatalf("the content of %s is %q, %v; archive/tar: %q, %v", got.name, gotData, err, wantData, wantErr)
		}
		if got.kind == tar.TypeReg && err == nil && got.size != int64(len(gotData)) {
			t.Fatalf("%s has the size %d, and %d bytes", got.name, got.size, len(gotData))
		}
	}
}

func TestEntries(t *testing.T) {
	for name, data := range tars(t) {
		t.Run(name, func(t *testing.T) {
			n := sameEntries(t, data)
			if want := map[string]int{"plain": 7, "no end": 7, "one block": 7, "cut": 6, "unpadded": 1, "old": 7,
				"pax": 5, "gnu": 4}[name]; n != want {
				t.Errorf("%d entries, not %d", n, want)
			}
		})
	}
	for _, format := range []string{"v7", "ustar", "oldgnu", "gnu", "posix"} {
		t.Run("GNU tar's "+format, func(t *testing.T) {
			dir := t.TempDir()
			script := `mkdir -p d/e; echo hello >d/a; ln d/a d/b; ln -s a d/c; truncate -s 300K d/hole; echo end >>d/hole
				tar --sort=name --format=$1 $([ $1 = v7 ] || [ $1 = ustar ] || echo --sparse) -cf out.tar d`
			cmd := exec.Command("sh", "-euc", script, "sh", format)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %s", err, out)
			}
			data := read(t, filepath.Join(dir, "out.tar"))
			if n := sameEntries(t, data); n != 6 {
				t.Errorf("%d entries, not 6", n)
			}
		})
	}
}

// What archive/tar is to be spared it is spared: of these only global records and
// a large uid are its affair.
func TestPlainEntries(t *testing.T) {
	for name, want := range map[string]int{"plain": 5, "gnu": 2, "pax": 4} {
		data, plain := tars(t)[name], 0
		for r := (&tarReader{r: bytes.NewReader(data)}); ; {
			if _, err := r.next(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if _, ok := plainEntry(&r.block); ok {
				plain++
			}
		}
		if plain < want {
			t.Errorf("%s: of %d entries only were the headers plain, not of %d", name, plain, want)
		}
	}
}

func FuzzEntries(f *testing.F) {
	for _, data := range tars(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { sameEntries(t, data) })
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
