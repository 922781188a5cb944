package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

func buildCommand(s streams) *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build [COURSE…]",
		Short: "Build courses' images from their locks, check them, and export them",
		Long: `Build the images of courses from their locks, run their checks, and export them.
Nothing is resolved: a stale lock is exit status 3. In --output and --push, {course}
stands for the course's name; without both, an image goes to the registry that
driftpin.yaml names. With --relock-missing, locked files that no index has
any more (a .deb that Debian has replaced, a file that was removed) are locked again,
and pins.lock is rewritten. What the registry has already, built from the same plan and
checked by the same checks, is not built again, unless --force is given. --cache-from and
--cache-to share the results of steps between machines.`,
		Example: `  driftpin build testdata/courses/stat159 --output oci-layout:build/images/stat159
  driftpin build --all --output 'oci-layout:build/images/{course}'
  driftpin build courses/stat159 --output docker:stat159   # then docker run -p 8888:8888 stat159 …
  driftpin build --all --dry-run --output 'oci-layout:build/images/{course}'
  driftpin build courses/stat159 --push registry.example.edu/hub/{course}
  driftpin build --all --push 'registry.example.edu/hub/{course}' --cache-from 'registry.example.edu/hub/cache:{course}' \
    --cache-to 'registry.example.edu/hub/cache:{course}'`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.buildAll(cmd.Context(), s, args) },
	}
	f.engineFlags.add(cmd)
	f.fleet.add(cmd)
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "only say what would be built, beside the image that is there")
	cmd.Flags().StringVar(&f.metadata, "metadata", "", "file to write what was built to, as JSON")
	cmd.Flags().StringVar(&f.output, "output", "", "oci-layout:DIR, docker-archive:FILE or docker:NAME")
	cmd.Flags().StringArrayVar(&f.cacheFrom, "cache-from", nil,
		"where results of steps are taken from: a reference, or type=registry|local|gha,… as buildx has it")
	cmd.Flags().StringArrayVar(&f.cacheTo, "cache-to", nil, "where results of steps are put, as with --cache-from")
	cmd.Flags().StringVar(&f.push, "push", "", "repository to push to; the tag is the plan's")
	cmd.Flags().BoolVar(&f.force, "force", false, "build and push also what the registry has already")
	cmd.Flags().BoolVar(&f.relock, "relock-missing", false,
		"lock files again that can no longer be fetched, and build those")
	return cmd
}

// buildFlags are the flags of build.
type buildFlags struct {
	engineFlags
	fleet
	output, push, metadata string
	cacheFrom, cacheTo     []string
	relock, dry, force     bool
}

var errNoOutput = errors.New("no output given: name one with --output or --push, or a registry in " + pins.WorkspaceName)

// buildAll builds courses.
func (f *buildFlags) buildAll(ctx context.Context, s streams, args []string) (err error) {
	defer f.end(s, &err)
	courses, err := f.courses(args)
	if err == nil {
		err = f.check(courses)
	}
	if err != nil {
		return err
	}
	do := f.build
	if f.dry {
		do = f.dryRun
	}
	shared := f.share(len(courses), s)
	defer shared.done(&err)
	results, err := f.report(ctx, s, courses, f.ready, do)
	if d, ok := results[0].Details.(buildDetails); ok && err == nil && len(courses) == 1 {
		fmt.Fprintf(s.err, "next: driftpin verify %s %s\n", courses[0], d.Reference)
	}
	if f.metadata == "" {
		return err
	}
	var data bytes.Buffer
	wrong := writeJSON(&data, reportOf(results))
	if wrong == nil {
		wrong = writeOut(f.metadata, data.Bytes())
	}
	return worse(err, wrong)
}

// check finds what can't be carried out before anything is built.
func (f *buildFlags) check(courses []string) error {
	if err := cmp.Or(f.engineFlags.check(), f.fleet.check()); err != nil {
		return err
	}
	if err := f.checkCaches(courses); err != nil {
		return err
	}
	if f.output != "" && f.push != "" {
		return usageError{errors.New("two outputs given: name one of --output and --push")}
	}
	if f.output != "" {
		if _, err := buildplan.ParseOutput(strings.ReplaceAll(f.output, "{course}", "course")); err != nil {
			return usageError{err}
		}
	}
	if info, err := os.Stat(filepath.Dir(f.metadata)); f.metadata != "" && (err != nil || !info.IsDir()) {
		return usageError{fmt.Errorf("--metadata %s: there is no folder for it", f.metadata)}
	}
	named, placed := map[string]string{}, map[string]string{}
	for _, dir := range courses {
		m, err := readCourse(dir, nil)
		if m == nil && f.output == "" && f.push == "" {
			return usageError{errNoOutput}
		}
		if m == nil && len(courses) == 1 {
			return err
		}
		if m == nil { // said when its turn comes
			continue
		}
		if other, again := named[m.Course]; again {
			return usageError{fmt.Errorf("%s and %s are both called %s: write course: NAME into a pins.yaml, or "+
				"name one at a time", other, dir, m.Course)}
		}
		named[m.Course] = dir
		push := f.pushOf(m)
		if f.output == "" && push == "" {
			return usageError{errNoOutput}
		}
		place := f.place(m.Course, push)
		if other, again := placed[place]; again {
			return usageError{fmt.Errorf("the images of %s and %s would both go to %s: write {course} into "+
				"--output or --push", other, dir, place)}
		}
		placed[place] = dir
	}
	return nil
}

// pushOf is the repository that a course's image is pushed to: the flag's, else the one of
// its workspace; empty where it goes elsewhere, or nowhere.
func (f *buildFlags) pushOf(m *pins.Manifest) string {
	if w := m.Workspace; f.output == "" && f.push == "" && w != nil && w.Registry.Value != "" {
		return w.Registry.Value + "/{course}"
	}
	return f.push
}

// place is where the image of a course goes, in one spelling.
func (f *buildFlags) place(course, push string) string {
	output := strings.ReplaceAll(f.output+push, "{course}", course)
	kind, where, ok := strings.Cut(output, ":")
	if !ok || push != "" || kind == "docker" {
		return output
	}
	if abs, err := filepath.Abs(where); err == nil {
		where = abs
	}
	return kind + ":" + where
}

// maxRelocks is how often a course is locked anew for files that have gone.
const maxRelocks = 3

// ready says what keeps a course from being built, as far as its files tell.
func (f *buildFlags) ready(_ context.Context, s streams, dir string) (result, error) {
	c, err := openCourse(dir, f.base)
	if err != nil {
		return result{}, err
	}
	return c.ready(s.err)
}

// begin opens a course that can be built, and the engine, which the caller closes. With an error comes the
// result that it is.
func (f *buildFlags) begin(ctx context.Context, s streams, dir string) (*course, *session.Session, result, error) {
	c, err := openCourse(dir, f.base)
	if err != nil {
		return nil, nil, result{}, err
	}
	if r, err := c.ready(s.err); err != nil {
		return nil, nil, r, err
	}
	if err := c.printLaunch(s.err, c.lock); err != nil {
		return nil, nil, result{Outcome: "findings"}, err
	}
	c.base.Digest = c.lock.Base
	e, err := f.open(ctx, s, c)
	return c, e, result{}, err
}

// build builds one course and prints what was made.
func (f *buildFlags) build(ctx context.Context, s streams, dir string) (r result, err error) {
	c, e, r, err := f.begin(ctx, s, dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for n := 0; ; n++ {
		r, err = f.buildLocked(ctx, s, c, e)
		var gone *buildplan.GoneError
		if !f.relock || n == maxRelocks || !errors.As(err, &gone) || len(gone.Others) > 0 || len(gone.Missing) == 0 {
			return r, err
		}
		if err := c.relockMissing(ctx, s, e, gone.Missing); err != nil {
			return result{}, err
		}
	}
}

// A buildDetails is what build says of an image, as JSON.
type buildDetails struct {
	Name      string `json:"name"`      // the course's
	Reference string `json:"reference"` // where the image is, as driftpin's commands take it
	Digest    string `json:"digest"`    // of what the reference's name leads to
	Manifest  string `json:"manifest,omitempty"`
	Tag       string `json:"tag"`
	Lock      string `json:"lock"`   // its digest
	New       int    `json:"new"`    // layers that were made
	Reused    int    `json:"reused"` // layers that the engine had
	Bytes     int64  `json:"bytes"`  // of the image's layers, as they are stored

	Checks []checkDetails `json:"checks"` // that were run
}

// buildLocked builds a course from its lock as it is.
func (f *buildFlags) buildLocked(ctx context.Context, s streams, c *course, e *session.Session) (result, error) {
	start := time.Now()
	p, err := buildplan.New(c.manifest, c.lock, c.lock.Platforms[0], c.base)
	if err != nil {
		return result{}, err
	}
	out, err := parseOutput(f.output, f.pushOf(c.manifest), p)
	if err != nil {
		return result{}, err
	}
	caches, err := f.caches(p.Course)
	if err != nil {
		return result{}, err
	}
	tellMissing(s.err, caches)
	builder := buildplan.Builder{Session: e, Caches: caches}
	if out.Push != "" && !f.force {
		if r, done, err := c.published(ctx, s, builder, p, out); done || err != nil {
			if done && err == nil && len(caches.To) > 0 {
				fmt.Fprintf(s.err, "%s: nothing was built, so --cache-to got nothing: see --force\n", p.Course)
			}
			return r, err
		}
	}
	r, err := builder.Build(ctx, p, out)
	if errors.As(err, new(*buildplan.CheckError)) {
		return result{Outcome: "check failed"}, fmt.Errorf("building %s: %w", p.Course, err)
	}
	if err != nil {
		return result{}, answering(ctx, out.Push, fmt.Errorf("building %s: %w", p.Course, err))
	}
	bytes, err := attach(ctx, s, c, out, p, r)
	if err != nil {
		return result{}, fmt.Errorf("%s is built: %w", p.Course, err)
	}
	fmt.Fprintf(s.err, "%s: built in %.1f s, checks %.1f s, in all %.1f s: %s, %s, %d reused, in %s\n", p.Course,
		r.Build.Seconds(), r.Checks.Seconds(), time.Since(start).Seconds(), megabytes(bytes), pins.Count(r.New, "new layer"),
		r.Reused, out)
	checks := tellChecks(s.err, p.Course, r.Checked)
	for _, r := range c.lock.Recordings {
		if n := len(r.Varying); n > 0 {
			fmt.Fprintf(s.err, "%s: the layer of %s is not reproducible: %d of its files are written otherwise each time: %s\n",
				p.Course, r.Script, n, some(r.Varying))
		}
	}
	_, err = fmt.Fprintf(s.out, "%s %s %s\n", p.Course, r.Tag, cmp.Or(r.Manifest, r.Digest))
	return result{Outcome: "built", bytes: bytes, made: r.New, known: r.Reused, Details: buildDetails{p.Course, out.String(),
		r.Digest, r.Manifest, r.Tag, c.lock.Digest(), r.New, r.Reused, bytes, checks}}, err
}

// answering is an error of the engine's that is about an image in a registry; empty for none: one of
// reaching the registry, if that does not answer. The engine passes on only words.
func answering(ctx context.Context, ref string, err error) error {
	if ref == "" || err == nil || ctx.Err() != nil {
		return err
	}
	img, asked := images.Open(ctx, ref, images.Options{})
	if asked == nil {
		_ = img.Close() // it is there, from before
	} else if isUnreachable(asked) {
		return &session.UnreachableError{Err: err}
	}
	return err
}

// relockMissing locks anew what can't be fetched any more, writes the lock, and
// says what changed.
func (c *course) relockMissing(ctx context.Context, s streams, e *session.Session, missing []pins.Artifact) error {
	o := c.sameCourse()
	var files []string
	for _, a := range missing {
		o.Names = append(o.Names, a.Name)
		files = append(files, path.Base(a.File))
	}
	fmt.Fprintf(s.err, "%s: no index has %s any more: locking the course again\n", c.lockFile, strings.Join(files, ", "))
	l, err := pins.Relock(ctx, c.manifest, c.lock, c.resolver(e), o)
	if err != nil {
		return fmt.Errorf("locking %s: %w", c.manifest.Dir, err)
	}
	if l, err = c.recorded(ctx, s, e, c.manifest, l); err != nil {
		return fmt.Errorf("locking %s: %w", c.manifest.Dir, err)
	}
	if err := whole.WriteFile(c.lockFile, []byte(l.String()), 0o644); err != nil {
		return err
	}
	if err := showChanges(s.err, c, l); err != nil {
		return err
	}
	c.lock = l
	return nil
}

// attach gives the image its inventory, where the output has a place for one, and returns
// how many bytes the image's layers have.
func attach(ctx context.Context, s streams, c *course, out buildplan.Output, p *buildplan.Plan,
	r *buildplan.Result) (bytes int64, err error) {
	ref := out.Push
	if out.Layout != "" {
		ref = pins.LayoutPrefix + out.Layout
	}
	if ref == "" {
		return 0, nil
	}
	reader, done := newReader(s)
	defer done()
	r.Digest, bytes, err = reader.Attach(ctx, ref, drift.Reason{Manifest: c.manifest, Lock: c.lock},
		images.Made{Checked: p.Checked(), By: builders()})
	return bytes, err
}

// some names the first of many, and how many more there are.
func some(names []string) string {
	const shown = 5
	if more := len(names) - shown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), more)
	}
	return strings.Join(names, ", ")
}

func parseOutput(output, push string, p *buildplan.Plan) (buildplan.Output, error) {
	if push != "" {
		return buildplan.Output{Push: strings.ReplaceAll(push, "{course}", p.Course) + ":" + p.Tag()}, nil
	}
	out, err := buildplan.ParseOutput(strings.ReplaceAll(output, "{course}", p.Course))
	if err != nil {
		return out, usageError{err}
	}
	return out, nil
}
