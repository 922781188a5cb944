package owns

import (
	"archive/tar"
	"archive/zip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// readCondaZip reads what a .conda file owns (CEP 35): an archive of two
// archives, of which info-*.tar.zst tells.
func readCondaZip(r io.ReaderAt, size int64) (map[string]string, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "info-") || !strings.HasSuffix(f.Name, ".tar.zst") {
			continue
		}
		var owned map[string]string
		err := readPart(f, func(r io.Reader) error {
			d, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxRecord))
			if err != nil {
				return err
			}
			defer d.Close()
			owned, err = readCondaTar(io.LimitReader(d, maxRecord))
			return err
		})
		return owned, err
	}
	return nil, errors.New("the file has no info-*.tar.zst, so it is not a conda package")
}

// condaPaths is what driftpin reads of info/paths.json (CEP 34).
type condaPaths struct {
	Paths []struct {
		Path   string `json:"_path"`
		SHA256 string `json:"sha256"`
	} `json:"paths"`
}

// condaLink is what driftpin reads of info/link.json (CEP 34).
type condaLink struct {
	Noarch struct {
		EntryPoints []string `json:"entry_points"`
	} `json:"noarch"`
}

// readCondaTar reads what a conda package owns from its metadata, in the words
// of readOwned.
func readCondaTar(r io.Reader) (map[string]string, error) {
	owned := map[string]string{}
	told := false
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF && told {
			return owned, nil
		}
		if err == io.EOF {
			return nil, errors.New("the file has no info/paths.json: its package format is older than driftpin reads")
		}
		if err != nil {
			return nil, err
		}
		switch path.Clean(h.Name) {
		case "info/paths.json":
			told = true
			var paths condaPaths
			if err := json.NewDecoder(io.LimitReader(t, maxRecord)).Decode(&paths); err != nil {
				return nil, fmt.Errorf("info/paths.json: %w", err)
			}
			for _, p := range paths.Paths {
				own(owned, p.Path, p.SHA256)
			}
		case "info/link.json":
			var link condaLink
			if err := json.NewDecoder(io.LimitReader(t, maxRecord)).Decode(&link); err != nil {
				return nil, fmt.Errorf("info/link.json: %w", err)
			}
			if err := addScripts(strings.NewReader("[console_scripts]\n"+strings.Join(link.Noarch.EntryPoints, "\n")),
				owned); err != nil {
				return nil, err
			}
		}
	}
}

// sitePackages matches where conda's packages have Python's.
var sitePackages = regexp.MustCompile(`^(?:lib/python[0-9.]+/)?site-packages/`)

// own notes a path with its hash as RECORD has it (PEP 376).
func own(owned map[string]string, file, sha256 string) {
	sum, err := hex.DecodeString(sha256)
	if err != nil || len(sum) == 0 || strings.ContainsAny(file, "\t\n\r") || path.Ext(file) == ".pyc" {
		return
	}
	file = sitePackages.ReplaceAllString(path.Clean("/" + file)[1:], "site-packages/")
	if rest, ok := strings.CutPrefix(file, "python-scripts/"); ok {
		file = "bin/" + rest
	}
	owned[file] = "sha256=" + base64.RawURLEncoding.EncodeToString(sum)
}
