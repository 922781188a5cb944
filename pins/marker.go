package pins

import (
	"regexp"
	"slices"
	"strings"
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
		"platform_machine": map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[platform],
	}
	if v, ok := parsePEP440(python); ok && len(v.release) > 1 {
		e["python_version"] = strings.Join(v.release[:2], ".")
		if len(v.release) > 2 {
			e["python_full_version"], e["implementation_version"] = python, python
		}
	}
	return e
}

var markerToken = regexp.MustCompile(`^\s*('[^']*'|"[^"]*"|\(|\)|===|==|~=|!=|<=|>=|<|>|[A-Za-z_.]+)`)

// holds evaluates a marker. One that can't be read is unknown.
func (e markerEnvironment) holds(marker string) truth {
	var tokens []string
	for rest := marker; strings.TrimSpace(rest) != ""; {
		m := markerToken.FindStringSubmatch(rest)
		if m == nil {
			return unknown
		}
		tokens = append(tokens, m[1])
		rest = rest[len(m[0]):]
	}
	p := markerParser{e, tokens}
	result := p.or()
	if len(p.tokens) > 0 {
		return unknown
	}
	return result
}

// A markerParser evaluates the tokens that are left.
type markerParser struct {
	environment markerEnvironment
	tokens      []string
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
			return unknown
		}
		return result
	}
	if len(p.tokens) < 3 {
		p.tokens = nil
		return unknown
	}
	left, operator := p.tokens[0], p.tokens[1]
	p.tokens = p.tokens[2:]
	if operator == "not" && p.take("in") {
		operator = "not in"
	}
	if len(p.tokens) == 0 {
		return unknown
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

// value is that of a string or of a variable.
func (p *markerParser) value(token string) (string, bool) {
	if token[0] == '"' || token[0] == '\'' {
		return token[1 : len(token)-1], true
	}
	v, ok := p.environment[strings.ReplaceAll(token, ".", "_")] // os.name, as it was written once
	return v, ok
}

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
	if _, ok := parsePEP440(a); ok {
		if met, err := meetsSpecifiers(a, operator+b); err == nil {
			return is(met)
		}
	}
	order := strings.Compare(a, b)
	allowed := map[string][]int{"==": {0}, "===": {0}, "!=": {-1, 1}, "<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}}[operator]
	if allowed == nil {
		return unknown
	}
	return is(slices.Contains(allowed, order))
}
