package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/steps"
)

// results are the figures of each scenario, by side.
type results struct {
	scenarios []string // in the order in which they came
	figures   map[[2]string][]figure
}

func (r *results) add(scenario, side string, f figure) {
	if r.figures == nil {
		r.figures = map[[2]string][]figure{}
	}
	if !slices.Contains(r.scenarios, scenario) {
		r.scenarios = append(r.scenarios, scenario)
	}
	key := [2]string{scenario, side}
	r.figures[key] = append(r.figures[key], f)
}

// quantities are the rows that each scenario has.
var quantities = []struct {
	name, format string
	of           func(figure) float64
}{
	{"seconds", "%.1f", func(f figure) float64 { return f.seconds }},
	{"MB pushed", "%.2f", func(f figure) float64 { return float64(f.pushed) / 1e6 }},
	{"MB of memory", "%.0f", func(f figure) float64 { return float64(f.memory) / 1e6 }},
}

// print writes what was measured, in Markdown.
func (b *bench) print(w io.Writer, full *course, runs int) {
	b.describe(w, full, runs)
	b.results.print(w)
}

func (r *results) print(w io.Writer) {
	fmt.Fprintln(w, "| scenario | | driftpin | pip | uv | driftpin : pip | uv : pip |")
	fmt.Fprintln(w, "|---|---|--:|--:|--:|--:|--:|")
	for _, scenario := range r.scenarios {
		for i, q := range quantities {
			row := []string{scenario, q.name}
			if i > 0 {
				row[0] = ""
			}
			values := map[string]float64{}
			for _, side := range sides {
				value, ok := median(r.figures[[2]string{scenario, side}], q.of)
				cell := "–"
				if ok {
					values[side], cell = value, fmt.Sprintf(q.format, value)
				}
				row = append(row, cell)
			}
			row = append(row, ratio(values, "driftpin"), ratio(values, "uv"))
			fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		}
	}
}

// ratio says how a side compares with pip.
func ratio(values map[string]float64, side string) string {
	value, ok := values[side]
	if pip := values["pip"]; ok && pip > 0 {
		return fmt.Sprintf("%.2f", value/pip)
	}
	return "–"
}

// median is the middle value, or the mean of the middle two.
func median(figures []figure, of func(figure) float64) (float64, bool) {
	values := make([]float64, len(figures))
	for i, f := range figures {
		values[i] = of(f)
	}
	slices.SortFunc(values, cmp.Compare[float64])
	n := len(values)
	if n == 0 {
		return 0, false
	}
	return (values[n/2] + values[(n-1)/2]) / 2, true
}

// describe says what was measured.
func (b *bench) describe(w io.Writer, full *course, runs int) {
	var size int64
	for _, a := range full.packages() {
		size += a.Size
	}
	fmt.Fprintf(w, "%d pins of %s, %d packages in wheels of %.0f MB, on a base of %.0f MB; BuildKit %s, uv %s; %d "+
		"processors; medians of %d. "+
		"Bumped is %s, %s → %s.\n\n", full.pinned, sourceCourse, len(full.packages()), float64(size)/1e6,
		float64(b.baseSize)/1e6,
		engine.BuildKitVersion(), steps.Toolbox()[0].Version, runtime.NumCPU(), runs, bumped, bumpedFrom, bumpedTo)
}
