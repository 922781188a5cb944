package pins

import (
	"bytes"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// environmentYML reads conda's environment file (conda's documentation,
// "Creating an environment file manually"): channels, and dependencies, which
// are conda's requirements and, under pip:, lines of a requirements file.
func (c *course) environmentYML(file string, data []byte) {
	r := yamlReader{c.name(file), &c.m.Findings}
	if isBlankYAML(data) {
		c.m.Findings.warn(Position{File: c.name(file), Line: 1}, "no-effect",
			"the file names no package; repo2docker reads it in the same way")
		return
	}
	root := r.parse(data)
	if root == nil {
		return
	}
	e := environment{c, r, file, strings.Split(string(data), "\n")}
	r.entries(root, "the environment", func(key, value *yaml.Node) {
		switch key.Value {
		case "channels":
			r.list(value, "channels", func(n *yaml.Node) {
				t := r.positioned(n, "a channel")
				t.Value = strings.TrimSpace(t.Value)
				c.m.Channels = append(c.m.Channels, t)
			})
		case "dependencies":
			r.list(value, "dependencies", e.dependency)
		case "variables":
			e.variables(value)
		case "name", "prefix": // the image has one environment, at its own place
		default:
			c.m.Findings.warn(r.at(key), "unknown-key", "conda ignores the key %q in an environment file: %s",
				key.Value, didYouMean(key.Value, []string{"name", "channels", "dependencies", "variables"}))
		}
	})
}

// variables reads those that conda sets where the environment is active: they
// become variables of the image, unless the manifest says otherwise.
func (e environment) variables(n *yaml.Node) {
	e.r.entries(n, "variables", func(key, value *yaml.Node) {
		text := e.r.text(value, key.Value)
		if key.Value == "" || strings.ContainsAny(key.Value, "= \t") {
			e.r.wrong(key, "env", "variables: %q is not a variable's name", key.Value)
			return
		}
		if _, said := e.m.Launch.Env[key.Value]; !said {
			e.m.Launch.setEnv(key.Value, text, e.r.at(key))
		}
	})
}

// pipItem reads an item under pip:, which conda hands to pip as lines of a
// requirements file.
func (e environment) pipItem(n *yaml.Node, spec string) {
	if !isString(n) {
		e.r.wrong(n, "type", "%q is %s to YAML, and no requirement: put it in quotes", spec, yamlType(n))
		return
	}
	for line := range strings.Lines(spec) {
		body, comment := cutAtSpacedHash(line)
		if body == "" {
			continue
		}
		if comment == "" {
			comment = e.why(n)
		}
		e.requirement(e.file, textLine{body, comment, e.r.at(n)})
	}
}

func isString(n *yaml.Node) bool { return n.ShortTag() == "!!str" }

// An environment is an environment file being read.
type environment struct {
	*course
	r     yamlReader
	file  string
	lines []string
}

// dependency reads an item of dependencies.
func (e environment) dependency(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		e.r.entries(n, "a dependency", func(key, value *yaml.Node) {
			if key.Value != "pip" {
				e.r.wrong(key, "unknown-key", "%q: under dependencies, only pip: may have a list", key.Value)
				return
			}
			e.r.list(value, "pip", func(n *yaml.Node) {
				if spec := e.r.text(n, "a pip requirement"); spec != "" {
					e.pipItem(n, spec)
				}
			})
		})
		return
	}
	if isNull(n) {
		e.m.Findings.warn(e.r.at(n), "empty", "an empty line of the list: delete the dash")
		return
	}
	spec := e.r.text(n, "a dependency")
	if spec == "" {
		return
	}
	if !isString(n) {
		e.r.wrong(n, "type", "%q is %s to YAML, and no package: put it in quotes", spec, yamlType(n))
		return
	}
	if stem, odd := strings.CutSuffix(strings.TrimSpace(spec), "."); odd && condaDotted.MatchString(stem) {
		e.m.Findings.warn(e.r.at(n), "specifier", "%s: the version ends with a dot: read as %s.*, as conda did", spec,
			stem)
		e.addConda(n, spec, stem+".*")
		return
	}
	e.addConda(n, spec, spec)
}

// condaDotted matches NAME=1.11, of what ends with a dot.
var condaDotted = regexp.MustCompile(`^[A-Za-z0-9_.-]+ *=+ *[0-9]+(?:\.[0-9]+)*$`)

// addConda adds a requirement that is written in one way and read in another.
func (e environment) addConda(n *yaml.Node, spec, meant string) {
	q, err := ParseConda(strings.TrimSpace(meant))
	q.Spec = strings.TrimSpace(spec)
	e.add(q, err, textLine{spec, e.why(n), e.r.at(n)})
	if err == nil {
		e.odd(n, q, spec)
	}
}

// withUnderscore are conda packages whose names on the index have a dash.
var withUnderscore = strings.Fields(
	`importlib_metadata importlib_resources jupyter_bokeh jupyter_client jupyter_console jupyter_contrib_core
jupyter_contrib_nbextensions jupyter_core jupyter_events jupyter_nbextensions_configurator jupyter_server
jupyter_server_fileid jupyter_server_terminals jupyter_server_ydoc jupyter_telemetry jupyter_ydoc
jupyterlab_pygments jupyterlab_server jupyterlab_widgets prompt_toolkit sphinx_rtd_theme stack_data
typing_extensions`)

// odd warns of what conda takes otherwise than it looks.
func (e environment) odd(n *yaml.Node, q Request, spec string) {
	written, _, _ := strings.Cut(strings.TrimSpace(spec), "::")
	if _, after, ok := strings.Cut(spec, "::"); ok {
		written = after
	}
	if len(written) >= len(q.Name) && written[:len(q.Name)] != q.Name {
		e.m.Findings.warn(e.r.at(n), "spelling", "%s: conda's names are in lower case: write %s",
			written[:len(q.Name)], q.Name)
	}
	for _, known := range withUnderscore {
		if q.Name != known && CanonicalName(Pip, q.Name) == CanonicalName(Pip, known) {
			e.m.Findings.warn(e.r.at(n), "spelling", "%s: to conda - and _ differ, and conda-forge has it as %s",
				q.Name, known)
		}
	}
	if q.Name == "python" && strings.HasPrefix(q.Constraint, "==") && strings.Count(q.Version, ".") == 1 {
		e.m.Findings.warn(e.r.at(n), "python",
			"python==%[1]s means %[1]s.0 to conda: write python=%[1]s for any %[1]s.x", q.Version)
	}
}

// commentedOut matches what was a list item before it was commented out.
var commentedOut = regexp.MustCompile(`^-\s*\S+\s*(?:$|[=<>]|#)`)

// why is the comment behind an item, else the comment lines just above it.
func (e environment) why(n *yaml.Node) string {
	if behind := strings.TrimSpace(strings.TrimLeft(n.LineComment, "# \t")); behind != "" {
		return behind
	}
	var above []string
	for i := n.Line - 2; i >= 0 && i < len(e.lines); i-- {
		text, ok := strings.CutPrefix(strings.TrimSpace(e.lines[i]), "#")
		text = strings.TrimSpace(strings.TrimLeft(text, "#"))
		if !ok || commentedOut.MatchString(text) {
			break
		}
		if text != "" {
			above = append([]string{text}, above...)
		}
	}
	return strings.Join(above, " ")
}

// parseRuntime reads a runtime.txt as repo2docker does, all of it: NAME-VERSION,
// NAME-DATE or NAME-VERSION-DATE.
func parseRuntime(text string) (name, version, date string, ok bool) {
	parts := strings.Split(strings.TrimSpace(text), "-")
	if strings.ContainsAny(strings.TrimSpace(text), " \t\n") {
		return "", "", "", false
	}
	name = parts[0]
	switch len(parts) {
	case 2:
		return name, parts[1], "", name != "" && parts[1] != ""
	case 5:
		version = parts[1]
		fallthrough
	case 4:
		date = strings.Join(parts[len(parts)-3:], "-")
		_, err := time.Parse(time.DateOnly, date)
		return name, version, date, err == nil && name != "" && (version != "" || len(parts) == 4)
	}
	return "", "", "", false
}

// runtimeTxt reads repo2docker's runtime.txt: python-X.Y, or r-X.Y-DATE, where
// the date is that of a snapshot of CRAN.
func (c *course) runtimeTxt(file string, data []byte) {
	text := strings.TrimSpace(string(data))
	line := textLine{text: text, at: Position{File: c.name(file),
		Line: 1 + strings.Count(string(data[:strings.Index(string(data), text)]), "\n"), Column: 1}}
	name, version, date, ok := parseRuntime(text)
	switch {
	case !ok:
		c.m.Findings.fatal(line.at, "runtime",
			"%q is not a runtime: repo2docker takes one line and no comment: write python-3.11, or r-4.3-2023-08-01",
			text)
	case name == "python":
		c.runtimePython(line, version, date)
	case name == "r" && date != "":
		c.runtimeR(line, version, date)
	case name == "r":
		c.m.Findings.fatal(line.at, "runtime", "%q has no date, so repo2docker ignores it: write r-4.3-2023-08-01",
			text)
	default:
		c.m.Findings.fatal(line.at, "runtime", "%q: repo2docker ignores %s: write python-3.11, or r-4.3-2023-08-01",
			text, name)
	}
}

// runtimeR reads what is asked of R. conda has the version that is named, where there
// is an environment of conda's; Debian has one.
func (c *course) runtimeR(line textLine, version, date string) {
	c.m.CRANDate = date
	if !runtimeVersion.MatchString(version) {
		c.m.Findings.fatal(line.at, "runtime", "%q is not a version of R: write r-4.3-2023-08-01", version)
		return
	}
	dir := path.Dir(strings.TrimPrefix(line.at.File, strings.TrimSuffix(c.m.Dir, "/")+"/"))
	if c.exists(path.Join(dir, "environment.yml")) || c.exists(path.Join(dir, "environment.yaml")) {
		c.add(Request{Pin: New(Conda, "r-base", version), Spec: line.text, Constraint: "=" + version}, nil, line)
		return
	}
	c.m.Findings.warn(line.at, "runtime", "%s: the R of the base image's apt sources is taken, in its version: write an "+
		"environment.yml to have conda's r-base in the version %s", line.text, version)
	if data, err := os.ReadFile(c.path(path.Join(dir, "apt.txt"))); err != nil || !strings.Contains(string(data), "r-base") {
		c.add(Request{Pin: New(Deb, "r-base-core", ""), Spec: "r-base-core"}, nil, line)
	}
}

var runtimeVersion = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+){0,2}$`)

// runtimePython reads what is asked of Python.
func (c *course) runtimePython(line textLine, version, date string) {
	if date != "" {
		c.m.Findings.warn(line.at, "runtime",
			"%s: neither repo2docker nor driftpin reads a date for Python: write as-of in a pins.yaml", date)
	}
	// What repo2docker takes where no minor version is named.
	if short := map[string]string{"": "3.10", "3": "3.10", "2": "2.7"}[version]; short != "" {
		c.m.Findings.warn(line.at, "runtime", "%s: repo2docker takes Python %s: write python-%s", line.text, short,
			short)
		version = short
	}
	if !runtimeVersion.MatchString(version) {
		c.m.Findings.fatal(line.at, "runtime", "%q is not a version of Python: write python-3.11", version)
		return
	}
	c.add(Request{Pin: New(Conda, "python", version), Spec: line.text, Constraint: "=" + version}, nil, line)
}

// isBlankYAML reports whether a file has nothing but comments.
func isBlankYAML(data []byte) bool {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && string(line) != "---" {
			return false
		}
	}
	return true
}

// yamlType is what YAML takes a value for, in words.
func yamlType(n *yaml.Node) string {
	switch tag := strings.TrimPrefix(n.ShortTag(), "!!"); tag {
	case "int":
		return "an integer"
	case "float":
		return "a number"
	case "bool":
		return "true or false"
	case "null":
		return "nothing"
	case "timestamp":
		return "a date"
	case "map":
		return "a mapping"
	case "seq":
		return "a list"
	default:
		return "of the type " + tag
	}
}
