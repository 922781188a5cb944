package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Changes are what a working tree has otherwise than a commit.
type Changes struct {
	Top    string   // the repository's top folder, free of links
	Commit string   // that is compared with
	Files  []string // from the top, sorted: changed, added or removed, whether committed or not; not what git ignores

	followed map[string]bool // what git tells the changes of: files and submodules, true, and the folders above them
	absent   []string        // files that are committed and not checked out (git's sparse checkout)
}

// ErrShallow says that a clone lacks the commits that a question is about.
var ErrShallow = errors.New(ShallowHint)

// Top is the top folder of the repository that a folder lies in, free of links.
func Top(ctx context.Context, dir string) (string, error) {
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("%s: there is no such folder: it was removed, or is not checked out", dir)
	}
	top, _, err := place(ctx, dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(top)
}

// Changed compares the working tree of the repository at top with the commit in which its
// history and a revision's part (git's merge base), so that what the revision has got since
// is no change. Where the clone is too shallow to know, the error is ErrShallow.
func Changed(ctx context.Context, top, revision string) (c Changes, err error) {
	c.Top = top
	shallow := Shallow(ctx, top)
	if _, err := git(ctx, top, nil, "rev-parse", "--verify", "--quiet", "HEAD"); err != nil {
		return c, fmt.Errorf("the repository in %s has no commit yet", top)
	}
	tip, err := git(ctx, top, nil, "rev-parse", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil || strings.HasPrefix(revision, "^") {
		err = fmt.Errorf("%s is not a revision in the repository in %s: %w", revision, top, err)
		return c, orShallow(err, shallow)
	}
	base, err := git(ctx, top, nil, "merge-base", strings.TrimSpace(string(tip)), "HEAD")
	if err != nil {
		err = fmt.Errorf("%s and what is checked out have no common past in the repository in %s: %w", revision, top, err)
		return c, orShallow(err, shallow)
	}
	c.Commit = strings.TrimSpace(string(base))
	changed, err := names(ctx, top, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=none",
		c.Commit, "--")
	if err != nil {
		return c, err
	}
	added, err := names(ctx, top, "ls-files", "--others", "--exclude-standard", "-z", "--full-name")
	if err != nil {
		return c, err
	}
	for _, name := range slices.Concat(changed, added) {
		c.Files = append(c.Files, strings.TrimSuffix(name, "/")) // a repository within has a slash
	}
	slices.Sort(c.Files)
	c.Files = slices.Compact(c.Files)
	return c, c.follow(ctx)
}

// follow learns which files git tells the changes of: those that it has, unless it was told
// to take them for unchanged, and new ones. A repository within is not followed.
func (c *Changes) follow(ctx context.Context) error {
	tagged, err := names(ctx, c.Top, "ls-files", "-v", "-z", "--full-name")
	if err != nil {
		return err
	}
	c.followed = map[string]bool{}
	add := func(name string) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			c.followed[dir] = false
		}
		c.followed[name] = true
	}
	for _, line := range tagged {
		tag, name, _ := strings.Cut(line, " ")
		switch {
		case tag == "S": // git documentation, "git ls-files", -t
			c.absent = append(c.absent, name)
		case tag == strings.ToUpper(tag): // in small letters: assumed to be unchanged
			add(name)
		}
	}
	for _, name := range c.Files {
		if info, err := os.Lstat(filepath.Join(c.Top, filepath.FromSlash(name))); err != nil || !info.IsDir() {
			add(name)
		}
	}
	return nil
}

// Follows reports whether git tells the changes of a file, or of files in a folder, by its
// name from the top.
func (c *Changes) Follows(name string) bool {
	if _, ok := c.followed[name]; ok || name == "." {
		return true
	}
	for ; name != "."; name = path.Dir(name) {
		if c.followed[name] { // a submodule
			return true
		}
	}
	return false
}

// IsAbsent reports whether a folder has committed files, and they are not checked out.
func (c *Changes) IsAbsent(dir string) bool {
	return slices.ContainsFunc(c.absent, func(name string) bool { return strings.HasPrefix(name, dir+"/") })
}

// names are what git lists, with zero bytes between them.
func names(ctx context.Context, top string, args ...string) (all []string, err error) {
	out, err := git(ctx, top, nil, args...)
	for name := range strings.SplitSeq(string(out), "\x00") {
		if name != "" {
			all = append(all, name)
		}
	}
	return all, err
}

// orShallow adds that the clone is shallow, if it is.
func orShallow(err error, shallow bool) error {
	if shallow {
		return fmt.Errorf("%w (%w)", err, ErrShallow)
	}
	return err
}

// Content is a file of a commit, by its name from the repository's top; nil if the commit
// does not have it.
func Content(ctx context.Context, top, commit, file string) ([]byte, error) {
	contents, err := readObjects(ctx, top, []string{commit + ":" + file})
	if err != nil {
		return nil, err
	}
	return contents[0], nil
}
