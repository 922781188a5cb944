package pins

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
)

// maxFolder is the most that a course's folder may hold to be copied, in bytes.
const maxFolder = 256 << 20

// A Folder is a course's, as it is copied into an image.
type Folder struct {
	Dir     string
	Edited  map[string][]byte // other contents of some files, by the names that positions give them
	Ignored []string          // patterns of files that are left out, as a .dockerignore has them
}

// Folder is the course's.
func (m *Manifest) Folder() Folder { return Folder{m.Dir, m.Edited, m.Ignored} }

// Write writes the folder as a tar archive, without its lock and without git's: the same
// files give the same bytes. Links are not followed.
func (f Folder) Write(w io.Writer) error {
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return err
	}
	ignored, err := patternmatcher.New(f.Ignored)
	if err != nil {
		return fmt.Errorf(".dockerignore: %w", err)
	}
	defer root.Close()
	t := tar.NewWriter(w)
	left := int64(maxFolder)
	var folders []string // those of which nothing was written yet: git keeps no empty ones
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git" && d.IsDir():
			return fs.SkipDir
		case name == "." || name == LockName || d.Name() == ".git":
			return nil
		}
		for len(folders) > 0 && !strings.HasPrefix(name, folders[len(folders)-1]+"/") {
			folders = folders[:len(folders)-1]
		}
		if d.IsDir() {
			folders = append(folders, name)
			return nil
		}
		if out, err := ignored.MatchesOrParentMatches(name); out || err != nil {
			return err
		}
		for _, f := range folders {
			if err := t.WriteHeader(entryHeader(f+"/", tar.TypeDir, 0o755)); err != nil {
				return err
			}
		}
		folders = folders[:0]
		return addEntry(t, root, name, d, f.Edited[filepath.ToSlash(filepath.Join(f.Dir, name))], &left)
	})
	if err != nil {
		return err
	}
	return t.Close()
}

// entryHeader is an archive's for an entry that the image's user owns.
func entryHeader(name string, kind byte, mode int64) *tar.Header {
	return &tar.Header{Name: name, Typeflag: kind, Mode: mode, Uid: 1000, Gid: 1000, ModTime: Epoch, Format: tar.FormatPAX}
}

// addEntry writes a file or a link into an archive.
func addEntry(t *tar.Writer, root *os.Root, name string, d fs.DirEntry, edited []byte, left *int64) error {
	h := entryHeader(name, tar.TypeReg, 0o644)
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Mode()&0o100 != 0 {
		h.Mode = 0o755
	}
	switch {
	case d.Type() == fs.ModeSymlink:
		h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
		if h.Linkname, err = root.Readlink(name); err != nil {
			return err
		}
		return t.WriteHeader(h)
	case !d.Type().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder: take it out", name)
	}
	if *left -= info.Size(); *left < 0 {
		return fmt.Errorf("it holds more than %d MiB: large data belongs in a package or a volume", maxFolder>>20)
	}
	data := edited
	if data == nil {
		if data, err = root.ReadFile(name); err != nil {
			return err
		}
	}
	h.Size = int64(len(data))
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = t.Write(data)
	return err
}

// sum is the sha256 of what Write writes, in hex.
func (f Folder) sum() (string, error) {
	h := sha256.New()
	if err := f.Write(h); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Executables are the files that are run, though their mode may not say so.
func (m *Manifest) Executables() (files []string) {
	for _, s := range m.Scripts {
		files = append(files, path.Join(m.RepoDir.Value, s.Name))
	}
	if m.Start.Value != "" {
		files = append(files, path.Join(m.RepoDir.Value, m.Start.Value))
	}
	return files
}
