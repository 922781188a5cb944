package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// All files of a change are written, or none.
func TestChange(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "sub", "two")
	set := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Dir(two), 0o755); err != nil {
		t.Fatal(err)
	}
	set(one, "a")
	set(two, "b")
	var c change
	c.file(one, []byte("a"), []byte("A"))
	c.file(two, []byte("b"), []byte("B"))
	c.file(two, []byte("x"), []byte("X")) // it is already pinned
	if len(c) != 2 {
		t.Errorf("%d files", len(c))
	}
	expect := func(a, b string) {
		t.Helper()
		for name, want := range map[string]string{one: a, two: b} {
			if got, err := os.ReadFile(name); err != nil || string(got) != want {
				t.Errorf("%s holds %q (%v), not %q", name, got, err, want)
			}
		}
		if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	set(two, "somebody's")
	if err := c.write(); err == nil || !strings.Contains(err.Error(), "sub/two was changed while driftpin ran") {
		t.Errorf("got %v", err)
	}
	expect("a", "somebody's")
	set(two, "b")
	if err := c.write(); err != nil {
		t.Error(err)
	}
	expect("A", "B")
}
