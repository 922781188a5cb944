package hub

import (
	"maps"
	"slices"
	"strings"
)

// An expr is an expression of Python, as far as configurations need it.
type expr struct {
	// name, text, number, list, mapping, attribute, index, call, keyword, add, or, format, comprehension, unknown
	op   string
	text string
	line int
	args []*expr // of mapping: keys and values in turn; of call: what is called, and the arguments
	vars []string
}

// A stmt is a statement: an assignment (=, +=, or another that changes what stands
// there), an expression, a loop, a function, a block that is run, or that is run
// under a condition, or that can end early (try), or something that is passed over.
type stmt struct {
	op      string // assign, add, change, expr, for, function, block, if, try, skip
	targets []*expr
	value   *expr
	vars    []string
	name    string
	body    []stmt
	line    int
	unclear bool // it can't be read to its end: what it does is not known
}

// parser reads statements of tokens. It never fails: what it can't read is unclear.
type parser struct {
	tokens []token
	pos    int
	depth  int
	inside int            // functions and classes
	uses   map[string]int // names that are used outside of functions, and the line where first
	makes  map[string]bool
	wrong  []int // lines that are no Python
}

// parse reads a whole text.
func parse(source string) (body []stmt, p *parser) {
	words, wrong := tokens(source)
	p = &parser{tokens: words, uses: map[string]int{}, makes: map[string]bool{}}
	for p.peek().kind != 0 {
		body = append(body, p.block()...)
	}
	p.wrong = append(p.wrong, wrong...)
	return body, p
}

// use notes a name that is used.
func (p *parser) use(t token) {
	if _, seen := p.uses[t.text]; !seen && p.inside == 0 && p.uses != nil {
		p.uses[t.text] = t.line
	}
}

// make notes a name that is given something.
func (p *parser) make(name string) {
	if p.makes != nil && p.inside == 0 {
		p.makes[name] = true
	}
}

// maxDepth is how deep brackets and blocks are read.
const maxDepth = 60

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) take() token {
	t := p.tokens[p.pos]
	if t.kind != 0 {
		p.pos++
	}
	return t
}

func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == 'o' || t.kind == 'n') && t.text == text
}

func (p *parser) accept(text string) bool {
	if p.is(text) {
		p.take()
		return true
	}
	return false
}

// block reads statements to the end of their indentation.
func (p *parser) block() (body []stmt) {
	p.depth++
	defer func() { p.depth-- }()
	for {
		switch p.peek().kind {
		case 0:
			return body
		case '<':
			p.take()
			return body
		case ';':
			p.take()
		case '>': // what nothing introduces
			p.take()
			body = append(body, p.nested()...)
		default:
			before := p.pos
			body = append(body, p.statement())
			if p.pos == before {
				p.take()
			}
		}
	}
}

func (p *parser) nested() []stmt {
	if p.depth > maxDepth {
		for n := 1; n > 0 && p.peek().kind != 0; {
			switch p.take().kind {
			case '>':
				n++
			case '<':
				n--
			}
		}
		return []stmt{{op: "skip", unclear: true}}
	}
	return p.block()
}

// suite is what stands behind the colon of a compound statement.
func (p *parser) suite() []stmt {
	if p.peek().kind != ';' {
		return []stmt{p.statement()}
	}
	for p.peek().kind == ';' {
		p.take()
	}
	if p.peek().kind != '>' {
		return nil
	}
	p.take()
	return p.nested()
}

// header passes over the words of a compound statement, to behind its colon.
func (p *parser) header() {
	line, last := p.peek().line, token{}
	for depth := 0; ; {
		t := p.peek()
		if t.kind == 0 || t.kind == ';' {
			p.wrong = append(p.wrong, line)
			return
		}
		p.take()
		switch {
		case t.kind == 'n' && last.text == "as":
			p.make(t.text)
		case t.kind == 'n' && last.text != ".":
			p.use(t)
		case t.kind != 'o':
		case t.text == "(" || t.text == "[" || t.text == "{":
			depth++
		case t.text == ")" || t.text == "]" || t.text == "}":
			depth--
		case t.text == ":" && depth <= 0:
			return
		}
		last = t
	}
}

// rest passes over the rest of a line, and reports whether there was more.
func (p *parser) rest() (more bool) {
	for p.peek().kind != 0 && p.peek().kind != ';' && p.peek().kind != '<' {
		more = true
		if p.take().kind == '>' {
			p.nested()
		}
	}
	return more
}

func (p *parser) statement() stmt {
	t := p.peek()
	if p.depth > maxDepth {
		p.rest()
		return stmt{op: "skip", line: t.line, unclear: true}
	}
	if t.kind == 'n' {
		switch t.text {
		case "import", "from":
			p.imports()
			return stmt{op: "skip", line: t.line}
		case "pass", "global", "nonlocal", "break", "continue", "return", "raise":
			p.rest()
			return stmt{op: "skip", line: t.line}
		case "def", "class", "async":
			return p.function()
		case "if", "elif", "else", "except", "while":
			p.take()
			p.header()
			return stmt{op: "if", line: t.line, body: p.suite()}
		case "try":
			p.header()
			return stmt{op: "try", line: t.line, body: p.suite()}
		case "finally", "with":
			p.take()
			p.header()
			return stmt{op: "block", line: t.line, body: p.suite()}
		case "for":
			return p.loop()
		}
	}
	if p.accept("@") {
		p.rest()
		return stmt{op: "skip", line: t.line}
	}
	return p.simple(t.line)
}

// imports reads an import: the names that it makes.
func (p *parser) imports() {
	var last token
	for p.peek().kind != 0 && p.peek().kind != ';' && p.peek().kind != '<' {
		if last = p.take(); last.kind == 'n' {
			p.make(last.text)
		}
	}
}

// function reads a function or a class. What is in it is not run before it is
// called.
func (p *parser) function() stmt {
	s := stmt{op: "skip", line: p.peek().line}
	if p.accept("async") && !p.is("def") { // async with and for are in functions only
		p.header()
		p.suite()
		return s
	}
	isClass := p.take().text == "class"
	if s.name = p.peek().text; p.peek().kind == 'n' {
		p.make(s.name)
	}
	p.inside++
	p.header()
	s.body = p.suite()
	if p.inside--; !isClass {
		s.op = "function"
	}
	return s
}

func (p *parser) loop() stmt {
	s := stmt{op: "for", line: p.take().line, vars: p.names()}
	for _, name := range s.vars {
		p.make(name)
	}
	if !p.accept("in") {
		s.unclear = true
	}
	s.value = p.expression()
	p.header()
	s.body = p.suite()
	return s
}

// names are the variables of a loop.
func (p *parser) names() (names []string) {
	for p.peek().kind == 'n' && !p.is("in") || p.is(",") || p.is("(") || p.is(")") || p.is("*") {
		if t := p.take(); t.kind == 'n' {
			names = append(names, t.text)
		}
	}
	return names
}

// changing are the operators that change what stands on their left.
var changing = []string{"-=", "*=", "/=", "//=", "%=", "**=", "|=", "&=", "^=", ">>=", "<<="}

// simple reads an assignment or an expression.
func (p *parser) simple(line int) stmt {
	uses := maps.Clone(p.uses)
	s := stmt{op: "expr", line: line, value: p.expression()}
	if p.accept(":") { // an annotation
		p.expression()
	}
	assigned := p.is("=")
	if assigned && s.value.op == "name" { // it is made, not used
		p.uses = uses
	}
	for p.accept("=") {
		s.op, s.targets = "assign", append(s.targets, s.value)
		if s.value.op == "name" {
			p.make(s.value.text)
		}
		s.value = p.expression()
	}
	switch op := p.peek().text; {
	case assigned || p.peek().kind != 'o':
	case op == "+=":
		p.take()
		s.op, s.targets, s.value = "add", []*expr{s.value}, p.expression()
	case slices.Contains(changing, op):
		p.take()
		s.op, s.targets, s.value = "change", []*expr{s.value}, p.expression()
	}
	s.unclear = p.rest()
	return s
}

var binary = strings.Fields("- * / // ** @ & ^ << >> == != < > <= >= and or in is not if else :=")

// expression reads one expression. Of operators only + is understood; what others
// make is not known.
func (p *parser) expression() *expr {
	p.depth++
	defer func() { p.depth-- }()
	line := p.peek().line
	if p.depth > maxDepth {
		p.rest()
		return &expr{op: "unknown", line: line}
	}
	if p.is("lambda") {
		p.header()
		p.expression()
		return &expr{op: "unknown", line: line}
	}
	left := p.operand()
	for {
		switch {
		case p.accept("+"):
			left = &expr{op: "add", line: line, args: []*expr{left, p.operand()}}
		case p.accept("|"):
			left = &expr{op: "or", line: line, args: []*expr{left, p.operand()}}
		case p.accept("%"):
			left = &expr{op: "format", line: line, args: []*expr{left, p.operand()}}
		case p.peek().kind != 's' && slices.Contains(binary, p.peek().text) && p.peek().kind != 0:
			p.take()
			p.operand()
			left = &expr{op: "unknown", line: line}
		default:
			return left
		}
	}
}

// operand reads a value, and the attributes, indexes and calls behind it.
func (p *parser) operand() *expr {
	for p.is("not") || p.is("await") || p.is("*") || p.is("**") || p.is("-") || p.is("+") || p.is("~") {
		if t := p.take(); t.text != "await" {
			p.operand()
			return &expr{op: "unknown", line: t.line}
		}
	}
	e := p.atom()
	for {
		line := p.peek().line
		switch {
		case p.accept("."):
			e = &expr{op: "attribute", text: p.take().text, line: line, args: []*expr{e}}
		case p.accept("["):
			e = &expr{op: "index", line: line, args: []*expr{e, p.expression()}}
			if !p.accept("]") { // a slice
				p.close("]")
				e = &expr{op: "unknown", line: line}
			}
		case p.accept("("):
			items, _ := p.items(")")
			e = &expr{op: "call", line: line, args: append([]*expr{e}, items...)}
		default:
			return e
		}
	}
}

func (p *parser) atom() *expr {
	t := p.peek()
	switch {
	case t.kind == 's':
		e := &expr{op: "text", line: t.line}
		for p.peek().kind == 's' { // strings side by side are one
			for _, part := range p.take().parts {
				a := &expr{op: "text", text: part.text, line: t.line}
				if part.expr {
					a = p.field(part.text, t.line)
				}
				e.args = append(e.args, a)
			}
		}
		return e
	case t.kind == '#':
		p.take()
		return &expr{op: "number", text: t.text, line: t.line}
	case t.kind == 'n':
		p.take()
		p.use(t)
		return &expr{op: "name", text: t.text, line: t.line}
	case p.accept("("):
		items, listed := p.items(")")
		if len(items) == 1 && !listed {
			return items[0]
		}
		return &expr{op: "list", line: t.line, args: items}
	case p.accept("["):
		items, _ := p.items("]")
		if len(items) == 1 && items[0].op == "comprehension" {
			return items[0]
		}
		return &expr{op: "list", line: t.line, args: items}
	case p.accept("{"):
		return p.braces(t.line)
	}
	return &expr{op: "unknown", line: t.line}
}

// field reads the expression of an f-string's field.
func (p *parser) field(source string, line int) *expr {
	words, _ := tokens(source)
	for i := range words {
		words[i].line = line
	}
	in := parser{tokens: words, depth: p.depth, inside: p.inside, uses: p.uses, makes: p.makes}
	if e := in.expression(); in.peek().kind == 0 || in.peek().kind == ';' {
		return e
	}
	return &expr{op: "unknown", line: line}
}

// items reads expressions up to a closing bracket, and reports whether a comma was
// among them. What stands behind a star is not known.
func (p *parser) items(end string) (items []*expr, listed bool) {
	for !p.accept(end) {
		if k := p.peek().kind; k == 0 {
			return items, listed
		}
		uses := maps.Clone(p.uses)
		e := p.expression()
		switch {
		case p.accept("="):
			p.uses = uses // a parameter's name
			e = &expr{op: "keyword", text: e.text, line: e.line, args: []*expr{p.expression()}}
		case p.is("for"):
			e = p.comprehension(e, nil)
		}
		items = append(items, e)
		if p.accept(",") {
			listed = true
		} else if !p.is(end) {
			p.close(end)
			return append(items, &expr{op: "unknown"}), true
		}
	}
	return items, listed
}

// braces reads a mapping, or a set, which is read as a list.
func (p *parser) braces(line int) *expr {
	e := &expr{op: "mapping", line: line}
	for !p.accept("}") {
		if p.peek().kind == 0 {
			return e
		}
		key := p.expression()
		if p.accept(":") {
			value := p.expression()
			if p.is("for") {
				e = p.comprehension(key, value)
			} else {
				e.args = append(e.args, key, value)
			}
		} else if e.op = "list"; key.op == "unknown" { // **more
			e.op = "mapping"
			e.args = append(e.args, key, key)
		} else {
			e.args = append(e.args, key)
		}
		if !p.accept(",") && !p.is("}") {
			p.close("}")
			return &expr{op: "unknown", line: line}
		}
	}
	return e
}

// comprehension reads what stands behind its for.
func (p *parser) comprehension(key, value *expr) *expr {
	p.accept("for")
	e := &expr{op: "comprehension", line: key.line, vars: p.names()}
	for _, name := range e.vars {
		p.make(name)
	}
	p.accept("in")
	e.args = []*expr{p.operand(), key}
	if value != nil {
		e.args = append(e.args, value)
	}
	if p.is("if") || p.is("for") {
		e = &expr{op: "unknown", line: key.line}
		for !p.is("]") && !p.is(")") && !p.is("}") && p.peek().kind != 0 {
			p.take()
			p.operand()
		}
	}
	return e
}

// close passes over the rest of a bracket.
func (p *parser) close(end string) {
	for depth := 0; p.peek().kind != 0; {
		t := p.take()
		switch {
		case t.kind != 'o':
		case t.text == end && depth == 0:
			return
		case t.text == "(" || t.text == "[" || t.text == "{":
			depth++
		case t.text == ")" || t.text == "]" || t.text == "}":
			depth--
		}
	}
}
