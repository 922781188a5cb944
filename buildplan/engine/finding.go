package engine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/moby/buildkit/util/disk"
)

// A Finding is what a diagnosis says of one thing that building needs.
type Finding struct {
	What     string
	Detail   string // what was found, if it is fine
	Err      error  // why it is not
	Remedy   string // what to do then
	Optional bool   // building works without it, but not as well
}

// Says words the finding.
func (f Finding) Says() string {
	if f.Err == nil {
		return f.Detail
	}
	if f.Remedy == "" {
		return f.Err.Error()
	}
	return f.Err.Error() + "; " + f.Remedy
}

// Install words how a package is installed on this system; names gives its name
// by package manager, where it is not fallback.
func Install(fallback string, names map[string]string) string {
	for _, m := range []struct{ program, command string }{
		{"apt-get", "apt-get install"}, {"dnf", "dnf install"}, {"apk", "apk add"}, {"zypper", "zypper install"},
		{"pacman", "pacman -S"}, {"brew", "brew install"},
	} {
		if _, err := exec.LookPath(m.program); err == nil {
			name := fallback
			if n, ok := names[m.program]; ok {
				name = n
			}
			return m.command + " " + name
		}
	}
	return "install " + fallback
}

// FreeSpace words how much of a folder's disk is free.
func FreeSpace(dir string) string {
	stat, err := disk.GetDiskStat(dir)
	if err != nil {
		return "free space unknown"
	}
	return fmt.Sprintf("%.1f GB free", float64(stat.Available)/1e9)
}

// System is this system's name by os-release(5).
func System() string {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return "this system"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return "this system"
}
