package buildplan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/moby/buildkit/client"
)

// An Output is where a built image goes; one of its fields is set.
type Output struct {
	Layout  string // a folder, which becomes an OCI layout with this image only
	Archive string // a file, which becomes an archive for docker load
	Docker  string // a name in the Docker Engine of this machine
	Push    string // a registry reference
}

// String is the output as ParseOutput reads it.
func (o Output) String() string {
	switch {
	case o.Layout != "":
		return pins.LayoutPrefix + o.Layout
	case o.Archive != "":
		return "docker-archive:" + o.Archive
	case o.Docker != "":
		return "docker:" + o.Docker
	}
	return o.Push
}

// ParseOutput reads oci-layout:DIR, docker-archive:FILE or docker:NAME.
func ParseOutput(s string) (Output, error) {
	kind, where, _ := strings.Cut(s, ":")
	switch {
	case where == "":
	case kind == "oci-layout":
		return Output{Layout: where}, nil
	case kind == "docker-archive":
		return Output{Archive: where}, nil
	case kind == "docker":
		if _, err := dockerName(where); err != nil {
			return Output{}, fmt.Errorf("output %s: %w", s, err)
		}
		return Output{Docker: where}, nil
	}
	return Output{}, fmt.Errorf("output %q: write oci-layout:DIR, docker-archive:FILE or docker:NAME, or use --push", s)
}

// An export is where a build goes: what the engine is told, what is done when
// it has ended well, and what if it has not.
type export struct {
	entry   client.ExportEntry
	finish  func(*client.SolveResponse) (manifest string, err error)
	abandon func() // does nothing after finish
}

func exporter(ctx context.Context, p *Plan, out Output) (export, error) {
	e := export{
		finish:  func(*client.SolveResponse) (string, error) { return "", nil },
		abandon: func() {},
	}
	var err error
	switch {
	case out.Layout != "":
		attrs := maps.Clone(compression)
		attrs["name"] = p.Course + ":" + p.Tag()
		e.entry, err = engine.LayoutExport(out.Layout, attrs)
		e.abandon = func() {
			_ = engine.AbandonLayout(out.Layout) // the next export there does it too
		}
		e.finish = func(resp *client.SolveResponse) (string, error) {
			index, err := engine.FinishLayout(out.Layout, resp, p.Tag())
			if err != nil {
				return "", err
			}
			return engine.ManifestDigest(out.Layout, index, steps.Platform(p.Platform))
		}
	case out.Archive != "":
		err = e.toArchive(p, out.Archive)
	case out.Docker != "":
		err = e.toDocker(ctx, out.Docker)
	case out.Push != "":
		e.entry = client.ExportEntry{Type: client.ExporterImage,
			Attrs: map[string]string{"name": out.Push, "push": "true"}}
		maps.Copy(e.entry.Attrs, compression)
	default:
		err = errors.New("no output given: name --output or --push")
	}
	if err != nil {
		return e, fmt.Errorf("output %s: %w", out, err)
	}
	if p.Dockerfile != nil { // what Dockerfiles copy sets the times of folders, in no step of ours
		e.entry.Attrs["rewrite-timestamp"] = "true"
	}
	return e, nil
}

// toArchive writes an archive.
func (e *export) toArchive(p *Plan, file string) error {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return errors.New("it is a folder: name a file")
	}
	tmp, err := whole.Create(file, 0o644)
	if err != nil {
		return err
	}
	e.entry = client.ExportEntry{
		Type:   client.ExporterDocker,
		Attrs:  map[string]string{"name": p.Course + ":" + p.Tag()},
		Output: func(map[string]string) (io.WriteCloser, error) { return keptOpen{tmp}, tmp.Restart() },
	}
	e.finish = func(*client.SolveResponse) (string, error) { return "", tmp.Commit() }
	e.abandon = tmp.Abandon
	return nil
}

// A keptOpen is closed by who made it, not by who writes to it.
type keptOpen struct{ io.Writer }

// Close implements io.Closer.
func (keptOpen) Close() error { return nil }
