package hub

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"go.yaml.in/yaml/v4"
)

// kind is what a value is.
type kind int

const (
	unknown kind = iota // it depends on what only a running hub knows
	null
	boolean
	number
	text
	list
	mapping
)

// hole stands in a text for a part that is not known.
const hole = "\x00"

// A Value is a part of a configuration, from YAML or from Python, with the place
// where it is written.
type Value struct {
	kind   kind
	at     pins.Position
	text   string   // of a scalar
	keys   []*Value // of a mapping
	items  []*Value // of a list or a mapping
	open   bool     // there may be more in it than is known
	block  bool     // a text that begins on the line after its place, as YAML's | has it
	folded bool     // a text whose lines are not the file's
	maybe  bool     // it is there under a condition
	secret bool     // it comes from a file of secrets, and is never shown
}

// each calls visit for the keys and values of a mapping.
func (v *Value) each(visit func(key string, value *Value)) {
	if v == nil || v.kind != mapping {
		return
	}
	for i, k := range v.keys {
		visit(k.text, v.items[i])
	}
}

// get returns what lies below some keys, or nil.
func (v *Value) get(path ...string) *Value {
	for _, name := range path {
		if v == nil || v.kind != mapping {
			return nil
		}
		var found *Value
		for i, k := range v.keys {
			if k.text == name {
				found = v.items[i]
			}
		}
		v = found
	}
	return v
}

// key returns a key of a mapping, or nil.
func (v *Value) key(name string) *Value {
	if v == nil {
		return nil
	}
	for _, k := range v.keys {
		if k.text == name {
			return k
		}
	}
	return nil
}

// set sets a key of a mapping.
func (v *Value) set(key, value *Value) {
	for i, k := range v.keys {
		if k.text == key.text && k.kind == key.kind {
			v.keys[i], v.items[i] = key, value
			return
		}
	}
	v.keys, v.items = append(v.keys, key), append(v.items, value)
}

// list returns the items of a list, or of a mapping its keys; of anything else
// nothing.
func (v *Value) list() []*Value {
	switch {
	case v == nil:
		return nil
	case v.kind == mapping:
		return v.keys
	}
	return v.items
}

// is reports whether a value is the boolean, or the text.
func (v *Value) is(what string) bool {
	return v != nil && v.text == what && v.kind != list && v.kind != mapping
}

// unsure reports whether there may be more of a value than is known.
func (v *Value) unsure() bool { return v != nil && (v.open || v.kind == unknown) }

// whole reports whether a text is known to its last letter.
func (v *Value) whole() bool { return v != nil && v.kind == text && !strings.Contains(v.text, hole) }

// String returns a value as Jupyter's own settings are written: texts as they are,
// lists and mappings as JSON.
func (v *Value) String() string {
	if v == nil {
		return ""
	}
	if v.kind == list || v.kind == mapping {
		budget := maxParts
		data, err := json.Marshal(v.plain(&budget))
		if err != nil {
			return ""
		}
		return string(data)
	}
	return strings.ReplaceAll(v.text, hole, "…")
}

// hidden stands in findings for what a file of secrets says.
const hidden = "<hidden>"

// shown returns a text for a finding, which tells nothing of a secret.
func (v *Value) shown() string {
	if v == nil || v.secret {
		return hidden
	}
	return v.String()
}

// maxParts is the most parts of a value that are written out: values can hold each
// other.
const maxParts = 10_000

// plain returns a value for JSON.
func (v *Value) plain(budget *int) any {
	if *budget--; *budget < 0 {
		return nil
	}
	switch v.kind {
	case boolean:
		return v.text == "true"
	case list:
		out := make([]any, len(v.items))
		for i, item := range v.items {
			out[i] = item.plain(budget)
		}
		return out
	case mapping:
		out := map[string]any{}
		v.each(func(key string, item *Value) { out[key] = item.plain(budget) })
		return out
	case null, unknown:
		return nil
	}
	return v.text
}

// maxYAML is the most bytes that are read of one values file; the largest known has
// 60 KB.
const maxYAML = 4 << 20

// readYAML reads a YAML file as a value; name is what findings call it. It returns
// nil for an empty file, and nil with a finding for what is not YAML. Of secrets,
// findings tell nothing.
func readYAML(name string, data []byte, secret bool) (*Value, pins.Findings) {
	root, wrong := pins.LoadYAML(name, data, maxYAML)
	if wrong != nil {
		if secret { // the fault's words may be a secret
			wrong.Message = "not valid YAML"
		}
		return nil, pins.Findings{*wrong}
	}
	if root == nil {
		return nil, nil
	}
	budget := 1 << 18
	return fromNode(name, root, &budget), twice(name, root, secret)
}

// twice finds keys that stand twice in a mapping: of YAML's readers some refuse
// that, and some take the last.
func twice(name string, n *yaml.Node, secret bool) (found pins.Findings) {
	first := map[string]int{}
	for i, item := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && item.Kind == yaml.ScalarNode {
			if line, again := first[item.Value]; again {
				key := item.Value
				if secret {
					key = hidden
				}
				found = append(found, pins.Finding{
					Position: pins.Position{File: name, Line: item.Line}, Rule: "duplicate-key",
					Subject:  "duplicate-key",
					Severity: pins.Error, Fatal: true,
					Message: fmt.Sprintf("key %s appears twice in a mapping, first on line %d: one of the two is "+
						"lost: keep one", key, line),
				})
			}
			first[item.Value] = item.Line
		}
		found = append(found, twice(name, item, secret)...)
	}
	return found
}

// fromNode makes a value of a YAML node. Aliases are followed, while the budget
// lasts: a few lines of YAML can name more than a memory holds.
func fromNode(name string, n *yaml.Node, budget *int) *Value {
	v := &Value{at: pins.Position{File: name, Line: n.Line, Column: n.Column}, text: n.Value}
	if *budget--; *budget < 0 {
		return v
	}
	switch {
	case n.Kind == yaml.AliasNode && n.Alias != nil:
		return fromNode(name, n.Alias, budget)
	case n.Kind == yaml.SequenceNode:
		v.kind = list
		for _, item := range n.Content {
			v.items = append(v.items, fromNode(name, item, budget))
		}
	case n.Kind == yaml.MappingNode:
		v.kind = mapping
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := fromNode(name, n.Content[i], budget), fromNode(name, n.Content[i+1], budget)
			if key.text == "<<" && value.kind == mapping {
				for i, k := range value.keys {
					if v.get(k.text) == nil {
						v.set(k, value.items[i])
					}
				}
				continue
			}
			v.set(key, value)
		}
	default:
		v.kind, v.block = scalarKind(n), n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
		v.folded = n.Style&yaml.LiteralStyle == 0
	}
	return v
}

func scalarKind(n *yaml.Node) kind {
	switch n.ShortTag() {
	case "!!null":
		return null
	case "!!bool":
		n.Value = strings.ToLower(n.Value)
		return boolean
	case "!!int", "!!float":
		return number
	}
	return text
}

// merged is a values file laid over another, as Helm lays them: mappings are merged,
// and everything else is replaced; null takes away.
func merged(under, over *Value) *Value {
	if under == nil || over == nil || under.kind != mapping || over.kind != mapping {
		if over == nil {
			return under
		}
		return over
	}
	out := &Value{kind: mapping, at: over.at, secret: over.secret}
	for i, k := range under.keys {
		out.set(k, under.items[i])
	}
	for i, k := range over.keys {
		below := out.get(k.text)
		if below != nil && over.items[i].kind == mapping && below.kind == mapping {
			out.set(out.key(k.text), merged(below, over.items[i]))
			continue
		}
		out.set(k, over.items[i])
	}
	return out
}

// hide marks a value, and all in it, as secret.
func (v *Value) hide() {
	if v == nil || v.secret {
		return
	}
	v.secret = true
	for _, k := range v.keys {
		k.hide()
	}
	for _, item := range v.items {
		item.hide()
	}
}
