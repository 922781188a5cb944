// Standin runs a command so that the course stat159 can be locked and built
// where GitHub can't be reached: tmpystore then comes from a git repository on
// loopback, which holds a small package of our own with the same module and
// class. Where GitHub can be reached, the command runs as it is. The variable
// STANDIN tells the command that it gets the stand-in, by the tag that it has
// there.
//
//	go run ./testdata/standin COMMAND ARGUMENT…
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/driftpin/driftpin/testdata/gitserver"
)

const (
	owner      = "https://github.com/berkeley-dsep-infra/"
	repository = "tmpystore.git"
	tag        = "stand-in"
	patience   = 10 * time.Second
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: standin COMMAND ARGUMENT…")
		os.Exit(2)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := exec.Command(args[0], args[1:]...) // it gets the signals itself
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, os.Stdout, os.Stderr, os.Environ()
	if !reachable(ctx) {
		fmt.Fprintf(os.Stderr, "standin: %s can't be reached: tmpystore is a stand-in of our own, served on "+
			"loopback\n", owner)
		dir, err := os.MkdirTemp("", "standin-*")
		if err != nil {
			return 1, err
		}
		defer os.RemoveAll(dir) // only a temporary folder
		full, err := gitserver.Commit(filepath.Join(dir, repository), filepath.Join("testdata", "standin",
			"tmpystore"), tag)
		if err != nil {
			return 1, err
		}
		server, err := gitserver.Start(dir)
		if err != nil {
			return 1, err
		}
		defer server.Close()
		fmt.Fprintf(os.Stderr, "standin: its commit is %s\n", full)
		cmd.Env = append(append(cmd.Env, rewrite(server.URL+"/")...), "STANDIN="+tag)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// reachable asks the real repository for its head.
func reachable(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "ls-remote", "--quiet", owner+repository, "HEAD")
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	return cmd.Run() == nil
}

// rewrite adds a url.*.insteadOf to git's configuration, by its environment
// (git-config(1), "ENVIRONMENT").
func rewrite(to string) []string {
	n, err := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	if err != nil {
		n = 0
	}
	return []string{
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", n+1),
		fmt.Sprintf("GIT_CONFIG_KEY_%d=url.%s.insteadOf", n, to),
		fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, owner),
	}
}
