package pins

import (
	"regexp"
	"strings"
)

var dockerVariable = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)

// expand puts the values of ARG into a text.
func (d *dockerfileReader) expand(text string, at Position) string {
	expanded := dockerVariable.ReplaceAllStringFunc(text, func(use string) string {
		m := dockerVariable.FindStringSubmatch(use)
		name := m[1] + m[3]
		if value, ok := d.args[name]; ok {
			return value.Value
		}
		if m[2] == "" {
			d.m.Findings.fatal(at, "dockerfile", "%s: ARG %s has no value: write ARG %s=VALUE before FROM", text, name, name)
		}
		return m[2]
	})
	if len(expanded) > maxValue { // each ARG could double the one before
		d.m.Findings.fatal(at, "dockerfile", "the value is longer than %d characters", maxValue)
		return ""
	}
	return expanded
}

// maxValue is how long a value of ARG may be.
const maxValue = 4096

// sets learns the value of a variable of a stage, from NAME=VALUE. A value that is not
// known, or is written in a way that only the frontend reads, is none.
func (d *dockerfileReader) sets(in instruction, text string) {
	name, value, ok := strings.Cut(text, "=")
	switch {
	case ok:
		value = strings.Trim(value, `"'`)
		if value, ok = d.known(value); ok && !strings.ContainsAny(value, `\"' `) {
			d.scope[name] = value
			return
		}
		delete(d.scope, name)
	case in.name == "ARG":
		if global, ok := d.args[name]; ok {
			d.scope[name] = global.Value
		} else if _, env := d.scope[name]; !env {
			delete(d.scope, name)
		}
	}
}

// known puts the values of a stage's variables into a text, if all are known.
func (d *dockerfileReader) known(text string) (string, bool) {
	all := true
	expanded := dockerVariable.ReplaceAllStringFunc(text, func(use string) string {
		m := dockerVariable.FindStringSubmatch(use)
		value, ok := d.scope[m[1]+m[3]]
		all = all && ok && len(value) <= maxValue
		return value
	})
	return expanded, all && !strings.Contains(expanded, "$") && len(expanded) <= maxValue
}
