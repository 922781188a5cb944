package whole

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pins.lock")
	left := filepath.Join(dir, ".pins.lock123456")
	for _, other := range []string{left, filepath.Join(dir, ".pins.lock.swp"), filepath.Join(dir, ".pins.lock123x")} {
		if err := os.WriteFile(other, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pending, err := Create(file, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer pending.Abandon()
	if _, err := pending.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(file, []byte("whole\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what was left is left")
	}
	if _, err := os.Stat(pending.Name()); err != nil {
		t.Error("another writer's file was removed")
	}
	pending.Abandon()
	data, err := os.ReadFile(file)
	if err != nil || string(data) != "whole\n" {
		t.Errorf("got %q, %v", data, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestNowhere(t *testing.T) {
	if err := WriteFile(filepath.Join(t.TempDir(), "none", "x"), nil, 0o644); err == nil {
		t.Error("a file was written into no folder")
	}
}

// Many writers of one file: it is always one of theirs, whole.
func TestManyWriters(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for range 300 {
				if err := WriteFile(file, bytes.Repeat([]byte{'a' + byte(i)}, 100), 0o644); err != nil {
					t.Error(err)
					return
				}
				if data, err := os.ReadFile(file); err != nil || len(data) != 100 ||
					bytes.Count(data, data[:1]) != 100 {
					t.Errorf("%q, %v", data, err)
					return
				}
			}
		})
	}
	group.Wait()
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, nil, 0o644), os.Symlink("target", link), WriteFile(link, []byte("x"),
		0o644)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link has become %v, %v", info.Mode(), err)
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != "x" {
		t.Errorf("the target holds %q, %v", data, err)
	}
}
