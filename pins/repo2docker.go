package pins

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// pinFiles are the names of files with pins, from what wins to what loses; those
// side by side are the same.
var pinFiles = [][]string{{"environment.yml", "environment.yaml"}, {"pixi.toml"}, {"requirements.txt"}, {"runtime.txt"}}

// A folder is one that repo2docker would build from, looked at as its
// buildpacks do (jupyter-repo2docker 2026.4, buildpacks/*/__init__.py, detect).
type folder struct {
	*course
	root string // binder or .binder, if there is one
}

// repo2docker reads the files that repo2docker would build from. Those of them
// that can't be read yet are findings, never skipped; those that have no effect
// there are warned of.
func (c *course) repo2docker() error {
	dir, err := os.Stat(c.m.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such folder: name a course's folder, one with pins.yaml or "+
			"requirements.txt", c.m.Dir)
	case err != nil:
		return err
	case !dir.IsDir():
		return fmt.Errorf("%s: not a folder: name the folder that holds the course's files", c.m.Dir)
	}
	f := folder{course: c}
	for _, sub := range []string{".binder", "binder"} {
		if info, err := os.Stat(c.path(sub)); err == nil && info.IsDir() {
			if f.root != "" {
				c.m.Findings.fatal(Position{File: c.name(sub)}, "repo2docker",
					"binder and .binder are both there, and repo2docker takes one only: delete one")
			}
			f.root = sub
		}
	}
	if f.root != "" && c.exists(path.Join(f.root, ManifestName)) {
		return fmt.Errorf("%s: not a course: its %s lies in %s: name that folder", c.m.Dir, ManifestName,
			c.name(f.root))
	}
	if !f.read() {
		return c.noCourse(f.root)
	}
	return nil
}

// noCourse says that a folder holds nothing to build from, and where a course may
// be.
func (c *course) noCourse(root string) error {
	what := fmt.Sprintf("it holds neither %s nor a file that repo2docker would build from (environment.yml, "+
		"requirements.txt, apt.txt, …)", ManifestName)
	switch {
	case c.exists("pins.yml"):
		what = fmt.Sprintf("it holds pins.yml, and driftpin reads %s: rename it", ManifestName)
	case root != "":
		what = fmt.Sprintf("repo2docker would build from its folder %s alone, which holds no such file", root)
	}
	var found []string
	for _, pattern := range []string{"*", "*/*"} {
		dirs, _ := filepath.Glob(filepath.Join(c.m.Dir, pattern)) // the pattern is well-formed
		for _, dir := range dirs {
			if info, err := os.Stat(dir); err == nil && info.IsDir() && IsCourse(dir) {
				found = append(found, dir)
			}
		}
	}
	if len(found) > 0 {
		what += fmt.Sprintf("; did you mean %s?", strings.Join(found[:min(len(found), 3)], ", or "))
	}
	return fmt.Errorf("%s: not a course: %s", c.m.Dir, what)
}

func (f folder) has(file string) bool { return f.exists(path.Join(f.root, file)) }

// cannot notes a file that repo2docker would build from.
func (f folder) cannot(file string) {
	f.course.read = append(f.course.read, file)
	f.m.Findings.fatal(Position{File: f.name(file), Line: 1}, "unsupported",
		"repo2docker would build from this file, and driftpin can't read it yet: use environment.yml, pixi.toml, "+
			"requirements.txt, runtime.txt or apt.txt, or write a pins.yaml that names the files to read")
}

// unmoved warns of a file that repo2docker knows, and builds nothing from here.
func (f folder) unmoved(file, why string) {
	f.course.read = append(f.course.read, file)
	f.m.Findings.warn(Position{File: f.name(file), Line: 1}, "no-effect",
		"repo2docker builds nothing from this file here: %s", why)
}

// read reads what the folder is built from, and reports whether there is
// anything.
func (f folder) read() bool {
	found := false
	if f.has("Dockerfile") {
		f.builtBy(path.Join(f.root, "Dockerfile"))
		return true
	}
	for _, name := range []string{"Project.toml", "JuliaProject.toml", "default.nix"} {
		if f.has(name) {
			found = true
			f.cannot(path.Join(f.root, name))
		}
	}
	if f.has("REQUIRE") && !f.has("Project.toml") && !f.has("JuliaProject.toml") {
		found = true
		f.cannot(path.Join(f.root, "REQUIRE"))
	}
	if start := path.Join(f.root, "start"); f.exists(start) {
		found = true
		f.starts(start, Position{File: f.name(start)})
	}
	environment, why := f.first("environment.yml", "environment.yaml"), ""
	pixi := f.first("pixi.toml")
	r := f.isR()
	switch {
	case environment != "":
		why = environment + " comes first"
	case pixi != "":
		why = pixi + " comes first"
	}
	taken := f.take(environment, pixi, r)
	for _, name := range []string{"Pipfile", "Pipfile.lock"} {
		f.consider(name, why, &taken)
	}
	f.considerPackage(why, r, &taken)
	if install := path.Join(f.root, "install.R"); f.exists(install) {
		taken = f.installsR(install, r) || taken
	}
	if script := path.Join(f.root, "postBuild"); f.exists(script) {
		found = true
		f.script(script, Position{File: f.name(script)})
	}
	if apt := path.Join(f.root, "apt.txt"); f.exists(apt) {
		taken = true
		f.include(apt, Position{File: f.name(apt)})
	}
	f.hidden()
	return found || taken
}

// builtBy reads a Dockerfile, beside which nothing else counts.
func (f folder) builtBy(file string) {
	f.course.dockerfile(file)
	for _, name := range []string{"postBuild", "start"} {
		if f.has(name) {
			f.unmoved(path.Join(f.root, name), file+" comes first")
		}
	}
	f.hidden()
}

// installsR looks at R's source, and reports whether that makes the folder a course.
func (f folder) installsR(install string, r bool) bool {
	if !r {
		f.unmoved(install, "only a runtime.txt of R, or a DESCRIPTION, makes it install R's packages")
		return f.has("apt.txt")
	}
	f.script(install, Position{File: f.name(install)})
	data, ok := f.m.Source(f.name(install))
	if ok {
		f.m.Listed = append(f.m.Listed, readR(f.name(install), string(data))...)
	}
	if locked := path.Join(f.root, "renv.lock"); f.exists(locked) && strings.Contains(string(data), "renv") {
		if data, err := f.load(locked); err != nil {
			f.failed(Position{File: f.name(locked)}, locked, err)
		} else {
			f.m.Listed = append(f.m.Listed, readRenv(f.name(locked), string(data))...)
		}
	}
	return true
}

// first is the first of some files that is there.
func (f folder) first(names ...string) string {
	for i, name := range names {
		if file := path.Join(f.root, name); f.exists(file) {
			for _, other := range names[i+1:] {
				if f.has(other) {
					f.unmoved(path.Join(f.root, other), file+" comes first")
				}
			}
			return file
		}
	}
	return ""
}

// take reads the files with pins that count.
func (f folder) take(environment, pixi string, r bool) bool {
	var files []string
	requirements, runtime := path.Join(f.root, "requirements.txt"), path.Join(f.root, "runtime.txt")
	switch {
	case environment != "":
		files = append(files, environment)
		if r { // repo2docker's buildpack of R takes both
			files = append(files, requirements, runtime)
		} else if f.exists(runtime) {
			f.unmoved(runtime, environment+" sets the version of Python")
		}
	case pixi != "":
		files = append(files, pixi)
		for _, other := range []string{requirements, runtime} {
			if f.exists(other) {
				f.course.read = append(f.course.read, other)
				f.m.Findings.warn(Position{File: f.name(other), Line: 1}, "no-effect",
					"driftpin builds from %s here, but repo2docker does not know that file and builds from this "+
						"one: delete one", pixi)
			}
		}
	default:
		files = append(files, requirements, runtime)
	}
	taken := false
	for _, file := range files {
		if f.exists(file) {
			taken = true
			f.include(file, Position{File: f.name(file)})
		}
	}
	return taken
}

// consider looks at a file that counts unless another comes first.
func (f folder) consider(name, why string, taken *bool) {
	if !f.has(name) {
		return
	}
	if why != "" {
		f.unmoved(path.Join(f.root, name), why)
		return
	}
	*taken = true
	f.cannot(path.Join(f.root, name))
}

// isR reports whether the folder is one of R's: by a runtime.txt that names R and
// a date, or by a DESCRIPTION at its top.
func (f folder) isR() bool {
	if f.root == "" && f.exists("DESCRIPTION") {
		f.cannot("DESCRIPTION")
		return true
	}
	runtime := f.path(path.Join(f.root, "runtime.txt"))
	if f.bounds != nil && !f.bounds.hold(runtime) {
		return false
	}
	data, err := os.ReadFile(runtime)
	name, _, date, ok := parseRuntime(string(data))
	return err == nil && ok && name == "r" && date != ""
}

// considerPackage looks at what makes the folder itself a Python package, which
// repo2docker installs where nothing but requirements.txt comes before it.
func (f folder) considerPackage(why string, r bool, taken *bool) {
	if f.root != "" {
		why = "it builds from " + f.root
	} else if why == "" && (f.has("Pipfile") || f.has("Pipfile.lock")) {
		why = "the Pipfile comes first"
	}
	if f.exists("setup.py") {
		if why == "" || r && f.root == "" {
			*taken = true
			f.cannot("setup.py")
		} else {
			f.unmoved("setup.py", why)
		}
	}
	if !f.exists("pyproject.toml") {
		return
	}
	project := map[string]any{}
	data, err := os.ReadFile(f.path("pyproject.toml"))
	inside := f.bounds == nil || f.bounds.hold(f.path("pyproject.toml"))
	readable := err == nil && inside && toml.Unmarshal(data, &project) == nil
	table, isProject := project["project"].(map[string]any)
	_, isBuilt := project["build-system"]
	switch {
	case why != "":
		f.unmoved("pyproject.toml", why)
	case !readable || isProject && isBuilt:
		*taken = true
		f.cannot("pyproject.toml")
	case table["requires-python"] != nil: // it says which Python there is
		f.cannot("pyproject.toml")
	}
}

// hidden warns of files at the top that a binder folder hides.
func (f folder) hidden() {
	if f.root == "" {
		return
	}
	for _, name := range []string{"environment.yml", "environment.yaml", "pixi.toml", "requirements.txt",
		"runtime.txt", "apt.txt", "postBuild", "start", "install.R", "Dockerfile", "DESCRIPTION", "Pipfile",
		"Project.toml"} {
		if f.exists(name) {
			f.unmoved(name, "it builds from "+f.root)
		}
	}
}
