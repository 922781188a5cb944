package pins

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFileSize is the most that driftpin reads of a file that a person wrote.
// The largest pin file known is 12 KB.
const maxFileSize = 1 << 20

// A yamlReader walks the nodes of one YAML file, by position, and collects
// what is wrong with it. It never decodes by reflection: every key is looked
// for by name, and every other key is a finding.
type yamlReader struct {
	file     string
	findings *Findings
}

// yamlPlace finds the place in go-yaml's messages: "… at L3.C3-L5.C4: text", or
// "… at L3.C3-C9: text"; the end is where reading stopped.
var yamlPlace = regexp.MustCompile(`(?s)at (?:L\d+\.C\d+-)?L(\d+)\.C\d+(?:-C\d+)?: (.*)`)

// secondDocument finds where a second document begins.
var secondDocument = regexp.MustCompile(`(?s)\A(?:---[^\n]*\n)?.*?\n---`)

// parse returns the root mapping of a YAML file, or nil with a finding.
func (r yamlReader) parse(data []byte) *yaml.Node {
	doc, wrong := LoadYAML(r.file, data, maxFileSize)
	switch {
	case wrong != nil:
		*r.findings = append(*r.findings, *wrong)
		return nil
	case doc == nil:
		r.findings.fatal(Position{File: r.file, Line: 1}, "yaml", "the file is empty: it needs at least pins")
		return nil
	}
	return doc
}

// LoadYAML returns the root node of a YAML file of at most so many bytes; nil for an
// empty file, and nil with a finding for what is not YAML. name is what the finding
// calls the file.
func LoadYAML(name string, data []byte, most int) (*yaml.Node, *Finding) {
	wrong := func(line int, rule, format string, args ...any) *Finding {
		var found Findings
		found.fatal(Position{File: name, Line: line}, rule, format, args...)
		return &found[0]
	}
	if len(data) > most {
		return nil, wrong(1, "size", "%d bytes: at most %d are read; is this the right file?", len(data), most)
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		if strings.Contains(err.Error(), "no documents") {
			return nil, nil
		}
		line, text := syntaxError(err)
		if strings.Contains(text, "single document") {
			line, text = 1+strings.Count(string(secondDocument.Find(data)), "\n"),
				"a second document begins here: only one is read"
		}
		if lines := strings.Split(string(data), "\n"); tabbed.MatchString(lines[min(line, len(lines))-1]) {
			text = "it is indented by a tab, and YAML takes spaces only"
		}
		return nil, wrong(line, "yaml", "not valid YAML: %s", text)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// syntaxError is the line of a fault of YAML, and what is wrong there.
func syntaxError(err error) (int, string) {
	text := err.Error()
	var loadErrors *yaml.LoadErrors
	if errors.As(err, &loadErrors) && len(loadErrors.Errors) > 0 {
		text = loadErrors.Errors[0].Error()
	}
	if m := yamlPlace.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1]) // only digits
		return line, m[2]
	}
	return 1, strings.TrimPrefix(text[strings.LastIndex(text, ">: ")+1:], ": ")
}

// tabbed is a line that a tab indents.
var tabbed = regexp.MustCompile(`^ *\t`)

func (r yamlReader) at(n *yaml.Node) Position {
	return Position{File: r.file, Line: n.Line, Column: n.Column}
}

func (r yamlReader) wrong(n *yaml.Node, rule, format string, args ...any) {
	r.findings.fatal(r.at(n), rule, format, args...)
}

// A field reads the value of one key.
type field struct {
	key  string
	read func(value *yaml.Node)
}

// mapping reads a mapping whose keys are known beforehand; what names it in
// messages. An unknown or repeated key is a finding.
func (r yamlReader) mapping(n *yaml.Node, what string, fields ...field) {
	r.entries(n, what, func(key, value *yaml.Node) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == key.Value })
		if i >= 0 {
			fields[i].read(value)
			return
		}
		known := make([]string, len(fields))
		for i, f := range fields {
			known[i] = f.key
		}
		r.wrong(key, "unknown-key", "unknown key %q in %s: %s", key.Value, what, didYouMean(key.Value, known))
	})
}

// entries calls visit for each key and value of a mapping.
func (r yamlReader) entries(n *yaml.Node, what string, visit func(key, value *yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "type", "%s must be a mapping (key: value), not %s", what, describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, again := seen[key.Value]; again {
			r.wrong(key, "duplicate-key", "key %q appears twice in %s, first on line %d: keep one", key.Value, what,
				first)
			continue
		}
		seen[key.Value] = key.Line
		if key.Kind != yaml.ScalarNode || value.Kind == yaml.AliasNode || key.Value == "<<" {
			r.wrong(key, "alias", "anchors, aliases and merge keys are not read in %s: write the value out, "+
				"so that an edit finds it", what)
			continue
		}
		visit(key, value)
	}
}

// list calls visit for each item of a list.
func (r yamlReader) list(n *yaml.Node, what string, visit func(item *yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.wrong(n, "type", "%s must be a list, not %s", what, describe(n))
		return
	}
	for _, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			r.wrong(item, "alias", "aliases are not read in %s: write the value out, so that an edit finds it", what)
			continue
		}
		visit(item)
	}
}

// text returns the string that a scalar holds.
func (r yamlReader) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		r.wrong(n, "type", "%s must be a text, not %s", what, describe(n))
		return ""
	}
	if i := strings.IndexFunc(n.Value, func(c rune) bool {
		return c < ' ' && c != '\n' && c != '\t' || c == 0x7f
	}); i >= 0 {
		r.wrong(n, "type", "%s holds the control character %q", what, n.Value[i])
		return ""
	}
	return n.Value
}

func (r yamlReader) texts(n *yaml.Node, what string) []string {
	var out []string
	r.list(n, what, func(item *yaml.Node) { out = append(out, r.text(item, "an item of "+what)) })
	return out
}

func (r yamlReader) boolean(n *yaml.Node, what string) bool {
	if n.Kind == yaml.ScalarNode && (n.Value == "true" || n.Value == "false") {
		return n.Value == "true"
	}
	r.wrong(n, "type", "%s must be true or false, not %s", what, describe(n))
	return false
}

// value decodes a node of any shape, for text that is passed on as it is.
func (r yamlReader) value(n *yaml.Node, what string) any {
	var v any
	if hasAlias(n) {
		r.wrong(n, "alias", "aliases are not read in %s: write the value out", what)
		return nil
	}
	if err := n.Decode(&v); err != nil {
		r.wrong(n, "type", "%s: %v", what, err)
		return nil
	}
	return v
}

func hasAlias(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, hasAlias)
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if isNull(n) {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}
