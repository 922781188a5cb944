package engine

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// LayoutExport returns an export of a build's image into the OCI layout in
// dir, which is created. Blobs that are there are not sent again. The layout
// is complete only once [FinishLayout] has been called with the response.
func LayoutExport(dir string, attrs map[string]string) (client.ExportEntry, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "blobs")); err != nil {
			return client.ExportEntry{},
				fmt.Errorf("%s is a folder with something else in it: an OCI layout needs a folder of its own", dir)
		}
	}
	if err := AbandonLayout(dir); err != nil { // what an export did not live to clear away
		return client.ExportEntry{}, err
	}
	store, err := local.NewStore(dir)
	if err != nil {
		return client.ExportEntry{}, err
	}
	all := map[string]string{"tar": "false"}
	for k, v := range attrs {
		all[k] = v
	}
	return client.ExportEntry{Type: client.ExporterOCI, Attrs: all, OutputStore: store}, nil
}

// AbandonLayout removes the blobs that an export has begun and not finished, and the
// folder if there is nothing in it then.
func AbandonLayout(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, "ingest")); err != nil {
		return err
	}
	for _, empty := range []string{"blobs/sha256", "blobs", "."} {
		_ = os.Remove(filepath.Join(dir, empty)) // what is not empty stays
	}
	return nil
}

// FinishLayout makes the exported image the only one in the layout's index, under a
// tag if one is given, and removes blobs it does not refer to. It returns the
// image's descriptor.
func FinishLayout(dir string, resp *client.SolveResponse, tag string) (ocispecs.Descriptor, error) {
	var desc ocispecs.Descriptor
	raw, err := base64.StdEncoding.DecodeString(resp.ExporterResponse[exptypes.ExporterImageDescriptorKey])
	if err != nil {
		return desc, fmt.Errorf("image descriptor: %w", err)
	}
	if err := json.Unmarshal(raw, &desc); err != nil {
		return desc, fmt.Errorf("image descriptor: %w", err)
	}
	// The exporter's annotations hold the time of the export.
	desc = ocispecs.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, Platform: desc.Platform}
	if tag != "" {
		desc.Annotations = map[string]string{ocispecs.AnnotationRefName: tag}
	}
	index := ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{desc}}
	index.SchemaVersion = 2
	if err := writeJSON(filepath.Join(dir, ocispecs.ImageLayoutFile),
		ocispecs.ImageLayout{Version: ocispecs.ImageLayoutVersion}); err != nil {
		return desc, err
	}
	if err := writeJSON(filepath.Join(dir, ocispecs.ImageIndexFile), index); err != nil {
		return desc, err
	}
	_ = os.Remove(filepath.Join(dir, "ingest")) // the store's folder for unfinished blobs; stays if it has some
	return desc, removeUnused(dir, desc)
}

// ManifestDigest returns the digest of the image manifest for a platform that
// an index of the layout lists; of an image manifest, its own.
func ManifestDigest(dir string, root ocispecs.Descriptor, platform ocispecs.Platform) (string, error) {
	if root.MediaType == ocispecs.MediaTypeImageManifest {
		return root.Digest.String(), nil
	}
	data, err := os.ReadFile(filepath.Join(dir, ocispecs.ImageBlobsDir, string(digest.SHA256), root.Digest.Encoded()))
	if err != nil {
		return "", err
	}
	var index ocispecs.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return "", fmt.Errorf("blob %s: %w", root.Digest, err)
	}
	for _, m := range index.Manifests {
		if m.Platform != nil && m.Platform.OS == platform.OS && m.Platform.Architecture == platform.Architecture {
			return m.Digest.String(), nil
		}
	}
	return "", fmt.Errorf("%s lists no image for %s/%s", root.Digest, platform.OS, platform.Architecture)
}

// writeJSON replaces the file name atomically.
func writeJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return whole.WriteFile(name, data, 0o644)
}

// removeUnused removes the layout's blobs that root does not lead to.
func removeUnused(dir string, root ocispecs.Descriptor) error {
	blobs := filepath.Join(dir, ocispecs.ImageBlobsDir, string(digest.SHA256))
	used := map[string]bool{}
	if err := mark(blobs, root.Digest, root.MediaType, used); err != nil {
		return err
	}
	entries, err := os.ReadDir(blobs)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !used[e.Name()] {
			errs = append(errs, os.Remove(filepath.Join(blobs, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// mark notes d, and what it refers to, in used.
func mark(blobs string, d digest.Digest, mediaType string, used map[string]bool) error {
	used[d.Encoded()] = true
	if mediaType != ocispecs.MediaTypeImageIndex && mediaType != ocispecs.MediaTypeImageManifest {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(blobs, d.Encoded()))
	if err != nil {
		return err
	}
	var node struct {
		Manifests, Layers []ocispecs.Descriptor
		Config            ocispecs.Descriptor
	}
	if err := json.Unmarshal(data, &node); err != nil {
		return fmt.Errorf("blob %s: %w", d, err)
	}
	if node.Config.Digest != "" {
		used[node.Config.Digest.Encoded()] = true
	}
	for _, child := range append(node.Manifests, node.Layers...) {
		if err := mark(blobs, child.Digest, child.MediaType, used); err != nil {
			return err
		}
	}
	return nil
}
