package whole

import (
	"os"
	"path/filepath"
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
