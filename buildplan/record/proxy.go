// Package record is the network of a course's scripts.
//
// A script (postBuild, install.R, …) runs in a step that has no network. All that
// it reaches is a [Proxy] in this process, by a socket that the engine passes on.
// When a course is locked the proxy is a recorder: it asks the servers, keeps what
// they send in the store of files, and notes each answer. When an image is built it
// is a player: it gives the script the answers that the lock has, and no others.
//
// So replaying needs nothing of an engine but that it forwards a socket, as every
// BuildKit does; and a script can't get around the proxy, since there is nowhere
// else to go.
package record

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
)

// A Proxy answers what one script asks, over HTTP and HTTPS. Its methods may be
// called concurrently.
type Proxy struct {
	script    string
	files     *store.Store
	servers   http.RoundTripper // nil: only what is recorded
	authority *authority
	server    *http.Server
	conns     *queue

	mu       sync.Mutex
	known    map[string]pins.Answer // recorded before, by key
	given    map[string]pins.Answer
	whole    map[string]string      // addresses as they were asked, by how they are recorded
	busy     map[string]*sync.Mutex // a key is answered once at a time
	failures []Failure
	bypassed int
}

// A Failure is a request of a script that could not be answered as promised.
type Failure struct {
	Script, Method string
	URL            string // without credentials
	Why            Why
	Err            error // what the network said; may be nil
}

// Why says what kind of failure one is.
type Why string

// The failures: a player has no answer; the bytes of an answer can't be had any
// more, or are others; a server could not be reached, or was at fault; two addresses
// that differ in a credential only; and what can't be recorded.
const (
	Unrecorded Why = "was not recorded"
	Lost       Why = "was recorded, and its bytes can't be had any more"
	Unanswered Why = "was not answered"
	Ambiguous  Why = "was asked with two different credentials"
	Unsuited   Why = "can't be recorded"
)

// String says what happened, in one line.
func (f Failure) String() string {
	said := fmt.Sprintf("%s: %s %s %s", f.Script, f.Method, f.URL, f.Why)
	if f.Err != nil {
		said += ": " + f.Err.Error()
	}
	return said
}

// New returns a proxy for a script. Answers that are known are given again from
// files, where they are fetched if need be; for others it asks the servers. If
// servers is nil there are no others.
func New(script string, files *store.Store, known []pins.Answer, servers http.RoundTripper) (*Proxy, error) {
	a, err := newAuthority()
	if err != nil {
		return nil, err
	}
	p := &Proxy{script: script, files: files, servers: servers, authority: a, conns: newQueue(),
		known: map[string]pins.Answer{}, given: map[string]pins.Answer{}, whole: map[string]string{},
		busy: map[string]*sync.Mutex{}}
	for _, answer := range known {
		p.known[answer.Key()] = answer
		if answer.SHA256 != "" && answer.Method == http.MethodGet && !files.Known(answer.SHA256) {
			if err := files.Remember(answer.SHA256, answer.URL); err != nil {
				return nil, err
			}
		}
		files.Expect(answer.SHA256, answer.URL, answer.Size)
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tunnel); ok {
				return context.WithValue(ctx, tunnel{}, t.host)
			}
			return ctx
		}}
	go p.server.Serve(p.conns) // ends with Close
	return p, nil
}

// Serve answers on a connection, until that or the proxy is closed.
func (p *Proxy) Serve(conn net.Conn) { p.conns.add(conn) }

// Close ends all connections.
func (p *Proxy) Close() error { return p.server.Close() }

// CA is the certificate by which a script trusts the proxy, in PEM.
func (p *Proxy) CA() []byte { return p.authority.pem }

// Answers are those that the script was given.
func (p *Proxy) Answers() (all []pins.Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.given {
		all = append(all, a)
	}
	return all
}

// Failures are what could not be answered, and was not answered later either.
func (p *Proxy) Failures() (all []Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.failures {
		late := slices.ContainsFunc(slices.Collect(maps.Values(p.given)),
			func(a pins.Answer) bool { return a.Method == f.Method && a.URL == f.URL })
		if f.Why != Unanswered || !late {
			all = append(all, f)
		}
	}
	return all
}

// Bypassed is how many packets of the script went nowhere: those of connections
// that it tried to open past the proxy.
func (p *Proxy) Bypassed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bypassed
}

func (p *Proxy) fail(r *http.Request, address string, why Why, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, Failure{p.script, r.Method, address, why, err})
}

// Own is the host under which the step itself speaks to the proxy.
const Own = "driftpin.invalid"

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch host, inside := r.Context().Value(tunnel{}).(string); {
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
		return
	case inside:
		r.URL.Scheme, r.URL.Host = "https", host
	case r.URL.Host == "":
		http.Error(w, "this is a proxy", http.StatusBadRequest)
		return
	case r.URL.Host == Own:
		p.end(w, r)
		return
	}
	where := address(r.URL)
	sent, err := p.suited(r)
	if err != nil {
		p.fail(r, where, Unsuited, err)
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	answer := pins.Answer{Method: r.Method, URL: where, Sent: sent.sum}
	defer p.lock(answer.Key())()
	if !p.same(where, r.URL) {
		p.fail(r, where, Ambiguous, nil)
		http.Error(w, string(Ambiguous), http.StatusConflict)
		return
	}
	known, ok := p.recorded(answer.Key())
	switch {
	case ok:
		err = p.give(w, r, known)
		if err != nil && p.servers != nil && !p.isGiven(answer.Key()) { // the old recording is of no use
			p.files.Failure()
			p.record(w, r, answer, sent.data)
			return
		}
		if err != nil {
			p.fail(r, where, Lost, err)
			http.Error(w, "driftpin: "+string(Lost), http.StatusBadGateway)
			return
		}
		p.note(known)
	case p.servers == nil:
		p.fail(r, where, Unrecorded, nil)
		http.Error(w, "driftpin: "+string(Unrecorded), http.StatusForbidden)
	default:
		p.record(w, r, answer, sent.data)
	}
}

// end tells the step whether all was answered as promised. The step says how many
// packets went nowhere.
func (p *Proxy) end(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("bypassed")) // a step that can't tell says nothing
	p.mu.Lock()
	p.bypassed += n
	p.mu.Unlock()
	failures := p.Failures()
	if len(failures) > 0 {
		w.WriteHeader(http.StatusConflict)
	}
	for _, f := range failures {
		fmt.Fprintln(w, f)
	}
}

// maxSent is the most that a POST may send, in bytes.
const maxSent = 16 << 20

// A sent is what a request sends.
type sent struct {
	data []byte
	sum  string
}

// suited says whether a request is one whose answer can be recorded, and what it
// sends.
func (p *Proxy) suited(r *http.Request) (s sent, err error) {
	switch {
	case r.Header.Get("Upgrade") != "":
		return s, fmt.Errorf("the connection would be taken over by %.40q", r.Header.Get("Upgrade"))
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return s, nil
	case r.Method != http.MethodPost:
		return s, fmt.Errorf("only GET, HEAD and POST can")
	}
	s.data, err = io.ReadAll(io.LimitReader(r.Body, maxSent+1))
	if err == nil && len(s.data) > maxSent {
		err = fmt.Errorf("it sends more than %d MiB", maxSent>>20)
	}
	sum := sha256.Sum256(s.data)
	s.sum = hex.EncodeToString(sum[:])
	return s, err
}

// lock waits until nobody else is answered what has a key.
func (p *Proxy) lock(key string) (unlock func()) {
	p.mu.Lock()
	m := p.busy[key]
	if m == nil {
		m = &sync.Mutex{}
		p.busy[key] = m
	}
	p.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// same reports whether an address is the one that was recorded in its place.
func (p *Proxy) same(recorded string, u *url.URL) bool {
	asked := *u
	asked.Fragment = ""
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.whole[recorded] == "" {
		p.whole[recorded] = asked.String()
	}
	return p.whole[recorded] == asked.String()
}

// recorded is an answer that was given before, now or when the lock was made.
func (p *Proxy) recorded(key string) (a pins.Answer, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, ok = p.given[key]; !ok {
		a, ok = p.known[key]
	}
	return a, ok
}

func (p *Proxy) isGiven(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.given[key]
	return ok
}

func (p *Proxy) note(a pins.Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given[a.Key()] = a
}

// give gives a recorded answer. On error nothing was given.
func (p *Proxy) give(w http.ResponseWriter, r *http.Request, a pins.Answer) error {
	if a.SHA256 == "" {
		head(w, a)
		return nil
	}
	file, err := p.files.File(r.Context(), a.SHA256)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	head(w, a)
	_, _ = io.Copy(w, f) // who does not listen any more does not matter
	return nil
}

// head writes the head of an answer: what a lock keeps of it.
func head(w http.ResponseWriter, a pins.Answer) {
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header()["Content-Type"] = nil // or it would be guessed
	}
	if a.Size >= 0 && a.Status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.FormatInt(a.Size, 10))
	}
	w.WriteHeader(a.Status)
}

// tunnel answers CONNECT: what is asked within is answered as the server would.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Hostname()
	cert, err := p.authority.certificate(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	inner := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"}})
	if _, err = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		err = inner.HandshakeContext(ctx)
		cancel()
	}
	if err != nil {
		conn.Close()
		u := &url.URL{Scheme: "https", Host: r.URL.Host}
		p.fail(r, address(u), Unsuited, fmt.Errorf("its TLS was refused, perhaps since it trusts other "+
			"certificates than the system's: %w", err))
		return
	}
	p.conns.add(&tunnel{inner, cmp.Or(r.URL.Host, r.Host)})
}

// A tunnel is a connection to a host, inside one to the proxy.
type tunnel struct {
	net.Conn
	host string
}
