package pins

// lint looks for what each part of a manifest can't see by itself.
func (m *Manifest) lint() {
	m.lintDuplicates()
	for _, t := range m.Launch.Cmd {
		if err := checkDashes(t.Value); err != nil {
			m.Findings.fatal(t.At, "dash", "launch.cmd: %v", err)
		}
	}
	for _, t := range m.Checks {
		if err := checkDashes(t.Value); err != nil {
			m.Findings.fatal(t.At, "dash", "checks: %v", err)
		}
	}
}

// lintDuplicates finds packages that are asked for twice.
func (m *Manifest) lintDuplicates() {
	type id struct {
		kind   Kind
		name   string
		marker string
	}
	first := map[id]Request{}
	for _, r := range m.Requests {
		key := id{r.Kind, r.Name, r.Marker}
		if r.Name == "" {
			key.name = r.Git.String()
		}
		if f, again := first[key]; again {
			m.Findings.fatal(r.At, "duplicate", "%s is pinned twice, as %q here and as %q at %s: keep one", r.Title(), r.Spec, f.Spec, f.At)
			continue
		}
		first[key] = r
	}
}
