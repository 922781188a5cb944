package main

import (
	"fmt"
	"time"

	"github.com/driftpin/driftpin/images/layers"
)

// showReading returns a progress of layers that are read, which is shown on a
// terminal while it takes its time. Each figure is written over the last one.
func showReading(s streams) *layers.Progress {
	p := &layers.Progress{}
	if !isTerminal(s.err) {
		return p
	}
	go func() {
		for tick := time.Tick(500 * time.Millisecond); ; {
			<-tick
			read, total := p.Read.Load(), p.Total.Load()
			if total == 0 || read >= total {
				continue
			}
			fmt.Fprintf(s.err, "\rreading layers: %d of %d MB\x1b[K\r", read>>20, total>>20)
		}
	}()
	return p
}
