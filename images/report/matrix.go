package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
)

// TextMatrix writes a matrix for reading: a row a package, a column an image.
func TextMatrix(w io.Writer, m *drift.Matrix, colour bool) error {
	t := &text{paint: paint(colour)}
	t.printf("%s\n", t.bold(matrixHeadline(m)))
	for i, c := range m.Images {
		t.printf("  %s  %s: %s, %d of them nowhere else\n", letter(i), Clean(c.Name), pins.Count(c.Packages, "package"),
			c.Alone)
	}
	head := []string{"package"}
	for i := range m.Images {
		head = append(head, letter(i))
	}
	rows := [][]string{append(head, "level")}
	for _, r := range append(m.Packages, m.Config...) {
		rows = append(rows, matrixRow(r))
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = min(max(widths[i], width(cell)), maxCell)
		}
	}
	t.printf("\n")
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString("  " + pad(shorten(cell), widths[i]))
		}
		t.printf("%s\n", strings.TrimRight(line.String(), " "))
	}
	if len(rows) > screen {
		t.printf("\n%s\n", t.bold(matrixHeadline(m)))
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// maxCell is how wide a column may be, in characters.
const maxCell = 40

// shorten cuts a cell that is too wide.
func shorten(s string) string {
	if r := []rune(s); len(r) > maxCell {
		return string(r[:maxCell-1]) + "…"
	}
	return s
}

func letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return letter(i/26-1) + letter(i%26)
}

func matrixRow(r drift.Row) []string {
	name := Clean(r.Name)
	if r.Kind != "" {
		name = string(r.Kind) + " " + name
	}
	if r.Where != "" {
		name += " (" + Clean(r.Where) + ")"
	}
	row := []string{name}
	for _, v := range r.Values {
		if v == nil {
			row = append(row, "–")
		} else {
			row = append(row, Clean(*v))
		}
	}
	return append(row, string(r.Level))
}

func matrixHeadline(m *drift.Matrix) string {
	if len(m.Packages)+len(m.Config) == 0 {
		return fmt.Sprintf("%d images, no drift: %s the same in all", len(m.Images), pins.Count(m.Summary.Same, "package"))
	}
	return fmt.Sprintf("%d images: %s in different versions, %d not in all, %d the same in all; %s",
		len(m.Images), pins.Count(m.Summary.Differing, "package"), m.Summary.Missing, m.Summary.Same,
		pins.Count(m.Summary.Config, "setting")+map[bool]string{true: " differs", false: " differ"}[m.Summary.Config == 1])
}

// MarkdownMatrix writes a matrix as a table in GitHub's Markdown.
func MarkdownMatrix(w io.Writer, m *drift.Matrix) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", markdown(matrixHeadline(m)))
	for i, c := range m.Images {
		fmt.Fprintf(&b, "- %s: %s, %s, %d of them nowhere else\n", letter(i), code(c.Name),
			pins.Count(c.Packages, "package"), c.Alone)
	}
	b.WriteString("\n")
	head := "| package |"
	for i := range m.Images {
		head += " " + letter(i) + " |"
	}
	head += " level |\n|---|" + strings.Repeat("---|", len(m.Images)+1) + "\n"
	var lines []string
	for _, r := range slices.Concat(m.Packages, m.Config) {
		cells := matrixRow(r)
		for i, c := range cells {
			if i == 0 {
				cells[i] = code(c)
			} else {
				cells[i] = markdown(c)
			}
		}
		lines = append(lines, fmt.Sprintf("| %s |\n", strings.Join(cells, " | ")))
	}
	folded(&b, head, lines)
	_, err := io.WriteString(w, b.String())
	return err
}
