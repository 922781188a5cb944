package engine

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An engine that is closed before it is time does not sweep, and does not look
// as if it had.
func TestNoSweep(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "swept")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(mark, before, before); err != nil {
		t.Fatal(err)
	}
	closing := make(chan struct{})
	close(closing)
	s := &sweeper{Worker: nil, opened: time.Now(), mark: mark, closing: closing} // to sweep would panic
	if err := s.Prune(t.Context(), nil); err != nil {
		t.Error(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	s.closing = nil
	if err := s.Prune(stopped, nil); err == nil {
		t.Error("a sweep that was called off ended well")
	}
	if info, err := os.Stat(mark); err != nil || !info.ModTime().Equal(before) {
		t.Errorf("the mark is of %v, %v", info.ModTime(), err)
	}
}
