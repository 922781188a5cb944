package history

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Changes are what a working tree has otherwise than a commit.
type Changes struct {
	Top    string   // the repository's top folder, free of links
	Commit string   // that is compared with
	Files  []string // from the top, sorted: changed, added or removed, whether committed or not; not what git ignores
}

// ErrShallow says that a clone lacks the commits that a question is about.
var ErrShallow = errors.New(ShallowHint)

// Changed compares the working tree that a folder lies in with the commit in which its
// history and a revision's part (git's merge base), so that what the revision has got since
// is no change. Where the clone is too shallow to know, the error is ErrShallow.
func Changed(ctx context.Context, dir, revision string) (c Changes, err error) {
	if c.Top, _, err = place(ctx, dir); err != nil {
		return c, err
	}
	if c.Top, err = filepath.EvalSymlinks(c.Top); err != nil {
		return c, err
	}
	shallow := Shallow(ctx, dir)
	tip, err := git(ctx, c.Top, nil, "rev-parse", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		err = fmt.Errorf("%s is not a revision in the repository of %s: %w", revision, dir, err)
		return c, orShallow(err, shallow)
	}
	base, err := git(ctx, c.Top, nil, "merge-base", strings.TrimSpace(string(tip)), "HEAD")
	if err != nil {
		err = fmt.Errorf("%s and what is checked out have no common past in the repository of %s: %w", revision, dir, err)
		return c, orShallow(err, shallow)
	}
	c.Commit = strings.TrimSpace(string(base))
	for _, args := range [][]string{
		{"diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", c.Commit, "--"},
		{"ls-files", "--others", "--exclude-standard", "-z", "--full-name"},
	} {
		out, err := git(ctx, c.Top, nil, args...)
		if err != nil {
			return c, err
		}
		for name := range strings.SplitSeq(string(out), "\x00") {
			if name != "" {
				c.Files = append(c.Files, name)
			}
		}
	}
	slices.Sort(c.Files)
	c.Files = slices.Compact(c.Files)
	return c, nil
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
