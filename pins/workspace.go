package pins

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
}

// FindWorkspace reads the driftpin.yaml of a folder, or of the nearest one above it
// within the same git repository; nil if there is none. Its error is Findings.
func FindWorkspace(dir string) (*Workspace, error) {
	up := dir
	for {
		file := filepath.Join(up, WorkspaceName)
		data, err := os.ReadFile(file)
		if err == nil {
			return readWorkspace(file, data)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		abs, err := filepath.Abs(up)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(up, ".git")); err == nil || filepath.Dir(abs) == abs {
			return nil, nil
		}
		up = filepath.Join(up, "..")
	}
}

func readWorkspace(file string, data []byte) (*Workspace, error) {
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
				w.Courses = append(w.Courses, Text{r.text(item, "a course"), r.at(item)})
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
		field{"registry", text(&w.Registry, "registry")})
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

// MatchCourses are the courses that a pattern of path.Match matches; what it matches and
// is no course is left out.
func MatchCourses(pattern string) (dirs []string, err error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	plain := !strings.ContainsAny(pattern, "*?[")
	for _, dir := range found {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && (plain || IsCourse(dir)) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("%s: no folder of that name is a course", pattern)
	}
	return dirs, nil
}
