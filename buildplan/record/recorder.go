package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins"
)

const tries = 4 // of a request that a server does not answer

var pause = time.Second // before the second try; it doubles

// hidden are headers of a request that the server does not see: those of the
// connection (RFC 9110, section 7.6.1), and those that ask for less than the whole.
var hidden = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match",
	"If-Unmodified-Since"}

// stall is how long a server may send nothing.
const stall = 2 * time.Minute

// record asks the server, gives the script what it says, and notes the answer. It
// goes on when the script does not listen any more: what was asked for is recorded
// as a whole.
func (p *Proxy) record(w http.ResponseWriter, r *http.Request, a pins.Answer, body []byte) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	patience := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no data came for %v", stall)) })
	defer patience.Stop()
	resp, err := p.ask(r.WithContext(ctx), body, patience)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		p.fail(a, Unanswered, err)
		http.Error(w, "driftpin: "+err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	var given map[string]string
	a.Status = resp.StatusCode
	given, a.Header = headers(r.URL, resp)
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		p.fail(a, Unanswered, errors.New(resp.Status))
		head(w, a, given)
		return
	case resp.StatusCode == http.StatusUnauthorized: // the program may say who it is, and ask again
		w.Header()["Www-Authenticate"] = resp.Header.Values("WWW-Authenticate")
		p.mu.Lock()
		p.refused[a.Key()] = a
		p.mu.Unlock()
		head(w, a, given)
		return
	case r.Method == http.MethodHead:
		a.Size = resp.ContentLength
	case resp.StatusCode < 300 && resp.StatusCode != http.StatusNoContent:
		resp.Body = &patient{resp.Body, patience}
		if err := p.keep(w, &a, given, resp); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			p.fail(a, Unanswered, err)
			panic(http.ErrAbortHandler) // the script sees that the answer is not whole
		}
		p.note(a, r)
		return
	}
	head(w, a, given) // what a server says besides that it has nothing is of no use to a program
	p.note(a, r)
}

// A patient is a body whose reader waits anew after each byte.
type patient struct {
	io.ReadCloser
	patience *time.Timer
}

// Read implements io.Reader.
func (b *patient) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.patience.Reset(stall)
	return n, err
}

var linked = regexp.MustCompile(`<([^<>]*)>`)

// packed are the ends of the names of files that programs know by their names. What
// servers say of them besides is not the same on each server of one address.
var packed = []string{".whl", ".egg", ".zip", ".jar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".conda", ".deb", ".rpm"}

// isPacked reports whether an address names such a file.
func isPacked(u *url.URL) bool { return slices.Contains(packed, strings.ToLower(path.Ext(u.Path))) }

// headers are those of an answer that a script is given, and as a lock keeps them:
// without credentials in addresses.
func headers(asked *url.URL, resp *http.Response) (given, kept map[string]string) {
	given, kept = map[string]string{}, map[string]string{}
	for _, k := range pins.AnswerHeaders {
		if v := strings.Join(resp.Header.Values(k), ", "); v != "" {
			given[k], kept[k] = v, v
		}
	}
	clean := func(text string) string {
		u, err := resp.Request.URL.Parse(text)
		if err != nil {
			return "-"
		}
		return address(u)
	}
	if v, ok := given["Location"]; ok {
		kept["Location"] = clean(v)
	}
	if v, ok := given["Link"]; ok {
		kept["Link"] = linked.ReplaceAllStringFunc(v, func(s string) string { return "<" + clean(s[1:len(s)-1]) + ">" })
	}
	if isPacked(asked) && resp.StatusCode < 300 {
		delete(given, "Content-Type")
		delete(kept, "Content-Type")
		if _, params, err := mime.ParseMediaType(kept["Content-Disposition"]); err == nil && params["filename"] == path.Base(asked.Path) {
			delete(given, "Content-Disposition")
			delete(kept, "Content-Disposition")
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return given, kept
}

// keep passes the body of an answer on to the script, and into the store.
func (p *Proxy) keep(w http.ResponseWriter, a *pins.Answer, given map[string]string, resp *http.Response) error {
	dir, release, err := p.files.Work()
	if err != nil {
		return err
	}
	defer release()
	file := filepath.Join(dir, "file")
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close() // errors of writing show before
	a.Size = resp.ContentLength
	head(w, *a, given)
	sum := sha256.New()
	a.Size, err = io.Copy(io.MultiWriter(f, sum, quiet{w}), resp.Body)
	if err == nil && resp.ContentLength >= 0 && a.Size != resp.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	a.SHA256 = hex.EncodeToString(sum.Sum(nil))
	p.mu.Lock()
	from := p.real(a.URL)
	p.mu.Unlock()
	if !fetchable(*a) {
		from = "" // nothing to fetch it by again
	}
	p.files.Accept(a.SHA256, a.Accept)
	_, err = p.files.Add(file, from)
	return err
}

// A quiet writes to who may have gone.
type quiet struct{ io.Writer }

// Write implements io.Writer.
func (q quiet) Write(p []byte) (int, error) {
	_, _ = q.Writer.Write(p) // the file is wanted nevertheless
	return len(p), nil
}

// ask asks the server of a request, again if it does not answer. Where it sends
// to an address that is another server's, or has a query, which may be a ticket,
// the recorder goes there itself: such addresses do not last.
func (p *Proxy) ask(r *http.Request, body []byte, patience *time.Timer) (resp *http.Response, err error) {
	for n := range tries {
		patience.Reset(stall)
		if n > 0 {
			select {
			case <-time.After(pause << (n - 1)):
			case <-r.Context().Done():
				return nil, context.Cause(r.Context())
			}
		}
		if resp, err = p.follow(r, body); err == nil && resp.StatusCode < 500 {
			return resp, nil
		}
		if err == nil && n < tries-1 {
			resp.Body.Close()
		}
	}
	var quoting *url.Error
	if errors.As(err, &quoting) {
		err = quoting.Err // without the address, which may be signed
	}
	return resp, err
}

const maxRedirects = 10

func (p *Proxy) follow(r *http.Request, body []byte) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	p.mu.Lock()
	real := p.real(out.URL.String())
	p.mu.Unlock()
	if to, err := url.Parse(real); err == nil {
		out.URL = to
	}
	send(out, body)
	for _, k := range append(hidden, strings.Split(r.Header.Get("Connection"), ",")...) {
		out.Header.Del(strings.TrimSpace(k))
	}
	out.Header.Set("Accept-Encoding", "identity")
	if user := r.URL.User; user != nil && out.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		out.SetBasicAuth(user.Username(), password)
	}
	for n := 0; ; n++ {
		out.Host = out.URL.Host
		resp, err := p.servers.RoundTrip(out)
		if err != nil {
			return nil, err
		}
		to, err := resp.Location()
		if err != nil || resp.StatusCode >= 400 || resp.StatusCode < 300 || resp.StatusCode == http.StatusNotModified ||
			to.Host == r.URL.Host && to.RawQuery == "" && to.Scheme == r.URL.Scheme {
			return resp, nil // CRAN's are followed: the script knows its mirror by another name
		}
		resp.Body.Close()
		if n == maxRedirects {
			return nil, fmt.Errorf("redirected %d times", maxRedirects)
		}
		if to.Host != out.URL.Host {
			out.Header.Del("Authorization")
			out.Header.Del("Cookie")
		}
		if out.Method == http.MethodPost && resp.StatusCode != http.StatusTemporaryRedirect &&
			resp.StatusCode != http.StatusPermanentRedirect {
			out.Method, body = http.MethodGet, nil
			out.Header.Del("Content-Type")
		}
		out.URL = to
		send(out, body)
	}
}

// send gives a request its body.
func send(r *http.Request, body []byte) {
	r.Body, r.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
}
