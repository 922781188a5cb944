package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/resolve"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/bump"
	"github.com/spf13/cobra"
)

// bumpFlags are the flags of commands that take other versions of pins.
type bumpFlags struct {
	engineFlags
	write    bool
	to, asOf string
	markdown string // file
	targets  []bump.Target
	body     strings.Builder // of the pull request

	format, output string // of what is shown
	text           strings.Builder
	said           []bumpDetails
	wrote          bool
}

func (f *bumpFlags) add(cmd *cobra.Command) {
	f.engineFlags.add(cmd)
	cmd.Flags().BoolVar(&f.write, "write", false, "write the manifests and the locks")
	cmd.Flags().StringVar(&f.markdown, "markdown", "", "file to write the pull request's body to, besides")
	cmd.Flags().StringVar(&f.format, "format", "text", "text, json or markdown: the body of a pull request")
	cmd.Flags().StringVar(&f.output, "output", "", "file to write to (default standard output)")
	cmd.Flags().StringVar(&f.asOf, "as-of", "", "set the manifest's as-of to this date too")
}

func (f *bumpFlags) check() error {
	if f.asOf != "" {
		if _, err := pins.ParseDate(f.asOf); err != nil {
			return usageError{fmt.Errorf("--as-of: %w", err)}
		}
	}
	return cmp.Or(f.engineFlags.check(), oneOf("format", f.format, "text", "json", "markdown"))
}

// end writes what was found, where it was not shown course by course. It returns the
// command's error.
func (f *bumpFlags) end(s streams, err error) error {
	var text []byte
	switch f.format {
	case "json":
		report := bumpReport{Courses: append([]bumpDetails{}, f.said...), Written: f.wrote}
		if err != nil {
			report.Error = err.Error()
		}
		var out bytes.Buffer
		if err := writeJSON(&out, report); err != nil {
			return err
		}
		text = out.Bytes()
	case "markdown":
		text = []byte(f.body.String())
	default:
		if text = []byte(f.text.String()); f.output == "" {
			return err
		}
	}
	if err != nil && len(text) == 0 { // no empty file of what failed
		return err
	}
	var wrong error
	if f.output != "" {
		wrong = writeOut(f.output, text)
	} else {
		_, wrong = s.out.Write(text)
	}
	return cmp.Or(err, wrong)
}

// A bumpReport is what bump, add, remove and sync say, as JSON.
type bumpReport struct {
	Courses []bumpDetails `json:"courses"` // in which something changes
	Written bool          `json:"written"`
	Error   string        `json:"error,omitempty"` // why nothing was written
}

// named returns courses by one name each, so that a file that several share has
// one too: relative to the working folder, without symbolic links. A course that
// is named twice is there once.
func named(courses []string) (out []string, err error) {
	here, err := filepath.Abs(".")
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if err != nil {
		return nil, err
	}
	for _, c := range courses {
		real, err := filepath.EvalSymlinks(c)
		if err != nil {
			return nil, err
		}
		if !filepath.IsAbs(real) {
			real = filepath.Join(here, real)
		}
		if real, err = filepath.Rel(here, real); err != nil {
			return nil, err
		}
		if !slices.Contains(out, real) {
			out = append(out, real)
		}
	}
	return out, nil
}

// A bumped is a course that is bumped, with what bump's engine knows of it.
type bumped struct {
	*bump.Bumping
	course *course
}

// bumpings are those of some courses.
func bumpings(all []*bumped) (out []*bump.Bumping) {
	for _, p := range all {
		out = append(out, p.Bumping)
	}
	return out
}

// A solver answers a bump's questions, for one course.
type solver struct {
	*resolve.Resolver
	buildplan.Builder
}

// Overlaps implements bump.Solver.
func (s solver) Overlaps(ctx context.Context, m *pins.Manifest, l *pins.Lock) (pins.Findings, error) {
	return s.Builder.Overlaps(ctx, s.Resolver.Base, m, l)
}

// PostLinks implements bump.Solver.
func (s solver) PostLinks(ctx context.Context, l *pins.Lock) ([]string, error) {
	return s.Builder.PostLinks(ctx, s.Resolver.Base, l)
}

// engine is the course as bump's engine takes it; e may be nil as long as nothing
// is resolved.
func (c *course) engine(s streams, e *session.Session) *bump.Course {
	r := recorder{s: s, course: c, session: e}
	return &bump.Course{
		Manifest: c.manifest, Lock: c.lock, Options: c.options(),
		Solver: solver{c.resolver(e), buildplan.Builder{Session: e}},
		Read:   func(edited map[string][]byte) (*pins.Manifest, error) { return readCourse(c.manifest.Dir, edited) },
		Renew: func(ctx context.Context, m *pins.Manifest) (*bump.Course, error) {
			other, err := c.renewed(ctx, e, m)
			if err != nil {
				return nil, err
			}
			c.after = other
			return other.engine(s, e), nil
		},
		Recorder: r, Fetch: r.fetch,
	}
}

// renewed is the course with another manifest, on the images that this names: those
// that are bumped as they are today, the others as they were locked.
func (c *course) renewed(ctx context.Context, e *session.Session, m *pins.Manifest) (*course, error) {
	other := *c
	other.manifest, other.images, other.after, other.moving = m, nil, nil, false
	same := slices.EqualFunc(m.Images, c.manifest.Images, func(a, b pins.Text) bool { return a.Value == b.Value })
	if other.forget = c.bumped; !c.moving && len(c.bumped) == 0 && same {
		other.images = c.images
		return &other, nil
	}
	if c.moving {
		other.base = steps.Base{}
		if err := other.findBase(c.base.Ref); err != nil {
			return nil, err
		}
	}
	other.learnt = false
	return &other, other.learn(ctx, e)
}

// bump bumps courses together: all are resolved and shown before one is
// written. It returns 0 if none of them pins what is named.
func (f *bumpFlags) bump(ctx context.Context, s streams, dirs []string) (n int, err error) {
	var all []*bumped
	var courses []*course
	found := map[bump.Target]bool{}
	for _, dir := range dirs {
		p, err := f.selected(s, dir, found)
		if err != nil {
			return 0, err
		}
		n += len(p.Bumps)
		all = append(all, p)
	}
	for _, t := range f.targets {
		if len(found) > 0 && !found[t] {
			return 0, fmt.Errorf("no course pins %s: nothing is bumped", t.Package())
		}
	}
	if n == 0 {
		return len(found), nil
	}
	for _, p := range all {
		if p.Touched(bumpings(all)) {
			courses = append(courses, p.course)
		}
	}
	e, err := f.solving(ctx, s, courses...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return n, f.carryOut(ctx, s, e, all)
}

// selected opens a course with those of its pins that are to be bumped, and notes
// which targets it found.
func (f *bumpFlags) selected(s streams, dir string, found map[bump.Target]bool) (*bumped, error) {
	c, err := openCourse(dir, f.base)
	if err == nil {
		_, err = c.locked()
	}
	if err != nil {
		return nil, err
	}
	selection, err := c.engine(s, nil).Select(f.targets)
	if errors.As(err, new(*bump.TwiceError)) {
		err = usageError{err}
	}
	if err != nil {
		return nil, err
	}
	c.moves(selection.Bumps)
	if err := c.settled(); err != nil {
		return nil, err
	}
	printSelection(s, c, selection)
	for _, t := range selection.Found {
		found[t] = true
	}
	if err := f.checkDate(c.manifest, selection); err != nil {
		return nil, err
	}
	if err := f.checkFiles(c); err != nil {
		return nil, err
	}
	return &bumped{&bump.Bumping{Course: c.engine(s, nil), Bumps: selection.Bumps, AsOf: f.asOf}, c}, nil
}

// sameFile reports whether two names lead to one file, that is there or not.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, wrong := os.Stat(b)
	if err == nil && wrong == nil {
		return os.SameFile(x, y)
	}
	return filepath.Join(placeOf(filepath.Dir(a)), filepath.Base(a)) == filepath.Join(placeOf(filepath.Dir(b)), filepath.Base(b))
}

// checkFiles says which file that is to be written is one of the course's.
func (f *bumpFlags) checkFiles(c *course) error {
	for flag, file := range map[string]string{"markdown": f.markdown, "output": f.output} {
		if file != "" && (c.manifest.Reads(filepath.ToSlash(filepath.Clean(file))) || sameFile(file, c.lockFile) ||
			slices.ContainsFunc(c.manifest.Sources, func(source pins.Source) bool { return sameFile(file, source.Name) })) {
			return usageError{fmt.Errorf("--%s %s: this is a file of the course %s: name another file", flag, file, c.manifest.Dir)}
		}
	}
	return nil
}

// checkDate says why the course's as-of can't be changed, if it is to be.
func (f *bumpFlags) checkDate(m *pins.Manifest, selection *bump.Selection) error {
	switch at := m.AsOf.At; {
	case f.asOf == "" || len(selection.Bumps) == 0 || m.Reads(at.File):
		return nil
	case at.File == "":
		return fmt.Errorf("%s: there is no as-of to change: add as-of to the manifest, or leave out --as-of "+
			"to resolve today's versions", m.Sources[0].Name)
	default:
		return fmt.Errorf("%s: this as-of is that of many courses: change it there, and lock them; or add as-of to %s", at,
			filepath.Join(m.Dir, pins.ManifestName))
	}
}

// moves notes which of the course's images are bumped.
func (c *course) moves(bumps []pins.Bump) {
	for _, b := range bumps {
		switch {
		case b.Request.Kind != pins.FromImage:
		case c.manifest.Dockerfile.Value != "":
			c.bumped = append(c.bumped, b.Request.Spec)
		default:
			c.moving = true
		}
	}
}

// locate finds the images that bumps mean, where a reference names one by its digest.
func (f *bumpFlags) locate(ctx context.Context, e *session.Session, c *course, bumps []pins.Bump) error {
	for i, b := range bumps {
		tag, _, _ := strings.Cut(b.Version, "@")
		if b.Request.Kind != pins.FromImage || !strings.Contains(b.Request.Version, "@") ||
			b.Version != b.Request.Version && strings.Contains(b.Version, "@") {
			continue
		}
		digest, err := c.today(ctx, e, b.Request.Name+":"+tag)
		if err != nil {
			return fmt.Errorf("%s: %w", b.Request.At, err)
		}
		bumps[i].Version = tag + "@" + digest
	}
	return nil
}

// printSelection says which targets a course does not pin, and which pins need no
// bump.
func printSelection(s streams, c *course, selection *bump.Selection) {
	for _, a := range selection.Absent {
		hint := ""
		if a.Near != "" {
			hint = ": did you mean " + a.Near + "?"
		} else if a.Locked != nil {
			hint = fmt.Sprintf(", but %s %s is installed: see driftpin why %s %s", a.Locked.Name, a.Locked.Version,
				c.manifest.Dir, a.Locked.Name)
		}
		fmt.Fprintf(s.err, "%s: the course does not pin %s%s\n", c.manifest.Dir, a.Package(), hint)
	}
	for _, r := range selection.There {
		fmt.Fprintf(s.err, "%s: %s is already pinned\n", r.At, r.Spec)
	}
}

// carryOut chooses versions, resolves the edited courses, shows what changes, and
// writes it if that is wanted: all files, or none where a course can't be bumped.
func (f *bumpFlags) carryOut(ctx context.Context, s streams, e *session.Session, all []*bumped) error {
	courses := map[*bump.Bumping]*course{}
	for _, p := range all {
		p.Course = p.course.engine(s, e)
		courses[p.Bumping] = p.course
		if err := f.locate(ctx, e, p.course, p.Bumps); err != nil {
			return err
		}
	}
	bumpings := bumpings(all)
	stays, err := bump.Choose(ctx, bumpings, f.to)
	if err != nil {
		return f.worded(err, bumpings)
	}
	for _, stay := range stays {
		fmt.Fprintf(s.err, "%s: %s %s is the newest version (--to %s) that resolves with the other pins\n",
			stay.Request.At,
			stay.Request.Name, stay.Version, f.to)
	}
	known := knownOf(ctx, bumpings) // git takes its time, and so does the solver
	var files change
	outcomes, err := bump.Try(ctx, bumpings, func(o *bump.Outcome, err error) error {
		for _, r := range o.Lost {
			fmt.Fprintf(s.err, "%s: %s: %s is removed, because it belongs to the old version\n", r.At,
				report.Clean(r.Spec), r.Loses())
		}
		notes := known(o.Bumping)
		for _, note := range notes {
			fmt.Fprintln(s.err, report.Clean(note))
		}
		if err != nil {
			return nil
		}
		return f.show(ctx, s, &outcome{o, courses[o.Bumping], notes})
	})
	if err != nil {
		return f.worded(err, bumpings)
	}
	for _, o := range outcomes {
		c := courses[o.Bumping]
		for name, data := range o.Edited {
			was, _ := o.Course.Manifest.Source(name)
			files.file(name, was, data)
		}
		files.file(c.lockFile, []byte(o.Course.Lock.String()), []byte(o.Lock.String()))
	}
	if len(files) == 0 {
		return nil
	}
	return f.finish(s, files)
}

// finish writes the pull request's body, and the files if that is wanted.
func (f *bumpFlags) finish(s streams, files change) error {
	if f.markdown != "" {
		if err := writeOut(f.markdown, []byte(f.body.String())); err != nil {
			return err
		}
	}
	if !f.write {
		fmt.Fprintln(s.err, "nothing was written: add --write to write the files")
		return nil
	}
	err := files.write()
	f.wrote = err == nil
	return err
}

// knownOf starts to look for what is known about bumps; what it returns waits for
// the notes of one.
func knownOf(ctx context.Context, all []*bump.Bumping) func(*bump.Bumping) []string {
	notes := map[*bump.Bumping]chan []string{}
	for _, p := range all {
		c := make(chan []string, 1)
		notes[p] = c
		go func() { c <- known(ctx, p) }()
	}
	return func(p *bump.Bumping) []string { return <-notes[p] }
}
