package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A layoutDir is an OCI layout (OCI image layout specification).
type layoutDir string

func (dir layoutDir) open(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(string(dir), "blobs", d.Digest.Algorithm, d.Digest.Hex))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the layout %s lacks %s: it was not copied whole", string(dir), d.Digest)
	}
	return f, err
}

// index reads an index of the layout.
func (dir layoutDir) index(ctx context.Context, d v1.Descriptor) (*v1.IndexManifest, error) {
	data, err := document(ctx, dir, d)
	if err != nil {
		return nil, err
	}
	return v1.ParseIndexManifest(bytes.NewReader(data))
}

// openLayout opens an image of an OCI layout: DIR, DIR:TAG or DIR@DIGEST.
func openLayout(ctx context.Context, where string, o Options) (*Image, error) {
	name, tag, digest := splitLayout(where)
	data, err := os.ReadFile(filepath.Join(name, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no OCI layout in %s", name)
	}
	if err != nil {
		return nil, err
	}
	top, err := v1.ParseIndexManifest(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(name, "index.json"), err)
	}
	dir := layoutDir(name)
	var found []v1.Descriptor
	for _, d := range top.Manifests {
		if !isAttestation(d) && (digest == "" || d.Digest.String() == digest) && (tag == "" || d.Annotations["org.opencontainers.image.ref.name"] == tag) {
			if !slices.ContainsFunc(found, func(f v1.Descriptor) bool { return f.Digest == d.Digest }) {
				found = append(found, d)
			}
		}
	}
	if digest != "" && len(found) == 0 {
		return dir.openInner(ctx, top, digest)
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("the layout holds %d such images: name one as oci-layout:%s:TAG or oci-layout:%s@sha256:…", len(found), name, name)
	}
	return openDescriptor(ctx, dir, found[0], o)
}

// openInner opens an image by its manifest's digest, which an index of the
// layout's index lists.
func (dir layoutDir) openInner(ctx context.Context, top *v1.IndexManifest, digest string) (*Image, error) {
	for _, d := range top.Manifests {
		if !d.MediaType.IsIndex() {
			continue
		}
		index, err := dir.index(ctx, d)
		if err != nil {
			return nil, err
		}
		for _, m := range index.Manifests {
			if m.Digest.String() != digest {
				continue
			}
			img, err := openDescriptor(ctx, dir, m, Options{})
			if err == nil {
				img.Carried, img.Trouble = carried(ctx, dir, index, m.Digest)
				img.tellEvents()
			}
			return img, err
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
