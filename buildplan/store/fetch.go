package store

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A movedError is one of an address that another may stand in for.
type movedError struct {
	error
	gone bool // nobody is there, or it is not
}

// Unwrap returns the cause.
func (e *movedError) Unwrap() error { return e.error }

const (
	maxTries   = 6               // with a second's pause they take half a minute
	movedTries = 3               // of an address that leads nowhere
	patience   = 5 * time.Minute // for all tries of a file, with the pauses that servers ask for
)

// newClient returns a client with the system's certificates and proxies. The
// certificates of insecure hosts are not looked at.
func newClient(o Options) *http.Client {
	return &http.Client{Transport: newTransport(o.Insecure), CheckRedirect: o.redirect}
}

// maxRedirects is how often a server may send us elsewhere.
const maxRedirects = 10

// redirect says who we are to the server that we are sent to, and nothing of
// who we were to the one before.
func (o Options) redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("redirected %d times", maxRedirects)
	}
	req.Header.Del("Authorization")
	o.authorize(req)
	return nil
}

// authorize says who we are.
func (o Options) authorize(req *http.Request) {
	if o.Login == nil {
		return
	}
	if login := o.Login(req.URL); login != "" {
		req.Header.Set("Authorization", login)
	}
}

func newTransport(insecure []string) http.RoundTripper {
	strict := http.DefaultTransport.(*http.Transport).Clone()
	strict.DisableCompression = true // hashes are of the bytes as they are
	strict.MaxIdleConnsPerHost = maxFetches
	if len(insecure) == 0 {
		return strict
	}
	loose := strict.Clone()
	loose.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	return transport{strict, loose, insecure}
}

// A transport chooses by host.
type transport struct {
	strict, loose *http.Transport
	insecure      []string
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if slices.Contains(t.insecure, r.URL.Host) || slices.Contains(t.insecure, r.URL.Hostname()) {
		return t.loose.RoundTrip(r)
	}
	return t.strict.RoundTrip(r)
}

// fetch brings a file into the store: into a file beside its place, which is
// moved there when it is whole and has the hash.
func (s *Store) fetch(ctx context.Context, sum, address string) error {
	if !isSum(sum) {
		return fmt.Errorf("%q is not a sha256 digest", sum)
	}
	if address == "" {
		return &movedError{errors.New("no address of it is known"), true}
	}
	dir, release, err := s.Work()
	if err != nil {
		return err
	}
	defer release()
	part := filepath.Join(dir, "file")
	if isHTTP(address) {
		err = s.download(ctx, sum, address, part)
	} else {
		part, err = s.produce(ctx, sum, address, dir)
	}
	if err != nil {
		return err
	}
	return s.place(part, sum)
}

func isHTTP(address string) bool {
	return strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://")
}

// produce has an address that is not one of HTTP made into a file.
func (s *Store) produce(ctx context.Context, sum, address, dir string) (string, error) {
	if s.options.Make == nil {
		return "", fmt.Errorf("driftpin can't fetch from addresses like %s", address)
	}
	file, err := s.options.Make(ctx, address, dir)
	if err != nil {
		return "", err
	}
	got, err := Sum(filepath.Join(dir, file))
	if err == nil && got != sum {
		err = fmt.Errorf("it has the sha256 %s, not %s", got, sum)
	}
	return filepath.Join(dir, file), err
}

// Sum returns the sha256 of a file, in hex.
func Sum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// download fetches a file over HTTP. What can get better by itself is tried
// again, after a growing pause or the one that the server asks for; and what
// has come already is not asked for again, if the server can leave it out.
func (s *Store) download(ctx context.Context, sum, address, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close() // errors of writing show before
	d := &download{store: s, sum: sum, address: address, file: f, hash: sha256.New()}
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, d.try(ctx) },
		backoff.WithBackOff(s.pauses()), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(patience),
		backoff.WithNotify(func(err error, wait time.Duration) {
			if s.options.Notice != nil {
				s.options.Notice(s.name(sum, address), err, wait)
			}
		}))
	if err != nil && d.tries > 1 {
		err = fmt.Errorf("%w (tried %d times)", err, d.tries)
	}
	return err
}

// pauses grow from try to try.
func (s *Store) pauses() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.Multiplier, b.MaxInterval = s.options.Pause, 2, time.Minute
	return b
}

// A download is a file on its way.
type download struct {
	store        *Store
	sum, address string
	file         *os.File
	hash         hash.Hash
	size         int64 // what has come
	tries        int
	spoilt       bool // it came whole once, with another hash
}

// try asks for what is missing. An error that will not get better is a
// backoff.PermanentError.
func (d *download) try(ctx context.Context) error {
	d.tries++
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.store.options.Stall,
		func() { cancel(fmt.Errorf("no data came for %v", d.store.options.Stall)) })
	defer stall.Stop()
	missing := ""
	if d.size > 0 {
		missing = fmt.Sprintf("bytes=%d-", d.size)
	}
	resp, err := d.store.ask(ctx, d.sum, d.address, missing)
	if err != nil {
		return d.classify(ctx, err)
	}
	defer resp.Body.Close()
	if err := d.status(resp); err != nil {
		return err
	}
	for buf := make([]byte, 128<<10); ; {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			stall.Reset(d.store.options.Stall)
			if err := d.keep(buf[:n]); err != nil {
				return backoff.Permanent(err)
			}
		}
		if err == io.EOF {
			return d.finish()
		}
		if err != nil {
			return d.classify(ctx, err)
		}
	}
}

// ask sends a request for a file, for a range unless that is empty.
func (s *Store) ask(ctx context.Context, sum, address, bytes string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	req.Header.Set("User-Agent", "driftpin")
	if bytes != "" {
		req.Header.Set("Range", bytes)
	}
	s.mu.Lock()
	if types := s.accept[sum]; types != "" {
		req.Header.Set("Accept", types)
	}
	s.mu.Unlock()
	s.options.authorize(req)
	resp, err := s.client.Do(req)
	var quoting *url.Error
	if errors.As(err, &quoting) {
		err = quoting.Err // without the address, which may be signed
	}
	return resp, err
}

// status looks at how the server answers.
func (d *download) status(resp *http.Response) error {
	err := errors.New(resp.Status)
	switch code := resp.StatusCode; {
	case code == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"),
		fmt.Sprintf("bytes %d-", d.size)):
		return nil
	case code == http.StatusOK:
		return d.restart()
	case code == http.StatusRequestedRangeNotSatisfiable, code == http.StatusPartialContent:
		return errors.Join(err, d.restart())
	case code == http.StatusNotFound, code == http.StatusGone:
		return backoff.Permanent(&movedError{err, true})
	case code == http.StatusForbidden, code == http.StatusUnavailableForLegalReasons:
		return backoff.Permanent(&movedError{err, false})
	case code == http.StatusUnauthorized:
		return backoff.Permanent(fmt.Errorf("%w: credentials go into the index's address, UV_INDEX_NAME_USERNAME "+
			"and _PASSWORD, or ~/.netrc", err))
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code >= 500:
		if wait := retryAfter(resp.Header.Get("Retry-After")); wait > 0 {
			return &waitError{fmt.Errorf("%w, for %v", err, wait.Round(time.Second)),
				&backoff.RetryAfterError{Duration: wait}}
		}
		return err
	}
	return backoff.Permanent(err)
}

// A waitError is an error of a server that says when to come again.
type waitError struct {
	error
	after *backoff.RetryAfterError
}

// Unwrap returns the time to wait.
func (e *waitError) Unwrap() error { return e.after }

// retryAfter reads the header of that name: seconds, or a date (RFC 9110,
// section 10.2.3).
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return time.Until(at)
	}
	return 0
}

func (d *download) keep(data []byte) error {
	d.hash.Write(data) // returns no error
	if d.size += int64(len(data)); d.size > d.store.limit(d.sum) {
		return fmt.Errorf("the file is much longer than expected: stopped after %d bytes", d.size)
	}
	_, err := d.file.Write(data)
	return err
}

// restart drops what has come.
func (d *download) restart() error {
	d.size = 0
	d.hash.Reset()
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return backoff.Permanent(err)
	}
	if err := d.file.Truncate(0); err != nil {
		return backoff.Permanent(err)
	}
	return nil
}

// ErrWrong is the error of a file that came, with other bytes than those of its hash.
var ErrWrong = errors.New("the file at this address has the sha256")

// finish looks at the hash. A wrong one may be a proxy's fault: once more.
func (d *download) finish() error {
	got := hex.EncodeToString(d.hash.Sum(nil))
	if got == d.sum || d.sum == "" {
		return nil
	}
	err := fmt.Errorf("%w %s, and the lock has %s", ErrWrong, got, d.sum)
	if d.spoilt {
		return backoff.Permanent(&movedError{err, false})
	}
	d.spoilt = true
	return errors.Join(err, d.restart())
}

// classify says whether an error of the connection can get better.
func (d *download) classify(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause // a stall; or all is over, which Retry sees
	}
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return backoff.Permanent(fmt.Errorf("%w: name the certificates to trust in SSL_CERT_FILE", err))
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		if d.tries >= movedTries {
			return backoff.Permanent(&movedError{dial, true})
		}
		return dial
	}
	return err
}
