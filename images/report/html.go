package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
)

//go:embed page.html
var page []byte

// HTML writes a document as one page that needs nothing else: the data, and a
// program that shows it. encoding/json writes <, > and & as escapes, so that
// nothing in the data can end the element that holds it.
func HTML(w io.Writer, d Document) error {
	data, err := json.Marshal(struct {
		Drift  any `json:"drift,omitempty"`
		Matrix any `json:"matrix,omitempty"`
	}{orNil(d.drift), orNil(d.matrix)})
	if err != nil {
		return err
	}
	_, err = w.Write(bytes.Replace(page, []byte("{{DATA}}"), data, 1))
	return err
}

// orNil is nil for a nil pointer.
func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}
