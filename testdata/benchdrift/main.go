// Benchdrift measures how long driftpin takes to compare two images of more
// than 1 GB, and beside it the peers that are on PATH, in one run: as whole
// processes, from OCI layouts, a registry on loopback, and docker archives. Run
// it from the top folder, as make bench-drift does:
//
//	go run ./testdata/benchdrift [-runs N] [-images DIR] [-only PART] [-before PROGRAM]
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

	"golang.org/x/sync/errgroup"
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
	old   string // another driftpin, to be held against it; may be empty
}

func run(ctx context.Context) (err error) {
	b := &bench{}
	flag.IntVar(&b.runs, "runs", 3, "how often each is run; the median counts")
	flag.StringVar(&b.dir, "images", "build/drift", "where the images are, or will be")
	flag.StringVar(&b.old, "before", "", "another driftpin, measured beside this one")
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
	fmt.Printf("%d processors; medians of %d, cold means without any cache of the program's own; the images lie "+
		"in the page cache. ×: times driftpin drift, in seconds.\n", runtime.NumCPU(), b.runs)
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"layouts", b.layouts}, {"registry", b.registry}, {"archives", b.archives}, {"again", b.again},
		{"curve", b.curve}} {
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
	if _, err := os.Stat(filepath.Join(b.dir, "b.truth.json")); err != nil {
		fmt.Fprintln(os.Stderr, "making the images: some minutes")
		cmd := exec.CommandContext(ctx, "go", "run", "./testdata/drift", "-size", "full", b.dir)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	group := errgroup.Group{}
	for _, side := range []string{"a", "b"} {
		from, to := filepath.Join(b.dir, side), filepath.Join(b.dir, "pax-"+side)
		if _, err := os.Stat(to); err == nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "making image %s with PAX records\n", side)
		group.Go(func() error {
			return errors.Join(withRecords(from, to+".part"), os.Rename(to+".part", to))
		})
	}
	return group.Wait()
}

// A pair is two images to be compared.
type pair struct {
	name string
	dirs [2]string // layouts
}

// pairs are the same images as BuildKit writes them, and with PAX records.
func (b *bench) pairs() []pair {
	return []pair{
		{"without PAX records", [2]string{filepath.Join(b.dir, "a"), filepath.Join(b.dir, "b")}},
		{"with PAX records", [2]string{filepath.Join(b.dir, "pax-a"), filepath.Join(b.dir, "pax-b")}},
	}
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
