package main

import (
	"fmt"
	"path/filepath"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/report"
)

// newReader is a reader of inventories that remembers what layers hold. done
// ends the display of its progress.
func newReader(s streams) (r images.Reader, done func()) {
	if dir, err := stateDir(); err == nil { // without a place, nothing is remembered
		r.Memory = filepath.Join(dir, "layers")
	}
	r.Progress, done = showReading(s)
	return r, done
}

// printOpened says what somebody should know of an image that was opened.
func printOpened(s streams, img *images.Image) {
	if img.Platform != "" {
		fmt.Fprintf(s.err, "%s has several platforms: this is %s\n", report.Clean(img.Name), img.Platform)
	}
	if img.Trouble != nil {
		fmt.Fprintf(s.err, "%s: the inventory that the image carries can't be used, so its layers are read: %s\n",
			report.Clean(img.Name), report.Clean(img.Trouble.Error()))
	}
}

// printUnverified says of which images layers were not hashed, where no report does.
func printUnverified(s streams, r images.Reader, opened ...*images.Image) {
	for _, u := range r.Unverified(opened...) {
		fmt.Fprintln(s.err, report.NotVerified(u))
	}
}
