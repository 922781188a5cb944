package pins

import (
	"cmp"
	_ "embed"
	"path"
	"slices"
	"strings"
)

// An Artifact is one file that an image is made from, or one wheel that is
// built on the way.
type Artifact struct {
	Pin
	Platform string
	// file name; of a deb, its path within the index; of conda's, CHANNEL/SUBDIR/NAME; of npm's, its folder and NAME
	File   string
	SHA256 string // lower-case hex
	Size   int64
	Use    Use
	Roots  []Root   // why it is there by itself
	By     []string // the names of the locked packages that require it
	From   string   // of a wheel that is built: sdist:FILE, or git+URL@COMMIT
	// Over is the conda package whose Python distribution gives way to this one of pip's,
	// though no pin says so.
	Over string
}

// Use says what an artifact is for.
type Use string

// The uses: into the image; only into the step that builds a wheel; in the base
// image already, which the course extends.
const (
	Install    Use = "install"
	BuildInput Use = "build"
	Held       Use = "base"
)

// HeldFile stands for the file of what is in the base image already; its sha256
// is the base's digest.
const HeldFile = "base"

// Root is a reason for an artifact that no other package is.
type Root string

// The roots: a pin of the manifest; part of the Python that the environment
// runs on; part of the compilers that wheels are built with; a source, or a
// build requirement, of the wheels named in By.
const (
	PinRoot       Root = "pin"
	PythonRoot    Root = "python"
	SourceRoot    Root = "source"
	ToolchainRoot Root = "toolchain"
)

// Is reports whether r is among the artifact's roots.
func (a Artifact) Is(r Root) bool { return slices.Contains(a.Roots, r) }

// Built reports whether the artifact is a wheel made in a build step, rather
// than a file that is fetched.
func (a Artifact) Built() bool { return a.From != "" }

// InImage reports whether the artifact is in the image, rather than only in
// steps that build it.
func (a Artifact) InImage() bool { return a.Use == Install || a.Use == Held }

// Noarch reports whether a conda package fits every platform: what is Python in
// it is compiled where it is installed.
func (a Artifact) Noarch() bool {
	return a.Kind == Conda && path.Base(path.Dir(a.File)) == "noarch"
}

// Git returns the repository and full commit that a wheel is built from.
func (a Artifact) Git() (Git, bool) {
	if !strings.HasPrefix(a.From, "git+") {
		return Git{}, false
	}
	r, err := ParsePip(a.From)
	if err != nil || r.Git == nil {
		return Git{}, false
	}
	return *r.Git, true
}

// Sdist returns the file name of the source distribution that a wheel is
// built from.
func (a Artifact) Sdist() (string, bool) {
	return strings.CutPrefix(a.From, "sdist:")
}

// before reports whether an artifact is the one that is meant by its name,
// rather than another copy, which lies deeper.
func (a Artifact) before(b Artifact) bool {
	return a.Is(PinRoot) || len(a.File) < len(b.File) && !b.Is(PinRoot)
}

// query is the kind of query that an artifact is an answer to: what wheels are
// built with comes with the pip pins.
func (a Artifact) query() Kind {
	if a.Use == BuildInput && !a.Is(PythonRoot) {
		return Pip
	}
	return a.Kind
}

// part is an artifact as the answer to a query of a kind has it, if it has. A Debian
// package may be part of both the Python that steps run on, and of the compilers.
func (a Artifact) part(k Kind) (Artifact, bool) {
	if a.Kind != Deb || a.Use != BuildInput || !a.Is(PythonRoot) || len(a.Roots) == 1 {
		return a, a.query() == k
	}
	a.Roots = slices.DeleteFunc(slices.Clone(a.Roots), func(r Root) bool { return (r == PythonRoot) != (k == Deb) })
	return a, k == Deb || k == Pip
}

// merged makes one line of the parts of an artifact that several queries have; the
// artifacts are in a lock's order.
func merged(all []Artifact) (out []Artifact) {
	for _, a := range all {
		if n := len(out) - 1; n >= 0 && orderArtifacts(out[n], a) == 0 && out[n].SHA256 == a.SHA256 && a.Use == BuildInput {
			out[n].Roots = slices.Compact(slices.Sorted(slices.Values(slices.Concat(out[n].Roots, a.Roots))))
			out[n].By = slices.Compact(slices.Sorted(slices.Values(slices.Concat(out[n].By, a.By))))
			continue
		}
		out = append(out, a)
	}
	return out
}

func orderArtifacts(a, b Artifact) int {
	return cmp.Or(Order(a.Pin, b.Pin), cmp.Compare(a.Platform, b.Platform),
		cmp.Compare(a.Use, b.Use), cmp.Compare(a.File, b.File))
}
