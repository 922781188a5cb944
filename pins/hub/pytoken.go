package hub

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is a word of Python (The Python Language Reference, 2).
type token struct {
	kind  rune // n name, # number, s string, o operator, ; end of a line, > and < indentation, 0 end
	text  string
	line  int // from 0
	parts []fpart
}

// An fpart is a part of a string: text, or the expression of an f-string's field.
type fpart struct {
	text string
	expr bool
}

// tokens are the words of a text. What can't be read is left out; wrong are the
// lines of strings and brackets that do not end.
func tokens(source string) (words []token, wrong []int) {
	s := &scanner{rest: strings.ReplaceAll(source, "\r\n", "\n"), indents: []int{0}, start: true}
	for s.rest != "" {
		s.next()
	}
	s.add(';', "")
	for range s.indents[1:] {
		s.add('<', "")
	}
	s.add(0, "")
	return s.out, append(s.wrong, s.opened...)
}

type scanner struct {
	rest    string
	line    int
	opened  []int // lines of brackets that are open
	wrong   []int
	start   bool
	indents []int
	out     []token
}

func (s *scanner) add(kind rune, text string) {
	if kind == ';' && (len(s.out) == 0 || strings.ContainsRune(";<>", s.out[len(s.out)-1].kind)) {
		return
	}
	s.out = append(s.out, token{kind: kind, text: text, line: s.line})
}

func (s *scanner) take(n int) string {
	text := s.rest[:n]
	s.rest = s.rest[n:]
	return text
}

// next reads one word, or what lies between words.
func (s *scanner) next() {
	if s.start && len(s.opened) == 0 {
		s.indent()
		return
	}
	c, size := utf8.DecodeRuneInString(s.rest)
	switch {
	case c == '\n':
		if len(s.opened) == 0 {
			s.add(';', "")
			s.start = true
		}
		s.take(1)
		s.line++
	case c == '\\' && strings.HasPrefix(s.rest, "\\\n"):
		s.take(2)
		s.line++
	case c == '#':
		s.take(lineEnd(s.rest))
	case c == ';':
		s.take(1)
		s.add(';', "")
	case unicode.IsSpace(c) || c == utf8.RuneError:
		s.take(size)
	case c == '_' || unicode.IsLetter(c) || c == '"' || c == '\'':
		s.word()
	case c >= '0' && c <= '9':
		n := 1
		for n < len(s.rest) && strings.ContainsRune("._0123456789abcdefjoxABCDEFJOX", rune(s.rest[n])) {
			n++
		}
		s.add('#', strings.ReplaceAll(s.take(n), "_", ""))
	default:
		s.operator(size)
	}
}

func lineEnd(text string) int {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return i
	}
	return len(text)
}

// indent reads the blanks before a line.
func (s *scanner) indent() {
	n := 0
	for n < len(s.rest) && (s.rest[n] == ' ' || s.rest[n] == '\t') {
		n++
	}
	s.take(n)
	s.start = false
	if s.rest == "" || s.rest[0] == '\n' || s.rest[0] == '#' {
		return
	}
	if n > s.indents[len(s.indents)-1] {
		s.indents = append(s.indents, n)
		s.out = append(s.out, token{kind: '>', line: s.line})
	}
	for n < s.indents[len(s.indents)-1] {
		s.indents = s.indents[:len(s.indents)-1]
		s.out = append(s.out, token{kind: '<', line: s.line})
	}
}

var longOperators = strings.Fields("**= //= >>= <<= == != <= >= += -= *= /= %= &= |= ^= := -> ** // << >>")

func (s *scanner) operator(size int) {
	for _, op := range longOperators {
		if strings.HasPrefix(s.rest, op) {
			s.add('o', s.take(len(op)))
			return
		}
	}
	op := s.take(size)
	switch op {
	case "(", "[", "{":
		s.opened = append(s.opened, s.line)
	case ")", "]", "}":
		if len(s.opened) == 0 {
			s.wrong = append(s.wrong, s.line)
			break
		}
		s.opened = s.opened[:len(s.opened)-1]
	}
	s.add('o', op)
}

// word reads a name, or a string with the letters before it.
func (s *scanner) word() {
	n := 0
	for n < len(s.rest) {
		c, size := utf8.DecodeRuneInString(s.rest[n:])
		if c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			break
		}
		n += size
	}
	quoted := n < len(s.rest) && (s.rest[n] == '"' || s.rest[n] == '\'')
	if prefix := strings.ToLower(s.rest[:n]); quoted && n <= 2 && strings.Trim(prefix, "rbfu") == "" {
		s.take(n)
		s.quoted(strings.Contains(prefix, "r"), strings.Contains(prefix, "f"))
		return
	}
	s.add('n', s.take(n))
}

// quoted reads a string.
func (s *scanner) quoted(raw, formatted bool) {
	quote := s.rest[:1]
	if strings.HasPrefix(s.rest, strings.Repeat(quote, 3)) {
		quote = s.rest[:3]
	}
	s.take(len(quote))
	t := token{kind: 's', line: s.line}
	var text strings.Builder
	for s.rest != "" && !strings.HasPrefix(s.rest, quote) && (len(quote) == 3 || s.rest[0] != '\n') {
		switch c := s.rest[0]; {
		case c == '\\' && len(s.rest) > 1:
			text.WriteString(escape(s.take(2), raw))
		case formatted && (strings.HasPrefix(s.rest, "{{") || strings.HasPrefix(s.rest, "}}")):
			text.WriteString(s.take(2)[:1])
		case formatted && c == '{':
			t.parts = append(t.parts, fpart{text: text.String()})
			text.Reset()
			t.parts = append(t.parts, fpart{text: s.field(), expr: true})
		default:
			if c == '\n' {
				s.line++
			}
			text.WriteString(s.take(1))
		}
	}
	if !strings.HasPrefix(s.rest, quote) {
		s.wrong = append(s.wrong, t.line)
	}
	if strings.HasPrefix(s.rest, quote) {
		s.take(len(quote))
	}
	t.parts = append(t.parts, fpart{text: text.String()})
	s.out = append(s.out, t)
}

// escape is what a backslash and the letter behind it mean. Those that are rare in
// configurations stay as they are.
func escape(pair string, raw bool) string {
	if raw {
		return pair
	}
	switch pair[1] {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case '\n':
		return ""
	case '\\', '\'', '"':
		return pair[1:]
	}
	return pair
}

// field reads the expression of an f-string's field, without its format.
func (s *scanner) field() string {
	s.take(1)
	depth, end := 0, -1
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '(' || c == '[' || c == '{':
			depth++
		case (c == ')' || c == ']') && depth > 0:
			depth--
		case (c == ':' || c == '!') && depth == 0 && end < 0:
			end = i
		case c == '}' && depth > 0:
			depth--
		case c == '}':
			text := s.take(i)
			s.take(1)
			if end >= 0 {
				text = text[:end]
			}
			return text
		case c == '\n':
			return s.take(i)
		}
	}
	return s.take(len(s.rest))
}
