package layers

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
)

// A Stream is an archive whose bytes come by once each time that it is opened:
// the output of docker save, or a compressed file. Layers of one stream are
// read as they come by.
type Stream struct {
	Open func(context.Context) (io.ReadCloser, error)
}

// Each calls f with every file of the archive, in its order. What f leaves
// unread is passed over.
func (st *Stream) Each(ctx context.Context, f func(h *tar.Header, r io.Reader) error) (err error) {
	raw, err := st.Open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := raw.Close(); err == nil {
			err = closeErr
		}
	}()
	plain, _, err := ours(raw)
	if err != nil {
		return err
	}
	defer plain.Close()
	for tr := tar.NewReader(plain); ; {
		h, err := tr.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, plain)
			return err
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		h.Name = Clean(h.Name)
		if err := f(h, tr); err != nil {
			return err
		}
	}
}

// scanStream scans those layers of a list that come by in one stream.
func scanStream[T any](ctx context.Context, st *Stream, list []Layer, members []int, s Sieve[T],
	out []*Content[T]) error {
	at := map[string]int{}
	for _, i := range members {
		at[list[i].Entry] = i
	}
	err := st.Each(ctx, func(h *tar.Header, r io.Reader) error {
		i, ok := at[h.Name]
		if !ok || h.Typeflag != tar.TypeReg {
			return nil
		}
		found, err := ScanStored(ctx, r, s)
		if err == nil {
			err = found.Matches(list[i])
		}
		if err != nil {
			return err
		}
		out[i] = found.Content
		return nil
	})
	for _, i := range members {
		if err == nil && out[i] == nil {
			err = fmt.Errorf("layer %s: it is no longer in the archive", list[i].Title())
		}
	}
	return err
}

// A Stored is a layer that came by: what it says, and what its bytes are.
type Stored[T any] struct {
	Content *Content[T]
	sums    *sums
}

// Digest is that of the bytes as they are stored.
func (s Stored[T]) Digest() string { return text256(s.sums.stored) }

// Matches compares the bytes with what a layer is said to be.
func (s Stored[T]) Matches(l Layer) error {
	if err := s.sums.match(l); err != nil {
		return err
	}
	return s.Content.Claimed(l)
}

// ScanStored scans a layer from its stored bytes, as they come by. Links among
// its own files that lead to what was not wanted stay as they are.
func ScanStored[T any](ctx context.Context, r io.Reader, s Sieve[T]) (Stored[T], error) {
	d := &sums{reader: r, stored: sha256.New(), ctx: ctx, read: &new(Progress).Read, unpacks: true}
	c, err := scanStored(ctx, d, s, ours)
	return Stored[T]{c, d}, damaged(err)
}

// LooksLikeLayer tells from a file's first 512 bytes whether it may be a layer: a
// tar, also an empty one, or something compressed.
func LooksLikeLayer(first []byte) bool {
	if len(first) < blockSize {
		return len(first) == 0 || Compressed(first)
	}
	block := [blockSize]byte(first)
	sum, ok := octal(block[148:155], 6)
	return Compressed(first) || block == [blockSize]byte{} || ok && sum == checksum(&block)
}
