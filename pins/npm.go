package pins

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

var (
	npmName = regexp.MustCompile(`^(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*$`)
	npmOdd  = regexp.MustCompile(`,|!=|=>|=<|\b0[0-9]+`)
	npmTag  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*$`)
)

// ParseNpm reads a requirement as npm writes it: NAME[@RANGE], where RANGE is a
// range of semantic versions (npm's documentation, "About semantic
// versioning"). Version is set if it is one version.
func ParseNpm(spec string) (Request, error) {
	r := Request{Pin: Pin{Kind: Npm}, Spec: spec}
	if err := checkDashes(spec); err != nil {
		return r, err
	}
	if strings.Contains(spec, ":") {
		return r, fmt.Errorf("%q: an address, a file or an alias can't be locked: write NAME@VERSION", spec)
	}
	scope, rest := "", spec
	if strings.HasPrefix(spec, "@") {
		scope, rest = "@", spec[1:]
	}
	name, constraint, asked := strings.Cut(rest, "@")
	r.Name, r.Constraint = scope+name, strings.TrimSpace(constraint)
	switch {
	case !npmName.MatchString(r.Name):
		return r, fmt.Errorf("%q is not an npm package: write NAME@VERSION, in lower case", spec)
	case asked && r.Constraint == "":
		return r, fmt.Errorf("%q: there is no version after the @: write NAME@VERSION", spec)
	case npmTag.MatchString(r.Constraint) && r.Constraint != "x":
		return r, fmt.Errorf("%q: %s is a tag, which moves: write a version, or a range such as ^1.2", spec,
			r.Constraint)
	}
	if r.Constraint == "" {
		return r, nil
	}
	if m := npmOdd.FindString(r.Constraint); m != "" {
		return r, fmt.Errorf("%q: %q is not part of an npm range: write a range such as >=1.2 <2", spec, m)
	}
	if _, err := semver.NewConstraint(r.Constraint); err != nil {
		return r, fmt.Errorf("%q: %s is not a range of versions: %v", spec, r.Constraint, err)
	}
	if _, err := semver.StrictNewVersion(strings.TrimLeft(r.Constraint, "=v")); err == nil {
		r.Version = strings.TrimLeft(r.Constraint, "=v")
	}
	return r, nil
}

// lintNode warns of npm packages that nothing can run.
func (m *Manifest) lintNode() {
	npm := m.requestsOf(Npm)
	if len(npm) == 0 {
		return
	}
	for _, r := range m.Requests {
		if (r.Kind == Deb || r.Kind == Conda) && r.Name == "nodejs" {
			return
		}
	}
	m.Findings.warn(npm[0].At, "node", "npm packages need node, and no pin installs it: add nodejs to apt or "+
		"conda, unless the base has it")
}
