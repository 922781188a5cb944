// Package report words a drift for people and for programs. Every report is a
// function of the data alone: the same drift, the same bytes.
package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins/version"
)

// Schema is the JSON schema (2020-12) of a drift and of a matrix.
//
//go:embed drift.schema.json
var Schema []byte

// A Document is what is reported: the drift of two images, the matrix of several, or how the locks of
// courses changed.
type Document interface {
	// Write writes it in a format: text, json, markdown, html or sarif. Colour is
	// for text alone.
	Write(w io.Writer, format string, colour bool) error
	// Fails reports whether there is what the caller wants to fail on: any drift, a
	// major one, or a breach of the policy. Breaches count with all but never.
	Fails(on string) bool
}

// OfDrift is the document of what differs between two images.
func OfDrift(d *drift.Drift) Document {
	return &document{
		writers: map[string]writer{
			"text":     func(w io.Writer, colour bool) error { return Text(w, d, colour) },
			"json":     func(w io.Writer, _ bool) error { return JSON(w, d) },
			"markdown": func(w io.Writer, _ bool) error { return Markdown(w, d) },
			"html":     func(w io.Writer, _ bool) error { return htmlDrift(w, d) },
			"sarif":    func(w io.Writer, _ bool) error { return SARIF(w, d) },
		},
		fails: func(on string) bool {
			switch breached := len(d.Breaches) > 0; on {
			case "any":
				return breached || d.Any()
			case "major":
				return breached || d.Summary.Levels[version.Major] > 0
			case "policy":
				return breached
			}
			return false
		},
	}
}

// OfMatrix is the document of where several images disagree.
func OfMatrix(m *drift.Matrix) Document {
	return &document{
		writers: map[string]writer{
			"text":     func(w io.Writer, colour bool) error { return TextMatrix(w, m, colour) },
			"json":     func(w io.Writer, _ bool) error { return writeJSON(w, m) },
			"markdown": func(w io.Writer, _ bool) error { return MarkdownMatrix(w, m) },
			"html":     func(w io.Writer, _ bool) error { return htmlMatrix(w, m) },
		},
		fails: func(on string) bool {
			major := slices.ContainsFunc(m.Packages, func(r drift.Row) bool { return r.Level == version.Major })
			return on == "major" && major || on == "any" && len(m.Packages)+len(m.Config) > 0
		},
	}
}

// OfTimeline is the document of how the locks of courses changed: what was asked for, so that it never fails.
func OfTimeline(l *drift.Timeline) Document {
	return &document{
		writers: map[string]writer{
			"text":     func(w io.Writer, colour bool) error { return textTimeline(w, l, colour) },
			"json":     func(w io.Writer, _ bool) error { return writeJSON(w, l) },
			"markdown": func(w io.Writer, _ bool) error { return markdownTimeline(w, l) },
			"html":     func(w io.Writer, _ bool) error { return htmlTimeline(w, l) },
		},
		fails: func(string) bool { return false },
	}
}

// A document is a Document by the formats that it has.
type document struct {
	writers map[string]writer
	fails   func(on string) bool
}

type writer func(w io.Writer, colour bool) error

// Write implements Document.
func (d *document) Write(w io.Writer, format string, colour bool) error {
	write, ok := d.writers[format]
	if !ok {
		return fmt.Errorf("this can't be reported as %s: choose another --format", format)
	}
	return write(w, colour)
}

// Fails implements Document.
func (d *document) Fails(on string) bool { return d.fails(on) }

// JSON writes a drift as JSON: the fields are those of images.Drift, and
// drift.schema.json describes them.
func JSON(w io.Writer, d *drift.Drift) error { return writeJSON(w, d) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
