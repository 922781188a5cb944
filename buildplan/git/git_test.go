package git

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/testdata/gitserver"
)

// A commit is found by tag, by branch and by its beginning; and a repository
// that git's environment names, as in a hook, is left alone.
func TestResolveCommit(t *testing.T) {
	dir := t.TempDir()
	commit, err := gitserver.Commit(filepath.Join(dir, "git", "x.git"), "../testdata/small", "v1")
	if err != nil {
		t.Fatal(err)
	}
	server, err := gitserver.Start(filepath.Join(dir, "git"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	mine := filepath.Join(dir, "mine.git")
	if _, err := gitserver.Commit(mine, "../testdata", "rel1"); err != nil {
		t.Fatal(err)
	}
	refs := func() string {
		out, err := exec.Command("git", "--git-dir="+mine, "for-each-ref").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	before := refs()
	t.Setenv("GIT_DIR", mine)
	for _, ref := range []string{"v1", "main", "", "HEAD", commit[:7], commit} {
		got, err := Commit(t.Context(), filepath.Join(dir, "home"), pins.Git{URL: server.URL + "/x.git", Ref: ref})
		if err != nil || got != commit {
			t.Errorf("%q: got %s, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"nosuch", "refs/heads/main", "0000000"} {
		if got, err := Commit(t.Context(), filepath.Join(dir, "home"), pins.Git{URL: server.URL + "/x.git",
			Ref: ref}); err == nil || !strings.Contains(err.Error(), "has no commit, branch or tag") {
			t.Errorf("%q: got %s, %v", ref, got, err)
		}
	}
	if _, err := Commit(t.Context(), filepath.Join(dir, "home"), pins.Git{URL: server.URL + "/nothing.git",
		Ref: "main"}); err == nil {
		t.Error("a repository that is not there was fetched")
	}
	if after := refs(); after != before {
		t.Errorf("the repository of GIT_DIR was changed:\n%s\nto\n%s", before, after)
	}
}

// outerRepository makes a repository with a submodule, and with what git archive
// would substitute or leave out; it is served as outer.git.
func outerRepository(t *testing.T, dir, inner string) (outer string) {
	t.Helper()
	outer = filepath.Join(dir, "outer")
	for name, text := range map[string]string{
		"run.sh": "#!/bin/sh\n", "version.txt": "$Format:%H$\n", "hidden": "x\n",
		".gitattributes": "version.txt export-subst\nhidden export-ignore\n",
		".gitmodules":    "[submodule \"in\"]\n\tpath = deep/in\n\turl = ../inner.git\n",
	} {
		if err := errors.Join(os.MkdirAll(outer, 0o755), os.WriteFile(filepath.Join(outer, name), []byte(text),
			0o755)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) {
		cmd := exec.Command("git", args...)
		cmd.Dir = outer
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a",
			"GIT_COMMITTER_EMAIL=a@b")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	run("init", "--quiet", "-b", "main")
	run("add", "--all")
	run("update-index", "--add", "--cacheinfo", "160000,"+inner+",deep/in")
	run("commit", "--quiet", "-m", "x")
	run("clone", "--quiet", "--bare", ".", filepath.Join(dir, "git", "outer.git"))
	return outer
}

// An archive of a commit is the same bytes wherever it is made; submodules are
// in it, and what the repository says of its archives is passed over.
func TestMakeTree(t *testing.T) {
	dir := t.TempDir()
	inner, err := gitserver.Commit(filepath.Join(dir, "git", "inner.git"), "../testdata/small")
	if err != nil {
		t.Fatal(err)
	}
	outer := outerRepository(t, dir, inner)
	server, err := gitserver.Start(filepath.Join(dir, "git"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	commit, err := git(t.Context(), filepath.Join(outer, ".git"), "rev-parse", "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	address := "git+" + server.URL + "/outer.git@" + strings.TrimSpace(commit)
	var sums []string
	for i := range 2 {
		into := filepath.Join(dir, fmt.Sprint("tree", i))
		if err := os.Mkdir(into, 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := WriteTree(t.Context(), address, into)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := store.Sum(filepath.Join(into, file))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
	}
	if sums[0] != sums[1] {
		t.Error("the same commit gives other bytes")
	}
	out, err := exec.Command("tar", "-xvf", filepath.Join(dir, "tree0", "tree.tar"), "-C", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	version, err := os.ReadFile(filepath.Join(dir, "version.txt"))
	if err != nil || string(version) != "$Format:%H$\n" {
		t.Errorf("version.txt is %q, %v", version, err)
	}
	for _, name := range []string{"hidden", "run.sh", "deep/in/pins.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := WriteTree(t.Context(), "git+"+server.URL+"/outer.git@"+strings.Repeat("0", 40),
		t.TempDir()); err == nil || !strings.Contains(err.Error(), "this machine can't fetch 0000") {
		t.Errorf("got %v", err)
	}
}

// A server that is busy for a moment is asked again.
func TestGitRetry(t *testing.T) {
	dir := t.TempDir()
	if _, err := gitserver.Commit(filepath.Join(dir, "git", "x.git"), "../testdata/small", "v1"); err != nil {
		t.Fatal(err)
	}
	server, err := gitserver.Start(filepath.Join(dir, "git"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	behind, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	asked := 0
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer busy.Close()
	if _, err := Commit(t.Context(), filepath.Join(dir, "home"), pins.Git{URL: busy.URL + "/x.git",
		Ref: "v1"}); err != nil || asked < 2 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// What .gitmodules names is anybody's: no options of git, no files of this
// machine.
func TestSubmodule(t *testing.T) {
	commit := strings.Repeat("1", 40)
	for address, want := range map[string]string{
		"../b.git":                         "https://h.test/owner/b.git",
		"./c.git":                          "https://h.test/owner/a.git/c.git",
		"https://other.test/x/y.git":       "https://other.test/x/y.git",
		"ssh://git@h.test/x.git":           "ssh://git@h.test/x.git",
		"--upload-pack=touch /tmp/x; true": "",
		"-x":                               "",
		"file:///etc":                      "",
		"/etc":                             "",
		"../../../../../etc/x":             "https://h.test/etc/x",
		"ext::sh -c id":                    "",
		"https://user:pass@h.test/x.git":   "",
		"":                                 "",
	} {
		got, err := submodule("https://h.test/owner/a.git", address, commit)
		if got.URL != want || (err == nil) != (want != "") || err != nil && strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: got %q, %v, want %q", address, got.URL, err, want)
		}
	}
}

// Writing the archive fails: git, which goes on writing, is ended.
func TestArchiveEnds(t *testing.T) {
	dir := t.TempDir()
	files := filepath.Join(dir, "files")
	if err := errors.Join(os.Mkdir(files, 0o755), os.WriteFile(filepath.Join(files, "large"), make([]byte, 4<<20),
		0o644)); err != nil {
		t.Fatal(err)
	}
	repo := filepath.Join(dir, "x.git")
	commit, err := gitserver.Commit(repo, files)
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		if runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer full.Close()
	w := treeWriter{tar.NewWriter(full), dir}
	if err := w.archive(t.Context(), "", repo, commit); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}

// A stalling server is left at once when the context ends, and what git had
// started ends with it.
func TestGitEnds(t *testing.T) {
	asked := make(chan bool, 9)
	stall := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
	}))
	defer stall.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := Commit(ctx, t.TempDir(), pins.Git{URL: stall.URL + "/x.git", Ref: "main"})
		done <- err
	}()
	<-asked
	if !running(t, stall.URL) {
		t.Error("git-remote-http is not seen: the test can't tell whether it ends")
	}
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it succeeded")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	for range 100 { // git-remote-http has the address on its command line
		if !running(t, stall.URL) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("git-remote-http goes on")
}

// running reports whether a process of git's talks to an address: it is on its
// command line.
func running(t *testing.T, address string) bool {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		if runtime.GOOS == "linux" {
			t.Fatal("no /proc to look for processes in")
		}
		t.Skip("no /proc to look for processes in")
	}
	for _, file := range lines {
		line, err := os.ReadFile(file)
		if err == nil && bytes.Contains(line, []byte("remote-http")) && bytes.Contains(line, []byte(address)) {
			return true
		}
	}
	return false
}
