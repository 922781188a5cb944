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
