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

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// refName is the annotation that holds a tag in a layout's index.
const refName = "org.opencontainers.image.ref.name"

// A layoutDir is an OCI layout (OCI image layout specification).
type layoutDir string

func (dir layoutDir) place() string {
	if abs, err := filepath.Abs(string(dir)); err == nil {
		return abs
	}
	return string(dir)
}

func (dir layoutDir) open(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(string(dir), "blobs", d.Digest.Algorithm, d.Digest.Hex))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the layout %s lacks %s: it was not copied completely: copy it again",
			string(dir), d.Digest)
	}
	return f, err
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
	if err := dir.fold(ctx, top); err != nil {
		return nil, err
	}
	if digest != "" {
		return dir.openDigest(ctx, top, digest, o)
	}
	var found []v1.Descriptor
	for _, d := range top.Manifests {
		named := tag == "" || d.Annotations[refName] == tag
		if !isAttestation(d) && named && !slices.ContainsFunc(found,
			func(f v1.Descriptor) bool { return f.Digest == d.Digest }) {
			found = append(found, d)
		}
	}
	if len(found) == 1 {
		return openDescriptor(ctx, dir, found[0], o)
	}
	return dir.openOne(ctx, top, found, o)
}

// fold drops an image of the layout's index that an index beside it is all about,
// and gives that index its tag: driftpin's own layouts have the image alone, too, for
// tools that take no index. An index of several images, or with a tag of its own, is
// somebody else's, and stays beside them.
func (dir layoutDir) fold(ctx context.Context, top *v1.IndexManifest) error {
	if len(top.Manifests) < 2 {
		return nil
	}
	for i, d := range top.Manifests {
		if !d.MediaType.IsIndex() || d.Annotations[refName] != "" {
			continue
		}
		data, err := document(ctx, dir, d)
		if err != nil {
			return err
		}
		inner, err := v1.ParseIndexManifest(bytes.NewReader(data))
		if err != nil {
			return fmt.Errorf("index %s: %w", d.Digest, err)
		}
		about := slices.DeleteFunc(slices.Clone(inner.Manifests), isAttestation)
		if len(about) != 1 {
			continue
		}
		at := slices.IndexFunc(top.Manifests, func(t v1.Descriptor) bool { return t.Digest == about[0].Digest })
		if at >= 0 {
			top.Manifests[i].Annotations = top.Manifests[at].Annotations
			top.Manifests[at].Digest.Hex = "" // dropped below
		}
	}
	top.Manifests = slices.DeleteFunc(top.Manifests, func(d v1.Descriptor) bool { return d.Digest.Hex == "" })
	return nil
}

// openOne opens the one image for the platform among some entries of the layout's
// index: beside it there may be signatures, and images for other platforms.
func (dir layoutDir) openOne(ctx context.Context, top *v1.IndexManifest, found []v1.Descriptor,
	o Options) (*Image, error) {
	want, match, err := o.platform()
	if err != nil {
		return nil, err
	}
	all, err := candidates(ctx, dir, top, found, 0)
	if err != nil {
		return nil, err
	}
	picked := pick(all, match)
	switch {
	case len(all) == 0:
		return nil, errors.New("the layout holds no such image")
	case len(picked) == 0 && len(all) == 1:
		return openCandidate(ctx, dir, all[0], false)
	case len(picked) == 0:
		return nil, fmt.Errorf("the layout holds no image for %s: it has %s", platforms.Format(want), has(all))
	case len(picked) > 1 && !match.Less(picked[0].platform, picked[1].platform):
		return nil, fmt.Errorf("the layout holds %d such images: name one as oci-layout:%s:TAG or "+
			"oci-layout:%s@sha256:…", len(picked), string(dir), string(dir))
	}
	return openCandidate(ctx, dir, picked[0], len(all) > 1)
}

// openDigest opens an image by a digest: of an entry of the layout's index, or of
// a manifest that indexes below it list.
func (dir layoutDir) openDigest(ctx context.Context, top *v1.IndexManifest, digest string, o Options) (*Image, error) {
	for _, d := range top.Manifests {
		if d.Digest.String() == digest {
			return openDescriptor(ctx, dir, d, o)
		}
	}
	var indexes []v1.Descriptor
	for _, d := range top.Manifests {
		if d.MediaType.IsIndex() {
			indexes = append(indexes, d)
		}
	}
	all, err := candidates(ctx, dir, top, indexes, 0)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.Digest.String() == digest {
			return openCandidate(ctx, dir, c, false)
		}
	}
	return nil, fmt.Errorf("the layout holds no image %s", digest)
}

// splitLayout splits DIR, DIR:TAG and DIR@DIGEST; a tag may hold colons.
func splitLayout(where string) (dir, tag, digest string) {
	if _, err := os.Stat(where); err == nil {
		return where, "", ""
	}
	if dir, digest, ok := strings.Cut(where, "@"); ok {
		return dir, "", digest
	}
	for i, c := range where {
		if info, err := os.Stat(where[:i]); c == ':' && err == nil && info.IsDir() {
			return where[:i], where[i+1:], ""
		}
	}
	if i := strings.LastIndexByte(where, ':'); i > 0 {
		return where[:i], where[i+1:], ""
	}
	return where, "", ""
}
