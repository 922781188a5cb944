package pins

import (
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// environmentYML reads conda's environment file (conda's documentation,
// "Creating an environment file manually"): channels, and dependencies, which
// are conda's requirements and, under pip:, lines of a requirements file.
func (c *course) environmentYML(file string, data []byte) {
	r := yamlReader{c.name(file), &c.m.Findings}
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
		case "name", "prefix", "variables", "platforms":
			// The image has one environment, at its own place; what is set in
			// it is the hub's affair.
		default:
			c.m.Findings.warn(r.at(key), "unknown-key", "conda knows no key %q in an environment file: %s", key.Value, didYouMean(key.Value, []string{"name", "channels", "dependencies", "variables"}))
		}
	})
}

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
				e.r.wrong(key, "unknown-key", "%q: under dependencies only pip: has a list of its own", key.Value)
				return
			}
			e.r.list(value, "pip", func(n *yaml.Node) {
				if spec := e.r.text(n, "a pip requirement"); spec != "" {
					e.requirement(e.file, textLine{strings.TrimSpace(spec), e.why(n), e.r.at(n)})
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
	q, err := ParseConda(strings.TrimSpace(spec))
	e.add(q, err, textLine{spec, e.why(n), e.r.at(n)})
	if err == nil {
		e.odd(n, q, spec)
	}
}

// withUnderscore are conda packages whose names on the index have a dash.
var withUnderscore = strings.Fields(`importlib_metadata importlib_resources jupyter_bokeh jupyter_client jupyter_console jupyter_contrib_core
jupyter_contrib_nbextensions jupyter_core jupyter_events jupyter_nbextensions_configurator jupyter_server jupyter_server_fileid jupyter_server_terminals
jupyter_server_ydoc jupyter_telemetry jupyter_ydoc jupyterlab_pygments jupyterlab_server jupyterlab_widgets prompt_toolkit sphinx_rtd_theme stack_data typing_extensions`)

// odd warns of what conda takes otherwise than it looks.
func (e environment) odd(n *yaml.Node, q Request, spec string) {
	written, _, _ := strings.Cut(strings.TrimSpace(spec), "::")
	if _, after, ok := strings.Cut(spec, "::"); ok {
		written = after
	}
	if len(written) >= len(q.Name) && written[:len(q.Name)] != q.Name {
		e.m.Findings.warn(e.r.at(n), "spelling", "%s: conda's names are in lower case: write %s", written[:len(q.Name)], q.Name)
	}
	for _, known := range withUnderscore {
		if q.Name != known && CanonicalName(Pip, q.Name) == CanonicalName(Pip, known) {
			e.m.Findings.warn(e.r.at(n), "spelling", "%s: to conda - and _ differ, and conda-forge has it as %s", q.Name, known)
		}
	}
	if q.Name == "python" && strings.HasPrefix(q.Constraint, "==") && strings.Count(q.Version, ".") == 1 {
		e.m.Findings.warn(e.r.at(n), "python", "python==%[1]s means %[1]s.0 to conda: write python=%[1]s for any %[1]s.x", q.Version)
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

// runtimeTxt reads repo2docker's runtime.txt: python-X.Y, or r-X.Y-DATE, where
// the date is that of a snapshot of CRAN.
func (c *course) runtimeTxt(file string, data []byte) {
	c.lines(file, data, cutAtHash, func(line textLine) {
		m := runtimeLine.FindStringSubmatch(line.text)
		switch {
		case m == nil:
			c.m.Findings.fatal(line.at, "runtime", "%q is not a runtime: write python-3.11, or r-4.3-2023-08-01", line.text)
		case m[1] != "":
			c.add(Request{Pin: New(Conda, "python", m[1]), Spec: line.text, Constraint: "=" + m[1]}, nil, line)
		default:
			c.add(Request{Pin: New(R, "r", m[2]), Spec: line.text}, nil, line)
		}
	})
}

var runtimeLine = regexp.MustCompile(`^(?:python-([0-9]+(?:\.[0-9]+){0,2})|r-(?:([0-9]+(?:\.[0-9]+){0,2})-)?([0-9]{4}-[0-9]{2}-[0-9]{2}))$`)

// absolute reads a requirements file that is named by an absolute path, as a
// Dockerfile may have copied it there: the file of that name in the course.
func (c *course) absolute(value, file string, from Position) {
	beside := path.Join(path.Dir(file), path.Base(value))
	if !c.exists(beside) {
		c.m.Findings.fatal(from, "include", "include %q: driftpin can't know what lies there when the image is built: put the file into the course's folder", value)
		return
	}
	c.m.Findings.warn(from, "include", "include %q: taken to be %s", value, c.name(beside))
	c.include(beside, from)
}
