package record

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"

	"github.com/moby/buildkit/session/sshforward"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// An Agent connects steps of an engine to proxies: to the engine it is an agent
// of SSH, whose sockets BuildKit forwards. The zero value knows no proxy.
type Agent struct {
	sshforward.UnimplementedSSHServer
	mu      sync.Mutex
	proxies map[string]*Proxy // by the ID of the socket
	secrets map[string][]byte
}

// Add makes a proxy known under the ID of a socket, and its certificate under that
// of a secret.
func (a *Agent) Add(socket, ca string, p *Proxy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.proxies == nil {
		a.proxies, a.secrets = map[string]*Proxy{}, map[string][]byte{}
	}
	a.proxies[socket], a.secrets[ca] = p, p.CA()
}

// Clear forgets all proxies.
func (a *Agent) Clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proxies, a.secrets = nil, nil
}

// Secrets are the certificates of the proxies, by the IDs of their secrets.
func (a *Agent) Secrets() map[string][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.secrets)
}

func (a *Agent) proxy(id string) (*Proxy, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.proxies[id]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("no script is run by the name of %q", id)
}

// Register implements session.Attachable.
func (a *Agent) Register(s *grpc.Server) { sshforward.RegisterSSHServer(s, a) }

// CheckAgent implements sshforward.SSHServer.
func (a *Agent) CheckAgent(_ context.Context, r *sshforward.CheckAgentRequest) (*sshforward.CheckAgentResponse, error) {
	_, err := a.proxy(r.ID)
	return &sshforward.CheckAgentResponse{}, err
}

// ForwardAgent implements sshforward.SSHServer: one connection.
func (a *Agent) ForwardAgent(stream sshforward.SSH_ForwardAgentServer) error {
	id := ""
	if md, ok := metadata.FromIncomingContext(stream.Context()); ok && len(md[sshforward.KeySSHID]) > 0 {
		id = md[sshforward.KeySSHID][0]
	}
	p, err := a.proxy(id)
	if err != nil {
		return err
	}
	ours, theirs := net.Pipe()
	p.Serve(theirs)
	over := make(chan error, 2)
	go func() { // that the proxy ends the connection, Copy does not return for
		over <- sshforward.Copy(stream.Context(), ours, stream, func() error { over <- nil; return nil })
	}()
	return <-over
}

// A queue is a listener of connections that come otherwise.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue() *queue { return &queue{conns: make(chan net.Conn), done: make(chan struct{})} }

func (q *queue) add(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return &net.UnixAddr{Name: "driftpin", Net: "unix"} }
