package pins

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Adopt writes what a manifest that was read from repo2docker's files asks for
// as a pins.yaml. Reasons come along; what the files have and a pins.yaml has
// no words for is said in comments.
func Adopt(m *Manifest, base string) ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	set := func(n *yaml.Node, key string, value *yaml.Node) {
		n.Content = append(n.Content, text(key), value)
	}
	set(root, "course", text(m.Course))
	if base != "" {
		set(root, "base", text(base))
	}
	pinned := &yaml.Node{Kind: yaml.MappingNode}
	if len(m.requestsOf(Conda)) > 0 {
		channels := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, c := range m.CondaChannels() {
			channels.Content = append(channels.Content, text(c))
		}
		set(pinned, "channels", channels)
	}
	for _, k := range []Kind{Conda, Pip, Npm, Deb} { // R can't be locked yet: that is a finding
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, r := range m.requestsOf(k) {
			list.Content = append(list.Content, adopted(r))
		}
		if len(list.Content) > 0 {
			set(pinned, k.Key(), list)
		}
	}
	set(root, "pins", pinned)
	var out bytes.Buffer
	for _, s := range m.Sources {
		fmt.Fprintf(&out, "# adopted from %s\n", strings.TrimPrefix(s.Name, strings.TrimSuffix(m.Dir, "/")+"/"))
	}
	for _, f := range m.Findings {
		if f.Rule == "unsupported" {
			fmt.Fprintf(&out, "# not adopted: %s\n", strings.ReplaceAll(f.Error(), "\n", " "))
		}
	}
	for _, r := range m.Requests {
		if len(r.Hashes) > 0 {
			fmt.Fprintf(&out, "# not adopted: the hashes of %s, at %s: the lock has hashes of all\n", r.Name, r.At)
		}
	}
	data, err := yaml.Dump(root)
	if err != nil {
		return nil, err
	}
	out.Write(data)
	return out.Bytes(), nil
}

// adopted is a pin as a pins.yaml has it.
func adopted(r Request) *yaml.Node {
	spec := r.Spec
	if r.Kind == Conda && r.At.File != "" && strings.HasPrefix(spec, "python-") { // of a runtime.txt
		spec = r.MatchSpec()
	}
	n := text(spec)
	if r.Why == "" {
		return n
	}
	return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{text("pin"), n, text("why"), text(r.Why)}}
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}
