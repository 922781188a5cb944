package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/internal/golden"
	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T) *drift.Drift {
	t.Helper()
	data, err := os.ReadFile("testdata/drift.json")
	if err != nil {
		t.Fatal(err)
	}
	var d drift.Drift
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	d.Explain(nil, nil)
	return &d
}

func TestText(t *testing.T) {
	for file, colour := range map[string]bool{"testdata/drift.txt": false, "testdata/drift.ansi": true} {
		var out bytes.Buffer
		if err := report.Text(&out, load(t), colour); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, file, out.String())
		if strings.Contains(out.String(), "\x1b[31m\u202e") {
			t.Error("a version's escape reached the terminal")
		}
	}
}

func TestJSON(t *testing.T) {
	d := load(t)
	var out bytes.Buffer
	if err := report.JSON(&out, d); err != nil {
		t.Fatal(err)
	}
	var again drift.Drift
	if err := json.Unmarshal(out.Bytes(), &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, &again); diff != "" {
		t.Error(diff)
	}
}

func TestNoDrift(t *testing.T) {
	var out bytes.Buffer
	if err := report.Text(&out, drift.New("a", "b", nil, nil), true); err != nil || !strings.Contains(out.String(),
		"no drift") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func ExampleLines() {
	fmt.Print(report.Lines("a\nb\nc\n", "a\nB\nc\nd\n", false))
	// Output:
	// - b
	// + B
	// + d
}
