package version

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A pep440 is a version of Python's, taken apart (PEP 440, appendix B). Numbers are
// written without leading zeros; a part that the version does not have is empty.
type pep440 struct {
	epoch     string
	release   []string
	pre       string // a, b or rc
	preNumber string
	post, dev string
	local     string // in lower case
}

var pep440Text = regexp.MustCompile(`^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|` +
	`c|rc)[-_.]?([0-9]*))?(?:-([0-9]+)|[-_.]?(post|rev|` +
	`r)[-_.]?([0-9]*))?(?:[-_.]?(dev)[-_.]?([0-9]*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)

// preLetters are the spellings of a pre-release's letter.
var preLetters = map[string]string{"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}

func parsePEP440(text string) (pep440, bool) {
	m := pep440Text.FindStringSubmatch(lowerASCII(strings.TrimSpace(text)))
	if m == nil {
		return pep440{}, false
	}
	number := func(digits string) string { return cmp.Or(strings.TrimLeft(digits, "0"), "0") }
	v := pep440{epoch: number(m[1]), local: m[10]}
	for _, n := range strings.Split(m[2], ".") {
		v.release = append(v.release, number(n))
	}
	if m[3] != "" {
		v.pre, v.preNumber = cmp.Or(preLetters[m[3]], m[3]), number(m[4])
	}
	if m[5]+m[6] != "" {
		v.post = number(m[5] + m[7])
	}
	if m[8] != "" {
		v.dev = number(m[9])
	}
	return v, true
}

// lowerASCII is a text with its ASCII letters in lower case, and no others.
func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r |= 0x20
		}
		return r
	}, text)
}

// compare orders two versions (PEP 440, "Summary of permitted suffixes and
// relative ordering", and "Local version identifiers").
func (v pep440) compare(w pep440) int {
	return cmp.Or(
		CompareNumbers(v.epoch, w.epoch),
		compareReleases(v.release, w.release),
		cmp.Compare(v.stage(), w.stage()),
		cmp.Compare(v.pre, w.pre), // a, b, rc
		CompareNumbers(v.preNumber, w.preNumber),
		compareOptional(v.post, w.post, -1),
		compareOptional(v.dev, w.dev, 1),
		compareLocals(v.local, w.local))
}

// public is the version without its local part.
func (v pep440) public() pep440 {
	v.local = ""
	return v
}

// stage orders what is before a release, its pre-releases, and the rest.
func (v pep440) stage() int {
	switch {
	case v.pre == "" && v.post == "" && v.dev != "":
		return 0
	case v.pre != "":
		return 1
	}
	return 2
}

func compareReleases(a, b []string) int {
	for i := range max(len(a), len(b)) {
		na, nb := "0", "0"
		if i < len(a) {
			na = a[i]
		}
		if i < len(b) {
			nb = b[i]
		}
		if c := CompareNumbers(na, nb); c != 0 {
			return c
		}
	}
	return 0
}

// compareOptional orders numbers of which each may be absent; absent is how that
// stands to one that is there.
func compareOptional(a, b string, absent int) int {
	switch {
	case a == "" && b == "":
		return 0
	case a == "":
		return absent
	case b == "":
		return -absent
	}
	return CompareNumbers(a, b)
}

// compareLocals orders local versions: none first, then part by part, words before
// numbers.
func compareLocals(a, b string) int {
	parts := func(local string) []string {
		return strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune("-_.", r) })
	}
	return slices.CompareFunc(parts(a), parts(b), func(a, b string) int {
		numberA, numberB := strings.Trim(a, "0123456789") == "", strings.Trim(b, "0123456789") == ""
		switch {
		case numberA && numberB:
			return CompareNumbers(a, b)
		case numberA:
			return 1
		case numberB:
			return -1
		}
		return cmp.Compare(a, b)
	})
}

func (v pep440) prerelease() bool { return v.pre != "" || v.dev != "" }

// sameBase reports whether two versions have one epoch and one release.
func (v pep440) sameBase(w pep440) bool {
	return v.epoch == w.epoch && v.startsWith(w.release) && w.startsWith(v.release)
}

// startsWith reports whether the release begins with some numbers; those that it
// does not have are zeros.
func (v pep440) startsWith(release []string) bool {
	for i, n := range release {
		if have := append(slices.Clone(v.release), slices.Repeat([]string{"0"}, len(release))...); have[i] != n {
			return false
		}
	}
	return true
}

// A specifier is one condition on a version (PEP 440, "Version specifiers").
type specifier struct {
	operator string
	text     string // the version, as it is written
	version  pep440
	wild     bool // it ends with .*
}

// parseSpecifier reads a specifier.
func parseSpecifier(text string) (specifier, error) {
	m := pipSpecifier.FindStringSubmatch(text)
	if m == nil {
		return specifier{}, fmt.Errorf("%q is not a version specifier (PEP 440)", strings.TrimSpace(text))
	}
	s := specifier{operator: m[1], text: m[2]}
	if s.operator == "===" {
		return s, nil
	}
	var stem string
	stem, s.wild = strings.CutSuffix(s.text, ".*")
	v, ok := parsePEP440(stem)
	s.version = v
	switch {
	case !ok:
		return s, fmt.Errorf("%q is not a version (PEP 440)", s.text)
	case s.wild && s.operator != "==" && s.operator != "!=":
		return s, fmt.Errorf("a wildcard goes with == and != only (PEP 440): write %s%s", s.operator, stem)
	case s.wild && v.pre+v.post+v.dev+v.local != "":
		return s, fmt.Errorf("a wildcard follows the numbers of a release only (PEP 440), and not %s", stem)
	case s.operator == "~=" && len(v.release) < 2:
		return s, fmt.Errorf("~= wants a version of two parts or more (PEP 440): write ~=%s.0", s.text)
	case v.local != "" && s.operator != "==" && s.operator != "!=":
		return s, errors.New("a local version goes with == and != only (PEP 440)")
	}
	return s, nil
}

// parseSpecifiers reads specifiers with commas between them; a comma at the end is
// taken as none.
func parseSpecifiers(text string) (all []specifier, err error) {
	text = strings.TrimSuffix(strings.TrimSpace(text), ",")
	if text == "" {
		return nil, nil
	}
	for _, one := range strings.Split(text, ",") {
		s, err := parseSpecifier(one)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

var pipSpecifier = regexp.MustCompile(`^\s*(===|==|~=|!=|<=|>=|<|>)\s*([^\s,;]+)\s*$`)

// Exact checks specifiers (PEP 440, "Version specifiers"), and returns the one version that they
// allow, as it is written; empty if they allow several.
func Exact(specifiers string) (only string, err error) {
	all, err := parseSpecifiers(specifiers)
	for _, one := range all {
		if one.operator == "===" || one.operator == "==" && !one.wild {
			only = one.text
		}
	}
	return only, err
}

// Release are the numbers of a version's release, without leading zeros;
// none of a text that is no version (PEP 440).
func Release(text string) []string {
	v, _ := parsePEP440(text)
	return v.release
}

// MeetsSpecifiers reports whether a version meets all of some specifiers (PEP
// 440, "Version specifiers"), pre-releases taken as any other version.
func MeetsSpecifiers(version, specifiers string) (bool, error) {
	all, err := parseSpecifiers(specifiers)
	if err != nil {
		return false, fmt.Errorf("%q: %w", specifiers, err)
	}
	v, ok := parsePEP440(version)
	for _, s := range all {
		if s.operator == "===" {
			if !strings.EqualFold(strings.TrimSpace(version), s.text) {
				return false, nil
			}
		} else if !ok || !s.allows(v) {
			return false, nil
		}
	}
	return true, nil
}

// allows reports whether a version is one of those that a specifier allows.
func (s specifier) allows(v pep440) bool {
	w := s.version
	order := v.public().compare(w)
	switch s.operator {
	case "==", "!=":
		equal := order == 0
		if s.wild {
			equal = v.epoch == w.epoch && v.startsWith(w.release)
		} else if w.local != "" {
			equal = v.compare(w) == 0
		}
		return equal == (s.operator == "==")
	case "<=":
		return order <= 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0 && !(v.prerelease() && !w.prerelease() && v.sameBase(w))
	case ">":
		return order > 0 && !(v.post != "" && w.post == "" && v.sameBase(w))
	}
	return order >= 0 && v.epoch == w.epoch && v.startsWith(w.release[:len(w.release)-1]) // ~=
}

// namesPrerelease reports whether specifiers name a pre-release, and so allow
// such (PEP 440, "Handling of pre-releases").
func namesPrerelease(specifiers string) bool {
	all, _ := parseSpecifiers(specifiers)
	return slices.ContainsFunc(all, func(s specifier) bool { return s.operator != "!=" && s.version.prerelease() })
}
