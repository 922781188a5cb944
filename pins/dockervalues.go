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

// A setting is what ARG or ENV says of a variable.
type setting struct {
	name, value string // the value without quotes
	given       bool   // ARG may name a variable alone
	at          int    // where the value begins in the instruction's text
}

// settings are those of ARG NAME[=VALUE]… or ENV NAME=VALUE…; ENV has an old form too, of
// one variable: ENV NAME VALUE.
func settings(instruction string, words []word) (all []setting) {
	if instruction == "ENV" && len(words) > 1 && !strings.Contains(words[0].text, "=") {
		var value []string
		for _, w := range words[1:] {
			value = append(value, w.text)
		}
		return []setting{unquoted(setting{words[0].text, strings.Join(value, " "), true, words[1].at})}
	}
	for _, w := range words {
		s := setting{at: w.at}
		if s.name, s.value, s.given = strings.Cut(w.text, "="); s.given {
			s.at += len(s.name) + 1
		}
		all = append(all, unquoted(s))
	}
	return all
}

// unquoted takes the quotes off a value.
func unquoted(s setting) setting {
	inner := strings.TrimLeft(s.value, `"'`)
	s.at += len(s.value) - len(inner)
	s.value = strings.TrimRight(inner, `"'`)
	return s
}

// sets learns the value of a variable of a stage. A value that is not known, or is
// written in a way that only the frontend reads, is none.
func (d *dockerfileReader) sets(in instruction, s setting) {
	if s.given {
		if value, ok := d.known(s.value); ok && !strings.ContainsAny(value, `\"' `) {
			d.scope[s.name] = value
		} else {
			delete(d.scope, s.name)
		}
		return
	}
	if global, ok := d.args[s.name]; ok && in.name == "ARG" {
		d.scope[s.name] = global.Value
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
