package pins

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// PixiLockName is the lock of pixi's, beside its pixi.toml.
const PixiLockName = "pixi.lock"

// A pixiLock is a pixi.lock of format 4 or newer (pixi's documentation, "The pixi.lock
// file"; its crate rattler_lock), as far as it matters here.
type pixiLock struct {
	Version      int
	Environments map[string]struct {
		Packages map[string][]struct{ Conda, Pypi string } // addresses, by platforms
	}
	Packages []pixiLocked
}

// A pixiLocked is a package of a pixi.lock: up to format 5 its kind is told apart from
// its address.
type pixiLocked struct {
	Kind, URL, Conda, Pypi, Name, SHA256 string
	Version                              yaml.Node // as it is written: YAML takes 1.10 for a number
}

// ParsePixiLock returns the packages that a pixi.lock has for an environment on a
// platform, such as linux/amd64: as versions that a solver can prefer, and not as files
// that could be installed. Packages from git and from folders are left out.
func ParsePixiLock(data []byte, environment, platform string) (all []Artifact, err error) {
	var lock pixiLock
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&lock); err != nil {
		return nil, fmt.Errorf("not valid YAML: %w", err)
	}
	if lock.Version < 4 {
		return nil, fmt.Errorf("its format is %d, and driftpin reads 4 and newer", lock.Version)
	}
	known := map[string]pixiLocked{}
	for _, p := range lock.Packages {
		switch {
		case p.Conda != "":
			p.Kind, p.URL = "conda", p.Conda
		case p.Pypi != "":
			p.Kind, p.URL = "pypi", p.Pypi
		}
		known[p.URL] = p
	}
	for _, entry := range lock.Environments[environment].Packages[condaSubdirs[platform]] {
		var a Artifact
		ok := false
		if entry.Conda != "" {
			a, ok = known[entry.Conda].conda(entry.Conda)
		} else {
			a, ok = known[entry.Pypi].pypi()
		}
		if ok {
			a.Platform, a.Use = platform, Install
			all = append(all, a)
		}
	}
	return all, nil
}

// conda is a package of conda's, by its file's name: NAME-VERSION-BUILD (CEP 26).
func (p pixiLocked) conda(address string) (a Artifact, ok bool) {
	u, err := url.Parse(address)
	if err != nil {
		return a, false
	}
	file := path.Base(u.Path)
	stem := strings.TrimSuffix(strings.TrimSuffix(file, ".conda"), ".tar.bz2")
	parts := strings.Split(stem, "-")
	if n := len(parts); stem != file && n >= 3 && !slices.Contains(parts, "") {
		a.Pin = New(Conda, strings.Join(parts[:n-2], "-"), parts[n-2])
		a.Build, a.SHA256, a.File = parts[n-1], p.SHA256, file
		return a, true
	}
	return a, false
}

// pypi is a package of PyPI's.
func (p pixiLocked) pypi() (a Artifact, ok bool) {
	if p.Version.Value == "" || p.Name == "" || p.SHA256 == "" {
		return a, false
	}
	a.Pin, a.SHA256 = New(Pip, p.Name, p.Version.Value), p.SHA256
	return a, true
}

// maxPixiLock is how long a pixi.lock may be, in bytes.
const maxPixiLock = 64 << 20

// PixiLocked is what the pixi.lock beside a course's pixi.toml has, for the environment
// that the course is read as; nil if there is none. file names it.
func (m *Manifest) PixiLocked() (file string, all []Artifact, err error) {
	if file = m.pixiLock; file == "" {
		return "", nil, nil
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return file, nil, err
	case !info.Mode().IsRegular() || info.Size() > maxPixiLock:
		return file, nil, fmt.Errorf("%s: it is not a file of at most %d bytes", file, maxPixiLock)
	}
	data, err := os.ReadFile(file)
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return file, nil, err
	}
	if all, err = ParsePixiLock(data, m.environment(), m.Platforms[0]); err != nil {
		err = fmt.Errorf("%s: %w: let pixi write it anew, or delete it", file, err)
	}
	return file, all, err
}
