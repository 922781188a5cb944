// Package owns knows which paths a package owns once it is installed, and which
// packages get in each other's way.
//
// [Read] reads it from a package's file, in one language for pip, conda and npm:
// paths relative to the environment (site-packages stands for Python's), with a
// hash each. A [Memory] notes it, and [Clashes] words where two packages own
// one path with different bytes.
package owns

import (
	"compress/bzip2"
	"io"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// Read reads what an artifact owns from its file, of size bytes: paths, and the
// hashes that the package's own metadata has of them.
func Read(a pins.Artifact, r io.ReaderAt, size int64) (map[string]string, error) {
	switch {
	case a.Kind == pins.Npm:
		return readNpm(io.NewSectionReader(r, 0, size))
	case a.Kind != pins.Conda:
		return readOwned(r, size)
	case strings.HasSuffix(a.File, ".tar.bz2"):
		return readCondaTar(bzip2.NewReader(io.NewSectionReader(r, 0, size)))
	}
	return readCondaZip(r, size)
}
