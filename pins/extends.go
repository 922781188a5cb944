package pins

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// extend takes over what the fragment that a manifest extends asks for: a
// pins.yaml that several courses share. What the manifest itself says holds: its
// pin of a package stands for the fragment's, its base, as-of, channels and cmd
// for those of the fragment. Or, if it is an image that is extended, that is the
// base. file is the manifest's, relative to the course's folder.
func (c *course) extend(m *Manifest, file string) {
	at := m.extends.At
	if at.File == "" {
		return
	}
	if !strings.HasSuffix(m.extends.Value, ".yaml") && !strings.HasSuffix(m.extends.Value, ".yml") {
		m.extendImage()
		return
	}
	if path.IsAbs(filepath.ToSlash(m.extends.Value)) {
		m.Findings.fatal(at, "extends", "extends %q: name a file relative to the manifest", m.extends.Value)
		return
	}
	fragment := path.Join(path.Dir(file), filepath.ToSlash(m.extends.Value))
	if slices.ContainsFunc(c.m.Sources, func(s Source) bool { return s.Name == c.name(fragment) }) {
		m.Findings.fatal(at, "include-loop", "extends %q: the manifest extends itself: take this extends out",
			m.extends.Value)
		return
	}
	if c.bounds != nil {
		c.bounds.extend(path.Dir(c.path(fragment)))
	}
	data, err := c.load(fragment)
	if err != nil {
		c.failed(at, fmt.Sprintf("extends %q", m.extends.Value), err)
		return
	}
	f := &Manifest{}
	f.parse(c.name(fragment), data)
	for _, own := range []struct {
		key   string
		found bool
	}{
		{"include", len(f.includes) > 0},
		{"files", len(f.Files) > 0},
		{"launch.files", len(f.Launch.Files) > 0},
		{"accounts", f.Accounts.At.File != ""},
		{"sync", f.Sync.With.At.File != "" || len(f.Sync.Rules) > 0},
		{"platforms", !slices.Equal(f.Platforms, []string{DefaultPlatform})},
		{"course", f.Course != ""},
	} {
		if own.found {
			f.Findings.fatal(Position{File: c.name(fragment), Line: 1}, "extends",
				"%s belongs in a course's own manifest, not in one that courses share", own.key)
		}
	}
	c.extend(f, fragment)
	m.takeOver(f, path.Dir(fragment))
}

// extendImage makes an image the base, whose environment is added to.
func (m *Manifest) extendImage() {
	at := m.extends.At
	if m.Base.Value != "" {
		m.Findings.fatal(at, "extends", "extends %q: an image that is extended replaces the base: take base (%s) "+
			"out, or name a pins.yaml that courses share", m.extends.Value, m.Base.At)
	}
	m.Base, m.Extends = m.extends, true
}

// takeOver adds what a fragment in dir, relative to the course's folder, says
// and the manifest does not.
func (m *Manifest) takeOver(f *Manifest, dir string) {
	if m.Base.Value == "" {
		m.Base, m.Extends = f.Base, f.Extends
		if layout, ok := strings.CutPrefix(f.Base.Value, LayoutPrefix); ok && !path.IsAbs(layout) {
			m.Base.Value = LayoutPrefix + path.Join(dir, layout)
		}
	}
	if m.AsOf.Text == "" {
		m.AsOf = f.AsOf
	}
	if len(m.Channels) == 0 {
		m.Channels = f.Channels
	}
	own := slices.Clone(m.Requests)
	for _, r := range f.Requests {
		if r.Name == "" || !slices.ContainsFunc(own,
			func(o Request) bool { return o.Kind == r.Kind && o.Name == r.Name }) {
			m.Requests = append(m.Requests, r)
		}
	}
	m.Checks = append(m.Checks, f.Checks...)
	m.Overlaps = append(m.Overlaps, f.Overlaps...)
	if len(m.Launch.Cmd) == 0 {
		m.Launch.Cmd = f.Launch.Cmd
	}
	for name, value := range f.Launch.Env {
		if _, said := m.Launch.Env[name]; !said {
			m.Launch.setEnv(name, value, f.Launch.EnvAt[name])
		}
	}
	m.Findings = append(m.Findings, f.Findings...)
}
