package pins

import (
	_ "embed"
	"slices"
)

// Pinned returns what a manifest asks for of a package, of all kinds: a name
// is any ecosystem's. It is empty if the manifest does not ask for it.
func (m *Manifest) Pinned(name string) []Request {
	return slices.DeleteFunc(slices.Clone(m.Requests), func(r Request) bool {
		return r.Name == "" || CanonicalName(Pip, r.Name) != CanonicalName(Pip, name)
	})
}

// SuggestPin returns the pin of a manifest whose name is nearest to one that it
// does not ask for; empty if none is near.
func (m *Manifest) SuggestPin(name string) string {
	var names []string
	for _, r := range m.Requests {
		names = append(names, r.Name)
	}
	return nearest(CanonicalName(Pip, name), names)
}

// Reads reports whether the manifest was read from a file, by the name that
// positions give it.
func (m *Manifest) Reads(file string) bool {
	_, ok := m.Source(file)
	return ok
}

// Source is the content of a file that the manifest was read from, by the name
// that positions give it.
func (m *Manifest) Source(name string) ([]byte, bool) {
	for _, s := range m.Sources {
		if s.Name == name {
			return s.Data, true
		}
	}
	return nil, false
}

// With is a manifest that asks for other things, pin by pin.
func (m *Manifest) With(change func(Request) Request) *Manifest {
	other := *m
	other.Requests = slices.Clone(m.Requests)
	for i, r := range other.Requests {
		other.Requests[i] = change(r)
	}
	return &other
}

// Request returns what the manifest asks for under a canonical name, or nil. A
// git requirement whose name the manifest does not tell is found by the
// repository that the wheel was built from.
func (m *Manifest) Request(kind Kind, name, from string) *Request {
	i := slices.IndexFunc(m.Requests, func(r Request) bool { return r.Kind == kind && r.Name == name })
	if i < 0 {
		built, ok := Artifact{From: from}.Git()
		i = slices.IndexFunc(m.Requests, func(r Request) bool {
			return ok && r.Kind == kind && r.Git != nil && r.Name == "" && r.Git.URL == built.URL &&
				r.Git.Subdirectory == built.Subdirectory
		})
	}
	if i < 0 {
		return nil
	}
	return &m.Requests[i]
}

func (m *Manifest) requestsOf(k Kind) []Request {
	return slices.DeleteFunc(slices.Clone(m.Requests), func(r Request) bool { return r.Kind != k })
}

// kinds are those that a lock of the manifest resolves, each on top of those
// before it.
func (m *Manifest) kinds() []Kind {
	kinds := []Kind{Deb}
	if len(m.requestsOf(Conda)) > 0 {
		kinds = append(kinds, Conda)
	}
	kinds = append(kinds, Pip)
	if len(m.requestsOf(Npm)) > 0 {
		kinds = append(kinds, Npm)
	}
	return kinds
}

// python says what a kind has to provide a Python for: pip's packages run on
// conda's Python where there are conda pins, else on Debian's. Tools come as
// wheels, so steps need one where the image has none of Debian's.
func (m *Manifest) python(k Kind) Use {
	if m.Extends {
		return "" // the base has one
	}
	conda, pip := len(m.requestsOf(Conda)) > 0, len(m.requestsOf(Pip)) > 0
	switch {
	case k == Deb && pip && !conda || k == Conda && pip:
		return Install
	case k == Deb && (conda || len(m.requestsOf(Npm)) > 0):
		return BuildInput
	}
	return ""
}

// CondaChannels are the names of the channels that conda packages come from, in
// order of priority.
func (m *Manifest) CondaChannels() (names []string) {
	for _, c := range m.Channels {
		if c.Value != "nodefaults" && !slices.Contains(names, c.Value) {
			names = append(names, c.Value)
		}
	}
	if len(names) == 0 {
		return []string{defaultChannel}
	}
	return names
}
