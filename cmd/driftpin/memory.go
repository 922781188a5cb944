package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// buildHeap and readHeap are how large the heap grows before garbage is collected
// at all: where an engine is opened, and where images are compared.
const (
	buildHeap = 192 << 20
	readHeap  = 32 << 20
)

// collectLate spares runs that need little memory the collection of garbage:
// opening an engine makes much of it, in small heaps, which are collected often.
// From the first collection on all is as usual.
func collectLate(firstHeap int64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	percent := debug.SetGCPercent(-1)
	if percent < 0 { // it is late already
		return
	}
	limit := debug.SetMemoryLimit(firstHeap)
	runtime.AddCleanup(new(*int), func(struct{}) {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}, struct{}{})
}
