package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A relay is a student's wire to the hub, which can be cut: an open web socket stays
// up when a browser is told to be offline.
type relay struct {
	mu    sync.Mutex
	off   bool
	conns map[net.Conn]bool
	port  int
}

func newRelay(t *testing.T, to int) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // it serves nobody any more
	r := &relay{conns: map[net.Conn]bool{}, port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil || !r.add(in, out) {
				_ = in.Close() // the browser tries again
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1]) // it ends as the wire does
					_, _ = pair[0].Close(), pair[1].Close()
				}()
			}
		}
	}()
	return r
}

func (r *relay) add(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.off && c != nil {
			_ = c.Close() // the wire is cut
		}
		r.conns[c] = true
	}
	return !r.off
}

// cut breaks the wire, or mends it.
func (r *relay) cut(off bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off = off; off {
		for c := range r.conns {
			_ = c.Close() // that is what cutting means
		}
		clear(r.conns)
	}
}

// chromium starts a browser.
func chromium(t *testing.T) context.Context {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
			t.Fatal("there is no chromium: testdata/hub/deps.sh installs Debian's")
		}
		t.Skip("there is no chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.WindowSize(1280, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-gpu", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// A student is one at a browser of her own.
type student struct {
	t    *testing.T
	name string
	who  string // for messages
	wire *relay
	ctx  context.Context // of the page

	browser  context.Context
	jar      cdp.BrowserContextID // her cookies
	reloaded int                  // how often a page of hers was loaded again, see mostReloads
}

func (l *lab) student(browser context.Context, name, who string) *student {
	l.t.Helper()
	s := &student{t: l.t, name: name, who: who, wire: newRelay(l.t, l.port), browser: browser}
	var err error
	if s.jar, err = target.CreateBrowserContext().Do(executor(browser)); err != nil {
		l.t.Fatal(err)
	}
	tab, cancel := s.tab()
	l.t.Cleanup(cancel)
	s.ctx = tab.ctx
	s.do(chromedp.EmulateViewport(1280, 800))
	return s
}

// executor has the browser itself, and not a page, do something.
func executor(browser context.Context) context.Context {
	return cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
}

// tab is another tab of the same student's browser.
func (s *student) tab() (*student, func()) {
	s.t.Helper()
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(s.jar).WithNewWindow(true).Do(
		executor(s.browser))
	if err != nil {
		s.t.Fatalf("%s: %v", s.who, err)
	}
	other := *s
	var cancel context.CancelFunc
	other.ctx, cancel = chromedp.NewContext(s.browser, chromedp.WithTargetID(id))
	if err := chromedp.Run(other.ctx); err != nil { // it attaches for as long as its context lives
		s.t.Fatalf("%s: %v", s.who, err)
	}
	chromedp.ListenTarget(other.ctx, func(event any) {
		if _, ok := event.(*page.EventJavascriptDialogOpening); ok { // "Leave the page?"
			go func() { _ = chromedp.Run(other.ctx, page.HandleJavaScriptDialog(true)) }() // the page may be gone
		}
	})
	return &other, cancel
}

func (s *student) do(actions ...chromedp.Action) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 60*time.Second)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		s.t.Fatalf("%s: %v", s.who, err)
	}
}

// ask evaluates an expression in the page; it fails while a page is being changed.
func ask[T any](s *student, js string) (out T, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Second)
	defer cancel()
	err = chromedp.Run(ctx, chromedp.Evaluate(js, &out))
	return out, err
}

// look says which of a hub's pages is there, and goes on from those that only ask.
const look = `(() => {
	const all = s => [...document.querySelectorAll(s)], text = e => (e.innerText || e.value || '').trim()
	if (document.querySelector('.jp-LabShell')) return 'lab'
	if (document.querySelector('#username_input')) {
		document.querySelector('#username_input').value = NAME
		document.querySelector('#password_input').value = 'x'
		document.querySelector('#login_submit').click()
		return 'login'
	}
	const ask = all('input[type=submit], button[type=submit]').find(e => text(e) == 'Authorize')
	if (ask) { ask.click(); return 'authorize' }
	const start = document.querySelector('a#start') || all('a[role=button]').find(e => e.offsetParent && text(e).includes('Launch Server'))
	if (start) { start.click(); return 'start' }
	return document.body && /40[34] : |do not have permission/.test(document.body.innerText) ? 'refused' : 'wait'
})()`

// visit goes to a path of the hub, through all that it asks, to the lab or to a
// refusal.
func (s *student) visit(path string) string {
	s.t.Helper()
	s.do(chromedp.Navigate(fmt.Sprintf("http://127.0.0.1:%d/hub/login?next=%s", s.wire.port, path)))
	name, err := json.Marshal(s.name)
	if err != nil {
		s.t.Fatal(err)
	}
	var trail []string
	for range 240 {
		state, err := ask[string](s, strings.ReplaceAll(look, "NAME", string(name)))
		if err == nil && (state == "lab" || state == "refused") {
			return state
		}
		trail = append(trail, state)
		wait(500 * time.Millisecond)
	}
	s.t.Fatalf("%s: no lab comes: %s", s.who, strings.Join(trail[len(trail)-10:], " "))
	return ""
}

// status goes to a path, and returns the status of the page that comes of it.
func (s *student) status(path string) int64 {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 60*time.Second)
	defer cancel()
	resp, err := chromedp.RunResponse(ctx, chromedp.Navigate(fmt.Sprintf("http://127.0.0.1:%d%s", s.wire.port, path)))
	if err != nil {
		s.t.Fatalf("%s: %v", s.who, err)
	}
	return resp.Status
}

// patience is how long a page may take for what takes seconds on a machine that
// does nothing else. mostReloads is how often a student may load one again: on a
// machine that did much else, lab 3.6.1 was seen twice to leave a notebook empty
// that was opened after a restart.
const (
	patience    = 90 * time.Second
	mostReloads = 1
)

// notebook is what the tests open.
const notebook = "/user/collab-shared-1/lab/tree/n.ipynb"

// open opens the shared notebook, and answers what the lab asks.
func (s *student) open() {
	s.t.Helper()
	loaded := s.load()
	if !loaded && s.reloaded < mostReloads { // as a student would
		s.reloaded++
		s.t.Logf("%s: after %s there are no cells on the page, and it is loaded again: %s", s.who, patience, s.words())
		loaded = s.load()
	}
	if !loaded {
		s.t.Fatalf("%s: after %s there are no cells on the page: %s", s.who, patience, s.words())
	}
	for range 12 { // dialogs come late
		s.answer()
		wait(400 * time.Millisecond)
	}
}

// load visits the shared notebook, and reports whether its cells come.
func (s *student) load() bool {
	s.t.Helper()
	if got := s.visit(notebook); got != "lab" {
		s.t.Fatalf("%s: %s", s.who, got)
	}
	for start := time.Now(); time.Since(start) < patience; time.Sleep(100 * time.Millisecond) {
		if len(s.cells()) > 0 {
			return true
		}
	}
	return false
}

// words are the last that stand on the page, where dialogs are, without students' names.
func (s *student) words() string {
	text, err := ask[string](s, `document.body.innerText.replace(/\s+/g, ' ').slice(-600)`)
	if err != nil {
		return err.Error()
	}
	return strings.NewReplacer(nameless...).Replace(text)
}

// answer answers a dialog: "Select Kernel" comes as the notebook opens before its
// contents are there; a restart offered on a shared account would start the
// visitor's own server. It returns the dialog's words.
func (s *student) answer() string {
	said, err := ask[string](s, `(() => {
		const dialog = document.querySelector('.jp-Dialog')
		if (!dialog) return ''
		const said = dialog.innerText, no = /unavailable|unreachable|expired/i.test(said)
		const button = dialog.querySelector(no ? '.jp-mod-reject' : '.jp-mod-accept') || dialog.querySelector('.jp-mod-accept')
		if (button) button.click()
		return said
	})()`)
	if err != nil {
		return ""
	}
	return said
}

// cells are the texts of the notebook's cells, in JupyterLab 3 or 4.
func (s *student) cells() []string {
	texts, err := ask[[]string](s, `[...document.querySelectorAll('.jp-Notebook .jp-Cell')].map(cell => {
		const old = cell.querySelector('.CodeMirror'), now = cell.querySelector('.cm-content')
		return old ? old.CodeMirror.getValue() : now ? now.innerText : ''
	})`)
	if err != nil {
		return nil
	}
	return texts
}

// until waits for something to be so.
func (s *student) until(what string, most time.Duration, is func() bool) time.Duration {
	s.t.Helper()
	start := time.Now()
	for !is() {
		if time.Since(start) > most {
			s.t.Fatalf("%s: after %s there is no %s", s.who, most, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(start)
}

// write types at the end of a cell, and again if a dialog that came meanwhile has taken the keys.
func (s *student) write(cell int, text string) {
	s.t.Helper()
	for range 3 {
		s.answer()
		at, err := ask[[]float64](s, fmt.Sprintf(`(() => {
			const cell = [...document.querySelectorAll('.jp-Notebook .jp-Cell')][%d]
			const e = cell.querySelector('.CodeMirror-lines, .cm-content')
			e.scrollIntoView({block: 'center'})
			const r = e.getBoundingClientRect()
			return [r.left + 20, r.top + 8]
		})()`, cell))
		if err != nil {
			s.t.Fatalf("%s: %v", s.who, err)
		}
		s.do(chromedp.MouseClickXY(at[0], at[1]), chromedp.Sleep(200*time.Millisecond),
			chromedp.KeyEvent(kb.End, chromedp.KeyModifiers(input.ModifierCtrl)), chromedp.KeyEvent(text))
		for start := time.Now(); time.Since(start) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
			if s.has(cell, text) {
				return
			}
		}
		s.t.Logf("%s: %q does not come into cell %d, and is typed again: %s", s.who, text, cell, s.words())
	}
	s.t.Fatalf("%s: %q does not come into cell %d", s.who, text, cell)
}

// has reports whether a cell on the student's page has a text.
func (s *student) has(cell int, text string) bool {
	cells := s.cells()
	return cell < len(cells) && strings.Contains(cells[cell], text)
}

// sees waits till a student sees what another has typed, and returns how long it
// took after it stood on the other's page.
func (s *student) sees(cell int, text string) time.Duration {
	s.t.Helper()
	start := time.Now()
	for !s.has(cell, text) {
		if time.Since(start) > patience {
			s.t.Fatalf("%s: after %s there is no %q in cell %d: %q; the page: %s", s.who, patience, text, cell,
				s.cells(), s.words())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(start)
}

// people opens the list of who is here.
func (s *student) people() {
	s.t.Helper()
	at, err := ask[[]float64](s, `(() => {
		const r = document.querySelector('.jp-SideBar li:has(svg[data-icon="ui-components:users"])').getBoundingClientRect()
		return [r.left + r.width / 2, r.top + r.height / 2]
	})()`)
	if err != nil {
		s.t.Fatalf("%s: there is no list of people: %v", s.who, err)
	}
	s.do(chromedp.MouseClickXY(at[0], at[1]))
}

// shows reports whether the page shows a name, in each place where names are: at a
// cursor, and in the list of who is here.
func (s *student) shows(name string) bool {
	shown, err := ask[bool](s,
		fmt.Sprintf(`['.remote-caret > div, .jp-remote-userFlag', '.jp-Collaborator, .jp-CollaboratorHeader'].every(
		where => [...document.querySelectorAll(where)].some(e => e.textContent.includes(%q)))`, name))
	return err == nil && shown
}

// socket tries a web socket of the account's server from a student's page.
func (s *student) socket(path string) string {
	said, err := ask[string](s, fmt.Sprintf(`window.said = 'wait', (() => {
		const w = new WebSocket('ws://' + location.host + %q)
		w.onopen = () => window.said = 'open'
		w.onerror = () => window.said = 'refused'
	})(), window.said`, path))
	for range 100 {
		if said != "wait" || err != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
		said, err = ask[string](s, "window.said")
	}
	return said
}

// picture saves what a student sees, where DRIFTPIN_PICTURES names a folder.
func (s *student) picture(name string) {
	s.t.Helper()
	dir := os.Getenv("DRIFTPIN_PICTURES")
	if dir == "" {
		return
	}
	var png []byte
	s.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().Do(ctx)
		return err
	}))
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// onDisk are the cells of the notebook in the account's home.
func (l *lab) onDisk() (cells []string, err error) {
	data, err := os.ReadFile(filepath.Join(l.dir, "homes/collab-shared-1/n.ipynb"))
	if err != nil {
		return nil, err
	}
	var nb struct {
		Cells []struct{ Source any }
	}
	if err := json.Unmarshal(data, &nb); err != nil {
		return nil, err
	}
	for _, c := range nb.Cells {
		text := ""
		switch s := c.Source.(type) {
		case string:
			text = s
		case []any:
			for _, line := range s {
				text += fmt.Sprint(line)
			}
		}
		cells = append(cells, text)
	}
	return cells, nil
}

// prepare puts a notebook of three cells into the account's home.
func (l *lab) prepare() {
	l.t.Helper()
	home := filepath.Join(l.dir, "homes/collab-shared-1")
	var cells []string
	for i := range 3 {
		cells = append(cells, fmt.Sprintf(`{"cell_type": "code", "execution_count": null, "id": "cell-%d",`+
			` "metadata": {}, "outputs": [], "source": "# cell %d: "}`, i, i))
	}
	nb := fmt.Sprintf(`{"cells": [%s], "metadata": {"kernelspec": {"display_name": "Python 3 (ipykernel)",`+
		` "language": "python", "name": "python3"}, "language_info": {"name": "python"}}, "nbformat": 4,`+
		` "nbformat_minor": 5}`, strings.Join(cells, ", "))
	err := os.MkdirAll(home, 0o755)
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(home, "n.ipynb"), []byte(nb), 0o600), os.Chown(home, 1000, 1000),
			os.Chown(filepath.Join(home, "n.ipynb"), 1000, 1000))
	}
	if err != nil {
		l.t.Fatal(err)
	}
}
