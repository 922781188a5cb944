package images

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/driftpin/driftpin/images/layers"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxDocument is the most that is read of a manifest or config, in bytes.
const maxDocument = 16 << 20

// A source has the blobs that images are made of (OCI image specification):
// an OCI layout, or a repository of a registry.
type source interface {
	// open gives the bytes of a blob; who reads them checks the digest.
	open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
	// place is where its blobs lie.
	place() string
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
		return nil, fmt.Errorf("its content does not have the digest %s: the image is damaged", d.Digest)
	}
	return data, nil
}

// maxIndexes is how many indexes may lead to an image, and maxEntries how many
// entries they may have together.
const (
	maxIndexes = 3
	maxEntries = 1000
)

// A candidate is an image that indexes lead to.
type candidate struct {
	v1.Descriptor
	index    *v1.IndexManifest // that lists it; nil if none does
	platform specs.Platform
	manifest *v1.Manifest // with config, if they had to be read for the platform
	config   *v1.ConfigFile
}

// openDescriptor opens the image that a descriptor leads to; of an index, the
// one for the platform.
func openDescriptor(ctx context.Context, s source, d v1.Descriptor, o Options) (*Image, error) {
	if !d.MediaType.IsIndex() {
		data, err := document(ctx, s, d)
		if err != nil {
			return nil, err
		}
		if !isIndex(d, data) {
			return openManifest(ctx, s, d, data)
		}
	}
	want, match, err := o.platform()
	if err != nil {
		return nil, err
	}
	all, err := candidates(ctx, s, nil, []v1.Descriptor{d}, 0)
	if err != nil {
		return nil, err
	}
	picked := pick(all, match)
	if len(picked) == 0 {
		return nil, fmt.Errorf("the image has no %s: it has %s", platforms.Format(want), has(all))
	}
	return openCandidate(ctx, s, picked[0], len(all) > 1)
}

// has names the platforms of images.
func has(all []candidate) string {
	var have []string
	for _, c := range all {
		have = append(have, platforms.Format(c.platform))
	}
	return cmp.Or(strings.Join(have, ", "), "no image at all")
}

// openCandidate opens an image that an index lists, maybe with its inventory.
func openCandidate(ctx context.Context, s source, c candidate, several bool) (*Image, error) {
	if c.manifest == nil {
		data, err := document(ctx, s, c.Descriptor)
		if err != nil {
			return nil, err
		}
		if c.manifest, c.config, err = readManifest(ctx, s, c.Descriptor, data); err != nil {
			return nil, err
		}
	}
	img, err := imageOf(s, c.Descriptor, c.manifest, c.config)
	if err != nil {
		return nil, err
	}
	if several {
		img.Platform = platforms.Format(c.platform)
	}
	if c.index != nil {
		img.Carried, img.Trouble = carried(ctx, s, c.index, c.Digest)
		img.setEvents()
	}
	return img, ctx.Err()
}

// isIndex tells by its content whether a document without a media type is an
// index.
func isIndex(d v1.Descriptor, data []byte) bool {
	if d.MediaType != "" {
		return d.MediaType.IsIndex()
	}
	var document struct {
		Manifests []json.RawMessage `json:"manifests"`
		Layers    []json.RawMessage `json:"layers"`
	}
	return json.Unmarshal(data, &document) == nil && document.Manifests != nil && document.Layers == nil
}

// candidates are the images that some entries of an index lead to: attestations,
// signatures and other artifacts are none.
func candidates(ctx context.Context, s source, index *v1.IndexManifest, entries []v1.Descriptor,
	depth int) (all []candidate, err error) {
	for _, d := range entries {
		if isAttestation(d) {
			continue
		}
		c := candidate{Descriptor: d, index: index}
		if d.Platform != nil {
			c.platform = normal(d.Platform)
		}
		if !d.MediaType.IsIndex() && d.MediaType != "" && d.Platform != nil && d.ArtifactType == "" {
			all = append(all, c)
			continue
		}
		data, err := document(ctx, s, d)
		if err != nil {
			return nil, err
		}
		if isIndex(d, data) {
			if depth >= maxIndexes {
				return nil, fmt.Errorf("index %s: indexes are nested %d deep, which is too deep", d.Digest, maxIndexes+1)
			}
			inner, err := v1.ParseIndexManifest(bytes.NewReader(data))
			if err != nil {
				return nil, fmt.Errorf("index %s: %w", d.Digest, err)
			}
			below, err := candidates(ctx, s, inner, inner.Manifests, depth+1)
			if err != nil {
				return nil, err
			}
			if all = append(all, below...); len(all) > maxEntries {
				return nil, fmt.Errorf("index %s: more than %d images", d.Digest, maxEntries)
			}
			continue
		}
		c.manifest, c.config, err = readManifest(ctx, s, d, data)
		if errors.Is(err, errNoImage) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if d.Platform == nil {
			c.platform = normal(c.config.Platform())
		}
		all = append(all, c)
	}
	return all, nil
}

func normal(p *v1.Platform) specs.Platform {
	if p == nil {
		return specs.Platform{}
	}
	return platforms.Normalize(specs.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		OSVersion: p.OSVersion})
}

// pick returns the images for a platform, the one that fits best first.
func pick(all []candidate, match platforms.MatchComparer) (picked []candidate) {
	for _, c := range all {
		if match.Match(c.platform) && !slices.ContainsFunc(picked,
			func(p candidate) bool { return p.Digest == c.Digest }) {
			picked = append(picked, c)
		}
	}
	slices.SortStableFunc(picked, func(a, b candidate) int {
		switch {
		case match.Less(a.platform, b.platform):
			return -1
		case match.Less(b.platform, a.platform):
			return 1
		}
		return 0
	})
	return picked
}

// errNoImage is wrapped by the error for an artifact that is no image.
var errNoImage = errors.New("it is not an image")

// readManifest reads a manifest with its config, if they are an image's.
func readManifest(ctx context.Context, s source, d v1.Descriptor, data []byte) (*v1.Manifest, *v1.ConfigFile, error) {
	manifest, err := v1.ParseManifest(bytes.NewReader(data))
	if err != nil {
		return nil, nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if !isImage(manifest) {
		what := cmp.Or(d.ArtifactType, string(manifest.Config.MediaType))
		for _, l := range manifest.Layers {
			what += ", of " + string(l.MediaType)
			break
		}
		return nil, nil, fmt.Errorf("%s: %w, but an artifact (%s)", d.Digest, errNoImage, what)
	}
	if data, err = document(ctx, s, manifest.Config); err != nil {
		return nil, nil, err
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(data))
	if err != nil {
		return nil, nil, fmt.Errorf("config %s: %w", manifest.Config.Digest, err)
	}
	return manifest, config, nil
}

// isImage tells images from signatures, charts and other artifacts, by the types
// of config and layers (OCI image specification, "Guidelines for Artifact Usage").
func isImage(m *v1.Manifest) bool {
	config := string(m.Config.MediaType)
	if config != "" && !strings.Contains(config, "container.image") &&
		!strings.Contains(config, "oci.image.config") || m.Subject != nil && strings.Contains(config, "empty") {
		return false
	}
	return len(m.Layers) == 0 || slices.ContainsFunc(m.Layers, func(l v1.Descriptor) bool {
		t := string(l.MediaType)
		return t == "" || strings.Contains(t, "image.layer") || strings.Contains(t, "image.rootfs")
	})
}

// openManifest opens an image by its manifest.
func openManifest(ctx context.Context, s source, d v1.Descriptor, data []byte) (*Image, error) {
	manifest, config, err := readManifest(ctx, s, d, data)
	if err != nil {
		return nil, err
	}
	return imageOf(s, d, manifest, config)
}

// imageOf is the image of a manifest and its config.
func imageOf(s source, d v1.Descriptor, manifest *v1.Manifest, config *v1.ConfigFile) (*Image, error) {
	if len(manifest.Layers) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("the manifest has %d layers and the config %d: the image is broken",
			len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	img := &Image{Digest: d.Digest.String(), manifest: d, Created: config.Created.Time, Config: configOf(config),
		layers: []layers.Layer{}}
	events := events(config)
	for i, d := range manifest.Layers {
		if d.Digest.Algorithm != "sha256" {
			return nil, fmt.Errorf("layer %s: only sha256 digests are supported", d.Digest)
		}
		img.layers = append(img.layers, layers.Layer{
			DiffID: config.RootFS.DiffIDs[i].String(), Digest: d.Digest.String(), Size: d.Size, Event: at(events, i),
			Place: s.place(),
			Open:  func(ctx context.Context) (io.ReadCloser, error) { return s.open(ctx, d) },
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
