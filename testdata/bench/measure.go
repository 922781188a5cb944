package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A figure is what was measured of one build.
type figure struct {
	seconds float64
	pushed  int64 // bytes of blobs that the registry did not have
	memory  int64 // the most bytes that were resident at once
}

// measure runs a client of the engine.
func (b *bench) measure(e *daemon, cmd *exec.Cmd) (figure, error) {
	syscall.Sync() // what came before is not to be written in our time
	pushed := b.registry.uploaded.Load()
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return figure{}, err
	}
	done, peak := make(chan bool), make(chan int64)
	go func() { peak <- watchMemory(done, e.cmd.Process.Pid, cmd.Process.Pid) }()
	err := cmd.Wait()
	f := figure{seconds: time.Since(start).Seconds(), pushed: b.registry.uploaded.Load() - pushed}
	close(done)
	f.memory = <-peak
	if err != nil {
		return f, fmt.Errorf("%s: %w:\n%s", strings.Join(cmd.Args, " "), err, tail(b.log.Name()))
	}
	return f, nil
}

// tail is the end of a file.
func tail(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-4<<10):])
}

// interval is how often memory is looked at.
const interval = 50 * time.Millisecond

// watchMemory returns the most memory that some processes with all their
// descendants held at once, until done is closed.
func watchMemory(done <-chan bool, roots ...int) (peak int64) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-done:
			return peak
		case <-ticks.C:
			peak = max(peak, resident(roots))
		}
	}
}

// resident sums the resident memory of processes and their descendants.
// Pages that two of them share count twice.
func resident(roots []int) (sum int64) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	children, size := map[int][]int{}, map[int]int64{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(file, "/proc/"), "/")
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		pid, parent, pages := number(id), number(fields[1]), number(fields[21]) // proc(5): the 4th and the 24th of all
		children[parent] = append(children[parent], pid)
		size[pid] = int64(pages) * int64(os.Getpagesize())
	}
	for todo := roots; len(todo) > 0; todo = todo[1:] {
		sum += size[todo[0]]
		todo = append(todo[:len(todo):len(todo)], children[todo[0]]...)
	}
	return sum
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
