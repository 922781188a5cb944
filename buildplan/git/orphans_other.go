//go:build !linux

package git

import (
	"os/exec"
	"syscall"
	"time"
)

// tame sees to it that a command ends with all that it has started, when its
// context ends.
func tame(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}

// EndOrphans can't tell orphans here.
func EndOrphans() {}
