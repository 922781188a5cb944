// Package pylock reads and writes pylock.toml, the lock file of Python's packages
// (PEP 751), as far as driftpin and its installers use it.
package pylock

import (
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// A Lock is a pylock.toml.
type Lock struct {
	Version   string    `toml:"lock-version"`
	CreatedBy string    `toml:"created-by"`
	Packages  []Package `toml:"packages"`
}

// A Package is one of its packages, with what it can be installed from.
type Package struct {
	Name    string `toml:"name"`
	Version string `toml:"version,omitempty"` // empty for one of a version control system
	VCS     *VCS   `toml:"vcs,omitempty"`
	Archive *File  `toml:"archive,omitempty"`
	Sdist   *File  `toml:"sdist,omitempty"`
	Wheels  []File `toml:"wheels,omitempty"`
}

// A VCS is a commit of a repository.
type VCS struct {
	Type         string `toml:"type"`
	URL          string `toml:"url"`
	Commit       string `toml:"commit-id"`
	Subdirectory string `toml:"subdirectory,omitempty"`
}

// A File is a wheel, a source distribution or another archive.
type File struct {
	Name   string            `toml:"name,omitempty"`
	Upload *time.Time        `toml:"upload-time,omitempty"`
	URL    string            `toml:"url,omitempty"`
	Path   string            `toml:"path,omitempty"`
	Size   int64             `toml:"size,omitempty"` // bytes
	Hashes map[string]string `toml:"hashes"`         // in hex, by algorithm
}

// Parse reads a pylock.toml.
func Parse(data []byte) (*Lock, error) {
	var l Lock
	if err := toml.Unmarshal(data, &l); err != nil {
		return nil, fmt.Errorf("pylock.toml: %w", err)
	}
	return &l, nil
}

// Write writes a lock of packages.
func Write(w io.Writer, packages []Package) error {
	return toml.NewEncoder(w).Encode(Lock{Version: "1.0", CreatedBy: "driftpin", Packages: packages})
}

// FileName is a file's name: the last part of where it lies, unless it is told.
func (f File) FileName() string {
	if f.Name != "" {
		return f.Name
	}
	address, _, _ := strings.Cut(f.URL+f.Path, "#")
	address, _, _ = strings.Cut(address, "?")
	name := path.Base(address)
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
}

// SHA256 is a file's, in hex; empty if it is not told.
func (f File) SHA256() string { return f.Hashes["sha256"] }

// Uploaded is when a file came to its index; zero if it is not told.
func (f File) Uploaded() time.Time {
	if f.Upload == nil {
		return time.Time{}
	}
	return *f.Upload
}

// Files are the wheels and source distributions that a lock lists with a sha256.
func (l *Lock) Files() []File {
	var all []File
	for _, p := range l.Packages {
		all = append(all, p.Wheels...)
		if p.Sdist != nil {
			all = append(all, *p.Sdist)
		}
	}
	return slices.DeleteFunc(all, func(f File) bool { return f.SHA256() == "" })
}
