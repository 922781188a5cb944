package hub

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/driftpin/driftpin/pins"
)

// A program runs configuration written in Python, as far as that can be foretold:
// assignments, literals, loops over what is known, f-strings. What depends on more
// is unknown, and no rule speaks of it. Nothing of it is executed by Python.
type program struct {
	config *Value            // c: by class and trait
	names  map[string]*Value // variables
	code   map[string][]stmt // functions
	bare   []pins.Position   // where a trait of the hub is filled that was never made (a TypeError of traitlets')
	at     pins.Position     // of the text
	folded bool              // lines of the text are not lines of the file
	secret bool
	steps  int
	maybe  int             // how many conditions what is run stands under
	trying int             // how many blocks that may end early
	calls  int             // how deep functions are called
	open   bool            // something could not be read: there may be more
	wrong  []pins.Position // lines that are no Python
}

// maxSteps bounds the statements that are run and the expressions that are looked
// at: loops in loops may be long.
const maxSteps = 50_000

// newProgram returns a program with a configuration.
func newProgram(config *Value) *program {
	if config == nil {
		config = &Value{kind: mapping}
	}
	return &program{config: config, names: map[string]*Value{"c": config}, code: map[string][]stmt{}}
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
	body, in := parse(source)
	for _, line := range in.wrong {
		p.wrong = append(p.wrong, p.place(line))
	}
	p.block(body)
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
	p.open = p.open || s.unclear
	switch s.op {
	case "expr":
		p.eval(s.value)
	case "assign":
		v := p.eval(s.value)
		for _, target := range s.targets {
			p.assign(target, v)
		}
	case "add":
		p.add(p.eval(s.targets[0]), p.eval(s.value), s)
	case "change":
		if to, v := p.eval(s.targets[0]), p.eval(s.value); to.kind == mapping && v.kind == mapping {
			p.update(to, v)
		} else {
			p.assign(s.targets[0], p.value(unknown, "", s.line))
		}
	case "function":
		p.code[s.name] = s.body
	case "block":
		p.block(s.body)
	case "if":
		p.maybe++
		p.block(s.body)
		p.maybe--
	case "try":
		p.trying++
		p.block(s.body)
		p.trying--
	case "for":
		p.loop(s.vars, p.eval(s.value), s.line, func() { p.block(s.body) })
	}
}

// loop runs a body for each item of a value; once, with unknown variables, where the
// items are not known.
func (p *program) loop(vars []string, over *Value, line int, body func()) {
	items := over.list()
	if unsure := over.kind == unknown || over.open; unsure {
		items = append(items[:len(items):len(items)], p.value(unknown, "", line))
		p.maybe++
		defer func() { p.maybe-- }()
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
	case target.op == "name" && target.text != "c":
		if p.names[target.text] = v; p.maybe > 0 && v.kind != mapping && v.kind != list {
			p.names[target.text] = p.value(unknown, "", target.line)
		}
	case target.op == "attribute":
		p.fill(p.eval(target.args[0]), p.value(text, target.text, target.line), v)
	case target.op == "index":
		in := p.eval(target.args[0])
		if in.kind == lazy {
			if p.maybe == 0 && p.trying == 0 {
				p.bare = append(p.bare, p.place(target.line))
			}
			return
		}
		p.fill(in, p.eval(target.args[1]), v)
	}
}

// lazy is a trait that nobody has set: things can be added to it, as traitlets
// allows (config/loader.py, LazyConfigValue), but not by index.
const lazy = kind(-1)

// fill sets a key of a mapping; of one that is not known, or under a condition, the
// mapping is open.
func (p *program) fill(in, key, v *Value) {
	if in.kind != mapping || len(in.keys) >= maxParts {
		return
	}
	if p.maybe > 0 {
		in.open = in.open || in != p.config && !p.isSection(in)
		v = &Value{kind: unknown, at: v.at, secret: v.secret}
	}
	in.put(key, v)
}

// put sets a key of a mapping that is being written.
func (v *Value) put(key, item *Value) {
	if v.secret = v.secret || item.secret; key.kind == unknown {
		v.open = true
		return
	}
	v.set(key, item)
}

func (p *program) isSection(v *Value) bool { return slices.Contains(p.config.items, v) }

// update lays a mapping over another.
func (p *program) update(to, v *Value) {
	for i, k := range v.keys {
		p.fill(to, k, v.items[i])
	}
	to.open = to.open || v.kind != mapping || v.open
}

// append adds items to a list; under a condition they may be there.
func (p *program) append(to *Value, open bool, items ...*Value) {
	if to.open = to.open || open || p.maybe > 0 || len(to.items) >= maxParts; len(to.items) >= maxParts {
		return
	}
	for _, item := range items[:min(len(items), maxParts)] {
		if p.maybe > 0 {
			copied := *item
			item, copied.maybe = &copied, true
		}
		to.items = append(to.items, item)
	}
}

// add adds to a list or a text.
func (p *program) add(to, v *Value, s stmt) {
	if to = p.made(to, list); to.kind == list {
		p.append(to, v.kind != list || v.open, v.list()...)
		return
	}
	p.assign(s.targets[0], p.concat(to, v))
}

func (p *program) concat(a, b *Value) *Value {
	out := &Value{kind: unknown, at: a.at, secret: a.secret || b.secret}
	switch {
	case a.kind == list && b.kind == list && len(a.items)+len(b.items) <= maxParts:
		out.kind, out.items, out.open = list, slices.Concat(a.items, b.items), a.open || b.open
	case (a.kind == text || b.kind == text) && len(a.text)+len(b.text) <= maxText:
		out.kind, out.text = text, a.part()+b.part()
	}
	return out
}

// maxText is the most bytes of a text that a program makes.
const maxText = 1 << 16

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
			if len(out.text) > maxText {
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
			v := p.eval(a)
			out.open = out.open || a.op == "unknown"
			out.items = append(out.items, v)
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
	case "or":
		return p.union(p.eval(e.args[0]), p.eval(e.args[1]))
	case "format":
		return p.formatted(p.eval(e.args[0]), percent, p.eval(e.args[1]))
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
		out.put(p.eval(e.args[i]), p.eval(e.args[i+1]))
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

// union is what two mappings are together.
func (p *program) union(a, b *Value) *Value {
	if a.kind != mapping || b.kind != mapping {
		return &Value{at: a.at, secret: a.secret || b.secret}
	}
	return merged(a, &Value{kind: mapping, at: a.at, keys: b.keys, items: b.items, open: a.open || b.open,
		secret: b.secret})
}

var (
	percent = regexp.MustCompile(`%[-0-9.]*[a-z]|%\([^)]*\)[a-z]`)
	braces  = regexp.MustCompile(`\{[^{}]*\}`)
)

// formatted is a text with what it leaves open filled in: of one value that is known.
func (p *program) formatted(form *Value, places *regexp.Regexp, values ...*Value) *Value {
	if form.kind != text {
		return &Value{at: form.at, secret: form.secret}
	}
	out := &Value{kind: text, at: form.at, secret: form.secret}
	for _, v := range values {
		out.secret = out.secret || v.secret
	}
	n := -1
	out.text = places.ReplaceAllStringFunc(form.text, func(string) string {
		if n++; n < len(values) {
			return values[n].part()
		}
		return hole
	})
	if len(out.text) > maxText {
		out.kind, out.text = unknown, ""
	}
	return out
}

// call runs the methods and functions that configurations use.
func (p *program) call(e *expr) *Value {
	var args []*Value
	named := p.value(mapping, "", e.line)
	for _, a := range e.args[1:] {
		if a.op == "keyword" {
			named.put(p.value(text, a.text, a.line), p.eval(a.args[0]))
			continue
		}
		args = append(args, p.eval(a))
	}
	out := p.value(unknown, "", e.line)
	called := e.args[0]
	if called.op == "name" {
		return p.function(called.text, args, named, out)
	}
	if called.op != "attribute" {
		return out
	}
	return p.method(p.eval(called.args[0]), called.text, args, named, out)
}

// method runs a method of a list, a mapping or a text.
func (p *program) method(on *Value, name string, args []*Value, named, out *Value) *Value {
	switch name {
	case "append":
		if on = p.made(on, list); on.kind == list && len(args) == 1 {
			p.append(on, false, args[0])
		}
	case "insert":
		if on = p.made(on, list); on.kind == list && len(args) == 2 {
			p.append(on, false, args[1])
		}
	case "extend":
		if on = p.made(on, list); on.kind == list && len(args) == 1 {
			p.append(on, args[0].kind != list || args[0].open, args[0].list()...)
		}
	case "update":
		if on = p.made(on, mapping); on.kind == mapping {
			p.update(on, named)
			for _, a := range args {
				p.update(on, a)
			}
		}
	case "setdefault", "get":
		if v := on.get(args0(args).text); v != nil && len(args) > 0 {
			return v
		}
		if name == "setdefault" && len(args) == 2 {
			p.fill(on, args[0], args[1])
		}
		if len(args) == 2 {
			return args[1]
		}
	case "keys", "values", "items":
		return p.view(on, name, out)
	case "format":
		return p.formatted(on, braces, args...)
	case "copy":
		return on
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
			out.items = append(out.items, &Value{kind: list, at: k.at, items: []*Value{k, on.items[i]},
				secret: k.secret})
		}
	}
	return out
}

// maxCalls is how deep functions are called.
const maxCalls = 10

// function is what Python's own functions make, and what calling one of the text's
// own does: its parameters are not known, nor is what it returns.
func (p *program) function(name string, args []*Value, named, out *Value) *Value {
	body, own := p.code[name]
	switch {
	case own && p.calls < maxCalls:
		p.calls++
		p.block(body)
		p.calls--
	case own:
		p.open = true
	case name == "dict" && len(args) == 0:
		return named
	case (name == "list" || name == "sorted" || name == "set" || name == "tuple" || name == "dict" ||
		name == "str") && len(args) == 1:
		return args[0]
	case (name == "list" || name == "set") && len(args) == 0:
		out.kind = list
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
			out.put(p.eval(e.args[1]), p.eval(e.args[2]))
		} else if len(out.items) < maxParts {
			out.items = append(out.items, p.eval(e.args[1]))
		}
	})
	return out
}
