package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxDocument is the most that is read of a manifest or config, in bytes.
const maxDocument = 16 << 20

// openArchive opens the image of an archive as docker save writes it. Layers
// are read in place: nothing is compressed to learn its digest.
func openArchive(file string, o Options) (_ *Image, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	entries, err := indexTar(f)
	if err != nil {
		return nil, err
	}
	var manifests []struct {
		Config string
		Layers []string
	}
	if err := readEntry(entries, "manifest.json", &manifests); err != nil {
		return nil, err
	}
	if len(manifests) != 1 {
		return nil, fmt.Errorf("the archive holds %d images: save one at a time", len(manifests))
	}
	var config v1.ConfigFile
	if err := readEntry(entries, manifests[0].Config, &config); err != nil {
		return nil, err
	}
	if len(manifests[0].Layers) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("the archive's manifest has %d layers and its config %d", len(manifests[0].Layers), len(config.RootFS.DiffIDs))
	}
	img := &Image{Config: configOf(&config), history: events(&config), close: f.Close}
	for i, name := range manifests[0].Layers {
		section, ok := entries[path.Clean(name)]
		if !ok {
			return nil, fmt.Errorf("the archive has no %s: it was cut short", name)
		}
		diffID := config.RootFS.DiffIDs[i].String()
		img.layers = append(img.layers, layer{
			diffID: diffID, digest: archivedDigest(section, name, diffID), event: img.event(i),
			open: func() (io.ReadCloser, error) {
				return io.NopCloser(io.NewSectionReader(f, section.offset, section.size)), nil
			},
		})
	}
	return img, nil
}

// archivedDigest is the digest of a layer's bytes in an archive: of a plain tar
// the diffID; of a compressed one its name tells, if it lies among an OCI
// layout's blobs, as it does since Docker 25.
func archivedDigest(e entry, name, diffID string) string {
	magic := make([]byte, len(zstdMagic))
	if n, _ := e.file.ReadAt(magic, e.offset); n < len(magic) { // too short for a layer: reading it says so
		return ""
	}
	if !bytes.HasPrefix(magic, gzipMagic) && !bytes.HasPrefix(magic, zstdMagic) {
		return diffID
	}
	if hex, ok := strings.CutPrefix(path.Clean(name), "blobs/sha256/"); ok {
		return "sha256:" + hex
	}
	return ""
}

// An entry is where a file lies in an archive.
type entry struct {
	file         io.ReaderAt
	offset, size int64
}

// indexTar finds the files of a tar that is not compressed. A file that is a
// link to another in the archive, as old versions of docker save write it,
// leads to that other's bytes.
func indexTar(f *os.File) (map[string]entry, error) {
	var magic [2]byte
	if _, err := f.ReadAt(magic[:], 0); err == nil && bytes.Equal(magic[:], gzipMagic) {
		return nil, errors.New("the archive is compressed: decompress it first (gunzip)")
	}
	entries := map[string]entry{}
	links := map[string]string{}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not a docker archive: %w", err)
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			offset, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			entries[name] = entry{f, offset, h.Size}
		case tar.TypeSymlink:
			links[name] = path.Join(path.Dir(name), h.Linkname)
		case tar.TypeLink:
			links[name] = path.Clean(h.Linkname)
		}
	}
	for name, target := range links {
		if e, ok := entries[target]; ok {
			entries[name] = e
		}
	}
	return entries, nil
}

func readEntry(entries map[string]entry, name string, into any) error {
	e, ok := entries[path.Clean(name)]
	if !ok {
		return fmt.Errorf("not a docker archive: it has no %s", name)
	}
	if e.size > maxDocument {
		return fmt.Errorf("%s has %d bytes: too many", name, e.size)
	}
	data, err := io.ReadAll(io.NewSectionReader(e.file, e.offset, e.size))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSpace(name), err)
	}
	return nil
}
