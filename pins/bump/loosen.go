package bump

import (
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// loosened is a manifest in which pins may move: all that ask for one version
// and are not named in keep ask for any; hard ones only if hardToo. An old lock
// then says which are preferred.
func loosened(m *pins.Manifest, keep []string, hardToo bool) *pins.Manifest {
	return m.With(func(r pins.Request) pins.Request {
		if r.Need == pins.Hard && !hardToo || r.Version == "" || slices.ContainsFunc(keep,
			func(n string) bool { return samePackage(n, r.Name) }) {
			return r
		}
		return r.Free()
	})
}

// within is a manifest in which one request may move up: by any step for
// latest, within its major version for minor, within its minor version for
// patch. apt has no constraints, so its pins go to the latest only.
func within(m *pins.Manifest, r pins.Request, step string) (*pins.Manifest, error) {
	if r.Version == "" {
		return nil, fmt.Errorf("%s: %s does not pin one version: name the version to take", r.At, r.Spec)
	}
	if r.Kind == pins.Deb && step != Latest {
		return nil, fmt.Errorf("%s: apt pins move to the latest or to a named version only: --to %s does not "+
			"work for them", r.At, step)
	}
	constraint := upTo(r, step)
	return m.With(func(q pins.Request) pins.Request {
		if q.At != r.At {
			return q
		}
		q = q.Free()
		q.Constraint = constraint
		return q
	}), nil
}

// upTo is the constraint of the versions that a request may move to.
func upTo(r pins.Request, step string) string {
	if r.Kind == pins.Deb {
		return ""
	}
	lowest := r.Version
	if r.Kind == pins.Pip {
		lowest, _, _ = strings.Cut(lowest, "+") // no range names a local version (PEP 440)
	}
	constraint := ">=" + lowest
	n := map[string]int{Minor: 1, Patch: 2}[step]
	if n > 0 {
		and := ","
		if r.Kind == pins.Npm {
			and = " "
		}
		constraint += and + "<" + r.Kind.Scheme().Above(r.Version, n)
	}
	return constraint
}
