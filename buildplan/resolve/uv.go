package resolve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/pylock"
	"github.com/moby/buildkit/client/llb"
)

// A uv asks uv, on some Python in the base.
type uv struct {
	r           *resolution
	ground      steps.Ground
	python      llb.State
	interpreter string        // the Python in it
	mounted     llb.RunOption // shows uv to steps while its address is not known; else nil
}

// uvForSteps asks on a Python for steps: for tools that come before the
// environment's Python is known.
func (r *resolution) uvForSteps() *uv {
	g := r.ground()
	return &uv{r: r, ground: g, python: g.WithStepPython(), interpreter: g.StepInterpreter()}
}

// uvForEnvironment asks on the Python that the environment runs on.
func (r *resolution) uvForEnvironment() *uv {
	g := steps.EnvironmentGround(r.base, r.query.Platform, r.query.Below, nil)
	return &uv{r: r, ground: g, python: g.WithEnvironmentPython(), interpreter: g.Interpreter()}
}

// A uvQuestion is what uv is asked.
type uvQuestion struct {
	requirements []string
	options      []string
	before       time.Time // nothing newer; zero: no limit
	known        string    // uv.toml: what is known of packages
	preferences  string    // NAME==VERSION, one a line: what to stay with
	given        []distribution
	stand        llb.State            // holds a wheel for each of given
	wheels       map[string]llb.State // built ones, by file: each state holds it
}

// run asks uv once and returns the files it wrote, or why it failed.
func (u *uv) run(ctx context.Context, q uvQuestion) (files map[string]string, failure string, err error) {
	var given strings.Builder
	for _, d := range q.given {
		fmt.Fprintf(&given, "%s==%s\n", d.name, d.version)
	}
	if !q.before.IsZero() {
		q.options = append(slices.Clone(q.options), "--exclude-newer", q.before.Format(time.RFC3339))
	}
	in := llb.Scratch().File(llb.Mkfile("/requirements.in", 0o644, []byte(strings.Join(q.requirements, "\n")+"\n")).
		Mkfile("/preferences.txt", 0o644, []byte(q.preferences)).
		Mkfile("/given.txt", 0o644, []byte(given.String())).
		Mkfile("/uv.toml", 0o644, []byte(q.known)), llb.WithCustomName("write requirements.in"))
	args := append([]string{"/bin/sh", steps.Dir + "uv-resolve.sh", steps.UvPath, u.interpreter, "/run/driftpin/in",
		"/out"}, q.options...)
	run := steps.Step("resolve pip: "+pins.Count(len(q.requirements), "requirement"), args,
		steps.Script("uv-resolve.sh"), u.mount(), steps.Uncached(),
		llb.AddMount("/run/driftpin/in", in), llb.AddMount("/out", llb.Scratch()),
		llb.AddMount("/var/cache/driftpin-uv", llb.Scratch(),
			llb.AsPersistentCacheDir("driftpin-uv-"+steps.UvTool.Version, llb.CacheMountShared)))
	if len(q.given) > 0 {
		run = append(run, llb.AddMount("/run/driftpin/given", q.stand, llb.Readonly))
	}
	for _, file := range slices.Sorted(maps.Keys(q.wheels)) {
		run = append(run, llb.AddMount(steps.WheelsDir+file, q.wheels[file], llb.SourcePath("/"+file), llb.Readonly))
	}
	ref, err := u.r.talk.Solve(ctx, u.python.Run(append(run, u.r.session.Host.Online()...)...).GetMount("/out"))
	if err != nil {
		return nil, "", fmt.Errorf("running uv in the base: %w", err)
	}
	files = map[string]string{}
	for _, name := range []string{"requirements.txt", "pylock.toml", "error.txt"} {
		data, err := session.ReadFile(ctx, ref, "/", name)
		if err != nil {
			return nil, "", err
		}
		files[name] = string(data)
	}
	return files, files["error.txt"], nil
}

// mount shows uv to a step.
func (u *uv) mount() llb.RunOption {
	if u.mounted != nil {
		return u.mounted
	}
	return u.ground.Uv(u.python)
}

// locateWheels asks uv for the addresses of wheels and source distributions.
func (u *uv) locateWheels(ctx context.Context, files []pins.Artifact) error {
	if err := u.locateTool(ctx, steps.UvTool); err != nil {
		return err
	}
	// A name has one version a question: a wheel's build requirement may be
	// installed in another version.
	for len(files) > 0 {
		var requirements, options []string
		var later []pins.Artifact
		asked := map[string]bool{}
		options = append(options, "--no-deps")
		for _, f := range files {
			if asked[f.Name] {
				later = append(later, f)
				continue
			}
			asked[f.Name] = true
			requirements = append(requirements, f.Name+"=="+f.Version)
			if !strings.HasSuffix(f.File, ".whl") {
				options = append(options, "--no-binary", f.Name)
			} else {
				options = append(options, "--only-binary", f.Name)
			}
		}
		if err := u.rememberThere(ctx, requirements, options, files); err != nil {
			return err
		}
		files = later
	}
	return nil
}

// errNotThere is wrapped by the error for files that the index does not have.
var errNotThere = errors.New("the index does not have them")

// rememberThere asks for files of which some may be gone: one that is makes uv
// refuse all, so halves are asked for then, and what is refused alone is gone.
func (u *uv) rememberThere(ctx context.Context, requirements, options []string, files []pins.Artifact) error {
	err := u.rememberFiles(ctx, requirements, options, files)
	if err == nil || !errors.Is(err, errNotThere) {
		return err
	}
	if len(requirements) == 1 {
		return nil
	}
	half := len(requirements) / 2
	if err := u.rememberThere(ctx, requirements[:half], options, files); err != nil {
		return err
	}
	return u.rememberThere(ctx, requirements[half:], options, files)
}

// rememberFiles asks uv for files and remembers where they are. uv must not
// build, so what it is told of packages without wheels is that they require
// nothing.
func (u *uv) rememberFiles(ctx context.Context, requirements, options []string, files []pins.Artifact) error {
	var known strings.Builder
	for _, f := range files {
		if !strings.HasSuffix(f.File, ".whl") {
			fmt.Fprintf(&known, "[[dependency-metadata]]\nname = %q\nrequires-dist = []\n", f.Name)
		}
	}
	text, failure, err := u.run(ctx, uvQuestion{requirements: requirements, options: options, known: known.String()})
	if err != nil {
		return err
	}
	switch said := u.r.session.Host.Scrub(tidy(failure)); {
	case said == "":
	case unreachable.MatchString(said):
		return u.failure(failure)
	default:
		return fmt.Errorf("finding the locked files in the index: %s (%w)", said, errNotThere)
	}
	lock, err := pylock.Parse([]byte(text["pylock.toml"]))
	if err != nil {
		return fmt.Errorf("can't read uv's answer: %w", err)
	}
	for _, there := range lock.Files() {
		sum := there.SHA256()
		if err := u.r.session.Files.Remember(sum, there.URL); err != nil {
			return err
		}
		for _, f := range files {
			if f.File == there.FileName() && f.SHA256 != sum {
				u.r.others[f.SHA256] = sum
			}
		}
	}
	return nil
}

// locateTool sees to it that a tool's own wheel can be fetched. The first time
// uv comes by way of pip, which the base's apt has; that uv then says where its
// wheel lies, and where others' do.
func (u *uv) locateTool(ctx context.Context, t steps.Tool) error {
	wheel := t.Artifact(u.r.query.Platform)
	if wheel.File == "" {
		return fmt.Errorf("driftpin has no %s for %s", t.Name, u.r.query.Platform)
	}
	if u.r.known(wheel.SHA256) {
		return nil
	}
	if t.Name != steps.UvTool.Name {
		if err := u.locateTool(ctx, steps.UvTool); err != nil {
			return err
		}
		return u.rememberFiles(ctx, []string{t.Name + "==" + t.Version}, []string{"--no-deps", "--only-binary",
			":all:"}, nil)
	}
	options := steps.Step("fetch uv, the first time by pip", []string{"/bin/sh", steps.Dir + "uv-fetch.sh", t.Version,
		wheel.SHA256, "/out"},
		steps.Script("uv-fetch.sh"), llb.AddMount("/out", llb.Scratch()))
	fetched := u.python.Run(append(options, u.r.session.Host.Online()...)...).GetMount("/out")
	u.mounted = steps.MountUv(u.ground.Unpack(u.python, u.interpreter, fetched, wheel))
	defer func() { u.mounted = nil }()
	return u.rememberFiles(ctx, []string{t.Name + "==" + t.Version}, []string{"--no-deps", "--only-binary", ":all:"},
		nil)
}

// ErrNoPackage says that the index of Python's packages answers, and does not have one.
var ErrNoPackage = errors.New("no index has a package")

// failure words why uv found no solution.
func (u *uv) failure(text string) error {
	explanation := u.r.session.Host.Scrub(tidy(text))
	if unreachable.MatchString(explanation) {
		return &session.UnreachableError{Err: fmt.Errorf("the engine can't reach the package index, or the index refuses "+
			"access (its address comes from UV_DEFAULT_INDEX, uv.toml or pip.conf of this machine): %s", explanation)}
	}
	if m := notFound.FindStringSubmatch(explanation); m != nil {
		name := pins.CanonicalName(pins.Pip, m[1])
		hint := "; is the name spelled as the index spells it?"
		if near := pins.SuggestName(pins.Pip, name, nil); near != "" {
			hint = ": did you mean " + near + "?"
		}
		return u.r.at(name, "%w %s%s", ErrNoPackage, name, hint)
	}
	if m := noSuchVersion.FindStringSubmatch(explanation); m != nil && strings.HasPrefix(m[2], "==") {
		name, version := pins.CanonicalName(pins.Pip, m[1]), strings.TrimPrefix(m[2], "==")
		if u.r.request(name) != nil {
			if late := publishedAt.FindStringSubmatch(explanation + " "); late != nil {
				return u.r.none(name, "%s %s is newer than as-of: it was published on %s (bump takes --as-of)", name,
					version, late[1])
			}
			return u.r.none(name, "%s has no version %s: check the spelling; %s may be the version of a related package",
				name, version, version)
		}
	}
	return u.r.together("the pip pins", explanation)
}

// only returns the version that one requirement leads to, without what it
// requires; empty if there is none.
func (u *uv) only(ctx context.Context, requirement string, options ...string) (string, error) {
	files, failure, err := u.run(ctx, uvQuestion{requirements: []string{requirement},
		options: append(options, "--no-deps"), before: u.r.query.Before})
	if err != nil || failure != "" {
		return "", err
	}
	for _, line := range strings.Split(files["requirements.txt"], "\n") {
		if _, version, ok := strings.Cut(strings.Fields(line + " x")[0], "=="); ok {
			return version, nil
		}
	}
	return "", nil
}

// releases is one question of Releases. uv must not build, so packages without
// wheels are taken to require nothing.
func (u *uv) releases(ctx context.Context, requirements map[string]string) (map[string]pins.Release, error) {
	found := map[string]pins.Release{}
	for len(requirements) > 0 {
		var lines []string
		var known strings.Builder
		for _, name := range slices.Sorted(maps.Keys(requirements)) {
			lines = append(lines, name+requirements[name])
			fmt.Fprintf(&known, "[[dependency-metadata]]\nname = %q\nrequires-dist = []\n", name)
		}
		files, failure, err := u.run(ctx, uvQuestion{requirements: lines, options: []string{"--no-deps"},
			before: u.r.query.Before, known: known.String()})
		if err != nil {
			return nil, err
		}
		if failure == "" {
			packages, err := parsePylock([]byte(files["pylock.toml"]), u.r.query.Platform, nil)
			for _, c := range packages {
				found[c.Name] = pins.Release{Version: c.Version, Published: c.uploaded}
			}
			return found, err
		}
		m := noSuchVersion.FindStringSubmatch(tidy(failure) + " ")
		if m == nil || requirements[pins.CanonicalName(pins.Pip, m[1])] == "" {
			return nil, u.failure(failure)
		}
		requirements = maps.Clone(requirements)
		delete(requirements, pins.CanonicalName(pins.Pip, m[1]))
	}
	return found, nil
}
