package pins

import "go.yaml.in/yaml/v4"

// ParsePolicy reads the rules that stand under sync in a pins.yaml, or in a
// file of rules alone, which has nothing but sync. name is what errors call it.
func ParsePolicy(name string, data []byte) ([]SyncRule, error) {
	m := &Manifest{}
	r := yamlReader{name, &m.Findings}
	root := r.parse(data)
	if root == nil {
		return nil, m.Findings.Err()
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Kind == yaml.MappingNode && root.Content[i].Value == "sync" {
			m.readSync(r, root.Content[i+1])
			return m.Sync.Rules, m.Findings.Err()
		}
	}
	r.wrong(root, "sync", "there is no sync: with rules: [{same: [numpy]}, …]")
	return nil, m.Findings.Err()
}
