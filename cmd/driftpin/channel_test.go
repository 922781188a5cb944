package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/driftpin/driftpin/pins"
	"github.com/klauspost/compress/zstd"
)

// A channel is one of conda's on loopback (CEP 36), with packages of its own.
type channel struct {
	*httptest.Server
	user, password string // empty: everybody is let in

	mu      sync.Mutex
	files   map[string][]byte            // by path
	records map[string]map[string]record // by subdir and file
}

func newChannel(t *testing.T) *channel {
	c := &channel{files: map[string][]byte{}, records: map[string]map[string]record{"linux-64": {}, "noarch": {}}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// A record is a package in repodata.json.
type record struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	Build       string   `json:"build"`
	BuildNumber int      `json:"build_number"`
	Depends     []string `json:"depends"`
	Subdir      string   `json:"subdir"`
	Noarch      string   `json:"noarch,omitempty"`
	Timestamp   int64    `json:"timestamp"` // milliseconds
	SHA256      string   `json:"sha256"`
	Size        int      `json:"size"`
}

// ServeHTTP implements http.Handler.
func (c *channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); c.user != "" && (user != c.user || password != c.password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="channel"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	file := strings.TrimPrefix(r.URL.Path, "/main/")
	c.mu.Lock()
	data, ok := c.files[file]
	if subdir, base := path.Split(file); base == "repodata.json" && c.records[path.Clean(subdir)] != nil {
		data, ok = repodata(path.Clean(subdir), c.records[path.Clean(subdir)]), true
	}
	c.mu.Unlock()
	if !ok || file == r.URL.Path {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func repodata(subdir string, records map[string]record) []byte {
	data, err := json.Marshal(map[string]any{"info": map[string]string{"subdir": subdir},
		"packages": map[string]any{}, "packages.conda": records, "repodata_version": 1})
	if err != nil {
		panic(err) // plain fields
	}
	return data
}

// A member is a file of a package; one that begins with -> is a link.
type member struct {
	text   string
	mode   int64
	prefix bool // its placeholder is to be replaced
}

// placeholder stands for the environment in packed files.
const placeholder = "/opt/placeholder_placeholder_placeholder_placeholder_placeholder"

// A pathEntry is a file in info/paths.json (CEP 34).
type pathEntry struct {
	Path        string `json:"_path"`
	Type        string `json:"path_type"`
	SHA256      string `json:"sha256"`
	Size        int    `json:"size_in_bytes"`
	Placeholder string `json:"prefix_placeholder,omitempty"`
	Mode        string `json:"file_mode,omitempty"`
}

// pathEntries are the files of a package as info/paths.json tells them.
func pathEntries(files map[string]member) (paths []pathEntry) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		e := pathEntry{Path: name, Type: "hardlink", SHA256: sum([]byte(f.text)), Size: len(f.text)}
		if strings.HasPrefix(f.text, "->") {
			e.Type, e.SHA256, e.Size = "softlink", sum(nil), 0
		}
		if f.prefix {
			e.Placeholder, e.Mode = placeholder, "text"
		}
		paths = append(paths, e)
	}
	return paths
}

// add makes a package: a .conda file (CEP 35).
func (c *channel) add(t *testing.T, r record, published string, files map[string]member, entryPoints ...string) {
	t.Helper()
	day, err := time.Parse(time.DateOnly, published)
	if err != nil {
		t.Fatal(err)
	}
	r.Timestamp, r.Depends = day.UnixMilli(), append([]string{}, r.Depends...)
	if r.Subdir = "linux-64"; r.Noarch != "" {
		r.Subdir = "noarch"
	}
	paths := pathEntries(files)
	asJSON := func(v any) member {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return member{text: string(data)}
	}
	info := map[string]member{"info/index.json": asJSON(r),
		"info/paths.json": asJSON(map[string]any{"paths": paths, "paths_version": 1}),
		"info/files":      {text: strings.Join(slices.Sorted(maps.Keys(files)), "\n") + "\n"},
		"info/about.json": {text: "{}"}}
	if r.Noarch == "python" {
		info["info/link.json"] = asJSON(map[string]any{"noarch": map[string]any{"type": "python",
			"entry_points": append([]string{}, entryPoints...)}, "package_metadata_version": 1})
	}
	stem := r.Name + "-" + r.Version + "-" + r.Build
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, part := range []struct {
		name string
		data []byte
	}{{"metadata.json", []byte(`{"conda_pkg_format_version": 2}`)}, {"pkg-" + stem + ".tar.zst", packed(t, files)},
		{"info-" + stem + ".tar.zst", packed(t, info)}} {
		// Sizes stand before the data: conda's archives are read as they come.
		size := uint64(len(part.data))
		w, err := z.CreateRaw(&zip.FileHeader{Name: part.name, Method: zip.Store,
			CRC32: crc32.ChecksumIEEE(part.data), CompressedSize64: size, UncompressedSize64: size})
		if err == nil {
			_, err = w.Write(part.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r.SHA256, r.Size = sum(b.Bytes()), b.Len()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[r.Subdir+"/"+stem+".conda"] = b.Bytes()
	c.records[r.Subdir][stem+".conda"] = r
}

// packed is an archive of files, compressed.
func packed(t *testing.T, files map[string]member) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		h := &tar.Header{Name: name, Mode: max(f.mode, 0o644), Size: int64(len(f.text)),
			ModTime: time.Unix(1600000000, 0)}
		if to, ok := strings.CutPrefix(f.text, "->"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, to, 0
			f.text = ""
		}
		if err := errors.Join(w.WriteHeader(h), second(io.WriteString(w, f.text))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pure makes a package of a Python module, for every platform.
func (c *channel) pure(t *testing.T, name, version, published, module string, depends []string, entryPoints ...string) {
	t.Helper()
	info := "site-packages/" + name + "-" + version + ".dist-info/"
	c.add(t, record{Name: name, Version: version, Build: "pyhd8ed1ab_0",
		Depends: append([]string{"python >=3.8"}, depends...), Noarch: "python"}, published, map[string]member{
		"site-packages/" + name + ".py": {text: module},
		info + "METADATA": {text: "Metadata-Version: 2.1\nName: " + name + "\nVersion: " +
			version + "\n"},
		info + "RECORD":    {text: name + ".py,,\n"},
		info + "INSTALLER": {text: "conda\n"},
	}, entryPoints...)
}

// python makes packages of a Python that really runs, of the Debian packages
// that a course has locked: a program that finds its own libraries, and
// libraries where conda has them.
func (c *channel) python(t *testing.T, debs map[string]string) {
	t.Helper()
	all := map[string]member{}
	for _, name := range []string{"libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal", "libexpat1"} {
		out, err := exec.Command("dpkg-deb", "--fsys-tarfile", debs[name]).Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for r := tar.NewReader(bytes.NewReader(out)); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				all[strings.TrimPrefix(h.Name, "./usr/")] = member{text: string(data), mode: h.Mode}
			}
		}
	}
	expat := map[string]member{}
	files := map[string]member{
		"bin/python": {text: "->python3.11"}, "bin/python3": {text: "->python3.11"},
		"bin/python3.11": {text: "#!/bin/sh\nhere=$(dirname \"$(readlink -f \"$0\")\")\nexec " +
			"/lib64/ld-linux-x86-64.so.2 --argv0 \"$0\" --library-path \"$here/../lib\" \"$here/.python3.11\" " +
			"\"$@\"\n", mode: 0o755},
		// Debian's Python has folders of its own for what is installed: tell it conda's.
		"lib/python3.11/sitecustomize.py": {text: "import site, sys\nsite.addsitedir(sys.prefix " +
			"+ '/lib/python3.11/site-packages')\n"},
		"lib/python3.11/site-packages/README.txt": {text: "packages go here\n"},
	}
	for name, f := range all {
		switch {
		case name == "bin/python3.11":
			files["bin/.python3.11"] = f
		case strings.HasPrefix(path.Base(name), "libexpat.so.1."):
			expat["lib/libexpat.so.1"] = f
		case strings.HasPrefix(name, "lib/python3.11/") && path.Ext(name) != ".pyc" && !strings.Contains(name,
			"EXTERNALLY-MANAGED"):
			if path.Base(name) == "sysconfig.py" {
				f.text = strings.ReplaceAll(f.text, "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'")
			}
			files[name] = f
		}
	}
	c.add(t, record{Name: "libexpat", Version: "2.5.0", Build: "hcb278e6_1"}, "2023-01-01", expat)
	c.add(t, record{Name: "python", Version: "3.11.2", Build: "2_cpython",
		Depends: []string{"libexpat >=2.5.0,<3.0a0", "__glibc >=2.17,<3.0.a0"}}, "2023-02-12", files)
	c.add(t, record{Name: "python", Version: "3.10.9", Build: "0_cpython",
		Depends: []string{"libexpat >=2.5.0,<3.0a0"}}, "2022-12-12",
		map[string]member{"bin/python": {text: "#!/bin/sh\n"}})
}

// files are the files of a kind that a lock names, in a home of driftpin's.
func lockedFiles(t *testing.T, l *lab, home, lock string, kind pins.Kind) map[string]string {
	t.Helper()
	parsed, err := pins.ParseLock(lock, []byte(l.read(lock)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, a := range parsed.Artifacts {
		if file := path.Join(l.dir, home, "files", "blobs", "sha256", a.SHA256); a.Kind == kind {
			if _, err := os.Stat(file); err == nil {
				files[a.Name] = file
			}
		}
	}
	return files
}
