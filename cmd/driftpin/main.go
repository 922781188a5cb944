// Driftpin builds the images of JupyterHub courses from pins and says how they
// drift. Run driftpin --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/moby/sys/reexec"
)

func main() {
	if reexec.Init() { // BuildKit starts this program again, for work in other namespaces
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
