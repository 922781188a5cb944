package images_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// An archived image is what goes into an archive of docker save.
type archived struct {
	tags   []string
	files  [][]byte // the layers, as they are stored
	claims [][]byte // what the config says that they unpack to
	names  []string // of the layers' files; by number if there are none
}

// archive writes an archive of images, with more files, and returns its bytes.
func archive(t testing.TB, more []node, saved ...archived) []byte {
	t.Helper()
	nodes := slices.Clone(more)
	type image struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var manifest []image
	for i, s := range saved {
		var ids []string
		for _, claim := range s.claims {
			ids = append(ids, fmt.Sprintf(`"sha256:%x"`, sha256.Sum256(claim)))
		}
		m := image{fmt.Sprintf("c%d.json", i), s.tags, nil}
		nodes = append(nodes, node{m.Config,
			`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[` + strings.Join(ids, ",") +
				`]}}`})
		for k, data := range s.files {
			name := fmt.Sprintf("%d-%d/layer.tar", i, k)
			if k < len(s.names) {
				name = s.names[k]
			}
			m.Layers = append(m.Layers, name)
			nodes = append(nodes, node{name, string(data)})
		}
		manifest = append(manifest, m)
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return tarOf(t, append(nodes, node{"manifest.json", string(data)}))
}

// archiveFile writes an archive into a file and returns its reference.
func archiveFile(t *testing.T, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	write(t, file, data, 0o644)
	return "docker-archive:" + file
}

// drifts compares two references, with what their layers say or with all of their
// bytes.
func drifts(t *testing.T, a, b string, read bool) (*drift.Drift, error) {
	t.Helper()
	var opened []*images.Image
	for _, ref := range []string{a, b} {
		img, err := images.Open(t.Context(), ref, images.Options{})
		if err != nil {
			return nil, err
		}
		defer img.Close()
		opened = append(opened, img)
	}
	return images.Reader{Layers: read}.Drift(t.Context(), opened[0], opened[1])
}

// blobs are the layers' files of a layout, the lowest first.
func blobs(t *testing.T, ref string, img v1.Image) (files []string) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		h, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Join(strings.TrimPrefix(ref, "oci-layout:"), "blobs", "sha256", h.Hex))
	}
	return files
}

// big is a file that makes a layer too large to be hashed by the way.
var big = node{"big", strings.Repeat("x", 17<<20)}

// What is damaged, or altered, is told in whatever order the images are named: with
// all bytes read always, and else where the damaged bytes are needed.
func TestDamagedCopies(t *testing.T) {
	img := image(t, []node{{"var/lib/dpkg/status", status}}, []node{dist("numpy", "1.24.4")})
	for name, damage := range map[string]func(t *testing.T, file string, data []byte){
		"missing": func(*testing.T, string, []byte) {},
		"cut":     func(t *testing.T, file string, data []byte) { write(t, file, data[:len(data)-20], 0o644) },
		"empty":   func(t *testing.T, file string, _ []byte) { write(t, file, nil, 0o644) },
		"flipped": func(t *testing.T, file string, data []byte) {
			data[len(data)/2] ^= 1
			write(t, file, data, 0o644)
		},
		"another's": func(t *testing.T, file string, _ []byte) {
			write(t, file, gzipped(t, tarOf(t, []node{dist("numpy", "1.26.4")})), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			good, bad := saved(t, img), saved(t, img)
			file := blobs(t, bad, img)[1]
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			remove(t, file)
			damage(t, file, data)
			for _, refs := range [][2]string{{good, bad}, {bad, good}} {
				if d, err := drifts(t, refs[0], refs[1], true); err == nil {
					t.Errorf("all bytes were read, and it says %d changes", len(d.Packages))
				}
				// A layer of one digest need not be read twice: damage of a copy is no drift.
				if d, err := drifts(t, refs[0], refs[1], false); err != nil || d.Any() {
					t.Errorf("drift: %v, %v", d, err)
				}
			}
			// Where it is needed, and no good copy is there, it is told.
			other := saved(t, image(t, []node{{"var/lib/dpkg/status", status}}, []node{dist("numpy", "1.26.4")}))
			for _, refs := range [][2]string{{other, bad}, {bad, other}} {
				if _, err := drifts(t, refs[0], refs[1], false); err == nil {
					t.Error("a damaged layer was read")
				}
			}
			// Of three images, one has a good copy.
			if d, err := drifts(t, bad, other, false); err == nil {
				t.Errorf("drift: %v", d)
			}
		})
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// Archives, of which nobody vouches for the bytes, are held against their config:
// in both orders, compressed or not.
func TestAlteredArchives(t *testing.T) {
	base, one, two := tarOf(t, []node{{"var/lib/dpkg/status", status}}), tarOf(t, []node{dist("numpy", "1.24.4")}),
		tarOf(t, []node{dist("numpy", "1.26.4")})
	both := tarOf(t, []node{dist("numpy", "1.24.4"), dist("pandas", "2.0")})
	between := both[:1024] // a header and a block: between two entries
	good := archiveFile(t, archive(t, nil, archived{files: [][]byte{base, one}, claims: [][]byte{base, one}}))
	whole := archiveFile(t, archive(t, nil, archived{files: [][]byte{base, both}, claims: [][]byte{base, both}}))
	hex := func(data []byte) string { return fmt.Sprintf("%x/layer.tar", sha256.Sum256(data)) }
	for name, test := range map[string]struct {
		with string
		bad  archived
	}{
		"other bytes": {good, archived{files: [][]byte{base, two}, claims: [][]byte{base, one}}},
		"other bytes, compressed": {good, archived{files: [][]byte{base, gzipped(t, two)},
			claims: [][]byte{base, one}}},
		"another order": {good, archived{files: [][]byte{one, base}, claims: [][]byte{base, one}}},
		"another order, by the names": {good, archived{files: [][]byte{one, base}, claims: [][]byte{base, one},
			names: []string{hex(one), hex(base)}}},
		"cut between two entries": {whole, archived{files: [][]byte{base, between}, claims: [][]byte{base, both}}},
		"cut, compressed again": {whole, archived{files: [][]byte{base, gzipped(t, between)},
			claims: [][]byte{base, both}}},
		"zeros where data was": {whole,
			archived{files: [][]byte{base, append(slices.Clone(between), make([]byte, len(both)-len(between))...)},
				claims: [][]byte{base, both}}},
	} {
		t.Run(name, func(t *testing.T) {
			data := archive(t, nil, test.bad)
			for _, bad := range []string{archiveFile(t, data), archiveFile(t, gzipped(t, data))} {
				for _, read := range []bool{false, true} {
					for _, refs := range [][2]string{{test.with, bad}, {bad, test.with}} {
						if d, err := drifts(t, refs[0], refs[1], read); err == nil {
							t.Errorf("reading all %t: %d changes", read, len(d.Packages))
						}
					}
				}
			}
		})
	}
}

// A large plain layer of an archive is not hashed: its end is looked at, it shares
// nothing by what it claims, and the report says so.
func TestUnverified(t *testing.T) {
	one, two := tarOf(t, []node{dist("numpy", "1.24.4"), big}), tarOf(t, []node{dist("numpy", "1.26.4"), big})
	good := archiveFile(t, archive(t, nil, archived{files: [][]byte{one}, claims: [][]byte{one}}))
	changed := archiveFile(t, archive(t, nil, archived{files: [][]byte{two}, claims: [][]byte{one}}))
	for _, refs := range [][2]string{{good, changed}, {changed, good}} {
		d, err := drifts(t, refs[0], refs[1], false)
		if err != nil || len(d.Packages) != 1 || len(d.Unverified) != 2 ||
			d.Unverified[0] != (drift.Unverified{Image: refs[0], Layers: 1}) {
			t.Errorf("drift %+v, %v", d, err)
		}
		if d, err := drifts(t, refs[0], refs[1], true); err == nil {
			t.Errorf("all bytes were read, and it says %d changes", len(d.Packages))
		}
	}
	end := len(one) - 1024 // the blocks that mark the end
	cut := archiveFile(t, archive(t, nil, archived{files: [][]byte{one[:end]}, claims: [][]byte{one}}))
	for _, refs := range [][2]string{{good, cut}, {cut, good}} {
		if d, err := drifts(t, refs[0], refs[1], false); err == nil {
			t.Errorf("a layer without an end was taken for whole: %d changes", len(d.Packages))
		}
	}
	// One that was made without an end is what its config says.
	endless := archiveFile(t, archive(t, nil, archived{files: [][]byte{one[:end]}, claims: [][]byte{one[:end]}}))
	if d, err := drifts(t, good, endless, false); err != nil || d.Any() {
		t.Errorf("%v, %v", d, err)
	}
}

// A false diffID in a config is named: of small layers, of bytes for which two
// images claim different ones, and of all with all bytes read.
func TestFalseDiffIDs(t *testing.T) {
	make := func(filler string, claim []byte) string {
		tarred := tarOf(t, []node{dist("numpy", "1.24.4"), {"filler", filler}})
		if claim == nil {
			claim = tarred
		}
		img, err := mutate.AppendLayers(empty.Image, unpacking(gzipped(t, tarred), claim, types.OCILayer))
		if err != nil {
			t.Fatal(err)
		}
		return saved(t, img)
	}
	named := func(err error) bool {
		return err != nil && strings.Contains(err.Error(),
			"the diffID in the config is wrong")
	}
	if _, err := drifts(t, make("a", []byte("x")), make("b", nil), false); !named(err) {
		t.Errorf("of a small layer: %v", err)
	}
	random := strings.Builder{}
	for i := range 1 << 16 {
		fmt.Fprintf(&random, "%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	honest, lying := make(random.String(), nil), make(random.String(), []byte("x"))
	for _, refs := range [][2]string{{honest, lying}, {lying, honest}} {
		if _, err := drifts(t, refs[0], refs[1], true); !named(err) {
			t.Errorf("with all bytes read: %v", err)
		}
	}
	other := make(random.String()+"x", nil)
	opened := func(ref string) *images.Image {
		img, err := images.Open(t.Context(), ref, images.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	if _, err := (images.Reader{}).Inventories(t.Context(), opened(honest), opened(lying), opened(other)); !named(err) {
		t.Errorf("of bytes of which two are claimed: %v", err)
	}
}

// Of several images in an archive one is named by its tag.
func TestArchiveOfSeveral(t *testing.T) {
	a, b := tarOf(t, []node{dist("a", "1")}), tarOf(t, []node{dist("b", "2")})
	data := archive(t, nil, archived{tags: []string{"hub/a:1", "a:latest"}, files: [][]byte{a}, claims: [][]byte{a}},
		archived{tags: []string{"localhost:5000/b:2"}, files: [][]byte{b}, claims: [][]byte{b}},
		archived{files: [][]byte{a, b}, claims: [][]byte{a, b}})
	for _, ref := range []string{archiveFile(t, data), archiveFile(t, gzipped(t, data))} {
		if _, err := images.Open(t.Context(), ref, images.Options{}); err == nil ||
			!strings.Contains(err.Error(),
				"name one as docker-archive:FILE:TAG: hub/a:1, a:latest, localhost:5000/b:2, @2") {
			t.Errorf("%v", err)
		}
		for tag, want := range map[string]string{"hub/a:1": "pip a 1 /opt/env", "a": "pip a 1 /opt/env",
			"localhost:5000/b:2": "pip b 2 /opt/env", "@2": "pip a 1 /opt/env; pip b 2 /opt/env"} {
			if got := strings.Join(inventory(t, ref+":"+tag), "; "); got != want {
				t.Errorf("%s: %s", tag, got)
			}
		}
		if _, err := images.Open(t.Context(), ref+":none:1", images.Options{}); err == nil ||
			!strings.Contains(err.Error(), "the archive has no image none:1") {
			t.Errorf("%v", err)
		}
	}
}

// Archives are read as docker load reads them, compressed or not: empty layers,
// links of links, names with a leading slash, old tars, files that are no layers.
func TestOddArchives(t *testing.T) {
	a, b := tarOf(t, []node{dist("a", "1")}), tarOf(t, []node{dist("b", "2")})
	old := bytes.Clone(a)
	for i := 0; i+512 <= len(old) && old[i] != 0; i += 1024 { // a header and a block of content
		header := old[i : i+512]
		clear(header[257:512])
		sum := 8 * 32
		for k, c := range header {
			if k < 148 || k >= 156 {
				sum += int(c)
			}
		}
		copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	}
	for name, test := range map[string]struct {
		more []node
		img  archived
	}{
		"no bytes at all": {nil, archived{files: [][]byte{a, nil, b}, claims: [][]byte{a, nil, b}}},
		"zeros alone": {nil, archived{files: [][]byte{a, make([]byte, 1024), b},
			claims: [][]byte{a, make([]byte, 1024), b}}},
		"an old tar": {nil, archived{files: [][]byte{old, b}, claims: [][]byte{old, b}}},
		"links": {[]node{{"x/layer.tar", "->../y"}, {"y", "=>z"}, {"z", string(a)}},
			archived{files: [][]byte{b}, claims: [][]byte{a, b}, names: []string{"b"}}},
		"slashes": {nil, archived{files: [][]byte{a, b}, claims: [][]byte{a, b},
			names: []string{"/a/layer.tar", "./b/layer.tar"}}},
		"what is no layer": {[]node{{"junk.gz", "\x1f\x8bjunk"}}, archived{files: [][]byte{a, b},
			claims: [][]byte{a, b}}},
		"gzip in the layer": {nil, archived{files: [][]byte{gzipped(t, a), b}, claims: [][]byte{a, b}}},
	} {
		t.Run(name, func(t *testing.T) {
			data := archive(t, test.more, test.img)
			if name == "links" { // the first layer is a link
				data = archiveWithLinks(t, test.more, a, b)
			}
			for _, ref := range []string{archiveFile(t, data), archiveFile(t, gzipped(t, data))} {
				if diff := cmp.Diff([]string{"pip a 1 /opt/env", "pip b 2 /opt/env"}, inventory(t, ref)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

// archiveWithLinks is an archive whose first layer is a link.
func archiveWithLinks(t *testing.T, links []node, a, b []byte) []byte {
	t.Helper()
	config := fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:%x",`+
		`"sha256:%x"]}}`, sha256.Sum256(a), sha256.Sum256(b))
	return tarOf(t, append(slices.Clone(links), node{"b", string(b)}, node{"config", config},
		node{"c.json", "->config"}, node{"manifest.json", `[{"Config":"c.json","Layers":["x/layer.tar","b"]}]`}))
}

// A layout may hold signatures, charts and images for other platforms beside the
// one image; one is chosen as containerd does.
func TestOneOfMany(t *testing.T) {
	of := func(platform, variant, name string) v1.Image { return imageFor(t, platform, variant, name) }
	signature, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		static.NewLayer([]byte("{}"), "application/vnd.dev.cosign.simplesigning.v1+json"))
	if err != nil {
		t.Fatal(err)
	}
	chart := mutate.ConfigMediaType(of("amd64", "", "chart"), "application/vnd.cncf.helm.config.v1+json")
	on := func(platform, variant string) v1.Descriptor {
		return v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: platform, Variant: variant}}
	}
	for name, test := range map[string]struct {
		add      []mutate.IndexAddendum
		platform string
		want     string // the package, or a part of the error
	}{
		"a signature first": {[]mutate.IndexAddendum{{Add: signature}, {Add: of("amd64", "", "a")}}, "", "pip a 1"},
		"a chart":           {[]mutate.IndexAddendum{{Add: of("amd64", "", "a")}, {Add: chart}}, "", "pip a 1"},
		"a chart alone":     {[]mutate.IndexAddendum{{Add: chart}}, "", "it is not an image"},
		"platforms": {[]mutate.IndexAddendum{{Add: of("arm64", "", "b"), Descriptor: on("arm64", "")},
			{Add: of("amd64", "", "a"), Descriptor: on("amd64", "")}}, "", "pip a 1"},
		"another platform": {[]mutate.IndexAddendum{{Add: of("arm64", "", "b"), Descriptor: on("arm64", "")},
			{Add: of("amd64", "", "a"), Descriptor: on("amd64", "")}}, "linux/arm64/v8", "pip b 1"},
		"its config tells": {[]mutate.IndexAddendum{{Add: of("arm64", "", "b")}, {Add: of("amd64", "", "a")}},
			"", "pip a 1"},
		"the plain one": {[]mutate.IndexAddendum{{Add: of("amd64", "v3", "b"), Descriptor: on("amd64", "v3")},
			{Add: of("amd64", "", "a"), Descriptor: on("amd64", "")}}, "", "pip a 1"},
		"the best": {[]mutate.IndexAddendum{{Add: of("arm", "v5", "b"), Descriptor: on("arm", "v5")},
			{Add: of("arm", "v7", "a"), Descriptor: on("arm", "v7")}, {Add: of("arm", "v6", "c"),
				Descriptor: on("arm", "v6")}}, "linux/arm", "pip a 1"},
		"an index of another": {[]mutate.IndexAddendum{{Add: mutate.AppendManifests(emptyIndex(),
			mutate.IndexAddendum{Add: of("arm64", "", "b"), Descriptor: on("arm64", "")})},
			{Add: of("amd64", "", "a"), Descriptor: on("amd64", "")}}, "", "pip a 1"},
		"two images": {[]mutate.IndexAddendum{{Add: of("amd64", "", "a")}, {Add: of("amd64", "", "b")}},
			"", "holds 2 such images"},
		"none for the platform": {[]mutate.IndexAddendum{{Add: of("arm64", "", "a")}, {Add: of("s390x", "", "b")}},
			"", "it has linux/arm64, linux/s390x"},
	} {
		t.Run(name, func(t *testing.T) { oneOfMany(t, test.add, test.platform, test.want) })
	}
}

// imageFor is an image for a platform, with one package.
func imageFor(t *testing.T, platform, variant, name string) v1.Image {
	t.Helper()
	img := image(t, []node{dist(name, "1")})
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = "linux", platform, variant
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// oneOfMany opens the image of a layout that holds several things.
func oneOfMany(t *testing.T, list []mutate.IndexAddendum, platform, want string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	p, err := layout.Write(dir, emptyIndex())
	for _, add := range list {
		var o []layout.Option
		if add.Platform != nil {
			o = append(o, layout.WithPlatform(*add.Platform))
		}
		switch added := add.Add.(type) {
		case v1.Image:
			err = errors.Join(err, p.AppendImage(added, o...))
		case v1.ImageIndex:
			err = errors.Join(err, p.AppendIndex(added, o...))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	img, err := images.Open(t.Context(), "oci-layout:"+dir, images.Options{Platform: platform})
	if err != nil {
		if !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
		return
	}
	packages, err := img.Inventory(t.Context())
	if err != nil || len(packages) != 1 || "pip "+packages[0].Name+" 1" != want {
		t.Errorf("%v, %v; want %s", packages, err, want)
	}
}

// distSite is where Debian puts Python's packages, below usr.
const distSite = "lib/python3/dist-packages/"

func metaOf(name, version string) string {
	return "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"
}

// lowLinked is a layer with a package, and a link that leads to its folder.
var lowLinked = []node{{"usr/" + distSite + "six-1.15.0.dist-info/METADATA", metaOf("six", "1.15.0")},
	{"lib", "->usr/lib"}}

// throughLinksCases are the cases of TestThroughLinks.
var throughLinksCases = map[string]struct {
	layers [][]node
	want   []string
}{
	"replaced": {[][]node{lowLinked, {{distSite + "six-1.15.0.dist-info/METADATA", metaOf("six", "1.16.0")}}},
		[]string{"pip six 1.16.0 /usr"}},
	"taken away":     {[][]node{lowLinked, {{distSite + ".wh.six-1.15.0.dist-info", ""}}}, []string{}},
	"all taken away": {[][]node{lowLinked, {{distSite + ".wh..wh..opq", ""}}}, []string{}},
	"added": {[][]node{lowLinked, {{distSite + "idna-3.4.dist-info/METADATA", metaOf("idna", "3.4")}}},
		[]string{"pip idna 3.4 /usr", "pip six 1.15.0 /usr"}},
	"a folder in its place": {[][]node{lowLinked, {{"lib/", "/"}, {distSite + "idna-3.4.dist-info/METADATA",
		metaOf("idna", "3.4")}}}, []string{"pip idna 3.4 /", "pip six 1.15.0 /usr"}},
	"in one layer": {[][]node{{{"lib", "->usr/lib"}, {distSite + "six-1.15.0.dist-info/METADATA",
		metaOf("six", "1.15.0")}}, {{"usr/" + distSite + ".wh.six-1.15.0.dist-info", ""},
		{"usr/" + distSite + "six-1.16.0.dist-info/METADATA", metaOf("six", "1.16.0")}}},
		[]string{"pip six 1.16.0 /usr"}},
	"a file, later a folder": {[][]node{{{"x", "->y"}, {"y", "file"}},
		{{"y/" + distSite + "a-1.dist-info/METADATA", metaOf("a", "1")}},
		{{"x/" + distSite + "b-1.dist-info/METADATA", metaOf("b", "1")},
			{"x/" + distSite + ".wh.a-1.dist-info", ""}}},
		[]string{"pip b 1 /y"}},
	"a hard link through it": {[][]node{{{"lib", "->usr/lib"}, {"usr/lib/x", metaOf("a", "1")}},
		{{"usr/" + distSite + "a-1.dist-info/METADATA", "=>lib/x"}}}, []string{"pip a 1 /usr"}},
	"dpkg's folder": {[][]node{{{"var", "->data/var"}},
		{{"var/lib/dpkg/status", status[:strings.Index(status, "\n\n")+2]}}}, []string{"deb libc6 2.36-9"}},
	"modules, by the link": {[][]node{{{"usr/local/lib/node_modules", "->/opt/nm"}},
		{{"usr/local/lib/node_modules/y/package.json", `{"name":"y","version":"1.0.0"}`}}},
		[]string{"npm y 1.0.0 /usr/local/lib"}},
	"modules, by themselves": {[][]node{{{"usr/local/lib/node_modules", "->/opt/nm"}, {"opt/nm/y/package.json",
		`{"name":"y","version":"1.0.0"}`}}, {{"opt/nm/y/package.json", `{"name":"y","version":"2.0.0"}`}}},
		[]string{"npm y 2.0.0 /usr/local/lib"}},
	"modules, both ways": {[][]node{{{"usr/local/lib/node_modules", "->/opt/nm"}},
		{{"usr/local/lib/node_modules/y/package.json", `{"name":"y","version":"1.0.0"}`}},
		{{"opt/nm/y/package.json", `{"name":"y","version":"2.0.0"}`}}}, []string{"npm y 2.0.0 /usr/local/lib"}},
	"modules, taken away": {[][]node{{{"usr/local/lib/node_modules", "->/opt/nm"}},
		{{"usr/local/lib/node_modules/y/package.json", `{"name":"y","version":"1.0.0"}`}},
		{{"opt/nm/.wh.y", ""}}}, []string{}},
	"site-packages": {[][]node{{{"opt/env/lib/python3.11/site-packages", "->/opt/py"}},
		{{"opt/env/lib/python3.11/site-packages/a-1.dist-info/METADATA", metaOf("a", "1")}}},
		[]string{"pip a 1 /opt/env"}},
	"site-packages, below": {[][]node{{{"opt/env/lib/python3.11/site-packages", "->/opt/py"}},
		{{"opt/py/a-1.dist-info/METADATA", metaOf("a", "1")}}}, []string{"pip a 1 /opt/env"}},
	"conda-meta": {[][]node{{{"opt/conda/conda-meta", "->/opt/cm"}},
		{{"opt/conda/conda-meta/a-1-0.json", `{"name":"a","version":"1","build":"0"}`},
			{"opt/cm/b-1-0.json", `{"name":"b","version":"1","build":"0"}`}}}, []string{"conda a 1 /opt/conda 0",
		"conda b 1 /opt/conda 0"}},
	"a folder becomes a file": {[][]node{{{distSite + "a-1.dist-info/METADATA", metaOf("a", "1")},
		{strings.TrimSuffix(distSite, "/"), "x"}}}, []string{}},
	"linked, then replaced": {[][]node{{{"x", metaOf("a", "1")}, {distSite + "a-1.dist-info/METADATA",
		metaOf("a", "1")}, {"opt/v/" + distSite + "a-1.dist-info/METADATA",
		"=>" + distSite + "a-1.dist-info/METADATA"},
		{distSite + "a-1.dist-info/METADATA", metaOf("a", "2")}}}, []string{"pip a 2 /", "pip a 1 /opt/v"}},
}

// What a layer writes through a link of a lower one lies where that leads, and a
// later entry takes the place of what came before it.
func TestThroughLinks(t *testing.T) {
	for name, test := range throughLinksCases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, inventory(t, saved(t, image(t, test.layers...)))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Which layer made a difference is one of the image that changed.
func TestWhoseLayer(t *testing.T) {
	base := []node{dist("numpy", "1.24.4"), dist("idna", "3.3"), {"var/lib/dpkg/status", status}}
	old, changed := image(t, base), image(t, base, []node{{site + ".wh.numpy-1.24.4.dist-info", ""},
		dist("numpy", "1.26.4"), {site + ".wh.idna-3.3.dist-info", ""},
		{"var/lib/dpkg/status", status[:strings.Index(status, "\n\n")+2]}})
	for _, refs := range [][2]string{{saved(t, old), saved(t, changed)}, {saved(t, changed), saved(t, old)}} {
		d, err := drifts(t, refs[0], refs[1], false)
		if err != nil || len(d.Packages) < 3 {
			t.Fatalf("%v, %v", d, err)
		}
		for _, c := range d.Packages {
			if c.Event != "layer 1" {
				t.Errorf("%s %s: by %q", c.Name, c.Change, c.Event)
			}
		}
	}
}

// An environment that is new is one line.
func TestTrees(t *testing.T) {
	var fresh []node
	for i := range 6 {
		name := fmt.Sprintf("p%d", i)
		fresh = append(fresh, node{"srv/new/lib/python3.11/site-packages/" + name + "-1.dist-info/METADATA",
			"Name: " + name + "\nVersion: 1\n"},
			node{fmt.Sprintf("app/node_modules/p%d/package.json", i),
				fmt.Sprintf(`{"name":"p%d","version":"1.0.0"}`, i)})
	}
	d, err := drifts(t, saved(t, image(t, []node{dist("a", "1")})), saved(t, image(t, []node{dist("a", "2")}, fresh)),
		false)
	if err != nil || len(d.Trees) != 2 || d.Trees[0].Where != "/app/node_modules" || d.Trees[1].Where != "/srv/new" ||
		d.Trees[1].Packages != 6 {
		t.Fatalf("%+v, %v", d, err)
	}
	within := 0
	for _, c := range d.Packages {
		if d.Within(c) {
			within++
		}
	}
	if within != 12 || len(d.Packages) != 13 {
		t.Errorf("%d of %d changes are of trees", within, len(d.Packages))
	}
}
