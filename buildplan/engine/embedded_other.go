//go:build !linux

package engine

import (
	"context"
	"errors"
)

// errNotLinux is what everything here returns.
var errNotLinux = errors.New("building in this process needs Linux; name a remote engine")

// Embedded needs Linux; elsewhere it returns an error.
func Embedded(context.Context, string, Options) (*Engine, error) {
	return nil, errNotLinux
}

// Check reports what this machine lacks for an embedded engine.
func Check(context.Context) (runc string, err error) {
	return "", errNotLinux
}

// Diagnose says that there is no embedded engine here.
func Diagnose(context.Context, string) []Finding {
	return []Finding{{What: "engine", Err: errNotLinux, Remedy: "set BUILDKIT_HOST to a buildkitd's address"}}
}
