package hub

import (
	"strconv"

	"github.com/driftpin/driftpin/pins"
)

// A program runs configuration written in Python, as far as that can be foretold:
// assignments, literals, loops over what is known, f-strings. What depends on more
// is unknown, and no rule speaks of it. Nothing of it is executed by Python.
type program struct {
	config *Value            // c: by class and trait
	names  map[string]*Value // variables
	bare   []pins.Position   // where a trait of the hub is filled that was never made (a TypeError of traitlets')
	at     pins.Position     // of the text
	folded bool              // lines of the text are not lines of the file
	secret bool
	steps  int
}

// maxSteps bounds the statements that are run and the expressions that are looked
// at: loops in loops may be long.
const maxSteps = 50_000

// newProgram returns a program with a configuration.
func newProgram(config *Value) *program {
	if config == nil {
		config = &Value{kind: mapping}
	}
	return &program{config: config, names: map[string]*Value{"c": config}}
}

// runPython runs a text that stands at a place of a file.
func runPython(source string, at pins.Position, config *Value) *program {
	p := newProgram(config)
	p.run(source, at, false, false)
	return p
}

// run runs a text; what one text defines, later ones know. folded says that its
// lines are not the file's.
func (p *program) run(source string, at pins.Position, folded, secret bool) {
	p.at, p.folded, p.secret, p.steps = at, folded, secret, 0
	in := parser{tokens: tokens(source)}
	for in.peek().kind != 0 {
		p.block(in.block())
	}
}

func (p *program) place(line int) pins.Position {
	at := p.at
	if !p.folded {
		at.Line += line
	}
	return at
}

func (p *program) value(k kind, text string, line int) *Value {
	return &Value{kind: k, text: text, at: p.place(line), secret: p.secret}
}

func (p *program) block(body []stmt) {
	for _, s := range body {
		if p.steps++; p.steps > maxSteps {
			return
		}
		p.statement(s)
	}
}

func (p *program) statement(s stmt) {
	switch s.op {
	case "expr":
		p.eval(s.value)
	case "assign":
		p.assign(s.target, p.eval(s.value))
	case "add":
		p.add(p.eval(s.target), p.eval(s.value), s)
	case "block":
		p.block(s.body)
	case "for":
		p.loop(s.vars, p.eval(s.value), s.line, func() { p.block(s.body) })
	}
}

// loop runs a body for each item of a value; once, with unknown variables, where the
// items are not known.
func (p *program) loop(vars []string, over *Value, line int, body func()) {
	items := over.list()
	if over.kind == unknown || over.open {
		items = append(items[:len(items):len(items)], p.value(unknown, "", line))
	}
	for _, item := range items {
		if p.steps++; p.steps > maxSteps {
			return
		}
		for i, name := range vars {
			p.names[name] = item
			if len(vars) > 1 {
				p.names[name] = p.value(unknown, "", line)
				if item.kind == list && i < len(item.items) {
					p.names[name] = item.items[i]
				}
			}
		}
		body()
	}
}

// assign gives a variable, a trait or an item its value.
func (p *program) assign(target *expr, v *Value) {
	switch {
	case target.op == "name":
		if target.text != "c" {
			p.names[target.text] = v
		}
	case target.op == "attribute":
		p.fill(p.eval(target.args[0]), p.value(text, target.text, target.line), v)
	case target.op == "index":
		in := p.eval(target.args[0])
		if in.kind == lazy {
			p.bare = append(p.bare, p.place(target.line))
			return
		}
		p.fill(in, p.eval(target.args[1]), v)
	}
}

// lazy is a trait that nobody has set: things can be added to it, as traitlets
// allows (config/loader.py, LazyConfigValue), but not by index.
const lazy = kind(-1)

// fill sets a key of a mapping; of one that is not known, the mapping is open.
func (p *program) fill(in, key, v *Value) {
	if in.kind != mapping {
		return
	}
	if in.secret = in.secret || v.secret; key.kind == unknown {
		in.open = true
		return
	}
	in.set(key, v)
}

// add adds to a list or a mapping.
func (p *program) add(to, v *Value, s stmt) {
	switch {
	case to.kind == list && v.kind == list:
		to.items, to.open = append(to.items, v.items...), to.open || v.open
	case to.kind == list:
		to.open = true
	case to.kind == text:
		p.assign(s.target, p.concat(to, v))
	}
}

func (p *program) concat(a, b *Value) *Value {
	out := &Value{kind: a.kind, at: a.at, secret: a.secret || b.secret}
	switch {
	case a.kind == list && b.kind == list:
		out.items, out.open = append(append([]*Value{}, a.items...), b.items...), a.open || b.open
	case a.kind == text || b.kind == text:
		out.kind, out.text = text, a.part()+b.part()
	default:
		out.kind = unknown
	}
	return out
}

// part is a value as a part of a text.
func (v *Value) part() string {
	if v.kind == text || v.kind == number {
		return v.text
	}
	return hole
}

func (p *program) eval(e *expr) *Value {
	if p.steps++; e == nil || p.steps > maxSteps {
		return &Value{}
	}
	switch e.op {
	case "text":
		out := p.value(text, e.text, e.line)
		for _, a := range e.args {
			v := p.eval(a)
			if out.text += v.part(); v.secret {
				out.secret = true
			}
			if len(out.text) > 1<<16 {
				return p.value(unknown, "", e.line)
			}
		}
		return out
	case "number":
		return p.value(number, e.text, e.line)
	case "name":
		return p.name(e)
	case "list":
		out := p.value(list, "", e.line)
		for _, a := range e.args {
			out.items = append(out.items, p.eval(a))
		}
		return out
	case "mapping":
		return p.mapping(e)
	case "attribute":
		return p.attribute(p.eval(e.args[0]), e)
	case "index":
		return p.index(p.eval(e.args[0]), p.eval(e.args[1]), e.line)
	case "add":
		return p.concat(p.eval(e.args[0]), p.eval(e.args[1]))
	case "call":
		return p.call(e)
	case "comprehension":
		return p.comprehend(e)
	}
	return p.value(unknown, "", e.line)
}

func (p *program) name(e *expr) *Value {
	switch e.text {
	case "True", "False":
		return p.value(boolean, map[string]string{"True": "true", "False": "false"}[e.text], e.line)
	case "None":
		return p.value(null, "", e.line)
	}
	if v, ok := p.names[e.text]; ok {
		return v
	}
	return p.value(unknown, "", e.line)
}

func (p *program) mapping(e *expr) *Value {
	out := p.value(mapping, "", e.line)
	for i := 0; i+1 < len(e.args); i += 2 {
		p.fill(out, p.eval(e.args[i]), p.eval(e.args[i+1]))
	}
	return out
}

func (p *program) index(in, key *Value, line int) *Value {
	if v := in.get(key.text); v != nil && key.kind != unknown {
		return v
	}
	if i, err := strconv.Atoi(key.text); in.kind == list && err == nil && i >= 0 && i < len(in.items) {
		return in.items[i]
	}
	return p.value(unknown, "", line)
}

// attribute is a section of c, or a trait of one.
func (p *program) attribute(in *Value, e *expr) *Value {
	if in == p.config {
		if in.get(e.text) == nil {
			in.set(p.value(text, e.text, e.line), p.value(mapping, "", e.line))
		}
		return in.get(e.text)
	}
	for _, section := range p.config.items {
		if section != in {
			continue
		}
		if v := in.get(e.text); v != nil {
			return v
		}
		return &Value{kind: lazy, at: p.place(e.line), text: e.text, items: []*Value{in}, secret: p.secret}
	}
	return p.value(unknown, "", e.line)
}

// made is a value to add to: a trait that nobody has set is made.
func (p *program) made(v *Value, k kind) *Value {
	if v.kind != lazy {
		return v
	}
	made := &Value{kind: k, at: v.at, open: true, secret: v.secret}
	v.items[0].set(&Value{kind: text, text: v.text, at: v.at}, made)
	return made
}

// call runs the methods and functions that configurations use.
func (p *program) call(e *expr) *Value {
	var args []*Value
	for _, a := range e.args[1:] {
		args = append(args, p.eval(a))
	}
	out := p.value(unknown, "", e.line)
	called := e.args[0]
	if called.op == "name" {
		return p.function(called.text, args, out)
	}
	if called.op != "attribute" {
		return out
	}
	on := p.eval(called.args[0])
	switch called.text {
	case "append":
		if on = p.made(on, list); on.kind == list && len(args) == 1 {
			on.items = append(on.items, args[0])
		}
	case "extend":
		if on = p.made(on, list); on.kind == list && len(args) == 1 {
			on.items, on.open = append(on.items, args[0].list()...), on.open || args[0].kind != list
		}
	case "update":
		if on = p.made(on, mapping); on.kind == mapping && len(args) == 1 {
			for i, k := range args[0].keys {
				p.fill(on, k, args[0].items[i])
			}
			on.open = on.open || args[0].kind != mapping || args[0].open
		}
	case "setdefault", "get":
		if v := on.get(args0(args).text); v != nil && len(args) > 0 {
			return v
		}
		if called.text == "setdefault" && len(args) == 2 {
			p.fill(on, args[0], args[1])
		}
		if len(args) == 2 {
			return args[1]
		}
	case "keys", "values", "items":
		return p.view(on, called.text, out)
	}
	return out
}

func args0(args []*Value) *Value {
	if len(args) == 0 {
		return &Value{}
	}
	return args[0]
}

// view is what a mapping's keys, values and items are.
func (p *program) view(on *Value, which string, out *Value) *Value {
	if on.kind != mapping {
		return out
	}
	out.kind, out.open = list, on.open
	for i, k := range on.keys {
		switch which {
		case "keys":
			out.items = append(out.items, k)
		case "values":
			out.items = append(out.items, on.items[i])
		default:
			out.items = append(out.items, &Value{kind: list, at: k.at, items: []*Value{k, on.items[i]}, secret: k.secret})
		}
	}
	return out
}

// function is what Python's own functions make.
func (p *program) function(name string, args []*Value, out *Value) *Value {
	switch {
	case (name == "list" || name == "sorted" || name == "set" || name == "tuple" || name == "dict" || name == "str") && len(args) == 1:
		return args[0]
	case (name == "dict" || name == "list" || name == "set") && len(args) == 0:
		out.kind = map[string]kind{"dict": mapping}[name]
		if out.kind != mapping {
			out.kind = list
		}
	case name == "range" && (len(args) == 1 || len(args) == 2):
		from, err := 0, error(nil)
		if len(args) == 2 {
			from, err = strconv.Atoi(args[0].text)
		}
		to, err2 := strconv.Atoi(args[len(args)-1].text)
		if err != nil || err2 != nil || to-from > 10_000 {
			return out
		}
		out.kind = list
		for ; from < to; from++ {
			out.items = append(out.items, &Value{kind: number, text: strconv.Itoa(from), at: out.at})
		}
	}
	return out
}

func (p *program) comprehend(e *expr) *Value {
	out := p.value(list, "", e.line)
	if len(e.args) == 3 {
		out.kind = mapping
	}
	p.loop(e.vars, p.eval(e.args[0]), e.line, func() {
		if out.kind == mapping {
			p.fill(out, p.eval(e.args[1]), p.eval(e.args[2]))
		} else {
			out.items = append(out.items, p.eval(e.args[1]))
		}
	})
	return out
}
