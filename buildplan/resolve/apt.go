package resolve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// pythonDeb is what the environment's Python is installed by, where the base
// has none.
const pythonDeb = "python3"

// compilerDebs are what wheels are built with: compilers, and on Debian's
// Python its headers.
var (
	compilerDebs = []string{"build-essential"}
	headerDebs   = []string{"python3-dev"}
)

// debs resolves what is asked of apt, and the Python that pip pins need.
func (r *resolution) debs(ctx context.Context) ([]pins.Artifact, error) {
	var wanted []string
	for _, q := range r.query.Requests {
		wanted = append(wanted, q.Spec)
	}
	pythonOf := map[string]bool{}
	var python []string
	if r.query.Python != "" {
		python = []string{pythonDeb}
	}
	if len(wanted)+len(python) == 0 {
		return nil, nil
	}
	base := r.base.State(r.query.Platform)
	preferred := r.preferredDebs()
	if r.query.Python == pins.BuildInput {
		return r.debsAndTools(ctx, base, preferred, python, wanted)
	}
	answers, err := r.askApt(ctx, base, "apt", preferred, python, append(slices.Clone(python), wanted...))
	if err != nil {
		return nil, err
	}
	for _, d := range answers[0] {
		pythonOf[d.Name] = d.Use != pins.Held
	}
	for i := range answers[1] {
		d := &answers[1][i]
		if pythonOf[d.Name] {
			d.Roots = append(d.Roots, pins.PythonRoot)
		}
		if q := r.request(d.Name); q != nil && d.Use != pins.Held {
			d.Roots = append(d.Roots, pins.PinRoot)
		}
	}
	return answers[1], nil
}

// debsAndTools resolves what is asked of apt, and apart from it the Python that
// steps run on.
func (r *resolution) debsAndTools(ctx context.Context, base llb.State, preferred string,
	python, wanted []string) ([]pins.Artifact, error) {
	sets := [][]string{python}
	if len(wanted) > 0 {
		sets = append(sets, wanted)
	}
	answers, err := r.askApt(ctx, base, "apt", preferred, sets...)
	if err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(answers[0], func(d pins.Artifact) bool { return d.Use == pins.Held })
	for i := range out {
		out[i].Use, out[i].Roots = pins.BuildInput, []pins.Root{pins.PythonRoot}
	}
	for _, d := range slices.Concat(answers[1:]...) {
		if r.request(d.Name) != nil && d.Use != pins.Held {
			d.Roots = append(d.Roots, pins.PinRoot)
		}
		out = append(out, d)
	}
	return out, nil
}

// askApt asks apt, in a file system, what it would install for each of some
// sets of packages; preferences are apt's own.
func (r *resolution) askApt(ctx context.Context, st llb.State, name, preferences string,
	sets ...[]string) ([][]pins.Artifact, error) {
	script := "cp /run/driftpin/preferences /etc/apt/preferences.d/driftpin\n"
	for i, set := range sets {
		script += fmt.Sprintf("sh %sapt-resolve.sh /out/%d %s || exit 0\n", steps.Dir, i, strings.Join(set, " "))
	}
	in := llb.Scratch().File(llb.Mkfile("/preferences", 0o644, []byte(preferences)))
	options := steps.Step("resolve "+name, []string{"/bin/sh", "-euc", script}, steps.Script("apt-resolve.sh"),
		llb.AddMount("/out", llb.Scratch()), llb.AddMount("/run/driftpin/preferences", in,
			llb.SourcePath("/preferences"), llb.Readonly))
	ref, err := r.talk.Solve(ctx, r.withLists(st, "keep").Run(options...).GetMount("/out"))
	if err != nil {
		return nil, askingApt("asking apt in the base", err)
	}
	read := func(dir, name string) (string, error) {
		data, err := session.ReadFile(ctx, ref, dir, name)
		return string(data), err
	}
	var answers [][]pins.Artifact
	for i := range sets {
		dir := "/" + strconv.Itoa(i)
		table, err := read(dir, "debs.tsv")
		if err != nil {
			return nil, err
		}
		failure, err := read(dir, "error.txt")
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(failure) != "" {
			names, err1 := read(dir, "names")
			versions, err2 := read(dir, "versions")
			if err := errors.Join(err1, err2); err != nil {
				return nil, err
			}
			return nil, r.aptFailure(failure, strings.Fields(names), versions)
		}
		debs, addresses, err := parseDebs(table, r.query.Platform)
		if err != nil {
			return nil, err
		}
		for sum, address := range addresses {
			if err := r.session.Files.Remember(sum, address); err != nil {
				return nil, err
			}
		}
		held, err := read(dir, "held.tsv")
		if err != nil {
			return nil, err
		}
		answers = append(answers, append(debs, r.heldDebs(held, debs)...))
	}
	return answers, nil
}

// withLists is a file system with the lists of apt's sources: with "keep" those that it
// has, if it has some. All courses of one command read the same ones.
func (r *resolution) withLists(st llb.State, keep ...string) llb.State {
	options := steps.Step("read apt's lists", append([]string{"/bin/sh", steps.Dir + "apt-lists.sh"}, keep...),
		steps.Script("apt-lists.sh"), steps.AskedAt(r.session.Began))
	return st.Run(append(options, r.session.Host.Online()...)...).Root()
}

// noLists is the exit status of apt-lists.sh where apt's sources did not answer.
const noLists = 69

// askingApt words an error of a step that asks apt.
func askingApt(what string, err error) error {
	if session.ExitStatus(err) == noLists {
		return &session.UnreachableError{Err: fmt.Errorf("%s: its sources can't be reached: %w", what, session.Explain(err))}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// heldDebs are a lock's lines for those packages of the base that pins name, and
// that nothing replaces.
func (r *resolution) heldDebs(table string, debs []pins.Artifact) (held []pins.Artifact) {
	for _, line := range strings.Split(table, "\n") {
		name, version, ok := strings.Cut(line, "\t")
		if ok && r.query.Kind == pins.Deb && r.request(name) != nil && !slices.ContainsFunc(debs,
			func(d pins.Artifact) bool { return d.Name == name }) {
			held = append(held, r.heldArtifact(pins.Deb, name, version, nil))
		}
	}
	return held
}

// aptFailure words why apt can't install what is asked.
func (r *resolution) aptFailure(text string, names []string, versions string) error {
	var unknown, absent []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && words[0] == "unknown":
			hint := ""
			if near := pins.SuggestName(pins.Deb, words[1], names); near != "" {
				hint = ": did you mean " + near + "?"
			}
			unknown = append(unknown, r.at(words[1], "apt knows no package %s%s", words[1], hint).Error())
		case len(words) == 3 && words[0] == "version":
			var there []string
			for _, l := range strings.Split(versions, "\n") {
				if name, v, ok := strings.Cut(l, "\t"); ok && name == words[1] {
					there = append(there, v)
				}
			}
			has := ""
			if len(there) > 0 {
				has = ": it has " + strings.Join(there, ", ")
			}
			absent = append(absent, r.at(words[1], "apt has no %s %s%s", words[1], words[2], has).Error())
		}
	}
	switch {
	case len(unknown) > 0:
		return errorLines(unknown)
	case len(absent) > 0:
		return &pins.NoSolution{Text: strings.Join(absent, "\n")}
	}
	if i := strings.Index(text, "The following packages have unmet dependencies:"); i >= 0 {
		text = text[i:]
	}
	return r.together("the apt pins", strings.TrimSpace(text))
}

// parseDebs reads apt-resolve.sh's table; addresses are by sha256.
func parseDebs(table, platform string) (debs []pins.Artifact, addresses map[string]string, err error) {
	addresses = map[string]string{}
	provides := map[string][]string{}
	depends := map[string]string{}
	for _, line := range strings.Split(strings.TrimSuffix(table, "\n"), "\n") {
		if line == "" {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 9 {
			return nil, nil, fmt.Errorf("apt's answer has a line that is not a package: %q", line)
		}
		size, err := strconv.ParseInt(f[4], 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("apt's answer for %s has the size %q", f[0], f[4])
		}
		debs = append(debs, pins.Artifact{
			Pin: pins.New(pins.Deb, f[0], f[1]), Platform: platform,
			File: path.Clean(f[3]), SHA256: f[5], Size: size, Use: pins.Install,
		})
		addresses[f[5]] = f[6]
		depends[f[0]] = f[7]
		provides[f[0]] = append(provides[f[0]], f[0])
		for _, p := range relations(f[8]) {
			provides[p] = append(provides[p], f[0])
		}
	}
	by := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(depends)) {
		for _, d := range relations(depends[name]) {
			for _, provider := range provides[d] {
				if provider != name {
					by[provider] = append(by[provider], name)
				}
			}
		}
	}
	for i := range debs {
		debs[i].By = by[debs[i].Name]
	}
	return debs, addresses, nil
}

// relations returns the package names in a Debian dependency field: of "a (>= 1)
// | b, c:any" these are a, b and c.
func relations(field string) []string {
	var names []string
	for _, one := range strings.FieldsFunc(field, func(c rune) bool { return c == ',' || c == '|' }) {
		if words := strings.Fields(one); len(words) > 0 {
			name, _, _ := strings.Cut(words[0], ":")
			names = append(names, name)
		}
	}
	return names
}

// preferredDebs asks apt to stay with the versions of the last lock.
func (r *resolution) preferredDebs() string {
	var b strings.Builder
	for _, p := range r.query.Prefer {
		if p.Kind == pins.Deb && !p.Is(pins.ToolchainRoot) {
			fmt.Fprintf(&b, "Package: %s\nPin: version %s\nPin-Priority: 990\n\n", p.Name, p.Version)
		}
	}
	return b.String()
}

// locateDebs asks the base's apt for the addresses of packages.
func (r *resolution) locateDebs(ctx context.Context, debs []pins.Artifact) error {
	var specs strings.Builder
	for _, d := range debs {
		fmt.Fprintf(&specs, "%s=%s\n", d.Name, d.Version)
	}
	in := llb.Scratch().File(llb.Mkfile("/specs", 0o644, []byte(specs.String())))
	options := steps.Step(fmt.Sprintf("find %s of apt", pins.Count(len(debs), "package")),
		[]string{"/bin/sh", steps.Dir + "apt-locate.sh", "/run/driftpin/specs", "/out"},
		steps.Script("apt-locate.sh"), llb.AddMount("/out", llb.Scratch()),
		llb.AddMount("/run/driftpin/specs", in, llb.SourcePath("/specs"), llb.Readonly))
	ref, err := r.talk.Solve(ctx, r.withLists(r.base.State(r.query.Platform)).Run(options...).GetMount("/out"))
	if err != nil {
		return askingApt("asking apt in the base for addresses", err)
	}
	table, err := session.ReadFile(ctx, ref, "/", "addresses.tsv")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(table), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 3 {
			continue
		}
		if err := r.session.Files.Remember(f[0], f[1]); err != nil {
			return err
		}
		for _, d := range debs {
			if d.Name+"="+d.Version == f[2] && d.SHA256 != f[0] {
				r.others[d.SHA256] = f[0]
			}
		}
	}
	return nil
}

// candidates are what apt would install.
func (r *resolution) candidates(ctx context.Context, names []string) (map[string]pins.Release, error) {
	answers, err := r.askApt(ctx, r.base.State(r.query.Platform), "apt", "", names)
	if err != nil {
		return nil, err
	}
	found := map[string]pins.Release{}
	for _, a := range answers[0] {
		if slices.Contains(names, a.Name) {
			found[a.Name] = pins.Release{Version: a.Version}
		}
	}
	return found, nil
}
