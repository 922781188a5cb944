package pins

import (
	"cmp"
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/pins/version"
)

var (
	condaName     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	condaHead     = regexp.MustCompile(`^([^ =<>!~\[]+)(.*)$`)
	condaBrackets = regexp.MustCompile(`\[([^\[\]]*)\]\s*$`)
	condaBuild    = regexp.MustCompile(`^(.*[^=!<>~,| ])(?: *= *| +)([A-Za-z0-9_.*+]+)$`)
	condaKeyValue = regexp.MustCompile(`^\s*([a-z_0-9]+)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^'",\s]*))\s*(?:,|$)`)
	branchLike    = regexp.MustCompile(`^[=<>!~ ]*[A-Za-z][A-Za-z/_-]*$`)
)

// ParseConda reads a requirement as conda writes it (MatchSpec):
// [CHANNEL::]NAME[VERSION[BUILD]] or NAME[key=value,…]. Version is set if it
// names one version, with == or = and no wildcard: conda reads NAME=1.2 as
// every 1.2.x, so Constraint says which it is.
func ParseConda(spec string) (Request, error) {
	r := Request{Pin: Pin{Kind: Conda}, Spec: spec}
	if err := checkDashes(spec); err != nil {
		return r, err
	}
	if strings.ContainsFunc(spec, func(c rune) bool { return c < ' ' || c > '~' }) {
		return r, fmt.Errorf("%q: a requirement has only printable ASCII, on one line", spec)
	}
	if strings.HasPrefix(spec, "git+") || strings.Contains(spec, "://") {
		return r, fmt.Errorf("%q is an address: conda takes packages from its channels; pip: takes git+URL@COMMIT",
			spec)
	}
	rest := strings.TrimSpace(spec)
	if channel, after, ok := strings.Cut(rest, "::"); ok {
		r.Channel, rest = strings.TrimSpace(channel), strings.TrimSpace(after)
	}
	m := condaHead.FindStringSubmatch(rest)
	if m == nil || !condaName.MatchString(m[1]) {
		return r, fmt.Errorf("%q is not a conda package: write NAME or NAME=VERSION", spec)
	}
	r.Name, rest = CanonicalName(Conda, m[1]), strings.TrimSpace(m[2])
	if strings.HasPrefix(rest, "[") && !strings.Contains(rest[:strings.IndexByte(rest+"]", ']')], "=") {
		return r, fmt.Errorf("%q: brackets after a name are extras only for pip; for conda list what the extra "+
			"needs, or move the pin to the pip list", spec)
	}
	if b := condaBrackets.FindStringSubmatchIndex(rest); b != nil {
		if err := r.condaKeys(rest[b[2]:b[3]]); err != nil {
			return r, fmt.Errorf("%q: %w", spec, err)
		}
		rest = strings.TrimSpace(rest[:b[0]])
	}
	return r, r.condaConstraint(rest)
}

// condaKeys reads what stands in brackets.
func (r *Request) condaKeys(text string) error {
	for text != "" {
		m := condaKeyValue.FindStringSubmatch(text)
		if m == nil {
			return fmt.Errorf("%q in brackets is not KEY=VALUE", strings.TrimSpace(text))
		}
		text = text[len(m[0]):]
		value := m[2] + m[3] + m[4]
		switch m[1] {
		case "version":
			if err := r.condaConstraint(value); err != nil {
				return err
			}
		case "build":
			r.Build = value
		case "channel":
			r.Channel = value
		default:
			return fmt.Errorf("driftpin can't lock by %s: use version, build or channel", m[1])
		}
	}
	return nil
}

// condaConstraint reads the version, and the build behind it.
func (r *Request) condaConstraint(text string) error {
	if text == "" {
		return nil
	}
	if r.Constraint != "" {
		return fmt.Errorf("%q gives a version twice: keep the one before the brackets or the one in them", r.Spec)
	}
	if m := condaBuild.FindStringSubmatch(text); m != nil && !strings.HasSuffix(strings.TrimSpace(m[1]), "=") &&
		strings.Trim(m[1], "=<>!~ ") != "" {
		text, r.Build = strings.TrimSpace(m[1]), m[2]
		if strings.HasPrefix(text, "=") && !strings.HasPrefix(text, "==") {
			text = "=" + text // with a build, = means exactly
		}
	}
	r.Constraint = strings.Join(strings.Fields(text), "")
	bare := strings.TrimLeft(r.Constraint, "=<>!~")
	switch {
	case branchLike.MatchString(r.Constraint):
		return fmt.Errorf("%q: %s is the name of a branch, not a version: conda takes released versions; pip: "+
			"takes git+URL@%s", r.Spec, bare, bare)
	case strings.HasSuffix(bare, "."):
		return fmt.Errorf("%q: the version ends with a dot: write %s or %s.*", r.Spec, strings.TrimRight(bare, "."),
			strings.TrimRight(bare, "."))
	}
	if _, err := version.Conda.Satisfies("0", r.Constraint); err != nil {
		return fmt.Errorf("%q: %w", r.Spec, err)
	}
	if exact := strings.TrimLeft(r.Constraint, "="); !strings.ContainsAny(exact, "*,|<>~=") {
		r.Version = exact
	}
	return nil
}

// MatchSpec is the request as conda reads it, put together from what was
// understood of it.
func (r Request) MatchSpec() string {
	s := r.Name
	if r.Channel != "" {
		s = r.Channel + "::" + s
	}
	if r.Constraint != "" || r.Build != "" {
		s += " " + cmp.Or(r.Constraint, "*")
	}
	if r.Build != "" {
		s += " " + r.Build
	}
	return s
}

// defaultChannel is where conda packages come from if no channel is named, as
// with repo2docker.
const defaultChannel = "conda-forge"

// channelName is the shape of a channel's name, such as conda-forge or
// pkgs/main.
var channelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)

// condaSubdirs are the names that conda has for platforms (CEP 36).
var condaSubdirs = map[string]string{"linux/amd64": "linux-64", "linux/arm64": "linux-aarch64"}
