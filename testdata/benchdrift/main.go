// Benchdrift measures how long driftpin takes to compare two images of more
// than 1 GB, and beside it the peers that are on PATH, in one run: as whole
// processes, from OCI layouts, a registry on loopback, and docker archives. Run
// it from the top folder, as make bench-drift does:
//
//	go run ./testdata/benchdrift [-runs N] [-images DIR] [-only PART]
//
// DIR gets the images of testdata/drift, if it has none yet. What comes out is
// Markdown.
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
	"runtime"
	"strings"
	"syscall"
)

func main() {
	var err error
	switch args := append(os.Args, ""); {
	case args[1] == bareCommand:
		err = bare(os.Args[2:])
	case args[1] == serveCommand:
		err = serve(os.Args[2:])
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchdrift:", err)
		os.Exit(1)
	}
}

// A bench is one run.
type bench struct {
	runs  int
	dir   string // of the images
	work  string // of all else
	self  string // this program
	drift string // driftpin
}

func run(ctx context.Context) (err error) {
	b := &bench{}
	flag.IntVar(&b.runs, "runs", 3, "how often each is run; the median counts")
	flag.StringVar(&b.dir, "images", "build/drift", "where the images are, or will be")
	only := flag.String("only", "", "a part: layouts, registry, archives, again or curve")
	flag.Parse()
	if b.work, err = os.MkdirTemp("", "benchdrift-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.drift, err = filepath.Abs("bin/driftpin"); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if err := b.images(ctx); err != nil {
		return err
	}
	fmt.Printf("%d processors; medians of %d, cold means without any cache of the program's own; the images lie in the page cache. ×: times driftpin drift, in seconds.\n", runtime.NumCPU(), b.runs)
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"layouts", b.layouts}, {"registry", b.registry}, {"archives", b.archives}, {"again", b.again}, {"curve", b.curve}} {
		if *only != "" && *only != part.name {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// images makes the images, where there are none.
func (b *bench) images(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(b.dir, "b.truth.json")); err == nil {
		return nil
	}
	fmt.Fprintln(os.Stderr, "making the images: some minutes")
	cmd := exec.CommandContext(ctx, "go", "run", "./testdata/drift", "-size", "full", b.dir)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// absent says which peers are not measured.
func absent(names ...string) {
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		fmt.Printf("\nNot on PATH, so not measured: %s.\n", strings.Join(missing, ", "))
	}
}
