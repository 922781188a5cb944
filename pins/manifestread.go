package pins

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

func (r yamlReader) positioned(n *yaml.Node, what string) Text {
	return Text{r.text(n, what), r.at(n)}
}

func (m *Manifest) readOverlap(r yamlReader, n *yaml.Node) {
	t := r.positioned(n, "a path")
	if _, err := path.Match(t.Value, ""); err != nil || t.Value == "" {
		r.wrong(n, "overlap", "overlaps: %q is not a path or a glob, such as tests/__init__.py", t.Value)
		return
	}
	m.Overlaps = append(m.Overlaps, t)
}

// readCheck reads a command, or {notebook: FILE}.
func (m *Manifest) readCheck(r yamlReader, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		m.Checks = append(m.Checks, r.positioned(n, "a check"))
		return
	}
	r.mapping(n, "a check", field{"notebook", func(n *yaml.Node) {
		m.checked = append(m.checked, r.positioned(n, "notebook"))
	}})
}

func (m *Manifest) readRepoDir(r yamlReader, n *yaml.Node) {
	m.RepoDir = r.positioned(n, "repo-dir")
	if why := unfitRepoDir(m.RepoDir.Value); why != "" {
		r.wrong(n, "path", "repo-dir: %s", why)
	}
}

// unfitRepoDir says why a course's folder can't be copied to a place; empty if it
// can.
func unfitRepoDir(dir string) string {
	switch {
	case !isCleanAbs(dir):
		return fmt.Sprintf("%q must be a plain absolute path, such as /srv/repo", dir)
	case !isKept(dir) || dir == Env || strings.HasPrefix(dir, Env+"/"):
		return fmt.Sprintf("the course's folder can't lie in %s: name another place, such as /srv/repo", dir)
	}
	return ""
}

func (m *Manifest) readCourseName(r yamlReader, n *yaml.Node) {
	m.Course = r.text(n, "course")
	if !courseName.MatchString(m.Course) {
		r.wrong(n, "course-name", "course %q: it becomes part of an image's name, so use lower-case letters, "+
			"digits, - _ and . only", m.Course)
	}
}

// date reads a date.
func (r yamlReader) date(n *yaml.Node, what string) Date {
	text := r.text(n, what)
	d, err := ParseDate(text)
	if err != nil && text != "" {
		r.wrong(n, "date", "%s: %v", what, err)
	}
	d.At = r.at(n)
	return d
}

func (m *Manifest) readPlatforms(r yamlReader, n *yaml.Node) {
	m.Platforms = nil
	r.list(n, "platforms", func(n *yaml.Node) {
		p := r.text(n, "a platform")
		switch {
		case !platform.MatchString(p):
			r.wrong(n, "platform", "platform %q: use linux/amd64 or linux/arm64", p)
		case slices.Contains(m.Platforms, p):
			r.wrong(n, "platform", "platform %q is listed twice: keep one", p)
		default:
			m.Platforms = append(m.Platforms, p)
		}
	})
	if len(m.Platforms) != 1 {
		r.wrong(n, "platform", "platforms: name one: several can't be built into one image yet")
	}
}

func (m *Manifest) readPins(r yamlReader, n *yaml.Node) {
	later := func(kind string) field {
		return field{kind, func(n *yaml.Node) {
			r.list(n, kind, func(n *yaml.Node) {
				r.wrong(n, "unsupported", "%s pins can't be locked yet: pip, git, conda, npm and apt can", kind)
			})
		}}
	}
	r.mapping(n, "pins",
		field{"pip", func(n *yaml.Node) {
			r.list(n, "pins.pip", func(n *yaml.Node) { m.readPin(r, n, ParsePip) })
		}},
		field{"apt", func(n *yaml.Node) {
			r.list(n, "pins.apt", func(n *yaml.Node) { m.readPin(r, n, ParseApt) })
		}},
		field{"conda", func(n *yaml.Node) {
			r.list(n, "pins.conda", func(n *yaml.Node) { m.readPin(r, n, ParseConda) })
		}},
		field{"channels", func(n *yaml.Node) {
			r.list(n, "channels", func(n *yaml.Node) { m.Channels = append(m.Channels, r.positioned(n, "a channel")) })
		}},
		field{"npm", func(n *yaml.Node) {
			r.list(n, "pins.npm", func(n *yaml.Node) { m.readPin(r, n, ParseNpm) })
		}},
		later("r"),
	)
}

// readPin reads a pin: a text, or a mapping with pin, need, why, until and, of
// npm's and conda's, scripts, or of pip's, replaces.
func (m *Manifest) readPin(r yamlReader, n *yaml.Node, parse func(string) (Request, error)) {
	spec, need, why, until, replaces, at := "", "", "", "", "", n
	scripts, scriptsSaid := false, false
	if n.Kind == yaml.MappingNode {
		r.mapping(n, "a pin",
			field{"pin", func(n *yaml.Node) { spec, at = r.text(n, "pin"), n }},
			field{"need", func(n *yaml.Node) { need = m.readNeed(r, n) }},
			field{"why", func(n *yaml.Node) { why = r.text(n, "why") }},
			field{"until", func(n *yaml.Node) { until = r.text(n, "until") }},
			field{"replaces", func(n *yaml.Node) { replaces = r.text(n, "replaces") }},
			field{"scripts", func(n *yaml.Node) { scripts, scriptsSaid = r.boolean(n, "scripts"), true }},
		)
		if at == n {
			r.wrong(n, "pin", "a pin without its pin: write {pin: NAME==VERSION, need: …, why: …}")
			return
		}
	} else {
		spec = r.text(n, "a pin")
	}
	if spec == "" {
		return
	}
	q, err := parse(strings.TrimSpace(spec))
	if err != nil {
		r.wrong(at, "pin", "%v", err)
		return
	}
	if scripts && q.Kind != Npm && q.Kind != Conda {
		r.wrong(at, "pin", "scripts: only packages of npm and conda have scripts that run when they are installed")
	}
	if replaces != "" && (q.Kind != Pip || q.Name == "") {
		r.wrong(at, "pin", "replaces: only a pip pin with a name can replace a Python package that a conda package "+
			"ships (NAME==VERSION, or NAME @ git+URL)")
	}
	q.At, q.Need, q.Why, q.Until, q.Replaces = r.at(at), Need(need), why, until, CanonicalName(Conda, replaces)
	q.Scripts, q.ScriptsSaid = scripts, scriptsSaid
	if q.Need == "" {
		q.Need = Wanted
	}
	m.Requests = append(m.Requests, q)
}

func (m *Manifest) readNeed(r yamlReader, n *yaml.Node) string {
	need := r.text(n, "need")
	if known := []string{string(Hard), string(Solver), string(Wanted)}; !slices.Contains(known, need) {
		r.wrong(n, "need", "need %q: %s", need, didYouMean(need, known))
	}
	return need
}

func (m *Manifest) readFiles(r yamlReader, n *yaml.Node) {
	r.entries(n, "files", func(key, value *yaml.Node) {
		f := File{Source: path.Clean(key.Value), Target: r.text(value, "a target in files"), At: r.at(key)}
		switch {
		case f.Target != "" && !isCleanAbs(f.Target):
			r.wrong(value, "path", "files: the target %q must be a plain absolute path", f.Target)
		case !isKept(f.Target):
			r.wrong(value, "path", "files: what is written to %q is not kept in an image", f.Target)
		case path.IsAbs(f.Source) || f.Source == ".." || strings.HasPrefix(f.Source, "../"):
			r.wrong(key, "path", "files: %q lies outside of the course's folder", key.Value)
		default:
			m.Files = append(m.Files, f)
		}
	})
}

func (m *Manifest) readLaunch(r yamlReader, n *yaml.Node) {
	m.Launch.At = r.at(n)
	r.mapping(n, "launch",
		field{"cmd", func(n *yaml.Node) {
			r.list(n, "launch.cmd", func(n *yaml.Node) {
				m.Launch.Cmd = append(m.Launch.Cmd, r.positioned(n, "an argument of launch.cmd"))
			})
		}},
		field{"env", func(n *yaml.Node) {
			r.entries(n, "launch.env", func(key, value *yaml.Node) {
				if key.Value == "" || strings.ContainsAny(key.Value, "= \t") {
					r.wrong(key, "env", "launch.env: %q is not a variable's name", key.Value)
				}
				m.Launch.setEnv(key.Value, r.text(value, key.Value), r.at(key))
			})
		}},
		field{"start", func(n *yaml.Node) { m.start = r.positioned(n, "launch.start") }},
		field{"files", func(n *yaml.Node) {
			r.entries(n, "launch.files", func(key, value *yaml.Node) { m.readLaunchFile(r, key, value) })
		}},
	)
	slices.SortFunc(m.Launch.Files, func(a, b LaunchFile) int { return strings.Compare(a.Path, b.Path) })
}

// setEnv sets a variable.
func (l *Launch) setEnv(name, value string, at Position) {
	if l.Env == nil {
		l.Env, l.EnvAt = map[string]string{}, map[string]Position{}
	}
	l.Env[name], l.EnvAt[name] = value, at
}

// readLaunchFile reads a text as it is, and anything else as the JSON it means.
func (m *Manifest) readLaunchFile(r yamlReader, key, value *yaml.Node) {
	if !isCleanAbs(key.Value) {
		r.wrong(key, "path", "launch.files: %q must be a plain absolute path", key.Value)
		return
	}
	if !isKept(key.Value) {
		r.wrong(key, "path", "launch.files: what is written to %q is not kept in an image", key.Value)
		return
	}
	f := LaunchFile{Path: key.Value, At: r.at(key)}
	if value.Kind == yaml.ScalarNode {
		f.Content = []byte(r.text(value, key.Value))
	} else if content, err := json.MarshalIndent(r.value(value, key.Value), "", "  "); err != nil {
		r.wrong(value, "type", "launch.files: %s can't be written as JSON: %v", key.Value, err)
	} else {
		f.Content = append(content, '\n')
	}
	m.Launch.Files = append(m.Launch.Files, f)
}

func (m *Manifest) readSync(r yamlReader, n *yaml.Node) {
	r.mapping(n, "sync",
		field{"with", func(n *yaml.Node) { m.Sync.With = r.positioned(n, "sync.with") }},
		field{"rules", func(n *yaml.Node) {
			r.list(n, "sync.rules", func(n *yaml.Node) { m.readSyncRule(r, n) })
		}},
	)
}

func (m *Manifest) readSyncRule(r yamlReader, n *yaml.Node) {
	rule := SyncRule{At: r.at(n)}
	of := func(name string) field {
		return field{name, func(n *yaml.Node) {
			if rule.Rule != "" {
				r.wrong(n, "sync", "a rule is one of %s and %s, not both", rule.Rule, name)
			}
			rule.Rule, rule.Patterns = name, r.texts(n, name)
		}}
	}
	r.mapping(n, "a sync rule", of("same"), of("may-differ"), of("not-older"), of("forbidden"),
		field{"why", func(n *yaml.Node) { rule.Why = r.text(n, "why") }},
		field{"until", func(n *yaml.Node) { rule.Until = r.text(n, "until") }},
	)
	for _, p := range rule.Patterns {
		if _, err := path.Match(p, ""); err != nil {
			r.wrong(n, "sync", "%q is not a name or a glob", p)
		}
	}
	m.Sync.Rules = append(m.Sync.Rules, rule)
}
