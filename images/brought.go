package images

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/driftpin/driftpin/images/layers"
)

// Files returns the entries of an image's layers by their path, each with a digest
// of all that the layer says of it, and of its content.
func (img *Image) Files(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	for _, l := range img.layers {
		stream := layers.Stream{Open: l.Open}
		err := stream.Each(ctx, func(h *tar.Header, r io.Reader) error {
			sum := sha256.New()
			fmt.Fprintln(sum, h.Typeflag, h.Mode, h.Uid, h.Gid, h.Size, h.Linkname, h.ModTime.Unix(), h.Devmajor,
				h.Devminor)
			for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
				fmt.Fprintln(sum, k, h.PAXRecords[k])
			}
			_, err := io.Copy(sum, r)
			found["/"+h.Name] = fmt.Sprintf("%x", sum.Sum(nil))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", img.Name, err)
		}
	}
	return found, nil
}
