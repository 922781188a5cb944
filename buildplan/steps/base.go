package steps

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Base is the image that a course builds on.
type Base struct {
	Ref    string `json:"-"` // registry reference without digest; empty for a layout
	Layout string `json:"-"` // the OCI layout's folder; empty for a registry
	Digest string // of the manifest for one platform, or of the index that lists it
	Layers int
	Config ocispecs.Image
	// Extended says that pins are added to the environment that the base has,
	// which else gets a new one.
	Extended bool `json:",omitempty"`
}

// OpenBase says which image a manifest's base is; dir is the course's folder,
// to which a layout's path is relative. A layout is read here and now. A
// registry's image is not asked for: its Digest is the one that the reference
// names, or empty, and its config is learnt by the engine. Of a layout with
// images for several platforms the config is that of one.
func OpenBase(ref, dir, platform string) (Base, error) {
	if folder, ok := strings.CutPrefix(ref, pins.LayoutPrefix); ok {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, filepath.FromSlash(folder))
		}
		return openLayout(folder, platform)
	}
	if isLayout(ref, dir) {
		return Base{}, fmt.Errorf("base %s is a folder, and no registry reference: write %s%s", ref, pins.LayoutPrefix, ref)
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return Base{}, fmt.Errorf("base %q is neither a registry reference nor %sDIR: %w", ref, pins.LayoutPrefix, err)
	}
	b := Base{Ref: parsed.Context().Name()}
	if d, ok := parsed.(name.Digest); ok {
		b.Digest = d.DigestStr()
	} else {
		b.Ref = parsed.Name()
	}
	return b, nil
}

// isLayout reports whether a reference is a path, or the name of an OCI layout's folder.
func isLayout(ref, dir string) bool {
	if path.IsAbs(ref) || strings.HasPrefix(ref, "./") || strings.HasPrefix(ref, "../") || ref == "." || ref == ".." {
		return true
	}
	_, err := layout.FromPath(filepath.Join(dir, filepath.FromSlash(ref)))
	return err == nil
}

func openLayout(folder, platform string) (Base, error) {
	b := Base{Layout: folder}
	index, err := layout.ImageIndexFromPath(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("base %s%s: there is no OCI layout: make one with driftpin base %s", pins.LayoutPrefix,
			folder, folder)
	}
	if err != nil {
		return b, fmt.Errorf("base %s%s: %w", pins.LayoutPrefix, folder, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return b, fmt.Errorf("base %s%s: %w", pins.LayoutPrefix, folder, err)
	}
	if manifest, err = withoutListed(index, manifest); err != nil {
		return b, fmt.Errorf("base %s%s: %w", pins.LayoutPrefix, folder, err)
	}
	if len(manifest.Manifests) != 1 {
		return b, fmt.Errorf("base %s%s: it holds %d images: a base's layout holds one", pins.LayoutPrefix, folder,
			len(manifest.Manifests))
	}
	b.Digest = manifest.Manifests[0].Digest.String()
	img, err := imageFor(index, manifest.Manifests[0], platform)
	if err != nil {
		return b, fmt.Errorf("base %s%s: %w", pins.LayoutPrefix, folder, err)
	}
	if err := b.readConfig(img); err != nil {
		return b, err
	}
	return b, b.fits(platform)
}

// withoutListed leaves out images that an index beside them lists too: they stand
// there for tools that take no index.
func withoutListed(index v1.ImageIndex, manifest *v1.IndexManifest) (*v1.IndexManifest, error) {
	listed := map[v1.Hash]bool{}
	for _, d := range manifest.Manifests {
		if !d.MediaType.IsIndex() || len(manifest.Manifests) == 1 {
			continue
		}
		below, err := index.ImageIndex(d.Digest)
		if err != nil {
			return nil, err
		}
		inner, err := below.IndexManifest()
		if err != nil {
			return nil, err
		}
		for _, m := range inner.Manifests {
			listed[m.Digest] = true
		}
	}
	out := manifest.DeepCopy()
	out.Manifests = slices.DeleteFunc(out.Manifests, func(d v1.Descriptor) bool { return listed[d.Digest] })
	return out, nil
}

// fits says that the base is of another platform than is asked for.
func (b Base) fits(platform string) error {
	want := Platform(platform)
	if c := b.Config.Platform; c.OS != "" && c.Architecture != "" &&
		(c.OS != want.OS || c.Architecture != want.Architecture) {
		return fmt.Errorf("base %s is for %s/%s, and the course's platform is %s: take a base for %s, or change "+
			"platforms", b, c.OS, c.Architecture, platform, platform)
	}
	return nil
}

// imageFor returns the image that a descriptor means on a platform: it may be
// an index of images for several, and of attestations.
func imageFor(index v1.ImageIndex, d v1.Descriptor, platform string) (v1.Image, error) {
	if !d.MediaType.IsIndex() {
		return index.Image(d.Digest)
	}
	below, err := index.ImageIndex(d.Digest)
	if err != nil {
		return nil, err
	}
	manifest, err := below.IndexManifest()
	if err != nil {
		return nil, err
	}
	want := Platform(platform)
	for _, m := range manifest.Manifests {
		if m.Platform != nil && m.Platform.OS == want.OS && m.Platform.Architecture == want.Architecture {
			return below.Image(m.Digest)
		}
	}
	return nil, fmt.Errorf("it holds no image for %s", platform)
}

func (b *Base) readConfig(img v1.Image) error {
	raw, err := img.RawConfigFile()
	if err == nil {
		err = b.parseConfig(raw)
	}
	if err != nil {
		return fmt.Errorf("base %s: its config: %w", b, err)
	}
	return nil
}

func (b *Base) parseConfig(raw []byte) error {
	if err := json.Unmarshal(raw, &b.Config); err != nil {
		return err
	}
	b.Layers = len(b.Config.RootFS.DiffIDs)
	return nil
}

// String names the base in messages.
func (b Base) String() string {
	if b.Layout != "" {
		return pins.LayoutPrefix + b.Layout
	}
	return b.Ref
}

// Learn returns the base with what OpenBase could not know: its digest, and its
// config, as JSON.
func (b Base) Learn(digest string, config []byte, platform string) (Base, error) {
	b.Digest = digest
	if err := b.parseConfig(config); err != nil {
		return b, err
	}
	return b, b.fits(platform)
}

// BaseID names the base's layout to the engine.
const BaseID = "base"

// State is the base as the start of a build.
func (b Base) State(platform string) llb.State {
	if b.Layout != "" {
		return llb.OCILayout("driftpin/base@"+b.Digest, llb.OCIStore("", BaseID), llb.Platform(Platform(platform)),
			llb.WithCustomName("base "+filepath.Base(b.Layout)))
	}
	return llb.Image(b.Ref+"@"+b.Digest, llb.Platform(Platform(platform)), llb.WithCustomName("base "+b.Ref))
}

// environmentVariables are those by which an image says where its environment
// is: repo2docker's and driftpin's, Jupyter's docker-stacks', Python's and
// conda's.
var environmentVariables = []string{"NB_PYTHON_PREFIX", "CONDA_DIR", "VIRTUAL_ENV", "CONDA_PREFIX"}

// Environment is the prefix of the environment that pins are installed in: of
// a base that is extended its own, as its config tells; else [pins.Env]. It is empty
// if the config tells of none, or is not known.
func (b Base) Environment() string {
	if !b.Extended {
		return pins.Env
	}
	for _, name := range environmentVariables {
		for _, kv := range b.Config.Config.Env {
			if prefix, ok := strings.CutPrefix(kv, name+"="); ok && path.IsAbs(prefix) &&
				path.Clean(prefix) == prefix && prefix != "/" {
				return prefix
			}
		}
	}
	return ""
}

// CheckEnvironment says what an extended base lacks.
func (b Base) CheckEnvironment() error {
	if b.Environment() == "" {
		return fmt.Errorf("base %s can't be extended: its config names no environment in %s; use the image as "+
			"base: instead, and pins get an environment of their own",
			b, strings.Join(environmentVariables, ", "))
	}
	return nil
}

// Platform is a platform, such as linux/amd64, as OCI names it.
func Platform(platform string) ocispecs.Platform {
	system, arch, _ := strings.Cut(platform, "/")
	return ocispecs.Platform{OS: system, Architecture: arch}
}
