package store

import (
	"context"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Content returns the store as BuildKit's session serves it: a file that is
// asked for is fetched then.
func (s *Store) Content() (content.Store, error) {
	files, err := local.NewStore(filepath.Join(s.dir, "files"))
	if err != nil {
		return nil, err
	}
	return &lazy{files, s}, nil
}

// A lazy is a content.Store of files that come when they are asked for.
type lazy struct {
	content.Store
	store *Store
}

// Info implements content.Store.
func (l *lazy) Info(ctx context.Context, d digest.Digest) (content.Info, error) {
	if _, err := l.store.File(ctx, d.Encoded()); err != nil {
		return content.Info{}, err
	}
	return l.Store.Info(ctx, d)
}

// ReaderAt implements content.Store.
func (l *lazy) ReaderAt(ctx context.Context, desc ocispecs.Descriptor) (content.ReaderAt, error) {
	if _, err := l.store.File(ctx, desc.Digest.Encoded()); err != nil {
		return nil, err
	}
	return l.Store.ReaderAt(ctx, desc)
}
