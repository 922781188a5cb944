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
	"github.com/driftpin/driftpin/images/sbom"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// withLabel is an image with a label more.
func withLabel(t *testing.T, img v1.Image, key, value string) v1.Image {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config
	c.Labels = map[string]string{key: value}
	if img, err = mutate.Config(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

var reason = drift.Reason{
	Lock: &pins.Lock{Course: "c", Base: "sha256:" + strings.Repeat("a", 64), Platforms: []string{"linux/amd64"},
		Inputs: map[pins.Kind]string{},
		Artifacts: []pins.Artifact{{Pin: pins.New(pins.Pip, "a", "1"), Platform: "linux/amd64",
			File: "a-1-py3-none-any.whl", SHA256: strings.Repeat("b", 64), Use: pins.Install,
			Roots: []pins.Root{pins.PinRoot}}}},
	Manifest: &pins.Manifest{Requests: []pins.Request{{Pin: pins.New(pins.Pip, "a", "1"), Spec: "a==1",
		Need: pins.Hard, Why: "because", At: pins.Position{File: "pins.yaml", Line: 7}}}},
}

// platform gives an image one, as builders do.
func platform(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// Other programs find an SBOM and the provenance beside the inventory, where BuildKit puts
// them, and each is about the image's manifest.
func TestAttestations(t *testing.T) {
	img := platform(t, image(t, []node{dist("a", "1")}))
	_, ref := pushed(t, img)
	if _, _, err := (images.Reader{}).Attach(t.Context(), ref, reason, images.Made{By: map[string]string{"driftpin": "v1"}}); err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(must(name.ParseReference(ref)))
	if err != nil {
		t.Fatal(err)
	}
	own, err := img.Digest()
	manifest := must(index.IndexManifest())
	if err != nil || len(manifest.Manifests) != 2 {
		t.Fatalf("the index has %d manifests: %v", len(manifest.Manifests), err)
	}
	var kinds []string
	for _, l := range must(must(index.Image(manifest.Manifests[1].Digest)).Layers()) {
		r := must(l.Compressed())
		var s struct {
			PredicateType string
			Subject       []struct{ Digest map[string]string }
			Predicate     map[string]any
		}
		if err := errors.Join(json.NewDecoder(r).Decode(&s), r.Close()); err != nil {
			t.Error(err)
		}
		if len(s.Subject) != 1 || s.Subject[0].Digest["sha256"] != own.Hex || len(s.Predicate) == 0 {
			t.Errorf("%s is about %v", s.PredicateType, s.Subject)
		}
		kinds = append(kinds, s.PredicateType)
	}
	want := []string{images.InventoryType, "https://spdx.dev/Document", "https://slsa.dev/provenance/v1"}
	if !slices.Equal(kinds, want) {
		t.Errorf("statements %q, not %q", kinds, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An image carries what was read from its layers, and why; one that was made
// from it does not.
func TestAttach(t *testing.T) {
	img := platform(t, image(t, []node{dist("a", "1")}))
	m, remoteRef := pushed(t, img)
	for _, ref := range []string{saved(t, img), remoteRef} {
		if _, _, err := (images.Reader{}).Attach(t.Context(), ref, reason, images.Made{}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := (images.Reader{}).Attach(t.Context(), ref, reason, images.Made{}); err != nil { // again: nothing is inherited
			t.Fatal(err)
		}
		opened, err := images.Open(t.Context(), ref, images.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if want, err := img.Digest(); err != nil || opened.Digest != want.String() || opened.Platform != "" {
			t.Errorf("%s: %s, platform %q, want the manifest %s", ref, opened.Digest, opened.Platform, want)
		}
		if opened.Carried == nil || opened.Carried.Reason == nil {
			t.Fatalf("%s carries %+v", ref, opened.Carried)
		}
		read, err := images.Reader{Layers: true}.Inventories(t.Context(), opened)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(read[0], opened.Carried.Packages); diff != "" {
			t.Errorf("-read +carried:\n%s", diff)
		}
		d, err := images.Reader{}.Drift(t.Context(), &images.Image{Carried: &images.Carried{}}, opened)
		if err != nil {
			t.Fatal(err)
		}
		d.Explain(nil, opened.Carried.Reason)
		if c := d.Packages[0].Cause; c == nil || c.Line != 7 || c.Why != "because" || c.Need != pins.Hard {
			t.Errorf("cause %+v", c)
		}
	}
	m.seen = nil
	if packages, err := read(t, remoteRef); err != nil || len(packages) != 1 || len(m.seen) > 6 {
		t.Errorf("%v, %v in %d requests: %v", packages, err, len(m.seen), m.seen)
	}
}

// An attestation about another image is not believed.
func TestCarriedByAnother(t *testing.T) {
	img := platform(t, image(t, []node{dist("a", "1")}))
	_, ref := pushed(t, img)
	if _, _, err := (images.Reader{}).Attach(t.Context(), ref, reason, images.Made{}); err != nil {
		t.Fatal(err)
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(parsed)
	if err != nil {
		t.Fatal(err)
	}
	// The same attestation, beside an image that was made from the first.
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	derived, err := mutate.AppendLayers(img, layerOf(t, dist("b", "2")))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := derived.Digest()
	if err != nil {
		t.Fatal(err)
	}
	attestation, err := index.Image(manifest.Manifests[1].Digest)
	if err != nil {
		t.Fatal(err)
	}
	lying := manifest.Manifests[1]
	lying.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest",
		"vnd.docker.reference.digest": digest.String()}
	forged := mutate.AppendManifests(emptyIndex(), mutate.IndexAddendum{Add: derived,
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: attestation, Descriptor: lying})
	if err := remote.WriteIndex(parsed, forged); err != nil {
		t.Fatal(err)
	}
	if packages, err := read(t, ref); err != nil || len(packages) != 2 {
		t.Errorf("read %v, %v", packages, err)
	}
}

// An SBOM of ours says all that the image says; those of others what they know.
func TestSBOM(t *testing.T) {
	img, err := images.Open(t.Context(), saved(t, image(t, []node{
		{"var/lib/dpkg/status", status}, dist("a", "1"),
		{site + "a-1.dist-info/direct_url.json", `{"url":"x","vcs_info":{"commit_id":"84765e1"}}`},
		{"srv/conda/envs/n/conda-meta/numpy-1-0.json",
			`{"name":"numpy","version":"1","build":"0","channel":"conda-forge"}`},
		{"usr/lib/node_modules/@x/y/package.json", `{"name":"@x/y","version":"1"}`},
		{"usr/lib/R/library/dplyr/DESCRIPTION", "Package: dplyr\nVersion: 1.1.0\nBuilt: R 4\n"},
		{"opt/env/share/jupyter/kernels/k/kernel.json", `{"display_name":"K","argv":["k"]}`},
	})), images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	packages, err := img.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"cdx.json":  func(b *bytes.Buffer) error { return sbom.CycloneDX(b, subjectOf(img), packages) },
		"spdx.json": func(b *bytes.Buffer) error { return sbom.SPDX(b, subjectOf(img), packages) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		again, err := images.Open(t.Context(), "sbom:"+file, images.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(packages, again.Carried.Packages); diff != "" || again.Carried.Foreign ||
			again.Carried.Placeless {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// SBOMs as others write them: places by their properties, epochs of their own,
// and copies that no manager knows.
func TestForeignSBOM(t *testing.T) {
	text := `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[
 {"type":"library","name":"a","version":"1","purl":"pkg:pypi/a@1",
  "properties":[{"name":"aquasecurity:trivy:FilePath","value":"` + site + `a-1.dist-info/METADATA"}]},
 {"type":"library","name":"libx","version":"1.0","purl":"pkg:deb/debian/libx@1.0?arch=amd64&epoch=2"},
 {"type":"library","name":"y","version":"1","purl":"pkg:npm/%40x/y@1",
  "properties":[{"name":"syft:location:0:path","value":"/usr/lib/node_modules/@x/y/package.json"}]},
 {"type":"library","name":"t","version":"1","purl":"pkg:npm/t@1",
  "properties":[{"name":"syft:location:0:path","value":"/usr/lib/node_modules/@x/y/test/t/package.json"}]},
 {"type":"file","name":"/etc/passwd"}]}`
	file := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"deb libx 2:1.0", "npm @x/y 1 /usr/lib", "pip a 1 /opt/env"},
		inventory(t, "sbom:"+file)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	img, err := images.Open(t.Context(),
		saved(t, image(t, []node{dist("a", "1"), {site + "a-1.dist-info/direct_url.json",
			`{"vcs_info":{"commit_id":"84765e1"}}`},
			{"var/lib/dpkg/status", "Package: libx\nStatus: install ok installed\nVersion: 2:1.0\n" +
				"Architecture: amd64\n"},
			{"usr/lib/node_modules/@x/y/package.json", `{"name":"@x/y","version":"1"}`},
			{"opt/env/pyvenv.cfg", "version = 3.11.2\n"}})), images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sbom, err := images.Open(t.Context(), "sbom:"+file, images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := (images.Reader{}).Drift(t.Context(), sbom, img); err != nil || d.Any() {
		t.Errorf("drift %v, %v", d.Packages, err)
	}
}

// FuzzSBOM reads any bytes as an SBOM.
func FuzzSBOM(f *testing.F) {
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a",` +
		`"version":"1","purl":"pkg:pypi/a@1","properties":[{"name":"driftpin:kind","value":"pip"}]}]}`))
	f.Add([]byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[{"name":"a",` +
		`"SPDXID":"SPDXRef-a","versionInfo":"1","sourceInfo":"x: /a, /b",` +
		`"externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl",` +
		`"referenceLocator":"pkg:deb/debian/a@1?epoch=2"}]}]}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(dir, "x.json")
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		img, err := images.Open(t.Context(), "sbom:"+file, images.Options{})
		if err != nil {
			return
		}
		if changes := drift.Compare(img.Carried.Packages, img.Carried.Packages); len(changes) != 0 {
			t.Errorf("an inventory differs from itself: %v", changes)
		}
	})
}

// FuzzLayout reads any bytes as the index, the manifest and the config of a
// layout, and as the attestation of an image.
func FuzzLayout(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[]}`))
	f.Add([]byte(`{"_type":"x","predicateType":"` + images.InventoryType +
		`","subject":[],"predicate":{"lock":"driftpin-lock 1\n"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		index := fmt.Sprintf(`{"schemaVersion":2,`+
			`"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:%s","size":%d},`+
			`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%[1]s","size":%[2]d}]}`, sum,
			len(data))
		if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{"index.json": index, "blobs/sha256/" + sum: string(data)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, ref := range []string{"oci-layout:" + dir, "oci-layout:" + dir + "@sha256:" + sum} {
			if img, err := images.Open(t.Context(), ref, images.Options{}); err == nil {
				_, _ = img.Inventory(t.Context())
			}
		}
	})
}

func subjectOf(img *images.Image) sbom.Subject {
	return sbom.Subject{Name: img.Name, Digest: img.Digest, Created: img.Created}
}
