package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images"
)

// maxRows is how many packages a table shows before the rest is folded away: a
// comment is to be read.
const maxRows = 20

// MarkdownPackages is a drift's packages as a table in GitHub's Markdown; a long
// one is folded, but for its first rows.
func MarkdownPackages(d *images.Drift) string {
	if len(d.Packages) == 0 {
		return ""
	}
	var rows []row
	for _, c := range d.Packages {
		rows = append(rows, newRow(c, false))
	}
	slices.SortStableFunc(rows, func(a, b row) int { return rank(a.change) - rank(b.change) })
	var b strings.Builder
	table := func(rows []row) {
		b.WriteString("| | package | version | level | because of |\n|---|---|---|---|---|\n")
		for _, r := range rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.mark, code(string(r.change.Kind)+" "+r.name), markdown(r.versions), r.level, markdown(r.note))
		}
	}
	table(rows[:min(maxRows, len(rows))])
	if more := rows[min(maxRows, len(rows)):]; len(more) > 0 {
		fmt.Fprintf(&b, "\n<details><summary>%d more</summary>\n\n", len(more))
		table(more)
		b.WriteString("\n</details>\n")
	}
	return b.String()
}

// MarkdownLines is the difference of two texts as a fenced block.
func MarkdownLines(before, after string) string {
	var b strings.Builder
	for _, h := range hunks(before, after) {
		for _, line := range h.went {
			b.WriteString("-" + line + "\n")
		}
		for _, line := range h.came {
			b.WriteString("+" + line + "\n")
		}
	}
	fence := "```"
	for strings.Contains(b.String(), fence) {
		fence += "`"
	}
	return fence + "diff\n" + b.String() + fence + "\n"
}

// special are the characters that mean something to Markdown or to HTML.
var special = strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "@", "&#64;", "#", "&#35;")

// markdown is a text that Markdown shows as it is, and that calls nobody.
func markdown(s string) string { return special.Replace(Clean(s)) }

// code is a short text set as code.
func code(s string) string {
	return "`" + strings.NewReplacer("`", "'", "|", "\\|").Replace(Clean(s)) + "`"
}

// MarkdownText is Clean for Markdown.
func MarkdownText(s string) string { return markdown(s) }
