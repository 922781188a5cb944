package main

import (
	"context"
	"os"
	"os/signal"
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
		Setup: setup})
}

func setup(env *testscript.Env) error {
	env.Setenv("DRIFTPIN_HOME", env.Getenv("WORK")+"/home")
	return nil
}
