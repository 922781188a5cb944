package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func syncCommand(s streams) *cobra.Command {
	var f bumpFlags
	cmd := &cobra.Command{
		Use:   "sync FROM COURSE [NAME…]",
		Short: "Carry pins from one course to another: a bump whose versions come from there",
		Long: `Carry pins from one course to another: each pin of COURSE whose package FROM has at
another version takes that version, as with bump. Without a NAME these are the
packages that COURSE's sync rules say must be the same, or, where it has no such
rules, all that both pin. Nothing is written without --write.`,
		Example: `  driftpin sync courses/stat159 courses/data100 jupyterlab jupyterhub
  driftpin sync courses/stat159 courses/data100 --write`,
		Args: arguments(2, -1, "a course to take from, a course to change, and packages"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(oneOf("to", f.to, "latest"), f.check()); err != nil {
				return err
			}
			return f.sync(cmd.Context(), s, args[0], args[1], args[2:])
		},
	}
	f.to = "latest"
	f.add(cmd)
	cmd.Flags().BoolVar(&f.write, "write", false, "write the manifest and the lock")
	cmd.Flags().StringVar(&f.markdown, "markdown", "", "file to write the pull request's body to")
	cmd.Flags().StringVar(&f.asOf, "as-of", "", "take this date for the manifest's as-of too")
	return cmd
}

func (f *bumpFlags) sync(ctx context.Context, s streams, from, to string, names []string) error {
	source, err := openManifest(from)
	if err != nil {
		return err
	}
	if source.broken != nil {
		return source.broken
	}
	target, err := openManifest(to)
	if err != nil {
		return err
	}
	f.targets = carried(source, target.manifest, names)
	for _, name := range names {
		if !slices.ContainsFunc(target.manifest.Requests, func(r pins.Request) bool { return samePackage(r.Name, name) }) {
			return fmt.Errorf("%s: it does not pin %s", to, name)
		}
		if !slices.ContainsFunc(target.manifest.Requests, func(r pins.Request) bool { return samePackage(r.Name, name) && source.version(r) != "" }) {
			return fmt.Errorf("%s: it has no version of %s to take", from, name)
		}
	}
	if len(f.targets) == 0 {
		fmt.Fprintf(s.err, "%s: its pins have the versions of %s\n", to, from)
		return nil
	}
	_, err = f.bump(ctx, s, []string{to})
	return err
}

// carried are the versions that pins of a manifest would take from another
// course: those that are named, or that a sync rule says must be the same, or
// all if there is no such rule.
func carried(from *course, m *pins.Manifest, names []string) (out []target) {
	var patterns []string
	for _, rule := range m.Sync.Rules {
		if rule.Rule == "same" {
			patterns = append(patterns, rule.Patterns...)
		}
	}
	wanted := func(name string) bool {
		if len(names) > 0 {
			return slices.ContainsFunc(names, func(n string) bool { return samePackage(n, name) })
		}
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
			fits, _ := path.Match(p, name) // the pattern has been looked at
			return fits || samePackage(p, name)
		})
	}
	for _, r := range m.Requests {
		if r.Name == "" || !wanted(r.Name) || r.Version == "" && r.Git == nil && len(names) == 0 {
			continue // a range is somebody's wish: it is given up only by name
		}
		if v := from.version(r); v != "" && v != r.Version && (r.Git != nil || r.Version == "" || pins.CompareVersions(r.Kind, v, r.Version) != 0) {
			out = append(out, target{r.Kind, r.Name, v})
		}
	}
	return out
}

func samePackage(a, b string) bool {
	return pins.CanonicalName(pins.Pip, a) == pins.CanonicalName(pins.Pip, b)
}

// version is what a course has of what another asks for: what is locked, else
// what is pinned; of a git requirement the reference.
func (c *course) version(r pins.Request) string {
	q := c.manifest.Request(r.Kind, r.Name, "")
	switch {
	case r.Git != nil:
		if q != nil && q.Git != nil && q.Git.URL == r.Git.URL && q.Git.Ref != r.Git.Ref {
			return q.Git.Ref
		}
		return ""
	case c.lock != nil:
		a, _ := c.lock.Find(r.Kind, r.Name, c.lock.Platforms[0])
		if a.Commit != "" {
			return ""
		}
		return a.Version
	case q != nil:
		return q.Version
	}
	return ""
}
