// Package gitcmd calls the git of this machine, with the user's configuration.
package gitcmd

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// New returns a call of git that asks nobody for a password and speaks English.
// What git, in a hook, tells its children of the repository that it works on is
// left out: ours is another.
func New(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(repository, name)
	})
	cmd.Env = append(env, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	return cmd
}

// repository are the variables that name a repository (git's documentation,
// "git rev-parse --local-env-vars", and what receive-pack sets).
var repository = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_IMPLICIT_WORK_TREE",
	"GIT_REPLACE_REF_BASE", "GIT_NO_REPLACE_OBJECTS", "GIT_INTERNAL_SUPER_PREFIX", "GIT_QUARANTINE_PATH",
	"GIT_CEILING_DIRECTORIES",
}
