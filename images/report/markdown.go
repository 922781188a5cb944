package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
)

// maxRows is how many rows a table shows before the rest is folded away: a
// comment is to be read.
const maxRows = 20

// Markdown writes a drift as a comment in GitHub's Markdown: what matters first,
// and long lists folded.
func Markdown(w io.Writer, d *drift.Drift) error {
	var b strings.Builder
	between := "→"
	if _, _, two := d.TwoCourses(); two {
		between = "and"
	}
	fmt.Fprintf(&b, "**%s** (%s %s %s)\n", markdown(Headline(d)), code(d.A), between, code(d.B))
	for _, line := range sources(d) {
		fmt.Fprintf(&b, "- %s\n", markdown(line))
	}
	for _, line := range Highlights(d) {
		fmt.Fprintf(&b, "- %s\n", markdown(line))
	}
	if len(d.Breaches) > 0 {
		b.WriteString("\n#### Against the policy\n\n")
		var lines []string
		for _, x := range d.Breaches {
			lines = append(lines, fmt.Sprintf("- ❌ %s (%s)\n", markdown(reasoned(x.Message, x.Why)),
				code(pins.Position{File: x.File, Line: x.Line}.String())))
		}
		folded(&b, "", lines)
	}
	if len(d.Packages) > 0 {
		b.WriteString("\n")
		tablePackages(&b, d)
	}
	if len(d.Config) > 0 {
		var lines []string
		for _, s := range d.Config {
			lines = append(lines, fmt.Sprintf("| %s | %s | %s |\n", code(s.Name), markdownCode(s.A), markdownCode(s.B)))
		}
		head := "\n| setting | was | is |\n|---|---|---|\n"
		if a, other, two := d.TwoCourses(); two {
			head = fmt.Sprintf("\n| setting | %s | %s |\n|---|---|---|\n", markdown(a), markdown(other))
		}
		folded(&b, head, lines)
	}
	if list := readings(d); len(list) > 0 && b.Len() < maxComment {
		b.WriteString("\n<details><summary>Changelogs and projects</summary>\n\n")
		for _, r := range list {
			if b.Len() > maxComment {
				b.WriteString("\nand more, which do not fit here\n")
				break
			}
			fmt.Fprintf(&b, "- %s: <%s>\n", code(r.name), r.link)
		}
		b.WriteString("\n</details>\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownCode(s *string) string {
	if s == nil {
		return "–"
	}
	return code(shortened(*s, maxSetting))
}

// maxSetting is how much of a setting's value is shown, in characters.
const maxSetting = 300

func shortened(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// MarkdownPackages is a drift's packages as a table in GitHub's Markdown; a long
// one is folded, but for its first rows.
func MarkdownPackages(d *drift.Drift) string {
	var b strings.Builder
	if len(d.Packages) > 0 {
		tablePackages(&b, d)
	}
	return b.String()
}

func tablePackages(b *strings.Builder, d *drift.Drift) {
	var rows []row
	for _, c := range d.Packages {
		if d.Expand || !d.Within(c) {
			rows = append(rows, newRow(d, c, false))
		}
	}
	if len(rows) == 0 {
		return
	}
	slices.SortStableFunc(rows, func(a, b row) int { return rank(a.change) - rank(b.change) })
	a, other, two := d.TwoCourses()
	sized := slices.ContainsFunc(rows, func(r row) bool { return r.size != "" })
	heads := []string{"", "package", "version", "level"}
	if two {
		heads = []string{"", "package", markdown(a), markdown(other), "level"}
	}
	if sized {
		heads = append(heads, "size")
	}
	heads = append(heads, "because of")
	head := "| " + strings.Join(heads, " | ") + " |\n" + strings.Repeat("|---", len(heads)) + "|\n"
	var lines []string
	for _, r := range rows {
		versions := markdown(r.versions)
		if two {
			versions = markdownVersion(r.change.A, r.change.ADetail) + " | " + markdownVersion(r.change.B, r.change.BDetail)
		}
		cells := []string{r.mark, code(string(r.change.Kind) + " " + r.name), versions, markdown(r.level)}
		if sized {
			cells = append(cells, r.size)
		}
		cells = append(cells, markdown(r.note))
		lines = append(lines, fmt.Sprintf("| %s |\n", strings.Join(cells, " | ")))
	}
	folded(b, head, lines)
}

// markdownVersion is a version in a cell; a dash where there is none.
func markdownVersion(v *string, d *pins.Detail) string {
	if v == nil {
		return "–"
	}
	return markdown(versionText(v, d))
}

// maxComment is how long a comment may get by what is folded, in bytes: GitHub
// takes 65,536 characters, and the first rows of each table are shown anyway.
const maxComment = 45_000

// folded writes a table's first rows, and the others folded, as far as they fit
// into a comment. Head and rows end their lines.
func folded(b *strings.Builder, head string, rows []string) {
	more := rows[min(maxRows, len(rows)):]
	b.WriteString(head + strings.Join(rows[:len(rows)-len(more)], ""))
	if len(more) == 0 {
		return
	}
	fmt.Fprintf(b, "\n<details><summary>%d more</summary>\n\n%s", len(more), head)
	for len(more) > 0 && b.Len() < maxComment {
		b.WriteString(more[0])
		more = more[1:]
	}
	if len(more) > 0 {
		fmt.Fprintf(b, "\nand %d more, which do not fit here\n", len(more))
	}
	b.WriteString("\n</details>\n")
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
var special = strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", "\\*", "_",
	"\\_", "`", "\\`", "[", "\\[", "]", "\\]", "@", "&#64;", "#", "&#35;")

// markdown is a text that Markdown shows as it is, and that calls nobody.
func markdown(s string) string { return special.Replace(Clean(s)) }

// code is a short text set as code.
func code(s string) string {
	return "`" + strings.NewReplacer("`", "'", "|", "\\|").Replace(Clean(s)) + "`"
}

// MarkdownText is Clean for Markdown.
func MarkdownText(s string) string { return markdown(s) }
