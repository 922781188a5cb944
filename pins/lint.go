package pins

// lint looks for what each part of a manifest can't see by itself.
func (m *Manifest) lint() {
	m.lintDuplicates()
	m.lintEcosystems()
	m.lintUnsupported()
	m.lintChannels()
	m.lintNode()
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

// lintEcosystems finds packages that are asked of conda and of pip both: pip
// would install its own over conda's, and conda would not know.
func (m *Manifest) lintEcosystems() {
	conda := map[string]Request{}
	for _, r := range m.Requests {
		if r.Kind == Conda {
			conda[CanonicalName(Pip, r.Name)] = r
		}
	}
	for _, r := range m.Requests {
		if c, both := conda[r.Name]; r.Kind == Pip && both && r.Replaces != c.Name {
			m.Findings.fatal(r.At, "two-ecosystems", "%s is pinned for pip, as %q here, and for conda, as %q at %s: keep one", r.Name, r.Spec, c.Spec, c.At)
		}
	}
}

// lintUnsupported finds kinds of pins that can be read but not locked.
func (m *Manifest) lintUnsupported() {
	count, first := map[Kind]int{}, map[Kind]Position{}
	for _, r := range m.Requests {
		if count[r.Kind]++; count[r.Kind] == 1 {
			first[r.Kind] = r.At
		}
	}
	for _, k := range []Kind{R} {
		if count[k] > 0 {
			m.Findings.fatal(first[k], "unsupported", "%s pins can't be locked yet (there are %d): pip, git, conda, npm and apt can", k, count[k])
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
