package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/inflate"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/stream"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sync/errgroup"
)

// bareCommand makes this program the loop that reads, inflates and hashes the
// layers of some images, layouts or references, each layer once, the largest
// first, and does nothing else.
const bareCommand = "bare"

func bare(images []string) error {
	group := errgroup.Group{}
	group.SetLimit(runtime.GOMAXPROCS(0))
	layers := map[v1.Hash]func() (io.ReadCloser, error){}
	sizes := map[v1.Hash]int64{}
	for _, where := range images {
		img, open, err := bareImage(where)
		if err != nil {
			return err
		}
		manifest, err := img.Manifest()
		if err != nil {
			return err
		}
		for _, l := range manifest.Layers {
			layers[l.Digest], sizes[l.Digest] = func() (io.ReadCloser, error) { return open(l.Digest) }, l.Size
		}
	}
	for _, digest := range slices.SortedFunc(maps.Keys(sizes),
		func(a, b v1.Hash) int { return cmp.Compare(sizes[b], sizes[a]) }) {
		group.Go(func() error {
			r, err := layers[digest]()
			if err != nil {
				return err
			}
			hash := sha256.New()
			_, err = inflate.NewReader(io.TeeReader(r, hash)).Discard(1 << 60)
			if err == io.EOF {
				err = nil
			}
			return errors.Join(err, r.Close())
		})
	}
	return group.Wait()
}

// bareImage is an image with what opens its layers as they are stored.
func bareImage(where string) (v1.Image, func(v1.Hash) (io.ReadCloser, error), error) {
	if info, err := os.Stat(where); err == nil && info.IsDir() {
		img, err := imageOf(where)
		return img, func(h v1.Hash) (io.ReadCloser, error) {
			return os.Open(filepath.Join(where, "blobs", "sha256", h.Hex))
		}, err
	}
	ref, err := name.ParseReference(where)
	if err != nil {
		return nil, nil, err
	}
	img, err := remote.Image(ref)
	return img, func(h v1.Hash) (io.ReadCloser, error) {
		resp, err := http.Get("http://" + ref.Context().RegistryStr() + "/v2/" + ref.Context().RepositoryStr() +
			"/blobs/" + h.String())
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	}, err
}

// imageOf is the image of a layout, whether an index leads to it or not.
func imageOf(dir string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	d := manifest.Manifests[0]
	if !d.MediaType.IsIndex() {
		return index.Image(d.Digest)
	}
	if index, err = index.ImageIndex(d.Digest); err != nil {
		return nil, err
	}
	if manifest, err = index.IndexManifest(); err != nil {
		return nil, err
	}
	return index.Image(manifest.Manifests[0].Digest)
}

// serveCommand makes this program a registry on loopback that holds some layouts,
// as hub/a:1 and so on. It prints its address, and ends when its input does.
const serveCommand = "serve"

func serve(dirs []string) error {
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(layouts(dirs)))
	server := httptest.NewServer(handler)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, dir := range dirs {
		img, err := imageOf(dir)
		if err != nil {
			return err
		}
		ref, err := name.ParseReference(host + "/hub/" + filepath.Base(dir) + ":1")
		if err != nil {
			return err
		}
		if err := remote.Write(ref, img); err != nil {
			return err
		}
	}
	fmt.Println(host)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// layouts serve the blobs of some layouts as they are: the library's handler
// hashes a blob each time that somebody asks for it.
type layouts []string

// Get implements registry.BlobHandler.
func (l layouts) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) {
	for _, dir := range l {
		if f, err := os.Open(filepath.Join(dir, "blobs", h.Algorithm, h.Hex)); err == nil {
			return f, nil
		}
	}
	return nil, registry.ErrNotFound
}

// Stat implements registry.BlobStatHandler.
func (l layouts) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	for _, dir := range l {
		if info, err := os.Stat(filepath.Join(dir, "blobs", h.Algorithm, h.Hex)); err == nil {
			return info.Size(), nil
		}
	}
	return 0, registry.ErrNotFound
}

// serve starts a registry that holds both images, as a process of its own: what
// it needs counts for nobody. Its address is returned, and what ends it.
func (b *bench) serve(dirs [2]string) (host string, stop func() error, err error) {
	cmd := exec.Command(b.self, serveCommand, dirs[0], dirs[1])
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line), func() error { return errors.Join(in.Close(), cmd.Wait()) }, err
}

// writeArchive writes an image as docker save did before version 25: its layers
// as plain tars.
func writeArchive(dir, file string) (err error) {
	img, err := imageOf(dir)
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	put := func(name string, size int64, r io.Reader) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
			return err
		}
		_, err := io.Copy(w, r)
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	if err := put("config.json", int64(len(config)), bytes.NewReader(config)); err != nil {
		return err
	}
	list, err := img.Layers()
	if err != nil {
		return err
	}
	var names []string
	for i, l := range list {
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		if err := putLayer(put, names[i], l); err != nil {
			return err
		}
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{"course:1"},
		"Layers": names}})
	if err != nil {
		return err
	}
	return errors.Join(put("manifest.json", int64(len(manifest)), bytes.NewReader(manifest)), w.Close())
}

// putLayer inflates a layer twice, for its size comes first.
func putLayer(put func(string, int64, io.Reader) error, name string, l v1.Layer) error {
	var size int64
	for pass := range 2 {
		r, err := l.Uncompressed()
		if err != nil {
			return err
		}
		if pass == 0 {
			size, err = io.Copy(io.Discard, r)
		} else {
			err = put(name, size, r)
		}
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// withRecords writes an image as one that other tools made: each entry of its
// layers has PAX records, of times to the nanosecond and of an extended attribute.
func withRecords(from, to string) error {
	img, err := imageOf(from)
	if err != nil {
		return err
	}
	list, err := img.Layers()
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.History, config.RootFS.DiffIDs = nil, nil
	out, err := mutate.ConfigFile(empty.Image, config)
	if err != nil {
		return err
	}
	for _, l := range list {
		r, w := io.Pipe()
		go func() { w.CloseWithError(addRecords(w, l)) }()
		if out, err = mutate.AppendLayers(out,
			stream.NewLayer(r, stream.WithCompressionLevel(gzip.DefaultCompression))); err != nil {
			return err
		}
	}
	p, err := layout.Write(to, empty.Index)
	if err != nil {
		return err
	}
	return p.AppendImage(out)
}

// addRecords writes a layer's tar again, with PAX records in each entry.
func addRecords(to io.Writer, l v1.Layer) (err error) {
	plain, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	r, w := tar.NewReader(plain), tar.NewWriter(to)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return w.Close()
		}
		if err != nil {
			return err
		}
		h.Format, h.ModTime = tar.FormatPAX, h.ModTime.Add(123456789)
		h.PAXRecords = map[string]string{"SCHILY.xattr.user.origin": "bench"}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
	}
}

// topSize is how large a layer of its own is, in bytes.
const topSize = 30 << 20

// topLayer makes a layer with one package, and much that does not shrink.
func topLayer(seed uint64) (v1.Layer, error) {
	random := rand.NewChaCha8([32]byte{byte(seed), 1})
	noise := make([]byte, topSize)
	if _, err := random.Read(noise); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range map[string][]byte{
		"opt/data/noise": noise,
		fmt.Sprintf("opt/env/lib/python3.11/site-packages/own%d-1.0.dist-info/METADATA",
			seed): []byte(fmt.Sprintf("Name: own%d\nVersion: 1.0\n", seed)),
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	})
}

// withTop writes an image with a layer more; its blobs are linked, not copied.
func withTop(from, to string) error { return derive(from, to, 99) }

func derive(from, to string, seed uint64) error {
	img, err := imageOf(from)
	if err != nil {
		return err
	}
	l, err := topLayer(seed)
	if err != nil {
		return err
	}
	if img, err = mutate.AppendLayers(img, l); err != nil {
		return err
	}
	if err := linkBlobs(from, to); err != nil {
		return err
	}
	p, err := layout.Write(to, empty.Index)
	if err != nil {
		return err
	}
	return p.AppendImage(img)
}

func linkBlobs(from, to string) error {
	blobs := filepath.Join("blobs", "sha256")
	if err := os.MkdirAll(filepath.Join(to, blobs), 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(from, blobs))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(from, blobs, e.Name()), filepath.Join(to, blobs, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// carrying are the images with their inventories attached.
func (b *bench) carrying(ctx context.Context, dirs [2]string) (refs [2]string, err error) {
	why := drift.Reason{Manifest: &pins.Manifest{},
		Lock: &pins.Lock{Course: "bench", Base: "sha256:" + strings.Repeat("0", 64),
			Platforms: []string{"linux/amd64"}}}
	for i, dir := range dirs {
		to := filepath.Join(b.work, fmt.Sprint("carrying", i))
		img, err := imageOf(dir)
		if err != nil {
			return refs, err
		}
		if err := linkBlobs(dir, to); err != nil {
			return refs, err
		}
		p, err := layout.Write(to, empty.Index)
		if err != nil {
			return refs, err
		}
		if err := p.AppendImage(img); err != nil {
			return refs, err
		}
		refs[i] = "oci-layout:" + to
		if _, _, err := (images.Reader{}).Attach(ctx, refs[i], why, images.Made{}); err != nil {
			return refs, err
		}
	}
	return refs, nil
}

// fresh makes driftpin know two images, and nothing else.
func (b *bench) fresh(ctx context.Context, home, a, z string) error {
	if err := os.RemoveAll(home); err != nil {
		return err
	}
	_, err := (&bench{runs: 1, work: b.work}).once(ctx,
		subject{name: "warm up", commands: [][]string{{b.drift, "drift", a, z}},
			env: []string{"DRIFTPIN_HOME=" + home}, finds: true})
	return err
}

// family makes n images on image a, with a layer of its own each.
func (b *bench) family(n int) (refs []string, base, own int64, err error) {
	img, err := imageOf(filepath.Join(b.dir, "a"))
	if err != nil {
		return nil, 0, 0, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, 0, 0, err
	}
	for _, l := range manifest.Layers {
		base += l.Size
	}
	for i := range n {
		to := filepath.Join(b.work, fmt.Sprint("family", i))
		if err := derive(filepath.Join(b.dir, "a"), to, uint64(i)); err != nil {
			return nil, 0, 0, err
		}
		refs = append(refs, "oci-layout:"+to)
	}
	return refs, base, topSize, nil
}
