package pins

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// pixiToml reads a pixi.toml (pixi's documentation, "Pixi manifest"; its crate
// pixi_manifest): the channels, and what one of its environments asks for on Linux,
// of conda and of PyPI: the one that the course names, else its default environment.
// Other environments, tasks and platforms are not the image's.
func (c *course) pixiToml(file string, data []byte) {
	p := pixi{course: c, file: file}
	p.parser.KeepComments = true
	p.parser.Reset(data)
	if err := p.read(); err != nil {
		var pe *unstable.ParserError
		if errors.As(err, &pe) && len(pe.Highlight) > 0 {
			p.line = p.parser.Shape(p.parser.Range(pe.Highlight)).Start.Line
		}
		c.m.Findings.fatal(Position{File: c.name(file), Line: max(1, p.line)}, "toml", "not valid TOML: %v", err)
		return
	}
	p.interpret()
	if locked := path.Join(path.Dir(file), PixiLockName); c.exists(locked) {
		if c.bounds != nil && !c.bounds.hold(c.path(locked)) {
			c.m.Findings.warn(Position{File: c.name(locked)}, "outside", "the file lies outside of %s, and is not read: copy it "+
				"inside, or give --allow-outside", c.bounds.title)
			return
		}
		c.m.pixiLock = c.path(locked)
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
	leaves []*leaf
	heads  map[string]*string // the reasons of tables, by their keys
}

type comment struct {
	line int
	text string
}

// A leaf is a value that is no table, and the keys that lead to it, from the top.
type leaf struct {
	keys  []string
	value any // a string, a bool, a []any, or nil for what is none of these
	at    Position
	why   *string
}

func (p *pixi) read() (err error) {
	defer func() {
		if r := recover(); r != nil { // the parser's interface is not stable: a file must not bring us down
			err = fmt.Errorf("%v", r)
		}
	}()
	p.heads = map[string]*string{}
	for p.parser.NextExpression() {
		n := p.parser.Expression()
		switch n.Kind {
		case unstable.Comment:
			p.comment(n)
		case unstable.Table, unstable.ArrayTable:
			p.at = keys(n.Key())
			p.noteLine(n.Key())
			why := p.why()
			p.last, p.above = &why, nil
			p.heads[strings.Join(p.at, "\n")] = &why
			p.leaves = append(p.leaves, &leaf{keys: slices.Clone(p.at), at: p.position(), why: &why})
		case unstable.KeyValue:
			p.noteLine(n.Key())
			why := p.why()
			p.last, p.above = &why, nil
			p.flatten(append(slices.Clone(p.at), keys(n.Key())...), n.Value(), &why)
		}
		if behind := n.Next(); n.Kind != unstable.Comment && behind.Valid() && behind.Kind == unstable.Comment {
			p.comment(behind)
		}
	}
	return p.parser.Error()
}

// flatten notes the leaves of a value.
func (p *pixi) flatten(path []string, n *unstable.Node, why *string) {
	if n.Kind == unstable.InlineTable {
		empty := true
		for it := n.Children(); it.Next(); empty = false {
			p.flatten(append(slices.Clone(path), keys(it.Node().Key())...), it.Node().Value(), why)
		}
		if empty {
			p.leaves = append(p.leaves, &leaf{keys: path, value: map[string]any{}, at: p.position(), why: why})
		}
		return
	}
	at := p.position()
	if n.Kind == unstable.String {
		start := p.parser.Shape(n.Raw).Start
		at.Line, at.Column = start.Line, start.Column
	}
	p.leaves = append(p.leaves, &leaf{keys: path, value: value(n), at: at, why: why})
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

func (p *pixi) position() Position { return Position{File: p.name(p.file), Line: p.line, Column: 1} }

// keys are the parts of a dotted key.
func keys(it unstable.Iterator) (parts []string) {
	for it.Next() {
		parts = append(parts, string(it.Node().Data))
	}
	return parts
}

// value is a value as far as it matters here.
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
	case unstable.Bool:
		return string(n.Data) == "true"
	case unstable.String:
		return string(n.Data)
	case unstable.Integer:
		if i, err := strconv.Atoi(string(n.Data)); err == nil {
			return i
		}
	}
	return nil // floats, dates and the like: none is looked for
}
