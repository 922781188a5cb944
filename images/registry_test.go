package images_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/driftpin/driftpin/images"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A moody registry answers as it is told to, and counts.
type moody struct {
	inner http.Handler
	mu    sync.Mutex
	seen  []string // method and path of each request
	mood  func(w http.ResponseWriter, r *http.Request, n int) bool
}

// ServeHTTP implements http.Handler. A mood that returns true has answered.
func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.seen = append(m.seen, r.Method+" "+r.URL.Path)
	n := 0
	for _, s := range m.seen {
		if s == r.Method+" "+r.URL.Path {
			n++
		}
	}
	mood := m.mood
	m.mu.Unlock()
	if mood == nil || !mood(w, r, n) {
		m.inner.ServeHTTP(w, r)
	}
}

// blobs counts the blobs of at least some size that were asked for.
func (m *moody) blobs(prefix string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.seen {
		if strings.Contains(s, prefix) {
			n++
		}
	}
	return n
}

// cut ends each answer to a request for a blob after some bytes.
func (m *moody) cut(w http.ResponseWriter, r *http.Request, _ int) bool {
	const some = 20_000
	rec := httptest.NewRecorder()
	m.inner.ServeHTTP(rec, r)
	if !strings.Contains(r.URL.Path, "/blobs/") || rec.Body.Len() <= some {
		return false
	}
	w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:some])
	panic(http.ErrAbortHandler)
}

// pushed starts a registry with an image.
func pushed(t *testing.T, img v1.Image) (*moody, string) {
	t.Helper()
	m := &moody{inner: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	ref := strings.TrimPrefix(server.URL, "http://") + "/hub/course:1"
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(parsed, img); err != nil {
		t.Fatal(err)
	}
	m.seen = nil
	return m, ref
}

func read(t *testing.T, ref string) ([]images.Package, error) {
	t.Helper()
	img, err := images.Open(t.Context(), ref, images.Options{Silence: 300 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	defer img.Close()
	return img.Inventory(t.Context())
}

// filler makes a layer of some size that does not shrink.
func filler() node {
	var b strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&b, "%d ", i*i*7919)
	}
	return node{"filler", b.String()}
}

// A registry that is busy, silent, or cuts every transfer is read all the same.
func TestRegistryFaults(t *testing.T) {
	img := image(t, []node{filler(), dist("a", "1")})
	blob := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/") }
	for what, mood := range map[string]func(w http.ResponseWriter, r *http.Request, n int) bool{
		"429 with Retry-After": func(w http.ResponseWriter, r *http.Request, n int) bool {
			w.Header().Set("Retry-After", "1")
			if n == 1 && blob(r) {
				w.WriteHeader(http.StatusTooManyRequests)
			}
			return n == 1 && blob(r)
		},
		"503": func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n <= 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return n <= 2
		},
		"cut": nil,
		"silent": func(_ http.ResponseWriter, r *http.Request, n int) bool {
			if blob(r) && n == 1 {
				<-r.Context().Done()
			}
			return blob(r) && n == 1
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m, ref := pushed(t, img)
			if m.mood = mood; what == "cut" {
				m.mood = m.cut
			}
			packages, err := read(t, ref)
			if err != nil || len(packages) != 1 {
				t.Errorf("read %v, %v", packages, err)
			}
		})
	}
}

// What a registry refuses is said, with what to do.
func TestRegistryRefusals(t *testing.T) {
	img := image(t, []node{dist("a", "1")})
	for status, want := range map[int]string{
		http.StatusUnauthorized: "docker login", http.StatusForbidden: "docker login",
		http.StatusNotFound:        "no such image",
		http.StatusTooManyRequests: "try again",
	} {
		m, ref := pushed(t, img)
		m.mood = func(w http.ResponseWriter, r *http.Request, _ int) bool {
			refuse := strings.Contains(r.URL.Path, "/manifests/")
			if refuse {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(status)
			}
			return refuse
		}
		if packages, err := read(t, ref); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), ref) {
			t.Errorf("%d: got %v, %v; want …%s…", status, packages, err, want)
		}
	}
}

// A registry that sends other bytes than those asked for is not believed.
func TestRegistryLies(t *testing.T) {
	m, ref := pushed(t, image(t, []node{dist("a", "1")}))
	m.mood = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			_, _ = w.Write(tarOf(t, []node{dist("a", "2")}))
			return true
		}
		return false
	}
	if packages, err := read(t, ref); err == nil {
		t.Errorf("read as %v", packages)
	}
}

// Images of the same layers are compared without any of them; so are images
// that carry their inventory.
func TestNoLayerIsFetched(t *testing.T) {
	a := image(t, []node{filler(), dist("a", "1")})
	m, ref := pushed(t, a)
	parsed, err := name.ParseReference(strings.Replace(ref, ":1", ":2", 1))
	if err != nil {
		t.Fatal(err)
	}
	labelled := withLabel(t, a, "x", "y")
	if err := remote.Write(parsed, labelled); err != nil {
		t.Fatal(err)
	}
	layers, err := a.Layers()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	m.seen = nil
	opened := []*images.Image{}
	for _, r := range []string{ref, parsed.String()} {
		img, err := images.Open(t.Context(), r, images.Options{})
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, img)
	}
	d, err := images.Reader{}.Drift(t.Context(), opened[0], opened[1])
	if err != nil || len(d.Packages) != 0 || len(d.Config) != 1 {
		t.Errorf("drift %+v, %v", d, err)
	}
	if n := m.blobs(layer.String()); n != 0 || len(m.seen) > 8 {
		t.Errorf("the layer was fetched %d times, in %d requests: %v", n, len(m.seen), m.seen)
	}
}
