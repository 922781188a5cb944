// Bench measures driftpin against what a careful person does without it: a
// Dockerfile with one RUN of pip, or of uv, over the same hashes. All sides
// build on one buildkitd, of the version that driftpin is linked with, from one
// base, and push to one registry, which counts what it is sent. Run it from the
// top folder, as root, after make build; the base must be there (make demo).
//
//	go run ./testdata/bench [-only SIDE] [-growth] [-runs N] [-keep]
//
// What is measured of each build is the whole command: its seconds, the bytes
// of blobs that it pushed, and the most memory that buildkitd, its steps and
// the client held together. The scenarios are in scenarios.go, the other sides
// in Dockerfile. The table goes to stdout, progress to stderr.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) > 1 && os.Args[1] == solveCommand {
		err = solve(ctx, os.Args[2:])
	} else {
		err = run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// A bench is what all measurements have in common.
type bench struct {
	work      string // everything temporary is below
	self      string // this program
	driftpin  string
	buildkitd string
	registry  *counter
	base      string // its reference in the registry, with digest
	baseSize  int64
	log       *os.File // what the measured commands say
	growth    []*course
	results   results
}

// A settings is what the command line says.
type settings struct {
	driftpin, layout, only string
	growth, keep           bool
	runs                   int
}

func readSettings() (settings, error) {
	var s settings
	flag.StringVar(&s.driftpin, "driftpin", "bin/driftpin", "the driftpin to measure")
	flag.StringVar(&s.layout, "base", "build/base/bookworm", "OCI layout of the base")
	flag.StringVar(&s.only, "only", "", "measure this side only: "+strings.Join(sides, ", "))
	flag.BoolVar(&s.growth, "growth", false, "also measure courses of 20 to 200 packages")
	flag.IntVar(&s.runs, "runs", 1, "how often to measure; the table has medians")
	flag.BoolVar(&s.keep, "keep", false, "keep the temporary folder")
	flag.Parse()
	if s.only != "" && !slices.Contains(sides, s.only) {
		return s, fmt.Errorf("-only %s: known are %s", s.only, strings.Join(sides, ", "))
	}
	return s, nil
}

func run(ctx context.Context) (err error) {
	s, err := readSettings()
	if err != nil {
		return err
	}
	b, err := newBench(ctx, s.driftpin, s.layout)
	if b != nil && !s.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	}
	if err != nil {
		return err
	}
	defer b.registry.Close()
	full, err := b.prepare(ctx, s.growth)
	if err != nil {
		return err
	}
	defer b.print(os.Stdout, full, s.runs) // what there is, even if something fails
	for i := range s.runs {
		say("run %d of %d", i+1, s.runs)
		for _, side := range sides {
			if s.only != "" && s.only != side {
				continue
			}
			if err := b.measureSide(ctx, side, full); err != nil {
				return err
			}
		}
	}
	return nil
}

// newBench makes the temporary folder, the engine's program and the registry
// with the base in it.
func newBench(ctx context.Context, driftpin, layout string) (*bench, error) {
	work, err := os.MkdirTemp("", "driftpin-bench-*")
	if err != nil {
		return nil, err
	}
	say("all that is temporary lies in %s", work)
	b := &bench{work: work, buildkitd: filepath.Join(work, "buildkitd")}
	if b.self, err = os.Executable(); err != nil {
		return b, err
	}
	if b.driftpin, err = filepath.Abs(driftpin); err != nil {
		return b, err
	}
	if b.log, err = os.Create(filepath.Join(work, "log")); err != nil {
		return b, err
	}
	say("building buildkitd")
	if err := buildBuildkitd(ctx, b.work, b.buildkitd); err != nil {
		return b, err
	}
	b.registry, err = serveRegistry(filepath.Join(work, "registry"), layout)
	if err != nil {
		return b, err
	}
	b.base, b.baseSize = b.registry.base, b.registry.baseSize
	return b, nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "== "+format+"\n", args...) }

// command is a program with its output in the log.
func (b *bench) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = b.log, b.log
	fmt.Fprintf(b.log, "\n$ %s\n", strings.Join(cmd.Args, " "))
	return cmd
}
