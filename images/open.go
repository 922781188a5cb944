package images

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/sbom"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/hub"
)

// Open opens a source by its name: oci-layout:DIR (with :TAG or @DIGEST where
// it holds several images), docker-archive:FILE (with :TAG likewise), docker:NAME, lock:FILE,
// sbom:FILE, values:FILE (with #PATH where the image is named at another place than
// the chart's), or else a registry reference, whose credentials are those of
// Docker's configuration. Of an archive that comes by once (docker:, and a
// compressed file) the layers are read here.
func Open(ctx context.Context, ref string, o Options) (*Image, error) {
	kind, where, _ := strings.Cut(ref, ":")
	var img *Image
	var err error
	switch {
	case kind == "oci-layout" && where != "":
		img, err = openLayout(ctx, where, o)
	case kind == "docker-archive" && where != "":
		img, err = openArchive(ctx, where)
	case kind == "docker" && where != "":
		img, err = openDocker(ctx, where)
	case kind == "lock" && where != "":
		img, err = openLock(where, o)
	case kind == "sbom" && where != "":
		img, err = openSBOM(where)
	case kind == "values" && where != "":
		img, err = openValues(ctx, where, o)
	case kind == "oci-archive" && where != "":
		err = errOCIArchive
	default:
		if info, statErr := os.Stat(ref); statErr == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a folder: did you mean oci-layout:%s or lock:%s?", ref, ref,
				filepath.Join(ref, pins.LockName))
		}
		img, err = openRemote(ctx, ref, o)
	}
	if err == nil {
		err = o.fits(img)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", ref, err)
	}
	img.Name = ref
	return img, nil
}

// openSBOM makes an image of what an SBOM lists.
func openSBOM(file string) (*Image, error) {
	c, err := sbom.Read(file)
	if err != nil {
		return nil, err
	}
	return &Image{Carried: &Carried{Packages: c.Packages, Placeless: c.Placeless, Foreign: c.Foreign}}, nil
}

// openValues opens the image that a values file names: what is deployed.
func openValues(ctx context.Context, where string, o Options) (*Image, error) {
	file, path, _ := strings.Cut(where, "#")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	ref, err := hub.Image(hub.File{Name: file, Data: data}, path)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(ref, "values:") {
		return nil, fmt.Errorf("%s names %s, which is not an image", file, ref)
	}
	return Open(ctx, ref, o)
}

// openLock makes an image of what a lock says will be installed; if a platform is named, on that.
func openLock(file string, o Options) (*Image, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lock, err := pins.ParseLock(file, data)
	if err != nil {
		return nil, err
	}
	if o.Platform != "" && !slices.Contains(lock.Platforms, o.Platform) {
		return nil, fmt.Errorf("the lock has no %s: it is for %s", o.Platform, strings.Join(lock.Platforms, ", "))
	}
	return &Image{Digest: lock.Digest(), Lock: lock, Platform: o.Platform}, nil
}
