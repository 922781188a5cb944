package pins

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pixiTables are the tables that a pixi.toml may have at its top, and whether
// they are nothing to the image.
var pixiTables = map[string]bool{
	"workspace": false, "project": false, "dependencies": false, "host-dependencies": false,
	"build-dependencies": false, "run-dependencies": false,
	"pypi-dependencies": false, "target": false, "feature": false, "environments": false, "activation": false,
	"pypi-options": false,
	"constraints":  false, "dev": false, "system-requirements": false, "package": false, "tasks": true, "tool": true,
	"$schema": true,
}

// pixiKinds are the tables of dependencies, and which of conda's wins over which.
var pixiKinds = map[string]struct {
	kind Kind
	rank int
}{"dependencies": {Conda, 0}, "run-dependencies": {Conda, 0}, "host-dependencies": {Conda, 1},
	"build-dependencies": {Conda, 2}, "pypi-dependencies": {Pip, 0}}

// pixiHere are the targets that an image on Linux is, and pixiElsewhere those
// that it is not.
var (
	pixiHere      = []string{"linux", "linux-64", "linux-aarch64", "unix"}
	pixiElsewhere = []string{"win", "win-64", "win-32", "win-arm64", "osx", "osx-64", "osx-arm64", "linux-ppc64le",
		"linux-armv6l", "linux-armv7l", "linux-32", "linux-s390x", "linux-riscv32", "linux-riscv64",
		"emscripten-wasm32", "wasi-wasm32", "zos-z", "freebsd-64", "noarch"}
)

// A pixiSpec is one dependency, as one table has it.
type pixiSpec struct {
	kind    Kind
	name    string
	feature string
	rank    int // of the table; a target's is greater
	values  map[string]*leaf
	at      Position
	why     *string
}

// interpret makes requests of the leaves.
func (p *pixi) interpret() {
	r := pixiReading{pixi: p, passed: map[string]bool{}, specs: map[string]*pixiSpec{}}
	if r.features, r.root = p.environment(); r.m.Environment.Value != "" {
		p.known()
	}
	for _, l := range p.leaves {
		if keys, feature, rank, ok := r.scope(l); ok {
			r.take(l, keys, feature, rank)
		}
	}
	p.askAll(r.specs, r.order)
}

// A pixiReading is what was made of the leaves so far.
type pixiReading struct {
	*pixi
	features []string // of the environment
	root     bool     // whether what stands at the top is in it
	passed   map[string]bool
	specs    map[string]*pixiSpec
	order    []string // of specs
}

// pass notes, once, what is not of the image.
func (r *pixiReading) pass(l *leaf, what, why string) {
	if !r.passed[what] {
		r.passed[what] = true
		r.m.Findings.note(l.at, "no-effect", "%s: %s", what, why)
	}
}

// scope is what a leaf says within its feature and target, with the rank that the
// target has. Leaves that are not of the image's environment are left out.
func (r *pixiReading) scope(l *leaf) (keys []string, feature string, rank int, ok bool) {
	if ignored, known := pixiTables[l.keys[0]]; !known {
		r.m.Findings.fatal(l.at, "unknown-key", "pixi knows no table %q: %s", l.keys[0],
			didYouMean(l.keys[0], slices.Sorted(maps.Keys(pixiTables))))
		return nil, "", 0, false
	} else if ignored {
		if l.keys[0] != "$schema" {
			r.pass(l, l.keys[0], "nothing of it is in the image")
		}
		return nil, "", 0, false
	}
	keys = l.keys
	switch {
	case keys[0] == "feature":
		if len(keys) < 3 {
			return nil, "", 0, false
		}
		if feature = keys[1]; !slices.Contains(r.features, feature) {
			r.passFeature(l)
			return nil, "", 0, false
		}
		keys = keys[2:]
	case !r.root && !slices.Contains([]string{"workspace", "project", "environments"}, keys[0]):
		return nil, "", 0, false
	}
	if keys[0] == "target" && len(keys) > 2 {
		if rank, ok = r.target(l, keys[1]); !ok {
			return nil, "", 0, false
		}
		keys = keys[2:]
	}
	return keys, feature, rank, true
}

// passFeature tells, once, of a feature that has no effect.
func (r *pixiReading) passFeature(l *leaf) {
	if name := "feature " + l.keys[1]; !r.passed[name] {
		r.passed[name] = true
		r.m.Findings.warn(l.at, "ghost",
			"%s: pixi's environment %s is read, and this feature is not in it: it has no effect; --environment, or "+
				"pixi-environment in pins.yaml, names another environment", strings.Join(l.keys, "."), r.m.environment())
	}
}

// target is the rank of a target that the image is: the nearer to its platform, the
// greater.
func (r *pixiReading) target(l *leaf, name string) (rank int, ok bool) {
	switch {
	case name == r.subdir():
		return 100, true
	case name == "linux":
		return 40, true
	case name == "unix":
		return 30, true
	case slices.Contains(pixiHere, name), slices.Contains(pixiElsewhere, name):
		r.pass(l, "target."+name, "it is for other platforms than the image's")
	default:
		r.m.Findings.fatal(l.at, "unsupported",
			"target.%s: driftpin can't tell whether that is the image's platform: write target.linux-64 "+
				"or target.linux", name)
	}
	return 0, false
}

// take notes what a leaf says of a dependency, or of something else.
func (r *pixiReading) take(l *leaf, keys []string, feature string, rank int) {
	table, isDependency := pixiKinds[keys[0]]
	if !isDependency {
		r.setting(l, keys, feature)
		return
	}
	if len(keys) < 2 {
		if l.value != nil {
			r.m.Findings.fatal(l.at, "type", "%s must be a table", strings.Join(l.keys, "."))
		}
		return
	}
	id := strings.Join(l.keys[:len(l.keys)-len(keys)+2], "\n")
	spec := r.specs[id]
	if spec == nil {
		spec = &pixiSpec{kind: table.kind, name: keys[1], feature: feature, rank: rank + table.rank,
			values: map[string]*leaf{}, at: l.at, why: l.why}
		r.specs[id] = spec
		r.order = append(r.order, id)
	}
	if head := r.heads[id]; head != nil {
		spec.why = head
	}
	key := strings.Join(keys[2:], ".")
	if key == "" && l.value == nil && r.heads[id] != nil {
		return // the head of a table of its own
	}
	if len(keys) == 2 {
		key = "version"
	}
	spec.values[key] = l
}

// subdir is conda's name for the course's platform.
func (p *pixi) subdir() string {
	if len(p.m.Platforms) > 0 {
		return condaSubdirs[p.m.Platforms[0]]
	}
	return "linux-64"
}

// environment is the name of pixi's environment that is read.
func (m *Manifest) environment() string { return cmp.Or(m.Environment.Value, "default") }

// environment says which features the environment that is read has besides what stands
// at the top, and whether that is in it.
func (p *pixi) environment() (features []string, root bool) {
	root = true
	for _, l := range p.leaves {
		if len(l.keys) < 2 || l.keys[0] != "environments" || l.keys[1] != p.m.environment() {
			continue
		}
		switch {
		case len(l.keys) == 2 || l.keys[2] == "features":
			list, _ := l.value.([]any)
			for _, one := range list {
				if name, ok := one.(string); ok && p.hasFeature(name) {
					features = append(features, name)
				} else if ok {
					p.m.Findings.fatal(l.at, "environment", "there is no feature %s: write [feature.%s.…], or take it out", name, name)
				}
			}
		case l.keys[2] == "no-default-feature" && l.value == true:
			root = false
		}
	}
	return features, root
}

// hasFeature reports whether the file has a feature.
func (p *pixi) hasFeature(name string) bool {
	return slices.ContainsFunc(p.leaves, func(l *leaf) bool { return len(l.keys) > 1 && l.keys[0] == "feature" && l.keys[1] == name })
}

// known says that the file has no environment of the name that the course gives, if it
// has none.
func (p *pixi) known() {
	var names []string
	for _, l := range p.leaves {
		if len(l.keys) > 1 && l.keys[0] == "environments" && !slices.Contains(names, l.keys[1]) {
			names = append(names, l.keys[1])
		}
	}
	name, at := p.m.Environment.Value, p.m.Environment.At
	if name == "default" || slices.Contains(names, name) {
		return
	}
	if at.File == "" {
		at = Position{File: p.name(p.file), Line: 1}
	}
	p.m.Findings.fatal(at, "environment", "%s has no environment %s: it has %s", p.name(p.file), name,
		strings.Join(append([]string{"default"}, slices.DeleteFunc(names, func(n string) bool { return n == "default" })...), ", "))
}

// setting reads what is no dependency.
func (p *pixi) setting(l *leaf, keys []string, feature string) {
	switch what := strings.Join(keys[:min(len(keys), 2)], "."); {
	case keys[0] == "channels" || what == "workspace.channels" || what == "project.channels":
		p.channels(l, feature)
	case what == "workspace.platforms" || what == "project.platforms" || keys[0] == "platforms" && feature != "":
		if list, ok := l.value.([]any); ok && !slices.Contains(list, any(p.subdir())) {
			p.m.Findings.fatal(l.at, "platform", "the list of platforms lacks %s, the platform of the image: add it",
				p.subdir())
		}
	case what == "activation.env":
		if value, ok := l.value.(string); ok && len(keys) == 3 {
			if _, said := p.m.Launch.Env[keys[2]]; !said {
				p.m.Launch.setEnv(keys[2], value, l.at)
			}
		}
	case l.value == nil && p.heads[strings.Join(l.keys, "\n")] != nil: // the head of a table
	case keys[0] == "constraints", keys[0] == "dev", keys[0] == "pypi-options", what == "activation.scripts",
		slices.Contains([]string{"exclude-newer", "solve-strategy", "channel-priority", "pypi-options",
			"build-variants", "preview"}, keys[min(1, len(keys)-1)]) && keys[0] != "environments",
		slices.Contains([]string{"solve-strategy", "channel-priority"}, keys[0]):
		p.m.Findings.fatal(l.at, "unsupported",
			"%s: pixi uses this setting, and driftpin can't yet: take it out, or write a pins.yaml (as-of is its "+
				"exclude-newer)", strings.Join(l.keys, "."))
	case keys[0] == "system-requirements" || keys[0] == "package":
		p.m.Findings.warn(l.at, "no-effect",
			"%s has no effect here: the system is that of the base image, and the course is not a package",
			strings.Join(l.keys, "."))
	}
}

// channels reads a list of channels: those with a greater priority come first.
func (p *pixi) channels(l *leaf, feature string) {
	list, ok := l.value.([]any)
	if !ok {
		p.m.Findings.fatal(l.at, "type", "channels must be a list")
		return
	}
	type channel struct {
		name     string
		priority int
	}
	var all []channel
	for _, one := range list {
		name, _ := one.(string)
		priority := 0
		if t, ok := one.(map[string]any); ok {
			name, _ = t["channel"].(string)
			priority, _ = t["priority"].(int)
		}
		all = append(all, channel{name, priority})
	}
	slices.SortStableFunc(all, func(a, b channel) int { return cmp.Compare(b.priority, a.priority) })
	var texts []Text
	for _, one := range all {
		texts = append(texts, Text{one.name, l.at})
	}
	if feature != "" {
		p.m.Channels = append(texts, p.m.Channels...)
	} else {
		p.m.Channels = append(p.m.Channels, texts...)
	}
}

// askAll adds what dependencies ask for; of several tables of one feature that
// name a package, the one for the platform, and for building, wins.
func (p *pixi) askAll(specs map[string]*pixiSpec, order []string) {
	type id struct {
		kind          Kind
		name, feature string
	}
	best := map[id]*pixiSpec{}
	var asked []id
	for _, key := range order {
		s := specs[key]
		at := id{s.kind, CanonicalName(s.kind, s.name), s.feature}
		if best[at] == nil {
			asked = append(asked, at)
		}
		switch {
		case best[at] == nil || s.rank > best[at].rank:
			best[at] = s
		case s.rank == best[at].rank:
			p.m.Findings.fatal(s.at, "duplicate", "%s is pinned twice, as %s here and as %s at %s: keep one", s.name,
				s.name, best[at].name, best[at].at)
		}
	}
	for _, at := range asked {
		p.ask(best[at])
	}
}

var (
	pixiCondaKeys = []string{"version", "build", "channel", "workspace"}
	pixiPypiKeys  = []string{"version", "extras", "git", "rev", "tag", "branch", "subdirectory", "env-markers",
		"workspace"}
)

// ask adds what a dependency asks for.
func (p *pixi) ask(s *pixiSpec) {
	if w := s.values["workspace"]; w != nil && w.value == true {
		if !p.inherit(s) {
			p.m.Findings.fatal(s.at, "pin",
				"%s: its version comes from workspace.dependencies, which does not list it", s.name)
			return
		}
	}
	known := pixiCondaKeys
	if s.kind == Pip {
		known = pixiPypiKeys
	}
	text := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		l := s.values[key]
		value, isText := l.value.(string)
		switch {
		case slices.Contains([]string{"path", "url"}, key):
			p.m.Findings.fatal(l.at, "pin", "%s: a path or an address can't be locked: use a version, or git", s.name)
			return
		case !slices.Contains(known, key):
			p.m.Findings.fatal(l.at, "pin", "%s: driftpin can't lock by %s: use %s", s.name, key,
				strings.Join(known[:len(known)-1], ", "))
			return
		case key == "extras" || key == "workspace":
		case !isText || strings.TrimSpace(value) == "" || s.kind == Conda && key == "version" &&
			strings.ContainsRune(strings.TrimSpace(value), ' ') && !strings.ContainsAny(value, "<>=!~,|"):
			p.m.Findings.fatal(l.at, "pin", "%s: its %s must be a text, such as \"1.24.*\"", s.name, key)
			return
		default:
			text[key] = strings.TrimSpace(value)
		}
	}
	q, spec, err := s.request(text)
	if version := s.values["version"]; version != nil {
		q.Where = Text{text["version"], version.at}
	}
	if build := s.values["build"]; build != nil {
		q.WhereBuild = Text{text["build"], build.at}
	}
	for _, ref := range []string{"branch", "tag", "rev"} {
		if l := s.values[ref]; q.Git != nil && l != nil {
			q.Where = Text{text[ref], l.at}
		}
	}
	p.add(q, err, textLine{spec, *s.why, Position{File: s.at.File, Line: s.at.Line, Column: 1}})
}

// inherit takes over what the workspace says of a package.
func (p *pixi) inherit(s *pixiSpec) (found bool) {
	table := map[Kind]string{Conda: "dependencies", Pip: "pypi-dependencies"}[s.kind]
	for _, l := range p.leaves {
		if len(l.keys) < 3 || l.keys[0] != "workspace" || l.keys[1] != table ||
			CanonicalName(s.kind, l.keys[2]) != CanonicalName(s.kind, s.name) || l.value == nil {
			continue
		}
		key := "version"
		if len(l.keys) > 3 {
			key = strings.Join(l.keys[3:], ".")
		}
		if s.values[key] == nil {
			s.values[key] = l
		}
		found = true
	}
	return found
}

// request is what a dependency asks for, and that in the words of its tool.
func (s *pixiSpec) request(text map[string]string) (q Request, spec string, err error) {
	version := text["version"]
	if version == "*" {
		version = ""
	}
	spec = s.name
	switch {
	case s.kind == Conda:
		if len(s.values) == 0 {
			return q, spec, fmt.Errorf("%s: an empty table asks for nothing: write \"*\" for any version", s.name)
		}
		if version != "" {
			spec += " " + version
		}
		if build := text["build"]; build != "" {
			spec = fmt.Sprintf("%s[version='%s',build='%s']", s.name, cmp.Or(version, "*"), build)
		}
		if channel := text["channel"]; channel != "" {
			spec = channel + "::" + spec
		}
		q, err = ParseConda(spec)
	case text["git"] != "":
		spec = "git+" + text["git"]
		for _, ref := range []string{"rev", "tag", "branch"} {
			if text[ref] != "" {
				spec += "@" + text[ref]
				break
			}
		}
		if sub := text["subdirectory"]; sub != "" {
			spec += "#subdirectory=" + sub
		}
		if q, err = ParsePip(spec); err == nil {
			q.Name, q.Extras, q.Marker = CanonicalName(Pip, s.name), s.extras(), text["env-markers"]
			err = q.checkMarker()
		}
	case version != "" && !strings.ContainsRune("=<>!~", rune(version[0])):
		err = fmt.Errorf("%s: %q is not a version specifier (PEP 440): write ==%s", s.name, version,
			strings.TrimPrefix(version, "v"))
	case strings.ContainsRune(version, ';'):
		err = fmt.Errorf("%s: %q: a marker goes into env-markers", s.name, version)
	default:
		if extras := s.extras(); len(extras) > 0 {
			spec += "[" + strings.Join(extras, ",") + "]"
		}
		spec += version
		if marker := text["env-markers"]; marker != "" {
			spec += " ; " + marker
		}
		q, err = ParsePip(spec)
	}
	return q, spec, err
}

func (s *pixiSpec) extras() (extras []string) {
	if l := s.values["extras"]; l != nil {
		list, _ := l.value.([]any)
		for _, e := range list {
			extras = append(extras, fmt.Sprint(e))
		}
	}
	return extras
}
