package resolve

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// An npmQuestion is what npm-resolve.js is asked.
type npmQuestion struct {
	Requirements map[string]string `json:"requirements"`
	Prefer       map[string]string `json:"prefer"`
	Before       string            `json:"before"`
	Locate       map[string]string `json:"locate,omitempty"` // only say where these versions are
	List         []string          `json:"list,omitempty"`   // only say which versions there are of these
}

// An npmAnswer is what npm-resolve.js says.
type npmAnswer struct {
	Packages []struct {
		Place, Name, Version, URL, SHA256 string
		Size                              int64
		By                                []string // places
	}
	Versions map[string]map[string]string // of what is listed, with dates
	Error    *struct {
		Code, Text, Name string
		Versions         map[string]string // of Name, with dates
	}
}

// npm resolves what is asked of npm.
func (r *resolution) npm(ctx context.Context) ([]pins.Artifact, error) {
	question := npmQuestion{Requirements: map[string]string{}, Prefer: map[string]string{}}
	for _, q := range r.query.Requests {
		question.Requirements[q.Name] = q.Constraint
	}
	for name, versions := range npmVersions(r.query.Prefer) {
		if len(versions) == 1 {
			question.Prefer[name] = versions[0]
		}
	}
	if !r.query.Before.IsZero() {
		question.Before = r.query.Before.Format(time.RFC3339)
	}
	text, err := r.askNpm(ctx, "resolve npm: "+pins.Count(len(question.Requirements), "requirement"), question)
	if err != nil {
		return nil, err
	}
	return r.npmArtifacts(text)
}

// askNpm runs npm-resolve.js once, and returns what it says.
func (r *resolution) askNpm(ctx context.Context, name string, q npmQuestion) ([]byte, error) {
	if err := r.uvForSteps().locateTool(ctx, steps.NodeTool); err != nil {
		return nil, err
	}
	g := r.ground()
	in := llb.Scratch().File(llb.Mkfile("/question.json", 0o644, steps.JSON(q)),
		llb.WithCustomName("write question.json"))
	options := steps.Step(name, []string{steps.NodePath, steps.Dir + "npm-resolve.js", steps.NpmPath,
		"/run/driftpin/question.json", "/out"},
		steps.Script("npm-resolve.js"), g.Npm(), steps.Uncached(), llb.AddMount("/out", llb.Scratch()),
		llb.AddMount("/run/driftpin/question.json", in, llb.SourcePath("/question.json"), llb.Readonly),
		llb.AddMount("/var/cache/driftpin-npm", llb.Scratch(),
			llb.AsPersistentCacheDir("driftpin-npm-"+steps.NodeTool.Version, llb.CacheMountShared)))
	ref, err := r.talk.Solve(ctx, g.WithStepPython().Run(slices.Concat(options, r.session.Host.Registry(),
		r.session.Host.Online())...).GetMount("/out"))
	if err != nil {
		return nil, fmt.Errorf("running npm in the base: %w", err)
	}
	return session.ReadFile(ctx, ref, "/", "answer.json")
}

// locateNpm remembers the addresses of locked packages of npm's.
func (r *resolution) locateNpm(ctx context.Context, packages []pins.Artifact) error {
	// A name has one version a question.
	for versions := npmVersions(packages); len(packages) > 0 && len(versions) > 0; {
		q := npmQuestion{Locate: map[string]string{}}
		for name, left := range versions {
			q.Locate[name] = left[0]
			if versions[name] = left[1:]; len(left) == 1 {
				delete(versions, name)
			}
		}
		text, err := r.askNpm(ctx, fmt.Sprintf("find %s of npm", pins.Count(len(q.Locate), "package")), q)
		if err != nil {
			return err
		}
		var answer struct{ Addresses map[string]string }
		if err := json.Unmarshal(text, &answer); err != nil {
			return fmt.Errorf("can't read npm's answer: %w", err)
		}
		for _, a := range packages {
			if url := answer.Addresses[a.Name+"@"+a.Version]; url != "" {
				if err := r.session.Files.Remember(a.SHA256, url); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// npmVersions are the versions of npm's packages in a lock, by name.
func npmVersions(artifacts []pins.Artifact) map[string][]string {
	found := map[string][]string{}
	for _, a := range artifacts {
		if a.Kind == pins.Npm && !slices.Contains(found[a.Name], a.Version) {
			found[a.Name] = append(found[a.Name], a.Version)
		}
	}
	return found
}

// npmArtifacts turns npm's answer into a lock's lines.
func (r *resolution) npmArtifacts(text []byte) (out []pins.Artifact, err error) {
	var answer npmAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("can't read npm's answer: %w", err)
	}
	if answer.Error != nil {
		return nil, r.npmFailure(&answer)
	}
	names := map[string]string{}
	for _, p := range answer.Packages {
		names[p.Place] = p.Name
	}
	for _, p := range answer.Packages {
		if err := r.session.Files.Remember(p.SHA256, p.URL); err != nil {
			return nil, err
		}
		a := pins.Artifact{Pin: pins.New(pins.Npm, p.Name, p.Version), Platform: r.query.Platform, SHA256: p.SHA256,
			Size: p.Size, Use: pins.Install}
		a.File = path.Join(p.Place, path.Base(p.Name)+"-"+p.Version+".tgz")
		for _, place := range p.By {
			a.By = append(a.By, names[place])
		}
		if r.request(p.Name) != nil && p.Place == "node_modules/"+p.Name {
			a.Roots = []pins.Root{pins.PinRoot}
		}
		out = append(out, a)
	}
	return out, nil
}

// npmUnreachable are the codes with which npm says that a registry did not answer, or
// refused access.
var npmUnreachable = []string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ERR_SOCKET_TIMEOUT",
	"EHOSTUNREACH", "ENETUNREACH", "E401", "E403", "E500", "E502", "E503", "E504"}

// npmFailure words why npm found nothing.
func (r *resolution) npmFailure(answer *npmAnswer) error {
	e := answer.Error
	text := r.session.Host.Scrub(strings.TrimSpace(e.Text))
	q := r.request(e.Name)
	switch {
	case e.Code == "E404" && q != nil:
		return r.at(e.Name, "no registry has a package %s: is the name spelled as npm spells it?", e.Name)
	case e.Code == "ETARGET" && q != nil && r.noSuchVersion(*q, e.Versions) != "":
		return &pins.NoSolution{Text: fmt.Sprintf("%s: %s", q.At, r.noSuchVersion(*q, e.Versions))}
	case e.Code == "ETARGET" || e.Code == "ERESOLVE":
		return r.together("the npm pins", text)
	}
	err := fmt.Errorf("npm can't resolve (the registry is named by .npmrc and NPM_CONFIG_REGISTRY of this "+
		"machine): %s", text)
	if slices.Contains(npmUnreachable, e.Code) {
		return &session.UnreachableError{Err: err}
	}
	return err
}
