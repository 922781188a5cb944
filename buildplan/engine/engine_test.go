package engine_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/moby/sys/reexec"
)

func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	if to := os.Getenv(bridgeVariable); to != "" {
		os.Exit(bridge(to))
	}
	os.Exit(m.Run())
}

func openEngine(t *testing.T, root string, opts engine.Options) *engine.Engine {
	t.Helper()
	if _, err := engine.Check(t.Context()); err != nil {
		if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	e, err := engine.Embedded(t.Context(), root, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// A root can be opened again once closed, in the same process too.
func TestReopen(t *testing.T) {
	root := t.TempDir()
	for range 3 {
		e := openEngine(t, root, engine.Options{})
		if _, err := e.Client().Info(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitsForTheRoot(t *testing.T) {
	root := t.TempDir()
	openEngine(t, root, engine.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var notice bytes.Buffer
	if _, err := engine.Embedded(ctx, root, engine.Options{Notice: &notice}); err == nil {
		t.Fatal("a second engine opened the same root")
	}
	if !strings.Contains(notice.String(), "waiting") {
		t.Errorf("notice: %q", notice.String())
	}
}

func TestNative(t *testing.T) {
	openEngine(t, t.TempDir(), engine.Options{Native: true})
}

func TestRemoteAbsent(t *testing.T) {
	_, err := engine.Remote(t.Context(), []string{"unix:///nonexistent/buildkitd.sock"}, engine.Options{})
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/buildkitd.sock") {
		t.Errorf("error %v", err)
	}
}
