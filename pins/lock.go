package pins

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
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
	// Environment is where the packages of the environment are: empty for the one
	// that driftpin makes, /opt/env.
	Environment string
	Tools       []Tool          // what resolved and will install
	Inputs      map[Kind]string // per kind, the digest of what was asked for
	Artifacts   []Artifact
	// Unsealed is set where a lock's text has no checksum: one that an older driftpin
	// wrote.
	Unsealed bool
}

// A Tool is a program that driftpin mounts into its build steps.
type Tool struct{ Name, Version string }

// An Artifact is one file that an image is made from, or one wheel that is
// built on the way.
type Artifact struct {
	Pin
	Platform string
	File     string // file name; of a deb, its path within the index; of conda's, CHANNEL/SUBDIR/NAME; of npm's, its folder and NAME
	SHA256   string // lower-case hex
	Size     int64
	Use      Use
	Roots    []Root   // why it is there by itself
	By       []string // the names of the locked packages that require it
	From     string   // of a wheel that is built: sdist:FILE, or git+URL@COMMIT
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
}

func orderArtifacts(a, b Artifact) int {
	return cmp.Or(Order(a.Pin, b.Pin), cmp.Compare(a.Platform, b.Platform),
		cmp.Compare(a.Use, b.Use), cmp.Compare(a.File, b.File))
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

// InImage reports whether the artifact is in the image, rather than only in
// steps that build it.
func (a Artifact) InImage() bool { return a.Use == Install || a.Use == Held }

const lockFormat = "driftpin-lock 1"

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
	b.WriteString(lockFormat + "\n")
	line := func(words ...string) { b.WriteString(strings.Join(words, " ") + "\n") }
	line("course", l.Course)
	if l.AsOf != "" {
		line("as-of", l.AsOf)
	}
	line("base", l.Base)
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
	line("artifacts", strconv.Itoa(len(l.Artifacts)))
	for _, a := range l.Artifacts {
		line(a.words()...)
	}
	return b.String()
}

func (a Artifact) words() []string {
	var why []string
	for _, r := range a.Roots {
		why = append(why, string(r))
	}
	if len(a.By) > 0 {
		why = append(why, "by:"+strings.Join(a.By, ","))
	}
	words := []string{string(a.Kind), a.Name, a.Version, a.Platform, a.File, "sha256:" + a.SHA256, strconv.FormatInt(a.Size, 10), string(a.Use), strings.Join(why, "+")}
	if a.From != "" {
		words = append(words, "from="+a.From)
	}
	return words
}

// ParseLock reads a lock's text. Anything that String would have written
// otherwise is an error at file:line: a lock is not edited by hand. Where only
// that is wrong, the lock is returned beside the error, for who wants to know what
// it said. The error is a [NewerError] for a format of a later driftpin, and
// [Conflicts] for a lock that git could not merge.
func ParseLock(name string, data []byte) (*Lock, error) {
	if err := checkLockFormat(name, data); err != nil {
		return nil, err
	}
	l := &Lock{Inputs: map[Kind]string{}, Unsealed: true}
	lines := strings.Split(string(data), "\n")
	fail := func(i int, format string, args ...any) error {
		return fmt.Errorf("%s:%d: %s; write the lock anew with driftpin lock", name, i+1, fmt.Sprintf(format, args...))
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
			again := slices.IndexFunc(lines, func(line string) bool { return line == strings.Join(l.Artifacts[i].words(), " ") })
			return nil, fail(max(again, 0), "the lock has two lines for %s", l.Artifacts[i].File)
		}
	}
	written := strings.Split(l.sorted().text(checksum), "\n")
	for i := range lines {
		if i >= len(written) || lines[i] != written[i] {
			if said, ok := strings.CutPrefix(lines[i], "artifacts "); ok {
				return l, fail(i, "the lock has %d artifacts, and this line says %s: some were taken out, or added, by hand", len(l.Artifacts), said)
			}
			return l, fail(i, "the lock is not as driftpin writes it: lines out of order, or edited by hand")
		}
	}
	if checksum != "" && checksum != l.Digest() {
		return l, fail(sealedAt, "the lines of the lock are not those that driftpin wrote (their checksum is another): the lock was edited by hand, or merged badly")
	}
	return l, nil
}

// A NewerError says that a file was written by a later driftpin, in a format that
// this one does not know.
type NewerError struct{ File, Format string }

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("%s:1: the lock was written by a newer driftpin (its format is %q, and this one knows %q): update driftpin", e.File, e.Format, lockFormat)
}

var lockFormatLine = regexp.MustCompile(`^driftpin-lock [!-~]+`)

// checkLockFormat looks at the first line of a lock, and for what git leaves of a
// merge.
func checkLockFormat(name string, data []byte) error {
	if found := FindConflicts(name, data); len(found) > 0 {
		return found
	}
	first, rest, _ := strings.Cut(string(data), "\n")
	switch {
	case first == lockFormat:
		return nil
	case lockFormatLine.MatchString(first) && first != "driftpin-lock 0" && strings.TrimRight(first, "\r") != lockFormat:
		return &NewerError{name, first}
	case len(data) > 0 && !strings.HasPrefix(first, "driftpin-lock") && !(strings.Contains("\n"+rest, "\nplatform ") && strings.Contains(rest, "\nartifacts ")):
		return fmt.Errorf("%s:1: %w: it begins with %.40q, not %q: move it away, then driftpin lock writes one", name, ErrNoLock, first, lockFormat)
	}
	if strings.HasSuffix(first, "\r") {
		return fmt.Errorf("%s:1: the lines of the lock end as Windows has it (CR LF): git's core.autocrlf makes that of it; write the lock anew with driftpin lock", name)
	}
	return fmt.Errorf("%s:1: not a lock that this driftpin reads: it begins with %.40q, not %q; write the lock anew with driftpin lock", name, first, lockFormat)
}

// ErrNoLock is wrapped by ParseLock's error for a file that is something else, and
// not driftpin's to overwrite.
var ErrNoLock = errors.New("not a lock of driftpin's")

func (l *Lock) sorted() *Lock {
	s := *l
	s.Artifacts = slices.Clone(l.Artifacts)
	s.Tools = slices.Clone(l.Tools)
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
	switch key := words[0]; {
	case key == "course" && len(words) == 2:
		l.Course = words[1]
	case key == "as-of" && len(words) == 2:
		l.AsOf = words[1]
	case key == "base" && len(words) == 2 && digestText.MatchString(words[1]):
		l.Base = words[1]
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

func parseArtifact(words []string) (Artifact, error) {
	a := Artifact{
		Pin:      New(Kind(words[0]), words[1], words[2]),
		Platform: words[3],
		File:     words[4],
		Use:      Use(words[7]),
	}
	switch {
	case !slices.Contains([]Kind{Conda, Deb, Npm, Pip, R}, a.Kind):
		return a, fmt.Errorf("%q is not a kind of package", words[0])
	case !platform.MatchString(a.Platform):
		return a, fmt.Errorf("%q is not a platform", a.Platform)
	case path.IsAbs(a.File) || path.Clean(a.File) != a.File || strings.HasPrefix(a.File, "../") || a.File == ".." || a.File == ".":
		return a, fmt.Errorf("%q is not a plain file name", a.File)
	case a.Kind != Deb && a.Kind != Conda && a.Kind != Npm && strings.Contains(a.File, "/"):
		return a, fmt.Errorf("%q is not a plain file name", a.File)
	case a.Kind == Npm && !npmPlace.MatchString(path.Dir(a.File)):
		return a, fmt.Errorf("%q is not the file of npm's %s: node_modules/NAME/NAME-VERSION.tgz", a.File, a.Name)
	case a.Kind == Conda && a.Use != Held && !a.readCondaFile():
		return a, fmt.Errorf("%q is not the file of conda's %s %s: CHANNEL/SUBDIR/NAME-VERSION-BUILD.conda", a.File, a.Name, a.Version)
	case a.Use != Install && a.Use != BuildInput && a.Use != Held:
		return a, fmt.Errorf("%q is not a use: install, build or base", words[7])
	case (a.Use == Held) != (a.File == HeldFile):
		return a, fmt.Errorf("%q: what is in the base has no file but %q", a.File, HeldFile)
	case !digestText.MatchString(words[5]):
		return a, fmt.Errorf("%q is not a sha256 digest", words[5])
	}
	a.SHA256 = strings.TrimPrefix(words[5], "sha256:")
	size, err := strconv.ParseInt(words[6], 10, 64)
	if err != nil || size < 0 {
		return a, fmt.Errorf("%q is not a size in bytes", words[6])
	}
	a.Size = size
	if err := a.parseWhy(words[8]); err != nil {
		return a, err
	}
	if len(words) == 10 {
		from, ok := strings.CutPrefix(words[9], "from=")
		if !ok || from == "" {
			return a, fmt.Errorf("%q does not say what the wheel is built from", words[9])
		}
		a.From = from
		if g, ok := a.Git(); ok {
			a.Commit = g.Ref
		}
	}
	return a, nil
}

// npmPlace is the folder of a package of npm's, which has its name or an alias.
var npmPlace = regexp.MustCompile(`^(?:(?:^|/)node_modules/(?:@[^/]+/)?[^/@][^/]*)+$`)

// readCondaFile learns build and channel from a conda package's file
// (conda's documentation, "Package naming conventions").
func (a *Artifact) readCondaFile() bool {
	place, file := path.Split(a.File)
	stem, ok := strings.CutSuffix(file, ".conda")
	if !ok {
		stem, ok = strings.CutSuffix(file, ".tar.bz2")
	}
	build := strings.LastIndexByte(stem, '-')
	channel, subdir := path.Split(strings.TrimSuffix(place, "/"))
	if !ok || build < 0 || channel == "" || subdir == "" || CanonicalName(Conda, stem[:build]) != a.Name+"-"+strings.ToLower(a.Version) {
		return false
	}
	a.Build, a.Channel = stem[build+1:], strings.TrimSuffix(channel, "/")
	return true
}

// Noarch reports whether a conda package fits every platform: what is Python in
// it is compiled where it is installed.
func (a Artifact) Noarch() bool {
	return a.Kind == Conda && path.Base(path.Dir(a.File)) == "noarch"
}

// parseWhy reads roots and requirers: pin+python+by:a,b.
func (a *Artifact) parseWhy(text string) error {
	roots, by, ok := strings.Cut("+"+text, "+by:")
	if ok {
		a.By = strings.Split(by, ",")
	}
	for _, r := range strings.FieldsFunc(roots, func(c rune) bool { return c == '+' }) {
		a.Roots = append(a.Roots, Root(r))
	}
	unknown := func(r Root) bool {
		return !slices.Contains([]Root{PinRoot, PythonRoot, SourceRoot, ToolchainRoot}, r)
	}
	if len(a.Roots)+len(a.By) == 0 || slices.ContainsFunc(a.Roots, unknown) || slices.Contains(a.By, "") {
		return fmt.Errorf("%q does not say why the package is there", text)
	}
	return nil
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
