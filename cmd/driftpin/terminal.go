package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/driftpin/driftpin/images/layers"
	"github.com/driftpin/driftpin/images/report"
	"golang.org/x/term"
)

// useColour reports whether colours are wanted: on a terminal, unless NO_COLOR
// (no-color.org) is set.
func useColour(when string, w io.Writer) bool {
	if when != "auto" {
		return when == "always"
	}
	return os.Getenv("NO_COLOR") == "" && isTerminal(w)
}

// isTerminal reports whether a person sees what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// A counting tells how far a command is with many things of a kind: on a terminal in one
// line, elsewhere in a line for each.
type counting struct {
	w     io.Writer
	start time.Time
}

func newCounting(w io.Writer) *counting { return &counting{w, time.Now()} }

// at tells that the nth of all things is begun.
func (c *counting) at(n, all int, what string) {
	text := fmt.Sprintf("%d of %d: %s", n, all, report.Clean(what))
	if n > 1 {
		left := time.Since(c.start) / time.Duration(n-1) * time.Duration(all-n+1)
		text += fmt.Sprintf(", about %.0f s left", left.Seconds())
	}
	if isTerminal(c.w) {
		fmt.Fprintf(c.w, "\r%s\x1b[K", text)
	} else {
		fmt.Fprintln(c.w, text)
	}
}

// end clears a terminal's line.
func (c *counting) end() {
	if isTerminal(c.w) {
		fmt.Fprint(c.w, "\r\x1b[K")
	}
}

// showReading returns a progress of layers that are read, which is shown on a
// terminal while it takes its time, each figure over the last one; done ends
// that, and leaves nothing of it.
func showReading(s streams) (p *layers.Progress, done func()) {
	p = &layers.Progress{}
	if !isTerminal(s.err) {
		return p, func() {}
	}
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for tick := time.Tick(500 * time.Millisecond); ; {
			select {
			case <-stop:
				fmt.Fprint(s.err, "\r\x1b[K")
				return
			case <-tick:
			}
			if read, total := p.Read.Load(), p.Total.Load(); read < total {
				fmt.Fprintf(s.err, "\rreading layers: %d of %d MB\x1b[K\r", read>>20, total>>20)
			}
		}
	}()
	return p, func() { close(stop); <-stopped }
}
