package pins

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// bounds are where the files of a course may lie: in its git repository, or,
// where it lies in none, in its own folder and in those that it names itself with
// extends. A link that leads elsewhere could show a stranger what is on the
// machine.
type bounds struct {
	title string
	roots []string // without symbolic links
	git   bool
}

// boundsOf are those of a course; nil if its folder can't be told.
func boundsOf(dir string) *bounds {
	real, err := realPath(dir)
	if err != nil {
		return nil
	}
	for top := real; ; top = filepath.Dir(top) {
		if _, err := os.Lstat(filepath.Join(top, ".git")); err == nil {
			return &bounds{"the course's git repository", []string{top}, true}
		}
		if filepath.Dir(top) == top {
			return &bounds{"the course's folder", []string{real}, false}
		}
	}
}

// realPath is an absolute path without symbolic links.
func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// hold reports whether a file lies within, once all links are followed.
func (b *bounds) hold(name string) bool {
	real, err := realPath(name)
	if err != nil {
		return true // nothing is there to be read
	}
	for _, root := range b.roots {
		if real == root || strings.HasPrefix(real, strings.TrimSuffix(root, "/")+"/") {
			return true
		}
	}
	return false
}

// extend lets in the folder of a file that a course without a repository extends.
func (b *bounds) extend(dir string) {
	if real, err := realPath(dir); err == nil && !b.git {
		b.roots = append(b.roots, real)
	}
}

// CheckLockPlace returns an error, which wraps [ErrNoLock], if a course's lock is a
// link that leads out of the course's repository, or nowhere: it would be read, or
// written, where the course is not.
func CheckLockPlace(dir string) error {
	file := filepath.Join(dir, LockName)
	info, err := os.Lstat(file)
	b := boundsOf(dir)
	if err != nil || info.Mode()&os.ModeSymlink == 0 || b == nil {
		return nil
	}
	if _, err := os.Stat(file); err != nil || !b.hold(file) {
		return fmt.Errorf("%s:1: %w: the file is a link that leads out of %s, or nowhere, and is neither read nor "+
			"written: delete the link, or give --allow-outside", file, ErrNoLock, b.title)
	}
	return nil
}

// checkFiles finds files that are to be copied and are not there.
func (c *course) checkFiles() {
	for _, f := range c.m.Files {
		file := c.path(filepath.FromSlash(f.Source))
		if info, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			c.m.Findings.fatal(f.At, "file", "%s: there is no such file: write it, or take the line out", f.Source)
		} else if err == nil && !info.Mode().IsRegular() {
			c.m.Findings.fatal(f.At, "file", "%s is no regular file: name files one by one", f.Source)
		}
	}
}

// checkPlaces finds layouts, courses and files that a manifest names outside of its
// repository.
func (c *course) checkPlaces() {
	c.checkFiles()
	if c.bounds == nil {
		return
	}
	for _, f := range c.m.Files {
		if !path.IsAbs(f.Source) && !c.bounds.hold(c.path(filepath.FromSlash(f.Source))) {
			c.m.Findings.fatal(f.At, "outside", "%s lies outside of %s: copy it inside, or give --allow-outside",
				f.Source, c.bounds.title)
		}
	}
	if !c.bounds.git {
		return
	}
	check := func(t Text, place string) {
		if place == "" {
			return
		}
		if !path.IsAbs(place) {
			place = c.path(filepath.FromSlash(place))
		}
		if !c.bounds.hold(place) {
			c.m.Findings.fatal(t.At, "outside", "%s lies outside of %s: copy it inside, or give --allow-outside",
				t.Value, c.bounds.title)
		}
	}
	layout, _ := strings.CutPrefix(c.m.Base.Value, LayoutPrefix)
	if layout != c.m.Base.Value {
		check(c.m.Base, layout)
	}
	check(c.m.Sync.With, c.m.Sync.With.Value)
}
