package owns

import (
	"archive/zip"
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// maxRecord bounds the metadata files of a wheel, in bytes.
const maxRecord = 64 << 20

// readOwned reads the paths that a wheel owns once it is installed (PyPA,
// "Binary distribution format"), relative to the environment but for what lies
// in site-packages, and their hashes as RECORD has them. A console script is
// known by what it calls.
func readOwned(r io.ReaderAt, size int64) (map[string]string, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	owned := map[string]string{}
	recorded := false
	for _, f := range z.File {
		switch dir, base := path.Split(f.Name); {
		case strings.Count(f.Name, "/") != 1 || !strings.HasSuffix(dir, ".dist-info/"):
		case base == "RECORD":
			recorded = true
			err = readPart(f, func(r io.Reader) error { return addRecord(r, owned) })
		case base == "entry_points.txt":
			err = readPart(f, func(r io.Reader) error { return addScripts(r, owned) })
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if !recorded {
		return nil, errors.New("the file has no RECORD, so it is not an installable wheel")
	}
	return owned, nil
}

func readPart(f *zip.File, read func(io.Reader) error) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return read(io.LimitReader(r, maxRecord))
}

// addRecord reads a RECORD: path, hash and size, as CSV.
func addRecord(r io.Reader, owned map[string]string) error {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = -1
	rows.LazyQuotes = true
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(row) > 1 && row[1] != "" && !strings.ContainsAny(row[0], "\t\n\r") && path.Ext(row[0]) != ".pyc" {
			owned[installedPath(row[0])] = row[1]
		}
	}
}

// installedPath is where a file of a wheel is installed: NAME.data/SCHEME/ is
// spread over the environment.
func installedPath(file string) string {
	file = path.Clean("/" + file)[1:]
	top, rest, ok := strings.Cut(file, "/")
	if !ok || !strings.HasSuffix(top, ".data") {
		return "site-packages/" + file
	}
	scheme, rest, _ := strings.Cut(rest, "/")
	switch scheme {
	case "purelib", "platlib":
		return "site-packages/" + rest
	case "scripts":
		return "bin/" + rest
	case "headers":
		name, _, _ := strings.Cut(top, "-")
		return "include/" + name + "/" + rest
	}
	return rest // data
}

// addScripts reads the console and gui scripts of entry_points.txt (PyPA,
// "Entry points specification"): NAME = MODULE:FUNCTION.
func addScripts(r io.Reader, owned map[string]string) error {
	section := ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[] ")
			continue
		}
		name, call, ok := strings.Cut(line, "=")
		if ok && !strings.HasPrefix(line, "#") && (section == "console_scripts" || section == "gui_scripts") {
			owned["bin/"+strings.TrimSpace(name)] = "calls " + strings.Join(strings.Fields(call), "")
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return errors.New("a line is too long")
	}
	return lines.Err()
}
