// Package pins is what a course asks for, and exactly what it got.
//
// One noun runs through driftpin: the [Pin], a package of some ecosystem at
// some version. A manifest ([ReadCourse], [ParseManifest]) asks for pins, a
// [Lock] holds the pins wanted, an inventory (package images) holds the pins
// found, and a drift is the difference of two lists of pins. A pin's name is
// made canonical when the pin is made, so nothing that compares pins later has
// to know how an ecosystem spells.
//
// Start with [ReadCourse], which reads a course's folder: its pins.yaml, or the
// repo2docker files that lie there. [Relock] turns that into a lock with the
// help of a [Resolver]; package buildplan has the real one. This package
// touches no network and knows nothing of BuildKit or of registries.
//
// What is promised over time: a manifest that parses goes on parsing, and a
// lock of format 1 ([ParseLock]) can be read and built by every later driftpin.
package pins

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/pins/version"
)

// A Kind is the ecosystem a package belongs to; it decides how names are
// spelled and how versions are ordered.
type Kind string

// The kinds of package that driftpin knows.
const (
	Deb   Kind = "deb"   // Debian packages (dpkg)
	Conda Kind = "conda" // conda packages
	Pip   Kind = "pip"   // Python distributions (PyPI)
	Npm   Kind = "npm"   // node packages
	R     Kind = "r"     // R packages (CRAN)
)

// The kinds of what a Dockerfile asks for besides packages.
const (
	FromImage Kind = "image" // an image that it starts from; the version is the tag, with the digest if one is written
	Variable  Kind = "arg"   // ARG or ENV, where the value is a version
)

// The kinds that are found in images, and not asked for: other packages bring
// them.
const (
	Python          Kind = "python"          // interpreters, and virtual environments
	LabExtension    Kind = "labextension"    // JupyterLab's prebuilt extensions
	ServerExtension Kind = "serverextension" // Jupyter's server's; the version is enabled or disabled
	Kernel          Kind = "kernelspec"      // the version is what people see of it
)

// Key is the manifest's word for what is asked of this kind: apt for deb, the
// kind itself for all others.
func (k Kind) Key() string {
	if k == Deb {
		return "apt"
	}
	return string(k)
}

// A Pin is one package at one version.
type Pin struct {
	Kind    Kind   `json:"kind"`
	Name    string `json:"name"`    // canonical: see CanonicalName
	Version string `json:"version"` // as its ecosystem writes it
	Where   string `json:"where"`   // the environment's prefix, such as /opt/env; empty for the system's own
	Detail
}

// Detail holds what a version does not say.
type Detail struct {
	Commit string `json:"commit,omitempty"` // of a package installed from git: the full commit
	// conda: the build string; R: the day it was packaged; kernelspec: the command
	Build   string `json:"build,omitempty"`
	Channel string `json:"channel,omitempty"` // conda: the channel
	State   string `json:"state,omitempty"`   // deb: how far an installation came that broke off
}

// New returns the pin of a package, with its name made canonical.
func New(kind Kind, name, version string) Pin {
	return Pin{Kind: kind, Name: CanonicalName(kind, name), Version: version}
}

// Same reports whether two pins of one package mean the same bytes, as far as
// both tell. A detail that only one of them knows is no difference.
func (p Pin) Same(q Pin) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return (p.Version == q.Version || p.Kind.Scheme().Compare(p.Version, q.Version) == 0) &&
		p.Commit == q.Commit && p.State == q.State && !differ(p.Build, q.Build) && !differ(p.Channel, q.Channel)
}

// Order sorts pins by kind, name, environment and version.
func Order(a, b Pin) int {
	return cmp.Or(
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Where, b.Where),
		cmp.Compare(a.Version, b.Version),
	)
}

var pipSeparators = regexp.MustCompile(`[-_.]+`)

// CanonicalName returns the one spelling under which a package is known.
// PyPI takes runs of - _ . for one dash and ignores case (PEP 503); conda
// ignores case only; the others mean every letter.
func CanonicalName(kind Kind, name string) string {
	switch kind {
	case Pip:
		return strings.ToLower(pipSeparators.ReplaceAllString(name, "-"))
	case Conda:
		return strings.ToLower(name)
	}
	return name
}

// Scheme is the set of rules by which a kind's versions are ordered.
func (k Kind) Scheme() version.Scheme {
	switch k {
	case Pip:
		return version.PEP440
	case Conda:
		return version.Conda
	case Deb:
		return version.Dpkg
	case Npm:
		return version.Semver
	}
	return version.Parts
}
