// Package images says what is in an image, and what changed between two.
//
// [Open] gives an [Image] from a registry, an OCI layout, a docker archive, the
// Docker Engine, a lock or an SBOM; a [Reader] lists the packages that images
// hold, and says what differs between them, in the words of package drift. It
// does not matter where an inventory came from, so image against image, lock
// against image ([Verify]) and lock against lock are the same thing.
//
// The way of the bytes: package layers reads what there is to be read of the
// layers, package installed makes packages of it. What need not be read is not:
// an image may carry its inventory ([Image.Carried]), layers are remembered,
// and those that several images share are read once.
//
// This package knows nothing of BuildKit.
package images

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/images/layers"
	"github.com/driftpin/driftpin/pins"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// An Image is a source of packages: an image whose layers can be read, a lock,
// or an SBOM. It is opened by Open, and closed when no longer used.
type Image struct {
	Name     string    // as the caller named it
	Digest   string    // of the manifest, or of the lock; empty where there is none
	Top      string    // the digest that a registry's reference leads to: of the manifest, or of an index
	Platform string    // the one that was picked of several; else empty
	Created  time.Time // by its config
	Config   drift.Config
	Lock     *pins.Lock // set if the source is a lock
	Carried  *Carried   // the inventory that the source carries, if it does
	Trouble  error      // why the one that it has can't be used: the layers are read then
	// Unverified is how many layers are read without being hashed: of archives, those
	// that are not compressed and not small.
	Unverified int

	manifest v1.Descriptor
	layers   []layers.Layer     // bottom first
	known    []*Content         // what opening learnt of the layers, where it had to read them
	held     map[bool][]Package // the inventory, once it is known: by whether a reader read the layers for it
	close    func() error
}

// A Content is what one layer says of installed packages.
type Content = layers.Content[installed.Fact]

// A Package is a package that an image holds, and where it was found.
type Package = installed.Package

// HasConfig reports whether the source says how it runs: locks and SBOMs don't.
func (img *Image) HasConfig() bool { return img.layers != nil || img.Config.Platform != "" }

// Close lets go of what the image was read from.
func (img *Image) Close() error {
	if img.close == nil {
		return nil
	}
	return img.close()
}

func configOf(c *v1.ConfigFile) drift.Config {
	out := drift.Config{
		Env: map[string]string{}, Cmd: orEmpty(c.Config.Cmd), Entrypoint: orEmpty(c.Config.Entrypoint),
		User:       c.Config.User,
		WorkingDir: c.Config.WorkingDir, Labels: c.Config.Labels, Platform: c.OS + "/" + c.Architecture,
		Volumes:    orEmpty(slices.Sorted(maps.Keys(c.Config.Volumes))),
		Ports:      orEmpty(slices.Sorted(maps.Keys(c.Config.ExposedPorts))),
		StopSignal: c.Config.StopSignal, OnBuild: c.Config.OnBuild, Shell: c.Config.Shell,
	}
	if h := c.Config.Healthcheck; h != nil {
		out.Healthcheck = drift.Words(h.Test)
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

// Carried is an inventory that a source brings along.
type Carried struct {
	Packages []Package
	Reason   *drift.Reason // why they are there, if it says so
	// Checked is a digest of the checks that the image passed, as Attach was given it.
	Checked string
	// Placeless is set where the inventory does not tell environments apart.
	Placeless bool
	// Foreign is set where another program made it, which tells of fewer things.
	Foreign bool
}

// setEvents notes which history entries made the layers of the packages that an
// image carries along.
func (img *Image) setEvents() {
	if img.Carried == nil {
		return
	}
	events := map[string]string{}
	for _, l := range img.layers {
		events[l.DiffID] = l.Event
	}
	for i := range img.Carried.Packages {
		p := &img.Carried.Packages[i]
		p.Event = events[p.Layer]
	}
}
