package pins

import (
	"regexp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins/version"
)

// A truth is what can be said of a marker: yes, no, or that it hangs on
// something that is not known.
type truth int

const (
	unknown truth = iota
	no
	yes
)

// An environment is where pip's markers are asked (PEP 508, "Environment
// markers"): values of variables. What is not in it is not known.
type markerEnvironment map[string]string

// environmentOn is what is known of a platform's environment with a Python of
// some version; an empty version is not known.
func environmentOn(platform, python string) markerEnvironment {
	e := markerEnvironment{
		"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "extra": "",
		"implementation_name": "cpython", "platform_python_implementation": "CPython",
		"python_implementation": "CPython",
		"platform_machine":      map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[platform],
	}
	if release := version.Release(python); len(release) > 1 {
		e["python_version"] = strings.Join(release[:2], ".")
		if len(release) > 2 {
			e["python_full_version"], e["implementation_version"] = python, python
		}
	}
	return e
}

var markerToken = regexp.MustCompile(`^\s*('[^']*'|"[^"]*"|\(|\)|===|==|~=|!=|<=|>=|<|>|[A-Za-z_.]+)`)

// holds evaluates a marker. One that can't be read is unknown.
func (e markerEnvironment) holds(marker string) truth {
	result, ok := e.read(marker)
	if !ok {
		return unknown
	}
	return result
}

// read evaluates a marker, and reports whether it is one.
func (e markerEnvironment) read(marker string) (_ truth, ok bool) {
	var tokens []string
	for rest := marker; strings.TrimSpace(rest) != ""; {
		m := markerToken.FindStringSubmatch(rest)
		if m == nil {
			return unknown, false
		}
		tokens = append(tokens, m[1])
		rest = rest[len(m[0]):]
	}
	p := markerParser{environment: e, tokens: tokens}
	result := p.or()
	return result, !p.failed && len(p.tokens) == 0
}

// A markerParser evaluates the tokens that are left.
type markerParser struct {
	environment markerEnvironment
	tokens      []string
	failed      bool // the tokens are no marker
}

func (p *markerParser) fail() truth {
	p.failed = true
	return unknown
}

func (p *markerParser) take(token string) bool {
	if len(p.tokens) > 0 && p.tokens[0] == token {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *markerParser) or() truth {
	result := p.and()
	for p.take("or") {
		switch next := p.and(); {
		case result == yes || next == yes:
			result = yes
		case next == unknown:
			result = unknown
		}
	}
	return result
}

func (p *markerParser) and() truth {
	result := p.comparison()
	for p.take("and") {
		switch next := p.comparison(); {
		case result == no || next == no:
			result = no
		case next == unknown:
			result = unknown
		}
	}
	return result
}

func (p *markerParser) comparison() truth {
	if p.take("(") {
		result := p.or()
		if !p.take(")") {
			return p.fail()
		}
		return result
	}
	if len(p.tokens) < 3 {
		return p.fail()
	}
	left, operator := p.tokens[0], p.tokens[1]
	p.tokens = p.tokens[2:]
	if operator == "not" && p.take("in") {
		operator = "not in"
	}
	if !slices.Contains(markerOperators, operator) || len(p.tokens) == 0 || !isMarkerValue(left) ||
		!isMarkerValue(p.tokens[0]) {
		return p.fail()
	}
	right := p.tokens[0]
	p.tokens = p.tokens[1:]
	a, knownA := p.value(left)
	b, knownB := p.value(right)
	if !knownA || !knownB {
		return unknown
	}
	return compareMarker(a, operator, b)
}

var markerOperators = []string{"in", "not in", "==", "===", "!=", "<", "<=", ">", ">=", "~="}

// isMarkerValue reports whether a token is a string or a variable.
func isMarkerValue(token string) bool {
	return strings.ContainsAny(token[:1], `'"`) || slices.Contains(markerWords, token)
}

// value is that of a string or of a variable.
func (p *markerParser) value(token string) (string, bool) {
	if token[0] == '"' || token[0] == '\'' {
		return token[1 : len(token)-1], true
	}
	v, ok := p.environment[strings.ReplaceAll(token, ".", "_")] // os.name, as it was written once
	return v, ok
}

// compareMarker compares as versions what are versions, and else as texts. Where
// the tools do not agree, as on the order of texts, it is not known.
func compareMarker(a, operator, b string) truth {
	is := func(ok bool) truth {
		if ok {
			return yes
		}
		return no
	}
	switch operator {
	case "in":
		return is(strings.Contains(b, a))
	case "not in":
		return is(!strings.Contains(b, a))
	}
	if version.Release(a) != nil {
		if met, err := version.MeetsSpecifiers(a, operator+b); err == nil {
			return is(met)
		}
		if version.Release(strings.TrimSuffix(b, ".*")) != nil {
			return unknown
		}
	}
	switch operator {
	case "==":
		return is(a == b)
	case "!=":
		return is(a != b)
	}
	return unknown
}
