package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/cenkalti/backoff/v5"
)

// A Peeker reads parts of a file.
type Peeker interface {
	io.ReaderAt
	io.Closer
}

// blockSize is how much is asked for at once, in bytes. The end of a wheel,
// where its directory and its RECORD lie, mostly fits.
const blockSize = 256 << 10

// Peek opens a file of size bytes. Of one that the store lacks only the parts
// that are read are fetched, if its server can do that; so what is read is not
// held against the hash.
func (s *Store) Peek(ctx context.Context, sha256 string, size int64) (Peeker, error) {
	address, _ := s.Address(sha256)
	if !s.Has(sha256) && isHTTP(address) && size > blockSize {
		if err := s.fetches.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		r := &remoteFile{store: s, ctx: ctx, address: address, size: size, blocks: map[int64][]byte{}}
		if _, err := r.block((size - 1) / blockSize); err == nil {
			return r, nil
		}
		r.Close() // the whole file, then: its errors say more
	}
	file, err := s.File(ctx, sha256)
	if err != nil {
		return nil, err
	}
	return os.Open(file)
}

// A remoteFile is read by ranges (RFC 9110, section 14).
type remoteFile struct {
	store   *Store
	ctx     context.Context // of the one who peeks
	address string
	size    int64
	blocks  map[int64][]byte
}

// Close implements io.Closer.
func (r *remoteFile) Close() error {
	r.store.fetches.Release(1)
	return nil
}

// ReadAt implements io.ReaderAt. It is not called concurrently.
func (r *remoteFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at >= r.size {
			return n, io.EOF
		}
		data, err := r.block(at / blockSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], data[at%blockSize:])
	}
	return n, nil
}

// block returns the i-th block, which is fetched once.
func (r *remoteFile) block(i int64) ([]byte, error) {
	if data, ok := r.blocks[i]; ok {
		return data, nil
	}
	from := i * blockSize
	data := make([]byte, min(blockSize, r.size-from))
	_, err := backoff.Retry(r.ctx, func() (struct{}, error) { return struct{}{}, r.fetch(data, from) },
		backoff.WithBackOff(r.store.pauses()), backoff.WithMaxTries(movedTries),
		backoff.WithMaxElapsedTime(r.store.options.Stall))
	if err != nil {
		return nil, err
	}
	r.blocks[i] = data
	return data, nil
}

// fetch asks for the bytes from an offset on.
func (r *remoteFile) fetch(data []byte, from int64) error {
	ctx, cancel := context.WithTimeout(r.ctx, r.store.options.Stall)
	defer cancel()
	resp, err := r.store.ask(ctx, "", r.address, fmt.Sprintf("bytes=%d-%d", from, from+int64(len(data))-1))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"),
		fmt.Sprintf("bytes %d-", from)):
		_, err = io.ReadFull(resp.Body, data)
		return err
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500:
		return errors.New(resp.Status)
	}
	return backoff.Permanent(errors.New(resp.Status))
}
