package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images"
	"github.com/spf13/cobra"
)

func buildCommand(s streams) *cobra.Command {
	var flags engineFlags
	var output, push string
	cmd := &cobra.Command{
		Use:   "build COURSE…",
		Short: "Build the images of courses from their locks, check them, and export them",
		Long: `Build the images of courses from their locks, run their checks, and export them.
Nothing is resolved: a stale lock is exit status 3. {course} in --output and
--push stands for the course's name.`,
		Example: `  driftpin build testdata/courses/stat159 --output oci-layout:build/images/stat159
  driftpin build courses/* --output 'oci-layout:build/images/{course}'
  driftpin build courses/stat159 --output docker:stat159   # then docker run -p 8888:8888 stat159 …
  driftpin build courses/stat159 --push registry.example.edu/hub/{course}`,
		Args: arguments(1, -1, "one or more courses"),
		RunE: func(cmd *cobra.Command, courses []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			if (output == "") == (push == "") {
				return usageError{errors.New("name where the image goes: --output or --push")}
			}
			if len(courses) > 1 && !strings.Contains(output+push, "{course}") {
				return usageError{errors.New("several courses need {course} in --output or --push")}
			}
			for _, dir := range courses {
				if err := buildCourse(cmd.Context(), s, dir, flags, output, push); err != nil {
					return err
				}
			}
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&output, "output", "", "oci-layout:DIR, docker-archive:FILE or docker:NAME")
	cmd.Flags().StringVar(&push, "push", "", "repository to push to; the tag is the plan's")
	return cmd
}

// buildCourse builds one course and prints what was made.
func buildCourse(ctx context.Context, s streams, dir string, flags engineFlags, output, push string) (err error) {
	c, err := openCourse(dir, flags.base)
	if err != nil {
		return err
	}
	if err := c.usable(s.err); err != nil {
		return err
	}
	c.base.Digest = c.lock.Base
	start := time.Now()
	b, err := flags.open(ctx, s, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	p, err := buildplan.New(c.manifest, c.lock, c.lock.Platforms[0], b.Base)
	if err != nil {
		return err
	}
	out, err := parseOutput(output, push, p)
	if err != nil {
		return err
	}
	r, err := b.Build(ctx, p, out)
	if err != nil {
		return fmt.Errorf("building %s: %w", p.Course, err)
	}
	if err := attach(ctx, s, c, out, r); err != nil {
		return fmt.Errorf("%s is built: %w", p.Course, err)
	}
	fmt.Fprintf(s.err, "%s: built in %.1f s, checks %.1f s, in all %.1f s\n", p.Course, r.Build.Seconds(), r.Checks.Seconds(), time.Since(start).Seconds())
	_, err = fmt.Fprintf(s.out, "%s %s %s\n", p.Course, r.Tag, cmp.Or(r.Manifest, r.Digest))
	return err
}

// attach gives the image its inventory, where the output has a place for one.
func attach(ctx context.Context, s streams, c *course, out buildplan.Output, r *buildplan.Result) error {
	ref := out.Push
	if out.Layout != "" {
		ref = "oci-layout:" + out.Layout
	}
	if ref == "" {
		return nil
	}
	reader, done, err := newReader(s)
	if err != nil {
		return err
	}
	defer done()
	r.Digest, err = reader.Attach(ctx, ref, images.Reason{Manifest: c.manifest, Lock: c.lock})
	return err
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
