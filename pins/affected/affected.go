// Package affected says which courses a change touches. [Of] compares the working tree
// with a revision, by git, and looks for the files of each course among those that
// changed: all of its folder, what it includes and extends, its base if that lies in the
// repository, and what driftpin.yaml says of it.
package affected

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/history"
)

// Why says what a changed file is to a course.
type Why string

// The reasons. A course that can't be read may read anything.
const (
	Own        Why = "in its folder"
	Read       Why = "it reads this file"
	Base       Why = "its base image"
	Synced     Why = "its sync rules compare it with the course there"
	Workspace  Why = "what it says of the course, or the course is listed now"
	Everything Why = "touch-all of driftpin.yaml names it"
	Unreadable Why = "the course can't be read, so anything may touch it"
	Tools      Why = "the lock was made with other versions of driftpin's tools"
)

// A Reason is one file by which a course is touched.
type Reason struct {
	File string `json:"file"` // from the repository's top
	Why  Why    `json:"why"`
}

// A Course is one of those that are asked about.
type Course struct {
	Dir      string         // its folder
	Manifest *pins.Manifest // as far as it could be read; nil if it could not
	Err      error          // why it could not
	// OtherTools says that other tools than today's made its lock.
	OtherTools bool
}

// An Answer is which courses are touched since a commit.
type Answer struct {
	Commit  string     // that the working tree was compared with: of the first course's repository
	Reasons [][]Reason // of each course, in the courses' order; none: it is not touched
}

// Of says which courses a change since a revision touches, and by which files.
func Of(ctx context.Context, courses []Course, revision string) (a Answer, err error) {
	known := map[string]history.Changes{}
	for _, c := range courses {
		changes, ok := known[c.Dir]
		if !ok {
			if changes, err = history.Changed(ctx, c.Dir, revision); err != nil {
				return a, err
			}
			for _, other := range courses { // most lie in one repository
				if _, inside := below(changes.Top, other.Dir); inside && changes.Commit != "" {
					known[other.Dir] = changes
				}
			}
		}
		if a.Commit == "" {
			a.Commit = changes.Commit
		}
		reasons, err := (asking{ctx, changes}).of(c)
		if err != nil {
			return a, err
		}
		a.Reasons = append(a.Reasons, reasons)
	}
	return a, nil
}

// An asking is a look at what changed in one repository.
type asking struct {
	ctx context.Context
	history.Changes
}

// of are the reasons for which a course is touched.
func (a asking) of(c Course) (reasons []Reason, err error) {
	add := func(why Why, paths ...string) {
		for _, p := range paths {
			for _, file := range a.touching(p) {
				if !slices.ContainsFunc(reasons, func(r Reason) bool { return r.File == file }) {
					reasons = append(reasons, Reason{file, why})
				}
			}
		}
	}
	add(Own, c.Dir)
	m := c.Manifest
	if m != nil {
		for _, s := range m.Sources {
			add(Read, s.Name)
		}
		for _, f := range m.Files {
			add(Read, filepath.Join(m.Dir, filepath.FromSlash(f.Source)))
		}
		if layout, ok := strings.CutPrefix(m.Base.Value, pins.LayoutPrefix); ok {
			add(Base, from(m.Dir, layout))
		}
		if with := m.Sync.With.Value; with != "" {
			add(Synced, from(m.Dir, with))
		}
		byWorkspace, err := a.workspace(m)
		if err != nil {
			return nil, err
		}
		reasons = append(reasons, byWorkspace...)
	}
	if lock, ok := below(a.Top, filepath.Join(c.Dir, pins.LockName)); ok && c.OtherTools && len(reasons) == 0 {
		reasons = append(reasons, Reason{lock, Tools})
	}
	if c.Err != nil && len(reasons) == 0 && len(a.Files) > 0 {
		reasons = append(reasons, Reason{a.Files[0], Unreadable})
	}
	return reasons, nil
}

// from is a path that a file in dir names.
func from(dir, name string) string {
	if name = filepath.FromSlash(name); filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// touching are the changed files that are a path, or lie below it, or that it lies below,
// as it does below a submodule. A link is what it leads to, too.
func (a asking) touching(p string) (files []string) {
	for _, p := range []string{p, resolved(p)} {
		name, ok := below(a.Top, p)
		if !ok {
			continue
		}
		for _, file := range a.Files {
			if slices.Contains(files, file) {
				continue
			}
			if name == "." || file == name || strings.HasPrefix(file, name+"/") || strings.HasPrefix(name, file+"/") {
				files = append(files, file)
			}
		}
	}
	return files
}

func resolved(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return p
}

// below is a path from the top of a repository, with slashes, if it lies there: the folder
// that it lies in is followed to where links lead, the path itself is not.
func below(top, p string) (string, bool) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", false
	}
	name, err := filepath.Rel(top, filepath.Join(resolved(filepath.Dir(abs)), filepath.Base(abs)))
	if err != nil || !filepath.IsLocal(name) {
		name, err = filepath.Rel(top, resolved(abs)) // the top itself may be reached by a link
	}
	return filepath.ToSlash(name), err == nil && filepath.IsLocal(name)
}

// workspace are the reasons that lie in driftpin.yaml: not every change of it touches
// every course.
func (a asking) workspace(m *pins.Manifest) (reasons []Reason, err error) {
	w := m.Workspace
	if w == nil {
		return nil, nil
	}
	for _, t := range w.TouchAll {
		for _, file := range a.touching(from(filepath.Dir(w.File), t.Value)) {
			reasons = append(reasons, Reason{file, Everything})
		}
	}
	files := a.touching(w.File)
	if len(files) == 0 {
		return reasons, nil
	}
	file := files[0]
	data, err := history.Content(a.ctx, a.Top, a.Commit, file)
	if err != nil {
		return nil, err
	}
	was, err := pins.ReadWorkspace(w.File, data)
	switch {
	case err != nil: // nobody knows what it said
	case m.Base.Value == "" && was.Base.Value != w.Base.Value:
	case was.AsOf.Text != w.AsOf.Text && m.AsOf.Text == w.AsOf.Text:
	case was.RepoDir.Value != w.RepoDir.Value && m.RepoDir.Value == w.RepoDir.Value:
	case was.Registry.Value != w.Registry.Value:
	case !was.Lists(m.Dir) && w.Lists(m.Dir):
	default:
		return reasons, nil
	}
	return append(reasons, Reason{file, Workspace}), nil
}
