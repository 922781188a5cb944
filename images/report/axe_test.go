package report_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/driftpin/driftpin/images/report"
)

// axeVersion is which axe-core looks at the pages. npm checks what it fetches.
const axeVersion = "4.12.1"

// axe is the program of axe-core, from npm's registry. The test is skipped where there is no npm:
// unless DRIFTPIN_REQUIRE_NET is set, which says that there must be.
func axe(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
			t.Fatal("there is no npm: .ci/run installs Debian's")
		}
		t.Skip("there is no npm")
	}
	cmd := exec.Command("npm", "pack", "--silent", "axe-core@"+axeVersion)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "npm_config_cache="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm pack: %v: %s", err, out)
	}
	f, err := os.Open(filepath.Join(cmd.Dir, "axe-core-"+axeVersion+".tgz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(zipped); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			t.Fatal("axe-core has no package/axe.min.js")
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == "package/axe.min.js" {
			program, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return string(program)
		}
	}
}

// violations are what axe finds on a page, a line each: the rule, its words, and the places.
const violations = `axe.run().then(r => r.violations.map(v =>
	v.id + ": " + v.help + ": " + v.nodes.map(n => n.target.join(" ")).slice(0, 3).join(", ")).join("\n"))`

// Axe finds nothing on any page: on a wide and a narrow screen, light and dark, with scripts and
// without.
func TestAxe(t *testing.T) {
	b, program := newBrowser(t), axe(t)
	documents := map[string]report.Document{"full": report.OfDrift(full(t)), "courses": report.OfDrift(courses(t)),
		"matrix": report.OfMatrix(matrix()), "timeline": report.OfTimeline(timeline(t))}
	for name, d := range documents {
		page := pageOf(t, d)
		pages := map[string]string{"": page}
		if i := strings.LastIndex(page, "<script>"); i > 0 {
			pages[" without scripts"] = page[:i] // as a browser has it that runs none
		} else if name != "timeline" {
			t.Errorf("the page of %s has no program", name)
		}
		for how, page := range pages {
			for _, scheme := range []string{"light", "dark"} {
				for _, width := range []int64{1280, 400} {
					b.do(emulation.SetDeviceMetricsOverride(width, 900, 1, false),
						emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
					b.open(page, "")
					found := ""
					b.do(chromedp.Evaluate(program+";1", nil), chromedp.Evaluate(violations, &found,
						func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
					if found != "" {
						t.Errorf("%s%s, %s, %d pixels:\n%s", name, how, scheme, width, found)
					}
					if name == "timeline" {
						b.wants(map[string]string{`document.querySelectorAll("svg a").length`: "3",
							`document.documentElement.scrollWidth <= innerWidth`: "true"})
					}
				}
			}
		}
	}
}
