package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"github.com/moby/sys/reexec"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	testscript.Main(tidy{m}, map[string]func(){"driftpin": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}

// tidy are tests that take down the lab when they are done.
type tidy struct{ tests *testing.M }

// Run implements testscript.TestingM.
func (t tidy) Run() int {
	defer endLab()
	return t.tests.Run()
}

// The command line, as scripts; none of these builds.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: setup, Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status}})
}

// status is the scripts' command "status N PROGRAM ARGS…": it runs the program
// and holds the exit status against N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

func setup(env *testscript.Env) error {
	env.Setenv("DRIFTPIN_HOME", env.Getenv("WORK")+"/home")
	return nil
}
