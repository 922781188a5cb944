package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Cleaning says which files of a store are to be removed: those that Wanted does not want, that were
// fetched before the time Keep, and whose address is known, so that they can be asked for again.
type Cleaning struct {
	Wanted func(sha256 string) bool // nil wants all
	Keep   time.Duration
	Dry    bool // nothing is removed
}

// A Cleaned is what a store has, and what was removed of it, or would be.
type Cleaned struct {
	Files        int
	Bytes, Freed int64
}

// Clean removes files from the store in dir, which need not be there. Archives of git's stay: no lock
// names them.
func Clean(dir string, c Cleaning) (out Cleaned, err error) {
	s := &Store{dir: dir}
	entries, err := os.ReadDir(s.blobs())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() { // one that goes, or is being written
			continue
		}
		out.Files, out.Bytes = out.Files+1, out.Bytes+info.Size()
		sum := entry.Name()
		if c.Wanted == nil || c.Wanted(sum) || !s.replaceable(sum) || time.Since(info.ModTime()) < c.Keep {
			continue
		}
		if !c.Dry {
			if err := os.Remove(filepath.Join(s.blobs(), sum)); err != nil {
				return out, err
			}
		}
		out.Freed += info.Size()
	}
	return out, nil
}

// replaceable reports whether a file was found at an address, where it may still be.
func (s *Store) replaceable(sha256 string) bool {
	address, err := os.ReadFile(filepath.Join(s.addresses(), sha256))
	return err == nil && !strings.HasPrefix(string(address), "git+")
}
