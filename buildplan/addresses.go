package buildplan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/renameio/v2"
)

// addresses remembers where bytes were found, by their sha256: locks hold no
// addresses. It is a folder with a file a hash, so that processes may share it.
type addresses struct{ dir string }

// unknown begins the address of what no address is known of. The engine never
// asks for it if it has the bytes.
const unknown = "http://address-not-known.invalid/"

// of returns the address of a file, or one that can't be reached.
func (a addresses) of(sha256 string) string {
	if url, ok := a.known(sha256); ok {
		return url
	}
	return unknown + sha256
}

func (a addresses) known(sha256 string) (string, bool) {
	data, err := os.ReadFile(filepath.Join(a.dir, sha256))
	return strings.TrimSpace(string(data)), err == nil && len(data) > 0
}

// forget drops the addresses of files, so that they are looked up again.
func (a addresses) forget(files []pins.Artifact) {
	for _, f := range files {
		os.Remove(filepath.Join(a.dir, f.SHA256)) // one that stays is asked again, no more
	}
}

// remember notes an address. It is only a help for later, so a folder that
// can't be written is no error.
func (a addresses) remember(sha256, url string) error {
	if old, ok := a.known(sha256); ok && old == url {
		return nil
	}
	err := os.MkdirAll(a.dir, 0o755)
	if err == nil {
		err = renameio.WriteFile(filepath.Join(a.dir, sha256), []byte(url+"\n"), 0o600, renameio.WithTempDir(a.dir))
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
