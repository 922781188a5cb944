package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// TestCaches has engines take results of steps from where another one has put them.
func TestCaches(t *testing.T) {
	t.Parallel()
	newLab(t).caches()
}

// A meter is a registry that counts the bytes of blobs that it gives, and how often
// something is written to it.
type meter struct {
	http.Handler
	given, put atomic.Int64
}

// ServeHTTP implements http.Handler.
func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut || r.Method == http.MethodPost || r.Method == http.MethodPatch {
		m.put.Add(1)
	}
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
		w = &metered{w, &m.given}
	}
	m.Handler.ServeHTTP(w, r)
}

type metered struct {
	http.ResponseWriter
	n *atomic.Int64
}

// Write implements io.Writer.
func (c *metered) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}

// caches: a fresh machine, which has the lock alone, makes no layer that a registry's cache
// or a folder's has; of a bump it makes that of the bumped package.
func (l *lab) caches() {
	m := &meter{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(m)
	l.t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	cache := host + "/cache:{course}"
	for _, place := range []struct{ from, to string }{
		{cache, cache},
		{"type=local,src=" + l.dir + "/cache", "type=local,dest=" + l.dir + "/cache"},
	} {
		l.run("home1", "build", "course", "--output", "oci-layout:image", "--cache-to", place.to)
		before := m.given.Load()
		home := "home-fresh-" + place.from[:4]
		out, said, err := l.output(home, "build", "course", "--output", "oci-layout:cached", "--cache-from", place.from)
		if err != nil || out != l.first || !strings.Contains(said, ", 0 new layers, ") {
			l.t.Errorf("with a cache in %s: %v: %q, not %q\n%s", place.from, err, out, l.first, said)
		}
		l.t.Logf("pulled %d bytes", m.given.Load()-before)
	}
	l.cachedBump(cache)
	l.pushed(m, host)
}

const pushedYAML = `course: pushed
base: oci-layout:../base
pins: {pip: [idna==3.3, tornado==6.2.0, docopt==0.6.2]}
checks: ["true"]
`

// cachedBump: of a bump, a fresh machine with the cache from before makes the layer of the
// bumped package alone.
func (l *lab) cachedBump(cache string) {
	l.write("pushed/pins.yaml", pushedYAML)
	l.run("home1", "lock", "pushed")
	l.run("home1", "build", "pushed", "--output", "oci-layout:pushed-image", "--cache-to", cache)
	l.run("home1", "bump", "pushed", "idna=3.4", "--write")
	_, said, err := l.output("home-bump", "build", "pushed", "--output", "oci-layout:pushed-image", "--cache-from", cache)
	if err != nil || !strings.Contains(said, ", 1 new layer, ") {
		l.t.Errorf("a bump with a cache: %v: %s", err, said)
	}
}

// pushed: what a registry has is not built again; but other checks are run.
func (l *lab) pushed(m *meter, host string) {
	push := []string{"build", "pushed", "--push", host + "/hub/{course}"}
	first := l.run("home1", push...)
	puts := m.put.Load()
	again := func(want, checks string, more ...string) {
		l.t.Helper()
		l.write("pushed/pins.yaml", strings.Replace(strings.Replace(pushedYAML, `["true"]`, checks, 1), "3.3", "3.4", 1))
		out, said, err := l.output("home1", append(push, more...)...)
		if err != nil || !strings.Contains(said, want) || strings.Fields(out)[1] != strings.Fields(first)[1] {
			l.t.Errorf("pushed again: %v: %q, and first %q: %s", err, out, first, said)
		}
	}
	again("is there already", `["true"]`)
	if n := m.put.Load() - puts; n > 0 {
		l.t.Errorf("it wrote %d times to the registry", n)
	}
	again("is there already", `["true", "test -w $HOME"]`)
	if m.put.Load() == puts {
		l.t.Error("that other checks passed is not noted")
	}
	puts = m.put.Load()
	again("is there already", `["true", "test -w $HOME"]`)
	if n := m.put.Load() - puts; n > 0 {
		l.t.Errorf("it wrote %d times to the registry", n)
	}
	again("built in", `["true"]`, "--force")
	l.write("pushed/pins.yaml", strings.Replace(strings.Replace(pushedYAML, `["true"]`, `["false"]`, 1), "3.3", "3.4", 1))
	l.fails(4, "the step failed with exit status 1", push...)
}
