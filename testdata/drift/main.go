// Drift makes two images like those of courses, A and B, which share their
// lower layers, and says what the package managers inside of them hold to be
// installed. Run it from the top folder, as root; the base must be there
// (testdata/base.sh).
//
//	go run ./testdata/drift [-size small|full] [-base LAYOUT] [-home DIR] OUT
//
// The images come to lie in OUT/a and OUT/b, as OCI layouts, and what is
// installed in OUT/a.truth.json and OUT/b.truth.json. small takes a few
// minutes; full makes images of about 1.1 GB each, for which it takes 9 GB of TMPDIR.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/moby/sys/reexec"
	"golang.org/x/sync/errgroup"
)

func main() {
	if reexec.Init() { // BuildKit starts this program again, for work in other namespaces
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "drift:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	size := flag.String("size", "small", strings.Join(slices.Sorted(maps.Keys(sizes)), " or "))
	base := flag.String("base", "build/base/bookworm", "OCI layout of the base")
	home := flag.String("home", "", "the engine's folder, which is kept; without it a temporary one")
	flag.Parse()
	if flag.NArg() != 1 || sizes[*size] == nil {
		flag.Usage()
		return errors.New("a known size and one folder are needed")
	}
	out, err := filepath.Abs(flag.Arg(0))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if *home == "" {
		if *home, err = os.MkdirTemp("", "driftpin-drift-*"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(*home)) }()
	}
	e, err := engine.Embedded(ctx, *home, engine.Options{Notice: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	group, ctx := errgroup.WithContext(ctx)
	for side, own := range sizes[*size] {
		b := &build{client: e.Client(), base: *base, out: filepath.Join(out, side), args: own}
		group.Go(func() error { return b.run(ctx) })
	}
	return group.Wait()
}
