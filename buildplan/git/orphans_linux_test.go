package git

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// What a driftpin that is gone has left is ended; what this one has started is
// not, nor what git started for the user.
func TestKillOrphans(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	start := func(name, mark string) *exec.Cmd {
		program := filepath.Join(t.TempDir(), name)
		data, err := os.ReadFile(sleep)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, data, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "60")
		cmd.Env = []string{parentVariable + mark}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd
	}
	mine := strconv.Itoa(os.Getpid()) + "." + startTime(os.Getpid())
	gone := strconv.Itoa(os.Getpid()) + ".1"
	orphan, kept, daemon := start("git-remote-http", gone), start("git-remote-http", mine),
		start("git-credential", gone)
	EndOrphans()
	ended := make(chan error)
	go func() { ended <- orphan.Wait() }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the orphan goes on")
	}
	for _, cmd := range []*exec.Cmd{kept, daemon} {
		data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "stat"))
		if err != nil || bytes.HasPrefix(data[bytes.LastIndexByte(data, ')')+1:], []byte(" Z")) {
			t.Errorf("%s was ended (%v)", cmd.Path, err)
		}
	}
}
