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
func ReadCourse(dir string) (*Manifest, error) { return ReadCourseWith(dir, ReadOptions{}) }

// ReadOptions steer ReadCourseWith; the zero value is ReadCourse's.
type ReadOptions struct {
	Edited  map[string][]byte // other contents of some files, by the names that positions give them
	Outside bool              // files are read wherever they lie; else only within the course's repository
	// Environment is the one of a pixi.toml that is read, unless the manifest says; empty: default.
	Environment string
	RepoDir     string // where the folder lies in the image, unless the manifest says; empty: as repo2docker does
}

// ReadCourseWith is ReadCourse with options.
func ReadCourseWith(dir string, o ReadOptions) (*Manifest, error) {
	m := &Manifest{Dir: dir, Platforms: []string{DefaultPlatform}, Edited: o.Edited, Environment: Text{Value: o.Environment}}
	c := course{m: m, reading: map[string]bool{}, edited: o.Edited}
	if !o.Outside {
		c.bounds = boundsOf(dir)
	}
	data, err := c.load(ManifestName)
	switch {
	case err == nil:
		m.parse(c.name(ManifestName), data)
		for _, inc := range m.includes {
			c.include(inc.Value, inc.At)
		}
		c.programs()
		c.extend(m, ManifestName)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		if err := c.repo2docker(); err != nil {
			return nil, err
		}
	case errors.As(err, new(Findings)):
		c.failed(Position{File: c.name(ManifestName)}, "", err)
	default:
		return nil, err
	}
	if m.Course == "" {
		m.Course = CourseName(dir)
	}
	if r, ok := m.baseRequest(); ok {
		m.Listed = append(m.Listed, r)
	}
	readsPixi := slices.ContainsFunc(m.Sources, func(s Source) bool { return path.Base(s.Name) == "pixi.toml" })
	if at := m.Environment.At; at.File != "" && !readsPixi {
		m.Findings.fatal(at, "environment", "pixi-environment has no effect: no pixi.toml is included")
	}
	c.checkPlaces()
	c.ghosts()
	if err := m.defaults(o); err != nil {
		return m, err
	}
	c.notebooks()
	c.copied()
	m.lint()
	m.Findings.Sort()
	return m, m.Findings.Err()
}

// defaults has what the manifest does not say of the options, or of the workspace.
func (m *Manifest) defaults(o ReadOptions) (err error) {
	if o.RepoDir != "" && m.RepoDir.Value == "" {
		if why := unfitRepoDir(o.RepoDir); why != "" {
			return fmt.Errorf("--repo-dir: %s", why)
		}
		m.RepoDir.Value = o.RepoDir
	}
	var found Findings
	if m.Workspace, err = FindWorkspace(m.Dir); errors.As(err, &found) {
		m.Findings, err = append(m.Findings, found...), nil
	}
	if err != nil || m.Workspace == nil {
		return err
	}
	if m.RepoDir.Value == "" {
		m.RepoDir = m.Workspace.RepoDir
	}
	if m.AsOf.Text == "" && m.Dockerfile.Value == "" {
		m.AsOf = m.Workspace.AsOf
	}
	return nil
}

// IsCourse reports whether a folder has a file that makes it a course.
func IsCourse(dir string) bool {
	names := append(slices.Concat(pinFiles...), ManifestName, "apt.txt", "binder", ".binder", "Dockerfile")
	return slices.ContainsFunc(names, func(name string) bool { return holds(dir, name) })
}

// A course is a folder being read.
type course struct {
	m       *Manifest
	reading map[string]bool // the files open now, to find include loops
	read    []string        // all files read
	alone   bool            // includes are not followed
	edited  map[string][]byte
	bounds  *bounds // nil: none
}

// name is what findings call a file of the course.
func (c *course) name(file string) string { return filepath.ToSlash(filepath.Join(c.m.Dir, file)) }

// path is where a file of the course lies.
func (c *course) path(file string) string { return filepath.Join(c.m.Dir, file) }

// load reads a file of the course, and keeps it among the sources as it is. What
// it returns is in UTF-8. What is wrong with the file as a whole is an error that
// is Findings.
func (c *course) load(file string) ([]byte, error) {
	full := c.path(file)
	info, err := os.Stat(full)
	if err != nil {
		return nil, err
	}
	wrong := func(rule, format string, args ...any) error {
		var f Findings
		f.fatal(Position{File: c.name(file), Line: 1}, rule, format, args...)
		return f
	}
	switch {
	case c.bounds != nil && !c.bounds.hold(full):
		c.read = append(c.read, file)
		return nil, wrong("outside", "the file lies outside of %s, and is not read: copy it inside, or give "+
			"--allow-outside", c.bounds.title)
	case !info.Mode().IsRegular() && file == ManifestName:
		return nil, fmt.Errorf("%s: it is not a regular file", c.name(file))
	case !info.Mode().IsRegular():
		c.read = append(c.read, file)
		return nil, wrong("include", "it is not a regular file, and is not read")
	case info.Size() > maxFileSize && file != ManifestName:
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
	if conflicts := FindConflicts(c.name(file), data); len(conflicts) > 0 {
		var f Findings
		for _, one := range conflicts {
			f.fatal(Position{File: one.File, Line: one.line()}, "conflict",
				"%s: keep the right lines, and delete the conflict markers", one.message())
		}
		return nil, f
	}
	text, err := decode(data)
	if err != nil {
		return nil, wrong("encoding", "%v", err)
	}
	return []byte(text), nil
}

// failed notes why a file that something names can't be read; what is that.
func (c *course) failed(from Position, what string, err error) {
	var found Findings
	if errors.As(err, &found) {
		c.m.Findings = append(c.m.Findings, found...)
		return
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	c.m.Findings.fatal(from, "include", "%s: %v", what, err)
}

// include reads one file that another names at a place; file is relative to
// the course's folder.
func (c *course) include(file string, from Position) {
	file = path.Clean(filepath.ToSlash(file))
	parse := c.parser(file)
	if parse == nil && !c.alone {
		c.m.Findings.fatal(from, "unsupported",
			"include %q: driftpin can't read this kind of file yet: it reads environment.yml, pixi.toml, "+
				"requirements.txt, runtime.txt and apt.txt", file)
		return
	}
	c.includeAs(file, from, parse)
}

// includeAs is include for a file of a known kind.
func (c *course) includeAs(file string, from Position, parse func(file string, data []byte)) {
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
	data, err := c.load(file)
	if err != nil {
		c.failed(from, fmt.Sprintf("include %q", file), err)
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

// ghosts warns of pin files that lie in the folder, or in its binder folder, and
// that nobody reads.
func (c *course) ghosts() {
	for _, root := range []string{"", "binder", ".binder"} {
		entries, err := os.ReadDir(c.path(root))
		if err != nil || root == ".binder" && c.exists("binder") || c.bounds != nil && !c.bounds.hold(c.path(root)) {
			continue
		}
		for _, e := range entries {
			c.ghost(root, e)
		}
		if !c.exists(ManifestName) {
			continue
		}
		for _, name := range scripts {
			name = path.Join(root, name)
			used := slices.ContainsFunc(c.m.Files, func(f File) bool { return f.Source == name }) ||
				slices.ContainsFunc(c.m.Scripts, func(s Script) bool { return s.Name == name }) || c.m.Start.Value == name
			if c.exists(name) && !used {
				c.m.Findings.warn(Position{File: c.name(name)}, "no-effect",
					"repo2docker would use this file, but driftpin builds from %s: the file has no effect here",
					ManifestName)
			}
		}
	}
	if c.exists("pins.yml") {
		c.m.Findings.fatal(Position{File: c.name("pins.yml")}, "ghost",
			"driftpin reads %s, and not this file: rename it", ManifestName)
	}
}

// ghost warns of a pin file that nobody reads.
func (c *course) ghost(root string, e fs.DirEntry) {
	name := path.Join(root, e.Name())
	looksLikePins := isResolved(e.Name()) || e.Name() == "requirements3.txt"
	if !looksLikePins || slices.Contains(c.read, name) || e.IsDir() {
		return
	}
	if c.m.Dockerfile.Value != "" {
		c.m.Findings.warn(Position{File: c.name(name)}, "ghost", "no COPY of the Dockerfile names this file or its folder, so its "+
			"pins have no effect here: copy it, or delete it")
		return
	}
	if user := c.userOf(e.Name()); user != "" {
		c.m.Findings.warn(Position{File: c.name(name)}, "ghost",
			"nothing includes this file, so its pins have no effect here; %s names it: include it, if its pins are "+
				"to be locked", user)
	} else {
		c.m.Findings.warn(Position{File: c.name(name)}, "ghost",
			"nothing includes this file, so its pins have no effect: include it or delete it")
	}
}

// scripts are the files, besides those with pins, by which repo2docker builds.
var scripts = []string{"Dockerfile", "postBuild", "start", "install.R", "DESCRIPTION", "Project.toml",
	"JuliaProject.toml", "REQUIRE", "default.nix", "Pipfile", "setup.py"}

// userOf is a script of the course that names a file; empty if there is none.
func (c *course) userOf(name string) string {
	for _, script := range slices.Concat(scripts, under("binder", scripts), under(".binder", scripts)) {
		file := c.path(script)
		if c.bounds != nil && !c.bounds.hold(file) {
			continue
		}
		if info, err := os.Stat(file); err != nil || info.Size() > maxFileSize {
			continue
		}
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), name) {
			return c.name(script)
		}
	}
	return ""
}

// under are names within a folder.
func under(folder string, names []string) (within []string) {
	for _, name := range names {
		within = append(within, path.Join(folder, name))
	}
	return within
}

// untelling are the names of folders that say nothing of the course in them.
var untelling = []string{"image", "images", "default", "binder", ".binder"}

// CourseName is a course's name by its folder: the folder's, or that of the
// nearest one above it that tells something.
func CourseName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	name := filepath.Base(dir)
	for up := dir; slices.Contains(untelling, strings.ToLower(filepath.Base(up))); {
		if up = filepath.Dir(up); filepath.Dir(up) == up {
			break
		}
		if !slices.Contains(untelling, strings.ToLower(filepath.Base(up))) {
			name = filepath.Base(up)
		}
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if name = strings.Trim(name, "-._"); name == "" {
		return "course"
	}
	return name
}

// HoldsPins reports whether a file of this name, in a course's folder, is one that
// pins are read from: those that are resolved, and those whose pins are only listed.
func HoldsPins(file string) bool { return isResolved(file) || listing(file) != nil }

// isResolved reports whether a file of this name holds pins that driftpin resolves.
func isResolved(file string) bool {
	switch file {
	case ManifestName, "apt.txt", "runtime.txt", "environment.yml", "environment.yaml", "pixi.toml":
		return true
	}
	return strings.HasSuffix(file, "requirements.txt")
}

// listing returns what lists the pins of a file of this name, which scripts and a
// Dockerfile's instructions install; nil if there is nothing.
func listing(file string) func(c *course, file string, data []byte) {
	requests := func(read func(file, text string) []Request) func(*course, string, []byte) {
		return func(c *course, file string, data []byte) {
			c.m.Listed = append(c.m.Listed, read(c.name(file), string(data))...)
		}
	}
	switch {
	case file == "Dockerfile":
		return func(c *course, file string, data []byte) {
			d := newDockerfileReader(c, file)
			for _, in := range readInstructions(string(data)) {
				d.read(in)
			}
		}
	case strings.EqualFold(path.Ext(file), ".r"):
		return requests(readR)
	case file == "DESCRIPTION":
		return requests(readDescription)
	case file == "renv.lock":
		return requests(readRenv)
	}
	return nil
}

// ReadAlone returns what one file asks for, without what it includes; what
// can't be read in it is passed over. The file need not exist: data is its
// content.
func ReadAlone(file string, data []byte) []Request {
	m := &Manifest{}
	text, err := decode(data)
	if err != nil {
		return nil
	}
	if path.Base(file) == ManifestName {
		m.parse(file, []byte(text))
		return m.Requests
	}
	c := course{m: m, alone: true}
	if parse := c.parser(file); parse != nil {
		parse(file, []byte(text))
	} else if list := listing(path.Base(file)); list != nil {
		list(&c, file, []byte(text))
	}
	return slices.Concat(m.Requests, m.Listed)
}
