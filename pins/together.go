package pins

import (
	"cmp"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// together is what two requests of one package to one tool ask for, and what of
// them that is, in words; those are empty if they contradict each other.
func (r Request) together(s Request) (Request, string) {
	one, other, taken := r, s, "it is taken once"
	allows := func(q, exact Request) bool {
		met, err := q.Kind.Scheme().Satisfies(exact.Version, q.Constraint)
		return q.Kind != Deb && err == nil && met
	}
	switch {
	case r.Git != nil || s.Git != nil:
		if r.Git == nil || s.Git == nil || *r.Git != *s.Git {
			return r, ""
		}
	case r.conditions() == s.conditions():
	case s.conditions() == "":
		taken = fmt.Sprintf("%q is taken, which is more specific", r.Spec)
	case r.conditions() == "":
		one, other, taken = s, r, fmt.Sprintf("%q is taken, which is more specific", s.Spec)
	case r.exact() && allows(s, r):
		taken = fmt.Sprintf("%q is taken, which the other allows", r.Spec)
	case s.exact() && allows(r, s):
		one, other, taken = s, r, fmt.Sprintf("%q is taken, which the other allows", s.Spec)
	case r.exact() || s.exact() || r.Kind != Pip && r.Kind != Conda:
		return r, ""
	default:
		one.Constraint, taken = bothConstraints(r.Constraint, s.Constraint), "both hold"
		if !satisfiable(r.Kind, one.Constraint) {
			return r, ""
		}
	}
	if one.Channel != other.Channel && one.Channel != "" && other.Channel != "" {
		return r, ""
	}
	switch {
	case one.Build == "" || other.Build != "" && globMatches(one.Build, other.Build):
		one.Build = other.Build
	case other.Build != "" && !globMatches(other.Build, one.Build):
		return r, ""
	}
	one.Channel = cmp.Or(one.Channel, other.Channel)
	one.Extras = slices.Compact(slices.Sorted(slices.Values(slices.Concat(one.Extras, other.Extras))))
	one.Hashes = slices.Concat(one.Hashes, other.Hashes)
	also := slices.Concat(one.Also, other.Also)
	other.Also = nil
	one.Also = append(also, other)
	return one, taken
}

// bothConstraints is what two constraints allow both; | of conda's stands above the
// comma.
func bothConstraints(a, b string) string {
	var all []string
	for _, x := range strings.Split(a, "|") {
		for _, y := range strings.Split(b, "|") {
			all = append(all, x+","+y)
		}
	}
	return strings.Join(all, "|")
}

var (
	namedVersion = regexp.MustCompile(`[0-9][0-9A-Za-z._!+-]*`)
	plainVersion = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)*$`)
)

// satisfiable reports whether some version meets a constraint of pip's or conda's:
// one that it names, or one just above such a one. Where it names others than plain
// releases, it is taken to be.
func satisfiable(kind Kind, constraint string) bool {
	versions := []string{"0"}
	for _, v := range namedVersion.FindAllString(constraint, -1) {
		if v = strings.TrimRight(v, ".-"); !plainVersion.MatchString(v) {
			return true
		}
		versions = append(versions, v)
	}
	for _, v := range versions {
		for _, above := range []string{"", ".0.1", ".0.0.0.7", ".0.0.0.0.0.7"} {
			if met, err := kind.Scheme().Satisfies(v+above, constraint); met || err != nil {
				return true
			}
		}
	}
	return false
}

// contradiction is what the tool itself says of two requests that can't both be
// met.
func (k Kind) contradiction(f, r Request) string {
	switch k {
	case Pip:
		return fmt.Sprintf("; pip says: Cannot install %s and %s because these package versions have conflicting "+
			"dependencies", f.Spec, r.Spec)
	case Conda:
		return fmt.Sprintf("; conda says: LibMambaUnsatisfiableError, %s and %s conflict", f.Spec, r.Spec)
	}
	return ""
}

// globMatches matches a text with a pattern in which * stands for anything.
func globMatches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}
