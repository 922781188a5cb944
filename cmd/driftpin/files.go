package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
)

// A change is new contents of files, which go together.
type change []changedFile

// A changedFile is one of a change's files: as it was read, and as it will be.
type changedFile struct {
	name     string
	was, now []byte
}

// file adds a file, once.
func (c *change) file(name string, was, now []byte) {
	if !slices.ContainsFunc(*c, func(f changedFile) bool { return f.name == name }) {
		*c = append(*c, changedFile{name, was, now})
	}
}

// write writes all files, or none: what somebody has changed since it was read
// is an error, all are written beside their places before the first comes there,
// and if one can't come there those before it go back to what they were.
func (c change) write() error {
	// Locks last: a lock that is older than its manifest is stale, and says so.
	slices.SortStableFunc(c, func(a, b changedFile) int { return isLock(a.name) - isLock(b.name) })
	var files []*whole.File
	for _, f := range c {
		file, err := whole.Create(f.name, 0o644)
		if err != nil {
			return err
		}
		defer file.Abandon()
		if _, err := file.Write(f.now); err != nil {
			return err
		}
		files = append(files, file)
	}
	for _, f := range c {
		if data, err := os.ReadFile(f.name); err != nil || !bytes.Equal(data, f.was) {
			return errors.Join(fmt.Errorf("%s was changed while driftpin ran: nothing was written; run the command "+
				"again", f.name), err)
		}
	}
	for i, file := range files {
		if err := file.Commit(); err != nil {
			for _, f := range c[:i] {
				err = errors.Join(err, whole.WriteFile(f.name, f.was, 0o644))
			}
			return err
		}
	}
	return nil
}

// isLock is 1 for a lock's name, and 0 for others.
func isLock(name string) int {
	if filepath.Base(name) == pins.LockName {
		return 1
	}
	return 0
}
