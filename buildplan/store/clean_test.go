package store_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/driftpin/driftpin/buildplan/store"
)

// Only what nobody wants, was fetched long ago and can be fetched again is removed.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	blobs, addresses := filepath.Join(dir, "files", "blobs", "sha256"), filepath.Join(dir, "addresses")
	if done, err := store.Clean(dir, store.Cleaning{}); err != nil || done.Files != 0 {
		t.Errorf("without a store: %+v, %v", done, err)
	}
	for _, d := range []string{blobs, addresses} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, address string, age time.Duration) {
		file := filepath.Join(blobs, name)
		if err := os.WriteFile(file, []byte("1234"), 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
		if address == "" {
			return
		}
		if err := os.WriteFile(filepath.Join(addresses, name), []byte(address), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("wanted", "https://index.example/a", 48*time.Hour)
	write("young", "https://index.example/b", time.Hour)
	write("git", "git+https://git.example/c", 48*time.Hour)
	write("nowhere", "", 48*time.Hour)
	write("old", "https://index.example/d", 48*time.Hour)
	c := store.Cleaning{Keep: 24 * time.Hour, Wanted: func(sha256 string) bool { return sha256 == "wanted" }, Dry: true}
	want := store.Cleaned{Files: 5, Bytes: 20, Freed: 4}
	for _, dry := range []bool{true, false} {
		c.Dry = dry
		if done, err := store.Clean(dir, c); err != nil || done != want {
			t.Errorf("dry %v: %+v, %v", dry, done, err)
		}
		if _, err := os.Stat(filepath.Join(blobs, "old")); os.IsNotExist(err) == dry {
			t.Errorf("dry %v: %v", dry, err)
		}
	}
	if left, err := os.ReadDir(blobs); err != nil || len(left) != 4 {
		t.Errorf("%d files are left: %v", len(left), err)
	}
	if done, err := store.Clean(dir, store.Cleaning{}); err != nil || done.Freed != 0 {
		t.Errorf("where all is wanted: %+v, %v", done, err)
	}
}
