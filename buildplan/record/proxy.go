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
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
)

// A Proxy answers what one script asks, over HTTP and HTTPS. Its methods may be
// called concurrently.
type Proxy struct {
	script    string
	files     *store.Store
	servers   http.RoundTripper // nil: only what is recorded
	cran      string            // CRAN's mirror
	authority *authority
	server    *http.Server
	conns     *queue

	running  atomic.Int32 // requests that are answered
	mu       sync.Mutex
	known    map[string]pins.Answer // recorded before, by key
	given    map[string]pins.Answer
	refused  map[string]pins.Answer // 401s: the script may say who it is, and ask again
	asker    map[string]string      // who asked for what was given, by key
	busy     map[string]*sync.Mutex // a key is answered once at a time
	failures []Failure
	replaced []pins.Answer
	end      End
}

// An End is what a step tells when its script has ended.
type End struct {
	Told     bool // it has told
	Bypassed int  // packets that went nowhere: those of connections past the proxy
	Left     int  // programs that still ran, and were ended
}

// A Failure is a request of a script that could not be answered as promised.
type Failure struct {
	Script string
	Asked  pins.Answer // what was asked for: an answer without what was answered
	Why    Why
	Err    error // what the network said; may be nil
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
	said := fmt.Sprintf("%s: %s %s %s", f.Script, f.Asked.Method, f.Asked.URL, f.Why)
	if f.Err != nil {
		said += ": " + f.Err.Error()
	}
	return said
}

// Options say what a proxy answers.
type Options struct {
	// Known are answers of an earlier recording, which are given again from the
	// store, where they are fetched if need be.
	Known []pins.Answer
	// Servers are asked for others. If it is nil there are no others.
	Servers http.RoundTripper
	// CRAN is the address of CRAN's mirror, which scripts know as steps.CRANHost; empty:
	// what R takes by itself.
	CRAN string
}

// cran is what scripts take for CRAN.
const cran = "http://" + steps.CRANHost

// New returns a proxy for a script.
func New(script string, files *store.Store, o Options) (*Proxy, error) {
	a, err := newAuthority()
	if err != nil {
		return nil, err
	}
	p := &Proxy{script: script, files: files, servers: o.Servers, cran: o.CRAN, authority: a, conns: newQueue(),
		known: map[string]pins.Answer{}, given: map[string]pins.Answer{}, asker: map[string]string{},
		refused: map[string]pins.Answer{}, busy: map[string]*sync.Mutex{}}
	for _, answer := range o.Known {
		p.known[answer.Key()] = answer
		if answer.SHA256 != "" && fetchable(answer) && !files.Known(answer.SHA256) {
			if err := files.Remember(answer.SHA256, p.real(answer.URL)); err != nil {
				return nil, err
			}
		}
		if answer.SHA256 != "" {
			files.Accept(answer.SHA256, answer.Accept)
			files.Expect(answer.SHA256, answer.URL, answer.Size)
		}
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

// fetchable reports whether an answer can be had again by its address.
func fetchable(a pins.Answer) bool { return a.Method == http.MethodGet && a.Sent == "" }

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
	for key, a := range p.refused {
		if _, ok := p.given[key]; !ok {
			all = append(all, a)
		}
	}
	return all
}

// Remembered is how many answers the script was given that an earlier recording has.
func (p *Proxy) Remembered() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, a := range p.given {
		if known, ok := p.known[key]; ok && known.SHA256 == a.SHA256 {
			n++
		}
	}
	return n
}

// Replaced are the answers of an earlier recording whose bytes could not be had any
// more, so that the servers were asked anew.
func (p *Proxy) Replaced() []pins.Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.replaced)
}

// Failures are what could not be answered, and was not answered later either.
func (p *Proxy) Failures() (all []Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.failures {
		if _, late := p.given[f.Asked.Key()]; f.Why != Unanswered || !late {
			all = append(all, f)
		}
	}
	return all
}

// End is what the step told when the script had ended.
func (p *Proxy) End() End {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end
}

func (p *Proxy) fail(asked pins.Answer, why Why, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, Failure{p.script, asked, why, err})
}

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch host, inside := r.Context().Value(tunnel{}).(string); {
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
		return
	case inside:
		r.URL.Scheme, r.URL.Host = "https", host
	case r.URL.Host == steps.ProxyHost && r.URL.Path == "/cran":
		p.setCRAN(r.URL.Query().Get("default"))
		return
	case r.URL.Host == steps.ProxyHost:
		p.ended(w, r)
		return
	}
	if r.URL.Hostname() == "" {
		http.Error(w, "this is a proxy", http.StatusBadRequest)
		return
	}
	p.running.Add(1)
	defer p.running.Add(-1)
	asked, body, err := asks(r)
	if err != nil {
		p.fail(asked, Unsuited, err)
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	defer p.lock(asked.Key())()
	known, ok := p.recorded(asked.Key())
	switch {
	case ok && p.servers != nil && !p.sameAsker(asked.Key(), r):
		p.fail(asked, Ambiguous, nil)
		http.Error(w, string(Ambiguous), http.StatusConflict)
	case ok:
		p.again(w, r, asked, known, body)
	case p.servers == nil:
		p.fail(asked, Unrecorded, nil)
		http.Error(w, "driftpin: "+string(Unrecorded), http.StatusForbidden)
	default:
		p.record(w, r, asked, body)
	}
}

// setCRAN takes R's own mirror where none is configured.
func (p *Proxy) setCRAN(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cran != "" || !strings.HasPrefix(address, "http") {
		return
	}
	p.cran = strings.TrimSuffix(address, "/")
	for _, a := range p.known {
		if strings.HasPrefix(a.URL, cran+"/") && fetchable(a) && a.SHA256 != "" && !p.files.Has(a.SHA256) {
			_ = p.files.Remember(a.SHA256, p.cran+strings.TrimPrefix(a.URL, cran)) // it is a help for later
		}
	}
}

// real is where an address leads: to CRAN's mirror, if it is one of CRAN's.
func (p *Proxy) real(address string) string {
	if rest, ok := strings.CutPrefix(address, cran+"/"); ok && p.cran != "" {
		return p.cran + "/" + rest
	}
	return address
}

// again gives an answer that was given before, now or when the lock was made.
func (p *Proxy) again(w http.ResponseWriter, r *http.Request, asked, known pins.Answer, body []byte) {
	err := p.give(w, r, known)
	if err == nil {
		p.note(known, r)
		return
	}
	if p.servers != nil && !p.isGiven(asked.Key()) { // the old recording is of no use
		p.mu.Lock()
		p.replaced = append(p.replaced, known)
		p.mu.Unlock()
		p.record(w, r, asked, body)
		return
	}
	p.fail(asked, Lost, err)
	http.Error(w, "driftpin: "+string(Lost), http.StatusBadGateway)
}

// ended tells the step whether all was answered as promised, once all is. The step
// tells how the script ended.
func (p *Proxy) ended(w http.ResponseWriter, r *http.Request) {
	for p.running.Load() > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(r.URL.Query().Get(name)) // a step that can't tell says nothing
		return n
	}
	p.mu.Lock()
	p.end = End{true, number("bypassed"), number("left")}
	p.mu.Unlock()
	failures := p.Failures()
	if len(failures) > 0 {
		w.WriteHeader(http.StatusConflict)
	}
	for _, f := range failures {
		fmt.Fprintln(w, f)
	}
}

// maxSent is the most that a request may send, in bytes.
const maxSent = 16 << 20

// asks is what a request asks for, and what it sends; err says why its answer can't
// be recorded.
func asks(r *http.Request) (asked pins.Answer, body []byte, err error) {
	asked = pins.Answer{Method: r.Method, URL: address(r.URL), Accept: accepts(r.Header)}
	switch {
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return asked, nil, errors.New("it is a connection of WebSocket's")
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		return asked, nil, errors.New("only GET, HEAD and POST can")
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, maxSent+1))
	if err == nil && len(body) > maxSent {
		err = fmt.Errorf("it sends more than %d MiB", maxSent>>20)
	}
	if len(body) > 0 || r.Method == http.MethodPost {
		sum := sha256.Sum256(body)
		asked.Sent = hex.EncodeToString(sum[:])
	}
	return asked, body, err
}

// accepts is what a request says that it takes; empty for everything.
func accepts(h http.Header) string {
	said := strings.Join(h.Values("Accept"), ", ")
	if said == "*/*" {
		return ""
	}
	return said
}

// sameAsker reports whether a request has the credentials of the one that was
// answered under its key before, if one was.
func (p *Proxy) sameAsker(key string, r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, ok := p.asker[key]
	return !ok || was == credentials(r)
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

// note keeps an answer, and who it was given to.
func (p *Proxy) note(a pins.Answer, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given[a.Key()], p.asker[a.Key()] = a, credentials(r)
}

// give gives a recorded answer. On error nothing was given.
func (p *Proxy) give(w http.ResponseWriter, r *http.Request, a pins.Answer) error {
	if a.SHA256 == "" {
		head(w, a, a.Header)
		return nil
	}
	file, err := p.files.File(context.WithoutCancel(r.Context()), a.SHA256)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	head(w, a, a.Header)
	_, _ = io.Copy(w, f) // who does not listen any more does not matter
	return nil
}

// head writes the head of an answer, with some headers.
func head(w http.ResponseWriter, a pins.Answer, headers map[string]string) {
	for k, v := range headers {
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
		p.fail(pins.Answer{Method: r.Method, URL: address(u)}, Unsuited, fmt.Errorf("its TLS was refused, perhaps since it trusts other "+
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
