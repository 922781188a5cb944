package buildplan

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/pins"
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
			_, werr := io.WriteString(errWriter{w, w.WriteHeader(&tar.Header{Name: f[0], Size: int64(len(f[1]))})}, f[1])
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

const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// What a conda package owns is told in the words in which a wheel's is.
func TestReadConda(t *testing.T) {
	file := condaFile(t, `{"paths":[{"_path":"lib/python3.11/site-packages/a/b.py","sha256":"`+emptySum+`"},{"_path":"site-packages/c.py","sha256":"`+emptySum+`"},
		{"_path":"python-scripts/run","sha256":"`+emptySum+`"},{"_path":"share/x.pyc","sha256":"`+emptySum+`"},{"_path":"link"}]}`, `{"noarch":{"entry_points":["go = a.b:main"]}}`)
	got, err := readCondaZip(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	const sum = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
	want := map[string]string{"site-packages/a/b.py": sum, "site-packages/c.py": sum, "bin/run": sum, "bin/go": "calls a.b:main"}
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

func conda(t *testing.T, spec string, line int) pins.Request {
	t.Helper()
	r, err := pins.ParseConda(spec)
	if err != nil {
		t.Fatal(err)
	}
	r.At = pins.Position{File: "pins.yaml", Line: line}
	return r
}

func TestCondaFailure(t *testing.T) {
	r := &resolution{Builder: &Builder{}, query: pins.Query{Channels: []string{"main"}, Before: time.Date(2023, 3, 18, 0, 0, 0, 0, time.UTC),
		Requests: []pins.Request{conda(t, "numpy=1.24", 4), conda(t, "scipi", 5), conda(t, "hello=2.0", 6)}}}
	for name, test := range map[string]struct {
		e    condaError
		want string
	}{
		"channel":  {condaError{Text: "401 for https://u:s3cret@x.test"}, "can't read a channel of conda's (main; .condarc"},
		"name":     {condaError{Versions: map[string]map[string]string{}, Near: map[string][]string{"scipi": {"scipy"}}}, "pins.yaml:5: no channel (main) has a package scipi: did you mean scipy?"},
		"version":  {condaError{Versions: map[string]map[string]string{"numpy": {"1.23.5": "2022-01-01", "1.25.0": "2023-01-01"}}}, "pins.yaml:4: numpy has no version =1.24: the nearest: 1.23.5 and 1.25.0"},
		"late":     {condaError{Versions: map[string]map[string]string{"numpy": {"1.24.1": "2023-01-01"}, "hello": {"2.0": "2023-04-01", "2.0.1": "2023-05-01"}}}, "pins.yaml:6: hello =2.0 is newer than as-of: it was published on 2023-04-01"},
		"together": {condaError{Text: "numpy 1.24 needs hello 1", Versions: map[string]map[string]string{"numpy": {"1.24.1": ""}, "hello": {"2.0": ""}}}, "numpy 1.24 needs hello 1\nIt speaks of these pins:\n  pins.yaml:4: numpy=1.24\n  pins.yaml:6: hello=2.0"},
	} {
		if err := r.condaFailure(&test.e); !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %q, want …%s…", name, err, test.want)
		}
	}
}

func TestNpmFailure(t *testing.T) {
	q, err := pins.ParseNpm("speak@1.7.0")
	if err != nil {
		t.Fatal(err)
	}
	q.At = pins.Position{File: "pins.yaml", Line: 3}
	r := &resolution{Builder: &Builder{host: Host{Npmrc: []byte("//x.test/:_authToken=t0ken\n")}}, query: pins.Query{Requests: []pins.Request{q}}}
	for name, test := range map[string]struct{ answer, want string }{
		"name":     {`{"error":{"code":"E404","name":"speak","text":"404"}}`, "pins.yaml:3: no registry has a package speak"},
		"version":  {`{"error":{"code":"ETARGET","name":"speak","versions":{"1.6.0":"2022-01-01T00:00:00Z","2.0.0":"2022-01-01"}}}`, "pins.yaml:3: speak has no version 1.7.0: the nearest: 1.6.0 and 2.0.0"},
		"together": {`{"error":{"code":"ERESOLVE","text":"speak wants pad@1"}}`, "can't be met together: no solution\nspeak wants pad@1\nIt speaks of these pins:\n  pins.yaml:3: speak@1.7.0"},
		"registry": {`{"error":{"code":"E401","text":"not with t0ken"}}`, "npm can't resolve (the registry is named by .npmrc"},
		"not JSON": {`[`, "what npm said"},
	} {
		if _, err := r.npmArtifacts([]byte(test.answer)); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: got %v, want …%s…", name, err, test.want)
		}
	}
}

func TestNpmAuthorization(t *testing.T) {
	const npmrc = "registry=https://x.test/npm/\n//x.test/npm/:_authToken=\"abc\"\n//x.test/npm/deep/:_auth=dTpw\n//y.test/:username=me\n//y.test/:_password=c2VjcmV0\n//:_authToken=all\n"
	for address, want := range map[string]string{
		"https://x.test/npm/a/-/a-1.tgz": "Bearer abc", "https://x.test/npm/deep/a.tgz": "Basic dTpw", "https://y.test/a.tgz": basic("me", "secret"),
		"https://x.test/npmx/a": "", "https://x.testing/npm/a": "",
		"https://x.test/other": "", "https://x.test.evil/npm/a": "", "https://z.test/": "",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := npmAuthorization([]byte(npmrc), u); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

// Of .npmrc only what is about registries is taken over, as npm reads it.
func TestReadNpmrc(t *testing.T) {
	file := filepath.Join(t.TempDir(), "npmrc")
	if err := os.WriteFile(file, []byte("global=true\nbefore=2001-01-01\n//x.test/:_authToken=ab$cd${NPM_T}${UNDEFINED_T}\n@s:registry=https://y.test/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NPM_CONFIG_USERCONFIG", file)
	t.Setenv("NPM_T", "x")
	t.Setenv("NPM_CONFIG_REGISTRY", "https://z.test/")
	want := "//x.test/:_authToken=ab$cdx${UNDEFINED_T}\n@s:registry=https://y.test/\nregistry=https://z.test/\n"
	if got := string(readNpmrc()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Addresses of channels that can't be used are refused, unquoted.
func TestReadCondarc(t *testing.T) {
	for address, want := range map[string]string{"https://u:s3cret@x.test/c": "", "https://x.test/t/s3cret/c": "holds a token", "file:///srv/s3cret": "must begin with", "/srv/s3cret": "must begin with", "https://u:s3cret%zz@x.test": "can't be read"} {
		t.Setenv("CONDA_CHANNEL_ALIAS", address)
		t.Setenv("CONDARC", filepath.Join(t.TempDir(), "none"))
		_, err := readCondarc()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
}

// What other programs say, and what people set, is anybody's.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"packages":[{"place":"node_modules/a","name":"a","version":"1"}]}`))
	f.Add([]byte(`{"packages":[{"name":"a","file":"c/noarch/a-1-0.conda"}],"error":{"versions":{}}}`))
	f.Add([]byte("//x.test/:_authToken=a\n//x.test/:username=b"))
	f.Add([]byte("a\t1\ta-1-0.conda"))
	address := &url.URL{Scheme: "https", Host: "x.test", Path: "/a"}
	f.Fuzz(func(_ *testing.T, data []byte) {
		r := &resolution{Builder: &Builder{}}
		_, _ = parseCondaAnswer(data)
		var answer npmAnswer
		if json.Unmarshal(data, &answer) == nil && answer.Error != nil { // what is no error is remembered, which needs a store
			_, _ = r.npmArtifacts(data)
		}
		npmAuthorization(data, address)
		parseProvides(string(data), map[string]string{"a-1-0.conda": "a"})
	})
}
