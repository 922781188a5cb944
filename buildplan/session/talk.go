package session

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// A Talk is what a function that an engine carries out asks it: for one platform.
type Talk struct {
	Client   gateway.Client
	Platform string

	caches []gateway.CacheOptionsEntry // where the engine looks for results
}

// cachesOf are where the engine of a build is to look for results of steps. BuildKit hands
// them to the build's function, which has to name them each time that it asks.
func cachesOf(c gateway.Client) (all []gateway.CacheOptionsEntry, err error) {
	if text := c.BuildOpts().Opts["cache-imports"]; text != "" {
		err = json.Unmarshal([]byte(text), &all)
	}
	return all, err
}

// Learn asks for what a base's reference does not tell: its digest and config.
func (t Talk) Learn(ctx context.Context, b steps.Base) (steps.Base, error) {
	if b.Layout != "" {
		return b, nil
	}
	ref := b.Ref
	if b.Digest != "" {
		ref += "@" + b.Digest
	}
	p := steps.Platform(t.Platform)
	_, digest, config, err := t.Client.ResolveImageConfig(ctx, ref, sourceresolver.Opt{
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &p, ResolveMode: llb.ResolveModeDefault.String()},
	})
	if err != nil {
		return b, fmt.Errorf("base %s: the engine could not read it: %w", ref, err)
	}
	return b.Learn(digest.String(), config, t.Platform)
}

// Marshal turns a state into what an engine reads. States share parts, so it
// is not called on several of them at once.
func (t Talk) Marshal(ctx context.Context, st llb.State) (*llb.Definition, error) {
	return st.Marshal(ctx, llb.Platform(steps.Platform(t.Platform)))
}

// Solve solves a state and returns the file system that it makes.
func (t Talk) Solve(ctx context.Context, st llb.State) (gateway.Reference, error) {
	def, err := t.Marshal(ctx, st)
	if err != nil {
		return nil, err
	}
	return t.SolveDefinition(ctx, def, true)
}

// SolveDefinition solves at once if now is set, else when the result is used.
func (t Talk) SolveDefinition(ctx context.Context, def *llb.Definition, now bool) (gateway.Reference, error) {
	res, err := t.Client.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: now, CacheImports: t.caches})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}

// ReadJSON solves a state and reads a file that it holds.
func (t Talk) ReadJSON(ctx context.Context, st llb.State, name string, into any) error {
	ref, err := t.Solve(ctx, st)
	if err != nil {
		return err
	}
	data, err := ReadFile(ctx, ref, "/", name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// ReadFile reads a file of a solved state; a file that is not there is nil.
func ReadFile(ctx context.Context, ref gateway.Reference, dir, name string) ([]byte, error) {
	entries, err := ref.ReadDir(ctx, gateway.ReadDirRequest{Path: dir})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Path == name {
			return ref.ReadFile(ctx, gateway.ReadRequest{Filename: filepath.Join(dir, name)})
		}
	}
	return nil, nil
}

// ReaderAt reads a file of a solved state in parts; ctx is that of the build that
// it is read in.
func ReaderAt(ctx context.Context, ref gateway.Reference, name string, size int64) io.ReaderAt {
	return &solvedFile{ctx, ref, name, size}
}

// A solvedFile is a file of a solved state, read in parts.
type solvedFile struct {
	ctx  context.Context // of the one build in which it is read
	ref  gateway.Reference
	name string
	size int64
}

// maxRead is how much of a file is asked of an engine at once, in bytes.
const maxRead = 1 << 20

// ReadAt implements io.ReaderAt.
func (f *solvedFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at >= f.size {
			return n, io.EOF
		}
		data, err := f.ref.ReadFile(f.ctx, gateway.ReadRequest{Filename: f.name,
			Range: &gateway.FileRange{Offset: int(at), Length: int(min(maxRead, int64(len(p)-n), f.size-at))}})
		if err != nil {
			return n, err
		}
		if len(data) == 0 {
			return n, io.ErrUnexpectedEOF
		}
		n += copy(p[n:], data)
	}
	return n, nil
}
