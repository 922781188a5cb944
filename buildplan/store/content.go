package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Content returns the store as BuildKit's session serves it, to one build: a file that
// is asked for is fetched then.
func (s *Store) Content() (*Content, error) {
	files, err := local.NewStore(filepath.Join(s.dir, "files"))
	if err != nil {
		return nil, err
	}
	return &Content{Store: files, files: s}, nil
}

// A Content is a content.Store of files that come when they are asked for.
type Content struct {
	content.Store
	files *Store

	mu      sync.Mutex
	failure *Error
}

// file sees to it that a file is there.
func (c *Content) file(ctx context.Context, d digest.Digest) error {
	_, err := c.files.File(ctx, d.Encoded())
	var failure *Error
	if errors.As(err, &failure) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.failure == nil {
			c.failure = failure
		}
	}
	return err
}

// Failure returns the failure that an engine's error comes from, or nil: the engine
// passes on only its words. A file that several builds need at once it asks of one of
// them.
func (c *Content) Failure(err error) *Error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		c.failure = c.files.quoted(err.Error())
	}
	return c.failure
}

// quoted is the failure of a file whose words are in a text, or nil.
func (s *Store) quoted(text string) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.failures {
		if strings.Contains(text, e.Error()) {
			return e
		}
	}
	return nil
}

// Info implements content.Store.
func (c *Content) Info(ctx context.Context, d digest.Digest) (content.Info, error) {
	if err := c.file(ctx, d); err != nil {
		return content.Info{}, err
	}
	return c.Store.Info(ctx, d)
}

// ReaderAt implements content.Store.
func (c *Content) ReaderAt(ctx context.Context, desc ocispecs.Descriptor) (content.ReaderAt, error) {
	if err := c.file(ctx, desc.Digest); err != nil {
		return nil, err
	}
	return c.Store.ReaderAt(ctx, desc)
}
