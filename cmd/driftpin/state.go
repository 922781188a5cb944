package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/buildplan/engine"
	"golang.org/x/sys/unix"
)

// stateDir is where driftpin keeps its state: $DRIFTPIN_HOME, or a folder in the
// user's cache folder.
func stateDir() (string, error) {
	if dir := os.Getenv("DRIFTPIN_HOME"); dir != "" {
		return filepath.Abs(dir)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for driftpin's state: set DRIFTPIN_HOME: %w", err)
	}
	return filepath.Join(cache, "driftpin"), nil
}

// writable creates a folder where there is none, and says why it can't be
// written to.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

// hint says what to do about an error that comes from deep below. A full disk is
// known by its text alone: what an engine reports came as a message.
func hint(err error) string {
	dir, homeErr := stateDir()
	var file *fs.PathError
	if errors.As(err, &file) && file.Path == "/dev/stdout" {
		return ""
	}
	if homeErr != nil || !strings.Contains(err.Error(), unix.ENOSPC.Error()) {
		return ""
	}
	return fmt.Sprintf("\nA disk is full. driftpin keeps its state in %s (%s there): free some space, or set "+
		"DRIFTPIN_HOME to a larger disk.", dir, engine.FreeSpace(dir))
}
