package pins

import "slices"

// A Coming says by which script a package came, and where that is asked for.
type Coming struct {
	Pin
	Script string
	At     Position // of what asks for it, if the course's files name it, else of the script
}

// Comings are the packages of a name that came by scripts. The manifest may be nil.
func (l *Lock) Comings(m *Manifest, kind Kind, name string) (all []Coming) {
	for _, r := range l.Recordings {
		for _, p := range r.Brought {
			if p.Kind != kind || p.Name != CanonicalName(kind, name) {
				continue
			}
			c := Coming{Pin: p, Script: r.Script}
			if m != nil {
				c.At = m.placeOf(p, r.Script)
			}
			all = append(all, c)
		}
	}
	return all
}

// placeOf is where a package that came by a script is asked for.
func (m *Manifest) placeOf(p Pin, script string) (at Position) {
	for _, q := range slices.Concat(m.Listed, m.Requests) {
		if q.Kind == p.Kind && q.Name == p.Name {
			return q.At
		}
	}
	for _, s := range m.Scripts {
		if s.Name == script {
			at = s.At
		}
	}
	return at
}
