// Package report words a drift for people and for programs. Every report is a
// function of the data alone: the same drift, the same bytes.
package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/pins/version"
)

// A Document is what is reported: the drift of two images, or the matrix of
// several.
type Document struct {
	drift  *images.Drift
	matrix *images.Matrix
}

// OfDrift and OfMatrix make documents.
func OfDrift(d *images.Drift) Document   { return Document{drift: d} }
func OfMatrix(m *images.Matrix) Document { return Document{matrix: m} }

// Write writes a document in a format: text, json, markdown, html or sarif.
// Colour is for text alone.
func (d Document) Write(w io.Writer, format string, colour bool) error {
	switch {
	case format == "json" && d.matrix != nil:
		return writeJSON(w, d.matrix)
	case format == "json":
		return JSON(w, d.drift)
	case format == "html":
		return HTML(w, d)
	case format == "markdown" && d.matrix != nil:
		return MarkdownMatrix(w, d.matrix)
	case format == "markdown":
		return Markdown(w, d.drift)
	case format == "sarif" && d.drift != nil:
		return SARIF(w, d.drift)
	case format == "text" && d.matrix != nil:
		return TextMatrix(w, d.matrix, colour)
	case format == "text":
		return Text(w, d.drift, colour)
	}
	return fmt.Errorf("there is no report of this as %s", format)
}

// Fails reports whether there is what the caller wants to fail on: any drift, a
// major one, or a breach of the policy. Breaches count with all but never.
func (d Document) Fails(on string) bool {
	if m := d.matrix; m != nil {
		for _, row := range m.Packages {
			if on == "major" && row.Level == version.Major {
				return true
			}
		}
		return on == "any" && len(m.Packages)+len(m.Config) > 0
	}
	switch breached := len(d.drift.Breaches) > 0; on {
	case "any":
		return breached || d.drift.Any()
	case "major":
		return breached || d.drift.Summary.Levels[version.Major] > 0
	case "policy":
		return breached
	}
	return false
}

// JSON writes a drift as JSON: the fields are those of images.Drift, and
// drift.schema.json describes them.
func JSON(w io.Writer, d *images.Drift) error { return writeJSON(w, d) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
