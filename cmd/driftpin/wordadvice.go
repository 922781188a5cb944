package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/bump"
	"github.com/driftpin/driftpin/pins/hub"
)

// worded adds to the refusals in an error what else there is.
func (f *bumpFlags) worded(err error, all []*bump.Bumping) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, f.worded(e, all))
		}
		return errors.Join(out...)
	}
	var refusal *bump.Refusal
	if !errors.As(err, &refusal) || refusal.Advice == nil {
		return err
	}
	i := slices.IndexFunc(all, func(p *bump.Bumping) bool { return p.Course.Manifest.Dir == refusal.Dir })
	return fmt.Errorf("%w%s", err, f.advice(all[i], refusal.Advice))
}

// advice words what else there is.
func (f *bumpFlags) advice(p *bump.Bumping, a *bump.Advice) string {
	dir := p.Course.Manifest.Dir
	switch {
	case a.Date != "" && len(a.Moves)+len(a.Gone) == 0:
		return fmt.Sprintf("\nOnly as-of (%s) prevents this: run driftpin bump %s%s --as-of %s",
			p.Course.Manifest.AsOf.Text, dir, asked(p), a.Date)
	case len(a.Around) > 0:
		return wordAround(a.Around)
	case !a.Possible:
		return "\nNo solution exists, even if all other pins may change."
	case len(a.Moves)+len(a.Gone) == 0:
		return ""
	}
	var text strings.Builder
	tell := func(r pins.Request, what string) {
		fmt.Fprintf(&text, "\n  %s: %s %s", r.At, r.Spec, what)
		if r.Why != "" {
			fmt.Fprintf(&text, " (%s: %s)", r.Need, r.Why)
		}
	}
	command := "driftpin bump " + dir + asked(p)
	for _, r := range a.Gone {
		tell(r, "would have to be removed")
	}
	for _, m := range a.Moves {
		tell(m.Request, "→ "+m.Version)
		command += " " + m.Request.Name + "=" + m.Version
	}
	c := &course{manifest: p.Course.Manifest, lock: p.Course.Lock}
	for _, f := range unfit(c, a.Manifest, a.Lock) {
		text.WriteString("\n  " + f.Error())
	}
	for i, add := range p.Adds {
		if i == 0 {
			command += ", then driftpin add " + dir
		}
		command += fmt.Sprintf(" '%s:%s'", add.Kind.Key(), add.Spec)
	}
	if len(a.Gone) > 0 {
		command = "remove those pins, run driftpin lock " + dir + ", then " + command
	}
	head := "\nThese pins would have to change too:"
	if a.Date != "" {
		head = fmt.Sprintf("\nas-of (%s) prevents this; with --as-of %s, these pins would have to change too:",
			p.Course.Manifest.AsOf.Text, a.Date)
	}
	if date := cmp.Or(a.Date, f.asOf); date != "" {
		command += " --as-of " + date
	}
	return head + text.String() + "\nTo do so: " + command
}

// asked is what a bump asks for, as it is written in a command.
func asked(p *bump.Bumping) (words string) {
	for _, b := range p.Bumps {
		words += " " + b.Request.Name + "=" + b.Version
	}
	return words
}

// wordAround says what there is around versions that do not exist.
func wordAround(around []bump.Around) string {
	var text strings.Builder
	for _, a := range around {
		there := slices.DeleteFunc([]string{a.Below, a.Above}, func(v string) bool { return v == "" })
		if len(there) > 0 {
			are := map[bool]string{true: "is", false: "are"}[len(there) == 1]
			fmt.Fprintf(&text, "\nThe nearest of %s %s %s.", a.Name, are, strings.Join(there, " and "))
		}
		if a.Sibling != "" {
			fmt.Fprintf(&text, " %s is a version of %s.", a.Version, a.Sibling)
		}
	}
	return text.String()
}

// unfit is what of a course's launch would not fit any more.
func unfit(c *course, m *pins.Manifest, l *pins.Lock) pins.Findings {
	before := hub.Check(c.manifest, c.lock, "")
	return slices.DeleteFunc(hub.Check(m, l, "").AtLeast(pins.Warning), func(f pins.Finding) bool {
		return slices.ContainsFunc(before,
			func(b pins.Finding) bool { return b.Subject == f.Subject && b.Position == f.Position })
	})
}
