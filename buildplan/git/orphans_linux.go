package git

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// parentVariable marks the processes that driftpin starts, with those that
// they start: PID.START, where START is when driftpin's process began, in
// clock ticks after boot (proc_pid_stat(5)).
const parentVariable = "DRIFTPIN_PARENT="

// tame sees to it that a command ends with all that it has started, when its
// context ends or when this process is killed.
func tame(cmd *exec.Cmd) {
	cmd.Env = append(cmd.Environ(), parentVariable+strconv.Itoa(os.Getpid())+"."+startTime(os.Getpid()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}

// startTime is when a process began; empty if there is none.
func startTime(pid int) string {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return fields[19] // the 22nd of all
}

// EndOrphans ends git's transports that a driftpin that is gone has left: git
// itself died with it, but not what git had started. What else git may have
// started (a cache of credentials, a shared connection) is the user's.
func EndOrphans() {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		panic(err) // the pattern is ours
	}
	for _, file := range files {
		name, err := os.ReadFile(filepath.Join(filepath.Dir(file), "comm"))
		if err != nil || !bytes.HasPrefix(name, []byte("git-remote-")) {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			continue // another user's, or it has ended
		}
		for _, kv := range bytes.Split(data, []byte{0}) {
			mark, ok := bytes.CutPrefix(kv, []byte(parentVariable))
			pid, start, cut := strings.Cut(string(mark), ".")
			parent, err := strconv.Atoi(pid)
			if !ok || !cut || err != nil || startTime(parent) == start {
				continue
			}
			if orphan, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
				_ = syscall.Kill(orphan, syscall.SIGKILL) // it may have ended
			}
		}
	}
}
