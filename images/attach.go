package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/sbom"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Made is how an image was made.
type Made struct {
	Checked string            // a digest of the checks that it passed; empty if there were none
	By      map[string]string // the programs that made it, with their versions
}

// spdxType is the in-toto predicate type of SPDX documents.
const spdxType = "https://spdx.dev/Document"

// Attach reads the layers of an image that was just built and attaches to it
// what they hold, why, and what it was built from: in-toto attestations, stored as BuildKit
// does it (its documentation, "Image attestation storage"). The image's manifest stays
// as it is; its name then leads to an index with both. ref is oci-layout:DIR or
// a registry reference. The index's digest is returned, and how many bytes the image's layers
// have as they are stored.
func (r Reader) Attach(ctx context.Context, ref string, why drift.Reason, made Made) (digest string, size int64, err error) {
	img, err := Open(ctx, ref, Options{Platform: why.Lock.Platforms[0]})
	if err != nil {
		return "", 0, err
	}
	defer img.Close()
	img.Carried = nil // of an image from before
	all, err := r.Inventories(ctx, img)
	if err != nil {
		return "", 0, err
	}
	for _, l := range img.layers {
		size += l.Size
	}
	for i := range all[0] {
		all[0][i].Event = "" // the image's config tells it, by the layer
	}
	attestation, err := attestationsOf(img, all[0], why, made)
	if err != nil {
		return "", 0, err
	}
	attach := attachRemote
	if dir, ok := strings.CutPrefix(ref, pins.LayoutPrefix); ok {
		ref, attach = dir, attachLayout
	}
	index, err := attach(ctx, ref, img, attestation)
	if err != nil {
		return "", 0, fmt.Errorf("attaching the inventory to %s: %w", ref, err)
	}
	sum, err := index.Digest()
	return sum.String(), size, err
}

// requests are what a manifest asks for; what names no package got its name
// when it was locked.
func requests(why drift.Reason) []Asked {
	out := []Asked{}
	for _, q := range slices.Concat(why.Manifest.Requests, why.Manifest.Listed) {
		n := q.Name
		for _, a := range why.Lock.Artifacts {
			if found := why.Manifest.Request(a.Kind, a.Name, a.From); n == "" && a.From != "" && found != nil &&
				found.At == q.At {
				n = a.Name
			}
		}
		out = append(out, Asked{q.Kind, n, q.Spec, q.At.File, q.At.Line, q.Need, q.Why})
	}
	return out
}

// attestationsOf makes an image whose layers are statements: driftpin's own inventory, and
// for other programs an SBOM (SPDX) and the provenance (SLSA).
func attestationsOf(img *Image, packages []Package, why drift.Reason, made Made) (v1.Image, error) {
	var spdx bytes.Buffer
	// The name is not that of a place: wherever the image goes, it is the same document.
	about := sbom.Subject{Name: why.Lock.Course, Digest: img.Digest, Created: img.Created}
	if err := sbom.SPDX(&spdx, about, packages); err != nil {
		return nil, err
	}
	attestation := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, one := range []struct {
		kind      string
		predicate any
	}{
		{InventoryType, Attested{packages, why.Lock.String(), requests(why), made.Checked}},
		{spdxType, json.RawMessage(spdx.Bytes())},
		{sbom.ProvenanceType, sbom.ProvenanceOf(why.Lock, why.Lock.Platforms[0], made.By)},
	} {
		algorithm, hex, _ := strings.Cut(img.Digest, ":")
		data, err := json.Marshal(statementOf[any]{Type: "https://in-toto.io/Statement/v1",
			Subject: []subject{{"_", map[string]string{algorithm: hex}}}, PredicateType: one.kind, Predicate: one.predicate})
		if err != nil {
			return nil, err
		}
		if len(data) > maxDocument {
			return nil, fmt.Errorf("its statement %s takes %d bytes: more than %d can't be attached", one.kind, len(data),
				maxDocument)
		}
		layer := mutate.Addendum{Layer: static.NewLayer(data, "application/vnd.in-toto+json"),
			Annotations: map[string]string{"in-toto.io/predicate-type": one.kind}}
		if attestation, err = mutate.Append(attestation, layer); err != nil {
			return nil, err
		}
	}
	return attestation, nil
}

// index is the index of an image and its attestation.
func (img *Image) index(own mutate.Appendable, attestation v1.Image) (v1.ImageIndex, error) {
	platform, err := v1.ParsePlatform(img.Config.Platform)
	if err != nil {
		return nil, err
	}
	of := map[string]string{"vnd.docker.reference.type": "attestation-manifest",
		"vnd.docker.reference.digest": img.Digest}
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: own, Descriptor: v1.Descriptor{Platform: platform}},
		mutate.IndexAddendum{Add: attestation,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
				Annotations: of}}), nil
}

// attachLayout writes the attestation's blobs, then the index, and last
// index.json, which until then leads to the image alone.
func attachLayout(_ context.Context, dir string, img *Image, attestation v1.Image) (v1.ImageIndex, error) {
	path, err := layout.FromPath(dir)
	if err != nil {
		return nil, err
	}
	index, err := img.index(there{img.manifest}, attestation)
	if err != nil {
		return nil, err
	}
	blobs, err := documents(attestation)
	if err != nil {
		return nil, err
	}
	raw, err := index.RawManifest()
	if err != nil {
		return nil, err
	}
	for _, data := range append(blobs, raw) {
		if err := whole.WriteFile(filepath.Join(dir, "blobs", "sha256", fmt.Sprintf("%x", sha256.Sum256(data))), data,
			0o444); err != nil {
			return nil, err
		}
	}
	top, err := path.ImageIndex()
	if err != nil {
		return nil, err
	}
	list, err := top.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(list.Manifests) != 1 {
		return nil, fmt.Errorf("the layout holds %d images", len(list.Manifests))
	}
	d := v1.Descriptor{MediaType: types.OCIImageIndex, Size: int64(len(raw))}
	if d.Digest, err = index.Digest(); err != nil {
		return nil, err
	}
	// umoci takes no index: the image stays beside it, under its tag.
	if list.Manifests = append([]v1.Descriptor{d}, list.Manifests...); list.Manifests[1].Annotations == nil {
		list.Manifests = list.Manifests[:1]
	}
	data, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return index, whole.WriteFile(filepath.Join(dir, "index.json"), data, 0o644)
}

// documents are the bytes of an image whose layers are small and stored plainly.
func documents(img v1.Image) ([][]byte, error) {
	manifest, err := img.RawManifest()
	if err != nil {
		return nil, err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	out := [][]byte{manifest, config}
	layers, err := img.Layers()
	for _, l := range layers {
		r, openErr := l.Compressed()
		if openErr != nil {
			return nil, openErr
		}
		data, readErr := io.ReadAll(r)
		if err := errors.Join(readErr, r.Close()); err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, err
}

// An image that is there already is all in its descriptor.
type there struct{ d v1.Descriptor }

// MediaType, Digest and Size implement mutate.Appendable.
func (t there) MediaType() (types.MediaType, error) { return t.d.MediaType, nil }
func (t there) Digest() (v1.Hash, error)            { return t.d.Digest, nil }
func (t there) Size() (int64, error)                { return t.d.Size, nil }

// writePauses are those before a registry that fails is written to again: half a minute in all.
var writePauses = remote.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 6}

func attachRemote(ctx context.Context, ref string, img *Image, attestation v1.Image) (v1.ImageIndex, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithRetryBackoff(writePauses)}
	own, err := remote.Image(parsed.Context().Digest(img.Digest), options...)
	if err != nil {
		return nil, err
	}
	index, err := img.index(own, attestation)
	if err != nil {
		return nil, err
	}
	return index, remote.WriteIndex(parsed, index, options...)
}
