package version

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A condaVersion is a version as conda orders it (conda's documentation,
// "Version ordering", and CEP 26's version literals): parts, each of runs of
// digits and of other characters. A part begins with a number.
type condaVersion struct{ parts, local [][]string }

var (
	condaChars = regexp.MustCompile(`^[*.+!_0-9a-z]+$`)
	condaRuns  = regexp.MustCompile(`[0-9]+|[*]+|[^0-9*]+`)
)

// infinity is what post becomes: a number above all numbers.
const infinity = "∞"

// parseCondaVersion reads a version; case does not matter.
func parseCondaVersion(text string) (v condaVersion, err error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if !condaChars.MatchString(text) && !strings.Contains(text, "_") {
		text = strings.ReplaceAll(text, "-", "_")
	}
	if !condaChars.MatchString(text) {
		return v, fmt.Errorf("%q is not a version of conda's: it has letters, digits and . _ + ! only", text)
	}
	epoch, rest, ok := strings.Cut(text, "!")
	if !ok {
		epoch, rest = "0", text
	}
	if strings.Trim(epoch, "0123456789") != "" || epoch == "" || strings.Contains(rest, "!") {
		return v, fmt.Errorf("%q is not a version of conda's: the epoch before ! is a number", text)
	}
	main, local, hasLocal := strings.Cut(rest, "+")
	if strings.Contains(local, "+") {
		return v, fmt.Errorf("%q is not a version of conda's: it has two +", text)
	}
	// A last _ belongs to its part, as in 1.0.1_ of openssl.
	end := strings.HasSuffix(main, "_")
	parts := strings.Split(strings.ReplaceAll(strings.TrimSuffix(main, "_"), "_", "."), ".")
	if end {
		parts[len(parts)-1] += "_"
	}
	if v.parts, err = condaParts(append([]string{epoch}, parts...)); err == nil && hasLocal {
		v.local, err = condaParts(strings.Split(strings.ReplaceAll(local, "_", "."), "."))
	}
	if err != nil {
		return v, fmt.Errorf("%q is not a version of conda's: %w", text, err)
	}
	return v, nil
}

func condaParts(parts []string) (out [][]string, err error) {
	for _, p := range parts {
		if p == "" {
			return nil, fmt.Errorf("a part of it is empty")
		}
		runs := condaRuns.FindAllString(p, -1)
		for i, run := range runs {
			switch run {
			case "post":
				runs[i] = infinity
			case "dev":
				runs[i] = "DEV" // which sorts before _ and all letters
			}
		}
		if !isNumber(runs[0]) || runs[0] == infinity {
			runs = append([]string{"0"}, runs...)
		}
		out = append(out, runs)
	}
	return out, nil
}

func isNumber(run string) bool { return run == infinity || isDigit(run[0]) }

// compareConda orders two versions.
func compareConda(a, b condaVersion) int {
	return cmp.Or(compareCondaParts(a.parts, b.parts), compareCondaParts(a.local, b.local))
}

func compareCondaParts(a, b [][]string) int {
	for i := range max(len(a), len(b)) {
		pa, pb := at(a, i), at(b, i)
		for j := range max(len(pa), len(pb)) {
			if c := compareRuns(cmp.Or(at(pa, j), "0"), cmp.Or(at(pb, j), "0")); c != 0 {
				return c
			}
		}
	}
	return 0
}

// at is list[i], or the zero value past its end.
func at[T any](list []T, i int) (v T) {
	if i < len(list) {
		return list[i]
	}
	return v
}

// compareRuns orders words before numbers.
func compareRuns(a, b string) int {
	switch na, nb := isNumber(a), isNumber(b); {
	case na != nb && na:
		return 1
	case na != nb:
		return -1
	case !na:
		return cmp.Compare(a, b)
	case a == infinity || b == infinity:
		return cmp.Compare(strings.Count(a, infinity), strings.Count(b, infinity))
	}
	return CompareNumbers(a, b)
}

// startsWith reports whether v is one of prefix.*: its parts begin as those of
// prefix, the last of them by its runs.
func (v condaVersion) startsWith(prefix condaVersion) bool {
	if len(prefix.local) > 0 && compareCondaParts(v.parts, prefix.parts) != 0 {
		return false
	}
	whole, begun := v.parts, prefix.parts
	if len(prefix.local) > 0 {
		whole, begun = v.local, prefix.local
	}
	last := len(begun) - 1
	if compareCondaParts(whole[:min(last, len(whole))], begun[:last]) != 0 {
		return false
	}
	part := at(whole, last)
	if part == nil {
		part = []string{"0"}
	}
	for i, run := range begun[last] {
		got := cmp.Or(at(part, i), "0")
		if i == len(begun[last])-1 && !isNumber(run) {
			return strings.HasPrefix(got, run)
		}
		if compareRuns(got, run) != 0 {
			return false
		}
	}
	return true
}

var condaClause = regexp.MustCompile(`^\s*(===|==|=|!=|~=|<=|>=|<|>)?\s*([^\s=<>~]*)\s*$`)

// satisfiesConda reports whether a version meets a constraint as conda writes
// it: clauses joined by , (and) and | (or), where , binds tighter; == exactly,
// = or a trailing .* or * for what begins so, ~= compatible.
func satisfiesConda(version, constraint string) (bool, error) {
	v, err := parseCondaVersion(version)
	if err != nil {
		return false, err
	}
	met := false
	for _, alternative := range strings.Split(constraint, "|") {
		all := true
		for _, clause := range strings.Split(alternative, ",") {
			ok, err := v.meets(clause)
			if err != nil {
				return false, err
			}
			all = all && ok
		}
		met = met || all
	}
	return met, nil
}

// meets reports whether a version meets one clause.
func (v condaVersion) meets(clause string) (bool, error) {
	m := condaClause.FindStringSubmatch(clause)
	if m == nil || m[2] == "" {
		return false, fmt.Errorf("%q is not a condition on a version", strings.TrimSpace(clause))
	}
	op, text := m[1], m[2]
	if text == "*" && (op == "" || op == "=" || op == "==") {
		return true, nil
	}
	glob := strings.HasSuffix(text, "*")
	text = strings.TrimSuffix(strings.TrimSuffix(text, "*"), ".")
	want, err := parseCondaVersion(text)
	if err != nil {
		return false, err
	}
	if strings.Contains(text, "*") {
		return false, fmt.Errorf("%q: a * stands at the end only", strings.TrimSpace(clause))
	}
	c := compareConda(v, want)
	switch op {
	case "", "==", "===":
		return c == 0 || glob && v.startsWith(want), nil
	case "=":
		return v.startsWith(want), nil
	case "!=":
		return c != 0 && !(glob && v.startsWith(want)), nil
	case "~=":
		parts := slices.Clone(want.parts[:max(2, len(want.parts)-1)])
		return c >= 0 && v.startsWith(condaVersion{parts: parts}), nil
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil // >=
}
