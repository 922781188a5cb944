package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Options steer Open; the zero value is useful.
type Options struct {
	Platform string // of an image with several, such as linux/arm64; empty: linux/amd64
}

func (o Options) platform() v1.Platform {
	if o.Platform == "" {
		return v1.Platform{OS: "linux", Architecture: "amd64"}
	}
	p, err := v1.ParsePlatform(o.Platform)
	if err != nil {
		return v1.Platform{OS: o.Platform}
	}
	return *p
}

// Open opens a source by its name: oci-layout:DIR (with :TAG or @DIGEST where
// it holds several images), docker-archive:FILE, lock:FILE, or else a registry
// reference, whose credentials are those of Docker's configuration.
func Open(ctx context.Context, ref string, o Options) (*Image, error) {
	kind, where, _ := strings.Cut(ref, ":")
	var img *Image
	var err error
	switch {
	case kind == "oci-layout" && where != "":
		img, err = openLayout(where, o)
	case kind == "docker-archive" && where != "":
		img, err = openArchive(where, o)
	case kind == "lock" && where != "":
		img, err = openLock(where)
	case kind == "docker" || kind == "sbom":
		return nil, fmt.Errorf("%s: sources of this kind can't be read yet: oci-layout:, docker-archive:, lock: and registry references can", ref)
	default:
		if info, statErr := os.Stat(ref); statErr == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a folder: did you mean oci-layout:%s or lock:%s?", ref, ref, filepath.Join(ref, pins.LockName))
		}
		img, err = openRemote(ctx, ref, o)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", ref, err)
	}
	img.Name = ref
	return img, nil
}

func openRemote(ctx context.Context, ref string, o Options) (*Image, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	img, err := remote.Image(parsed, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithPlatform(o.platform()))
	if err != nil {
		return nil, err
	}
	return fromV1(img, nil)
}

// openLayout opens an image of an OCI layout.
func openLayout(where string, o Options) (*Image, error) {
	dir, tag, digest := splitLayout(where)
	index, err := layout.ImageIndexFromPath(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no OCI layout in %s", dir)
	}
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var found []v1.Descriptor
	for _, d := range manifest.Manifests {
		if (digest == "" || d.Digest.String() == digest) && (tag == "" || d.Annotations["org.opencontainers.image.ref.name"] == tag) {
			found = append(found, d)
		}
	}
	if digest != "" && len(found) == 0 {
		img, err := layoutManifest(dir, digest)
		if err != nil {
			return nil, err
		}
		return fromV1(img, layoutBlobs(dir))
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("the layout holds %d such images: name one as oci-layout:%s:TAG or oci-layout:%s@sha256:…", len(found), dir, dir)
	}
	img, err := pick(index, found[0], o.platform())
	if err != nil {
		return nil, err
	}
	return fromV1(img, layoutBlobs(dir))
}

// layoutManifest opens an image of a layout by its manifest's digest, which
// may be listed by an index of the layout's index.
func layoutManifest(dir, digest string) (v1.Image, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return nil, err
	}
	path, err := layout.FromPath(dir)
	if err != nil {
		return nil, err
	}
	top, err := path.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range manifest.Manifests {
		if !d.MediaType.IsIndex() {
			continue
		}
		inner, err := top.ImageIndex(d.Digest)
		if err != nil {
			return nil, err
		}
		if img, err := named(inner, h); err == nil {
			return img, nil
		}
	}
	return nil, fmt.Errorf("the layout holds no image %s", digest)
}

// splitLayout splits DIR, DIR:TAG and DIR@DIGEST.
func splitLayout(where string) (dir, tag, digest string) {
	if _, err := os.Stat(where); err == nil {
		return where, "", ""
	}
	if dir, digest, ok := strings.Cut(where, "@"); ok {
		return dir, "", digest
	}
	if i := strings.LastIndexByte(where, ':'); i > 0 {
		return where[:i], where[i+1:], ""
	}
	return where, "", ""
}

// pick returns the image that a descriptor leads to; of an index, the one for
// the platform.
func pick(index v1.ImageIndex, d v1.Descriptor, want v1.Platform) (v1.Image, error) {
	if !d.MediaType.IsIndex() {
		return named(index, d.Digest)
	}
	inner, err := index.ImageIndex(d.Digest)
	if err != nil {
		return nil, err
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		return nil, err
	}
	var have []string
	for _, m := range manifest.Manifests {
		if m.Platform != nil && m.Platform.Satisfies(want) {
			return named(inner, m.Digest)
		}
		if m.Platform != nil && m.Platform.OS != "unknown" {
			have = append(have, m.Platform.String())
		}
	}
	return nil, fmt.Errorf("the image has no %s: it has %s", want, strings.Join(have, ", "))
}

// layoutBlobs opens blobs of a layout, which does not check their digests
// itself.
func layoutBlobs(dir string) func(v1.Hash) (io.ReadCloser, error) {
	return func(h v1.Hash) (io.ReadCloser, error) {
		return os.Open(filepath.Join(dir, "blobs", h.Algorithm, h.Hex))
	}
}

// fromV1 wraps an image of go-containerregistry. open, if given, opens a blob
// by its digest.
func fromV1(img v1.Image, open func(v1.Hash) (io.ReadCloser, error)) (*Image, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	if len(layers) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("the manifest has %d layers and the config %d: the image is broken", len(layers), len(config.RootFS.DiffIDs))
	}
	if err := checkConfig(img); err != nil {
		return nil, err
	}
	out := &Image{Digest: digest.String(), Config: configOf(config), history: events(config)}
	for i, l := range layers {
		h, err := l.Digest()
		if err != nil {
			return nil, err
		}
		opener := l.Compressed
		if open != nil {
			opener = func() (io.ReadCloser, error) { return open(h) }
		}
		out.layers = append(out.layers, layer{diffID: config.RootFS.DiffIDs[i].String(), digest: h.String(), event: out.event(i), open: opener})
	}
	return out, nil
}

// checkConfig compares the config with the digest that the manifest names: an
// OCI layout does not do that by itself.
func checkConfig(img v1.Image) error {
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(config); hex.EncodeToString(sum[:]) != manifest.Config.Digest.Hex {
		return fmt.Errorf("the bytes of the config are not those of %s: the image is damaged", manifest.Config.Digest)
	}
	return nil
}

// named returns an index's image, if its manifest's bytes are those of the
// digest that it is listed by.
func named(index v1.ImageIndex, listed v1.Hash) (v1.Image, error) {
	img, err := index.Image(listed)
	if err != nil {
		return nil, err
	}
	if found, err := img.Digest(); err != nil || found != listed {
		return nil, errors.Join(fmt.Errorf("the bytes of the manifest are not those of %s: the image is damaged", listed), err)
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

func (img *Image) event(i int) string {
	if i < len(img.history) {
		return img.history[i]
	}
	return ""
}

// openLock makes an image of what a lock says will be installed.
func openLock(file string) (*Image, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lock, err := pins.ParseLock(file, data)
	if err != nil {
		return nil, err
	}
	return &Image{Digest: lock.Digest(), Lock: lock}, nil
}
