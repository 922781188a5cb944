package report

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
)

// The page, its style and its program, which are put together; and what stands on the
// page for those who have no scripts.
var (
	//go:embed page.html
	page string
	//go:embed page.css
	style string
	//go:embed page.js
	program string
	//go:embed plain.html
	plainPage string
)

// writeHTML writes a document as one page that needs nothing else: what is to be read, as
// plain HTML; the data, and a program that shows it better. data says by its keys what it is:
// drift or matrix. encoding/json writes <, > and & as escapes, so that nothing in the data
// can end the element that holds it.
func writeHTML(w io.Writer, p plain, data map[string]any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	body := &strings.Builder{}
	t, err := template.New("plain").Parse(plainPage)
	if err == nil {
		err = t.Execute(body, p)
	}
	if err != nil {
		return err
	}
	parts := strings.NewReplacer("{{STYLE}}", style, "{{PROGRAM}}", program, "{{DATA}}", string(text), "{{PLAIN}}", body.String())
	_, err = parts.WriteString(w, page)
	return err
}

// plain is a document as plain HTML has it.
type plain struct {
	Title, Headline string
	Lines           []string
	Tables          []plainTable
}

// A plainTable is one of its tables.
type plainTable struct {
	Name string
	Head []string
	Rows [][]plainCell
}

// A plainCell is one of its cells; a link may lead to more.
type plainCell struct{ Text, Link string }

// plainRow is a row of cells without links.
func plainRow(cells ...string) (row []plainCell) {
	for _, c := range cells {
		row = append(row, plainCell{Text: c})
	}
	return row
}

// htmlDrift writes a drift as a page.
func htmlDrift(w io.Writer, d *drift.Drift) error {
	p := plain{Title: compared(d), Headline: Headline(d), Lines: slices.Concat(sources(d), Highlights(d))}
	for _, b := range d.Breaches {
		p.Lines = append(p.Lines, "against the policy: "+reasoned(b.Message, b.Why))
	}
	a, b, two := d.TwoCourses()
	if !two {
		a, b = "was", "is"
	}
	packages := plainTable{Name: "Packages", Head: []string{"sign", "kind", "package", Clean(a), Clean(b), "level", "size", "because of"}}
	places := map[pins.Kind]map[string]bool{}
	for _, c := range d.Packages {
		if places[c.Kind] == nil {
			places[c.Kind] = map[string]bool{}
		}
		places[c.Kind][c.Where] = true
	}
	changes := slices.Clone(d.Packages)
	slices.SortStableFunc(changes, func(a, b drift.Change) int { return rank(a) - rank(b) })
	for _, c := range changes {
		if d.Expand || !d.Within(c) {
			r := newRow(d, c, len(places[c.Kind]) > 1)
			row := plainRow(r.mark, Clean(string(c.Kind)), r.name, plainVersion(c.A, c.ADetail), plainVersion(c.B, c.BDetail),
				r.level, strings.ReplaceAll(r.size, " ", "\u00a0"), r.note)
			home, changes := c.Links()
			row[2].Link = cmp.Or(changes, home)
			packages.Rows = append(packages.Rows, row)
		}
	}
	config := plainTable{Name: "Image config", Head: []string{"setting", Clean(a), Clean(b)}}
	for _, s := range d.Config {
		config.Rows = append(config.Rows, plainRow(Clean(s.Name), shortened(orNone(s.A), maxSetting),
			shortened(orNone(s.B), maxSetting)))
	}
	p.Tables = []plainTable{packages, config}
	data := map[string]any{"drift": d, "sizes": sizes(d), "downgrades": downgrades(d), "licenses": licenses(d), "untold": d.Untold}
	if two {
		data["courses"] = map[string]string{"a": a, "b": b, "headline": Headline(d), "counts": counts(d)}
	}
	return writeHTML(w, p, data)
}

// htmlMatrix writes a matrix as a page.
func htmlMatrix(w io.Writer, m *drift.Matrix) error {
	p := plain{Title: "driftpin", Headline: matrixHeadline(m)}
	head := []string{"package"}
	for i, c := range m.Images {
		p.Lines = append(p.Lines, letter(i)+": "+Clean(c.Name))
		head = append(head, letter(i))
	}
	t := plainTable{Name: "Packages and settings", Head: append(head, "level")}
	for _, r := range slices.Concat(m.Packages, m.Config) {
		t.Rows = append(t.Rows, plainRow(matrixRow(r)...))
	}
	p.Tables = []plainTable{t}
	return writeHTML(w, p, map[string]any{"matrix": m})
}

func plainVersion(v *string, d *pins.Detail) string {
	if v == nil {
		return "–"
	}
	return versionText(v, d)
}
