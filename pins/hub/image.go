package hub

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"go.yaml.in/yaml/v4"
)

// imagePaths are where values name the image, where nobody says.
var imagePaths = []string{"singleuser.image", "jupyterhub.singleuser.image"}

// reference is what can stand for an image: with a tag, a digest or both.
var reference = regexp.MustCompile(`^([a-z0-9][a-zA-Z0-9._/-]*(?::[0-9]+/[a-z0-9._/-]+)?)` +
	`(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@sha256:([0-9a-f]{64}))?$`)

// Image returns the reference of the image that a values file names at a path, by
// keys and numbers with dots between them; an empty path stands for the chart's own
// place. There is either a reference, or a mapping with name and tag.
func Image(file File, path string) (string, error) {
	root, err := readNode(file)
	if err != nil {
		return "", err
	}
	paths := []string{path}
	if path == "" {
		paths = imagePaths
	}
	for _, p := range paths {
		n, _ := nodeAt(root, p)
		if n == nil {
			continue
		}
		name, tag := mappingValue(n, "name"), mappingValue(n, "tag")
		switch {
		case n.Kind == yaml.ScalarNode && n.Value != "":
			return n.Value, nil
		case name != nil && name.Value != "" && tag != nil && tag.Value != "":
			return name.Value + ":" + tag.Value, nil
		case name != nil && name.Value != "":
			return name.Value, nil
		}
		return "", fmt.Errorf("%s:%d: %s names no image: neither a reference, nor name and tag", file.Name, n.Line, p)
	}
	return "", fmt.Errorf("%s: there is no %s", file.Name, strings.Join(paths, ", and no "))
}

func readNode(file File) (*yaml.Node, error) {
	root, wrong := pins.LoadYAML(file.Name, file.Data, maxYAML)
	if wrong != nil {
		return nil, wrong
	}
	if root == nil {
		return nil, fmt.Errorf("%s: the file is empty", file.Name)
	}
	return root, nil
}

// nodeAt is what lies at a path, or nil, and the keys that lead there. A key that
// holds dots itself is found too.
func nodeAt(n *yaml.Node, path string) (*yaml.Node, []string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if path == "" {
		return n, nil
	}
	for end := len(path); end > 0; end = strings.LastIndexByte(path[:end], '.') {
		key, rest := path[:end], strings.TrimPrefix(path[end:], ".")
		next := mappingValue(n, key)
		if i, err := strconv.Atoi(key); err == nil && n.Kind == yaml.SequenceNode && i >= 0 && i < len(n.Content) {
			next = n.Content[i]
		}
		if next != nil {
			if found, keys := nodeAt(next, rest); found != nil {
				return found, append([]string{key}, keys...)
			}
		}
	}
	return nil, nil
}

func mappingValue(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// SetImage returns a values file with another reference at a path, and no other
// byte changed. Where name and tag stand there, both are set; of a reference with a
// digest, the digest is what counts.
func SetImage(file File, path, ref string) ([]byte, error) {
	m := reference.FindStringSubmatch(ref)
	if m == nil || m[2] == "" && m[3] == "" {
		return nil, fmt.Errorf("%q is not an image reference with a tag or a digest, such as "+
			"hub/stat159:a9f2c4a2da6d", ref)
	}
	root, err := readNode(file)
	if err != nil {
		return nil, err
	}
	n, keys := nodeAt(root, path)
	if path == "" {
		return nil, fmt.Errorf("%s: no path is given: name the place, such as singleuser.image", file.Name)
	}
	if n == nil {
		return nil, fmt.Errorf("%s: there is no %s: write it by hand once", file.Name, path)
	}
	edits := []edit{{n, keys, ref}}
	if n.Kind == yaml.MappingNode {
		name, tag := m[1], m[2]
		if m[3] != "" {
			name, tag = m[1]+"@sha256", m[3]
		}
		edits = []edit{
			{mappingValue(n, "name"), append(slices.Clone(keys), "name"), name},
			{mappingValue(n, "tag"), append(slices.Clone(keys), "tag"), tag},
		}
	}
	for _, e := range edits {
		if e.node == nil || e.node.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%s:%d: %s is neither a reference, nor a mapping with name and tag", file.Name,
				n.Line, path)
		}
	}
	return splice(file, edits)
}

// An edit gives a scalar another text.
type edit struct {
	node *yaml.Node
	keys []string
	text string
}

// splice makes edits, and holds what comes of it against what was meant: nothing
// else may mean something else, as where an anchor has a text stand at two places.
func splice(file File, edits []edit) ([]byte, error) {
	slices.SortFunc(edits, func(a, b edit) int { // from the last, so that none moves another
		return cmp.Or(cmp.Compare(b.node.Line, a.node.Line), cmp.Compare(b.node.Column, a.node.Column))
	})
	var want, got any
	if err := yaml.Unmarshal(file.Data, &want); err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name, err)
	}
	text := string(file.Data)
	for _, e := range edits {
		at, err := span(text, e.node)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file.Name, e.node.Line, err)
		}
		text = text[:at[0]] + quotedAs(e.node, e.text) + text[at[1]:]
		want = with(want, e.keys, e.text)
	}
	if err := yaml.Unmarshal([]byte(text), &got); err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		first := edits[0]
		where := strings.Join(first.keys, ".")
		return nil, fmt.Errorf("%s:%d: the edit would change more than %s: do it by hand", file.Name,
			first.node.Line, where)
	}
	return []byte(text), nil
}

// with is a tree with another text at some keys.
func with(tree any, keys []string, text string) any {
	if len(keys) == 0 {
		return text
	}
	switch t := tree.(type) {
	case map[string]any:
		out := maps.Clone(t)
		out[keys[0]] = with(t[keys[0]], keys[1:], text)
		return out
	case map[any]any:
		out := maps.Clone(t)
		out[keys[0]] = with(t[keys[0]], keys[1:], text)
		return out
	case []any:
		out := slices.Clone(t)
		if i, err := strconv.Atoi(keys[0]); err == nil && i < len(out) {
			out[i] = with(out[i], keys[1:], text)
		}
		return out
	}
	return tree
}

// span is where a scalar stands in a text, with its quotes.
func span(text string, n *yaml.Node) (out [2]int, err error) {
	start := 0
	for range n.Line - 1 {
		i := strings.IndexByte(text[start:], '\n')
		if i < 0 {
			return out, fmt.Errorf("line %d is not there", n.Line)
		}
		start += i + 1
	}
	column := 1
	for i := range text[start:] { // columns count characters
		if column == n.Column {
			start += i
			break
		}
		column++
	}
	if n.Column > 1 && column < n.Column {
		start = len(text)
	}
	rest := text[start:]
	if tag := regexp.MustCompile(`^(?:[&!]\S*\s+)+`).FindString(rest); tag != "" {
		start, rest = start+len(tag), rest[len(tag):]
	}
	length := len(n.Value)
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		length = len(regexp.MustCompile(`^"(?:[^"\\]|\\.)*"`).FindString(rest))
	case n.Style&yaml.SingleQuotedStyle != 0:
		length = len(regexp.MustCompile(`^'(?:[^']|'')*'`).FindString(rest))
	case !strings.HasPrefix(rest, n.Value):
		length = 0
	}
	if length == 0 {
		return out, fmt.Errorf("%q does not stand there in one piece: edit it by hand", n.Value)
	}
	return [2]int{start, start + length}, nil
}

// quotedAs writes a text with the quotes that another has.
func quotedAs(n *yaml.Node, text string) string {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return strconv.Quote(text)
	case n.Style&yaml.SingleQuotedStyle != 0:
		return "'" + text + "'"
	}
	return scalar(text)
}
