package history

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// ErrNoCourse says that a revision does not have the course.
var ErrNoCourse = errors.New("not a course")

// Past writes the files of a repository that decide what its courses ask for
// and got, as they were in a revision, below the folder into. It returns where
// the course in dir lies there.
func Past(ctx context.Context, dir, revision, into string) (string, error) {
	out, err := git(ctx, dir, nil, "rev-parse", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		if Shallow(ctx, dir) {
			err = fmt.Errorf("%w (%s)", err, ShallowHint)
		}
		return "", fmt.Errorf("%s is not a revision in the repository of %s: %w", revision, dir, err)
	}
	commit := strings.TrimSpace(string(out))
	top, prefix, err := place(ctx, dir)
	if err != nil {
		return "", err
	}
	if out, err = git(ctx, top, nil, "ls-tree", "-r", "-z", "--name-only", commit); err != nil {
		return "", err
	}
	args := []string{"archive", "--format=tar", commit, "--"}
	for _, name := range strings.Split(string(out), "\x00") {
		if base := path.Base(name); pins.HoldsPins(base) || base == pins.LockName {
			args = append(args, ":(literal)"+name)
		}
	}
	if len(args) == 4 {
		return "", fmt.Errorf("%s: %w: no course has files there", revision, ErrNoCourse)
	}
	if out, err = git(ctx, top, nil, args...); err != nil {
		return "", err
	}
	if err := extract(out, into); err != nil {
		return "", fmt.Errorf("git archive: %w", err)
	}
	places, err := formerly(ctx, top, prefix)
	if err != nil {
		return "", err
	}
	for _, prefix := range places {
		then := filepath.Join(into, filepath.FromSlash(prefix))
		if pins.IsCourse(then) {
			return then, nil
		}
	}
	return "", fmt.Errorf("%s: %w: there is no %s yet", revision, ErrNoCourse, dir)
}

// formerly are the folders in which a course has lain, the present one first.
func formerly(ctx context.Context, top, prefix string) (places []string, err error) {
	tip := "HEAD"
	for range maxMoves {
		places = append(places, prefix)
		part, err := logOf(ctx, top, tip, prefix, nil, wanted{files: holdsPins})
		if err != nil || len(part) == 0 {
			return places, err
		}
		from, renames, err := movedFrom(ctx, top, part[0].id, prefix)
		if err != nil || len(renames) == 0 {
			return places, err
		}
		prefix, tip = from, part[0].id+"^"
	}
	return places, nil
}

// extract writes the files of a tar.
func extract(data []byte, into string) error {
	root, err := os.OpenRoot(into)
	if err != nil {
		return err
	}
	defer root.Close()
	for tr := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		if err := root.MkdirAll(path.Dir(h.Name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(h.Name, content, 0o644); err != nil {
			return err
		}
	}
}
