package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/buildplan/engine"
	controlapi "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/client"
	gatewayapi "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	capspb "github.com/moby/buildkit/util/apicaps/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A fakeEngine says of itself what a test wants, and builds nothing.
type fakeEngine struct {
	controlapi.UnimplementedControlServer
	version  string // empty: Info is not known, as before 0.11
	lacks    []apicaps.CapID
	address  string
	sessions *session.Manager
	end      chan struct{}
}

// A fakeBridge is how a fakeEngine talks in the middle of a build.
type fakeBridge struct {
	gatewayapi.UnimplementedLLBBridgeServer
	of *fakeEngine
}

// startFake serves an engine on loopback, and returns its address and what ends it.
func startFake(t *testing.T, f *fakeEngine) (address string, stop func()) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if f.sessions, err = session.NewManager(); err != nil {
		t.Fatal(err)
	}
	f.address, f.end = "tcp://"+lis.Addr().String(), make(chan struct{}, 1)
	server := grpc.NewServer()
	controlapi.RegisterControlServer(server, f)
	gatewayapi.RegisterLLBBridgeServer(server, &fakeBridge{of: f})
	go server.Serve(lis)
	t.Cleanup(server.Stop)
	return f.address, server.Stop
}

func (f *fakeEngine) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	if f.version == "" {
		return nil, status.Error(codes.Unimplemented, "unknown method Info")
	}
	return &controlapi.InfoResponse{BuildkitVersion: &apitypes.BuildkitVersion{Package: f.address, Version: f.version}}, nil
}

func (f *fakeEngine) ListWorkers(context.Context, *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse, error) {
	return &controlapi.ListWorkersResponse{}, nil
}

func (f *fakeEngine) Solve(ctx context.Context, _ *controlapi.SolveRequest) (*controlapi.SolveResponse, error) {
	select {
	case <-f.end:
	case <-ctx.Done():
	}
	return &controlapi.SolveResponse{}, nil
}

func (f *fakeEngine) Status(*controlapi.StatusRequest, grpc.ServerStreamingServer[controlapi.StatusResponse]) error {
	return nil
}

func (f *fakeEngine) Session(s grpc.BidiStreamingServer[controlapi.BytesMessage, controlapi.BytesMessage]) error {
	conn, closed, options := grpchijack.Hijack(s)
	defer conn.Close()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	go func() {
		<-closed
		cancel()
	}()
	return f.sessions.HandleConn(ctx, conn, options)
}

func (f *fakeBridge) Ping(context.Context, *gatewayapi.PingRequest) (*gatewayapi.PongResponse, error) {
	caps := pb.Caps.All()
	caps = slices.DeleteFunc(caps, func(c *capspb.APICap) bool { return slices.Contains(f.of.lacks, apicaps.CapID(c.ID)) })
	return &gatewayapi.PongResponse{FrontendAPICaps: gatewayapi.Caps.All(), LLBCaps: caps}, nil
}

func (f *fakeBridge) Return(context.Context, *gatewayapi.ReturnRequest) (*gatewayapi.ReturnResponse, error) {
	f.of.end <- struct{}{}
	return &gatewayapi.ReturnResponse{}, nil
}

// An engine says in one sentence what it lacks.
func TestAble(t *testing.T) {
	for _, test := range []struct {
		name    string
		version string
		lacks   []apicaps.CapID
		want    string // empty: it is able
	}{
		{"of today", "v0.34.2", nil, ""},
		{"able, of no known version", "v0.0.0+unknown", nil, ""},
		{"old", "v0.26.3", []apicaps.CapID{pb.CapSourceImageBlob}, "this engine is BuildKit 0.26.3; 0.28 or newer is needed"},
		{"ancient", "", nil, "this engine is older than BuildKit 0.11; 0.28 or newer is needed"},
		{"old, of no known version", "v0.0.0+unknown", []apicaps.CapID{pb.CapSourceImageBlob},
			"this engine lacks files from this machine, which BuildKit 0.28 and newer have"},
		{"Docker's, with a graph driver", "v0.31.2", []apicaps.CapID{pb.CapMergeOp, pb.CapDiffOp}, "moby/moby#45111"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, _ := startFake(t, &fakeEngine{version: test.version, lacks: test.lacks})
			e, err := engine.Remote(t.Context(), []string{address}, engine.Options{})
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, new(*engine.UnableError)) || !strings.Contains(err.Error(), "engine "+address+": ") ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, not …%s…", err, test.want)
			}
		})
	}
}

// Addresses that lead nowhere are said before anything is asked.
func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"builder:1234":     "write embedded, or an address that begins with unix://",
		"http://builder":   "write embedded, or an address that begins with unix://",
		"tcp://":           "write its address as tcp://HOST:PORT",
		"tcp://host":       "write its address as tcp://HOST:PORT",
		"unix://rel/path":  "with three slashes",
		"ssh://":           "names nothing after ssh://",
		"kube-pod://--x":   "a name does not begin with -",
		"embedded":         "it can't stand beside others",
		"tcp://bad host:1": "can't be read",
		"ssh://u:p@h":      "plain-text password is not supported",
	} {
		_, err := engine.Remote(t.Context(), []string{address}, engine.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), ":p@") {
			t.Errorf("%s: error %v, not …%s…", address, err, want)
		}
	}
}

// No address at all is an error too, and so is an end that comes before the answer.
func TestNoEngine(t *testing.T) {
	if e, err := engine.Remote(t.Context(), nil, engine.Options{}); e != nil || err == nil {
		t.Errorf("no address: %v, %v", e, err)
	}
	address, _ := startFake(t, &fakeEngine{version: "v0.34.2"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e, err := engine.Remote(ctx, []string{address}, engine.Options{}); e != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("ended before: %v, %v", e, err)
	}
}

// Courses are spread over members, each always to the same; when that ends, another one
// goes on from the beginning; and an error of the work itself is not tried elsewhere.
func TestMembers(t *testing.T) {
	var addresses []string
	stops := map[string]func(){}
	for range 3 {
		address, stop := startFake(t, &fakeEngine{version: "v0.34.2"})
		addresses, stops[address] = append(addresses, address), stop
	}
	var notice bytes.Buffer
	absent := "unix://" + t.TempDir() + "/nobody.sock"
	start := time.Now()
	e, err := engine.Remote(t.Context(), append(addresses, absent), engine.Options{Notice: &notice})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it waited %v for the one that is not there", took)
	}
	if !strings.Contains(notice.String(), absent) {
		t.Errorf("nothing is said of the one that is not there: %q", notice.String())
	}
	of := func(course string) (all []*client.Client) {
		for range 3 {
			if err := e.Do(t.Context(), course, func(_ context.Context, c *client.Client) error {
				all = append(all, c)
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
		return all
	}
	used := map[*client.Client]int{}
	for i := range 60 {
		clients := of(fmt.Sprint("course", i))
		if clients[0] != clients[1] || clients[1] != clients[2] {
			t.Errorf("course %d is not always with the same member", i)
		}
		used[clients[0]]++
	}
	if len(used) != 3 {
		t.Errorf("60 courses use %d of 3 members", len(used))
	}
	own, calls := errors.New("its own"), 0
	failing := func(context.Context, *client.Client) error { calls++; return own }
	if err := e.Do(t.Context(), "c", failing); err != own || calls != 1 {
		t.Errorf("a failing course was tried %d times: %v", calls, err)
	}
	own, calls = status.Error(codes.Unavailable, "a registry says so"), 0
	if err := e.Do(t.Context(), "c", failing); err != own || calls != 1 {
		t.Errorf("a course whose registry is not available was tried %d times: %v", calls, err)
	}
	replaced(t, e, stops)
}

// replaced ends the members one after another while work is done on them.
func replaced(t *testing.T, e *engine.Engine, stops map[string]func()) {
	var asked []string
	err := e.Do(t.Context(), "c", func(ctx context.Context, c *client.Client) error {
		info, err := c.Info(ctx)
		if err != nil {
			return err
		}
		asked = append(asked, info.BuildkitVersion.Package)
		stops[info.BuildkitVersion.Package]()
		_, err = c.Info(ctx)
		return err
	})
	slices.Sort(asked)
	if !errors.As(err, new(*engine.NoAnswerError)) || len(slices.Compact(asked)) != 3 {
		t.Errorf("asked %v, and then %v", asked, err)
	}
}

// bridgeVariable has the test's program be one that leads to an address.
const bridgeVariable = "DRIFTPIN_TEST_BRIDGE"

// bridge copies between a connection and what docker, kubectl, ssh, … have as stdin and stdout.
func bridge(to string) int {
	conn, err := net.Dial("tcp", to)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _, _ = io.Copy(conn, os.Stdin) }()
	_, _ = io.Copy(os.Stdout, conn)
	return 0
}

// Engines that a program leads to are reached by it; if they are not, it is said in the
// program's words.
func TestReached(t *testing.T) {
	address, _ := startFake(t, &fakeEngine{version: "v0.34.2"})
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for program, of := range map[string]string{"docker": "docker-container://bk", "podman": "podman-container://bk",
		"nerdctl": "nerdctl-container://bk", "kubectl": "kube-pod://bk", "ssh": "ssh://me@host"} {
		_, err := engine.Remote(t.Context(), []string{of}, engine.Options{})
		want := "the program " + program + ", which leads there, is not installed"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %s", of, err, want)
		}
		script := filepath.Join(dir, program)
		if err := os.WriteFile(script, []byte("#!/bin/sh\necho hm >&2\necho no bk here >&2\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err = engine.Remote(t.Context(), []string{of}, engine.Options{}); err == nil ||
			!strings.Contains(err.Error(), "engine "+of+": "+program+" says: no bk here") {
			t.Errorf("%s: %v", of, err)
		}
		text := "#!/bin/sh\n" + bridgeVariable + "=" + strings.TrimPrefix(address, "tcp://") + " exec " + self + "\n"
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		e, err := engine.Remote(t.Context(), []string{of}, engine.Options{})
		if err != nil {
			t.Errorf("%s: %v", of, err)
			continue
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	e, err := engine.Remote(t.Context(), []string{"docker://"}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
