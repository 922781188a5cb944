package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
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

// record asks the server, gives the script what it says, and notes the answer.
func (p *Proxy) record(w http.ResponseWriter, r *http.Request, a pins.Answer, body []byte) {
	resp, err := p.ask(r, body)
	if err != nil {
		p.fail(r, a.URL, Unanswered, err)
		http.Error(w, "driftpin: "+err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	a.Status, a.Header = resp.StatusCode, keptHeaders(resp)
	for _, cookie := range resp.Header.Values("Set-Cookie") { // recorded they are of no use
		w.Header().Add("Set-Cookie", cookie)
	}
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		p.fail(r, a.URL, Unanswered, errors.New(resp.Status))
		head(w, a)
		return
	case resp.StatusCode == http.StatusUnauthorized: // the program may say who it is, and ask again
		w.Header()["Www-Authenticate"] = resp.Header.Values("WWW-Authenticate")
		head(w, a)
		return
	case r.Method == http.MethodHead:
		a.Size = max(resp.ContentLength, 0)
	case resp.StatusCode < 300 && resp.StatusCode != http.StatusNoContent:
		if err := p.keep(w, r, &a, resp); err != nil {
			p.fail(r, a.URL, Unanswered, err)
			panic(http.ErrAbortHandler) // the script sees that the answer is not whole
		}
		p.note(a)
		return
	}
	head(w, a) // what a server says besides that it has nothing is of no use to a program
	p.note(a)
}

// keptHeaders are the headers of an answer that a lock keeps.
func keptHeaders(resp *http.Response) map[string]string {
	kept := map[string]string{}
	for _, k := range pins.AnswerHeaders {
		if v := strings.Join(resp.Header.Values(k), ", "); v != "" {
			kept[k] = v
		}
	}
	if to, err := resp.Location(); err == nil {
		kept["Location"] = address(to)
	} else {
		delete(kept, "Location")
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// keep passes the body of an answer on to the script, and into the store.
func (p *Proxy) keep(w http.ResponseWriter, r *http.Request, a *pins.Answer, resp *http.Response) error {
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
	head(w, *a)
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
	from := a.URL
	if r.Method != http.MethodGet {
		from = "" // nothing to fetch it by again
	}
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
func (p *Proxy) ask(r *http.Request, body []byte) (resp *http.Response, err error) {
	for n := range tries {
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
			return resp, nil
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
