package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// TestRegistry pushes to registries that fail, and to one that asks who pushes.
func TestRegistry(t *testing.T) {
	t.Parallel()
	newLab(t).registries()
}

// A moody registry wants a password, and fails the first time that each thing is written.
type moody struct {
	http.Handler
	password string
	fault    func(http.ResponseWriter, *http.Request)
	always   string // what is in the path of requests that always fail

	mu     sync.Mutex
	failed map[string]bool
	faults int
}

// ServeHTTP implements http.Handler.
func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, password, _ := r.BasicAuth(); password != m.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="moody"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	m.mu.Lock()
	key := fmt.Sprint(r.Method, r.URL.Query().Get("digest"), r.ContentLength)
	if !strings.Contains(r.URL.Path, "/uploads/") { // those have a name of their own each time
		key += r.URL.Path
	}
	fails := m.fault != nil && r.Method != http.MethodGet && r.Method != http.MethodHead && !m.failed[key]
	m.failed[key] = true
	fails = fails || m.always != "" && strings.Contains(r.URL.Path, m.always) && r.Method == http.MethodPut
	if fails {
		m.faults++
	}
	m.mu.Unlock()
	if fails {
		m.fault(w, r)
		return
	}
	m.Handler.ServeHTTP(w, r)
}

func status429(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusTooManyRequests)
}

func status503(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }

// cut reads a part of what is sent, and hangs up.
func cut(w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, 1000)
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// registries: a push ends well though each thing fails once, or says what is missing; and
// nothing tells the password.
func (l *lab) registries() {
	const password = "moody-password"
	var said strings.Builder
	run := func(m *moody, repository string) error {
		m.Handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
		m.password, m.failed = password, map[string]bool{}
		server := httptest.NewServer(m)
		defer server.Close()
		host := strings.TrimPrefix(server.URL, "http://")
		login := base64.StdEncoding.EncodeToString([]byte("somebody:" + password))
		l.write("docker-config/config.json", `{"auths": {"`+host+`": {"auth": "`+login+`"}}}`)
		with := l.with("DOCKER_CONFIG=" + filepath.Join(l.dir, "docker-config"))
		stdout, stderr, err := with.output("home1", "build", "course", "--push", host+"/"+repository, "--progress", "plain")
		said.WriteString(stdout + stderr)
		if err == nil {
			tag := strings.Fields(stdout)[1]
			stdout, stderr, err = with.output("home1", "verify", "course", host+"/"+repository+":"+tag)
			said.WriteString(stdout + stderr)
		}
		return err
	}
	faults := map[string]func(http.ResponseWriter, *http.Request){"429": status429, "503": status503, "cut": cut}
	for name, fault := range faults {
		m := &moody{fault: fault}
		if err := run(m, "hub/"+name); err != nil {
			l.t.Errorf("%s: %v", name, err)
		}
		if m.faults < 10 {
			l.t.Errorf("%s: only %d requests failed", name, m.faults)
		}
	}
	var f *failure
	err := run(&moody{fault: status503, always: "/manifests/"}, "hub/gone")
	if !errors.As(err, &f) || !strings.Contains(f.stderr, "503 Service Unavailable") ||
		!strings.Contains(f.stderr, "hub/gone:") {
		l.t.Errorf("a registry that takes no manifest: %v", err)
	}
	l.keepsSecret(said.String(), password)
}

// keepsSecret: a password is neither in what was said nor in what a home keeps.
func (l *lab) keepsSecret(said, password string) {
	for _, form := range []string{password, base64.StdEncoding.EncodeToString([]byte("somebody:" + password))} {
		if strings.Contains(said, form) {
			l.t.Errorf("the password is told:\n%s", said)
		}
		out, _ := exec.Command("grep", "-rlaF", "--", form, filepath.Join(l.dir, "home1")).Output() // 1: nowhere
		if len(out) > 0 {
			l.t.Errorf("the password is in %s", out)
		}
	}
}
