package installed

import (
	"bytes"
	"strings"
)

// maxValue is how long a value may become by lines that go on with it, in bytes:
// nothing that we want of a field goes on for long.
const maxValue = 4096

// maxValues is how long all values of a field that is wanted as NAME* may become together, in bytes.
const maxValues = 256 << 10

// A dialect is how a control file is read by who owns it.
type dialect struct {
	exact bool // names of fields count by their exact letters
	last  bool // of repeated fields the last counts, not the first
}

// How dpkg reads its status (deb-control(5)), and R a DESCRIPTION (read.dcf).
var (
	dpkgDialect = dialect{}
	rDialect    = dialect{exact: true, last: true}
)

// fields reads the first paragraph of a control file, as Debian (policy 5.1) and
// R (DESCRIPTION) write it: name: value, and lines that begin with white space go
// on with the last value. It returns what follows the paragraph. Of the values
// only those of wanted names are kept.
func (d dialect) fields(data []byte, wanted ...string) (values map[string]string, rest []byte) {
	values = map[string]string{}
	key, some := "", false
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || (line[0] == ' ' || line[0] == '\t') && len(bytes.TrimSpace(line)) == 0 {
			if !some {
				continue
			}
			break
		}
		some = true
		if line[0] == ' ' || line[0] == '\t' {
			if key != "" && len(values[key]) < maxValue {
				values[key] += "\n" + string(bytes.TrimSpace(line))
			}
			continue
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if key = ""; ok {
			key = d.note(values, string(bytes.TrimRight(name, " \t")), string(bytes.TrimSpace(value)), wanted)
		}
	}
	return trimmed(values), data
}

// note keeps the value of a wanted field, and returns its name; empty if it is
// not kept.
func (d dialect) note(values map[string]string, name, value string, wanted []string) string {
	for _, w := range wanted {
		if name != w && (d.exact || !strings.EqualFold(name, w)) {
			continue
		}
		if _, again := values[w]; again && !d.last {
			return ""
		}
		values[w] = value
		return w
	}
	for _, w := range wanted { // NAME*: all fields of that name, a line each
		if plain, all := strings.CutSuffix(w, "*"); all && strings.EqualFold(name, plain) && len(values[w]) < maxValues {
			values[w] += value + "\n"
		}
	}
	return ""
}

func trimmed(values map[string]string) map[string]string {
	for key, value := range values {
		values[key] = strings.TrimSpace(value)
	}
	return values
}

// headers reads the fields at the head of a Python distribution's metadata, as
// Python's email package does (email/feedparser.py), by which importlib.metadata
// and pip read it: a line that begins with white space, be there nothing else in
// it, goes on with the field above; the first line that is neither such nor a
// field ends the head. Of repeated fields the first counts, but for those that are
// wanted as NAME*.
func headers(data []byte, wanted ...string) map[string]string {
	values := map[string]string{}
	key := ""
	for first := true; len(data) > 0; first = false {
		end := bytes.IndexAny(data, "\r\n")
		line := data
		if end >= 0 {
			line = data[:end]
			if data = data[end:]; bytes.HasPrefix(data, []byte("\r\n")) {
				data = data[1:]
			}
			data = data[1:]
		} else {
			data = nil
		}
		switch {
		case len(line) > 0 && (line[0] == ' ' || line[0] == '\t'):
			if key != "" && len(values[key]) < maxValue {
				values[key] += "\n" + string(bytes.TrimSpace(line))
			}
			continue
		case first && bytes.HasPrefix(line, []byte("From ")):
			continue
		}
		colon := bytes.IndexFunc(line, func(r rune) bool { return r <= ' ' || r == ':' || r > '~' })
		if colon < 0 || line[colon] != ':' {
			break
		}
		key = dialect{}.note(values, string(line[:colon]), string(bytes.TrimSpace(line[colon+1:])), wanted)
	}
	return trimmed(values)
}
