package owns

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// condaFile is a conda package with some metadata.
func condaFile(t testing.TB, paths, link string) []byte {
	t.Helper()
	var info, file bytes.Buffer
	z, err := zstd.NewWriter(&info)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, f := range [][2]string{{"info/paths.json", paths}, {"info/link.json", link}} {
		if f[1] != "" {
			_, werr := io.WriteString(errWriter{w, w.WriteHeader(&tar.Header{Name: f[0], Size: int64(len(f[1]))})},
				f[1])
			err = errors.Join(err, werr)
		}
	}
	archive := zip.NewWriter(&file)
	err = errors.Join(err, w.Close(), z.Close())
	part, perr := archive.Create("info-a-1-0.tar.zst")
	if err = errors.Join(err, perr); err == nil {
		_, err = part.Write(info.Bytes())
	}
	if err = errors.Join(err, archive.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// An errWriter writes unless there has been an error.
type errWriter struct {
	io.Writer
	err error
}

func (w errWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	return w.Writer.Write(p)
}

// What a conda package owns is told in the words in which a wheel's is.
func TestReadConda(t *testing.T) {
	file := condaFile(t, `{"paths":[{"_path":"lib/python3.11/site-packages/a/b.py","sha256":"`+emptySum+
		`"},{"_path":"site-packages/c.py","sha256":"`+emptySum+`"},
		{"_path":"python-scripts/run","sha256":"`+emptySum+`"},{"_path":"share/x.pyc","sha256":"`+emptySum+
		`"},{"_path":"link"}]}`, `{"noarch":{"entry_points":["go = a.b:main"]}}`)
	got, err := readCondaZip(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	const sum = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
	want := map[string]string{"site-packages/a/b.py": sum, "site-packages/c.py": sum, "bin/run": sum,
		"bin/go": "calls a.b:main"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range [][]byte{condaFile(t, "", ""), condaFile(t, "[", ""), condaFile(t, "{}", "["), []byte("PK")} {
		if _, err := readCondaZip(bytes.NewReader(bad), int64(len(bad))); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzReadConda(f *testing.F) {
	file := condaFile(f, `{"paths":[{"_path":"a","sha256":"`+emptySum+`"}]}`, `{"noarch":{"entry_points":["a=b"]}}`)
	f.Add(file)
	f.Add([]byte("info/paths.json"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = readCondaZip(bytes.NewReader(data), int64(len(data)))
		_, _ = readCondaTar(bytes.NewReader(data))
	})
}

const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
