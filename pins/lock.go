package pins

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// LockName is the file that holds a course's lock, beside its manifest.
const LockName = "pins.lock"

// A Lock is exactly what a course's image is made of. As text it is a header
// and then one artifact a line, sorted, so that a changed pin is a changed
// line; String and ParseLock are each other's inverse.
//
// The text holds no addresses of indexes: where bytes come from is
// configuration, which bytes they are is in the lock.
type Lock struct {
	Course    string
	AsOf      string // as the manifest wrote it; may be empty
	Base      string // the base image's digest
	Platforms []string
	Images    []Image // those that a Dockerfile names
	// Environment is where the packages of the environment are: empty for the one
	// that driftpin makes, /opt/env.
	Environment string
	Tools       []Tool          // what resolved and will install
	Inputs      map[Kind]string // per kind, the digest of what was asked for
	Artifacts   []Artifact
	PostLinks   []PostLink
	Downloads   []Fetched
	Recordings  []Recording // of the course's scripts, in the order in which they run
	// Unsealed is set where a lock's text has no checksum: one that an older driftpin
	// wrote.
	Unsealed bool
}

// An Image is one that a Dockerfile names, and what the name meant when the course
// was locked.
type Image struct{ Ref, Digest string }

// A Tool is a program that driftpin mounts into its build steps.
type Tool struct{ Name, Version string }

// Digest returns the lock's own digest, sha256:HEX: that of its text without the
// checksum, which is the same.
func (l *Lock) Digest() string { return digest(l.text("")) }

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Sort puts everything in the order in which it is written.
func (l *Lock) Sort() {
	slices.SortFunc(l.Tools, func(a, b Tool) int { return cmp.Compare(a.Name, b.Name) })
	for i := range l.Artifacts {
		l.Artifacts[i].By = slices.Compact(slices.Sorted(slices.Values(l.Artifacts[i].By)))
		l.Artifacts[i].Roots = slices.Compact(slices.Sorted(slices.Values(l.Artifacts[i].Roots)))
	}
	slices.SortFunc(l.Artifacts, orderArtifacts)
	slices.SortFunc(l.PostLinks, orderPostLinks)
	slices.SortFunc(l.Downloads, func(a, b Fetched) int { return cmp.Compare(a.URL, b.URL) })
	slices.SortFunc(l.Images, func(a, b Image) int { return cmp.Compare(a.Ref, b.Ref) })
	for i := range l.Recordings {
		l.Recordings[i].sort()
	}
}

// Installed returns what the lock says will be installed on a platform, one
// artifact a package.
func (l *Lock) Installed(platform string) []Artifact {
	return slices.DeleteFunc(l.Present(platform), func(a Artifact) bool { return a.Use == Held })
}

// Present is Installed with what the extended base already holds, as far as
// pins name or require it.
func (l *Lock) Present(platform string) []Artifact {
	var out []Artifact
	for _, a := range l.Artifacts {
		if a.InImage() && a.Platform == platform {
			out = append(out, a)
		}
	}
	return out
}

// The formats of a lock: recordings came later, and a lock without is as it was.
const (
	lockFormat      = "driftpin-lock 1"
	recordingFormat = "driftpin-lock 2"
)

// format is that of the lock's text.
func (l *Lock) format() string {
	if len(l.Recordings)+len(l.Images)+len(l.Downloads)+len(l.PostLinks) > 0 ||
		slices.ContainsFunc(l.Artifacts, func(a Artifact) bool { return a.Over != "" }) {
		return recordingFormat
	}
	return lockFormat
}

// String returns the lock's text.
func (l *Lock) String() string {
	if l.Unsealed {
		return l.text("")
	}
	return l.text(l.Digest())
}

// text is the lock's text with a checksum, if one is given.
func (l *Lock) text(checksum string) string {
	var b strings.Builder
	b.WriteString(l.format() + "\n")
	line := func(words ...string) { b.WriteString(strings.Join(words, " ") + "\n") }
	line("course", l.Course)
	if l.AsOf != "" {
		line("as-of", l.AsOf)
	}
	line("base", l.Base)
	for _, i := range l.Images {
		line("image", i.Ref, i.Digest)
	}
	if l.Environment != "" {
		line("environment", l.Environment)
	}
	for _, p := range l.Platforms {
		line("platform", p)
	}
	for _, t := range l.Tools {
		line("tool", t.Name, t.Version)
	}
	for _, k := range []Kind{Conda, Deb, Npm, Pip, R} {
		if in := l.Inputs[k]; in != "" {
			line("inputs", string(k), in)
		}
	}
	if checksum != "" {
		line("checksum", checksum)
	}
	for _, p := range l.PostLinks {
		line(p.words()...)
	}
	for _, f := range l.Downloads {
		line("download", f.URL, "sha256:"+f.SHA256, strconv.FormatInt(f.Size, 10))
	}
	for _, r := range l.Recordings {
		for _, words := range r.lines() {
			line(words...)
		}
	}
	line("artifacts", strconv.Itoa(len(l.Artifacts)))
	for _, a := range l.Artifacts {
		line(a.words()...)
	}
	return b.String()
}

// ParseLock reads a lock's text. Anything that String would have written
// otherwise is an error at file:line: a lock is not edited by hand. Where only
// that is wrong, the lock is returned beside the error, for who wants to know what
// it said. The error is a [BadLockError], a [NewerError] for a format of a later
// driftpin, and [Conflicts] for a lock that git could not merge.
func ParseLock(name string, data []byte) (*Lock, error) {
	if err := checkLockFormat(name, data); err != nil {
		return nil, err
	}
	l := &Lock{Inputs: map[Kind]string{}, Unsealed: true}
	lines := strings.Split(string(data), "\n")
	fail := func(i int, format string, args ...any) error {
		return &BadLockError{Position{File: name, Line: i + 1}, fmt.Sprintf(format, args...)}
	}
	if lines[len(lines)-1] != "" {
		return nil, fail(len(lines)-1, "the lock was cut short: its last line does not end")
	}
	checksum, sealedAt := "", 0
	for i, line := range lines[1 : len(lines)-1] {
		words := strings.Split(line, " ")
		if len(words) == 2 && words[0] == "checksum" && digestText.MatchString(words[1]) {
			checksum, sealedAt, l.Unsealed = words[1], i+1, false
		} else if err := l.parseLine(words); err != nil {
			return nil, fail(i+1, "%v", err)
		}
	}
	if l.Base == "" || len(l.Platforms) == 0 {
		return nil, fail(0, "the lock names no base or no platform")
	}
	for i := 1; i < len(l.Artifacts); i++ {
		if orderArtifacts(l.Artifacts[i-1], l.Artifacts[i]) == 0 {
			again := slices.IndexFunc(lines,
				func(line string) bool { return line == strings.Join(l.Artifacts[i].words(), " ") })
			return nil, fail(max(again, 0), "the lock has two lines for %s", l.Artifacts[i].File)
		}
	}
	written := strings.Split(l.sorted().text(checksum), "\n")
	for i := range lines {
		if i >= len(written) || lines[i] != written[i] {
			if said, ok := strings.CutPrefix(lines[i], "artifacts "); ok {
				return l, fail(i, "the lock has %d artifacts, and this line says %s: some were taken out, or "+
					"added, by hand", len(l.Artifacts), said)
			}
			return l, fail(i, "the lock is not as driftpin writes it: lines out of order, or edited by hand")
		}
	}
	if checksum != "" && checksum != l.Digest() {
		return l, fail(sealedAt, "the lock's checksum does not match its lines: the lock was edited by hand, "+
			"or merged badly")
	}
	return l, nil
}

// A NewerError says that a file was written by a later driftpin, in a format that
// this one does not know.
type NewerError struct{ File, Format string }

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("%s:1: the lock was written by a newer driftpin (its format is %q, and this one knows %q): "+
		"update driftpin", e.File, e.Format, recordingFormat)
}

var lockFormatLine = regexp.MustCompile(`^driftpin-lock [!-~]+`)

// checkLockFormat looks at the first line of a lock, and for what git leaves of a
// merge.
func checkLockFormat(name string, data []byte) error {
	if found := FindConflicts(name, data); len(found) > 0 {
		return found
	}
	first, rest, _ := strings.Cut(string(data), "\n")
	at := Position{File: name, Line: 1}
	switch {
	case first == lockFormat, first == recordingFormat:
		return nil
	case lockFormatLine.MatchString(first) && first != "driftpin-lock 0" && strings.TrimRight(first,
		"\r") != lockFormat && strings.TrimRight(first, "\r") != recordingFormat:
		return &NewerError{name, first}
	case len(data) > 0 && !strings.HasPrefix(first, "driftpin-lock") &&
		!(strings.Contains("\n"+rest, "\nplatform ") && strings.Contains(rest, "\nartifacts ")):
		return fmt.Errorf("%s:1: %w: it begins with %.40q, not %q: move it away, then driftpin lock writes one", name,
			ErrNoLock, first, lockFormat)
	}
	if strings.HasSuffix(first, "\r") {
		return &BadLockError{at, "the lock has Windows line endings (CR LF), which git's core.autocrlf makes"}
	}
	return &BadLockError{at, fmt.Sprintf("not a lock that this driftpin reads: it begins with %.40q, not %q", first,
		lockFormat)}
}

// A BadLockError is the error for the text of a lock that is not as driftpin
// writes it.
type BadLockError struct {
	At   Position
	Text string // what is wrong
}

// Error says where the lock is wrong, and what to do.
func (e *BadLockError) Error() string {
	return fmt.Sprintf("%s; run driftpin lock to write the lock again", e.Reason())
}

// Reason says where the lock is wrong.
func (e *BadLockError) Reason() string { return fmt.Sprintf("%s: %s", e.At, e.Text) }

// ErrNoLock is wrapped by ParseLock's error for a file that is something else, and
// not driftpin's to overwrite.
var ErrNoLock = errors.New("not a driftpin lock")

func (l *Lock) sorted() *Lock {
	s := *l
	s.Artifacts = slices.Clone(l.Artifacts)
	s.Tools = slices.Clone(l.Tools)
	s.Images, s.Downloads = slices.Clone(l.Images), slices.Clone(l.Downloads)
	s.PostLinks = slices.Clone(l.PostLinks)
	s.Recordings = slices.Clone(l.Recordings)
	s.Sort()
	return &s
}

var (
	digestText = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	lockWord   = regexp.MustCompile(`^[!-~]+$`)
)

func (l *Lock) parseLine(words []string) error {
	for _, w := range words {
		if !lockWord.MatchString(w) {
			return fmt.Errorf("%q is not a word of a lock", w)
		}
	}
	if ok, err := l.parseRecording(words); ok {
		return err
	}
	switch key := words[0]; {
	case key == "course" && len(words) == 2:
		l.Course = words[1]
	case key == "as-of" && len(words) == 2:
		l.AsOf = words[1]
	case key == "base" && len(words) == 2 && digestText.MatchString(words[1]):
		l.Base = words[1]
	case key == "image" && len(words) == 3 && digestText.MatchString(words[2]):
		l.Images = append(l.Images, Image{words[1], words[2]})
	case key == "download" && len(words) == 4:
		f, err := parseFetched(words[1:])
		if err != nil {
			return err
		}
		l.Downloads = append(l.Downloads, f)
	case key == "post-link" && len(words) == 3 && (words[2] == postLinkRuns || words[2] == postLinkNot):
		l.PostLinks = append(l.PostLinks, PostLink{words[1], words[2] == postLinkRuns})
	case key == "environment" && len(words) == 2 && isCleanAbs(words[1]):
		l.Environment = words[1]
	case key == "platform" && len(words) == 2 && platform.MatchString(words[1]):
		l.Platforms = append(l.Platforms, words[1])
	case key == "artifacts" && len(words) == 2: // String writes how many there are: a lost line shows
	case key == "tool" && len(words) == 3:
		l.Tools = append(l.Tools, Tool{words[1], words[2]})
	case key == "inputs" && len(words) == 3 && digestText.MatchString(words[2]):
		l.Inputs[Kind(words[1])] = words[2]
	case len(words) == 9 || len(words) == 10:
		a, err := parseArtifact(words)
		if err != nil {
			return err
		}
		l.Artifacts = append(l.Artifacts, a)
	default:
		return fmt.Errorf("%q is not a line of a lock", strings.Join(words, " "))
	}
	return nil
}

// Python returns a locked Python package, pip's or conda's.
func (l *Lock) Python(name string) (Artifact, bool) {
	for _, a := range l.Present(l.Platforms[0]) {
		if (a.Kind == Pip || a.Kind == Conda) && CanonicalName(Pip, a.Name) == CanonicalName(Pip, name) {
			return a, true
		}
	}
	return Artifact{}, false
}

// Requires reports whether one locked package requires another itself.
func (l *Lock) Requires(a Artifact, name string) bool {
	b, ok := l.Python(name)
	if !ok {
		return false
	}
	for _, by := range b.By {
		if CanonicalName(Pip, by) == CanonicalName(Pip, a.Name) {
			return true
		}
	}
	return false
}

// Below are the lock's artifacts of Debian's and conda's: what pip pins resolve
// on top of.
func (l *Lock) Below() []Artifact {
	return slices.DeleteFunc(slices.Clone(l.Artifacts),
		func(a Artifact) bool { return a.Kind != Deb && a.Kind != Conda })
}

// Find returns the artifact of a package that a lock installs on a platform. Of
// npm's, which may lie in several places, it is the one that is pinned, or else
// the one at the top.
func (l *Lock) Find(kind Kind, name, platform string) (found Artifact, ok bool) {
	for _, a := range l.Present(platform) {
		if a.Kind == kind && a.Name == CanonicalName(kind, name) && (!ok || a.before(found)) {
			found, ok = a, true
		}
	}
	return found, ok
}

// Has reports whether a lock installs a package on a platform.
func (l *Lock) Has(kind Kind, name, platform string) bool {
	a, ok := l.Find(kind, name, platform)
	return ok && a.Use == Install
}

// pythonVersion is the version of the Python that a lock installs into the
// environment, X.Y.Z; empty if it is the base's own.
func (l *Lock) pythonVersion(platform string) string {
	for _, a := range l.Present(platform) {
		if a.Kind == Conda && a.Name == "python" {
			return a.Version
		}
	}
	for _, a := range l.Present(platform) {
		if m := debianPython.FindStringSubmatch(a.Name); a.Kind == Deb && m != nil && a.Is(PythonRoot) {
			version, _, _ := strings.Cut(a.Version, "-")
			_, after, epoch := strings.Cut(version, ":")
			if epoch {
				version = after
			}
			return version
		}
	}
	return ""
}

var debianPython = regexp.MustCompile(`^python3\.[0-9]+$`)

func (l *Lock) installs(k Kind, platform string) []Artifact {
	return slices.DeleteFunc(l.Installed(platform), func(a Artifact) bool { return a.Kind != k })
}

// held are the packages of an extended base that pins need.
func (l *Lock) held(platform string) []Artifact {
	return slices.DeleteFunc(l.Present(platform), func(a Artifact) bool { return a.Use != Held })
}
