// Package git asks the git of this machine, with the user's own configuration and
// credentials: which commit a requirement means ([Commit]), and the files of a
// commit as an archive ([WriteTree], kept by [Kept]).
package git

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/gitcmd"
	"github.com/gofrs/flock"
)

var (
	fullCommit  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	abbreviated = regexp.MustCompile(`^[0-9a-f]{4,39}$`)
)

// Commit returns the full commit that a git requirement means. It asks
// the git of this machine, with the user's own configuration (credentials,
// insteadOf), and keeps the repository's history, without its files, in home.
func Commit(ctx context.Context, home string, g pins.Git) (string, error) {
	if fullCommit.MatchString(g.Ref) {
		return g.Ref, nil
	}
	sum := sha256.Sum256([]byte(g.URL))
	dir := filepath.Join(home, "git", hex.EncodeToString(sum[:8])+".git")
	unlock, err := openRepository(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	fetch := []string{"--quiet", "--prune", "--force", "--no-tags", "--filter=tree:0", "--end-of-options", g.URL,
		"+refs/heads/*:refs/driftpin/heads/*", "+refs/tags/*:refs/driftpin/tags/*"}
	if g.Ref == "" || g.Ref == "HEAD" {
		fetch = append(fetch, "+HEAD:refs/driftpin/HEAD") // which need not lead anywhere
	}
	if err := gitFetch(ctx, dir, fetch...); err != nil {
		return "", fmt.Errorf("this machine can't fetch %s: %w", g.URL, err)
	}
	// A tag or branch wins over a commit that its name abbreviates, as in git.
	names := []string{"refs/driftpin/tags/" + g.Ref, "refs/driftpin/heads/" + g.Ref}
	if abbreviated.MatchString(g.Ref) {
		names = append(names, g.Ref)
	}
	if g.Ref == "" || g.Ref == "HEAD" {
		names = []string{"refs/driftpin/HEAD"}
	}
	for _, name := range names {
		if commit, err := git(ctx, dir, "rev-parse", "--quiet", "--verify", "--end-of-options",
			name+"^{commit}"); err == nil {
			return strings.TrimSpace(commit), nil
		}
	}
	if ambiguous, err := git(ctx, dir, "rev-parse", "--disambiguate="+g.Ref); err == nil && strings.Count(ambiguous,
		"\n") > 1 {
		return "", fmt.Errorf("%s has several commits that begin with %s: give more of the commit", g.URL, g.Ref)
	}
	return "", fmt.Errorf("%s has no commit, branch or tag %s", g.URL, g.Ref)
}

// openRepository creates a bare repository, or takes one over from a process
// that may have been killed: git's own lock files, then, are nobody's. Until
// unlock other processes wait for it.
func openRepository(ctx context.Context, dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock := flock.New(dir, flock.SetFlag(os.O_RDONLY))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".lock") || strings.HasPrefix(d.Name(), "tmp_")) {
			err = os.RemoveAll(path)
		}
		return err
	})
	if err == nil {
		_, err = git(ctx, dir, "init", "--quiet", "--bare")
	}
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return lock.Unlock, nil
}

// transient matches what git says of servers and networks that may be better
// in a moment.
var transient = regexp.MustCompile(`returned error: (?:429|5\d\d)|Could not resolve host|timed out|early EOF|RPC ` +
	`failed|onnection reset|too slow|hung up unexpectedly`)

// gitFetch runs git fetch, again if that may help.
func gitFetch(ctx context.Context, dir string, args ...string) error {
	_, err := backoff.Retry(ctx, func() (string, error) {
		out, err := git(ctx, dir, append([]string{"fetch"}, args...)...)
		if err != nil && !transient.MatchString(err.Error()) {
			err = backoff.Permanent(err)
		}
		return out, err
	}, backoff.WithMaxTries(3))
	return err
}

// git runs git; its error is what git says. A server that falls silent for a
// minute is given up.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	if dir != "" {
		args = append([]string{"--git-dir=" + dir, "-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"}, args...)
	}
	cmd := gitCommand(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("git is not installed: git requirements need it (see driftpin doctor)")
	}
	if err != nil {
		return "", gitError(stderr.String())
	}
	return string(out), nil
}

func gitCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := gitcmd.New(ctx, args...)
	tame(cmd)
	return cmd
}

// quotedUser matches the user and password in an address that git quotes, in
// which a password may have any character.
var quotedUser = regexp.MustCompile(`://[^\s'"]*@`)

// gitError is what git says, without users and passwords.
func gitError(said string) error {
	return fmt.Errorf("git: %s", quotedUser.ReplaceAllString(strings.TrimSpace(said), "://"))
}

// Diagnose looks for git, which git requirements need.
func Diagnose() engine.Finding {
	f := engine.Finding{What: "git"}
	if f.Detail, f.Err = exec.LookPath("git"); f.Err != nil {
		f.Remedy = engine.Install("git", nil)
	}
	return f
}
