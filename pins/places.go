package pins

import (
	"path"
	"regexp"
	"strings"
)

func isCleanAbs(p string) bool { return path.IsAbs(p) && path.Clean(p) == p && p != "/" }

// isKept reports whether what a build writes to a path is in the image: some
// places are mounted over while it runs.
func isKept(p string) bool {
	for _, dir := range []string{"/tmp", "/proc", "/sys", "/dev", "/run", "/etc/resolv.conf", "/etc/hosts",
		"/etc/hostname"} {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return false
		}
	}
	return true
}

var (
	courseName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$`)
	platform   = regexp.MustCompile(`^linux/(amd64|arm64)$`)
)
