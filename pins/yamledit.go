package pins

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A yamlEditor adds items to lists of a YAML file's text, and takes them out. All else
// stays as it is.
type yamlEditor struct{ file, text string }

// start is where a node begins.
func (e yamlEditor) start(n *yaml.Node) int {
	at, left := e.endOfLine(n.Line-1), n.Column
	line, _, _ := strings.Cut(e.text[at:], "\n")
	for i := range line { // columns are of characters
		if left--; left == 0 {
			return at + i
		}
	}
	return at + len(line)
}

// lookup is the value of a key of a mapping, or nil.
func lookup(n *yaml.Node, key string) (name, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// addTo adds an item to the list under some keys, each within the one before; those that
// are not there are added too.
func (e yamlEditor) addTo(doc *yaml.Node, keys []string, item string) (string, error) {
	if doc == nil || isNull(doc) {
		return withEnd(e.text) + nested(keys, "", item), nil
	}
	node := doc
	for i, key := range keys {
		name, value := lookup(node, key)
		switch {
		case node.Kind != yaml.MappingNode:
			return "", fmt.Errorf("%s:%d: a list can't be added to there: edit the file by hand", e.file, node.Line)
		case name == nil:
			return e.addKey(node, keys[i:], item)
		case isNull(value):
			indent := strings.Repeat(" ", name.Column-1)
			end := e.endOfLine(name.Line)
			return e.text[:end] + nested(keys[i+1:], indent+"  ", item) + e.text[end:], nil
		}
		node = value
	}
	return e.addItem(node, item)
}

// nested are keys, each within the one before, with a list of one item.
func nested(keys []string, indent, item string) (text string) {
	for _, key := range keys {
		text += indent + key + ":\n"
		indent += "  "
	}
	return text + indent + "- " + item + "\n"
}

// addKey adds a key to a mapping.
func (e yamlEditor) addKey(n *yaml.Node, keys []string, item string) (string, error) {
	if n.Style&yaml.FlowStyle != 0 {
		words := "[" + item + "]"
		for _, key := range slices.Backward(keys[1:]) {
			words = "{" + key + ": " + words + "}"
		}
		return e.addToFlow(n, keys[0]+": "+words)
	}
	indent := strings.Repeat(" ", n.Column-1)
	end := e.extent(n.Content[len(n.Content)-2].Line, n.Column-1, true)
	text := e.text[:end]
	return withEnd(text) + nested(keys, indent, item) + e.text[end:], nil
}

// addItem adds an item to a list.
func (e yamlEditor) addItem(n *yaml.Node, item string) (string, error) {
	if n.Kind != yaml.SequenceNode {
		return "", fmt.Errorf("%s:%d: this is no list: edit the file by hand", e.file, n.Line)
	}
	if n.Style&yaml.FlowStyle != 0 {
		return e.addToFlow(n, item)
	}
	last := n.Content[len(n.Content)-1]
	end := e.extent(last.Line, n.Column-1, false)
	return withEnd(e.text[:end]) + strings.Repeat(" ", n.Column-1) + "- " + item + "\n" + e.text[end:], nil
}

// addToFlow adds an item to a list, or to a mapping, that has brackets.
func (e yamlEditor) addToFlow(n *yaml.Node, item string) (string, error) {
	last, _, err := e.closing(n)
	if err != nil {
		return "", err
	}
	between := ", "
	if len(n.Content) == 0 {
		between = ""
	} else if strings.HasSuffix(e.text[:last], ",") {
		between = " "
	}
	return e.text[:last] + between + item + e.text[last:], nil
}

// addToPip adds an item to the pip list of an environment.yml.
func (e yamlEditor) addToPip(doc *yaml.Node, spec string) (string, error) {
	_, dependencies := lookup(doc, "dependencies")
	if dependencies != nil {
		for _, d := range dependencies.Content {
			if name, list := lookup(d, "pip"); name != nil && list.Kind == yaml.SequenceNode {
				return e.addItem(list, yamlText(spec))
			}
		}
	}
	return e.addTo(doc, []string{"dependencies"}, "pip: ["+yamlText(spec)+"]")
}

// closing is where the bracket is that ends a list, or a mapping, with brackets, and where
// the last of what it holds ends.
func (e yamlEditor) closing(n *yaml.Node) (last, end int, err error) {
	depth, quote := 0, byte(0)
	for i := e.start(n); i < len(e.text); i++ {
		c := e.text[i]
		switch {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && strings.ContainsRune(" \t\n,[{:", rune(e.text[i-1])):
			quote = c
		case c == '#' && strings.ContainsRune(" \t\n", rune(e.text[i-1])):
			i += strings.IndexByte(e.text[i:]+"\n", '\n') - 1
			continue
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return last, i, nil
			}
		}
		if i < len(e.text) && !strings.ContainsRune(" \t\r\n", rune(e.text[i])) {
			last = i + 1
		}
	}
	return 0, 0, fmt.Errorf("%s:%d: the end of this list is not found: edit the file by hand", e.file, n.Line)
}

// endOfLine is where the line after one begins.
func (e yamlEditor) endOfLine(line int) int {
	at := 0
	for range line {
		next := strings.IndexByte(e.text[at:], '\n')
		if next < 0 {
			return len(e.text)
		}
		at += next + 1
	}
	return at
}

// extent is where the lines end that belong to what begins in a line, behind so many
// blanks; lists may be indented as their keys are.
func (e yamlEditor) extent(line, indent int, lists bool) int {
	lines := strings.SplitAfter(e.text, "\n")
	last := line
	for n := line; n < len(lines); n++ {
		body := strings.TrimLeft(lines[n], " ")
		depth := len(lines[n]) - len(body)
		words := strings.TrimSpace(body)
		if words == "" || strings.HasPrefix(words, "#") {
			continue // it is another's, unless more follows
		}
		if depth < indent || depth == indent && !(lists && (strings.HasPrefix(words, "- ") || words == "-")) {
			break
		}
		last = n + 1
	}
	return e.endOfLine(last)
}

// removeAt takes the item of a list out at which a request stands.
func (e yamlEditor) removeAt(doc *yaml.Node, r Request) (string, error) {
	list, i := itemAt(doc, r.At.Line, r.At.Column)
	if list == nil {
		return "", fmt.Errorf("%s: %s is no item of a list: edit the file by hand", r.At, r.Spec)
	}
	if list.Style&yaml.FlowStyle != 0 {
		return e.removeFromFlow(list, i)
	}
	item := list.Content[i]
	lines := strings.SplitAfter(e.text, "\n")
	from := e.reason(lines, item.Line-1)
	head, tail := strings.Join(lines[:from], ""), e.text[e.extent(item.Line, list.Column-1, false):]
	return head + tail, nil
}

// removeFromFlow takes an item out of a list with brackets.
func (e yamlEditor) removeFromFlow(list *yaml.Node, i int) (string, error) {
	_, end, err := e.closing(list)
	if err != nil {
		return "", err
	}
	begin := func(i int) int { return e.start(list.Content[i]) }
	switch last := len(list.Content) - 1; {
	case i < last:
		return e.text[:begin(i)] + e.text[begin(i+1):], nil
	case i > 0:
		head := e.text[:begin(i)]
		return head[:strings.LastIndexByte(head, ',')] + e.text[end:], nil
	}
	return e.text[:begin(i)] + e.text[end:], nil
}

// itemAt is the list, and the item of it, at which a request stands, the innermost.
func itemAt(n *yaml.Node, line, column int) (list *yaml.Node, item int) {
	for i, c := range n.Content {
		if inner, j := itemAt(c, line, column); inner != nil {
			return inner, j
		}
		if n.Kind == yaml.SequenceNode && c.Line == line && (c.Column == column || c.Kind == yaml.MappingNode && c.Column <= column &&
			(i+1 == len(n.Content) || n.Content[i+1].Line > line || n.Content[i+1].Column > column)) {
			return n, i
		}
	}
	return nil, 0
}

// reason is the first of the comment lines that stand above a line as its reason: those
// right above it, as indented, that another line of the same depth does not share.
func (e yamlEditor) reason(lines []string, at int) int {
	depth := func(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
	from := at
	for from > 0 && strings.HasPrefix(strings.TrimSpace(lines[from-1]), "#") && depth(lines[from-1]) == depth(lines[at]) {
		from--
	}
	// A comment above several lines is theirs, and one at the top is the file's.
	next := at + 1
	shared := next < len(lines) && strings.TrimSpace(lines[next]) != "" && !strings.HasPrefix(strings.TrimSpace(lines[next]), "#") &&
		depth(lines[next]) == depth(lines[at])
	if shared || from == 0 {
		return at
	}
	return from
}
