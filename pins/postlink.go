package pins

import (
	"context"
	"path"
	"slices"
)

// runsPostLink says whether the script of a conda package is to run, and whether that
// was said: in a pins.yaml it has to be. Elsewhere it runs, as conda runs it.
func (m *Manifest) runsPostLink(name string) (runs, said bool) {
	if !m.own() {
		return true, true
	}
	for _, r := range m.Requests {
		if r.Kind == Conda && r.Name == name && r.ScriptsSaid {
			return r.Scripts, true
		}
	}
	return false, false
}

// own reports whether the course has a pins.yaml: else it is a folder of repo2docker's,
// and done as that does it.
func (m *Manifest) own() bool {
	return slices.ContainsFunc(m.Sources, func(s Source) bool { return path.Base(s.Name) == ManifestName })
}

// postLinks adds to a lock the scripts that its conda packages bring. Those of which the
// manifest does not say whether they run are the error, a finding each.
func postLinks(ctx context.Context, m *Manifest, old, l *Lock, o LockOptions) error {
	var names []string
	switch {
	case o.PostLinks != nil:
		var err error
		if names, err = o.PostLinks(ctx, l); err != nil {
			return err
		}
	case old != nil:
		for _, p := range old.PostLinks {
			names = append(names, p.Name)
		}
	}
	var unsaid Findings
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		a, ok := l.Find(Conda, name, l.Platforms[0])
		if !ok {
			continue
		}
		runs, said := m.runsPostLink(name)
		if said || o.PostLinks == nil {
			l.PostLinks = append(l.PostLinks, PostLink{name, runs})
			continue
		}
		at := Position{File: m.Sources[0].Name, Line: 1}
		if chain, _ := Why(m, l, Conda, name); len(chain) > 0 && chain[0].Request != nil {
			at = chain[0].Request.At
		}
		unsaid.fatal(at, "post-link", "the conda package %s %s brings a script that conda runs after installing it: write "+
			"{pin: %s, scripts: true} under conda to run it, or scripts: false to leave it out", name, a.Version, name)
	}
	return unsaid.Err()
}

// changedPostLinks says which script is to run that did not when the lock was made, or
// the other way round; empty if there is none.
func changedPostLinks(m *Manifest, l *Lock) string {
	for _, p := range l.PostLinks {
		if runs, _ := m.runsPostLink(p.Name); runs != p.Runs {
			return "whether the script of the conda package " + p.Name + " runs has changed"
		}
	}
	return ""
}
