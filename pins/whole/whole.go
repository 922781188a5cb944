// Package whole writes files whole or not at all: a reader sees the old file or
// the new one, whatever happens to the writer. What a writer that was killed
// has left beside a file is removed when the file is written again.
package whole

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/renameio/v2"
)

// A File is being written. It is in its place after Commit, and nowhere after
// Abandon.
type File struct {
	*renameio.PendingFile
	held *os.File // holds the lock until the file is in its place
}

// Create begins to write a file beside its place. A symbolic link stays one:
// what it leads to is written.
func Create(path string, perm fs.FileMode) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := reap(path); err != nil {
		return nil, err
	}
	for {
		pending, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)),
			renameio.WithPermissions(perm), renameio.WithExistingPermissions())
		if err != nil {
			return nil, err
		}
		held, err := os.Open(pending.Name())
		mine := false
		if err == nil {
			mine, err = Hold(held)
		}
		if err == nil && mine {
			return &File{pending, held}, nil
		}
		held.Close() // nil, or ours
		if err := errors.Join(err, pending.Cleanup()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// Restart drops what was written.
func (f *File) Restart() error {
	_, err := f.Seek(0, io.SeekStart)
	return errors.Join(err, f.Truncate(0))
}

// Commit moves the file to its place.
func (f *File) Commit() error {
	return errors.Join(f.CloseAtomicallyReplace(), f.held.Close())
}

// Abandon removes what was written. After Commit it does nothing.
func (f *File) Abandon() {
	f.Cleanup() // what stays is reaped
	f.held.Close()
}

// WriteFile writes a file.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Abandon()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// reap removes what lies beside a file and is nobody's: a writer has a lock.
func reap(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	mine := regexp.MustCompile(`^\.` + regexp.QuoteMeta(filepath.Base(path)) + `[0-9]+$`)
	for _, e := range entries {
		if !mine.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if err := RemoveUnheld(filepath.Join(filepath.Dir(path), e.Name())); err != nil {
			return err
		}
	}
	return nil
}
