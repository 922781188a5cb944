package layers

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
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
	plain, err := ours(raw)
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
		h.Name = path.Clean(h.Name)
		if err := f(h, tr); err != nil {
			return err
		}
	}
}

// scanStream scans those layers of a list that come by in one stream.
func scanStream[T any](ctx context.Context, st *Stream, list []Layer, members []int, s Sieve[T], out []*Content[T]) error {
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
		if err == nil && list[i].Digest != "" && found.Digest != list[i].Digest {
			err = fmt.Errorf("its bytes have the digest %s: the archive is damaged", found.Digest)
		}
		if err != nil {
			return fmt.Errorf("layer %s: %w", list[i].Key(), err)
		}
		out[i] = found.Content
		return nil
	})
	for _, i := range members {
		if err == nil && out[i] == nil {
			err = fmt.Errorf("layer %s: it has gone from the archive", list[i].Key())
		}
	}
	return err
}

// A Stored is a layer that came by: what it says, and what its bytes are.
type Stored[T any] struct {
	Content *Content[T]
	Digest  string // of the bytes as they are stored
	Plain   bool   // they are not compressed: the digest is the diffID
}

// ScanStored scans a layer from its stored bytes, as they come by. Links among
// its own files that lead to what was not wanted stay as they are.
func ScanStored[T any](ctx context.Context, r io.Reader, s Sieve[T]) (Stored[T], error) {
	b := bufio.NewReader(r)
	first, err := b.Peek(len(zstdMagic))
	if err != nil && err != io.EOF {
		return Stored[T]{}, err
	}
	out := Stored[T]{Plain: !Compressed(first)}
	counted := &digester{reader: b, hash: sha256.New(), ctx: ctx, read: &new(Progress).Read}
	if out.Content, err = scanStored(ctx, counted, s, ours); err == nil {
		out.Digest = "sha256:" + hex.EncodeToString(counted.hash.Sum(nil))
	}
	return out, err
}

// LooksLikeLayer tells from a file's first 512 bytes whether it may be a layer:
// a tar, or something compressed.
func LooksLikeLayer(first []byte) bool {
	return Compressed(first) || len(first) >= 262 && bytes.Equal(first[257:262], []byte("ustar"))
}
