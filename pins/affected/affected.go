// Package affected says which courses a change touches. [Of] compares the working tree
// with a revision, by git, and looks for the files of each course among those that
// changed: all of its folder, what it includes and extends, what driftpin.yaml says of it,
// and the links that lead to any of them. A file that git does not follow may have
// changed: a course that reads one is touched.
package affected

import (
	"context"
	"path"
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
	Synced     Why = "its sync rules compare it with the course there"
	Workspace  Why = "what it says of the course, or the course is listed now"
	TouchAll   Why = "touch-all of driftpin.yaml names it"
	Unreadable Why = "the course can't be read, so anything may touch it"
	Unfollowed Why = "git does not follow it, so it may have changed"
	Tools      Why = "the lock was made with other versions of driftpin's tools"
	Base       Why = "the lock was made on another base image"
)

// A Reason is one file by which a course is touched.
type Reason struct {
	File string `json:"file"` // from the repository's top; as the course names it, if it lies outside
	Why  Why    `json:"why"`
}

// A Course is one of those that are asked about.
type Course struct {
	Dir      string         // its folder
	Manifest *pins.Manifest // as far as it could be read; nil if it could not
	Err      error          // why it could not
	Lock     Why            // what its lock alone tells; may be empty
}

// An Answer is whether a course is touched.
type Answer struct {
	Top     string // the top of its repository
	Commit  string // that the working tree was compared with
	Reasons []Reason
}

// A Result is what Of says.
type Result struct {
	Answers []Answer // of each course, in the courses' order
	Removed []string // folders that were courses in the commit, and are none now
	Absent  []string // folders that are courses, have changed, and are not checked out
}

// Of says of each course by which files a change since a revision touches it.
func Of(ctx context.Context, courses []Course, revision string) (r Result, err error) {
	known := map[string]*asking{}
	for _, c := range courses {
		top, err := history.Top(ctx, c.Dir)
		if err != nil {
			return r, err
		}
		if known[top] == nil {
			changes, err := history.Changed(ctx, top, revision)
			if err != nil {
				return r, err
			}
			known[top] = &asking{ctx, changes}
			known[top].without(&r)
		}
		a := known[top]
		reasons, err := a.of(c)
		if err != nil {
			return r, err
		}
		r.Answers = append(r.Answers, Answer{top, a.Commit, reasons})
	}
	return r, nil
}

// An asking is a look at what changed in one repository.
type asking struct {
	ctx context.Context
	history.Changes
}

// of are the reasons for which a course is touched.
func (a *asking) of(c Course) (reasons []Reason, err error) {
	add := func(why Why, names ...string) {
		for _, name := range names {
			if !slices.ContainsFunc(reasons, func(r Reason) bool { return r.File == name }) {
				reasons = append(reasons, Reason{name, why})
			}
		}
	}
	look := func(why Why, p string) {
		add(why, a.touching(p)...)
		if name, ok := a.followed(p); !ok {
			add(Unfollowed, name)
		}
	}
	look(Own, c.Dir)
	m := c.Manifest
	if m != nil {
		for _, s := range m.Sources {
			look(Read, s.Name)
		}
		for _, f := range m.Files {
			look(Read, filepath.Join(m.Dir, filepath.FromSlash(f.Source)))
		}
		if with := m.Sync.With.Value; with != "" {
			add(Synced, a.touching(from(m.Dir, with))...)
		}
		if err := a.byWorkspace(c.Dir, m, add); err != nil {
			return nil, err
		}
	}
	if c.Lock != "" && len(reasons) == 0 {
		add(c.Lock, a.name(filepath.Join(c.Dir, pins.LockName)))
	}
	if c.Err != nil && len(reasons) == 0 && len(a.Files) > 0 {
		add(Unreadable, a.Files[0])
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

// byWorkspace finds the reasons that lie in a driftpin.yaml: not every change of it touches
// every course.
func (a *asking) byWorkspace(dir string, m *pins.Manifest, add func(Why, ...string)) error {
	now := &pins.Workspace{}
	if m.Workspace != nil {
		now = m.Workspace
	}
	was, changed, err := a.formerly(dir)
	if err != nil {
		return err
	}
	for _, w := range []*pins.Workspace{now, was} {
		if w == nil || w.File == "" {
			continue
		}
		for _, t := range w.TouchAll {
			add(TouchAll, a.matching(filepath.Dir(w.File), t.Value)...)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	switch {
	case was == nil: // nobody knows what it said
	case m.Base.Value == "" && baseOf(was) != baseOf(now):
	case was.AsOf.Text != now.AsOf.Text && m.AsOf.Text == now.AsOf.Text:
	case was.RepoDir.Value != now.RepoDir.Value && m.RepoDir.Value == now.RepoDir.Value:
	case was.Registry.Value != now.Registry.Value:
	case now.File != "" && now.Lists(dir) && (was.File == "" || !was.Lists(dir)):
	default:
		return nil
	}
	add(Workspace, changed...)
	return nil
}

// baseOf is the base that a workspace names, in one spelling for all folders.
func baseOf(w *pins.Workspace) string {
	if layout, ok := strings.CutPrefix(w.Base.Value, pins.LayoutPrefix); ok {
		return pins.LayoutPrefix + from(filepath.Dir(w.File), layout)
	}
	return w.Base.Value
}

// formerly is the workspace that was a course's in the commit, by the nearest driftpin.yaml
// of then; empty if there was none, nil if it can't be read. changed are those files of its
// name that changed, above the course.
func (a *asking) formerly(dir string) (was *pins.Workspace, changed []string, err error) {
	was = &pins.Workspace{}
	for up := a.name(dir); ; up = path.Dir(up) {
		name := path.Join(up, pins.WorkspaceName)
		if slices.Contains(a.Files, name) {
			changed = append(changed, name)
		}
		if was != nil && was.File == "" {
			data, err := history.Content(a.ctx, a.Top, a.Commit, name)
			if err != nil {
				return nil, nil, err
			}
			if data != nil {
				if was, err = pins.ReadWorkspace(filepath.Join(a.Top, filepath.FromSlash(name)), data); err != nil {
					was = nil
				}
			}
		}
		if up == "." || path.IsAbs(up) {
			return was, changed, nil
		}
	}
}

// matching are the changed files that a folder's file names by a path, or by a pattern of
// path.Match.
func (a *asking) matching(dir, pattern string) (files []string) {
	if !strings.ContainsAny(pattern, `*?[`) {
		return a.touching(from(dir, pattern))
	}
	pattern = path.Join(a.name(dir), pattern)
	for _, file := range a.Files {
		if ok, _ := path.Match(pattern, file); ok { // the pattern was looked at when it was read
			files = append(files, file)
		}
	}
	return files
}

// without notes the folders that held what makes a course, and hold nothing now: because it
// was removed, or is not checked out.
func (a *asking) without(r *Result) {
	for _, file := range a.Files {
		dir := path.Dir(file)
		if base := path.Base(file); base != pins.ManifestName && base != pins.LockName ||
			slices.Contains(r.Removed, dir) || slices.Contains(r.Absent, dir) ||
			pins.IsCourse(filepath.Join(a.Top, filepath.FromSlash(dir))) {
			continue
		}
		if a.IsAbsent(dir) {
			r.Absent = append(r.Absent, dir)
		} else {
			r.Removed = append(r.Removed, dir)
		}
	}
}
