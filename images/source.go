package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/driftpin/driftpin/images/layers"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxDocument is the most that is read of a manifest or config, in bytes.
const maxDocument = 16 << 20

// A source has the blobs that images are made of (OCI image specification):
// an OCI layout, or a repository of a registry.
type source interface {
	// open gives the bytes of a blob; who reads them checks the digest.
	open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
}

// document reads a manifest, a config, or another small blob, and checks its
// digest.
func document(ctx context.Context, s source, d v1.Descriptor) (_ []byte, err error) {
	r, err := s.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s has more than %d bytes: too many for a manifest or a config", d.Digest, maxDocument)
	}
	if sum := sha256.Sum256(data); d.Digest.Algorithm != "sha256" || hex.EncodeToString(sum[:]) != d.Digest.Hex {
		return nil, fmt.Errorf("its bytes are not those of %s: the image is damaged", d.Digest)
	}
	return data, nil
}

// maxIndexes is how many indexes may lead to an image.
const maxIndexes = 3

// openDescriptor opens the image that a descriptor leads to; of an index, the
// one for the platform.
func openDescriptor(ctx context.Context, s source, d v1.Descriptor, o Options) (*Image, error) {
	return openIndexed(ctx, s, d, o, 0)
}

// openIndexed opens what some indexes led to.
func openIndexed(ctx context.Context, s source, d v1.Descriptor, o Options, indexes int) (*Image, error) {
	data, err := document(ctx, s, d)
	if err != nil {
		return nil, err
	}
	if !d.MediaType.IsIndex() {
		return openManifest(ctx, s, d, data)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", d.Digest, err)
	}
	want, err := o.platform()
	if err != nil {
		return nil, err
	}
	picked, several, err := pick(index, want)
	if err != nil {
		return nil, err
	}
	if picked.MediaType.IsIndex() {
		if indexes++; indexes == maxIndexes {
			return nil, fmt.Errorf("index %s: indexes in indexes, %d deep", d.Digest, maxIndexes+1)
		}
		return openIndexed(ctx, s, picked, o, indexes)
	}
	if data, err = document(ctx, s, picked); err != nil {
		return nil, err
	}
	img, err := openManifest(ctx, s, picked, data)
	if err != nil {
		return nil, err
	}
	if several {
		img.Platform = picked.Platform.String()
	}
	img.Carried, img.Trouble = carried(ctx, s, index, picked.Digest)
	img.tellEvents()
	return img, ctx.Err()
}

// pick returns the image of an index for a platform, and whether the index has
// others.
func pick(index *v1.IndexManifest, want v1.Platform) (picked v1.Descriptor, several bool, err error) {
	var have []string
	found := 0
	for _, m := range index.Manifests {
		if isAttestation(m) {
			continue
		}
		if m.Platform == nil || m.Platform.Satisfies(want) {
			if found++; found == 1 {
				picked = m
			}
		}
		if m.Platform != nil {
			have = append(have, m.Platform.String())
		}
	}
	if found == 0 {
		return picked, false, fmt.Errorf("the image has no %s: it has %s", want.String(), strings.Join(have, ", "))
	}
	return picked, len(have) > 1 && picked.Platform != nil, nil
}

// openManifest opens an image by its manifest.
func openManifest(ctx context.Context, s source, d v1.Descriptor, data []byte) (*Image, error) {
	manifest, err := v1.ParseManifest(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if data, err = document(ctx, s, manifest.Config); err != nil {
		return nil, err
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", manifest.Config.Digest, err)
	}
	if len(manifest.Layers) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("the manifest has %d layers and the config %d: the image is broken", len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	img := &Image{Digest: d.Digest.String(), manifest: d, Created: config.Created.Time, Config: configOf(config), layers: []layers.Layer{}}
	events := events(config)
	for i, d := range manifest.Layers {
		if d.Digest.Algorithm != "sha256" {
			return nil, fmt.Errorf("layer %s: digests other than sha256 are not understood", d.Digest)
		}
		img.layers = append(img.layers, layers.Layer{
			DiffID: config.RootFS.DiffIDs[i].String(), Digest: d.Digest.String(), Size: d.Size, Event: at(events, i),
			Open: func(ctx context.Context) (io.ReadCloser, error) { return s.open(ctx, d) },
		})
	}
	return img, nil
}

// events are the history entries of the layers.
func events(config *v1.ConfigFile) []string {
	var out []string
	for _, h := range config.History {
		if !h.EmptyLayer {
			out = append(out, h.CreatedBy)
		}
	}
	return out
}

// at is the i-th of a list, or nothing where the list is shorter.
func at[T any](list []T, i int) (out T) {
	if i < len(list) {
		return list[i]
	}
	return out
}
