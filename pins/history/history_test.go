package history_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/history"
	"github.com/google/go-cmp/cmp"
)

// A past is a git repository being made, by git fast-import.
type past struct {
	stream  bytes.Buffer
	n       int
	parents string // of the next commit, as fast-import has them; empty: the one before it
}

// commit adds a commit that writes files, each name followed by its content.
func (p *past) commit(subject string, files ...string) {
	p.n++
	fmt.Fprintf(&p.stream, "commit refs/heads/main\nmark :%d\ncommitter A <a@b> %d +0000\ndata %d\n%s\n%s",
		p.n, 1_600_000_000+3600*p.n, len(subject), subject, p.parents)
	p.parents = ""
	for i := 0; i < len(files); i += 2 {
		if files[i+1] == "" {
			fmt.Fprintf(&p.stream, "D %s\n", files[i])
			continue
		}
		fmt.Fprintf(&p.stream, "M 100644 inline %s\ndata %d\n%s\n", files[i], len(files[i+1]), files[i+1])
	}
}

// repository returns a work tree with the commits.
func (p *past) repository(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, args := range [][]string{{"init", "--quiet", "-b", "main"}, {"fast-import", "--quiet"},
		{"reset", "--quiet", "--hard"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if args[0] == "fast-import" {
			cmd.Stdin = &p.stream
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args[0], err, out)
		}
	}
	return dir
}

func environment(lab, bokeh string) string {
	return "name: x\ndependencies:\n  # real-time collaboration\n  - jupyterlab==" + lab + "\n  - bokeh==" + bokeh +
		"\n  - pip:\n    - nbgitpuller==1.1.0\n"
}

// aLock is the text of a lock that has six, which only comes along.
func aLock(version string) string {
	l := pins.Lock{Course: "c", Base: "sha256:" + strings.Repeat("0", 64), Platforms: []string{"linux/amd64"},
		Artifacts: []pins.Artifact{{Pin: pins.New(pins.Pip, "six", version), Platform: "linux/amd64", Size: 1,
			File: "six-" + version + "-py3-none-any.whl", SHA256: strings.Repeat("a", 64), Use: pins.Install,
			By: []string{"dateutil"}}}}
	return l.String()
}

// Each commit is compared with the lock that it found, where the course was moved too.
func TestLocks(t *testing.T) {
	var p past
	const pinsFile, lock = "old/stat159/requirements.txt", "old/stat159/pins.lock"
	p.commit("first", pinsFile, "idna==3.4\n", lock, aLock("3.4"), "old/other/pins.lock", aLock("1"))
	p.commit("not the lock", pinsFile, "idna==3.5\n")
	p.commit("bump", lock, aLock("3.5"))
	p.commit("broken", lock, "<<<<<<< HEAD\n")
	p.commit("mended", lock, aLock("3.6"))
	p.commit("moved", pinsFile, "", lock, "", "courses/stat159/requirements.txt", "idna==3.5\n", "courses/stat159/pins.lock",
		aLock("3.6"))
	p.commit("bump again", "courses/stat159/pins.lock", aLock("3.7"))
	p.commit("gone", "courses/stat159/pins.lock", "")
	p.commit("again", "courses/stat159/pins.lock", aLock("3.7"))
	locks, err := history.Locks(t.Context(), filepath.Join(p.repository(t), "courses/stat159"))
	if err != nil {
		t.Fatal(err)
	}
	got := told(locks)
	want := []string{"first: none to 3.4, wrong: false", "bump: 3.4 to 3.5, wrong: false", "broken: 3.5 to none, wrong: true",
		"mended: 3.5 to 3.6, wrong: false", "bump again: 3.6 to 3.7, wrong: false", "gone: 3.7 to none, wrong: false",
		"again: 3.7 to 3.7, wrong: false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// told words locks, a line each.
func told(locks []history.LockAt) (lines []string) {
	version := func(l *pins.Lock) string {
		if l == nil {
			return "none"
		}
		return l.Artifacts[0].Version
	}
	for _, l := range locks {
		line := fmt.Sprintf("%s: %s to %s, wrong: %v", l.Subject, version(l.Before), version(l.Lock), l.Err != nil)
		for _, m := range l.Merged {
			line += "; " + m.Subject
		}
		lines = append(lines, line)
	}
	return lines
}

// Of branches the mainline is told: what each merge brought, once, and what a merge took back.
func TestLocksOfBranches(t *testing.T) {
	const lock, odd = "c/pins.lock", `"we\"ird/pins.lock"`
	var p past
	p.commit("first", "c/requirements.txt", "six\n", lock, aLock("1"), odd, aLock("1"))
	p.commit("side bump", lock, aLock("2"))
	p.parents = "from :1\n"
	p.commit("main, other file", "c/apt.txt", "jq\n", odd, aLock("2"))
	p.parents = "from :3\nmerge :2\n"
	p.commit("merge side", lock, aLock("2"))
	p.parents = "from :4\n"
	p.commit("second side", lock, aLock("3"), "c/apt.txt", "")
	p.parents = "from :4\n"
	p.commit("main bump", lock, aLock("4"))
	p.parents = "from :6\nmerge :5\n"
	p.commit("merge takes the side's", lock, aLock("3"), "c/apt.txt", "")
	p.parents = "from :7\n"
	p.commit("side renames", "c/requirements.txt", "", lock, "", "d/requirements.txt", "six\n", "d/pins.lock", aLock("3"))
	p.parents = "from :7\n"
	p.commit("main bumps again", lock, aLock("5"))
	p.parents = "from :9\nmerge :8\n"
	p.commit("merge the renamed", "c/requirements.txt", "", lock, "", "d/requirements.txt", "six\n", "d/pins.lock", aLock("5"))
	p.commit("last", "d/pins.lock", aLock("6"))
	dir := p.repository(t)
	locks, err := history.Locks(t.Context(), filepath.Join(dir, "d"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"first: none to 1, wrong: false", "merge side: 1 to 2, wrong: false; side bump",
		"main bump: 2 to 4, wrong: false", "merge takes the side's: 4 to 3, wrong: false; second side",
		"main bumps again: 3 to 5, wrong: false", "last: 5 to 6, wrong: false"}
	if diff := cmp.Diff(want, told(locks)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// whatever the user's git is told to show of merges
	if out, err := exec.Command("git", "-C", dir, "config", "log.diffMerges", "off").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if locks, err = history.Locks(t.Context(), filepath.Join(dir, "d")); err != nil || len(locks) != len(want) {
		t.Errorf("with log.diffMerges there are %d locks: %v", len(locks), err)
	}
	if locks, err = history.Locks(t.Context(), filepath.Join(dir, `we"ird`)); err != nil || len(locks) != 2 {
		t.Errorf("a folder with a quote has %d locks: %v", len(locks), err)
	}
}

// A course may be the top of its repository.
func TestLocksAtTheTop(t *testing.T) {
	var p past
	p.commit("first", "requirements.txt", "six\n", "pins.lock", aLock("1"))
	p.commit("side", "pins.lock", aLock("2"))
	p.parents = "from :1\n"
	p.commit("main", "readme", "x")
	p.parents = "from :3\nmerge :2\n"
	p.commit("merge", "pins.lock", aLock("2"))
	locks, err := history.Locks(t.Context(), p.repository(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"first: none to 1, wrong: false", "merge: 1 to 2, wrong: false; side"}
	if diff := cmp.Diff(want, told(locks)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOf(t *testing.T) {
	var p past
	const file = "courses/stat159/environment.yml"
	p.commit("Begin", file, environment("3.5.2", "3.0.3"), "README.md", "x")
	p.commit("Elsewhere", "courses/other/environment.yml", environment("9", "9"))
	p.commit("Lab 3.6.1 adds RTC support", file, environment("3.6.1", "3.0.3"))
	p.commit("Downgrade bokeh", file, environment("3.6.1", "2.4.3"))
	p.commit("Broken YAML", file, "dependencies:\n - {\n")
	p.commit("Mend it", file, environment("3.6.1", "2.4.3"))
	p.commit("Try lab 4", file, environment("4.0.0", "2.4.3"))
	p.commit("debump", file, environment("3.6.1", "2.4.3"))
	p.commit("To a manifest", file, "", "courses/stat159/pins.yaml",
		"pins: {pip: [Jupyter_Lab-x==1, jupyterlab==3.6.1]}\n")
	dir := filepath.Join(p.repository(t), "courses", "stat159")

	events, err := history.Of(t.Context(), dir, "JupyterLab")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, e := range events {
		fmt.Fprintf(&got, "%s %s:%d %s %q→%q\n", e.Subject, filepath.Base(e.File), e.Line, e.Kind, e.Was, e.Spec)
	}
	want := `Begin environment.yml:4 conda ""→"jupyterlab==3.5.2"
Lab 3.6.1 adds RTC support environment.yml:4 conda "jupyterlab==3.5.2"→"jupyterlab==3.6.1"
Broken YAML environment.yml:0 conda "jupyterlab==3.6.1"→""
Mend it environment.yml:4 conda ""→"jupyterlab==3.6.1"
Try lab 4 environment.yml:4 conda "jupyterlab==3.6.1"→"jupyterlab==4.0.0"
debump environment.yml:4 conda "jupyterlab==4.0.0"→"jupyterlab==3.6.1"
To a manifest environment.yml:0 conda "jupyterlab==3.6.1"→""
To a manifest pins.yaml:1 pip ""→"jupyterlab==3.6.1"
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	trial, ok := history.Reverted(events, pins.Conda, "4.0")
	if !ok || trial.Tried.Subject != "Try lab 4" || trial.Reverted.Subject != "debump" {
		t.Errorf("got %v, %t", trial, ok)
	}
	if _, ok := history.Reverted(events, pins.Conda, "3.6.1"); ok {
		t.Error("3.6.1 was never taken back")
	}
	if _, err := history.Of(t.Context(), t.TempDir(), "x"); err == nil || !strings.Contains(err.Error(),
		"is not in a git repository") {
		t.Errorf("got %v", err)
	}
}

// Pins that mostly change with another are found; one that did once is not.
func TestTogether(t *testing.T) {
	var p past
	write := func(lab, server, numpy string) {
		p.commit("x", "c/environment.yml", "dependencies:\n  - jupyterlab=="+lab+"\n  - jupyter_server=="+server+
			"\n  - numpy=="+numpy+"\n")
	}
	write("3.5.0", "2.0", "1.20")
	write("3.5.1", "2.1", "1.20")
	write("3.6.0", "2.2", "1.21")
	write("3.6.1", "2.3", "1.21")
	write("3.6.1", "2.3", "1.22")
	write("3.6.2", "2.3", "1.22")
	dir := filepath.Join(p.repository(t), "c")
	events, err := history.Of(t.Context(), dir, "JupyterLab")
	if err != nil {
		t.Fatal(err)
	}
	got, bumps, err := history.Together(t.Context(), dir, "JupyterLab", events)
	if err != nil || bumps != 4 || len(got) != 1 || got[0] != (history.Companion{Name: "jupyter_server", Times: 3}) {
		t.Errorf("got %v of %d, %v", got, bumps, err)
	}
}

// long is a course of many commits, as real ones are: most touch other pins.
func long(commits int) (*past, int) {
	var p past
	var deps strings.Builder
	for i := range 100 {
		fmt.Fprintf(&deps, "  - package-%d==1.%d\n", i, i)
	}
	flips := 0
	for i := range commits {
		lab := "3.6.1"
		if i%50 == 25 {
			lab, flips = fmt.Sprintf("4.0.%d", i/50), flips+1
		}
		p.commit(fmt.Sprintf("Commit %d", i), "c/environment.yml",
			"dependencies:\n"+deps.String()+fmt.Sprintf("  - other==%d\n  - jupyterlab==%s\n", i, lab))
	}
	return &p, flips
}

// Every flip-flop of a long history is found.
func TestFlipFlops(t *testing.T) {
	p, flips := long(600)
	events, err := history.Of(t.Context(), filepath.Join(p.repository(t), "c"), "jupyterlab")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i := range flips {
		if trial, ok := history.Reverted(events, pins.Conda, fmt.Sprintf("4.0.%d", i)); ok &&
			trial.Tried.Subject == fmt.Sprintf("Commit %d", i*50+25) {
			found++
		}
	}
	if found != flips || len(events) != 1+2*flips {
		t.Errorf("found %d of %d flip-flops in %d events", found, flips, len(events))
	}
}

func BenchmarkOf(b *testing.B) {
	p, _ := long(5000)
	dir := filepath.Join(p.repository(b), "c")
	for b.Loop() {
		if _, err := history.Of(b.Context(), dir, "jupyterlab"); err != nil {
			b.Fatal(err)
		}
	}
}

// A course whose folder was moved has its history of before, and so has one that
// lay at the top.
func TestMoved(t *testing.T) {
	var p past
	const old, now = "deployments/stat159/image/environment.yml", "images/stat159/environment.yml"
	p.commit("At the top", "environment.yml", environment("3.4.0", "3"), "apt.txt", "git\n")
	p.commit("Its own folder", "environment.yml", "", old, environment("3.4.0", "3"), "apt.txt", "",
		"deployments/stat159/image/apt.txt", "git\n")
	p.commit("RTC", old, environment("3.6.1", "3"))
	p.commit("Another's", "deployments/data8/image/environment.yml", environment("1", "1"))
	p.commit("Moved", old, "", now, environment("3.6.1", "3"), "deployments/stat159/image/apt.txt", "",
		"images/stat159/apt.txt", "git\n")
	p.commit("Lab 4", now, environment("4.0.11", "3"))
	top := p.repository(t)
	events, err := history.Of(t.Context(), filepath.Join(top, "images", "stat159"), "jupyterlab")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.Subject+": "+e.Spec)
	}
	if want := "At the top: jupyterlab==3.4.0; RTC: jupyterlab==3.6.1; Lab 4: jupyterlab==4.0.11"; strings.Join(got,
		"; ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	then, err := history.Past(t.Context(), filepath.Join(top, "images", "stat159"), "HEAD~3", t.TempDir())
	if err != nil || !strings.HasSuffix(then, "deployments/stat159/image") {
		t.Errorf("before the move it is %q, %v", then, err)
	}
	shallow := filepath.Join(t.TempDir(), "clone")
	if out, err := exec.Command("git", "clone", "--quiet", "--depth", "1", "file://"+top,
		shallow).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if history.Shallow(t.Context(), top) || !history.Shallow(t.Context(), filepath.Join(shallow, "images")) {
		t.Error("a shallow clone and another are not told apart")
	}
	if _, err := history.Past(t.Context(), filepath.Join(shallow, "images", "stat159"), "HEAD~3",
		t.TempDir()); err == nil || !strings.Contains(err.Error(), "git fetch --unshallow") {
		t.Errorf("the past of a shallow clone: %v", err)
	}
}

// Merges that decide anew, files beside the course, moves with an edit, and what git
// could not merge are all in the history.
func TestOddHistory(t *testing.T) {
	dir := t.TempDir()
	script := `export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
git init --quiet -b main; mkdir -p old common; c() { git add -A; git commit --quiet -m "$1"; }
echo numpy==1 >old/requirements.txt; echo x >old/README; echo y >old/notes; c one
git checkout --quiet -b side; echo numpy==2 >old/requirements.txt; c two
git checkout --quiet main; echo numpy==3 >old/requirements.txt; c three
git merge --quiet side >/dev/null 2>&1 || echo numpy==4 >old/requirements.txt; c merged
mkdir new; git mv old/* new/; printf 'numpy==5\n' >new/requirements.txt; c moved
printf '<<<<<<< HEAD\nnumpy==6\n=======\nnumpy==7\n>>>>>>> x\n' >new/requirements.txt; c torn
printf -- '-r ../common/base.txt\n' >new/requirements.txt; echo numpy==8 >common/base.txt; c shared
echo numpy==9 >common/base.txt; c nine`
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	events, err := history.Of(t.Context(), filepath.Join(dir, "new"), "numpy", filepath.Join(dir, "common", "base.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.Subject+" "+e.Spec)
	}
	if text := strings.Join(got, "; "); !strings.HasSuffix(text,
		"merged numpy==4; moved numpy==5; shared ; shared numpy==8; nine numpy==9") &&
		!strings.HasSuffix(text, "merged numpy==4; moved numpy==5; shared numpy==8; shared ; nine numpy==9") ||
		!strings.HasPrefix(text, "one numpy==1; ") {
		t.Errorf("%s", text)
	}
}

// What only comes along is known by the lock.
func TestLocked(t *testing.T) {
	var p past
	p.commit("begin", "c/pins.yaml", "pins: {pip: [dateutil==2]}\n", "c/pins.lock", aLock("1.15.0"))
	p.commit("other", "d/pins.lock", aLock("1.0"))
	p.commit("broken", "c/pins.lock", "nothing\n")
	p.commit("lock again", "c/pins.lock", aLock("1.16.0"))
	p.commit("no lock", "c/pins.lock", "")
	dir := filepath.Join(p.repository(t), "c")
	events, err := history.Locked(t.Context(), dir, "Six")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprintf("%s %s: %q → %q", e.File, e.Subject, e.Before, e.Version))
	}
	want := `c/pins.lock begin: "" → "1.15.0"; c/pins.lock lock again: "1.15.0" → "1.16.0"; c/pins.lock no lock: "1.16.0" → ""`
	if strings.Join(got, "; ") != want {
		t.Errorf("got %s", strings.Join(got, "; "))
	}
}
