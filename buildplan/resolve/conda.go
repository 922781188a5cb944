package resolve

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// A condaQuestion is what conda-resolve.py is asked.
type condaQuestion struct {
	Specs    []string         `json:"specs"`
	Channels []string         `json:"channels"`
	Subdir   string           `json:"subdir"`
	Prefer   []condaPackageID `json:"prefer"`
	Before   string           `json:"before"`
	Prefix   string           `json:"prefix"` // of an environment that is added to
	Locate   bool             `json:"locate"`
	List     bool             `json:"list"` // only say which versions there are of Specs, which are names
}

// A condaPackageID is the name, version, build and sha256 of one package.
type condaPackageID [4]string

// A condaAnswer is what it says.
type condaAnswer struct {
	Packages []condaPackage
	Channels map[string]string            // the address of each
	Versions map[string]map[string]string // of what is listed: the date of each
	Error    *condaError
}

type condaPackage struct {
	Name, Version, SHA256, File, URL string
	Size                             int64
	Held                             bool     // it is in the base
	Depends                          []string // names
}

type condaError struct {
	Text     string
	Versions map[string]map[string]string // of what was asked for: the date of each
	Near     map[string][]string          // of what no channel has: names like it
}

// subdirs are the names that conda has for platforms (CEP 36).
var subdirs = map[string]string{"linux/amd64": "linux-64", "linux/arm64": "linux-aarch64"}

// conda resolves what is asked of conda, and the Python that pip pins need.
func (r *resolution) conda(ctx context.Context) ([]pins.Artifact, error) {
	if len(r.query.Requests) == 0 {
		return nil, nil
	}
	q := condaQuestion{Specs: []string{}, Prefer: []condaPackageID{}, Channels: r.query.Channels,
		Subdir: subdirs[r.query.Platform]}
	for _, request := range r.query.Requests {
		q.Specs = append(q.Specs, request.MatchSpec())
	}
	if r.query.Python == pins.Install && r.request(steps.CondaPython) == nil {
		q.Specs = append(q.Specs, steps.CondaPython)
	}
	if !r.query.Before.IsZero() {
		q.Before = r.query.Before.Format(time.RFC3339)
	}
	for _, p := range r.query.Prefer {
		if p.Kind == pins.Conda {
			q.Prefer = append(q.Prefer, condaPackageID{p.Name, p.Version, p.Build, p.SHA256})
		}
	}
	if r.base.Extended {
		if err := r.checkHeldConda(ctx); err != nil {
			return nil, err
		}
		q.Prefix = r.base.Environment()
	}
	answer, err := r.askConda(ctx, "resolve conda: "+pins.Count(len(q.Specs), "requirement"), q)
	if err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, r.condaFailure(answer.Error)
	}
	return r.condaArtifacts(answer.Packages)
}

// askConda runs conda's solver once.
func (r *resolution) askConda(ctx context.Context, name string, q condaQuestion) (*condaAnswer, error) {
	g := r.ground()
	if err := r.uvForSteps().locateTool(ctx, steps.RattlerTool); err != nil {
		return nil, err
	}
	channels, err := r.session.Host.Channels()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	in := llb.Scratch().File(llb.Mkfile("/question.json", 0o644, data), llb.WithCustomName("write question.json"))
	options := steps.Step(name, []string{g.StepInterpreter(), "-B", steps.Dir + "conda-resolve.py",
		"/run/driftpin/question.json", host.ChannelsFile, "/out"},
		steps.Script("conda-resolve.py"), steps.Uncached(), llb.AddMount("/out", llb.Scratch()),
		llb.AddMount("/run/driftpin/question.json", in, llb.SourcePath("/question.json"), llb.Readonly),
		llb.AddMount("/var/cache/driftpin-rattler", llb.Scratch(),
			llb.AsPersistentCacheDir("driftpin-rattler-"+steps.RattlerTool.Version, llb.CacheMountShared)))
	options = slices.Concat(options, channels, g.Rattler())
	ref, err := r.talk.Solve(ctx, g.WithToolPython().Run(append(options,
		r.session.Host.Online()...)...).GetMount("/out"))
	if err != nil {
		return nil, fmt.Errorf("running conda's solver in the base: %w", err)
	}
	text, err := session.ReadFile(ctx, ref, "/", "answer.json")
	if err != nil {
		return nil, err
	}
	return parseCondaAnswer(text)
}

// parseCondaAnswer reads what conda-resolve.py says.
func parseCondaAnswer(text []byte) (*condaAnswer, error) {
	var answer condaAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("can't read the answer of conda's solver: %w", err)
	}
	return &answer, nil
}

// condaArtifacts turns the solver's answer into a lock's lines.
func (r *resolution) condaArtifacts(packages []condaPackage) (out []pins.Artifact, err error) {
	by := map[string][]string{}
	for _, p := range packages {
		for _, d := range p.Depends {
			by[d] = append(by[d], p.Name)
		}
	}
	for _, p := range packages {
		if p.Held {
			if a := r.heldArtifact(pins.Conda, p.Name, p.Version, by[p.Name]); len(a.By)+len(a.Roots) > 0 {
				out = append(out, a)
			}
			continue
		}
		if p.SHA256 == "" {
			return nil, fmt.Errorf("the channel gives no sha256 for %s, and driftpin can't lock a file without one",
				path.Base(p.File))
		}
		if err := r.session.Files.Remember(p.SHA256, p.URL); err != nil {
			return nil, err
		}
		a := pins.Artifact{Pin: pins.New(pins.Conda, p.Name, p.Version), Platform: r.query.Platform, File: p.File,
			SHA256: p.SHA256, Size: p.Size, Use: pins.Install, By: by[p.Name]}
		if r.request(a.Name) != nil {
			a.Roots = append(a.Roots, pins.PinRoot)
		}
		if a.Name == steps.CondaPython && r.query.Python == pins.Install {
			a.Roots = append(a.Roots, pins.PythonRoot)
		}
		out = append(out, a)
	}
	return out, nil
}

// condaFailure words why conda's solver found nothing.
func (r *resolution) condaFailure(e *condaError) error {
	if e.Versions == nil {
		return &session.UnreachableError{Err: fmt.Errorf("the engine can't read a conda channel (%s; their addresses come from "+
			".condarc and $CONDA_CHANNEL_ALIAS of this machine): %s",
			strings.Join(r.query.Channels, ", "), r.session.Host.Scrub(strings.TrimSpace(e.Text)))}
	}
	var messages []string
	for _, name := range slices.Sorted(maps.Keys(e.Near)) {
		hint := "; is the name spelled as conda spells it, with - or _?"
		if len(e.Near[name]) > 0 {
			hint = ": did you mean " + e.Near[name][0] + "?"
		}
		messages = append(messages, r.at(name, "no channel (%s) has a package %s%s", strings.Join(r.query.Channels,
			", "), name, hint).Error())
	}
	if len(messages) > 0 {
		return errorLines(messages)
	}
	for _, q := range r.query.Requests {
		if text := r.noSuchVersion(q, e.Versions[q.Name]); text != "" {
			return &pins.NoSolution{Text: fmt.Sprintf("%s: %s", q.At, text)}
		}
	}
	text := r.session.Host.Scrub(strings.TrimSpace(e.Text))
	return r.together("the conda pins", text)
}

// noSuchVersion says that there is no version that a request asks for, or none
// so old; empty if there is. versions are all that there are, with dates.
func (r *resolution) noSuchVersion(q pins.Request, versions map[string]string) string {
	if q.Constraint == "" {
		return ""
	}
	soonest := ""
	for v, date := range versions {
		if ok, err := q.Kind.Scheme().Satisfies(v, q.Constraint); err != nil || !ok {
			continue
		}
		published, err := time.Parse(time.DateOnly, date[:min(len(date), len(time.DateOnly))])
		if err != nil || r.query.Before.IsZero() || published.Before(r.query.Before) {
			return ""
		}
		if soonest == "" || date < soonest {
			soonest = date
		}
	}
	if soonest != "" {
		return fmt.Sprintf("%s %s is newer than as-of: it was published on %s", q.Name, q.Constraint, soonest)
	}
	text := fmt.Sprintf("%s has no version %s", q.Name, q.Constraint)
	below, above := q.Kind.Scheme().Nearest(q.Version, slices.Collect(maps.Keys(versions)))
	if near := slices.DeleteFunc([]string{below, above}, func(v string) bool { return v == "" }); q.Version != "" &&
		len(near) > 0 {
		text += ": the nearest: " + strings.Join(near, " and ")
	}
	return text
}

// locateConda remembers the addresses of locked packages of conda's.
func (r *resolution) locateConda(ctx context.Context, packages []pins.Artifact) error {
	q := condaQuestion{Specs: []string{}, Prefer: []condaPackageID{}, Subdir: subdirs[r.query.Platform], Locate: true}
	for _, a := range packages {
		if !slices.Contains(q.Channels, a.Channel) {
			q.Channels = append(q.Channels, a.Channel)
		}
	}
	answer, err := r.askConda(ctx, "find conda's channels", q)
	if err != nil {
		return err
	}
	for _, a := range packages {
		if base := answer.Channels[a.Channel]; base != "" {
			if err := r.session.Files.Remember(a.SHA256, base+strings.TrimPrefix(a.File, a.Channel)); err != nil {
				return err
			}
		}
	}
	return nil
}
