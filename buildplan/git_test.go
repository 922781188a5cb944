package buildplan

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/testdata/gitserver"
)

// A commit is found by tag, by branch and by its beginning; and a repository
// that git's environment names, as in a hook, is left alone.
func TestResolveCommit(t *testing.T) {
	dir := t.TempDir()
	commit, err := gitserver.Commit(filepath.Join(dir, "git", "x.git"), "testdata/small", "v1")
	if err != nil {
		t.Fatal(err)
	}
	server, err := gitserver.Start(filepath.Join(dir, "git"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	mine := filepath.Join(dir, "mine.git")
	if _, err := gitserver.Commit(mine, "testdata", "rel1"); err != nil {
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
		got, err := resolveCommit(t.Context(), filepath.Join(dir, "home"), pins.Git{URL: server.URL + "/x.git", Ref: ref})
		if err != nil || got != commit {
			t.Errorf("%q: got %s, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"nosuch", "refs/heads/main", "0000000"} {
		if got, err := resolveCommit(t.Context(), filepath.Join(dir, "home"), pins.Git{URL: server.URL + "/x.git", Ref: ref}); err == nil || !strings.Contains(err.Error(), "has no commit, branch or tag") {
			t.Errorf("%q: got %s, %v", ref, got, err)
		}
	}
	if _, err := resolveCommit(t.Context(), filepath.Join(dir, "home"), pins.Git{URL: server.URL + "/nothing.git", Ref: "main"}); err == nil {
		t.Error("a repository that is not there was fetched")
	}
	if after := refs(); after != before {
		t.Errorf("the repository of GIT_DIR was changed:\n%s\nto\n%s", before, after)
	}
}
