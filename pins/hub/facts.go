package hub

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// Facts are what the rules are held against.
type Facts struct {
	packages  map[string]Package // what the image holds, by PyPI's canonical name
	whole     bool               // packages are all that it holds: what is not there is absent
	hub       string             // the hub's own version; empty: not known
	launch    Launch
	values    *Config // of a deployment; nil: there is none
	accounts  bool    // the course has shared accounts
	elsewhere bool    // a file of secrets may say more: none was given
	requires  func(pkg, on string) bool
}

// A Package is a Python package of the image, and the pin that asks for it.
type Package struct {
	Version string
	At      pins.Position // of the pin; a file alone where none asks for it
}

// theHub is the name under which ranges speak of the hub's own version.
const theHub = "the hub"

// A Range is a range of versions of a package: a PEP 440 specifier, empty for any,
// or absent.
type Range struct{ Package, Versions string }

const absent = "absent"

// holds reports whether the image, or the hub, has the package in that range. What
// is not known is not in a range, and is not absent.
func (f *Facts) holds(r Range) bool {
	version, known := f.hub, f.hub != ""
	if r.Package != theHub {
		var p Package
		p, known = f.packages[r.Package]
		version = p.Version
		if r.Versions == absent {
			return !known && f.whole
		}
	}
	if !known || version == "" {
		return false
	}
	met, err := pins.Pip.Scheme().Satisfies(version, r.Versions)
	return err == nil && met
}

// title names a package in a finding: its version, and its pin where one asks for it
// at another place than the finding's.
func (f *Facts) title(name string, at pins.Position) string {
	if name == theHub {
		return "JupyterHub " + f.hub
	}
	p := f.packages[name]
	text := strings.TrimSpace(name + " " + p.Version)
	if p.At.Line > 0 && p.At != at {
		return fmt.Sprintf("%s (%s)", text, p.At)
	}
	return text
}

// ofLock are the facts of a course that is locked.
func ofLock(m *pins.Manifest, l *pins.Lock) *Facts {
	f := &Facts{packages: map[string]Package{}, whole: true, launch: LaunchOf(m), accounts: len(m.Accounts.Groups) > 0}
	for _, a := range l.Present(l.Platforms[0]) {
		if a.Kind != pins.Pip && a.Kind != pins.Conda {
			continue
		}
		name := pins.CanonicalName(pins.Pip, a.Name)
		f.packages[name] = Package{a.Version, askedAt(m, name)}
	}
	f.requires = func(pkg, on string) bool {
		a, ok := l.Python(pkg)
		return ok && l.Requires(a, on)
	}
	if m.Extends {
		f.whole = false // the image that is extended holds more
	}
	return f
}

// ofPins are the facts that pins tell by themselves: those that name one version.
func ofPins(m *pins.Manifest) *Facts {
	f := &Facts{packages: map[string]Package{}, launch: LaunchOf(m), accounts: len(m.Accounts.Groups) > 0}
	for _, r := range m.Requests {
		if (r.Kind == pins.Pip || r.Kind == pins.Conda) && r.Version != "" {
			f.packages[pins.CanonicalName(pins.Pip, r.Name)] = Package{r.Version, r.At}
		}
	}
	return f
}

// askedAt is the pin of a package; else the manifest.
func askedAt(m *pins.Manifest, name string) pins.Position {
	for _, r := range m.Requests {
		if (r.Kind == pins.Pip || r.Kind == pins.Conda) && pins.CanonicalName(pins.Pip, r.Name) == name {
			return r.At
		}
	}
	if len(m.Sources) == 0 {
		return pins.Position{File: m.Dir}
	}
	return pins.Position{File: m.Sources[0].Name}
}

// A Rule is one thing that is known of versions, launches and hubs.
type Rule struct {
	Name string
	// in the list of what breaks a hub's configuration, as the README of testdata/faults has it; 0: not of it
	Number   int
	Of       []Range       // where it holds: all of these
	Wrong    string        // what is wrong; {name} is a package, or what find says
	Do       string        // what to do about it
	Source   string        // where it is known from: OWNER/REPOSITORY#N, or a path in it
	Severity pins.Severity // pins.Warning, unless it says
	Pins     bool          // it is known from the pins alone, and told by driftpin pins
	Lacks    bool          // something is missing, which a file of secrets may have: a note, where none is given
	find     func(*Facts) []hit
}

// A hit is a place where a rule is broken, and the words for it.
type hit struct {
	at    pins.Position
	words map[string]string
}

// at are hits without words of their own.
func at(places ...pins.Position) (hits []hit) {
	for _, p := range places {
		hits = append(hits, hit{at: p})
	}
	return hits
}

// told is a hit with words: each name and what it stands for.
func told(at pins.Position, pairs ...string) hit {
	words := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		words[pairs[i]] = pairs[i+1]
	}
	return hit{at, words}
}

var word = regexp.MustCompile(`\{([a-z0-9 .-]+)\}`)

// check holds the facts against one rule.
func (r Rule) check(f *Facts) (found pins.Findings) {
	if slices.ContainsFunc(r.Of, func(of Range) bool { return !f.holds(of) }) {
		return nil
	}
	hits := at(f.place(r))
	if r.find != nil {
		hits = r.find(f)
	}
	for _, h := range hits {
		text := word.ReplaceAllStringFunc(r.Wrong+": "+r.Do, func(w string) string {
			name := w[1 : len(w)-1]
			if said, ok := h.words[name]; ok {
				return said
			}
			return f.title(name, h.at)
		})
		severity := cmp.Or(r.Severity, pins.Warning)
		if r.Lacks && f.elsewhere {
			severity, text = pins.Note, text+" (unless the secrets say so: none were given)"
		}
		found = append(found, pins.Finding{
			Position: h.at, Rule: r.Name, Message: text, Source: r.Source, Subject: r.Name,
			Severity: severity, Fatal: severity == pins.Error,
		})
	}
	return found
}

// place is where a rule of packages alone is told: at the pin of the first that has
// one.
func (f *Facts) place(r Rule) pins.Position {
	var any pins.Position
	for _, of := range r.Of {
		if p, ok := f.packages[of.Package]; ok && (any.File == "" || any.Line == 0) {
			any = p.At
		}
	}
	return any
}

// Check holds a course's launch, and what its lock installs, against the rules. The
// hub's version is that of the hub itself; empty if it is not known.
func Check(m *pins.Manifest, l *pins.Lock, hub string) pins.Findings {
	f := ofLock(m, l)
	f.hub = hub
	return f.check(func(r Rule) bool { return true })
}

// CheckPins holds a course's pins by themselves against the rules.
func CheckPins(m *pins.Manifest) pins.Findings {
	return ofPins(m).check(func(r Rule) bool { return r.Pins })
}

func (f *Facts) check(which func(Rule) bool) (found pins.Findings) {
	for _, r := range Rules {
		if which(r) {
			found = append(found, r.check(f)...)
		}
	}
	found.Sort()
	return found
}
