package buildplan

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// Neighbours are the versions of a package around one that the index does not
// have.
type Neighbours struct {
	Below, Above string // empty if there is none
	Sibling      string // a package of the course, with a name like it, that has the version
}

// maxSiblings is how many packages are asked for a version.
const maxSiblings = 12

// asking lets f ask what there is, in the place of a query.
func (b *Builder) asking(ctx context.Context, q pins.Query, f func(context.Context, *resolution) error) error {
	_, err := b.run(ctx, client.SolveOpt{}, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		if err := b.learn(ctx, c, q.Platform); err != nil {
			return nil, err
		}
		r := &resolution{Builder: b, gateway: c, query: q}
		if err := r.locateBelow(ctx); err != nil {
			return nil, err
		}
		return gateway.NewResult(), f(ctx, r)
	})
	return err
}

// Neighbours asks the index what there is, up to the date q.Before, around a
// version that it does not have; siblings are packages that may have been
// meant, at whatever date. Of a version that there is, be it too new, nothing is
// said.
func (b *Builder) Neighbours(ctx context.Context, q pins.Query, name, version string, siblings []string) (n Neighbours, err error) {
	err = b.asking(ctx, q, func(ctx context.Context, r *resolution) (err error) {
		n, err = r.neighbours(ctx, name, version, siblings)
		return err
	})
	return n, err
}

func (r *resolution) neighbours(ctx context.Context, name, version string, siblings []string) (n Neighbours, err error) {
	s := r.newPipSolve()
	if err := s.locateTool(ctx, steps.UvTool); err != nil {
		return n, err
	}
	before := s.query.Before
	s.query.Before = time.Time{}
	exact, err := s.only(ctx, name+"=="+version)
	if err != nil || exact != "" {
		return n, err
	}
	s.query.Before = before
	if n.Below, err = s.only(ctx, name+"<"+version); err != nil {
		return n, err
	}
	if n.Above, err = s.only(ctx, name+">"+version, "--resolution", "lowest"); err != nil {
		return n, err
	}
	s.query.Before = time.Time{}
	for _, sibling := range siblings[:min(len(siblings), maxSiblings)] {
		found, err := s.only(ctx, sibling+"=="+version)
		if err != nil {
			return n, err
		}
		if found != "" {
			n.Sibling = sibling
			break
		}
	}
	return n, nil
}

// only returns the version that one requirement leads to, without what it
// requires; empty if there is none.
func (s *pipSolve) only(ctx context.Context, requirement string, options ...string) (string, error) {
	files, failure, err := s.runUv(ctx, uvQuestion{requirements: []string{requirement}, options: append(options, "--no-deps"), before: s.query.Before})
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

// Siblings are the packages of a lock whose names share their first word with a
// name, the most alike first.
func Siblings(l *pins.Lock, name string) (out []string) {
	name = pins.CanonicalName(pins.Pip, name)
	word, _, _ := strings.Cut(name, "-")
	for _, a := range l.Artifacts {
		if first, _, _ := strings.Cut(a.Name, "-"); a.Kind == pins.Pip && a.Use == pins.Install && a.Name != name &&
			(strings.HasPrefix(first, word) || strings.HasPrefix(word, first)) && !slices.Contains(out, a.Name) {
			out = append(out, a.Name)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return common(b, name) - common(a, name) })
	return out
}

// common counts the letters that two names share at their beginning and end.
func common(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	for i := 1; i <= min(len(a), len(b))-n && a[len(a)-i] == b[len(b)-i]; i++ {
		n++
	}
	return n
}

// A Release is a version of a package, and when it was published; zero if that
// is not told (apt tells of none).
type Release struct {
	Version   string
	Published time.Time
}

// Releases asks the index, the channels, the registry or apt for the newest
// version of each of some requirements of one kind, by itself and up to the date
// q.Before. requirements are constraints by name; apt's mean nothing. A package
// that has none is left out.
func (b *Builder) Releases(ctx context.Context, q pins.Query, requirements map[string]string) (found map[string]Release, err error) {
	err = b.asking(ctx, q, func(ctx context.Context, r *resolution) (err error) {
		switch q.Kind {
		case pins.Pip:
			s := r.newPipSolve()
			if err := s.locateTool(ctx, steps.UvTool); err != nil {
				return err
			}
			found, err = s.releases(ctx, requirements)
		case pins.Deb:
			found, err = r.candidates(ctx, slices.Sorted(maps.Keys(requirements)))
		default:
			found, err = r.listed(ctx, requirements)
		}
		return err
	})
	return found, err
}

// candidates are what apt would install.
func (r *resolution) candidates(ctx context.Context, names []string) (map[string]Release, error) {
	answers, err := r.askApt(ctx, r.Base.State(r.query.Platform), "apt", "", names)
	if err != nil {
		return nil, err
	}
	found := map[string]Release{}
	for _, a := range answers[0] {
		if slices.Contains(names, a.Name) {
			found[a.Name] = Release{Version: a.Version}
		}
	}
	return found, nil
}

// listed is Releases for conda and npm, which list what there is with dates.
func (r *resolution) listed(ctx context.Context, requirements map[string]string) (map[string]Release, error) {
	versions, err := r.versions(ctx, slices.Sorted(maps.Keys(requirements)))
	if err != nil {
		return nil, err
	}
	found := map[string]Release{}
	for name, constraint := range requirements {
		for _, v := range slices.Sorted(maps.Keys(versions[name])) {
			text := versions[name][v]
			published, err := time.Parse(time.DateOnly, text[:min(len(text), len(time.DateOnly))])
			if err == nil && !r.query.Before.IsZero() && !published.Before(r.query.Before) {
				continue
			}
			if fits, err := pins.Satisfies(r.query.Kind, v, constraint); err == nil && fits && (found[name].Version == "" || pins.CompareVersions(r.query.Kind, v, found[name].Version) > 0) {
				found[name] = Release{v, published}
			}
		}
	}
	return found, nil
}

// versions are all that there are of conda's or npm's packages, with dates.
func (r *resolution) versions(ctx context.Context, names []string) (map[string]map[string]string, error) {
	title := fmt.Sprintf("list the versions of %d packages", len(names))
	if r.query.Kind == pins.Npm {
		text, err := r.askNpm(ctx, title, npmQuestion{List: names})
		if err != nil {
			return nil, err
		}
		var answer npmAnswer
		if err := json.Unmarshal(text, &answer); err != nil {
			return nil, fmt.Errorf("what npm said: %w", err)
		}
		if answer.Error != nil {
			return nil, r.npmFailure(&answer)
		}
		return answer.Versions, nil
	}
	answer, err := r.askConda(ctx, title, condaQuestion{Specs: names, Channels: r.query.Channels, Subdir: subdirs[r.query.Platform], Prefer: [][4]string{}, List: true})
	if err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, r.condaFailure(answer.Error)
	}
	return answer.Versions, nil
}

// releases is one question of Releases. uv must not build, so packages without
// wheels are taken to require nothing.
func (s *pipSolve) releases(ctx context.Context, requirements map[string]string) (map[string]Release, error) {
	found := map[string]Release{}
	for len(requirements) > 0 {
		var lines []string
		var known strings.Builder
		for _, name := range slices.Sorted(maps.Keys(requirements)) {
			lines = append(lines, name+requirements[name])
			fmt.Fprintf(&known, "[[dependency-metadata]]\nname = %q\nrequires-dist = []\n", name)
		}
		files, failure, err := s.runUv(ctx, uvQuestion{requirements: lines, options: []string{"--no-deps"}, before: s.query.Before, known: known.String()})
		if err != nil {
			return nil, err
		}
		if failure == "" {
			packages, err := parsePylock([]byte(files["pylock.toml"]), s.query.Platform, nil)
			for _, c := range packages {
				found[c.Name] = Release{c.Version, c.uploaded}
			}
			return found, err
		}
		m := noSuchVersion.FindStringSubmatch(tidy(failure) + " ")
		if m == nil || requirements[pins.CanonicalName(pins.Pip, m[1])] == "" {
			return nil, s.uvFailure(failure)
		}
		requirements = maps.Clone(requirements)
		delete(requirements, pins.CanonicalName(pins.Pip, m[1]))
	}
	return found, nil
}
