package engine

import "runtime/debug"

// BuildKitVersion is the version of BuildKit that this program is linked with.
func BuildKitVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/moby/buildkit" {
				return m.Version
			}
		}
	}
	return "unknown"
}
