package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An index is a package index on loopback (PEP 691, PEP 658) with packages of
// its own, which answers as the test wants.
type index struct {
	*httptest.Server
	user, password string // empty: everybody is let in

	mu    sync.Mutex
	files map[string][]byte
	asked map[string]int
	// fault answers a request in place of the index and returns true, or does
	// nothing; n counts the requests for a path, from 1.
	fault func(w http.ResponseWriter, r *http.Request, n int) bool
}

func newTestIndex(t *testing.T) *index {
	x := &index{files: map[string][]byte{}, asked: map[string]int{}}
	x.Server = httptest.NewServer(x)
	t.Cleanup(x.Close)
	return x
}

// ServeHTTP implements http.Handler.
func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	x.asked[r.URL.Path]++
	n, fault := x.asked[r.URL.Path], x.fault
	x.mu.Unlock()
	if user, password, _ := r.BasicAuth(); x.user != "" && (user != x.user || password != x.password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="index"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if fault != nil && fault(w, r, n) {
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/simple/"); ok {
		x.serveProject(w, r, strings.Trim(name, "/"))
		return
	}
	x.mu.Lock()
	data, ok := x.files[strings.TrimPrefix(r.URL.Path, "/files/")]
	x.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (x *index) serveProject(w http.ResponseWriter, r *http.Request, project string) {
	type file struct {
		Filename     string            `json:"filename"`
		URL          string            `json:"url"`
		Hashes       map[string]string `json:"hashes"`
		CoreMetadata map[string]string `json:"core-metadata,omitempty"`
		Size         int               `json:"size"`
	}
	files := []file{}
	x.mu.Lock()
	for name, data := range x.files {
		if !strings.HasPrefix(name, project+"-") || strings.HasSuffix(name, ".metadata") {
			continue
		}
		f := file{name, "../../files/" + name, map[string]string{"sha256": sum(data)}, nil, len(data)}
		if metadata, ok := x.files[name+".metadata"]; ok {
			f.CoreMetadata = map[string]string{"sha256": sum(metadata)}
		}
		files = append(files, f)
	}
	x.mu.Unlock()
	if len(files) == 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
	json.NewEncoder(w).Encode(map[string]any{"meta": map[string]string{"api-version": "1.1"}, "name": project,
		"files": files})
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// add makes a wheel of some files, and returns its sha256.
func (x *index) add(t *testing.T, name, version string, files map[string]string) string {
	t.Helper()
	info := name + "-" + version + ".dist-info/"
	metadata := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	all := map[string]string{info + "METADATA": metadata,
		info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
	for file, text := range files {
		all[file] = text
	}
	record := info + "RECORD,,\n"
	for _, file := range slices.Sorted(maps.Keys(all)) {
		text := all[file]
		h := sha256.Sum256([]byte(text))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", file, base64.RawURLEncoding.EncodeToString(h[:]), len(text))
	}
	all[info+"RECORD"] = record
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, file := range slices.Sorted(maps.Keys(all)) {
		w, err := z.Create(file)
		if err == nil {
			_, err = io.WriteString(w, all[file])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	wheel := name + "-" + version + "-py3-none-any.whl"
	x.files[wheel], x.files[wheel+".metadata"] = b.Bytes(), []byte(metadata)
	return sum(b.Bytes())
}

// addSource makes a source distribution of some files.
func (x *index) addSource(t *testing.T, name, version string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	top := name + "-" + version + "/"
	files[top+"PKG-INFO"] = fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	for file, text := range files {
		h := &tar.Header{Name: top + strings.TrimPrefix(file, top), Mode: 0o644, Size: int64(len(text))}
		if err := errors.Join(w.WriteHeader(h), second(io.WriteString(w, text))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.files[name+"-"+version+".tar.gz"] = b.Bytes()
}

// answer sets the fault.
func (x *index) answer(fault func(w http.ResponseWriter, r *http.Request, n int) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fault, x.asked = fault, map[string]int{}
}
