package buildplan

import (
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"context"
	"io"
)

// A builtFile is a file of a solved state, read in parts.
type builtFile struct {
	ctx  context.Context // of the one build in which it is read
	ref  gateway.Reference
	name string
	size int64
}

// maxRead is how much of a file is asked of an engine at once, in bytes.
const maxRead = 1 << 20

// ReadAt implements io.ReaderAt.
func (f *builtFile) ReadAt(p []byte, off int64) (n int, err error) {
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
