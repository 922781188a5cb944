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

	"go.yaml.in/yaml/v4"
)

// WorkspaceName is the name of the file that lists the courses of a repository.
const WorkspaceName = "driftpin.yaml"

// A Workspace is what a driftpin.yaml says: which folders are courses, and what holds for
// those that do not say themselves.
type Workspace struct {
	File     string // its path
	Courses  []Text // folders, or patterns of path.Match, relative to the file
	Base     Text   // an image, as base: of a pins.yaml has it, relative to the file
	AsOf     Date
	RepoDir  Text
	Registry Text // where build --push pushes to: REGISTRY/COURSE
	// TouchAll are files and folders whose change touches every course, relative to the
	// file: such as one that says which driftpin builds them.
	TouchAll []Text
}

// FindWorkspace reads the driftpin.yaml of a folder, or of the nearest one above it
// within the same git repository; nil if there is none. Outside of a repository it has
// to be the user's own, or root's. Its error is Findings.
func FindWorkspace(dir string) (*Workspace, error) {
	var file string
	var info fs.FileInfo
	for up := dir; ; up = filepath.Join(up, "..") {
		if found, err := os.Lstat(filepath.Join(up, WorkspaceName)); file == "" && err == nil {
			file, info = filepath.Join(up, WorkspaceName), found
		}
		if _, err := os.Stat(filepath.Join(up, ".git")); err == nil {
			break
		}
		abs, err := filepath.Abs(up)
		if err != nil {
			return nil, err
		}
		if filepath.Dir(abs) == abs { // there is no repository
			if owner, ok := ownerOf(info); ok && owner != os.Getuid() && owner != 0 {
				return nil, workspaceFinding(file, "it belongs to another user, and is not read outside of a git repository")
			}
			break
		}
	}
	if file == "" {
		return nil, nil
	}
	switch info, err := os.Stat(file); { // of what a link leads to
	case err != nil:
		return nil, workspaceFinding(file, err.Error())
	case !info.Mode().IsRegular():
		return nil, workspaceFinding(file, "it is not a regular file")
	case info.Size() > maxFileSize:
		return nil, workspaceFinding(file, fmt.Sprintf("%d bytes: at most %d are read", info.Size(), maxFileSize))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, workspaceFinding(file, err.Error())
	}
	return ReadWorkspace(file, data)
}

// ownerOf is the user that a file belongs to, where the system tells.
func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	if info == nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// workspaceFinding says what is wrong with the whole file.
func workspaceFinding(file, what string) Findings {
	var found Findings
	found.fatal(Position{File: filepath.ToSlash(file), Line: 1}, "workspace", "%s", what)
	return found
}

// ReadWorkspace reads the content of a driftpin.yaml; file is its path. Its error is
// Findings.
func ReadWorkspace(file string, data []byte) (*Workspace, error) {
	w := &Workspace{File: file}
	var found Findings
	r := yamlReader{filepath.ToSlash(file), &found}
	root, wrong := LoadYAML(r.file, data, maxFileSize)
	if wrong != nil {
		return nil, Findings{*wrong}
	}
	if root == nil {
		return w, nil
	}
	text := func(to *Text, what string) func(*yaml.Node) {
		return func(n *yaml.Node) { *to = Text{r.text(n, what), r.at(n)} }
	}
	r.mapping(root, WorkspaceName,
		field{"courses", func(n *yaml.Node) {
			r.list(n, "courses", func(item *yaml.Node) {
				pattern := Text{r.text(item, "a course"), r.at(item)}
				if !filepath.IsLocal(filepath.FromSlash(pattern.Value)) || strings.Contains(pattern.Value, "**") {
					r.wrong(item, "course", "%q: write folders below this file, with a * for each part of their names that differs, "+
						"such as deployments/*/image", pattern.Value)
					return
				}
				w.Courses = append(w.Courses, pattern)
			})
		}},
		field{"base", text(&w.Base, "base")},
		field{"as-of", func(n *yaml.Node) { w.AsOf = r.date(n, "as-of") }},
		field{"repo-dir", func(n *yaml.Node) {
			text(&w.RepoDir, "repo-dir")(n)
			if why := unfitRepoDir(w.RepoDir.Value); w.RepoDir.Value != "" && why != "" {
				r.wrong(n, "repo-dir", "%s", why)
			}
		}},
		field{"registry", text(&w.Registry, "registry")},
		field{"touch-all", func(n *yaml.Node) {
			r.list(n, "touch-all", func(item *yaml.Node) { w.TouchAll = append(w.TouchAll, r.positioned(item, "a file")) })
		}})
	return w, found.Err()
}

// Folders are the courses that the workspace lists: folders that its patterns match, in
// their order, each once. A pattern that matches no course is an error.
func (w *Workspace) Folders() (dirs []string, err error) {
	for _, pattern := range w.Courses {
		found, err := MatchCourses(filepath.Join(filepath.Dir(w.File), filepath.FromSlash(pattern.Value)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pattern.At, err)
		}
		for _, dir := range found {
			if !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("%s: it lists no courses: write courses: [deployments/*/image], or name them", w.File)
	}
	return dirs, nil
}

// Lists reports whether one of the workspace's patterns is for a folder.
func (w *Workspace) Lists(dir string) bool {
	top, err := filepath.Abs(filepath.Dir(w.File))
	if err != nil {
		return false
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	name, err := filepath.Rel(top, abs)
	return err == nil && slices.ContainsFunc(w.Courses, func(p Text) bool {
		ok, _ := path.Match(path.Clean(p.Value), filepath.ToSlash(name)) // a bad pattern is said where it is used
		return ok
	})
}

// MatchCourses are the courses that a pattern of path.Match matches; what it matches and
// is no course is left out. A folder of that very name is meant by it alone.
func MatchCourses(pattern string) (dirs []string, err error) {
	if info, err := os.Stat(pattern); err == nil && info.IsDir() {
		return []string{pattern}, nil
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	for _, dir := range found {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && (IsCourse(dir) || holds(dir, LockName)) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("%s: no folder of that name is a course", pattern)
	}
	return dirs, nil
}

// holds reports whether something of a name is in a folder, or may be: where that can't
// be told, it is not passed over.
func holds(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}
