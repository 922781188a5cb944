package installed

import (
	"bytes"
	"strings"
)

// maxValue is how long a value may become by lines that go on with it, in bytes:
// nothing that we want of a field goes on for long.
const maxValue = 4096

// fields reads the first paragraph of a control file, as Debian (policy 5.1),
// R (DESCRIPTION) and Python (core metadata, before its body) write it: name:
// value, and lines that begin with white space go on with the last value. It
// returns what follows the paragraph. Names come out in lower case; of a
// repeated one the first counts. Of the values only those of wanted names are
// kept.
func fields(data []byte, wanted ...string) (values map[string]string, rest []byte) {
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
			return values, data
		}
		some = true
		if line[0] == ' ' || line[0] == '\t' {
			if key != "" && len(values[key]) < maxValue {
				values[key] += "\n" + string(bytes.TrimSpace(line))
			}
			continue
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if key = ""; !ok {
			continue
		}
		name = bytes.TrimRight(name, " \t")
		for _, w := range wanted {
			if len(name) == len(w) && strings.EqualFold(string(name), w) {
				if _, again := values[w]; !again {
					key, values[w] = w, string(bytes.TrimSpace(value))
				}
			}
		}
	}
	return values, nil
}
