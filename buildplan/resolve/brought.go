package resolve

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"deps.dev/util/semver"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// learnBrought finds out what conda's packages bring, so that uv takes it for
// given, and refuses pins that ask for it again.
func (p *pip) learnBrought(ctx context.Context) (err error) {
	if p.r.base.Extended {
		if err := p.learnHeld(ctx); err != nil {
			return err
		}
	}
	over, err := p.laidOver(ctx)
	if err != nil {
		return err
	}
	var replacing []string
	for i, q := range p.r.query.Requests {
		if over[q.Name] {
			p.r.query.Requests[i].Replaces = q.Over
		}
		if p.r.query.Requests[i].Replaces != "" {
			replacing = append(replacing, q.Name)
		}
	}
	brought, stand, err := p.condaProvides(ctx, p.condas, replacing)
	if err != nil {
		return err
	}
	p.stand = llb.Merge([]llb.State{p.stand, stand}, llb.WithCustomName("what stands for what is there"))
	replaced := map[string]bool{}
	brought = slices.DeleteFunc(brought, func(d distribution) bool {
		q := p.r.request(d.name)
		if q != nil && q.Replaces == d.owner {
			replaced[q.Name] = true
			if !d.recorded && err == nil {
				err = fmt.Errorf("%s: replaces: conda's %s has no RECORD that lists the files of %s, so pip can't "+
					"replace them: take replaces out", q.At, d.owner, d.name)
			}
		} else if q != nil && q.Over != d.owner && err == nil {
			err = p.alreadyThere(q, d)
		}
		return replaced[d.name]
	})
	for _, q := range p.r.query.Requests {
		if q.Replaces != "" && !replaced[q.Name] && err == nil {
			err = fmt.Errorf("%s: replaces: no conda package %s with a Python distribution %s is locked", q.At,
				q.Replaces, q.Name)
		}
	}
	p.brought = append(p.brought, brought...)
	return err
}

// laidOver are the pip pins, of those that conda is asked for as well, for which
// what conda brings does not do: pip's are laid over it, as pip does.
func (p *pip) laidOver(ctx context.Context) (map[string]bool, error) {
	over := map[string]bool{}
	if !slices.ContainsFunc(p.r.query.Requests, func(q pins.Request) bool { return q.Over != "" }) {
		return over, nil
	}
	p.r.query.Requests = slices.Clone(p.r.query.Requests)
	brought, _, err := p.condaProvides(ctx, p.condas, nil)
	for _, d := range brought {
		if q := p.r.request(d.name); q != nil && q.Over == d.owner {
			met, bad := pins.Pip.Scheme().Satisfies(d.version, q.Constraint)
			over[q.Name] = q.Git != nil || len(q.Extras) > 0 || bad != nil || !met
		}
	}
	return over, err
}

// alreadyThere words that what a pin asks pip for is brought by conda's packages,
// or by an extended base.
func (p *pip) alreadyThere(q *pins.Request, d distribution) error {
	if d.owner == "" {
		return p.r.heldOtherwise(q, d.name, d.version)
	}
	return fmt.Errorf("%s: conda's %s already ships %s %s, and pip would overwrite it: take this pin out, or pin "+
		"the version for conda, or, to install pip's, write replaces: %s on this pin",
		q.At, d.owner, d.name, d.version, d.owner)
}

// condaProvides finds the Python distributions that conda packages bring; the
// state holds a wheel that stands for each, but for those that are replaced.
func (p *pip) condaProvides(ctx context.Context, packages []pins.Artifact,
	replaced []string) (found []distribution, wheels llb.State, err error) {
	g := p.r.ground()
	var python pins.Artifact
	for _, a := range p.r.query.Below {
		if a.Kind == pins.Conda && a.Name == steps.CondaPython {
			python = a
		}
	}
	packages = slices.DeleteFunc(slices.Clone(packages),
		func(a pins.Artifact) bool { return !slices.Contains(python.By, a.Name) })
	if len(packages) == 0 {
		return nil, llb.Scratch(), nil
	}
	options := append(steps.Step("list the Python packages that conda packages ship", []string{g.StepInterpreter(),
		"-B", steps.Dir + "conda-provides.py", steps.CondaDir, "/out", strings.Join(replaced, " ")},
		steps.Script("conda-provides.py"), llb.AddMount("/out", llb.Scratch())), g.Rattler()...)
	options = append(options, g.CondaFiles(packages)...)
	wheels = g.WithToolPython().Run(options...).GetMount("/out")
	ref, err := p.r.talk.Solve(ctx, wheels)
	if err != nil {
		return nil, wheels, err
	}
	table, err := session.ReadFile(ctx, ref, "/", "provides.tsv")
	if err != nil {
		return nil, wheels, err
	}
	owners := map[string]string{}
	for _, a := range packages {
		owners[path.Base(a.File)] = a.Name
	}
	return parseProvides(string(table), owners), wheels, nil
}

// parseProvides reads conda-provides.py's table; owners are packages by file.
func parseProvides(table string, owners map[string]string) (found []distribution) {
	for _, line := range strings.Split(table, "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 4 || owners[f[2]] == "" {
			continue
		}
		r, err := pins.ParsePip(f[0] + "==" + f[1])
		if err != nil {
			continue // no version that pip's world knows
		}
		found = append(found, distribution{r.Name, r.Version, owners[f[2]], f[3] == "recorded"})
	}
	return found
}

// learnHeld finds out what the environment of an extended base holds: uv takes
// it for given. A pin of such a package has to allow the base's version.
func (p *pip) learnHeld(ctx context.Context) (err error) {
	ref, stand, err := p.r.askHeld(ctx)
	if err != nil {
		return err
	}
	table, err := session.ReadFile(ctx, ref, "/", "provides.tsv")
	if err != nil {
		return err
	}
	p.brought, p.stand = parseHeld(string(table)), stand
	for _, d := range p.brought {
		q := p.r.request(d.name)
		if q == nil {
			continue
		}
		if q.Replaces != "" {
			return fmt.Errorf("%s: replaces: the base image %s holds %s, and packages of the base can't "+
				"be replaced here: replace it in the base", q.At, p.r.base, d.name)
		}
		// What hangs on markers or on pre-releases uv says.
		fits, err := pins.Pip.Scheme().Satisfies(d.version, q.Constraint)
		if v, bad := semver.PyPI.Parse(d.version); bad != nil || v.IsPrerelease() || q.Marker != "" || err != nil {
			fits = true
		}
		if q.Git != nil || !fits {
			return p.r.heldOtherwise(q, d.name, d.version)
		}
	}
	return nil
}

// held are a lock's lines for those packages of an extended base that pins name
// or require.
func (p *pip) held(a *answer) (out []pins.Artifact) {
	if !p.r.base.Extended {
		return nil
	}
	for _, d := range p.brought {
		if art := p.r.heldArtifact(pins.Pip, d.name, d.version, a.by[d.name]); d.owner == "" && len(art.By)+
			len(art.Roots) > 0 {
			out = append(out, art)
		}
	}
	return out
}

// parseHeld reads base-holds.py's table.
func parseHeld(table string) (found []distribution) {
	for _, line := range strings.Split(table, "\n") {
		name, version, _ := strings.Cut(line, "\t")
		if r, err := pins.ParsePip(name + "==" + version); err == nil && r.Version != "" {
			found = append(found, distribution{name: r.Name, version: r.Version})
		}
	}
	return found
}
