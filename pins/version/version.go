// Package version orders the versions of packages by the rules of their ecosystem:
// a [Scheme] compares two, says how far apart they are, and whether one meets a
// constraint.
package version

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	masterminds "github.com/Masterminds/semver/v3"
)

// A Level says how far apart two versions are, by the rules of their scheme.
type Level string

// The levels, from the widest to the narrowest.
const (
	Major Level = "major"
	Minor Level = "minor"
	Patch Level = "patch"
	// Build marks packages whose versions are equal but whose contents came
	// from elsewhere: another commit, build or channel.
	Build Level = "build"
)

// A Scheme is a set of rules for versions. The zero value orders versions by
// their runs of digits and of letters.
type Scheme string

// The schemes.
const (
	PEP440 Scheme = "PEP 440" // of pip
	Dpkg   Scheme = "Debian"  // Debian policy 5.6.12
	Conda  Scheme = "conda"   // conda's documentation, "Version ordering"
	Semver Scheme = "semver"  // semver 2.0.0, of npm
	Parts  Scheme = ""
)

// Compare orders two versions. It returns -1, 0 or 1. Those that the rules can't
// read come before all others, and are ordered by their runs of digits and of
// letters.
func (s Scheme) Compare(a, b string) int {
	switch s {
	case PEP440:
		return compareParsed(a, b, parsePEP440, pep440.compare)
	case Conda:
		return compareParsed(a, b, func(text string) (condaVersion, bool) {
			v, err := parseCondaVersion(text)
			return v, err == nil
		}, compareConda)
	case Dpkg:
		return compareDpkg(a, b)
	case Semver:
		return compareParsed(a, b, func(text string) (*masterminds.Version, bool) {
			v, err := masterminds.NewVersion(text)
			return v, err == nil
		}, (*masterminds.Version).Compare)
	}
	return compareParts(a, b)
}

// compareParsed orders two versions by rules that may not be able to read them:
// what they can't read comes first, so that the order of many is one.
func compareParsed[V any](a, b string, parse func(string) (V, bool), compare func(a, b V) int) int {
	va, okA := parse(a)
	vb, okB := parse(b)
	switch {
	case okA && okB:
		return compare(va, vb)
	case okA:
		return 1
	case okB:
		return -1
	}
	return compareParts(a, b)
}

// Satisfies reports whether a version meets a constraint, in the scheme's own
// words: PEP 440's specifiers, MatchSpec's versions for conda, semver's ranges,
// =VERSION for others. The empty constraint is met by every version.
func (s Scheme) Satisfies(version, constraint string) (bool, error) {
	constraint = strings.TrimSpace(constraint)
	if constraint == "" {
		return true, nil
	}
	switch s {
	case PEP440:
		met, err := MeetsSpecifiers(version, constraint)
		if v, ok := parsePEP440(version); met && ok && v.prerelease() && !namesPrerelease(constraint) {
			return false, nil
		}
		return met, err
	case Conda:
		return satisfiesConda(version, constraint)
	case Semver:
		c, err := masterminds.NewConstraint(constraint)
		if err != nil {
			return false, fmt.Errorf("%q: %w", constraint, err)
		}
		v, err := masterminds.NewVersion(version)
		if err != nil {
			return false, fmt.Errorf("%q: %w", version, err)
		}
		return c.Check(v), nil
	}
	return s.Compare(version, strings.TrimLeft(constraint, "=")) == 0, nil
}

// LevelOf returns how far apart two versions are; versions that
// compare as equal are a Build apart.
func (s Scheme) LevelOf(a, b string) Level {
	if s.Compare(a, b) == 0 {
		return Build
	}
	if s == Semver {
		return semverLevel(a, b)
	}
	ea, ra := s.release(a)
	eb, rb := s.release(b)
	switch {
	case ea != eb || part(ra, 0) != part(rb, 0):
		return Major
	case part(ra, 1) != part(rb, 1):
		return Minor
	}
	return Patch
}

func semverLevel(a, b string) Level {
	va, errA := masterminds.NewVersion(a)
	vb, errB := masterminds.NewVersion(b)
	switch {
	case errA != nil || errB != nil || va.Major() != vb.Major():
		return Major
	case va.Minor() != vb.Minor():
		return Minor
	}
	return Patch
}

// release splits a version into its epoch and the dotted parts of its
// release: of a Debian version that is the upstream part.
func (s Scheme) release(v string) (epoch string, parts []string) {
	sep := ":"
	switch s {
	case PEP440, Conda:
		sep = "!"
		v, _, _ = strings.Cut(strings.ToLower(v), "+")
	case Dpkg:
		if i := strings.LastIndexByte(v, '-'); i >= 0 {
			v = v[:i]
		}
	}
	if e, rest, ok := strings.Cut(v, sep); ok {
		epoch, v = strings.TrimLeft(e, "0"), rest
	}
	v = strings.TrimPrefix(v, "v")
	return epoch, strings.FieldsFunc(v, func(r rune) bool { return r == '.' || r == '-' || r == '_' })
}

// part returns the number that part i of a release begins with, without
// leading zeros, so that 6.2 and 6.2.0, and 1.2rc1 and 1.2, share their parts.
func part(release []string, i int) string {
	if i >= len(release) {
		return ""
	}
	p := release[i]
	end := strings.IndexFunc(p, func(r rune) bool { return r < '0' || r > '9' })
	switch {
	case end == 0:
		return p
	case end > 0:
		p = p[:end]
	}
	return strings.TrimLeft(p, "0")
}

// compareDpkg orders Debian versions: epoch, upstream version, revision
// (Debian policy 5.6.12).
func compareDpkg(a, b string) int {
	ea, ua, ra := splitDpkg(a)
	eb, ub, rb := splitDpkg(b)
	return cmp.Or(CompareNumbers(ea, eb), compareDpkgPart(ua, ub), compareDpkgPart(ra, rb))
}

func splitDpkg(v string) (epoch, upstream, revision string) {
	if e, rest, ok := strings.Cut(v, ":"); ok {
		epoch, v = e, rest
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// compareDpkgPart compares runs of non-digits and runs of digits in turn.
// Among non-digits ~ sorts before the end, and letters before all else.
func compareDpkgPart(a, b string) int {
	for a != "" || b != "" {
		var wa, wb, na, nb string
		wa, a = span(a, false)
		wb, b = span(b, false)
		if c := compareDpkgWords(wa, wb); c != 0 {
			return c
		}
		na, a = span(a, true)
		nb, b = span(b, true)
		if c := CompareNumbers(na, nb); c != 0 {
			return c
		}
	}
	return 0
}

func compareDpkgWords(a, b string) int {
	weight := func(s string, i int) int {
		switch {
		case i >= len(s):
			return 0
		case s[i] == '~':
			return -1
		case isLetter(s[i]):
			return int(s[i])
		}
		return int(s[i]) + 256
	}
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(weight(a, i), weight(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

// compareParts is the order of last resort: runs of digits by number, other
// runs by their letters, numbers after words, and a longer version after its
// own beginning.
func compareParts(a, b string) int {
	for a != "" && b != "" {
		var wa, wb, na, nb string
		wa, a = span(a, false)
		wb, b = span(b, false)
		if c := cmp.Compare(strings.Trim(wa, ".-_"), strings.Trim(wb, ".-_")); c != 0 {
			return c
		}
		na, a = span(a, true)
		nb, b = span(b, true)
		if c := CompareNumbers(na, nb); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// span cuts the longest run of digits, or of non-digits, off the front of s.
func span(s string, digits bool) (run, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) == digits {
		i++
	}
	return s[:i], s[i:]
}

// CompareNumbers compares decimal numbers of any length.
func CompareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// Nearest returns the versions just below and just above one, of some; empty
// where there is none.
func (s Scheme) Nearest(version string, versions []string) (below, above string) {
	for _, v := range versions {
		switch c := s.Compare(v, version); {
		case c < 0 && (below == "" || s.Compare(v, below) > 0):
			below = v
		case c > 0 && (above == "" || s.Compare(v, above) < 0):
			above = v
		}
	}
	return below, above
}

// Above returns the first release above all versions that share the first n parts
// of a version's release: of 3.6.1 and 2 parts that is 3.7.
func (s Scheme) Above(version string, n int) string {
	epoch, parts := s.release(version)
	if epoch != "" {
		epoch += "!"
	}
	if len(parts) == 0 || n == 0 {
		return epoch + "1"
	}
	upper := slices.Clone(parts[:min(n, len(parts))])
	upper[len(upper)-1] = increment(part(upper, len(upper)-1))
	return epoch + strings.Join(upper, ".")
}

// increment adds one to a decimal number.
func increment(digits string) string {
	b := []byte("0" + digits)
	for i := len(b) - 1; ; i-- {
		if b[i]++; b[i] <= '9' {
			return cmp.Or(strings.TrimLeft(string(b), "0"), "0")
		}
		b[i] = '0'
	}
}
