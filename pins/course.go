package pins

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ReadCourse reads the course in a folder: its pins.yaml with all that it
// includes, or, where there is none, the files that repo2docker would build
// from. The manifest holds all that could be read; what is wrong is in its
// Findings, of which the fatal ones are also the error. Files are named
// relative to the folder that the caller named, as dir/file.
func ReadCourse(dir string) (*Manifest, error) { return ReadEdited(dir, nil) }

// ReadEdited is ReadCourse with other contents of some files, by the names that
// positions give them.
func ReadEdited(dir string, edited map[string][]byte) (*Manifest, error) {
	m := &Manifest{Dir: dir, Platforms: []string{"linux/amd64"}}
	c := course{m: m, reading: map[string]bool{}, edited: edited}
	data, err := c.load(ManifestName)
	switch {
	case err == nil:
		m.parse(c.name(ManifestName), data)
		for _, inc := range m.includes {
			c.include(inc.Value, inc.At)
		}
		c.extend(m, ManifestName)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		if err := c.repo2docker(); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	if m.Course == "" {
		m.Course = defaultName(dir)
	}
	c.ghosts()
	m.lint()
	m.Findings.sort()
	return m, m.Findings.Err()
}

// IsCourse reports whether a folder has a file that makes it a course.
func IsCourse(dir string) bool {
	names := append(slices.Concat(pinFiles...), ManifestName, "apt.txt", "binder", ".binder")
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	})
}

// A course is a folder being read.
type course struct {
	m       *Manifest
	reading map[string]bool // the files open now, to find include loops
	read    []string        // all files read
	alone   bool            // includes are not followed
	edited  map[string][]byte
}

// name is what findings call a file of the course.
func (c *course) name(file string) string { return filepath.ToSlash(filepath.Join(c.m.Dir, file)) }

// load reads a file of the course and keeps it among the sources.
func (c *course) load(file string) ([]byte, error) {
	full := filepath.Join(c.m.Dir, file)
	info, err := os.Stat(full)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", c.name(file))
	}
	if info.Size() > maxFileSize && file != ManifestName {
		return nil, fmt.Errorf("%s:1: %d bytes: a file of pins has at most %d", c.name(file), info.Size(), maxFileSize)
	}
	data, err := os.ReadFile(full)
	if err != nil {
		return nil, err
	}
	if other, ok := c.edited[c.name(file)]; ok {
		data = other
	}
	c.read = append(c.read, file)
	c.m.Sources = append(c.m.Sources, Source{c.name(file), data})
	return data, nil
}

// include reads one file that another names at a place; file is relative to
// the course's folder.
func (c *course) include(file string, from Position) {
	if c.alone {
		return
	}
	file = path.Clean(filepath.ToSlash(file))
	if file == "." || path.IsAbs(file) {
		c.m.Findings.fatal(from, "include", "include %q: name a file relative to the course's folder", file)
		return
	}
	if c.reading[file] {
		c.m.Findings.fatal(from, "include-loop", "include %q: it includes itself, by way of %s", file, c.name(file))
		return
	}
	if slices.Contains(c.read, file) {
		return
	}
	parse := c.parser(file)
	if parse == nil {
		c.m.Findings.fatal(from, "unsupported", "include %q: driftpin can't read this kind of file yet: environment.yml, pixi.toml, requirements.txt, runtime.txt and apt.txt it can", file)
		return
	}
	data, err := c.load(file)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = fmt.Errorf("%s: %w", c.name(file), pe.Err)
		}
		c.m.Findings.fatal(from, "include", "include %q: %v", file, err)
		return
	}
	c.reading[file] = true
	parse(file, data)
	delete(c.reading, file)
}

// parser returns what reads a file of this name, or nil.
func (c *course) parser(file string) func(file string, data []byte) {
	base := path.Base(file)
	switch {
	case base == "apt.txt":
		return c.aptTxt
	case base == "runtime.txt":
		return c.runtimeTxt
	case base == "pixi.toml":
		return c.pixiToml
	case strings.HasSuffix(base, ".yml") || strings.HasSuffix(base, ".yaml"):
		return c.environmentYML
	case strings.HasSuffix(base, ".txt"):
		return c.requirementsTxt
	}
	return nil
}

// unread are the files by which repo2docker builds and that driftpin can't
// read yet, in repo2docker's order of precedence.
var unread = []string{"Dockerfile", "Project.toml", "REQUIRE", "default.nix",
	"install.R", "DESCRIPTION", "Pipfile", "Pipfile.lock", "setup.py", "pyproject.toml", "postBuild", "start"}

// repo2docker reads the files that repo2docker would build from. Those that
// can't be read yet are findings, never skipped.
func (c *course) repo2docker() error {
	dir, err := os.Stat(c.m.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such folder: name a course's folder, one with pins.yaml or requirements.txt", c.m.Dir)
	case err != nil:
		return err
	case !dir.IsDir():
		return fmt.Errorf("%s: not a folder: name the folder that holds the course's files", c.m.Dir)
	}
	root := ""
	for _, sub := range []string{"binder", ".binder"} {
		if info, err := os.Stat(filepath.Join(c.m.Dir, sub)); err == nil && info.IsDir() {
			root = sub
			break
		}
	}
	found := false
	for _, file := range unread {
		file = path.Join(root, file)
		if _, err := os.Stat(filepath.Join(c.m.Dir, file)); err == nil {
			found = true
			c.read = append(c.read, file)
			c.m.Findings.fatal(Position{File: c.name(file), Line: 1}, "unsupported",
				"repo2docker would build from this file, and driftpin can't read it yet: environment.yml, pixi.toml, requirements.txt, runtime.txt and apt.txt it can; a pins.yaml would name what is to be read")
		}
	}
	for _, file := range c.buildFiles(root) {
		found = true
		c.include(file, Position{File: c.name(file)})
	}
	if !found {
		return fmt.Errorf("%s: not a course: it holds neither %s nor a file that repo2docker would build from (environment.yml, requirements.txt, apt.txt, …)", c.m.Dir, ManifestName)
	}
	return nil
}

// pinFiles are the names of files with pins, from what wins to what loses; those
// side by side are the same.
var pinFiles = [][]string{{"environment.yml", "environment.yaml"}, {"pixi.toml"}, {"requirements.txt"}, {"runtime.txt"}}

// buildFiles are the files with pins that repo2docker would read: an
// environment file wins over pixi.toml (which driftpin reads, if repo2docker does
// not), and that over requirements.txt and runtime.txt.
func (c *course) buildFiles(root string) (files []string) {
	for _, choice := range pinFiles {
		for _, name := range choice {
			if file := path.Join(root, name); c.exists(file) {
				files = append(files, file)
				break
			}
		}
		if len(files) > 0 && choice[0] != "requirements.txt" {
			break
		}
	}
	if file := path.Join(root, "apt.txt"); c.exists(file) {
		files = append(files, file)
	}
	return files
}

func (c *course) exists(file string) bool {
	_, err := os.Stat(filepath.Join(c.m.Dir, file))
	return err == nil
}

// ghosts warns of pin files that lie in the folder and that nobody reads.
func (c *course) ghosts() {
	entries, err := os.ReadDir(c.m.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		looksLikePins := name == "apt.txt" || strings.HasSuffix(name, "requirements.txt") || name == "environment.yml"
		if looksLikePins && !slices.Contains(c.read, name) {
			c.m.Findings.warn(Position{File: c.name(name)}, "ghost", "nothing includes this file, so its pins have no effect: include it or delete it")
		}
	}
}

// defaultName is the folder's name as a course's name.
func defaultName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	name := strings.ToLower(filepath.Base(dir))
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, name)
	if name = strings.Trim(name, "-._"); name == "" {
		return "course"
	}
	return name
}

// Reads reports whether a file of this name, in a course's folder, is one that
// pins are read from.
func Reads(file string) bool {
	switch file {
	case ManifestName, "apt.txt", "runtime.txt", "environment.yml", "environment.yaml", "pixi.toml":
		return true
	}
	return strings.HasSuffix(file, "requirements.txt")
}

// ReadAlone returns what one file asks for, without what it includes; what
// can't be read in it is passed over. The file need not exist: data is its
// content.
func ReadAlone(file string, data []byte) []Request {
	m := &Manifest{}
	if path.Base(file) == ManifestName {
		m.parse(file, data)
		return m.Requests
	}
	c := course{m: m, alone: true}
	if parse := c.parser(file); parse != nil {
		parse(file, data)
	}
	return m.Requests
}
