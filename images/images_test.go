package images_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A node is an entry of a layer: a file, or by its prefix a hard link (=>), a
// symbolic link (->) or a folder (/).
type node struct{ name, content string }

func tarOf(t testing.TB, nodes []node) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range nodes {
		h := &tar.Header{Name: n.name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(n.content))}
		if target, ok := strings.CutPrefix(n.content, "=>"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, target, 0
		} else if target, ok := strings.CutPrefix(n.content, "->"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		} else if n.content == "/" {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, n.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func image(t testing.TB, layers ...[]node) v1.Image {
	t.Helper()
	img := empty.Image
	for i, nodes := range layers {
		data := tarOf(t, nodes)
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		img, err = mutate.Append(img, mutate.Addendum{Layer: layer,
			History: v1.History{CreatedBy: fmt.Sprintf("layer %d", i)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	img, err := mutate.Config(img, v1.Config{Env: []string{"PATH=/bin", "A=b"}, Cmd: []string{"run"}, User: "1000"})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// saved writes an image as an OCI layout and returns its reference.
func saved(t testing.TB, img v1.Image) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	return "oci-layout:" + dir
}

func inventory(t testing.TB, ref string) []string {
	t.Helper()
	img, err := images.Open(t.Context(), ref, images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	packages, err := img.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, p := range packages {
		text := strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s%s", p.Kind, p.Name, p.Version, p.Where, p.Commit,
			p.Build+p.State))
		if p.Owner != nil {
			text += fmt.Sprintf(" (%s %s)", p.Owner.Kind, p.Owner.Name)
		}
		out = append(out, text)
	}
	return out
}

const site = "opt/env/lib/python3.11/site-packages/"

func dist(name, version string) node {
	return node{site + name + "-" + version + ".dist-info/METADATA",
		"Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n\nName: not me\n"}
}

const status = `Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
Description: the C library
 Version: 9.9

Package: gone
Status: deinstall ok config-files
Version: 1

Package: half
Status: install ok half-configured
Version: 1

Package: libx
Status: install ok installed
Architecture: amd64
Version: 1.0

Package: libx
Status: install ok installed
Architecture: i386
Version: 1.0
`

// inventoryOfEveryKindCases are the cases of TestInventoryOfEveryKind.
var inventoryOfEveryKindCases = []string{
	"conda numpy 1.23.5 /srv/conda/envs/notebook py310h",
	"deb half 1  half-configured",
	"deb libc6 2.36-9",
	"deb libx 1.0",
	"deb libx:i386 1.0",
	"kernelspec py Py 3 /opt/env python -m k",
	"labextension @x/lab 5 /opt/env (pip tmpystore)",
	"labextension mine 1 /opt/env",
	"npm @npmcli/fs 3.1.0 /usr/lib/node_modules/npm",
	"npm npm 9.2.0 /usr/lib",
	"pip jupyter-server 2.2.1 /opt/env",
	"pip linked 1 /opt/env",
	"pip old 1 /usr",
	"pip six 1.16.0 /usr",
	"pip tmpystore 0.0.1 /opt/env 84765e1",
	"pip zipped 1.0 /opt/env",
	"python python 3.11.2 /opt/env",
	"python python 3.11.2 /usr (deb python3.11-minimal)",
	"r dplyr 1.1.0 /usr/lib/R/site-library abc",
	"serverextension off disabled /opt/env",
	"serverextension on enabled /opt/env",
}

func TestInventoryOfEveryKind(t *testing.T) {
	img := image(t, []node{
		{"var/lib/dpkg/status", status},
		dist("Jupyter_Server", "2.2.1"),
		dist("tmpystore", "0.0.1"),
		{site + "tmpystore-0.0.1.dist-info/direct_url.json",
			`{"url":"https://x/y.git","vcs_info":{"vcs":"git","commit_id":"84765e1"}}`},
		{site + "bleach/_vendor/html5lib-1.1.dist-info/METADATA", "Name: html5lib\nVersion: 1.1\n"},
		{"usr/lib/python3/dist-packages/six-1.16.0.egg-info", "Name: six\nVersion: 1.16.0\n"},
		{"usr/lib/python3/dist-packages/old.egg-info/PKG-INFO", "Name: old\nVersion: 1\n"},
		{"srv/conda/envs/notebook/conda-meta/numpy-1.23.5-py310h.json",
			`{"name":"numpy","version":"1.23.5","build":"py310h",` +
				`"channel":"https://u:p@conda.example.org/t/tk-1/conda-forge/linux-64"}`},
		{"srv/conda/envs/notebook/conda-meta/history", "==> <=="},
		{"usr/lib/node_modules/npm/package.json", `{"name":"npm","version":"9.2.0"}`},
		{"usr/lib/node_modules/npm/node_modules/@npmcli/fs/package.json", `{"name":"@npmcli/fs","version":"3.1.0"}`},
		{"usr/lib/node_modules/npm/test/package.json", `{"name":"fixture","version":"1"}`},
		{"usr/lib/node_modules/broken/package.json", `{`},
		{"usr/lib/R/site-library/dplyr/DESCRIPTION",
			"Package: dplyr\nVersion: 1.1.0\nBuilt: R 4.2.2; ; 2023-01-01\nRemoteSha: abc\n"},
		{"usr/lib/R/site-library/dplyr/tests/x/DESCRIPTION", "Package: x\nVersion: 1\n"},
		// What is kept for later is not installed.
		{"srv/conda/pkgs/numpy-1.23.5-py310h/lib/python3.10/site-packages/numpy-1.23.5.dist-info/METADATA",
			"Name: numpy\nVersion: 1.23.5\n"},
		{"root/.cache/uv/archive-v0/x/six-1.dist-info/METADATA", "Name: six\nVersion: 1\n"},
		{site + "~ix-1.dist-info/METADATA", "Name: six\nVersion: 1\n"},
		// Environments and interpreters.
		{"opt/env/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n"},
		{"usr/bin/python3.11", "\x7fELF\x003.11\x003.11.2\x00"},
		{"usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", "\x003.11.2\x00"},
		{"var/lib/dpkg/info/python3.11-minimal.list", "/.\n/usr/bin/python3.11\n"},
		// Installed from sources: by a link, and by a record of the sources' folder.
		{site + "linked.egg-link", "/srv/linked\n."},
		{"srv/linked/linked.egg-info/PKG-INFO", "Name: linked\nVersion: 1\n"},
		{"srv/edited/edited.egg-info/PKG-INFO", "Name: edited\nVersion: 1\n"},
		{site + "zipped-1.0-py3.11.egg", "PK"},
		// Jupyter's own, which a package brings.
		{"opt/env/share/jupyter/labextensions/@x/lab/package.json", `{"name":"@x/lab","version":"5"}`},
		{"opt/env/share/jupyter/labextensions/mine/package.json", `{"name":"mine","version":"1"}`},
		{site + "tmpystore-0.0.1.dist-info/RECORD",
			"../../../share/jupyter/labextensions/@x/lab/package.json,sha256=x,1\n"},
		{"opt/env/etc/jupyter/jupyter_server_config.d/x.json",
			`{"ServerApp":{"jpserver_extensions":{"on":true,"off":false}}}`},
		{"opt/env/share/jupyter/kernels/py/kernel.json", `{"display_name":"Py 3","argv":["python","-m","k"]}`},
		{"usr/lib/node_modules/npm/node_modules/y/test/node_modules/z/package.json", `{"name":"z","version":"1"}`},
	})
	want := inventoryOfEveryKindCases
	if diff := cmp.Diff(want, inventory(t, saved(t, img))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhiteouts(t *testing.T) {
	below := []node{dist("a", "1"), dist("b", "1"), dist("c", "1"), {"cache/meta", "Name: d\nVersion: 1\n"}}
	for name, test := range map[string]struct {
		layers [][]node
		want   []string
	}{
		"plain":  {[][]node{below}, []string{"a 1", "b 1", "c 1"}},
		"file":   {[][]node{below, {{site + ".wh.a-1.dist-info", ""}}}, []string{"b 1", "c 1"}},
		"inner":  {[][]node{below, {{site + "a-1.dist-info/.wh.METADATA", ""}}}, []string{"b 1", "c 1"}},
		"folder": {[][]node{below, {{"opt/.wh.env", ""}}}, nil},
		"opaque": {[][]node{below, {{site + ".wh..wh..opq", ""}, dist("z", "1")}}, []string{"z 1"}},
		"replaced": {[][]node{below, {{site + ".wh.a-1.dist-info", ""}, dist("a", "2")}},
			[]string{"a 2", "b 1", "c 1"}},
		"by a link": {[][]node{below, {{"opt/env", "->/elsewhere"}}}, nil},
		"by a file": {[][]node{below, {{"opt/env/lib", "x"}}}, nil},
		"and back":  {[][]node{below, {{"opt/.wh.env", ""}}, {dist("b", "2")}}, []string{"b 2"}},
		"only here": {[][]node{below, {dist("a", "1"), {site + ".wh.b-1.dist-info", ""}}}, []string{"a 1", "c 1"}},
		"hard link": {[][]node{below, {{site + "d-1.dist-info/METADATA", "=>cache/meta"}}},
			[]string{"a 1", "b 1", "c 1", "d 1"}},
		"dots": {[][]node{{{"./" + site + "../site-packages/a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"}}},
			[]string{"a 1"}},
		"escape": {[][]node{{{"../../" + site + "a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"}}},
			[]string{"a 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, line := range inventory(t, saved(t, image(t, test.layers...))) {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(line, "pip "), " /opt/env"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The same image reads the same from everywhere, however it is compressed.
func TestSources(t *testing.T) {
	img := image(t, []node{dist("a", "1")}, []node{{"var/lib/dpkg/status", status}})
	want := inventory(t, saved(t, img))
	if len(want) != 5 {
		t.Fatalf("inventory %v", want)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	tag, err := name.NewTag("course:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(archive, tag, img); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New())
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/hub/course:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "image.tar.gz"), gzipped(t, data), 0o644)
	write(t, filepath.Join(dir, "docker"), []byte("#!/bin/sh\n[ \"$*\" = 'image save -- course' ] && exec cat "+
		archive+"\necho no such image >&2; exit 1\n"), 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if _, err := images.Open(t.Context(), "docker:another", images.Options{}); err == nil ||
		!strings.Contains(err.Error(), "no such image") {
		t.Errorf("an image that docker has not: %v", err)
	}
	for _, source := range []string{"docker-archive:" + archive,
		"docker-archive:" + filepath.Join(dir, "image.tar.gz"), "docker:course", ref.String(), saved(t, zstdImage(t))} {
		if diff := cmp.Diff(want, inventory(t, source)); diff != "" {
			t.Errorf("%s:\n%s", source, diff)
		}
	}
}

func write(t *testing.T, file string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, data, mode); err != nil {
		t.Fatal(err)
	}
}

func gzipped(t *testing.T, data []byte) []byte {
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

// Of an image for several platforms the one that is asked for is read, and said.
func TestPlatforms(t *testing.T) {
	var adds []mutate.IndexAddendum
	for _, arch := range []string{"amd64", "arm64"} {
		img := platform(t, image(t, []node{dist(arch, "1")}))
		adds = append(adds, mutate.IndexAddendum{Add: img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	dir := filepath.Join(t.TempDir(), "layout")
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendIndex(mutate.AppendManifests(emptyIndex(), adds...)); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{"": "amd64", "linux/arm64": "arm64"} {
		img, err := images.Open(t.Context(), "oci-layout:"+dir, images.Options{Platform: asked})
		if err != nil {
			t.Fatal(err)
		}
		packages, err := img.Inventory(t.Context())
		if err != nil || len(packages) != 1 || packages[0].Name != want || img.Platform != "linux/"+want {
			t.Errorf("%q: %v of %s, %v", asked, packages, img.Platform, err)
		}
	}
	if _, err := images.Open(t.Context(), "oci-layout:"+dir, images.Options{Platform: "linux/s390x"}); err == nil ||
		!strings.Contains(err.Error(), "it has linux/amd64, linux/arm64") {
		t.Errorf("a platform that is not there: %v", err)
	}
}

// A Debian package is of the layer that brought it, though each layer has the
// one file that tells of all.
func TestLayersOfDebs(t *testing.T) {
	line := func(name, version string) string {
		return "Package: " + name + "\nStatus: install ok installed\nVersion: " + version + "\nArchitecture: amd64\n\n"
	}
	const status = "var/lib/dpkg/status"
	img, err := images.Open(t.Context(), saved(t, image(t, []node{{status, line("old", "1") + line("new", "1")}},
		[]node{dist("a", "1")},
		[]node{{status, line("old", "1") + line("new", "2")}},
		[]node{{status, line("old", "1") + line("new", "2") + line("more", "1")}})), images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	packages, err := img.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range packages {
		got[p.Name] = p.Event
	}
	if diff := cmp.Diff(map[string]string{"old": "layer 0", "a": "layer 1", "new": "layer 2", "more": "layer 3"},
		got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Bytes that are no text come out as they are, and harm nothing.
func TestNoText(t *testing.T) {
	got := inventory(t, saved(t, image(t,
		[]node{{site + "a-1.dist-info/METADATA", "Name: a\xff\xfe\nVersion: 1\x00\n"},
			{"usr/lib/node_modules/\xff/package.json", `{"name":"x","version":"1"}`}})))
	if diff := cmp.Diff([]string{"npm x 1 /usr/lib", "pip a\ufffd\ufffd 1\x00 /opt/env"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// An unpacked layer is stored as it is, and has the diffID of some other bytes.
type unpacked struct {
	v1.Layer
	diffID v1.Hash
}

// DiffID implements v1.Layer.
func (u unpacked) DiffID() (v1.Hash, error) { return u.diffID, nil }

// unpacking is a layer that is stored in one way, and whose config says what it
// unpacks to.
func unpacking(stored, tarred []byte, media types.MediaType) v1.Layer {
	return unpacked{static.NewLayer(stored, media), v1.Hash{Algorithm: "sha256",
		Hex: fmt.Sprintf("%x", sha256.Sum256(tarred))}}
}

// zstdImage is the image of TestSources with its first layer as zstd and its
// second as a plain tar.
func zstdImage(t *testing.T) v1.Image {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := unpacking(w.EncodeAll(tarOf(t, []node{dist("a", "1")}), nil), tarOf(t, []node{dist("a", "1")}),
		types.OCILayerZStd)
	b := static.NewLayer(tarOf(t, []node{{"var/lib/dpkg/status", status}}), types.OCIUncompressedLayer)
	img, err := mutate.AppendLayers(empty.Image, a, b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.tar")
	if err := os.WriteFile(file, []byte("not a tar"), 0o644); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		dir:                           "did you mean oci-layout:",
		"oci-layout:" + dir:           "there is no OCI layout",
		"docker-archive:" + file:      "not a docker archive",
		"docker-archive:/nonexistent": "no such file",
		"lock:" + file:                "not a driftpin lock",
		"sbom:" + file:                "not an SBOM",
		"UPPER/Case":                  "could not parse",
	} {
		if _, err := images.Open(t.Context(), ref, images.Options{}); err == nil ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ref) {
			t.Errorf("%s: got %v, want …%s…", ref, err, want)
		}
	}
}

// A layer whose bytes are not those that the manifest names is an error, in
// every way it can be broken.
func TestDamagedLayers(t *testing.T) {
	var nodes []node
	for i := range 200 {
		nodes = append(nodes, node{fmt.Sprintf("f%d", i), strings.Repeat(fmt.Sprint(i), 1000)})
	}
	img := image(t, append(nodes, dist("a", "1")))
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"empty":   func([]byte) []byte { return nil },
		"longer":  func(b []byte) []byte { return append(b, 0) },
		"another": func([]byte) []byte { return tarOf(t, []node{dist("a", "2")}) },
	} {
		ref := saved(t, img)
		blob := filepath.Join(strings.TrimPrefix(ref, "oci-layout:"), "blobs", "sha256", digest.Hex)
		data, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(blob, damage(data), 0o644); err != nil {
			t.Fatal(err)
		}
		opened, err := images.Open(t.Context(), ref, images.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if packages, err := opened.Inventory(t.Context()); err == nil {
			t.Errorf("%s: read as %v", name, packages)
		}
	}
}

// A config or a manifest that was edited in place is not believed.
func TestDamagedDocuments(t *testing.T) {
	img := image(t, []node{dist("a", "1")})
	config, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []v1.Hash{config, manifest} {
		ref := saved(t, img)
		blob := filepath.Join(strings.TrimPrefix(ref, "oci-layout:"), "blobs", "sha256", h.Hex)
		data, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(blob, append(data, ' '), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := images.Open(t.Context(), ref, images.Options{}); err == nil ||
			!strings.Contains(err.Error(), "damaged") {
			t.Errorf("got %v", err)
		}
	}
}

func TestCancel(t *testing.T) {
	opened, err := images.Open(t.Context(), saved(t, image(t, []node{dist("a", "1")})), images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := opened.Inventory(ctx); err == nil {
		t.Error("a cancelled inventory ended well")
	}
}

// Verify names one version that differs, a package too many, and one too few.
func TestVerify(t *testing.T) {
	baseNodes := []node{{"var/lib/dpkg/status", status}}
	base := image(t, baseNodes)
	lock := &pins.Lock{Course: "a", Base: "sha256:" + strings.Repeat("a", 64), Platforms: []string{"linux/amd64"},
		Artifacts: []pins.Artifact{
			{Pin: pins.New(pins.Pip, "a", "1"), Platform: "linux/amd64", Use: pins.Install},
			{Pin: pins.New(pins.Pip, "b", "1.0"), Platform: "linux/amd64", Use: pins.Install},
			{Pin: pins.New(pins.Pip, "setuptools", "67"), Platform: "linux/amd64", Use: pins.BuildInput},
		}}
	labelled := func(img v1.Image) v1.Image {
		img, err := mutate.Config(img, v1.Config{Labels: map[string]string{pins.LockLabel: lock.Digest()}})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	for name, test := range map[string]struct {
		nodes []node
		want  string
	}{
		"good":    {[]node{dist("a", "1"), dist("b", "1")}, ""},
		"version": {[]node{dist("a", "1"), dist("b", "2")}, "b 1.0 2"},
		"missing": {[]node{dist("a", "1")}, "b 1.0 -"},
		"extra":   {[]node{dist("a", "1"), dist("b", "1"), dist("c", "1")}, "c - 1"},
		"added": {[]node{dist("a", "1"), dist("b", "1"), {"usr/lib/python3/dist-packages/evil-1.dist-info/METADATA",
			"Name: evil\nVersion: 1\n"}}, "evil - 1"},
		"owned": {[]node{dist("a", "1"), dist("b", "1"), {"usr/lib/python3/dist-packages/six-1.egg-info",
			"Name: six\nVersion: 1\n"},
			{"var/lib/dpkg/info/python3-six.list", "/.\n/usr/lib/python3/dist-packages/six-1.egg-info\n"}}, ""},
		"deb": {[]node{dist("a", "1"), dist("b", "1"), {"var/lib/dpkg/status", strings.Replace(status, "2.36-9",
			"2.36-8", 1)}}, "libc6 2.36-9 2.36-8"},
	} {
		t.Run(name, func(t *testing.T) {
			img := labelled(image(t, baseNodes, test.nodes))
			opened := map[string]*images.Image{}
			for name, ref := range map[string]string{"base": saved(t, base), "image": saved(t, img)} {
				var err error
				if opened[name], err = images.Open(t.Context(), ref, images.Options{}); err != nil {
					t.Fatal(err)
				}
			}
			d, err := images.Verify(t.Context(), lock, opened["base"], opened["image"])
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range d.Packages {
				got = append(got, c.Name+" "+or(c.A)+" "+or(c.B))
			}
			if strings.Join(got, ", ") != test.want || len(d.Config) != 0 {
				t.Errorf("got %q and %v, want %q", got, d.Config, test.want)
			}
		})
	}
}

// Any bytes as a layer, or as a metadata file in it, are an inventory or an
// error.
func FuzzLayer(f *testing.F) {
	f.Add(tarOf(f, []node{dist("a", "1"), {"var/lib/dpkg/status", status}, {"x/.wh.y", ""}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := mutate.AppendLayers(empty.Image, static.NewLayer(data, types.OCIUncompressedLayer))
		if err != nil {
			return
		}
		fuzzInventory(t, img)
	})
}

func fuzzInventory(t *testing.T, img v1.Image) {
	opened, err := images.Open(t.Context(), saved(t, img), images.Options{})
	if err != nil {
		return
	}
	packages, err := opened.Inventory(t.Context())
	if err != nil {
		return
	}
	if changes := drift.Compare(packages, packages); len(changes) != 0 {
		t.Errorf("an inventory differs from itself: %v", changes)
	}
}

func layerOf(t testing.TB, nodes ...node) v1.Layer {
	t.Helper()
	data := tarOf(t, nodes)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

func emptyIndex() v1.ImageIndex { return mutate.IndexMediaType(empty.Index, types.OCIImageIndex) }
