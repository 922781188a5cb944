package hub

import "slices"

// An expr is an expression of Python, as far as configurations need it.
type expr struct {
	op   string // name, text, number, list, mapping, attribute, index, call, add, comprehension, unknown
	text string
	line int
	args []*expr // of mapping: keys and values in turn; of call: what is called, and the arguments
	vars []string
}

// A stmt is a statement: an assignment (=, +=), an expression, a loop, a block that
// is run, or one that is not (a function's or a class's).
type stmt struct {
	op      string // assign, add, expr, for, block, skip
	target  *expr
	value   *expr
	vars    []string
	body    []stmt
	line    int
	unclear bool // it can't be read: what it does is not known
}

// parser reads statements of tokens. It never fails: what it can't read is unclear.
type parser struct {
	tokens []token
	pos    int
	depth  int
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
	for depth := 0; ; {
		t := p.peek()
		if t.kind == 0 || t.kind == ';' {
			return
		}
		p.take()
		switch {
		case t.kind != 'o':
		case t.text == "(" || t.text == "[" || t.text == "{":
			depth++
		case t.text == ")" || t.text == "]" || t.text == "}":
			depth--
		case t.text == ":" && depth <= 0:
			return
		}
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
		case "import", "from", "pass", "global", "nonlocal", "del", "return", "raise", "assert", "break", "continue", "print":
			p.rest()
			return stmt{op: "skip", line: t.line}
		case "def", "class", "async", "lambda":
			p.header()
			p.suite()
			return stmt{op: "skip", line: t.line}
		case "if", "elif", "else", "try", "except", "finally", "with", "while":
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

func (p *parser) loop() stmt {
	s := stmt{op: "for", line: p.take().line, vars: p.names()}
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

// simple reads an assignment or an expression.
func (p *parser) simple(line int) stmt {
	s := stmt{op: "expr", line: line, value: p.expression()}
	if p.accept(":") { // an annotation
		p.expression()
	}
	switch {
	case p.accept("="):
		s.op, s.target, s.value = "assign", s.value, p.expression()
	case p.accept("+="):
		s.op, s.target, s.value = "add", s.value, p.expression()
	}
	s.unclear = p.rest()
	return s
}

var binary = []string{"-", "*", "/", "//", "%", "**", "@", "|", "&", "^", "<<", ">>", "==", "!=", "<", ">", "<=", ">=", "and", "or", "in", "is", "not", "if", "else", ":="}

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
					in := parser{tokens: tokens(part.text), depth: p.depth}
					a = &expr{op: "unknown"}
					if e := in.expression(); in.peek().kind == 0 || in.peek().kind == ';' {
						a = e
					}
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

// items reads expressions up to a closing bracket, and reports whether a comma was
// among them. Arguments with names, and what stands behind a star, are not known.
func (p *parser) items(end string) (items []*expr, listed bool) {
	for !p.accept(end) {
		if k := p.peek().kind; k == 0 {
			return items, listed
		}
		e := p.expression()
		switch {
		case p.accept("="):
			p.expression()
			e = &expr{op: "unknown", line: e.line}
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
