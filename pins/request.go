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

// Need says why a pin must stand as it does.
type Need string

// The needs, from the strongest.
const (
	Hard   Need = "hard"   // the course does not work without it
	Solver Need = "solver" // there only so that resolving succeeds
	Wanted Need = "wanted" // wanted, nothing more; the default
)

// A Request is one package that a course asks for, and where it does.
type Request struct {
	Pin         // Version is set if the request allows one version only; Name may be empty for git
	Spec string // as written, in the ecosystem's own words
	// what versions are allowed, in the ecosystem's words, such as >=6.2,<7 (pip, PEP 440) or ^1.2 (npm)
	Constraint string
	Extras     []string // pip: the extras asked for
	Marker     string   // pip: the environment marker (PEP 508), unevaluated
	Hashes     []string // pip: ALGORITHM:HEX that its file must have one of, where the requirement says
	// npm and conda: whether scripts that the package brings may run when it is installed,
	// and whether the manifest says so
	Scripts, ScriptsSaid bool
	Replaces             string // pip: the conda package whose Python distribution gives way to this one
	// Over is set, for pip, if conda is asked for the package as well: the conda
	// package. What that brings stays if it is what is asked for here, else it gives
	// way.
	Over string
	Git  *Git // set if the package comes from a git repository
	// Where is where the version, or git's reference, stands, and what stands there,
	// if that is not within Spec at At: in a pixi.toml. WhereBuild is that of the
	// build.
	Where, WhereBuild Text
	Also              []Request // the same package, asked for at other places; what they say is in this one
	At                Position
	Need              Need
	Why               string
	Until             string
}

// Git is where a requirement's source lies.
type Git struct {
	URL          string // without git+, such as https://github.com/owner/name.git
	Ref          string // a commit, short or full, a branch or a tag; empty for the default branch
	Subdirectory string
}

// String returns the requirement as pip writes it.
func (g Git) String() string {
	s := "git+" + g.URL
	if g.Ref != "" {
		s += "@" + g.Ref
	}
	if g.Subdirectory != "" {
		s += "#subdirectory=" + g.Subdirectory
	}
	return s
}

// Title names the request in messages: its package, or its repository where
// the package's name is not known yet.
func (r Request) Title() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Spec
}

// Requirement is the request as one line for a solver, put together from what
// was understood of it.
func (r Request) Requirement() string {
	line := r.Name
	if len(r.Extras) > 0 {
		line += "[" + strings.Join(r.Extras, ",") + "]"
	}
	line += strings.ReplaceAll(r.Constraint, " ", "")
	if r.Marker != "" {
		line += " ; " + r.Marker
	}
	return line
}

// dashes are the dashes that word processors type for a hyphen.
const dashes = "‐‑‒–—―−"

// plainDashes returns s with typographic dashes spelled plainly; an en dash
// at the start of an option stands for the two hyphens it was made from.
func plainDashes(s string) string {
	for _, d := range dashes {
		if rest, ok := strings.CutPrefix(s, string(d)); ok {
			s = "--" + strings.TrimLeft(rest, "-")
		}
		s = strings.ReplaceAll(s, string(d), "-")
	}
	return s
}

func checkDashes(s string) error {
	if !strings.ContainsAny(s, dashes) {
		return nil
	}
	return fmt.Errorf("%q has a typographic dash: write %q", s, plainDashes(s))
}

var (
	pipName   = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	directRef = regexp.MustCompile(
		`^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*@\s*(\S+)\s*$`)
	// pipSpec is the shape of a requirement: NAME[EXTRAS] SPECIFIERS ; MARKER.
	pipSpec = regexp.MustCompile(`^\s*[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[A-Za-z0-9._,` +
		` -]*\])?\s*(?:\(?\s*(?:===|==|~=|!=|<=|>=|<|>)[A-Za-z0-9.*+!_<>=~, -]*\)?)?\s*(?:;(?:[A-Za-z0-9_.<>=!~() ` +
		`,+*-]|'[^']*'|"[^"]*")+)?$`)
	singleEquals = regexp.MustCompile(`^[A-Za-z0-9._ -]+(?:\[[^\]]*\])?\s*=[^=]`)
	aptSpec      = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?)(?:=([A-Za-z0-9.+:~-]+))?$`)
	gitRef       = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]*$`)
)

// ParsePip reads a requirement as PEP 508 and pip write it: NAME[EXTRAS]
// SPECIFIERS; MARKER, or git+URL@REF, or NAME @ git+URL@REF. Names come out
// canonical (PEP 503).
func ParsePip(spec string) (Request, error) {
	r := Request{Pin: Pin{Kind: Pip}, Spec: spec}
	if err := checkDashes(spec); err != nil {
		return r, err
	}
	if strings.ContainsFunc(spec, func(c rune) bool { return c < ' ' && c != '\t' || c > '~' }) {
		return r, fmt.Errorf("%q: a requirement has only printable ASCII, on one line", spec)
	}
	text := strings.ReplaceAll(spec, "\t", " ")
	address, marker, _ := strings.Cut(text, " ;")
	if strings.HasPrefix(text, "git+") {
		r.Marker = strings.TrimSpace(marker)
		return r, cmp.Or(r.parseGit(strings.TrimSpace(address)), r.checkMarker())
	}
	if m := directRef.FindStringSubmatch(address); m != nil {
		r.Marker = strings.TrimSpace(marker)
		r.Extras = strings.FieldsFunc(m[2], func(c rune) bool { return c == ',' || c == ' ' })
		err := cmp.Or(r.parseGit(m[3]), r.checkMarker())
		r.Name = CanonicalName(Pip, m[1])
		return r, err
	}
	if strings.Contains(text, "://") {
		return r, fmt.Errorf("%q is a direct address: use a version from an index, or git+URL@COMMIT", spec)
	}
	if !pipSpec.MatchString(text) {
		if strings.Contains(text, "=") && !strings.Contains(text, "==") && singleEquals.MatchString(text) {
			return r, fmt.Errorf("%q: pip asks for a version with two equals signs, ==", spec)
		}
		return r, fmt.Errorf("%q is not a requirement: write NAME==VERSION (PEP 508)", spec)
	}
	d, err := pypi.ParseDependency(text)
	if err != nil || !pipName.MatchString(d.Name) {
		return r, fmt.Errorf("%q is not a requirement: write NAME==VERSION (PEP 508)", spec)
	}
	r.Name = CanonicalName(Pip, d.Name)
	r.Marker = strings.TrimSpace(d.Environment)
	r.Extras = strings.FieldsFunc(d.Extras, func(c rune) bool { return c == ',' || c == ' ' })
	for _, extra := range strings.Split(d.Extras, ",") {
		if extra = strings.TrimSpace(extra); extra != "" && !pipName.MatchString(extra) {
			return r, fmt.Errorf("%q: %q is not the name of an extra (PEP 508)", spec, extra)
		}
	}
	return r, cmp.Or(r.parseSpecifiers(d.Constraint), r.checkMarker())
}

// markerWords are the variables of markers (PEP 508).
var markerWords = strings.Fields(
	`os_name sys_platform platform_machine platform_python_implementation platform_release platform_system
platform_version python_version python_full_version implementation_name implementation_version extra extras dependency_groups os.name
sys.platform platform.version platform.machine platform.python_implementation python_implementation`)

// checkMarker finds a marker that is none.
func (r *Request) checkMarker() error {
	if r.Marker == "" {
		return nil
	}
	if _, ok := (markerEnvironment{}).read(r.Marker); !ok {
		return fmt.Errorf("%q: %q is not an environment marker (PEP 508)", r.Spec, r.Marker)
	}
	return nil
}

// parseSpecifiers checks the version specifiers by PEP 440 and learns the one
// version they allow, if they allow only one.
func (r *Request) parseSpecifiers(constraint string) error {
	constraint = strings.TrimSpace(constraint)
	if open, closed := strings.HasPrefix(constraint, "("), strings.HasSuffix(constraint, ")"); open != closed {
		return fmt.Errorf("%q: a parenthesis is not closed, or not opened", r.Spec)
	}
	constraint = strings.TrimSpace(strings.Trim(constraint, "()"))
	r.Constraint = constraint
	if constraint == "" {
		return nil
	}
	var err error
	if r.Version, err = version.Exact(constraint); err != nil {
		return fmt.Errorf("%q: %w", r.Spec, err)
	}
	return nil
}

func (r *Request) parseGit(address string) error {
	rest, ok := strings.CutPrefix(address, "git+")
	if !ok {
		return fmt.Errorf("%q: only git+ addresses are read after @; use a version from an index otherwise", r.Spec)
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	scheme, place, ok := strings.Cut(rest, "://")
	if !ok || scheme != "https" && scheme != "http" && scheme != "ssh" && scheme != "git" {
		return fmt.Errorf("%q: a git address starts with git+https://, git+http://, git+ssh:// or git+git://", r.Spec)
	}
	g := Git{}
	if at := strings.LastIndexByte(place, '@'); at > strings.IndexByte(place, '/') {
		place, g.Ref = place[:at], place[at+1:]
		if !gitRef.MatchString(g.Ref) {
			return fmt.Errorf("%q: %q is not a commit, branch or tag", r.Spec, g.Ref)
		}
	}
	host, _, _ := strings.Cut(place, "/")
	user, _, hasUser := strings.Cut(host, "@")
	if hasUser && (strings.Contains(user, ":") || scheme != "ssh") || strings.Contains(place, "?") {
		return fmt.Errorf("the git address carries a user, a password or a query, which may be secret: take it " +
			"out, and give it to git (credential helper or insteadOf)")
	}
	if host == "" || host == place {
		return fmt.Errorf("%q: the git address names no repository", r.Spec)
	}
	g.URL = scheme + "://" + place
	for _, kv := range strings.Split(fragment, "&") {
		key, value, _ := strings.Cut(kv, "=")
		switch key {
		case "egg":
			name, _, _ := strings.Cut(value, "[")
			if !pipName.MatchString(name) {
				return fmt.Errorf("%q: #egg=%s is not a package's name", r.Spec, value)
			}
			r.Name = CanonicalName(Pip, name)
		case "subdirectory":
			g.Subdirectory = value
		}
	}
	if g.Subdirectory != "" && (path.Clean("/"+g.Subdirectory) != "/"+g.Subdirectory ||
		!gitRef.MatchString(g.Subdirectory)) {
		return fmt.Errorf("%q: the subdirectory must be a plain path within the repository", r.Spec)
	}
	r.Git = &g
	return nil
}

// ParseApt reads what is asked of apt: NAME, or NAME=VERSION.
func ParseApt(spec string) (Request, error) {
	r := Request{Pin: Pin{Kind: Deb}, Spec: spec}
	if err := checkDashes(spec); err != nil {
		return r, err
	}
	m := aptSpec.FindStringSubmatch(spec)
	if m == nil {
		if strings.ContainsAny(spec, "*?[]^$|") {
			return r, fmt.Errorf("%q is a pattern, for which apt would install whatever it matches: name the "+
				"packages", spec)
		}
		return r, fmt.Errorf("%q is not a Debian package: write NAME or NAME=VERSION", spec)
	}
	r.Pin = New(Deb, m[1], m[2])
	return r, nil
}

// Free is the request with any version.
func (r Request) Free() Request {
	r.Version, r.Constraint, r.Build, r.Hashes = "", "", "", nil
	if r.Kind == Deb {
		r.Spec = r.Name
	}
	return r
}

// normal is the request without what does not matter to a solver: spelling of
// the name, spaces, order of extras.
func (r Request) normal() string {
	if r.Git != nil {
		normal := r.Name + " " + r.Git.String()
		if len(r.Extras) > 0 || r.Marker != "" {
			normal += fmt.Sprintf(" [%s];%s", strings.Join(slices.Sorted(slices.Values(r.Extras)), ","), r.Marker)
		}
		if r.Replaces+r.Over != "" {
			normal += " replaces " + r.Replaces + " over " + r.Over
		}
		return normal
	}
	switch r.Kind {
	case Deb:
		return r.Spec
	case Conda:
		return r.MatchSpec()
	case Npm:
		return fmt.Sprintf("%s@%s scripts %t", r.Name, r.Constraint, r.Scripts)
	}
	extras := slices.Sorted(slices.Values(r.Extras))
	normal := fmt.Sprintf("%s[%s]%s;%s", r.Name, strings.Join(extras, ","), strings.ReplaceAll(r.Constraint, " ", ""),
		r.Marker)
	if len(r.Hashes) > 0 {
		normal += " " + strings.Join(slices.Sorted(slices.Values(r.Hashes)), " ")
	}
	if r.Replaces != "" {
		normal += " replaces " + r.Replaces
	}
	if r.Over != "" {
		normal += " over " + r.Over
	}
	return normal
}

// allows reports whether a locked version may be one that a request allows.
func (r Request) allows(a Artifact) bool {
	switch {
	case r.Git != nil:
		return true
	case r.Kind == Deb:
		return r.Version == "" || r.Version == a.Version
	}
	met, err := r.Kind.Scheme().Satisfies(a.Version, r.Constraint)
	return met || err != nil
}

// conditions are what a request says of the version, in one spelling.
func (r Request) conditions() string {
	if r.Kind == Deb {
		return r.Version
	}
	return strings.Join(strings.Fields(r.Constraint), "")
}

// exact reports whether a request allows one version only; =1.2 of conda's allows
// 1.2.3 too.
func (r Request) exact() bool {
	if r.Kind == Conda && strings.HasPrefix(r.Constraint, "=") && !strings.HasPrefix(r.Constraint, "==") {
		return false
	}
	return r.Version != ""
}

// Whole is the request in the words of its tool: as it is written, or, of one that
// is written at several places, put together.
func (r Request) Whole() string {
	switch {
	case len(r.Also) == 0 || r.Git != nil:
		return r.Spec
	case r.Kind == Pip:
		return r.Requirement()
	case r.Kind == Conda:
		return r.MatchSpec()
	}
	return r.Spec
}
