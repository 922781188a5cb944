// Package images says what is in an image, and what changed between two.
//
// [Open] gives an [Image] from a registry, an OCI layout, a docker archive or
// a lock; [Image.Inventory] lists the packages that it holds, by reading its
// layers as a stream, without unpacking anything to disk; [Compare] is the
// difference of two inventories, as data, which package report words. Compare
// does not care where an inventory came from, so image against image, lock
// against image ([Verify]) and lock against lock are the same thing.
//
// This package knows nothing of BuildKit. It never trusts what an image says
// of itself: the layers are read.
package images

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// An Image is a source of packages: an image whose layers can be read, or a
// lock. It is opened by Open, and closed when no longer used.
type Image struct {
	Name   string // as the caller named it
	Digest string // of the manifest, or of the lock; empty for an archive
	Config Config
	Lock   *pins.Lock // set if the source is a lock

	layers  []layer // bottom first
	history []string
	close   func() error
}

// A layer is one layer of an image.
type layer struct {
	diffID string // sha256:HEX of the uncompressed tar, by the image's config
	digest string // sha256:HEX of the bytes that open returns; empty if not known
	event  string // the history entry that made it
	open   func() (io.ReadCloser, error)
}

// Close lets go of what the image was read from.
func (img *Image) Close() error {
	if img.close == nil {
		return nil
	}
	return img.close()
}

// A Package is a package that an image holds, and where it was found.
type Package struct {
	pins.Pin
	Path  string `json:"path,omitempty"`  // the file that tells of it
	Layer string `json:"layer,omitempty"` // the diffID of the layer that holds that file
	Event string `json:"event,omitempty"` // the history entry that made that layer
	Owner string `json:"owner,omitempty"` // the Debian or conda package that the file belongs to
}

// Config is what decides how an image runs. Lists keep their order; the rest
// is sorted.
type Config struct {
	Env        map[string]string `json:"env"`
	Cmd        []string          `json:"cmd"`
	Entrypoint []string          `json:"entrypoint"`
	User       string            `json:"user"`
	WorkingDir string            `json:"workingDir"`
	Labels     map[string]string `json:"labels"`
	Volumes    []string          `json:"volumes"`
	Ports      []string          `json:"exposedPorts"`
	Platform   string            `json:"platform"`
}

func configOf(c *v1.ConfigFile) Config {
	out := Config{
		Env: map[string]string{}, Cmd: orEmpty(c.Config.Cmd), Entrypoint: orEmpty(c.Config.Entrypoint), User: c.Config.User,
		WorkingDir: c.Config.WorkingDir, Labels: c.Config.Labels, Platform: c.OS + "/" + c.Architecture,
		Volumes: orEmpty(slices.Sorted(maps.Keys(c.Config.Volumes))), Ports: orEmpty(slices.Sorted(maps.Keys(c.Config.ExposedPorts))),
	}
	for _, kv := range c.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		out.Env[k] = v
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	if c.Variant != "" {
		out.Platform += "/" + c.Variant
	}
	return out
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Labels that driftpin writes into the images it builds.
const (
	CourseLabel = "org.driftpin.course"
	LockLabel   = "org.driftpin.lock"
)
