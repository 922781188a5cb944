package report_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
)

// A browser is a real Chromium, which notes what pages complain of, and what
// they ask the network for.
type browser struct {
	t        *testing.T
	ctx      context.Context
	troubles []string
}

// newBrowser starts one, or skips the test where there is none: unless
// DRIFTPIN_REQUIRE_NET is set, which says that there must be.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
			t.Fatal("there is no chromium: .ci/run installs Debian's")
		}
		t.Skip("there is no chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.troubles = append(b.troubles, "exception: "+e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			b.troubles = append(b.troubles, fmt.Sprint("console: ", e.Type))
		case *network.EventRequestWillBeSent:
			if url := e.Request.URL; !strings.HasPrefix(url, "file://") && !strings.HasPrefix(url, "data:") {
				b.troubles = append(b.troubles, "request: "+url)
			}
		}
	})
	return b
}

// show opens a document's page.
func (b *browser) show(d report.Document, hash string) {
	b.t.Helper()
	b.open(pageOf(b.t, d), hash)
}

// pageOf is a document's page.
func pageOf(t *testing.T, d report.Document) string {
	t.Helper()
	var out bytes.Buffer
	if err := d.Write(&out, "html", false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// open opens a page.
func (b *browser) open(page, hash string) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.do(network.Enable(), chromedp.Navigate("about:blank"), chromedp.Navigate("file://"+file+hash))
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns what a script says, as text.
func (b *browser) eval(script string) (text string) {
	b.t.Helper()
	b.do(chromedp.Evaluate("String("+script+")", &text))
	return text
}

// until waits for a script to say something: pages draw when they find time.
func (b *browser) until(script, want string) {
	b.t.Helper()
	var got string
	for range 100 {
		if got = b.eval(script); got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Errorf("%s stays %q, want %q", script, got, want)
}

// wants compares what scripts say.
func (b *browser) wants(want map[string]string) {
	b.t.Helper()
	for script, text := range want {
		if got := b.eval(script); got != text {
			b.t.Errorf("%s is %q, want %q", script, got, text)
		}
	}
	if len(b.troubles) > 0 {
		b.t.Errorf("troubles: %v", b.troubles)
	}
}

// rows counts the rows that can be seen, even those far down.
const rows = `[...document.querySelectorAll("tr[data-key]")].filter(r => !r.hidden).length`

func TestPage(t *testing.T) {
	b := newBrowser(t)
	b.show(report.OfDrift(full(t)), "")
	b.wants(map[string]string{
		rows: "8",
		`document.querySelector("#headline").textContent`: report.Headline(full(t)),
		`document.title.includes("driftpin")`:             "true",
		`document.images.length`:                          "0", // a name's <img> is text
		`typeof window.alerted`:                           "undefined",
		`/[\u202e\u001b]/.test(document.body.innerText)`:  "false",
	})
	b.eval(`find("pip/altair").button.click()`)
	b.until(`document.querySelector(".detail a").href`, "https://altair.example/changes?a=1&b=_2_")
	b.wants(map[string]string{
		`find("pip/altair").tr.querySelector(".size").textContent`:              "−1.10 MB",
		`document.querySelector(".detail").textContent.includes("BSD License")`: "true",
		`document.querySelector("#notes").textContent.includes("GPL-3.0")`:      "true",
	})
	b.eval(`find("pip/altair").button.click()`)
	b.do(chromedp.KeyEvent("/"))
	b.until(`document.activeElement.id`, "search")
	b.eval(`document.querySelector("#search").value = ""`) // KeyEvent types what the page has kept from being typed
	b.do(chromedp.KeyEvent("tmpystore"))
	b.until(rows, "1")
	b.until(`location.hash.includes("tmpystore")`, "true")
	b.do(chromedp.KeyEvent("\x1b"))
	b.until(rows, "8")
	b.do(chromedp.Click(`[data-filter="level:major"]`))
	b.until(rows, "1")
	b.until(`location.hash.includes("major")`, "true")
	hash := b.eval("location.hash")
	b.show(report.OfDrift(full(t)), hash) // a link leads to the same
	b.wants(map[string]string{rows: "1",
		`document.querySelector('[data-filter="level:major"]').getAttribute("aria-pressed")`: "true"})
}

// Of two courses the page speaks as the text does.
func TestPageOfCourses(t *testing.T) {
	b := newBrowser(t)
	b.show(report.OfDrift(courses(t)), "")
	b.wants(map[string]string{
		rows: "6",
		`document.querySelector("#headline").textContent`:                        report.Headline(courses(t)),
		`document.body.innerText.includes("only in data100")`:                    "true",
		`/\b(added|removed)\b/.test(document.querySelector("#table").innerText)`: "false",
		`document.querySelector("#sources").innerText.includes("sha256:1111")`:   "true",
	})
}

// Without scripts the page has what matters all the same, and with them it has it once.
func TestPlainPage(t *testing.T) {
	b := newBrowser(t)
	for d, headline := range map[report.Document]string{report.OfDrift(full(t)): report.Headline(full(t)),
		report.OfDrift(courses(t)): report.Headline(courses(t)), report.OfMatrix(matrix()): "3 images: "} {
		b.do(emulation.SetScriptExecutionDisabled(true))
		b.show(d, "")
		b.wants(map[string]string{
			fmt.Sprintf(`document.querySelector("#plain h1").textContent.startsWith(%q)`, headline): "true",
			`document.querySelectorAll("#plain tbody tr").length > 1`:                               "true",
			`[...document.querySelectorAll("#plain a")].every(a => a.protocol === "https:")`:        "true",
			`document.images.length`:                         "0",
			`/[\u202e\u001b]/.test(document.body.innerText)`: "false",
			`document.querySelector("header").hidden`:        "true",
		})
		b.do(emulation.SetScriptExecutionDisabled(false))
		b.show(d, "")
		b.wants(map[string]string{`document.querySelectorAll("#plain").length`: "0", `document.querySelector("header").hidden`: "false"})
	}
}

func TestPageOfMatrix(t *testing.T) {
	b := newBrowser(t)
	b.show(report.OfMatrix(matrix()), "")
	b.wants(map[string]string{rows: "2", `document.body.innerText.includes("numpy")`: "true",
		`tails(["hub-image:2023-spring-stat159", "hub-image:2023-spring-data100", "a"]).join()`: "…23-spring-stat159,…23-spring-data100,a",
		`tails(["hub-image:2023-spring-stat159", "hub-image:2023-spring-data100"]).join()`:      "…stat159,…data100",
	})
}

// Thousands of rows are there at once.
func TestLargePage(t *testing.T) {
	b := newBrowser(t)
	var changes []drift.Change
	for i := range 5000 {
		v := fmt.Sprint(i)
		changes = append(changes, drift.Change{Kind: pins.Pip, Name: "p" + v, Where: "/opt/env",
			Change: drift.Added, B: &v})
	}
	b.show(report.OfDrift(drift.New("a", "b", changes, []drift.Setting{})), "#q=p4999")
	b.until(rows, "1")
	b.wants(map[string]string{`document.querySelector("tr[data-key]:not([hidden])").textContent.includes("p4999")`: "true"})
}

// Without anything to show there is a page all the same.
func TestEmptyPage(t *testing.T) {
	b := newBrowser(t)
	b.show(report.OfDrift(drift.New("a", "b", []drift.Change{}, []drift.Setting{})), "")
	b.wants(map[string]string{`document.querySelector("#headline").textContent`: "no drift"})
}
