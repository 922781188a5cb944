package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/driftpin/driftpin/pins/hub"
)

// readValues reads a values file; - is stdin.
func readValues(s streams, name string) (hub.File, error) {
	if name == "-" {
		data, err := io.ReadAll(s.in)
		return hub.File{Name: "stdin", Data: data}, err
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%s: there is no such values file", name)
	}
	return hub.File{Name: name, Data: data}, err
}
