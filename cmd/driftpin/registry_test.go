package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// A npmRegistry is npm's on loopback (npm's documentation, "Package metadata"),
// with packages of its own.
type npmRegistry struct {
	*httptest.Server
	token string
	files map[string][]byte         // by path
	all   map[string]map[string]any // versions, by package
	dates map[string]map[string]string
}

// newRegistry has speak, which wants pad 1, and other, which wants pad 2: one
// of the pads lies inside of who wants it. pad and other bring scripts.
func newRegistry(t *testing.T, token string) *npmRegistry {
	x := &npmRegistry{token: token, files: map[string][]byte{}, all: map[string]map[string]any{},
		dates: map[string]map[string]string{}}
	x.Server = httptest.NewServer(x)
	t.Cleanup(x.Close)
	program := func(name string) string {
		return "#!/usr/bin/env node\nconsole.log('" + name +
			"', require('./package.json').version, 'pad', require('pad'))\n"
	}
	for _, v := range []struct{ version, date string }{{"1.0.0", "2022-01-01"}, {"1.1.0", "2023-06-01"}} {
		x.add(t, map[string]any{"name": "speak", "version": v.version, "bin": "speak.js",
			"dependencies": map[string]string{"pad": "^1.0"}}, v.date, map[string]string{"speak.js": program("speak")})
	}
	script := map[string]string{"postinstall": "node -e \"require('fs').writeFileSync('ran', '')\""}
	x.add(t, map[string]any{"name": "other", "version": "1.0.0", "bin": "other.js",
		"dependencies": map[string]string{"pad": "2.x", "old-pad": "npm:pad@1.0.0"}, "scripts": script}, "2022-01-01",
		map[string]string{"other.js": program("other")})
	for version, date := range map[string]string{"1.0.0": "2022-01-01", "1.0.1": "2022-02-01", "1.1.0": "2023-04-01"} {
		x.add(t, map[string]any{"name": "quiet", "version": version}, date, map[string]string{})
	}
	for _, version := range []string{"1.0.0", "2.0.0"} {
		x.add(t, map[string]any{"name": "pad", "version": version, "main": "index.js", "bin": "index.js",
			"scripts": script}, "2022-01-01",
			map[string]string{"index.js": "#!/usr/bin/env node\nmodule.exports = '" + version + "'\n"})
	}
	return x
}

// add makes a package: an archive, and what the registry tells of it.
func (x *npmRegistry) add(t *testing.T, manifest map[string]any, published string, files map[string]string) {
	t.Helper()
	data, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	files["package.json"] = string(data)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(files[name]))}
		if err := errors.Join(w.WriteHeader(h), second(io.WriteString(w, files[name]))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	name, version := manifest["name"].(string), manifest["version"].(string)
	file := "/" + name + "/-/" + name + "-" + version + ".tgz"
	hash := sha512.Sum512(b.Bytes())
	told := maps.Clone(manifest)
	told["dist"] = map[string]string{"tarball": x.URL + file,
		"integrity": "sha512-" + base64.StdEncoding.EncodeToString(hash[:])}
	if x.all[name] == nil {
		x.all[name], x.dates[name] = map[string]any{}, map[string]string{"created": published + "T00:00:00.000Z",
			"modified": "2023-03-01T00:00:00.000Z"}
	}
	x.all[name][version], x.dates[name][version] = told, published+"T00:00:00.000Z"
	x.files[file] = b.Bytes()
}

// ServeHTTP implements http.Handler.
func (x *npmRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch data, ok := x.files[r.URL.Path]; {
	case r.Header.Get("Authorization") != "Bearer "+x.token:
		w.WriteHeader(http.StatusUnauthorized)
	case ok:
		w.Write(data)
	case x.all[name] != nil:
		newest := slices.Max(slices.Collect(maps.Keys(x.all[name])))
		json.NewEncoder(w).Encode(map[string]any{"name": name, "dist-tags": map[string]string{"latest": newest},
			"versions": x.all[name], "time": x.dates[name]})
	default:
		http.NotFound(w, r)
	}
}
