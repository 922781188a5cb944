package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
)

// leastBytes is from which on a difference of sizes is shown for a package: one of fewer
// bytes says nothing.
const leastBytes = 10_000

// Bytes words a size in powers of 1000, with three digits.
func Bytes(n int64) string {
	size, unit := float64(n), ""
	for _, unit = range []string{"B", "kB", "MB", "GB", "TB"} {
		if size < 999.5 || unit == "TB" {
			break
		}
		size /= 1000
	}
	digits := 2
	if unit == "B" || size >= 99.95 {
		digits = 0
	} else if size >= 9.995 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, size, unit)
}

// moreBytes words by how much a change makes the image larger, or smaller; empty where that is not
// known, or next to nothing.
func moreBytes(c drift.Change) string {
	switch more, known := c.Bytes(); {
	case !known || more > -leastBytes && more < leastBytes:
		return ""
	case more < 0:
		return "-" + Bytes(-more)
	default:
		return "+" + Bytes(more)
	}
}

// sizes is a line on how large the packages that differ are, in all; empty where nothing is known.
func sizes(d *drift.Drift) string {
	s := d.Summary.Sizes
	if s == nil || s.More+s.Less < leastBytes {
		return ""
	}
	in, text := "", "no larger and no smaller in all"
	if _, b, two := d.TwoCourses(); two {
		in = " in " + Clean(b)
	}
	switch more := s.More - s.Less; {
	case more > 0:
		text = Bytes(more) + " more in all"
	case more < 0:
		text = Bytes(-more) + " less in all"
	}
	line := fmt.Sprintf("installed files%s: %s (%s more, %s less)", in, text, Bytes(s.More), Bytes(s.Less))
	if s.Unknown > 0 {
		line += fmt.Sprintf("; %s of unknown size", pins.Count(s.Unknown, "package"))
	}
	return line
}

// abouts are lines on downgrades and sizes, and on what no inventory tells.
func abouts(d *drift.Drift) (lines []string) {
	for _, name := range d.Untold {
		lines = append(lines, fmt.Sprintf("an older driftpin built %s: --read-layers tells sizes and licences of its packages",
			Clean(name)))
	}
	for _, line := range []string{downgrades(d), sizes(d)} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// maxNamed is how many packages a line names.
const maxNamed = 8

// maxLicenses is how many licences are told.
const maxLicenses = 20

// licenses are lines on packages that name another licence.
func licenses(d *drift.Drift) (lines []string) {
	to, more := " → ", 0
	if _, _, two := d.TwoCourses(); two {
		to = " | "
	}
	for _, c := range d.Packages {
		if !c.Relicensed {
			continue
		}
		a, b := cmp.Or(c.AAbout.License, "not told"), cmp.Or(c.BAbout.License, "not told")
		if len(lines) == maxLicenses {
			more++
			continue
		}
		lines = append(lines, fmt.Sprintf("licence of %s %s: %s%s%s", c.Kind, Clean(c.Name), Clean(a), to, Clean(b)))
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("licences of %s more: --format json marks them as relicensed", pins.Count(more, "package")))
	}
	return lines
}

// downgrades is a line that names what is older than it was; empty if nothing is, and of two
// courses, of which neither is the older one.
func downgrades(d *drift.Drift) string {
	if _, _, two := d.TwoCourses(); two {
		return ""
	}
	var names []string
	for _, c := range d.Packages {
		if c.Down {
			names = append(names, Clean(c.Name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	line := pins.Count(len(names), "downgrade") + ": "
	if more := len(names) - maxNamed; more > 0 {
		return line + strings.Join(names[:maxNamed], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return line + strings.Join(names, ", ")
}

// A reading is where to read what is new in a package.
type reading struct {
	name, link string
	order      int
}

// readings are the changelogs of packages whose version changed, or else their projects' pages: those
// of pins that changed, if some did; else first of what is pinned, and then by how far it moved.
func readings(d *drift.Drift) (list []reading) {
	for _, c := range d.Packages {
		home, changes := c.Links()
		if changes == "" {
			changes = home
		}
		asked := c.Cause != nil && c.Cause.Asked
		if changes == "" || c.Change != drift.Changed || c.Level == version.Build || d.Summary.Asked > 0 && !asked {
			continue
		}
		at := rank(c)
		if c.Cause == nil || len(c.Cause.Chain) != 1 {
			at += len(order)
		}
		list = append(list, reading{string(c.Kind) + " " + Clean(c.Name), changes, at})
	}
	slices.SortStableFunc(list, func(a, b reading) int { return a.order - b.order })
	return list
}

// maxReadings is how many of them are listed for reading on a terminal.
const maxReadings = 25

// readings lists where to read what is new.
func (t *text) readings(list []reading) {
	if len(list) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("Changelogs and projects"))
	for i, r := range list {
		if i == maxReadings {
			t.printf("  and %d more: --format json and html have all\n", len(list)-i)
			break
		}
		t.printf("  %s  %s\n", r.name, t.dim(r.link))
	}
}
