package pins_test

import (
	_ "embed"
	"fmt"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestSuggestName(t *testing.T) {
	for name, want := range map[string]string{"boken": "bokeh", "numpi": "numpy", "Jupyter_Sever": "jupyter-server",
		"padnas": "pandas", "xyzzyplugh": ""} {
		if got := pins.SuggestName(pins.Pip, name, nil); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func ExampleParsePip() {
	r, err := pins.ParsePip("Jupyter_Server==2.2.1")
	fmt.Println(r.Name, r.Version, err)
	// Output: jupyter-server 2.2.1 <nil>
}
