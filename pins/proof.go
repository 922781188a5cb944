package pins

import (
	"cmp"
	_ "embed"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"deps.dev/util/pypi"
	"github.com/driftpin/driftpin/pins/version"
)

// Prove says where a lock does not hold what its course asks for, or does not
// agree with itself: a request that no locked version meets, an artifact whose
// version is not that of its file's name, a reason that leads to no pin. file is
// the lock's name in findings. It looks at no file and at no index. What Stale
// says, that the inputs are others, is not said again.
func Prove(file string, m *Manifest, l *Lock) Findings {
	p := proof{file: file, manifest: m, lock: l, named: map[string][]int{}, python: map[string]string{}}
	for _, platform := range l.Platforms {
		p.python[platform] = l.pythonVersion(platform)
	}
	for i, a := range l.Artifacts {
		key := p.key(a.Platform, a.Kind, a.Name)
		p.named[key] = append(p.named[key], i)
	}
	p.header = strings.Count(l.String(), "\n") - len(l.Artifacts)
	for i := range l.Artifacts {
		p.names(i)
	}
	p.once()
	for _, platform := range l.Platforms {
		e := environmentOn(platform, p.python[platform])
		for _, r := range m.Requests {
			p.meets(r, platform, e)
		}
	}
	p.reasons()
	p.found.Sort()
	return p.found
}

// A proof is a lock being looked at.
type proof struct {
	file     string
	manifest *Manifest
	lock     *Lock
	header   int               // lines above the first artifact's
	named    map[string][]int  // artifacts by platform, kind and name
	python   map[string]string // the environment's, by platform; empty if it is not known
	found    Findings
}

func (p *proof) key(platform string, kind Kind, name string) string {
	return platform + " " + string(kind) + " " + name
}

// at is the line of an artifact.
func (p *proof) at(i int) Position { return Position{File: p.file, Line: p.header + i + 1, Column: 1} }

func (p *proof) wrong(i int, format string, args ...any) {
	a := p.lock.Artifacts[i]
	p.add(p.at(i), a.query(), fmt.Sprintf("%s %s %s: %s", a.Kind, a.Name, a.Version, fmt.Sprintf(format, args...)))
}

// add notes a finding; its subject is the kind of query whose answer is wrong.
func (p *proof) add(at Position, query Kind, message string) {
	p.found = append(p.found, Finding{Position: at, Rule: "lock", Message: message, Fatal: true, Severity: Error,
		Subject: string(query)})
}

// names holds an artifact against the name of its file, where that tells of
// name, version or platform, and against the lock's platforms and base.
func (p *proof) names(i int) {
	a := p.lock.Artifacts[i]
	switch {
	case !slices.Contains(p.lock.Platforms, a.Platform):
		p.wrong(i, "it is for %s, and the lock is for %s", a.Platform, strings.Join(p.lock.Platforms, ", "))
	case a.Use == Held:
		switch {
		case "sha256:"+a.SHA256 != p.lock.Base:
			p.wrong(i, "the line's digest is that of another base image than the locked one")
		case a.Kind != Deb && !p.manifest.Extends:
			p.wrong(i, "its line says that it is in the base image, but the course extends no image")
		}
	case a.Kind == Pip:
		p.pipName(i)
	case a.Kind == Deb:
		p.debName(i)
	case a.Kind == Conda: // ParseLock has looked at name and version
		if subdir := path.Base(path.Dir(a.File)); subdir != "noarch" && subdir != condaSubdirs[a.Platform] {
			p.wrong(i, "its file %s is for %s", a.File, subdir)
		}
		if !slices.Contains(p.manifest.CondaChannels(), a.Channel) {
			p.wrong(i, "its channel %s is not among those of the course", a.Channel)
		}
	case a.Kind == Npm:
		if want := path.Base(a.Name) + "-" + a.Version + ".tgz"; path.Base(a.File) != want {
			p.wrong(i, "its file %s is not %s", a.File, want)
		}
	}
}

// pipName reads the name of a wheel (PyPA, "Binary distribution format") or of a
// source distribution ("Source distribution format").
func (p *proof) pipName(i int) {
	a := p.lock.Artifacts[i]
	if stem, ok := sdistStem(a.File); ok && a.Use == BuildInput {
		if !isSdistOf(stem, a.Name, a.Version) {
			p.wrong(i, "its file %s is not of that version", a.File)
		}
		return
	}
	w, err := pypi.ParseWheelName(a.File)
	switch {
	case err != nil:
		p.wrong(i, "its file %s does not have the name of a wheel", a.File)
	case CanonicalName(Pip, w.Name) != a.Name:
		p.wrong(i, "its file %s is of another package", a.File)
	case Pip.Scheme().Compare(w.Version, a.Version) != 0:
		p.wrong(i, "its file %s is of version %s", a.File, w.Version)
	case !slices.ContainsFunc(w.Platforms, func(t pypi.PEP425Tag) bool { return fitsPlatform(t.Platform, a.Platform) }):
		p.wrong(i, "its file %s is not for %s", a.File, a.Platform)
	case a.Use == Install && !slices.ContainsFunc(w.Platforms,
		func(t pypi.PEP425Tag) bool { return fitsPython(t, p.python[a.Platform]) }):
		p.wrong(i, "its file %s is not for Python %s", a.File, p.python[a.Platform])
	}
}

var pythonTag = regexp.MustCompile(`^(py|cp)([0-9])([0-9]*)$`)

// fitsPython reports whether a wheel's tag (PEP 425) is for a version of CPython;
// any is, of a version that is not known.
func fitsPython(t pypi.PEP425Tag, python string) bool {
	release := version.Release(python)
	if len(release) < 2 {
		return true
	}
	m := pythonTag.FindStringSubmatch(t.Python)
	switch {
	case m == nil || m[2] != release[0]:
		return false
	case m[3] == "" || version.CompareNumbers(m[3], release[1]) == 0:
		return true
	}
	return (m[1] == "py" || t.ABI == "abi3" || t.ABI == "none") && version.CompareNumbers(m[3], release[1]) < 0
}

func sdistStem(file string) (string, bool) {
	for _, ext := range []string{".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz"} {
		if stem, ok := strings.CutSuffix(file, ext); ok {
			return stem, true
		}
	}
	return "", false
}

// isSdistOf tries each dash: names and versions may both hold some.
func isSdistOf(stem, name, version string) bool {
	for i := range len(stem) {
		if stem[i] == '-' && CanonicalName(Pip, stem[:i]) == name && Pip.Scheme().Compare(stem[i+1:], version) == 0 {
			return true
		}
	}
	return false
}

// fitsPlatform reports whether a wheel with a platform tag (PEP 425, 600)
// may be for a platform.
func fitsPlatform(tag, platform string) bool {
	machine := map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[platform]
	return tag == "any" || (strings.HasPrefix(tag, "linux_") || strings.HasPrefix(tag, "manylinux")) &&
		strings.HasSuffix(tag, "_"+machine)
}

// debName reads NAME_VERSION_ARCHITECTURE.deb, of which the version has no epoch;
// apt's repositories that name files otherwise tell nothing by that.
func (p *proof) debName(i int) {
	a := p.lock.Artifacts[i]
	words := strings.Split(strings.TrimSuffix(path.Base(a.File), ".deb"), "_")
	if len(words) != 3 {
		return
	}
	version := a.Version
	if !strings.Contains(strings.ReplaceAll(words[1], "%3a", ":"), ":") {
		if _, after, epoch := strings.Cut(version, ":"); epoch {
			version = after
		}
	}
	name, _, _ := strings.Cut(a.Name, ":")
	switch arch := strings.TrimPrefix(a.Platform, "linux/"); {
	case words[0] != name:
		p.wrong(i, "its file %s is of another package", path.Base(a.File))
	case strings.ReplaceAll(words[1], "%3a", ":") != version:
		p.wrong(i, "its file %s is of another version", path.Base(a.File))
	case words[2] != "all" && words[2] != arch && !strings.Contains(a.Name, ":"):
		p.wrong(i, "its file %s is not for %s", path.Base(a.File), a.Platform)
	}
}

// once finds packages that an image can hold once only, and that are locked twice:
// npm's at one place, apt's of one architecture.
func (p *proof) once() {
	for _, at := range p.named {
		first := map[string]string{}
		for _, i := range at {
			a := p.lock.Artifacts[i]
			if !a.InImage() {
				continue
			}
			place := ""
			switch {
			case a.Kind == Deb && a.Use == Held:
				continue
			case a.Kind == Npm && a.Use != Held:
				place = path.Dir(a.File)
			case a.Kind == Deb:
				place = a.File[strings.LastIndexByte(a.File, '_')+1:]
			}
			if version, again := first[place]; again {
				p.wrong(i, "the lock installs %s as well", version)
			}
			first[place] = a.Version
		}
	}
}

// meets holds a request against what is locked under its name.
func (p *proof) meets(r Request, platform string, e markerEnvironment) {
	holds := yes
	if r.Marker != "" {
		holds = e.holds(r.Marker)
	}
	if holds == no {
		return
	}
	unmet := func(format string, args ...any) {
		p.add(r.At, r.Kind, r.Spec+": "+fmt.Sprintf(format, args...))
	}
	candidates := p.candidates(r, platform)
	if len(candidates) == 0 {
		if r.Over != "" && len(p.named[p.key(platform, Conda, r.Over)]) > 0 {
			return // conda's brings it
		}
		if holds == yes {
			unmet("the lock has no such package")
		}
		return
	}
	if holds == unknown {
		return
	}
	why := ""
	for _, i := range candidates {
		if why = p.refuses(r, p.lock.Artifacts[i]); why == "" {
			return
		}
		why = fmt.Sprintf("the lock has %s, at %s: %s", p.lock.Artifacts[i].Version, p.at(i), why)
	}
	unmet("%s", why)
}

// candidates are the artifacts by which a request may be met.
func (p *proof) candidates(r Request, platform string) (out []int) {
	name, _, _ := strings.Cut(r.Name, ":") // apt: NAME:ARCHITECTURE
	if r.Kind == Npm {
		name = r.Name
	}
	at := p.named[p.key(platform, r.Kind, name)]
	if r.Name == "" {
		for i, a := range p.lock.Artifacts {
			if a.Platform == platform && a.Kind == r.Kind && a.Built() {
				if g, ok := a.Git(); ok && g.URL == r.Git.URL && g.Subdirectory == r.Git.Subdirectory {
					at = append(at, i)
				}
			}
		}
	}
	for _, i := range at {
		if a := p.lock.Artifacts[i]; a.InImage() &&
			(a.Kind != Npm || a.Use == Held || path.Dir(a.File) == "node_modules/"+a.Name) {
			out = append(out, i)
		}
	}
	return out
}

var hexRef = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

// refuses says why an artifact does not meet a request of its name; empty if it
// does.
func (p *proof) refuses(r Request, a Artifact) string {
	if r.Git != nil {
		g, ok := a.Git()
		switch {
		case !ok || g.URL != r.Git.URL || g.Subdirectory != r.Git.Subdirectory:
			return "it is not from " + r.Git.URL
		case hexRef.MatchString(r.Git.Ref) && !strings.HasPrefix(g.Ref, r.Git.Ref):
			return "it is of commit " + g.Ref
		}
		return ""
	}
	met, err := false, error(nil)
	switch r.Kind {
	case Pip:
		met, err = version.MeetsSpecifiers(a.Version, r.Constraint)
	case Deb:
		if _, arch, foreign := strings.Cut(r.Name, ":"); foreign && a.Use != Held && arch != "any" &&
			!strings.HasSuffix(a.File, "_"+arch+".deb") && !strings.HasSuffix(a.File, "_all.deb") {
			return "it is not of the architecture " + arch
		}
		met = r.Version == "" || r.Version == a.Version
	default:
		met, err = r.Kind.Scheme().Satisfies(a.Version, r.Constraint)
	}
	switch {
	case err != nil:
		return err.Error()
	case !met:
		return "that does not meet the pin"
	case r.Kind == Conda && a.Use != Held && r.Build != "" && !globMatches(r.Build, a.Build):
		return "it is of build " + a.Build
	case r.Kind == Conda && a.Use != Held && r.Channel != "" && r.Channel != a.Channel:
		return "it is of channel " + a.Channel
	case len(r.Hashes) > 0 && a.Use != Held && !p.hashed(r, a):
		return "its sha256 is none of those that the pin allows"
	}
	return ""
}

// hashed reports whether an artifact's file, or the source that it is built from,
// has one of a request's hashes.
func (p *proof) hashed(r Request, a Artifact) bool {
	sums := []string{"sha256:" + a.SHA256}
	if source, ok := a.Sdist(); ok {
		for _, b := range p.lock.Artifacts {
			if b.File == source && b.Platform == a.Platform {
				sums = append(sums, "sha256:"+b.SHA256)
			}
		}
	}
	return slices.ContainsFunc(sums, func(sum string) bool { return slices.Contains(r.Hashes, sum) })
}

// reasons follows why each artifact is there to a pin, or to what pins need.
func (p *proof) reasons() {
	l := p.lock
	stands := make([]bool, len(l.Artifacts))
	var queue []int
	below := map[string][]int{} // artifacts by who requires them
	for i, a := range l.Artifacts {
		if why := p.unfounded(a); why != "" {
			p.wrong(i, "%s", why)
			stands[i] = true
			continue
		}
		if len(a.Roots) > 0 && !(len(a.Roots) == 1 && a.Is(SourceRoot)) {
			stands[i] = true
			queue = append(queue, i)
		}
		for _, by := range a.By {
			key := p.key(a.Platform, a.Kind, by)
			if len(p.named[key]) == 0 {
				p.wrong(i, "it is there because of %s, which the lock does not have", by)
				stands[i] = true
			}
			below[key] = append(below[key], i)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		a := l.Artifacts[queue[0]]
		for _, i := range below[p.key(a.Platform, a.Kind, a.Name)] {
			if !stands[i] {
				stands[i] = true
				queue = append(queue, i)
			}
		}
	}
	for i := range stands {
		if !stands[i] {
			p.wrong(i, "no pin requires it, nor does anything that a pin requires")
		}
	}
}

// unfounded says why an artifact is not there for the reason that its line gives;
// empty if it is.
func (p *proof) unfounded(a Artifact) string {
	m := p.manifest
	built := func(b Artifact) bool { return b.Built() && b.Platform == a.Platform }
	for _, root := range a.Roots {
		switch {
		case root == PinRoot && !p.asked(a):
			return "no pin asks for it, and the lock says that one does"
		case root == PythonRoot && (a.Kind == Deb && m.python(Deb) != a.Use || a.Kind == Conda &&
			m.python(Conda) != a.Use || a.Kind != Deb && a.Kind != Conda):
			return "it is there for a Python that no pin needs"
		case root == ToolchainRoot && !slices.ContainsFunc(p.lock.Artifacts, built):
			return "it is there to build wheels, and none is built"
		case root == SourceRoot && a.Use != BuildInput:
			return "it is the source of a wheel, and is to be installed"
		}
	}
	for _, by := range a.By {
		at := p.named[p.key(a.Platform, a.Kind, by)]
		if len(at) > 0 && !slices.ContainsFunc(at, func(i int) bool { return p.reaches(p.lock.Artifacts[i], a) }) {
			return fmt.Sprintf("%s requires it, and the two are not for the same use (%s)", by, a.Use)
		}
	}
	if source, ok := a.Sdist(); ok {
		if !slices.ContainsFunc(p.lock.Artifacts, func(b Artifact) bool {
			return b.File == source && b.Platform == a.Platform && b.Use == BuildInput && slices.Contains(b.By,
				a.Name) && Pip.Scheme().Compare(a.Version, b.Version) == 0
		}) {
			return fmt.Sprintf("the lock has no %s, from which it is built", source)
		}
	}
	return ""
}

// reaches reports whether what requires an artifact is where that is: in the image,
// or in a step that builds it.
func (p *proof) reaches(by, a Artifact) bool {
	if a.InImage() {
		return by.InImage()
	}
	return by.Use == BuildInput || by.Built()
}

// asked reports whether the manifest asks for an artifact by its name, or by its
// repository.
func (p *proof) asked(a Artifact) bool {
	return slices.ContainsFunc(p.manifest.Requests, func(r Request) bool {
		if r.Kind != a.Kind {
			return false
		}
		name, _, _ := strings.Cut(r.Name, ":")
		if g, ok := a.Git(); ok && r.Name == "" {
			return g.URL == r.Git.URL && g.Subdirectory == r.Git.Subdirectory
		}
		return r.Name == a.Name || r.Kind == Deb && cmp.Or(name, r.Name) == a.Name
	})
}
