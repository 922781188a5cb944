package report

import (
	_ "embed"
	"encoding/json"
	"io"
	"strings"
)

// The page, its style and its program, which are put together.
var (
	//go:embed page.html
	page string
	//go:embed page.css
	style string
	//go:embed page.js
	program string
)

// writeHTML writes a document as one page that needs nothing else: the data, and a
// program that shows it. name says what the data is: drift or matrix.
// encoding/json writes <, > and & as escapes, so that nothing in the data can end
// the element that holds it.
func writeHTML(w io.Writer, name string, v any) error {
	data, err := json.Marshal(map[string]any{name: v})
	if err != nil {
		return err
	}
	parts := strings.NewReplacer("{{STYLE}}", style, "{{PROGRAM}}", program, "{{DATA}}", string(data))
	_, err = parts.WriteString(w, page)
	return err
}
