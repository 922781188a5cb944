package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/internal/golden"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// full is a drift in which there is something of everything, much of it
// hostile.
func full(t *testing.T) *drift.Drift {
	t.Helper()
	d := load(t)
	versionText := func(s string) *string { return &s }
	d.Packages = append(d.Packages,
		drift.Change{Kind: pins.Conda, Name: "pytorch", Where: "/opt/env", Change: drift.Changed,
			A: versionText("2.0"), B: versionText("2.1"), Level: version.Minor,
			Was:    &drift.Was{Kind: pins.Pip, Name: "torch", Where: "/opt/env"},
			Brings: []drift.Brought{{Kind: pins.Pip, Name: "functorch", B: versionText("2.1")}},
			Layer:  "sha256:" + strings.Repeat("a", 64), Event: "RUN conda install <script>alert(1)</script>"},
		drift.Change{Kind: pins.Npm, Name: "</script><img src=x onerror=alert(1)>", Change: drift.Added,
			B: versionText("1 | `2` **3** @somebody #1\u202e\x1b[31m"),
			Cause: &drift.Cause{Asked: true, Chain: []string{"x"}, File: "a b/pins.yaml", Line: 3, Need: pins.Hard,
				Why: "](javascript:alert(1))"}})
	d.Packages[1].AAbout = &installed.About{Size: 4_200_000, License: "BSD License", Home: "https://altair.example"}
	d.Packages[1].BAbout = &installed.About{Size: 3_100_000, License: "GPL-3.0 | <b>", Home: "https://altair.example",
		Changes: "https://altair.example/changes?a=1&b=_2_"}
	d.Packages[1].Relicensed = true
	d.Untold = []string{"oci-layout:<old>"}
	d.Packages[2].BAbout = &installed.About{Size: 4_200_000_000}
	d.Renames = []drift.Rename{{From: "/srv/env", To: "/opt/env", Packages: 12}}
	d.Damages = []drift.Damage{{Path: "/x\n", Package: "x", What: "changed"}}
	d.Breaches = []drift.Breach{
		{Rule: "same", Kind: pins.Pip, Name: "altair", Where: "/opt/env",
			Message: "altair must be the same, and is 4.2.2 and 4.2.0", File: "policy.yaml", Line: 3,
			Why: "one | image", Cause: d.Packages[1].Cause},
		{Rule: "expired", Message: "the rule may-differ [x] ended on 2023-06-01", File: "policy.yaml", Line: 4},
	}
	d.Layers = &drift.Layers{A: []drift.LayerInfo{{DiffID: "sha256:" + strings.Repeat("b", 64), Size: 7,
		Shared: true}}, B: []drift.LayerInfo{}}
	d.Explain(nil, nil)
	return d
}

// courses is the drift of the images of two courses.
func courses(t *testing.T) *drift.Drift {
	t.Helper()
	d := load(t)
	d.Sources = &drift.Sources{A: drift.Source{Course: "stat159", Digest: "sha256:" + strings.Repeat("1", 64),
		Created: "2023-03-17", Size: 1_234_567_890},
		B: drift.Source{Course: "data100", Digest: "sha256:" + strings.Repeat("2", 64)}}
	for i := range d.Packages {
		if c := d.Packages[i].Cause; c != nil && c.Asked && d.Packages[i].Change == drift.Changed {
			d.Packages[i].Cause = &drift.Cause{Asked: true, Chain: []string{d.Packages[i].Name}, File: "stat159/pins.yaml", Line: 7,
				Need: pins.Hard, Gone: true, Why: "RTC"}
			break
		}
	}
	d.Explain(nil, nil)
	return d
}

// timeline is how the locks of two courses changed, one of which has none.
func timeline(t *testing.T) *drift.Timeline {
	t.Helper()
	day := func(s string) time.Time {
		when, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	return &drift.Timeline{Courses: []drift.Course{
		{Name: "stat159", Dir: "courses/stat159", Steps: []drift.Step{
			{Commit: strings.Repeat("a", 40), Time: day("2022-08-20"), Author: "A", Subject: "a first lock",
				File: "pins.lock", Packages: 26},
			{Commit: strings.Repeat("b", 40), Time: day("2023-03-17"), Author: "</script><b>\x1b", Subject: "[x](y) | <img src=x> \u202e",
				File: "pins.lock", Packages: 27, Drift: full(t),
				Merged: []drift.Merged{{Commit: strings.Repeat("d", 40), Author: "<B>", Subject: "side | *x*"}}},
			{Commit: strings.Repeat("c", 40), Time: day("2023-04-01"), Author: "A", Subject: "merge", File: "pins.lock",
				Error: "pins.lock:1: not a lock"},
		}},
		{Name: "data100", Dir: "courses/data100", Steps: []drift.Step{}},
	}}
}

func matrix() *drift.Matrix {
	versionText := func(s string) *string { return &s }
	return &drift.Matrix{
		Images: []drift.Column{{Name: "a", Packages: 3, Alone: 1}, {Name: "b", Packages: 2},
			{Name: "c`|", Packages: 2, Size: 7}},
		Packages: []drift.Row{{Kind: pins.Pip, Name: "numpy", Where: "/opt/env",
			Values: []*string{versionText("1.0"), versionText("2.0"), nil}, Level: version.Major}},
		Config:  []drift.Row{{Name: "cmd", Values: []*string{versionText("x"), nil, versionText("</script>")}}},
		Summary: drift.MatrixSummary{Same: 1, Differing: 1, Config: 1},
	}
}

// codeSpan and link are what Markdown takes for such.
var (
	codeSpan = regexp.MustCompile("`[^`\n]*`")
	link     = regexp.MustCompile(`[^\\]\]\(`)
)

// Every format is as its golden says, and nothing of a hostile name gets out of
// its place.
func TestFormats(t *testing.T) {
	for _, format := range []string{"text", "markdown", "sarif", "json"} {
		for name, d := range map[string]report.Document{"full": report.OfDrift(full(t)), "courses": report.OfDrift(courses(t)),
			"matrix": report.OfMatrix(matrix()), "timeline": report.OfTimeline(timeline(t))} {
			var out bytes.Buffer
			err := d.Write(&out, format, false)
			if (name == "matrix" || name == "timeline") && format == "sarif" {
				if err == nil {
					t.Errorf("a %s as SARIF: no error", name)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			file := fmt.Sprintf("testdata/%s.%s", name, format)
			golden.Check(t, file, out.String())
			if format != "json" && strings.ContainsAny(out.String(), "\x1b\u202e") {
				t.Errorf("%s: an escape got through", file)
			}
			if rest := codeSpan.ReplaceAllString(out.String(), ""); format == "markdown" &&
				(strings.Contains(rest, "<img") || link.MatchString(rest)) {
				t.Errorf("%s: Markdown or HTML of a name is in force", file)
			}
		}
	}
}

// What is written as JSON is what the schema says.
func TestSchema(t *testing.T) {
	data, err := os.ReadFile("drift.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("drift.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("drift.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]report.Document{"full": report.OfDrift(full(t)), "courses": report.OfDrift(courses(t)),
		"none":   report.OfDrift(drift.New("a", "b", []drift.Change{}, []drift.Setting{})),
		"matrix": report.OfMatrix(matrix()), "timeline": report.OfTimeline(timeline(t))} {
		var out bytes.Buffer
		if err := d.Write(&out, "json", false); err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(&out)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if schema.Validate(map[string]any{"a": "x"}) == nil {
		t.Error("the schema takes anything")
	}
}

// A long list fits into a comment.
func TestLongMarkdown(t *testing.T) {
	var changes []drift.Change
	for i := range 3000 {
		v := fmt.Sprint(i)
		changes = append(changes, drift.Change{Kind: pins.Pip, Name: "p" + v, Where: "/opt/env",
			Change: drift.Added, B: &v})
	}
	var out bytes.Buffer
	if err := report.Markdown(&out, drift.New("a", "b", changes, nil)); err != nil || out.Len() > 65_536 ||
		!strings.Contains(out.String(), "which do not fit here") {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}

// The page's data can't end the element that holds it.
func TestHTMLData(t *testing.T) {
	var out bytes.Buffer
	if err := report.OfDrift(full(t)).Write(&out, "html", false); err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(out.String(), `id="data">`)
	data, _, ended := strings.Cut(rest, "</script>")
	var v struct{ Drift drift.Drift }
	if err := json.Unmarshal([]byte(data), &v); !ok || !ended || err != nil {
		t.Fatalf("%v in %.200s", err, data)
	}
	if diff := cmp.Diff(full(t).Packages, v.Drift.Packages); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFails(t *testing.T) {
	one := "1"
	major := drift.New("a", "b", []drift.Change{{Change: drift.Changed, Level: version.Major, A: &one, B: &one}}, nil)
	patch := drift.New("a", "b", []drift.Change{{Change: drift.Changed, Level: version.Patch, A: &one, B: &one}}, nil)
	breached := drift.New("a", "b", nil, nil)
	breached.Breaches = []drift.Breach{{Rule: "expired"}}
	for _, test := range []struct {
		d    *drift.Drift
		want string // the values of --fail-on that it fails on
	}{{major, "any major"}, {patch, "any"}, {breached, "any major policy"}, {drift.New("a", "b", nil, nil), ""}} {
		var got []string
		for _, on := range []string{"any", "major", "policy", "never"} {
			if report.OfDrift(test.d).Fails(on) {
				got = append(got, on)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("fails on %v, want %s", got, test.want)
		}
	}
}
