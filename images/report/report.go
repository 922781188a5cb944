// Package report words a drift for people and for programs. Every report is a
// function of the data alone: the same drift, the same bytes.
package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins/version"
)

// Schema is the JSON schema (2020-12) of a drift and of a matrix.
//
//go:embed drift.schema.json
var Schema []byte

// A Document is what is reported: the drift of two images, or the matrix of
// several.
type Document interface {
	// Write writes it in a format: text, json, markdown, html or sarif. Colour is
	// for text alone.
	Write(w io.Writer, format string, colour bool) error
	// Fails reports whether there is what the caller wants to fail on: any drift, a
	// major one, or a breach of the policy. Breaches count with all but never.
	Fails(on string) bool
}

// OfDrift is the document of what differs between two images.
func OfDrift(d *drift.Drift) Document { return driftDocument{d} }

// OfMatrix is the document of where several images disagree.
func OfMatrix(m *drift.Matrix) Document { return matrixDocument{m} }

type driftDocument struct{ *drift.Drift }

// Write implements Document.
func (d driftDocument) Write(w io.Writer, format string, colour bool) error {
	switch format {
	case "json":
		return JSON(w, d.Drift)
	case "html":
		return htmlDrift(w, d.Drift)
	case "markdown":
		return Markdown(w, d.Drift)
	case "sarif":
		return SARIF(w, d.Drift)
	case "text":
		return Text(w, d.Drift, colour)
	}
	return noSuchFormat(format)
}

// Fails implements Document.
func (d driftDocument) Fails(on string) bool {
	switch breached := len(d.Breaches) > 0; on {
	case "any":
		return breached || d.Any()
	case "major":
		return breached || d.Summary.Levels[version.Major] > 0
	case "policy":
		return breached
	}
	return false
}

type matrixDocument struct{ *drift.Matrix }

// Write implements Document.
func (m matrixDocument) Write(w io.Writer, format string, colour bool) error {
	switch format {
	case "json":
		return writeJSON(w, m.Matrix)
	case "html":
		return htmlMatrix(w, m.Matrix)
	case "markdown":
		return MarkdownMatrix(w, m.Matrix)
	case "text":
		return TextMatrix(w, m.Matrix, colour)
	}
	return noSuchFormat(format)
}

// Fails implements Document.
func (m matrixDocument) Fails(on string) bool {
	for _, row := range m.Packages {
		if on == "major" && row.Level == version.Major {
			return true
		}
	}
	return on == "any" && len(m.Packages)+len(m.Config) > 0
}

func noSuchFormat(format string) error {
	return fmt.Errorf("this can't be reported as %s: choose another --format", format)
}

// JSON writes a drift as JSON: the fields are those of images.Drift, and
// drift.schema.json describes them.
func JSON(w io.Writer, d *drift.Drift) error { return writeJSON(w, d) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
