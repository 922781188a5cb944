package pins

import (
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins/pylock"
)

// WriteRequirements writes what a lock installs with pip on one platform as a
// requirements file with hashes (pip's documentation, "Secure installs"):
// install it with --no-deps. Where a file has hashes, pip and uv take nothing
// without, so what is built from a git commit stands there as a comment.
func WriteRequirements(w io.Writer, l *Lock, platform string) error {
	if len(pipOf(l, platform)) == 0 {
		return errNone(Pip)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s on %s, as driftpin locked it. Install with --no-deps.\n", l.Course, platform)
	for _, a := range l.held(platform) {
		fmt.Fprintf(&b, "# in the base image: %s==%s\n", a.Name, a.Version)
	}
	for _, a := range pipOf(l, platform) {
		switch g, git := a.Git(); {
		case git:
			fmt.Fprintf(&b, "# install this one apart, since a commit has no hash: %s @ %s\n", a.Name, g)
		case a.Built():
			source, err := sourceOf(l, a)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s==%s --hash=sha256:%s\n", a.Name, a.Version, source.SHA256)
		default:
			fmt.Fprintf(&b, "%s==%s --hash=sha256:%s\n", a.Name, a.Version, a.SHA256)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WritePylock writes what a lock installs with pip on one platform as a
// pylock.toml (PEP 751). That format names addresses, which a lock does not:
// address says where a file was found, by its sha256.
func WritePylock(w io.Writer, l *Lock, platform string, address func(sha256 string) (string, bool)) error {
	var out []pylock.Package
	file := func(a Artifact) (pylock.File, error) {
		url, ok := address(a.SHA256)
		if !ok {
			return pylock.File{}, fmt.Errorf("no address of %s is known on this machine, and a pylock.toml names "+
				"addresses: lock or build the course here first", a.File)
		}
		return pylock.File{Name: a.File, URL: url, Size: a.Size, Hashes: map[string]string{"sha256": a.SHA256}}, nil
	}
	if len(pipOf(l, platform)) == 0 {
		return errNone(Pip)
	}
	if held := l.held(platform); len(held) > 0 {
		return fmt.Errorf("the base image holds %s and perhaps other packages that the course needs: a pylock.toml "+
			"without them would be incomplete", held[0].Name)
	}
	for _, a := range pipOf(l, platform) {
		p := pylock.Package{Name: a.Name, Version: a.Version}
		g, git := a.Git()
		var err error
		switch {
		case git:
			p.Version, p.VCS = "", &pylock.VCS{Type: "git", URL: g.URL, Commit: g.Ref, Subdirectory: g.Subdirectory}
		case a.Built():
			var source Artifact
			if source, err = sourceOf(l, a); err == nil {
				var f pylock.File
				f, err = file(source)
				p.Sdist = &f
			}
		default:
			var f pylock.File
			f, err = file(a)
			p.Wheels = []pylock.File{f}
		}
		if err != nil {
			return err
		}
		out = append(out, p)
	}
	return pylock.Write(w, out)
}

// pipOf are the artifacts that a lock installs with pip, by name, and condaOf
// those with conda.
func pipOf(l *Lock, platform string) []Artifact   { return l.installs(Pip, platform) }
func condaOf(l *Lock, platform string) []Artifact { return l.installs(Conda, platform) }

func errNone(k Kind) error {
	return fmt.Errorf("the lock installs nothing with %s: there is nothing to export in this format", k)
}

// sourceOf is the source distribution that a wheel is built from.
func sourceOf(l *Lock, wheel Artifact) (Artifact, error) {
	name, _ := wheel.Sdist()
	for _, a := range l.Artifacts {
		if a.File == name && a.Platform == wheel.Platform {
			return a, nil
		}
	}
	return Artifact{}, fmt.Errorf("the lock has no line for %s, from which %s is built", name, wheel.File)
}

// WriteCondaExplicit writes what a lock installs with conda on one platform as
// an explicit list (CEP 23): addresses with hashes, which address tells.
func WriteCondaExplicit(w io.Writer, l *Lock, platform string, address func(sha256 string) (string, bool)) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# platform: %s\n@EXPLICIT\n", condaSubdirs[platform])
	if len(condaOf(l, platform)) == 0 {
		return errNone(Conda)
	}
	for _, a := range condaOf(l, platform) {
		url, ok := address(a.SHA256)
		if !ok {
			return fmt.Errorf("no address of %s is known on this machine, and an explicit list names addresses: "+
				"lock or build the course here first", a.File)
		}
		fmt.Fprintf(&b, "%s#sha256:%s\n", url, a.SHA256)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// minorVersion is the beginning of a version that has all that packages depend on.
var minorVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+`)

// WriteEnvironment writes what a lock installs with conda and pip on one
// platform as an environment file (conda's documentation, "Creating an
// environment file manually"), which names versions and builds but no hashes.
func WriteEnvironment(w io.Writer, l *Lock, platform string, channels []string) error {
	if held := l.held(platform); len(held) > 0 {
		return fmt.Errorf("the base image holds %s and perhaps other packages that the course needs: an "+
			"environment file without them would be incomplete", held[0].Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "name: %q\nchannels:\n", l.Course)
	for _, c := range append(slices.Clone(channels), "nodefaults") {
		fmt.Fprintf(&b, "  - %s\n", c)
	}
	b.WriteString("dependencies:\n")
	hasPip := false
	for _, a := range condaOf(l, platform) {
		hasPip = hasPip || a.Name == "pip"
		fmt.Fprintf(&b, "  - %s::%s=%s=%s\n", a.Channel, a.Name, a.Version, a.Build)
	}
	if python, ok := l.Find(Deb, "python3", platform); ok && len(condaOf(l, platform)) == 0 {
		fmt.Fprintf(&b, "  - python=%s\n", minorVersion.FindString(python.Version))
	}
	if wheels := pipOf(l, platform); len(wheels) > 0 {
		if !hasPip {
			b.WriteString("  - pip\n")
		}
		b.WriteString("  - pip:\n")
		for _, a := range wheels {
			if g, git := a.Git(); git {
				fmt.Fprintf(&b, "    - %s @ %s\n", a.Name, g)
			} else {
				fmt.Fprintf(&b, "    - %s==%s\n", a.Name, a.Version)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
