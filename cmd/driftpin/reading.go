package main

import (
	"fmt"
	"os"
	"time"

	"github.com/driftpin/driftpin/images/layers"
	"github.com/driftpin/driftpin/pins"
)

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

// outsideVariable lets courses name files outside of their repository; so does
// --allow-outside.
const outsideVariable = "DRIFTPIN_ALLOW_OUTSIDE"

// readCourse reads a course, with other contents of some of its files.
func readCourse(dir string, edited map[string][]byte) (*pins.Manifest, error) {
	return pins.ReadCourseWith(dir, pins.ReadOptions{Edited: edited, Outside: os.Getenv(outsideVariable) != ""})
}
