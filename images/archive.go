package images

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/images/layers"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// openArchive opens the image of an archive as docker save writes it. Layers
// are read in place: nothing is compressed to learn its digest, and where they
// are not compressed their digests are not checked. A compressed archive is
// read once, from its beginning to its end.
func openArchive(ctx context.Context, file string) (*Image, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	var magic [4]byte
	if n, err := f.ReadAt(magic[:], 0); err == nil && layers.Compressed(magic[:n]) {
		if err := f.Close(); err != nil {
			return nil, err
		}
		return openStream(ctx, &layers.Stream{Open: func(context.Context) (io.ReadCloser, error) { return os.Open(file) }})
	}
	img, err := openPlain(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	img.close = f.Close
	return img, nil
}

// openPlain opens the image of an archive that is not compressed.
func openPlain(f *os.File) (*Image, error) {
	entries, err := indexTar(f)
	if err != nil {
		return nil, err
	}
	img, names, err := describe(func(name string) ([]byte, error) { return entries.read(name) })
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		e, ok := entries[name]
		if !ok {
			return nil, fmt.Errorf("the archive has no %s: it was cut short", name)
		}
		l := &img.layers[i]
		l.Size = e.size
		l.Open = func(context.Context) (io.ReadCloser, error) {
			return section{io.NewSectionReader(f, e.offset, e.size)}, nil
		}
		if l.Digest, l.Hops, err = e.digest(name, l.DiffID); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return img, nil
}

// A section is a part of a file that stays open.
type section struct{ *io.SectionReader }

// Close implements io.Closer.
func (section) Close() error { return nil }

// describe makes an image of an archive's manifest and config, with the names
// of the layers' files.
func describe(read func(name string) ([]byte, error)) (*Image, []string, error) {
	var manifests []struct {
		Config string
		Layers []string
	}
	if err := readJSON(read, "manifest.json", &manifests); err != nil {
		if _, layoutErr := read("oci-layout"); layoutErr == nil {
			return nil, nil, errors.New("it is the archive of an OCI layout: unpack it into a folder (tar -xf FILE -C DIR) and name that, oci-layout:DIR")
		}
		return nil, nil, err
	}
	if len(manifests) != 1 {
		return nil, nil, fmt.Errorf("the archive holds %d images: save one at a time", len(manifests))
	}
	var config v1.ConfigFile
	if err := readJSON(read, manifests[0].Config, &config); err != nil {
		return nil, nil, err
	}
	if len(manifests[0].Layers) != len(config.RootFS.DiffIDs) {
		return nil, nil, fmt.Errorf("the archive's manifest has %d layers and its config %d", len(manifests[0].Layers), len(config.RootFS.DiffIDs))
	}
	img := &Image{Created: config.Created.Time, Config: configOf(&config), layers: []layers.Layer{}}
	events := events(&config)
	var names []string
	for i, name := range manifests[0].Layers {
		names = append(names, path.Clean(name))
		img.layers = append(img.layers, layers.Layer{DiffID: config.RootFS.DiffIDs[i].String(), Event: at(events, i)})
	}
	return img, names, nil
}

func readJSON(read func(string) ([]byte, error), name string, into any) error {
	data, err := read(path.Clean(name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSpace(name), err)
	}
	return nil
}

// blobDigest is the digest that a layer's name tells, if it lies among an OCI
// layout's blobs, as it does since Docker 25.
func blobDigest(name string) string {
	if hex, ok := strings.CutPrefix(path.Clean(name), "blobs/sha256/"); ok {
		return "sha256:" + hex
	}
	return ""
}

// entries are the files of an archive.
type entries map[string]entry

// An entry is where a file lies in an archive.
type entry struct {
	file         io.ReaderAt
	offset, size int64
}

// digest is the digest of a layer's bytes: of a plain tar, which can be hopped
// over, the diffID.
func (e entry) digest(name, diffID string) (digest string, plain bool, err error) {
	magic := make([]byte, 4)
	if n, err := e.file.ReadAt(magic, e.offset); e.size < int64(len(magic)) || n < len(magic) {
		return "", false, fmt.Errorf("%d bytes are too few for a layer: %w", e.size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if !layers.Compressed(magic) {
		return diffID, true, nil
	}
	return blobDigest(name), false, nil
}

func (all entries) read(name string) ([]byte, error) {
	e, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("not a docker archive: it has no %s", name)
	}
	if e.size > maxDocument {
		return nil, fmt.Errorf("%s has %d bytes: too many", name, e.size)
	}
	return io.ReadAll(io.NewSectionReader(e.file, e.offset, e.size))
}

// indexTar finds the files of a tar that is not compressed. A file that is a
// link to another in the archive, as old versions of docker save write it,
// leads to that other's bytes.
func indexTar(f *os.File) (entries, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	found := entries{}
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
			if offset+h.Size > info.Size() {
				return nil, fmt.Errorf("%s: the archive was cut short: %w", name, io.ErrUnexpectedEOF)
			}
			found[name] = entry{f, offset, h.Size}
		case tar.TypeSymlink, tar.TypeLink:
			links[name] = linkTarget(h)
		}
	}
	for name, target := range links {
		if e, ok := found[target]; ok {
			found[name] = e
		}
	}
	return found, nil
}

// linkTarget is the file of an archive that a link leads to.
func linkTarget(h *tar.Header) string {
	if h.Typeflag == tar.TypeLink {
		return path.Clean(h.Linkname)
	}
	return path.Join(path.Dir(path.Clean(h.Name)), h.Linkname)
}

// openDocker opens an image of the Docker Engine that the docker command talks
// to: contexts, hosts and their keys are its affair.
func openDocker(ctx context.Context, name string) (*Image, error) {
	return openStream(ctx, &layers.Stream{Open: func(ctx context.Context) (io.ReadCloser, error) {
		cmd := exec.CommandContext(ctx, "docker", "image", "save", "--", name)
		s := &saved{cmd: cmd}
		cmd.Stderr = &s.said
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); errors.Is(err, exec.ErrNotFound) {
			return nil, errors.New("the docker command is not installed: docker-archive:FILE and a registry need none")
		} else if err != nil {
			return nil, err
		}
		s.Reader = out
		return s, nil
	}})
}

// A saved image is the output of docker save.
type saved struct {
	io.Reader
	cmd  *exec.Cmd
	said bytes.Buffer
}

// Read implements io.Reader. The end is one only if docker says so too.
func (s *saved) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		if failed := s.Close(); failed != nil {
			err = failed
		}
	}
	return n, err
}

// Close implements io.Closer.
func (s *saved) Close() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	_, _ = io.Copy(io.Discard, s.Reader) // what it still writes, so that it ends well
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("docker image save: %s", strings.TrimSpace(s.said.String()+" "+err.Error()))
	}
	return nil
}

// maxDocuments is the most that is held of an archive's files that are no
// layers, in bytes.
const maxDocuments = 2 * maxDocument

// openStream opens an image whose archive comes by once. Which files are layers
// is said by a manifest that mostly comes last, so whatever may be one is read.
func openStream(ctx context.Context, st *layers.Stream) (*Image, error) {
	documents, read, links := map[string][]byte{}, map[string]layers.Stored[installed.Fact]{}, map[string]string{}
	var held int64 // of documents
	err := st.Each(ctx, func(h *tar.Header, r io.Reader) error {
		if h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink {
			links[h.Name] = linkTarget(h)
		}
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		b := bufio.NewReaderSize(r, 4096)
		first, err := b.Peek(512)
		if err != nil && err != io.EOF {
			return err
		}
		if layers.LooksLikeLayer(first) {
			read[h.Name], err = layers.ScanStored(ctx, b, Reader{}.facts())
		} else if h.Size <= maxDocument {
			if held += h.Size + int64(len(h.Name)); held > maxDocuments {
				return fmt.Errorf("what is no layer takes more than %d bytes", maxDocuments)
			}
			documents[h.Name], err = io.ReadAll(b)
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("not a docker archive: %w", err)
	}
	img, names, err := describe(func(name string) ([]byte, error) {
		if data, ok := documents[name]; ok {
			return data, nil
		}
		return nil, fmt.Errorf("not a docker archive: it has no %s", name)
	})
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if target, ok := links[name]; ok {
			name = target
		}
		found, ok := read[name]
		if !ok {
			return nil, fmt.Errorf("the archive has no %s: it was cut short", name)
		}
		l := &img.layers[i]
		l.Stream, l.Entry = st, name
		if l.Digest = blobDigest(name); found.Plain {
			l.Digest = l.DiffID
		}
		if l.Digest != "" && l.Digest != found.Digest {
			return nil, fmt.Errorf("layer %s: its bytes have the digest %s: the archive is damaged", l.Digest, found.Digest)
		}
		img.known = append(img.known, found.Content)
	}
	return img, nil
}
