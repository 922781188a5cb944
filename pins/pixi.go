package pins

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// pixiToml reads a pixi.toml (pixi's documentation, "Pixi manifest"): the
// channels, and what its default environment asks for on Linux, of conda and of
// PyPI. Other environments, tasks and platforms are not the image's.
func (c *course) pixiToml(file string, data []byte) {
	p := pixi{course: c, file: file, tables: map[string]*pixiTable{}}
	p.parser.KeepComments = true
	p.parser.Reset(data)
	if err := p.read(); err != nil {
		var pe *unstable.ParserError
		if errors.As(err, &pe) && len(pe.Highlight) > 0 {
			p.line = p.parser.Shape(p.parser.Range(pe.Highlight)).Start.Line
		}
		c.m.Findings.fatal(Position{File: c.name(file), Line: max(1, p.line)}, "toml", "not valid TOML: %v", err)
	}
}

// A pixi is a pixi.toml being read.
type pixi struct {
	*course
	file   string
	parser unstable.Parser
	line   int       // last read
	at     []string  // the table that is being read
	above  []comment // the comments since the last key, which may be its reason
	last   *string   // the reason of the last key or table, for a comment behind it
	tables map[string]*pixiTable
}

type comment struct {
	line int
	text string
}

// A pixiTable is a dependency that is written as a table of its own.
type pixiTable struct {
	line   int
	why    string
	values map[string]any
}

func (p *pixi) read() (err error) {
	defer func() {
		if r := recover(); r != nil { // the parser's interface is not stable: a file must not bring us down
			err = fmt.Errorf("%v", r)
		}
	}()
	var order []string
	for p.parser.NextExpression() {
		n := p.parser.Expression()
		switch n.Kind {
		case unstable.Comment:
			p.comment(n)
		case unstable.Table, unstable.ArrayTable:
			p.at, p.last = keys(n.Key()), nil
			p.noteLine(n.Key())
			if kind, name := p.dependency(p.at); kind != "" && name != "" {
				key := string(kind) + " " + name
				p.tables[key] = &pixiTable{line: p.line, why: p.why(), values: map[string]any{}}
				order = append(order, key)
				p.last = &p.tables[key].why
			}
			p.above = nil
		case unstable.KeyValue:
			p.noteLine(n.Key())
			p.keyValue(append(slices.Clone(p.at), keys(n.Key())...), value(n.Value()))
			p.above = nil
		}
		if behind := n.Next(); n.Kind != unstable.Comment && behind.Valid() && behind.Kind == unstable.Comment {
			p.comment(behind)
		}
	}
	for _, key := range order {
		kind, name, _ := strings.Cut(key, " ")
		t := p.tables[key]
		p.line = t.line
		p.ask(Kind(kind), name, t.values, t.why)
	}
	return p.parser.Error()
}

// noteLine learns the line of a key.
func (p *pixi) noteLine(key unstable.Iterator) {
	if key.Next() {
		p.line = p.parser.Shape(key.Node().Raw).Start.Line
	}
}

// comment keeps a comment line as the reason of what comes below; one behind a
// value is the reason of that.
func (p *pixi) comment(n *unstable.Node) {
	text := strings.TrimSpace(strings.TrimLeft(string(n.Data), "# \t"))
	line := p.parser.Shape(n.Raw).Start.Line
	if p.last != nil && line == p.line && text != "" {
		*p.last = text
		return
	}
	p.above = append(p.above, comment{line, text})
}

// why is what the comments just above say.
func (p *pixi) why() string {
	var texts []string
	line := p.line
	for _, c := range slices.Backward(p.above) {
		if c.line != line-1 {
			break
		}
		line = c.line
		texts = append([]string{c.text}, texts...)
	}
	return strings.TrimSpace(strings.Join(texts, " "))
}

// keys are the parts of a dotted key.
func keys(it unstable.Iterator) (parts []string) {
	for it.Next() {
		parts = append(parts, string(it.Node().Data))
	}
	return parts
}

// value is a value as far as it matters here: a string, a list of them, or a
// table.
func value(n *unstable.Node) any {
	switch n.Kind {
	case unstable.Array:
		list := []any{}
		for it := n.Children(); it.Next(); {
			if it.Node().Kind != unstable.Comment {
				list = append(list, value(it.Node()))
			}
		}
		return list
	case unstable.InlineTable:
		table := map[string]any{}
		for it := n.Children(); it.Next(); {
			table[strings.Join(keys(it.Node().Key()), ".")] = value(it.Node().Value())
		}
		return table
	}
	if n.Kind == unstable.String {
		return string(n.Data)
	}
	return nil // numbers, dates and the like: none is looked for
}

// dependency says of which kind of dependencies a key speaks, and of which
// package, if it is one of the default environment on Linux.
func (p *pixi) dependency(key []string) (kind Kind, name string) {
	if len(key) > 2 && key[0] == "target" && slices.Contains([]string{"linux", "linux-64", "unix"}, key[1]) {
		key = key[2:]
	}
	kind = map[string]Kind{"dependencies": Conda, "host-dependencies": Conda, "build-dependencies": Conda, "pypi-dependencies": Pip}[key[0]]
	if len(key) > 1 {
		name = key[1]
	}
	return kind, name
}

func (p *pixi) keyValue(key []string, v any) {
	p.last = nil
	if (key[0] == "project" || key[0] == "workspace") && len(key) == 2 && key[1] == "channels" {
		list, _ := v.([]any)
		for _, one := range list {
			name, _ := one.(string)
			if t, ok := one.(map[string]any); ok {
				name, _ = t["channel"].(string)
			}
			p.m.Channels = append(p.m.Channels, Text{name, p.position()})
		}
		return
	}
	if key[0] == "feature" {
		p.m.Findings.warn(p.position(), "ghost", "%s: only pixi's default environment is read, so this has no effect", strings.Join(key, "."))
		return
	}
	kind, name := p.dependency(key)
	if kind == "" || name == "" {
		return
	}
	if t := p.tables[string(kind)+" "+name]; t != nil {
		t.values[key[len(key)-1]] = v
		return
	}
	values, isTable := v.(map[string]any)
	if !isTable {
		values = map[string]any{"version": v}
	}
	p.ask(kind, name, values, p.why())
}

func (p *pixi) position() Position { return Position{File: p.name(p.file), Line: p.line, Column: 1} }

// ask adds what a dependency asks for.
func (p *pixi) ask(kind Kind, name string, values map[string]any, why string) {
	text := func(key string) string {
		s, _ := values[key].(string)
		return strings.TrimSpace(s)
	}
	version := text("version")
	if version == "*" {
		version = ""
	}
	spec := name
	var q Request
	var err error
	switch {
	case text("path") != "" || text("url") != "":
		err = fmt.Errorf("%s: a path or an address can't be locked: use a version, or git", name)
	case kind == Conda:
		if version != "" {
			spec += " " + version
		}
		if build := text("build"); build != "" {
			spec = fmt.Sprintf("%s[version='%s',build='%s']", name, version, build)
		}
		if channel := text("channel"); channel != "" {
			spec = channel + "::" + spec
		}
		q, err = ParseConda(spec)
	case text("git") != "":
		spec = "git+" + text("git")
		for _, ref := range []string{"rev", "tag", "branch"} {
			if text(ref) != "" {
				spec += "@" + text(ref)
				break
			}
		}
		if sub := text("subdirectory"); sub != "" {
			spec += "#subdirectory=" + sub
		}
		if q, err = ParsePip(spec); err == nil {
			q.Name = CanonicalName(Pip, name)
		}
	case version != "" && version[0] >= '0' && version[0] <= '9':
		err = fmt.Errorf("%s: %q is not a version specifier (PEP 440): write ==%s", name, version, version)
	default:
		var extras []string
		list, _ := values["extras"].([]any)
		for _, e := range list {
			extras = append(extras, fmt.Sprint(e))
		}
		if len(extras) > 0 {
			spec += "[" + strings.Join(extras, ",") + "]"
		}
		q, err = ParsePip(spec + version)
	}
	before := len(p.m.Requests)
	p.add(q, err, textLine{spec, why, p.position()})
	if len(p.m.Requests) > before {
		p.last = &p.m.Requests[len(p.m.Requests)-1].Why
	}
}
