package history

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// Past writes the files of a repository that decide what its courses ask for
// and got, as they were in a revision, below the folder into. It returns where
// the course in dir lies there.
func Past(ctx context.Context, dir, revision, into string) (string, error) {
	out, err := git(ctx, dir, nil, "rev-parse", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("%s is no revision of the repository of %s: %w", revision, dir, err)
	}
	commit := strings.TrimSpace(string(out))
	if out, err = git(ctx, dir, nil, "rev-parse", "--show-prefix"); err != nil {
		return "", err
	}
	place := filepath.Join(into, filepath.FromSlash(strings.TrimSpace(string(out))))
	if out, err = git(ctx, dir, nil, "rev-parse", "--show-toplevel"); err != nil {
		return "", err
	}
	top := strings.TrimRight(string(out), "\n")
	if out, err = git(ctx, top, nil, "ls-tree", "-r", "-z", "--name-only", commit); err != nil {
		return "", err
	}
	args := []string{"archive", "--format=tar", commit, "--"}
	for _, name := range strings.Split(string(out), "\x00") {
		if base := path.Base(name); pins.Reads(base) || base == pins.LockName {
			args = append(args, ":(literal)"+name)
		}
	}
	if len(args) == 4 {
		return "", fmt.Errorf("%s: no course has files there", revision)
	}
	if out, err = git(ctx, top, nil, args...); err != nil {
		return "", err
	}
	if err := extract(out, into); err != nil {
		return "", fmt.Errorf("git archive: %w", err)
	}
	if _, err := os.Stat(place); err != nil {
		return "", fmt.Errorf("%s: there is no %s yet", revision, dir)
	}
	return place, nil
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
