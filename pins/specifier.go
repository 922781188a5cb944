package pins

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"deps.dev/util/semver"
)

// A pep440 is a version of Python's, taken apart (PEP 440, appendix B).
type pep440 struct {
	epoch          string
	release        []string // numbers without leading zeros
	pre, post, dev string   // empty where the version has none
	local          string
}

var pep440Text = regexp.MustCompile(`(?i)^v?(?:(\d+)!)?(\d+(?:\.\d+)*)([-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?\d*)?((?:-\d+)|(?:[-_.]?(?:post|rev|r)[-_.]?\d*))?([-_.]?dev[-_.]?\d*)?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)

func parsePEP440(text string) (pep440, bool) {
	m := pep440Text.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return pep440{}, false
	}
	v := pep440{epoch: strings.TrimLeft(m[1], "0"), pre: m[3], post: m[4], dev: m[5], local: m[6]}
	for _, n := range strings.Split(m[2], ".") {
		v.release = append(v.release, cmp.Or(strings.TrimLeft(n, "0"), "0"))
	}
	return v, true
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

// meetsSpecifiers reports whether a version meets all of some specifiers (PEP
// 440, "Version specifiers"), pre-releases taken as any other version.
func meetsSpecifiers(version, specifiers string) (bool, error) {
	v, ok := parsePEP440(version)
	for _, one := range strings.Split(specifiers, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		m := pipSpecifier.FindStringSubmatch(one)
		if m == nil {
			return false, fmt.Errorf("%q is not a version specifier (PEP 440)", one)
		}
		if m[1] == "===" {
			if !strings.EqualFold(version, m[2]) {
				return false, nil
			}
			continue
		}
		w, wanted := parsePEP440(strings.TrimSuffix(m[2], ".*"))
		if !wanted {
			return false, fmt.Errorf("%q: %q is not a version (PEP 440)", one, m[2])
		}
		if !ok || !v.meets(version, m[1], m[2], w) {
			return false, nil
		}
	}
	return true, nil
}

// meets reports whether v, which is written as version, stands to w, which is
// written as wanted, as an operator says.
func (v pep440) meets(version, operator, wanted string, w pep440) bool {
	public, _, _ := strings.Cut(version, "+")
	order := comparePEP440(public, wanted)
	switch operator {
	case "==", "!=":
		equal := order == 0
		if prefix, ok := strings.CutSuffix(wanted, ".*"); ok {
			equal = v.epoch == w.epoch && v.startsWith(w.release) && (w.pre == "" || comparePEP440(prefix, v.through(w)) == 0)
		} else if w.local != "" {
			equal = comparePEP440(version, wanted) == 0
		}
		return equal == (operator == "==")
	case "<=":
		return order <= 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0 && !(v.prerelease() && !w.prerelease() && v.sameBase(w))
	case ">":
		return order > 0 && !(v.post != "" && w.post == "" && v.sameBase(w))
	}
	return order >= 0 && v.epoch == w.epoch && len(w.release) > 1 && v.startsWith(w.release[:len(w.release)-1]) // ~=
}

// through is the version as far as w goes: with its pre-release, and no further.
func (v pep440) through(w pep440) string {
	text := strings.Join(v.release, ".") + v.pre
	if w.epoch != "" {
		text = w.epoch + "!" + text
	}
	return text
}

func comparePEP440(a, b string) int {
	va, errA := semver.PyPI.Parse(a)
	vb, errB := semver.PyPI.Parse(b)
	if errA != nil || errB != nil {
		return compareParts(a, b)
	}
	return va.Compare(vb)
}

// namesPrerelease reports whether specifiers name a pre-release, and so allow
// such (PEP 440, "Handling of pre-releases").
func namesPrerelease(specifiers string) bool {
	for _, one := range strings.Split(specifiers, ",") {
		if m := pipSpecifier.FindStringSubmatch(one); m != nil && m[1] != "!=" {
			if v, ok := parsePEP440(strings.TrimSuffix(m[2], ".*")); ok && v.prerelease() {
				return true
			}
		}
	}
	return false
}
