package main

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A counter is a registry on loopback that counts the bytes of blobs that are
// uploaded to it.
type counter struct {
	*httptest.Server
	host     string
	base     string // the base's reference, with digest
	baseSize int64
	image    v1.Image // the base
	dir      string   // where the blobs lie
	uploaded atomic.Int64
	lock     sync.RWMutex
	handler  http.Handler
}

// serveRegistry starts a registry that holds the base, which lies in a layout.
func serveRegistry(dir, base string) (*counter, error) {
	index, err := layout.ImageIndexFromPath(base)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	c := &counter{dir: dir}
	if c.image, err = index.Image(manifest.Manifests[0].Digest); err != nil {
		return nil, err
	}
	c.Server = httptest.NewServer(c)
	c.host = strings.TrimPrefix(c.URL, "http://")
	c.base = c.host + "/base:1@" + manifest.Manifests[0].Digest.String()
	if c.baseSize, err = compressed(c.image); err == nil {
		err = c.clear()
	}
	return c, err
}

func compressed(img v1.Image) (size int64, err error) {
	manifest, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	for _, l := range manifest.Layers {
		size += l.Size
	}
	return size, nil
}

// clear empties the registry, but for the base: else a build would not push
// what an earlier one has.
func (c *counter) clear() error {
	c.lock.Lock()
	err := errors.Join(os.RemoveAll(c.dir), os.MkdirAll(c.dir, 0o755))
	c.handler = registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(c.dir)),
		registry.Logger(log.New(io.Discard, "", 0)))
	c.lock.Unlock()
	if err != nil {
		return err
	}
	ref, err := name.ParseReference(c.host + "/base:1")
	if err != nil {
		return err
	}
	return remote.Write(ref, c.image)
}

// ServeHTTP answers as the registry, and counts.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/blobs/uploads/") {
		r.Body = &countingBody{r.Body, &c.uploaded}
	}
	c.lock.RLock()
	handler := c.handler
	c.lock.RUnlock()
	handler.ServeHTTP(w, r)
}

type countingBody struct {
	io.ReadCloser
	total *atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.total.Add(int64(n))
	return n, err
}
