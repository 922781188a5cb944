package images

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/images/layers"
)

// Damages returns the files of an image that are not as their packages say, by
// path: by the RECORD of Python's packages (PyPA, "Recording installed
// projects"), by conda-meta of conda's (CEP 34) and by the md5sums of Debian's.
// Where several packages have recorded one path, it is fine as any of them says. A file of Debian's that is
// missing is none: images leave out documentation. It finds what went wrong,
// not what someone hid: who can change a file can change its record, and files
// that nobody recorded are not looked for.
func (img *Image) Damages(ctx context.Context) ([]drift.Damage, error) {
	records, err := visible(ctx, img, isRecord, func(_ string, size int64, r io.Reader) ([]byte, error) {
		return layers.Whole(size, r)
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", img.Name, err)
	}
	expected, recorded, err := readRecords(records)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", img.Name, err)
	}
	found, err := visible(ctx, img, func(name string) bool { return len(expected[name]) > 0 || isPipMetadata(name) },
		func(name string, _ int64, r io.Reader) (string, error) { return sums(expected[name], r) })
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", img.Name, err)
	}
	for name := range found { // a package of pip's that records nothing
		info := path.Dir(name)
		if owner := strings.TrimSuffix(path.Base(info), ".dist-info"); isPipMetadata(name) && !recorded[owner] &&
			len(expected[name]) == 0 {
			expected[info+"/RECORD"] = []record{{owner: owner}}
			delete(found, info+"/RECORD")
		}
	}
	return compareRecords(expected, found), nil
}

// readRecords returns what packages have recorded of files, by path, and the
// names of those packages.
func readRecords(files map[string]layers.Seen[[]byte]) (expected map[string][]record, recorded map[string]bool, err error) {
	expected, recorded = map[string][]record{}, map[string]bool{}
	add := func(name string, r record) {
		name = layers.Follow(files, name)
		expected[name] = append(expected[name], r)
		recorded[r.owner] = true
	}
	for name, f := range files {
		switch {
		case f.Symlink != "":
		case strings.HasSuffix(name, ".md5sums"):
			readMD5Sums(name, f.Value, add)
		case path.Base(name) == "RECORD":
			err = readRecord(name, f.Value, add)
		default:
			err = readCondaRecord(name, f.Value, add)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("/%s: %w", name, err)
		}
	}
	return expected, recorded, nil
}

// isPipMetadata matches the file by which an installed Python package is known.
func isPipMetadata(name string) bool {
	return path.Base(name) == "METADATA" && strings.HasSuffix(path.Dir(name), ".dist-info") &&
		!installed.Vendored(path.Dir(path.Dir(name)))
}

// A record is what one package says of one file.
type record struct {
	owner     string
	algorithm string // sha256, sha384, sha512 or md5
	sum       string // hex
	optional  bool   // it may be missing
}

// isRecord matches the files in which packages record their files.
func isRecord(name string) bool {
	dir, base := path.Dir(name), path.Base(name)
	return base == "RECORD" && strings.HasSuffix(dir, ".dist-info") || installed.IsCondaMeta(dir, base) ||
		strings.HasSuffix(base, ".md5sums") && (dir == "var/lib/dpkg/info" || dir == "var/lib/dpkg/status.d")
}

// readRecord reads a RECORD: path, hash and size, as CSV. A path is relative
// to the folder that the dist-info lies in.
func readRecord(name string, data []byte, add func(string, record)) error {
	info := path.Dir(name)
	owner := strings.TrimSuffix(path.Base(info), ".dist-info")
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	for {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(row) < 2 {
			continue
		}
		algorithm, sum, _ := strings.Cut(row[1], "=")
		sum, ok := recordedSum(algorithm, sum)
		if !ok {
			continue // such a row records no hash that we can check
		}
		file := path.Join(path.Dir(info), row[0])
		if path.IsAbs(row[0]) {
			file = row[0]
		}
		add(layers.Clean(file), record{owner, algorithm, sum, false})
	}
}

// readCondaRecord reads conda's record of a package. Its paths are relative to
// the environment; a file in which the environment's name stands has a hash of
// its own there.
func readCondaRecord(name string, data []byte, add func(string, record)) error {
	var meta struct {
		Name  string
		Paths struct {
			Paths []struct {
				Path     string `json:"_path"`
				Type     string `json:"path_type"`
				SHA256   string `json:"sha256"`
				InPrefix string `json:"sha256_in_prefix"`
			}
		} `json:"paths_data"`
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return err
	}
	environment := path.Dir(path.Dir(name))
	for _, p := range meta.Paths.Paths {
		if sum, ok := recordedSum("sha256", cmp.Or(p.InPrefix, p.SHA256)); ok && p.Type != "softlink" {
			add(layers.Clean(path.Join(environment, p.Path)), record{meta.Name, "sha256", sum, false})
		}
	}
	return nil
}

// recordedSum is a hash of a RECORD in hex: base64 by the specification, but
// some build tools write hex.
func recordedSum(algorithm, sum string) (string, bool) {
	h := newHash(algorithm)
	if h == nil {
		return "", false
	}
	if raw, err := hex.DecodeString(sum); err == nil && len(raw) == h.Size() {
		return strings.ToLower(sum), true
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(sum, "="))
	return hex.EncodeToString(raw), err == nil && len(raw) == h.Size()
}

// readMD5Sums reads dpkg's list of hashes, MD5 and path a line.
func readMD5Sums(name string, data []byte, add func(string, record)) {
	owner, _, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".md5sums"), ":")
	for _, line := range strings.Split(string(data), "\n") {
		sum, file, ok := strings.Cut(line, "  ")
		if !ok || len(sum) != 2*md5.Size {
			continue
		}
		add(layers.Clean(file), record{owner, "md5", strings.ToLower(sum), true})
	}
}

func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	case "sha512":
		return sha512.New()
	case "md5":
		return md5.New()
	}
	return nil
}

// sums returns a file's hashes by the algorithms that its records use, as lines
// of algorithm and hex.
func sums(records []record, r io.Reader) (string, error) {
	if len(records) == 0 { // the target of a hard link: who knows what its other name is recorded by
		records = []record{{algorithm: "sha256"}, {algorithm: "md5"}}
	}
	hashes := map[string]hash.Hash{}
	var writers []io.Writer
	for _, rec := range records {
		if hashes[rec.algorithm] == nil {
			hashes[rec.algorithm] = newHash(rec.algorithm)
			writers = append(writers, hashes[rec.algorithm])
		}
	}
	if _, err := io.Copy(io.MultiWriter(writers...), r); err != nil {
		return "", err
	}
	var out strings.Builder
	for algorithm, h := range hashes {
		fmt.Fprintf(&out, "%s %x\n", algorithm, h.Sum(nil))
	}
	return out.String(), nil
}

// compareRecords says which files are not as recorded.
func compareRecords(expected map[string][]record, found map[string]layers.Seen[string]) []drift.Damage {
	out := []drift.Damage{}
	for name, records := range expected {
		f, ok := found[name]
		switch {
		case !ok && slices.ContainsFunc(records, func(r record) bool { return r.optional }):
		case !ok:
			out = append(out, drift.Damage{Path: "/" + name, Package: records[0].owner, What: "missing"})
		case !slices.ContainsFunc(records,
			func(r record) bool { return strings.Contains(f.Value, r.algorithm+" "+r.sum+"\n") }):
			out = append(out, drift.Damage{Path: "/" + name, Package: records[0].owner, What: "changed"})
		}
	}
	slices.SortFunc(out, func(a, b drift.Damage) int { return cmp.Compare(a.Path, b.Path) })
	return out
}
