package images

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// A repository is one of a registry (OCI distribution specification).
type repository struct {
	name    name.Repository
	client  *http.Client
	silence time.Duration
}

// openRemote opens an image of a registry.
func openRemote(ctx context.Context, ref string, o Options) (*Image, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	repo, err := openRepository(ctx, parsed.Context(), o)
	if err != nil {
		return nil, repo.explain(err)
	}
	got, err := remote.Get(parsed, remote.WithContext(ctx), remote.WithTransport(repo.client.Transport))
	if err != nil {
		return nil, repo.explain(err)
	}
	img, err := openDescriptor(ctx, &fetched{repo, got}, got.Descriptor, o)
	if err != nil {
		return nil, repo.explain(err)
	}
	img.Top = got.Digest.String()
	return img, nil
}

func openRepository(ctx context.Context, repo name.Repository, o Options) (*repository, error) {
	r := &repository{name: repo, silence: cmp.Or(o.Silence, time.Minute)}
	auth, err := authn.Resolve(ctx, authn.DefaultKeychain, repo)
	if err != nil {
		return r, fmt.Errorf("looking for credentials of %s: %w", repo.RegistryStr(), err)
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.DisableCompression = true // digests are of the bytes as they are
	base.ResponseHeaderTimeout = r.silence
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, retrying{base, r.silence},
		[]string{repo.Scope(transport.PullScope)})
	if err != nil {
		return r, err
	}
	r.client = &http.Client{Transport: rt}
	return r, nil
}

// explain says what to do about what a registry answered.
func (r *repository) explain(err error) error {
	var said *transport.Error
	if !errors.As(err, &said) {
		return err
	}
	switch host := r.name.RegistryStr(); said.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s does not let us read %s: is the name right, and are you logged in (docker login %s)? "+
			"%w", host, r.name.RepositoryStr(), host, err)
	case http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("%s has a blob that is shorter than the manifest says: %w", host, err)
	case http.StatusNotFound:
		return fmt.Errorf("%s has no such image: %w", host, err)
	case http.StatusTooManyRequests:
		return fmt.Errorf("%s refuses because of too many requests, even after some waiting: try again later, or "+
			"log in: %w", host, err)
	}
	return err
}

// A fetched manifest is at hand; all else comes from the repository.
type fetched struct {
	*repository
	got *remote.Descriptor
}

func (f *fetched) place() string { return f.name.Name() }

func (f *fetched) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	switch {
	case d.Digest == f.got.Digest:
		return io.NopCloser(bytes.NewReader(f.got.Manifest)), nil
	case d.MediaType.IsIndex(), d.MediaType.IsImage():
		got, err := remote.Get(f.name.Digest(d.Digest.String()), remote.WithContext(ctx),
			remote.WithTransport(f.client.Transport))
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(got.Manifest)), nil
	}
	return f.blob(ctx, d), nil
}

// blob returns a blob's bytes. Where the connection breaks, or the registry
// falls silent, it goes on from there with another.
func (r *repository) blob(ctx context.Context, d v1.Descriptor) io.ReadCloser {
	address := fmt.Sprintf("%s://%s/v2/%s/blobs/%s", r.name.Scheme(), r.name.RegistryStr(), r.name.RepositoryStr(),
		d.Digest)
	return &resuming{repo: r, ctx: ctx, address: address, size: d.Size, pause: backoff.NewExponentialBackOff()}
}

// maxCuts is how often in a row a connection may break without having brought
// anything.
const maxCuts = 5

// A resuming reader reads a blob over as many connections as it takes.
type resuming struct {
	repo     *repository
	ctx      context.Context // of whoever reads
	address  string
	at, size int64
	body     io.ReadCloser
	cancel   context.CancelFunc
	cuts     int
	pause    backoff.BackOff
}

// Read implements io.Reader.
func (r *resuming) Read(p []byte) (int, error) {
	for {
		n, err := r.readOnce(p)
		r.at += int64(n)
		if n > 0 {
			r.cuts = 0
		}
		var said *transport.Error
		switch {
		case err == nil, err == io.EOF && r.at >= r.size:
			return n, err
		case r.ctx.Err() != nil:
			return n, r.ctx.Err()
		case errors.As(err, &said):
			return n, r.repo.explain(err)
		}
		r.hangUp()
		if r.cuts++; r.cuts > maxCuts {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, fmt.Errorf("%s ended the transfer at byte %d of %d, %d times: %w", r.repo.name.RegistryStr(),
				r.at, r.size, r.cuts, err)
		}
		if n > 0 {
			return n, nil
		}
		if r.cuts == 1 { // it brought something: there is no reason to wait
			r.pause.Reset()
			continue
		}
		if err := sleep(r.ctx, r.pause.NextBackOff()); err != nil {
			return 0, err
		}
	}
}

// readOnce reads from the connection, if need be a new one.
func (r *resuming) readOnce(p []byte) (int, error) {
	if r.body == nil {
		if err := r.connect(); err != nil {
			return 0, err
		}
	}
	return r.body.Read(p)
}

// connect asks for what is still missing.
func (r *resuming) connect() error {
	ctx, cancel := context.WithCancel(r.ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address, nil)
	if err != nil {
		cancel()
		return err
	}
	if r.at > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.at, r.size-1))
	}
	resp, err := r.repo.client.Do(req)
	if err != nil {
		cancel()
		return unaddressed(err)
	}
	r.body, r.cancel = resp.Body, cancel
	if err := transport.CheckError(resp, http.StatusOK, http.StatusPartialContent); err != nil {
		r.hangUp()
		return err
	}
	if r.at > 0 && resp.StatusCode == http.StatusOK { // it gives nothing but the whole
		_, err = io.CopyN(io.Discard, r.body, r.at)
	}
	return err
}

// unaddressed is an error without the address that we were sent to, in which
// there may be a signature.
func unaddressed(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (r *resuming) hangUp() {
	if r.body != nil {
		r.cancel()
		_ = r.body.Close() // its end no longer matters
		r.body = nil
	}
}

// Close implements io.Closer.
func (r *resuming) Close() error {
	r.hangUp()
	return nil
}

// maxTries is how often a request is made, and maxPause the longest that a
// server may make us wait before the next.
const (
	maxTries = 6
	maxPause = time.Minute
)

// A retrying transport asks again when that may help: the connection broke, or
// the server is busy. It waits as long as the server asks for.
type retrying struct {
	next    http.RoundTripper
	silence time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	pause := backoff.NewExponentialBackOff()
	for try := 1; ; try++ {
		resp, err := t.next.RoundTrip(req)
		if try == maxTries || req.Body != nil || req.Context().Err() != nil || err == nil && !busy(resp.StatusCode) {
			if err == nil {
				resp.Body = &watched{resp.Body, req.URL.Host, t.silence}
			}
			return resp, err
		}
		wait := pause.NextBackOff()
		if err == nil {
			wait = max(wait, retryAfter(resp))
			_ = resp.Body.Close() // its words are not those that count
		}
		if wait > maxPause {
			return nil, fmt.Errorf("%s asks to wait for %s: try again after that", req.URL.Host, wait.Round(time.Second))
		}
		if err := sleep(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

// A watched body ends with an error where its sender falls silent.
type watched struct {
	io.ReadCloser
	host    string
	silence time.Duration
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	fired := make(chan bool)
	timer := time.AfterFunc(w.silence, func() {
		_ = w.Close() // which ends the read
		close(fired)
	})
	n, err := w.ReadCloser.Read(p)
	if !timer.Stop() {
		<-fired
		if n == 0 || err != nil {
			err = fmt.Errorf("%s sent nothing for %s", w.host, w.silence)
		}
	}
	return n, err
}

// busy reports whether a status is one that may pass.
func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter is how long a server asks us to wait (RFC 9110, 10.2.3).
func retryAfter(resp *http.Response) time.Duration {
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(seconds, 1<<20)) * time.Second
	}
	if then, err := http.ParseTime(text); err == nil {
		return time.Until(then)
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
