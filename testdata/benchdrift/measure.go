package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A figure is what one run took.
type figure struct {
	seconds, cpu float64
	memory       int64 // the most that was resident, in bytes
	written      int64 // bytes that were given to the disk
}

// A subject is something to be measured: commands that are run one after the
// other, in an environment whose HOME and TMPDIR are empty.
type subject struct {
	name     string
	commands [][]string
	env      []string
	prepare  func() error // before each run, not counted; may be nil
	finds    bool         // exit status 3 is fine
}

// measure runs a subject some times and returns the median by seconds. A
// subject whose program is not on PATH is passed over.
func (b *bench) measure(ctx context.Context, s subject) (figure, bool, error) {
	if _, err := exec.LookPath(s.commands[0][0]); err != nil {
		return figure{}, false, nil
	}
	var all []figure
	for range b.runs {
		f, err := b.once(ctx, s)
		if err != nil {
			return f, false, fmt.Errorf("%s: %w", s.name, err)
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b figure) int { return int(1e6 * (a.seconds - b.seconds)) })
	return all[len(all)/2], true, nil
}

func (b *bench) once(ctx context.Context, s subject) (total figure, err error) {
	home, err := os.MkdirTemp(b.work, "home-*")
	if err != nil {
		return total, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	if s.prepare != nil {
		if err := s.prepare(); err != nil {
			return total, err
		}
	}
	for _, args := range s.commands {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = home
		cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"),
			"DRIFTPIN_HOME="+filepath.Join(home, "driftpin"))
		cmd.Env = append(cmd.Env, s.env...)
		var said bytes.Buffer
		cmd.Stderr = &said
		debug.FreeOSMemory() // a process begins with the peak of the one that starts it
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil {
			return total, err
		}
		start := time.Now()
		err := cmd.Run()
		total.seconds += time.Since(start).Seconds()
		var exit *exec.ExitError
		if err != nil && !(s.finds && errors.As(err, &exit) && exit.ExitCode() == 3) {
			return total, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, said.Bytes()[max(0, said.Len()-500):])
		}
		usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if !ok {
			return total, errors.New("this system does not say what a process used")
		}
		total.cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		total.memory = max(total.memory, usage.Maxrss<<10)
		total.written += usage.Oublock * 512
	}
	return total, nil
}

// compare measures subjects side by side and prints a table; the first is what
// the others are held against.
func (b *bench) compare(ctx context.Context, title string, subjects []subject) error {
	fmt.Printf("\n**%s**\n\n| | seconds | × | CPU seconds | MB of memory | MB written |\n|---|--:|--:|--:|--:|--:|\n",
		title)
	var first float64
	for _, s := range subjects {
		f, ok, err := b.measure(ctx, s)
		if err != nil && first > 0 && ctx.Err() == nil { // a peer
			fmt.Printf("| %s | failed | | | | |\n", s.name)
			fmt.Fprintln(os.Stderr, "benchdrift:", err)
			continue
		}
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if first == 0 {
			first = f.seconds
		}
		fmt.Printf("| %s | %.2f | %.2f | %.2f | %d | %d |\n", s.name, f.seconds, f.seconds/first, f.cpu, f.memory>>20,
			f.written>>20)
	}
	return nil
}
