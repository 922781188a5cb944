package buildplan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// A pipSolve is one solve by uv, and the wheels that have to be built for it.
type pipSolve struct {
	*resolution
	python      llb.State
	interpreter string // the Python in it
	// condas are conda's packages; brought are the distributions that they, or an
	// extended base, bring, and stand the wheels that stand for those while uv
	// solves.
	condas  []pins.Artifact
	brought []distribution
	stand   llb.State
	// built are the wheels made so far: of git requirements, and of packages
	// that have only a source distribution.
	built map[string]*wheelBuild
	tools []pins.Artifact // the toolchain, once it is needed
	// uvMount shows uv to steps, while its address is not known.
	uvMount llb.RunOption
}

// pip resolves what is asked of pip. No code of a package runs with a network:
// uv is told to build nothing. A package that has only a source distribution
// is first taken to require nothing; then its wheel is built, offline, and uv
// solves again with what the wheel's metadata says, until nothing new is said.
func (r *resolution) pip(ctx context.Context) ([]pins.Artifact, error) {
	if len(r.query.Requests) == 0 {
		return nil, nil
	}
	s := r.newPipSolve()
	if err := s.locateTool(ctx, steps.UvTool); err != nil {
		return nil, err
	}
	if err := s.learnBrought(ctx); err != nil {
		return nil, err
	}
	requirements, err := s.gitWheels(ctx)
	if err != nil {
		return nil, err
	}
	sources := map[string]*source{}
	for {
		answer, missing, err := s.ask(ctx, requirements, sources, r.query.Prefer)
		if err != nil {
			return nil, err
		}
		if missing != "" {
			sources[missing] = &source{}
			continue
		}
		more, err := s.buildSources(ctx, answer, sources)
		if err != nil {
			return nil, err
		}
		if !more {
			return s.artifacts(ctx, answer)
		}
	}
}

// A source is what is known of a package that has only a source distribution.
type source struct {
	version  string
	requires []string
}

// newPipSolve returns a solve in the base with the Python that the environment
// will run on.
func (r *resolution) newPipSolve() *pipSolve {
	s := &pipSolve{resolution: r, built: map[string]*wheelBuild{}, stand: llb.Scratch()}
	s.condas = steps.CondaPackages(r.query.Below)
	g := s.ground(nil)
	s.python, s.interpreter = g.WithEnvironmentPython(), g.Interpreter()
	return s
}

// ground has the environment's Python, and compilers.
func (s *pipSolve) ground(compilers []pins.Artifact) steps.Ground {
	return steps.EnvironmentGround(s.Base, s.query.Platform, s.query.Below, compilers)
}

// onConda reports whether the environment's Python is conda's.
func (s *pipSolve) onConda() bool { return len(s.condas) > 0 }

// learnBrought finds out what conda's packages bring, so that uv takes it for
// given, and refuses pins that ask for it again.
func (s *pipSolve) learnBrought(ctx context.Context) (err error) {
	if s.Base.Extended {
		if err := s.learnHeld(ctx); err != nil {
			return err
		}
	}
	over, err := s.laidOver(ctx)
	if err != nil {
		return err
	}
	var replacing []string
	for i, q := range s.query.Requests {
		if over[q.Name] {
			s.query.Requests[i].Replaces = q.Over
		}
		if s.query.Requests[i].Replaces != "" {
			replacing = append(replacing, q.Name)
		}
	}
	brought, stand, err := s.condaProvides(ctx, s.condas, replacing)
	if err != nil {
		return err
	}
	s.stand = llb.Merge([]llb.State{s.stand, stand}, llb.WithCustomName("what stands for what is there"))
	replaced := map[string]bool{}
	brought = slices.DeleteFunc(brought, func(d distribution) bool {
		q := s.request(d.name)
		if q != nil && q.Replaces == d.owner {
			replaced[q.Name] = true
			if !d.recorded && err == nil {
				err = fmt.Errorf("%s: replaces: conda's %s does not tell which files of it are %s's (there is no RECORD): they can't give way to pip's", q.At, d.owner, d.name)
			}
		} else if q != nil && q.Over != d.owner && err == nil {
			err = s.alreadyThere(q, d)
		}
		return replaced[d.name]
	})
	for _, q := range s.query.Requests {
		if q.Replaces != "" && !replaced[q.Name] && err == nil {
			err = fmt.Errorf("%s: replaces: no conda package %s with a Python distribution %s is locked", q.At, q.Replaces, q.Name)
		}
	}
	s.brought = append(s.brought, brought...)
	return err
}

// laidOver are the pip pins, of those that conda is asked for as well, for which
// what conda brings does not do: pip's are laid over it, as pip does.
func (s *pipSolve) laidOver(ctx context.Context) (map[string]bool, error) {
	over := map[string]bool{}
	if !slices.ContainsFunc(s.query.Requests, func(q pins.Request) bool { return q.Over != "" }) {
		return over, nil
	}
	s.query.Requests = slices.Clone(s.query.Requests)
	brought, _, err := s.condaProvides(ctx, s.condas, nil)
	for _, d := range brought {
		if q := s.request(d.name); q != nil && q.Over == d.owner {
			met, bad := pins.Satisfies(pins.Pip, d.version, q.Constraint)
			over[q.Name] = q.Git != nil || len(q.Extras) > 0 || bad != nil || !met
		}
	}
	return over, err
}

// alreadyThere words that what a pin asks pip for is brought by conda's packages,
// or by an extended base.
func (s *pipSolve) alreadyThere(q *pins.Request, d distribution) error {
	if d.owner == "" {
		return s.heldOtherwise(q, d.name, d.version)
	}
	return fmt.Errorf("%s: conda's %s brings %s %s already, and pip would install its own over it: take this pin out, or ask conda for that version, or, if it has to be pip's, write replaces: %s on this pin",
		q.At, d.owner, d.name, d.version, d.owner)
}

// An answer is uv's.
type answer struct {
	packages []candidate
	by       map[string][]string
}

// ask has uv solve. If it finds that a package has no wheel, that package is
// returned as missing.
func (s *pipSolve) ask(ctx context.Context, requirements []string, sources map[string]*source, prefer []pins.Artifact) (*answer, string, error) {
	options := []string{"--only-binary", ":all:"}
	var known strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		options = append(options, "--no-binary", name)
		fmt.Fprintf(&known, "[[dependency-metadata]]\nname = %q\n", name)
		if sources[name].version != "" {
			fmt.Fprintf(&known, "version = %q\n", sources[name].version)
		}
		fmt.Fprintf(&known, "requires-dist = [%s]\n", quoteAll(sources[name].requires))
	}
	var preferences strings.Builder
	for _, p := range prefer {
		if p.Kind == pins.Pip && p.Use == pins.Install && p.Commit == "" {
			fmt.Fprintf(&preferences, "%s==%s\n", p.Name, p.Version)
		}
	}
	text, failure, err := s.runUv(ctx, uvQuestion{requirements, options, s.query.Before, known.String(), preferences.String(), s.brought})
	if err != nil {
		return nil, "", err
	}
	if failure != "" {
		if m := noWheel.FindStringSubmatch(failure); m != nil && sources[m[1]] == nil {
			return nil, pins.CanonicalName(pins.Pip, m[1]), nil
		}
		return nil, "", s.uvFailure(failure)
	}
	packages, err := parsePylock([]byte(text["pylock.toml"]), s.query.Platform, s.allowed)
	packages = slices.DeleteFunc(packages, func(c candidate) bool {
		return slices.ContainsFunc(s.brought, func(d distribution) bool { return d.name == c.Name })
	})
	var none *noFileError
	if errors.As(err, &none) {
		err = s.at(none.name, "%w", err)
	}
	if err != nil {
		return nil, "", err
	}
	return &answer{packages, parseVia(text["requirements.txt"])}, "", nil
}

// allowed reports whether a file of a package may be taken: where a requirement
// has hashes, its file has one of them (pip's documentation, "Secure installs").
// Files are known by sha256, so a hash by another algorithm allows none.
func (s *pipSolve) allowed(name, sha256 string) bool {
	q := s.request(name)
	return q == nil || len(q.Hashes) == 0 || slices.Contains(q.Hashes, "sha256:"+sha256)
}

// A uvQuestion is what uv is asked.
type uvQuestion struct {
	requirements []string
	options      []string
	before       time.Time // nothing newer; zero: no limit
	known        string    // uv.toml: what is known of packages
	preferences  string    // NAME==VERSION, one a line: what to stay with
	given        []distribution
}

// runUv asks uv once and returns the files it wrote, or why it failed.
func (s *pipSolve) runUv(ctx context.Context, q uvQuestion) (files map[string]string, failure string, err error) {
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
	args := append([]string{"/bin/sh", steps.Dir + "uv-resolve.sh", steps.UvPath, s.interpreter, "/run/driftpin/in", "/out"}, q.options...)
	run := steps.Step(fmt.Sprintf("resolve pip: %d requirements", len(q.requirements)), args,
		steps.Script("uv-resolve.sh"), s.uv(), steps.Uncached(),
		llb.AddMount("/run/driftpin/in", in), llb.AddMount("/out", llb.Scratch()),
		llb.AddMount("/var/cache/driftpin-uv", llb.Scratch(), llb.AsPersistentCacheDir("driftpin-uv-"+steps.UvTool.Version, llb.CacheMountShared)))
	if len(q.given) > 0 {
		run = append(run, llb.AddMount("/run/driftpin/given", s.stand, llb.Readonly))
	}
	for _, name := range slices.Sorted(maps.Keys(s.built)) {
		if w := s.built[name]; w.git {
			run = append(run, llb.AddMount(steps.WheelsDir+w.File, w.state, llb.SourcePath("/"+w.File), llb.Readonly))
		}
	}
	ref, err := solve(ctx, s.gateway, s.python.Run(append(run, s.host.Online()...)...).GetMount("/out"), s.query.Platform)
	if err != nil {
		return nil, "", fmt.Errorf("running uv in the base: %w", err)
	}
	files = map[string]string{}
	for _, name := range []string{"requirements.txt", "pylock.toml", "error.txt"} {
		data, err := readFile(ctx, ref, "/", name)
		if err != nil {
			return nil, "", err
		}
		files[name] = string(data)
	}
	return files, files["error.txt"], nil
}

func (s *pipSolve) uv() llb.RunOption {
	if s.uvMount != nil {
		return s.uvMount
	}
	return s.ground(nil).Uv(s.python)
}

// buildSources builds the wheels of the answer's source distributions, and
// reports whether one of them said something new.
func (s *pipSolve) buildSources(ctx context.Context, a *answer, sources map[string]*source) (more bool, err error) {
	for _, c := range a.packages {
		if !c.sdist {
			continue
		}
		if err := s.files.Remember(c.SHA256, c.url); err != nil {
			return false, err
		}
		known := sources[c.Name]
		if known == nil {
			known = &source{}
			sources[c.Name] = known
		}
		if w := s.built[c.Name]; w == nil || w.Version != c.Version {
			w, err := s.buildSdist(ctx, c.Artifact)
			if err != nil {
				return false, ofWheel(err, "%s%s: building it from %s", s.placeOf(a, c.Name), c.Name, c.File)
			}
			s.built[c.Name] = w
		}
		if w := s.built[c.Name]; known.version != c.Version || !slices.Equal(known.requires, w.requires) {
			known.version, known.requires = c.Version, w.requires
			more = true
		}
	}
	return more, nil
}

// placeOf is the place of the pin that a package is there for, and what leads from
// that to it; empty if no pin does.
func (s *pipSolve) placeOf(a *answer, name string) string {
	next := map[string]string{name: ""}
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		if q := s.request(queue[0]); q != nil {
			place := q.At.String() + ": "
			for at := queue[0]; at != name; at = next[at] {
				place += at + " → "
			}
			return place
		}
		for _, by := range a.by[queue[0]] {
			if _, seen := next[by]; !seen {
				next[by] = queue[0]
				queue = append(queue, by)
			}
		}
	}
	return ""
}

// artifacts turns the last answer into a lock's lines.
func (s *pipSolve) artifacts(ctx context.Context, a *answer) ([]pins.Artifact, error) {
	var out []pins.Artifact
	for _, c := range a.packages {
		art := c.Artifact
		if w := s.built[c.Name]; w != nil {
			art.File, art.SHA256, art.Size, art.From, art.Commit = w.File, w.SHA256, w.Size, w.From, w.Commit
			art.Version = w.Version
			out = append(out, w.inputs...)
		} else if err := s.files.Remember(c.SHA256, c.url); err != nil {
			return nil, err
		}
		art.By = a.by[c.Name]
		if s.asked(art) {
			art.Roots = []pins.Root{pins.PinRoot}
		}
		out = append(out, art)
	}
	out = append(out, s.held(a)...)
	if len(s.built) > 0 {
		out = append(out, s.tools...)
	}
	return mergeInputs(out), nil
}

// asked reports whether the manifest itself asks for an artifact.
func (s *pipSolve) asked(a pins.Artifact) bool {
	w := s.built[a.Name]
	return w != nil && w.git || s.request(a.Name) != nil
}

// mergeInputs makes one line of build requirements that several wheels share.
func mergeInputs(artifacts []pins.Artifact) []pins.Artifact {
	type id struct {
		name, file string
		use        pins.Use
	}
	at := map[id]int{}
	var out []pins.Artifact
	for _, a := range artifacts {
		key := id{a.Name, a.File, a.Use}
		if i, ok := at[key]; ok {
			out[i].By = append(out[i].By, a.By...)
			continue
		}
		at[key] = len(out)
		out = append(out, a)
	}
	return out
}

// uvFailure words why uv found no solution.
func (s *pipSolve) uvFailure(text string) error {
	explanation := s.host.Scrub(tidy(text))
	if unreachable.MatchString(explanation) {
		return fmt.Errorf("the engine can't reach the package index, or is not let in (it is named by UV_DEFAULT_INDEX, uv.toml or pip.conf of this machine): %s", explanation)
	}
	if m := notFound.FindStringSubmatch(explanation); m != nil {
		name := pins.CanonicalName(pins.Pip, m[1])
		hint := "; is the name spelled as the index spells it?"
		if near := pins.SuggestName(pins.Pip, name, nil); near != "" {
			hint = ": did you mean " + near + "?"
		}
		return s.at(name, "no index has a package %s%s", name, hint)
	}
	if m := noSuchVersion.FindStringSubmatch(explanation); m != nil && strings.HasPrefix(m[2], "==") {
		name, version := pins.CanonicalName(pins.Pip, m[1]), strings.TrimPrefix(m[2], "==")
		if s.request(name) != nil {
			if late := publishedAt.FindStringSubmatch(explanation + " "); late != nil {
				return s.at(name, "%s %s is newer than as-of: it was published on %s (bump takes --as-of): %w", name, version, late[1], ErrNoSolution)
			}
			return s.at(name, "%s has no version %s: look for a typing error, or for the number of a sibling package: %w", name, version, ErrNoSolution)
		}
	}
	return fmt.Errorf("the pip pins can't be met together: %w\n%s%s", ErrNoSolution, explanation, s.places(explanation))
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = fmt.Sprintf("%q", t)
	}
	return strings.Join(quoted, ", ")
}
