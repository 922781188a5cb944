package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/reexec"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
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
		Setup: setup, Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "valid": valid}})
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

// valid is the scripts' command "valid COMMAND": it holds what was printed last against
// the schema of a command's JSON.
func valid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: valid COMMAND")
	}
	ts.Check(validJSON(args[0], ts.ReadFile("stdout")))
}

// validJSON holds what a command printed as JSON against its schema.
func validJSON(command, text string) error {
	data, err := schemaOf(command)
	if err != nil {
		return err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", parsed); err != nil {
		return err
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	if err := schema.Validate(v); err != nil {
		return err
	}
	if schema.Validate(map[string]any{"nothing": true}) == nil {
		return fmt.Errorf("the schema of %s takes anything", command)
	}
	return nil
}

func setup(env *testscript.Env) error {
	env.Setenv("DRIFTPIN_HOME", env.Getenv("WORK")+"/home")
	return nil
}
