package images

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/images/layers"
	ggcr "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// openArchive opens an image of an archive as docker save writes it: FILE, or
// FILE:TAG of one that holds several. Layers are read in place: nothing is
// compressed to learn its digest, and those that are not compressed and not small
// are not hashed. A compressed archive is read once, from its beginning to its end.
func openArchive(ctx context.Context, where string) (*Image, error) {
	file, tag := splitArchive(where)
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	var magic [6]byte
	if n, _ := f.ReadAt(magic[:], 0); layers.Compressed(magic[:n]) {
		if err := f.Close(); err != nil {
			return nil, err
		}
		return openStream(ctx, &layers.Stream{Open: func(context.Context) (io.ReadCloser, error) {
			return os.Open(file)
		}}, tag)
	}
	img, err := openPlain(ctx, f, tag)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	img.close = f.Close
	return img, nil
}

// splitArchive splits FILE and FILE:TAG: a tag may hold colons, and so may a
// file's name.
func splitArchive(where string) (file, tag string) {
	if _, err := os.Stat(where); err == nil {
		return where, ""
	}
	for i, c := range where {
		if c != ':' {
			continue
		}
		if info, err := os.Stat(where[:i]); err == nil && !info.IsDir() {
			return where[:i], where[i+1:]
		}
	}
	return where, ""
}

// maxHashed is how much of an archive's layers that are not compressed is hashed
// nevertheless, the smallest first, in bytes.
const maxHashed = 4 << 20

// openPlain opens an image of an archive that is not compressed.
func openPlain(ctx context.Context, f *os.File, tag string) (*Image, error) {
	entries, err := indexTar(f)
	if err != nil {
		return nil, err
	}
	img, files, err := describe(func(name string) ([]byte, error) { return entries.read(name) }, tag)
	if err != nil {
		return nil, err
	}
	for i, file := range files {
		e, ok := entries.find(file.name)
		if !ok {
			return nil, fmt.Errorf("the archive has no %s: it was cut short", file.name)
		}
		l := &img.layers[i]
		l.Size, l.Place = e.size, fmt.Sprintf("%s at %d", f.Name(), e.offset)
		l.Open = func(context.Context) (io.ReadCloser, error) {
			return section{io.NewSectionReader(f, e.offset, e.size)}, nil
		}
		if file.size != 0 && file.size != e.size {
			return nil, fmt.Errorf("%s: it has %d bytes, and the archive's manifest says %d: the archive is damaged",
				file.name, e.size, file.size)
		}
		if l.Digest, l.Seekable, err = e.digest(file.name); err != nil {
			return nil, fmt.Errorf("%s: %w", file.name, err)
		}
	}
	return img, img.hashSmall(ctx)
}

// hashSmall looks at the digests of those layers that are quickly hashed: they
// are what the config says from here on. Those that are left are noted.
func (img *Image) hashSmall(ctx context.Context) error {
	var order []int
	for i, l := range img.layers {
		if l.Seekable {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(img.layers[a].Size, img.layers[b].Size) })
	hashed := int64(0)
	for _, i := range order {
		l := &img.layers[i]
		if hashed += l.Size; hashed > maxHashed {
			img.Unverified++
			continue
		}
		got, err := layers.Hash(ctx, *l)
		if err != nil {
			return err
		}
		if got != l.DiffID {
			return fmt.Errorf("layer %s: its bytes have the digest %s: the archive is damaged, or its layers are "+
				"in another order than in its config", l.DiffID, got)
		}
		l.Digest, l.Seekable = l.DiffID, false
	}
	return nil
}

// A section is a part of a file that stays open.
type section struct{ *io.SectionReader }

// Close implements io.Closer.
func (section) Close() error { return nil }

// A layerFile is a layer's file in an archive.
type layerFile struct {
	name string
	size int64 // as the manifest says; 0 where it does not
}

// A savedImage is what manifest.json says of one image (Docker's image
// specification, v1.2; since Docker 25 with LayerSources).
type savedImage struct {
	Config       string
	RepoTags     []string
	Layers       []string
	LayerSources map[string]struct {
		Size   int64
		Digest string
	}
}

// describe makes an image of an archive's manifest and config, with the files of
// its layers. tag names one of several images.
func describe(read func(name string) ([]byte, error), tag string) (*Image, []layerFile, error) {
	var manifests []savedImage
	if err := readJSON(read, "manifest.json", &manifests); err != nil {
		if _, layoutErr := read("oci-layout"); layoutErr == nil {
			return nil, nil, errOCIArchive
		}
		return nil, nil, err
	}
	m, err := pickSaved(manifests, tag)
	if err != nil {
		return nil, nil, err
	}
	var config v1.ConfigFile
	if err := readJSON(read, m.Config, &config); err != nil {
		return nil, nil, err
	}
	if len(m.Layers) != len(config.RootFS.DiffIDs) {
		return nil, nil, fmt.Errorf("the archive's manifest has %d layers and its config %d", len(m.Layers),
			len(config.RootFS.DiffIDs))
	}
	img := &Image{Created: config.Created.Time, Config: configOf(&config), layers: []layers.Layer{}}
	events := events(&config)
	var files []layerFile
	for i, name := range m.Layers {
		diffID := config.RootFS.DiffIDs[i].String()
		if other := otherLayer(name, diffID, &config); other != "" {
			return nil, nil, fmt.Errorf("%s is listed as layer %s, but its name is that of %s: the archive's "+
				"layers are in another order than in its config", name, diffID, other)
		}
		files = append(files, layerFile{layers.Clean(name), m.LayerSources[diffID].Size})
		img.layers = append(img.layers, layers.Layer{DiffID: diffID, Event: at(events, i)})
	}
	return img, files, nil
}

// pickSaved returns the one image of an archive, or the one that a tag names; @N is
// the one at N, counted from 0.
func pickSaved(manifests []savedImage, tag string) (savedImage, error) {
	var names []string
	for i, m := range manifests {
		names = append(names, m.RepoTags...)
		if len(m.RepoTags) == 0 {
			names = append(names, fmt.Sprintf("@%d", i))
		}
		same := func(name string) bool { return familiar(name) == familiar(tag) }
		if tag != "" && (tag == fmt.Sprintf("@%d", i) || slices.ContainsFunc(m.RepoTags, same)) {
			return m, nil
		}
	}
	switch {
	case len(manifests) == 0:
		return savedImage{}, errors.New("the archive's manifest names no image")
	case tag != "":
		return savedImage{}, fmt.Errorf("the archive has no image %s: it has %s", tag, strings.Join(names, ", "))
	}
	for _, m := range manifests[1:] {
		if m.Config != manifests[0].Config || !slices.Equal(m.Layers, manifests[0].Layers) {
			return savedImage{}, fmt.Errorf("the archive holds %d images: name one as docker-archive:FILE:TAG: %s",
				len(manifests), strings.Join(names, ", "))
		}
	}
	return manifests[0], nil
}

// familiar is an image's name as people write it.
func familiar(name string) string {
	if r, err := ggcr.ParseReference(name); err == nil {
		return r.Name()
	}
	return name
}

var hexName = regexp.MustCompile(`(?:^|/)([0-9a-f]{64})`)

// otherLayer is the layer of a config of which a file's name tells, if that is
// another than the one that the file stands for.
func otherLayer(name, diffID string, config *v1.ConfigFile) string {
	m := hexName.FindStringSubmatch(name)
	if m == nil || "sha256:"+m[1] == diffID {
		return ""
	}
	for _, d := range config.RootFS.DiffIDs {
		if d.String() == "sha256:"+m[1] {
			return d.String()
		}
	}
	return ""
}

func readJSON(read func(string) ([]byte, error), name string, into any) error {
	data, err := read(layers.Clean(name))
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
	if hex, ok := strings.CutPrefix(layers.Clean(name), "blobs/sha256/"); ok && len(hex) == 64 {
		return "sha256:" + hex
	}
	return ""
}

// entries are the files and links of an archive. Of two with one name the later
// one counts.
type entries map[string]entry

// An entry is where a file lies in an archive, or what a link leads to.
type entry struct {
	file         io.ReaderAt
	offset, size int64
	link         string
}

// digest is the digest of a layer's bytes, if its name tells, and whether they are
// a plain tar, which can be skipped: then the diffID is that of the bytes.
func (e entry) digest(name string) (digest string, plain bool, err error) {
	magic := make([]byte, 6)
	n, err := e.file.ReadAt(magic[:min(e.size, int64(len(magic)))], e.offset)
	if err != nil && err != io.EOF {
		return "", false, err
	}
	if !layers.Compressed(magic[:n]) {
		return "", true, nil
	}
	return blobDigest(name), false, nil
}

// maxLinks is how many links of an archive may lead to a file.
const maxLinks = 16

// find returns a file by its name, or by that of a link to it.
func (all entries) find(name string) (entry, bool) {
	for range maxLinks {
		e, ok := all[layers.Clean(name)]
		if !ok || e.link == "" {
			return e, ok
		}
		name = e.link
	}
	return entry{}, false
}

func (all entries) read(name string) ([]byte, error) {
	e, ok := all.find(name)
	if !ok {
		return nil, fmt.Errorf("not a docker archive: it has no %s", name)
	}
	if e.size > maxDocument {
		return nil, fmt.Errorf("%s has %d bytes: too many", name, e.size)
	}
	return io.ReadAll(io.NewSectionReader(e.file, e.offset, e.size))
}

// indexTar finds the files of a tar that is not compressed, and the links by which
// old versions of docker save have a layer once.
func indexTar(f *os.File) (entries, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	found := entries{}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not a docker archive: %w", err)
		}
		name := layers.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			offset, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			if offset+h.Size > info.Size() {
				return nil, fmt.Errorf("%s: the archive was cut short: %w", name, io.ErrUnexpectedEOF)
			}
			found[name] = entry{file: f, offset: offset, size: h.Size}
		case tar.TypeSymlink, tar.TypeLink:
			found[name] = entry{link: linkTarget(h)}
		}
	}
	return found, nil
}

// linkTarget is the file of an archive that a link leads to.
func linkTarget(h *tar.Header) string {
	if h.Typeflag == tar.TypeLink {
		return layers.Clean(h.Linkname)
	}
	return layers.Clean(path.Join(path.Dir(layers.Clean(h.Name)), h.Linkname))
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
			return nil, errors.New("the docker command is not installed: use docker-archive:FILE or a registry " +
				"reference, which do not need it")
		} else if err != nil {
			return nil, err
		}
		s.Reader = out
		return s, nil
	}}, "")
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
func openStream(ctx context.Context, st *layers.Stream, tag string) (*Image, error) {
	c := cameBy{ctx: ctx, documents: map[string][]byte{}, read: map[string]layers.Stored[installed.Fact]{},
		bad: map[string]error{}, links: entries{}}
	if err := st.Each(ctx, c.take); err != nil {
		return nil, fmt.Errorf("not a docker archive, or a damaged one: %w", err)
	}
	img, files, err := describe(c.document, tag)
	if err != nil {
		return nil, err
	}
	for i, file := range files {
		name := c.resolve(file.name)
		found, ok := c.read[name]
		switch {
		case c.bad[name] != nil:
			return nil, fmt.Errorf("%s: %w", file.name, c.bad[name])
		case !ok:
			return nil, fmt.Errorf("the archive has no %s: it was cut short", file.name)
		}
		l := &img.layers[i]
		l.Stream, l.Entry, l.Digest, l.Place = st, name, cmp.Or(blobDigest(name), found.Digest()),
			fmt.Sprintf("%p %s", st, name)
		if err := found.Matches(*l); err != nil {
			return nil, err
		}
		img.known = append(img.known, found.Content)
	}
	return img, nil
}

// A cameBy is what was learnt of the files of an archive that came by.
type cameBy struct {
	ctx       context.Context // of the one reading
	documents map[string][]byte
	held      int64 // of documents, in bytes
	read      map[string]layers.Stored[installed.Fact]
	bad       map[string]error // of what may be no layer
	links     entries
}

// take learns what there is to be learnt of one file.
func (c *cameBy) take(h *tar.Header, r io.Reader) error {
	delete(c.links, h.Name)
	switch h.Typeflag {
	case tar.TypeSymlink, tar.TypeLink:
		c.links[h.Name] = entry{link: linkTarget(h)}
		return nil
	case tar.TypeReg:
	default:
		return nil
	}
	b := bufio.NewReaderSize(r, 4096)
	first, err := b.Peek(512)
	if err != nil && err != io.EOF {
		return err
	}
	delete(c.bad, h.Name)
	delete(c.documents, h.Name)
	delete(c.read, h.Name)
	if layers.LooksLikeLayer(first) {
		if c.read[h.Name], err = layers.ScanStored(c.ctx, b, Reader{}.facts()); err != nil {
			c.bad[h.Name] = err
		}
		return c.ctx.Err()
	}
	if h.Size > maxDocument {
		return nil
	}
	if c.held += h.Size + int64(len(h.Name)); c.held > maxDocuments {
		return fmt.Errorf("files that are not layers take more than %d bytes", maxDocuments)
	}
	c.documents[h.Name], err = io.ReadAll(b)
	return err
}

// resolve is the name that links lead to from a name.
func (c *cameBy) resolve(name string) string {
	name = layers.Clean(name)
	for range maxLinks {
		e, ok := c.links[name]
		if !ok {
			break
		}
		name = e.link
	}
	return name
}

func (c *cameBy) document(name string) ([]byte, error) {
	if data, ok := c.documents[c.resolve(name)]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("not a docker archive: it has no %s", name)
}

// errOCIArchive says what to do with an archive of a layout.
var errOCIArchive = errors.New("the file is a packed OCI layout: unpack it into a folder (tar -xf FILE -C DIR), " +
	"and name the folder as oci-layout:DIR")
