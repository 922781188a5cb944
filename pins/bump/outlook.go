package bump

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
	"golang.org/x/sync/errgroup"
)

// A Row is a pin that is not at its newest.
type Row struct {
	Pin    pins.Request
	Now    string          // the version that is locked
	Newest pins.Release    // by itself
	Steps  [3]pins.Release // the newest patch, minor and major that resolve with the rest; zero where there is none
}

// sideBySide is how many pins are tried at once: much of a question's time is waiting.
const sideBySide = 4

// Outlook finds out how far pins could go up by a date, each together with all
// others. progress is told of each pin before it is tried. The solver is asked several
// questions at once.
func (c *Course) Outlook(ctx context.Context, date pins.Date, pinned []pins.Request,
	progress func(n, all int, r pins.Request)) ([]Row, error) {
	dated := *c.Manifest
	dated.AsOf = date
	o := outlook{c, &dated, map[string]map[pins.Position]string{}}
	rows, err := o.rows(ctx, pinned)
	if err == nil {
		err = o.reach(ctx, rows)
	}
	if err != nil {
		return nil, err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	var mu sync.Mutex
	begun := 0
	for i := range rows {
		group.Go(func() (err error) {
			mu.Lock()
			begun++
			progress(begun, len(rows), rows[i].Pin)
			mu.Unlock()
			rows[i].Steps, err = o.steps(gctx, rows[i].Pin, rows[i].Now)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return rows, o.date(ctx, rows)
}

// An outlook looks for how far pins of a course could go.
type outlook struct {
	course   *Course
	manifest *pins.Manifest // with the date by which is looked

	alone map[string]map[pins.Position]string // by Minor and Patch, and by pin: the newest version so far up, by itself
}

// reach notes how far up there is anything to try, in one question for all pins of a kind.
func (o outlook) reach(ctx context.Context, rows []Row) error {
	for _, step := range []string{Minor, Patch} {
		o.alone[step] = map[pins.Position]string{}
		wanted := map[pins.Kind]map[string]string{}
		for _, r := range rows {
			if r.Pin.Kind == pins.Deb {
				continue
			}
			if wanted[r.Pin.Kind] == nil {
				wanted[r.Pin.Kind] = map[string]string{}
			}
			wanted[r.Pin.Kind][r.Pin.Name] = upTo(r.Pin, step)
		}
		for kind, ranges := range wanted {
			found, err := o.releases(ctx, kind, ranges)
			if err != nil {
				return err
			}
			for _, r := range rows {
				if r.Pin.Kind == kind {
					o.alone[step][r.Pin.At] = found[r.Pin.Name].Version
				}
			}
		}
	}
	return nil
}

// rows finds the pins that are not at their newest.
func (o outlook) rows(ctx context.Context, pinned []pins.Request) (rows []Row, err error) {
	for _, kind := range kindsOf(pinned) {
		wanted := map[string]string{}
		for _, r := range pinned {
			if r.Kind == kind {
				lowest, _, _ := strings.Cut(r.Version, "+") // no range names a local version (PEP 440)
				wanted[r.Name] = ">=" + lowest
			}
		}
		newest, err := o.releases(ctx, kind, wanted)
		if err != nil {
			return nil, err
		}
		for _, r := range pinned {
			locked, ok := o.course.Lock.Find(kind, r.Name, o.course.platform())
			if release := newest[r.Name]; r.Kind == kind && ok && release.Version != "" &&
				kind.Scheme().Compare(release.Version, locked.Version) > 0 {
				rows = append(rows, Row{Pin: r, Now: locked.Version, Newest: release})
			}
		}
	}
	return rows, nil
}

// kindsOf are the kinds of some pins.
func kindsOf(pinned []pins.Request) (kinds []pins.Kind) {
	for _, r := range pinned {
		if !slices.Contains(kinds, r.Kind) {
			kinds = append(kinds, r.Kind)
		}
	}
	return kinds
}

// releases are the newest versions of packages of a kind, by themselves.
func (o outlook) releases(ctx context.Context, kind pins.Kind,
	wanted map[string]string) (map[string]pins.Release, error) {
	return o.course.Solver.Releases(ctx, o.course.query(kind, o.manifest), wanted)
}

// steps are the newest patch, minor and major versions of a pin, above the one
// that there is now, that resolve with the rest; without dates.
func (o outlook) steps(ctx context.Context, r pins.Request, now string) (out [3]pins.Release, err error) {
	levels := map[version.Level]int{version.Patch: 0, version.Minor: 1, version.Major: 2}
	for _, reach := range []string{Latest, Minor, Patch} {
		if r.Kind == pins.Deb && reach != Latest || reach == Minor && out[1].Version != "" {
			continue // apt has no ranges; the latest is the newest minor too
		}
		if alone := o.alone[reach][r.At]; reach != Latest && r.Kind.Scheme().Compare(cmp.Or(alone, now), now) <= 0 {
			continue // there is none
		}
		loose, err := within(o.manifest, r, reach)
		if err != nil {
			return out, err
		}
		l, err := o.course.relock(ctx, loose, r.Name)
		if errors.As(err, new(*pins.NoSolution)) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		a, ok := l.Find(r.Kind, r.Name, l.Platforms[0])
		if !ok || r.Kind.Scheme().Compare(a.Version, now) <= 0 {
			return out, nil
		}
		level, known := levels[r.Kind.Scheme().LevelOf(now, a.Version)]
		if !known {
			return out, nil
		}
		if out[level].Version = a.Version; level == 0 {
			return out, nil
		}
	}
	return out, nil
}

// date adds the dates of steps.
func (o outlook) date(ctx context.Context, rows []Row) error {
	for step := range 3 {
		wanted := map[pins.Kind]map[string]string{}
		for _, r := range rows {
			if v := r.Steps[step].Version; v != "" && r.Pin.Kind != pins.Deb {
				if wanted[r.Pin.Kind] == nil {
					wanted[r.Pin.Kind] = map[string]string{}
				}
				wanted[r.Pin.Kind][r.Pin.Name] = exactly(r.Pin.Kind, v)
			}
		}
		for kind, versions := range wanted {
			found, err := o.releases(ctx, kind, versions)
			if err != nil {
				return err
			}
			for i, r := range rows {
				if r.Pin.Kind == kind && r.Steps[step].Version != "" {
					rows[i].Steps[step].Published = found[r.Pin.Name].Published
				}
			}
		}
	}
	return nil
}

// Versioned are the course's pins of one version that are resolved, or those of them
// that are named.
func (c *Course) Versioned(targets []Target) (out []pins.Request, absent []Target) {
	asked := c.Manifest.Requests
	if len(targets) > 0 {
		asked = nil
		for _, t := range targets {
			found := c.Pins(t)
			if len(found) == 0 {
				absent = append(absent, t)
			}
			asked = append(asked, found...)
		}
	}
	for _, r := range c.effective(asked) {
		if r.Version != "" && r.Git == nil && !c.Manifest.Lists(r) {
			out = append(out, r)
		}
	}
	return out, absent
}
