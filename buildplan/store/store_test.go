package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

var wheel = bytes.Repeat([]byte("pinned "), 100_000)

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// index is a server that answers the n-th request, from 1, by answers[n-1],
// and the last of them for ever.
type index struct {
	*httptest.Server
	asked  atomic.Int32
	ranges []string
	mu     sync.Mutex
}

func newIndex(t *testing.T, answers ...http.HandlerFunc) *index {
	x := &index{}
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(x.asked.Add(1))
		x.mu.Lock()
		x.ranges = append(x.ranges, r.Header.Get("Range"))
		x.mu.Unlock()
		answers[min(n, len(answers))-1](w, r)
	}))
	t.Cleanup(x.Close)
	return x
}

func good(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(wheel))
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if len(header) > 0 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(code)
	}
}

// short sends half of the file and ends the connection.
func short(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(len(wheel)))
	w.Write(wheel[:len(wheel)/2])
	panic(http.ErrAbortHandler)
}

// stall sends half of the file and then nothing.
func stall(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(len(wheel)))
	w.Write(wheel[:len(wheel)/2])
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func wrong(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>please log in</html>") }

func open(t *testing.T, o Options) *Store {
	t.Helper()
	if o.Pause == 0 {
		o.Pause = time.Millisecond
	}
	if o.Stall == 0 {
		o.Stall = 200 * time.Millisecond
	}
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every fault of an index ends well, or with an error that says what it was;
// never with a file that is not whole.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []http.HandlerFunc
		tries   int32
		want    string // of the error; empty for success
		moved   bool
	}{
		{"fine", []http.HandlerFunc{good}, 1, "", false},
		{"404", []http.HandlerFunc{status(404)}, 1, "404 Not Found", true},
		{"410", []http.HandlerFunc{status(410)}, 1, "410 Gone", true},
		{"401", []http.HandlerFunc{status(401)}, 1, "401 Unauthorized: credentials go into", false},
		{"400", []http.HandlerFunc{status(400)}, 1, "400 Bad Request", false},
		{"500 once", []http.HandlerFunc{status(500), good}, 2, "", false},
		{"503 thrice", []http.HandlerFunc{status(503), status(502), status(504), good}, 4, "", false},
		{"500 for ever", []http.HandlerFunc{status(500)}, maxTries, "500 Internal Server Error (tried 6 times)", false},
		{"429", []http.HandlerFunc{status(429, "Retry-After", "1"), good}, 2, "", false},
		{"429 for an hour", []http.HandlerFunc{status(429, "Retry-After", "3600"), good}, 1, "429 Too Many Requests",
			false},
		{"cut short", []http.HandlerFunc{short, good}, 2, "", false},
		{"cut short for ever", []http.HandlerFunc{short}, maxTries, "unexpected EOF (tried 6 times)", false},
		{"stall", []http.HandlerFunc{stall, good}, 2, "", false},
		{"stall for ever", []http.HandlerFunc{stall}, maxTries, "no data came for 200ms (tried 6 times)", false},
		{"wrong once", []http.HandlerFunc{wrong, good}, 2, "", false},
		{"wrong for ever", []http.HandlerFunc{wrong}, 2, "the lock has " + sum(wheel), true},
		{"no range after all", []http.HandlerFunc{short, status(416), good}, 3, "", false},
		{"another range", []http.HandlerFunc{short, status(206, "Content-Range", "bytes 0-1/2"), good}, 3, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x := newIndex(t, test.answers...)
			s := open(t, Options{})
			if err := s.Remember(sum(wheel), x.URL+"/a/pin-1.whl"); err != nil {
				t.Fatal(err)
			}
			file, err := s.File(t.Context(), sum(wheel))
			if got := x.asked.Load(); got != test.tries {
				t.Errorf("asked %d times, want %d", got, test.tries)
			}
			checkOutcome(t, s, file, err, test.want, test.moved)
		})
	}
}

func checkOutcome(t *testing.T, s *Store, file string, err error, want string, moved bool) {
	t.Helper()
	parts, globErr := filepath.Glob(filepath.Join(s.blobs(), "*"))
	if globErr != nil {
		t.Fatal(globErr)
	}
	if want == "" {
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Sum(file); err != nil || got != sum(wheel) || len(parts) != 1 {
			t.Errorf("kept %s, %v, in %q", got, err, parts)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(),
		"this machine can't fetch pin-1.whl from 127.0.0.1:") {
		t.Errorf("got %v, want …%s…", err, want)
	} else if e.Moved != moved || s.quoted("engine: "+err.Error()) != e || s.quoted("engine") != nil {
		t.Errorf("moved is %t, or the failure is not known by its words", e.Moved)
	}
	if len(parts) != 0 {
		t.Errorf("left %q", parts)
	}
}

// What has come is not asked for again.
func TestResume(t *testing.T) {
	x := newIndex(t, short, good)
	s := open(t, Options{})
	if err := s.Remember(sum(wheel), x.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.File(t.Context(), sum(wheel)); err != nil {
		t.Fatal(err)
	}
	if len(x.ranges) != 2 || x.ranges[0] != "" || !strings.HasPrefix(x.ranges[1], "bytes=") ||
		x.ranges[1] == "bytes=0-" {
		t.Errorf("asked for %q", x.ranges)
	}
}

// Nobody is there, and then someone else is.
func TestUnreachable(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	var notices []string
	s := open(t, Options{Notice: func(file string, err error, _ time.Duration) {
		notices = append(notices, file+" "+err.Error())
	}})
	if err := s.Remember(sum(wheel), dead.URL+"/x.whl"); err != nil {
		t.Fatal(err)
	}
	_, err := s.File(t.Context(), sum(wheel))
	var e *Error
	if !errors.As(err, &e) || !e.Moved || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	if len(notices) != movedTries-1 || !strings.HasPrefix(notices[0], "x.whl ") {
		t.Errorf("told %q", notices)
	}
	s.Forget(sum(wheel))
	if _, err := s.File(t.Context(), sum(wheel)); err == nil ||
		!strings.Contains(err.Error(), "no address of it is known") {
		t.Errorf("got %v", err)
	}
}

// Addresses are kept without credentials, which are asked for by address.
func TestLogin(t *testing.T) {
	x := newIndex(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret@" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		good(w, r)
	})
	host := strings.TrimPrefix(x.URL, "http://")
	s := open(t, Options{Login: func(u *url.URL) string {
		if u.Host != host {
			t.Errorf("asked for %s", u.Host)
		}
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("me:s3cret@"))
	}})
	if err := s.Remember(sum(wheel), "http://me:s3cret@@"+host+"/x.whl"); err != nil {
		t.Fatal(err)
	}
	if kept, _ := s.Address(sum(wheel)); kept != x.URL+"/x.whl" {
		t.Errorf("keeps %q", kept)
	}
	if _, err := s.File(t.Context(), sum(wheel)); err != nil {
		t.Error(err)
	}
}

// A server whose certificate nobody has signed is let in if it is named.
func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(good))
	defer server.Close()
	for _, insecure := range [][]string{nil, {"127.0.0.1"}, {strings.TrimPrefix(server.URL, "https://")}} {
		s := open(t, Options{Insecure: insecure})
		if err := s.Remember(sum(wheel), server.URL); err != nil {
			t.Fatal(err)
		}
		_, err := s.File(t.Context(), sum(wheel))
		if insecure == nil && (err == nil || !strings.Contains(err.Error(), "SSL_CERT_FILE")) || insecure != nil &&
			err != nil {
			t.Errorf("%q: got %v", insecure, err)
		}
	}
}

// Many who want one file fetch it once; and what is kept needs no index.
func TestOnce(t *testing.T) {
	x := newIndex(t, good)
	s := open(t, Options{})
	if err := s.Remember(sum(wheel), x.URL); err != nil {
		t.Fatal(err)
	}
	store, err := s.Content()
	if err != nil {
		t.Fatal(err)
	}
	desc := ocispecs.Descriptor{Digest: digest.FromBytes(wheel)}
	read := func() {
		info, err := store.Info(t.Context(), desc.Digest)
		if err != nil || info.Size != int64(len(wheel)) {
			t.Errorf("%v, %v", info, err)
			return
		}
		r, err := store.ReaderAt(t.Context(), desc)
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Close()
		if got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size())); err != nil || !bytes.Equal(got, wheel) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(read)
	}
	group.Wait()
	x.Close()
	read()
	if got := x.asked.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
}

// What a killed process left is removed, and what another is writing stays.
func TestReap(t *testing.T) {
	s := open(t, Options{})
	left := filepath.Join(s.blobs(), tempPrefix+"1")
	if err := errors.Join(os.Mkdir(left, 0o700), os.WriteFile(filepath.Join(left, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	x := newIndex(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if err := s.Remember(sum(wheel), x.URL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := s.File(ctx, sum(wheel)); done <- err }()
	for x.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := Open(s.dir, Options{}); err != nil {
		t.Fatal(err)
	}
	parts, err := filepath.Glob(filepath.Join(s.blobs(), tempPrefix+"*"))
	if err != nil || len(parts) != 1 || parts[0] == left {
		t.Errorf("left %q, %v", parts, err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || len(s.failures) > 0 {
		t.Errorf("got %v", err)
	}
}

// Peeking fetches what is read, and all of it where a server knows no ranges.
func TestPeek(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		whole  bool
	}{
		{"ranges", good, false},
		{"no ranges", func(w http.ResponseWriter, _ *http.Request) { w.Write(wheel) }, true},
	} {
		x := newIndex(t, test.answer)
		s := open(t, Options{})
		if err := s.Remember(sum(wheel), x.URL); err != nil {
			t.Fatal(err)
		}
		r, err := s.Peek(t.Context(), sum(wheel), int64(len(wheel)))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 300_000)
		if n, err := r.ReadAt(got, 400_000); n != len(got) || err != nil || !bytes.Equal(got, wheel[400_000:]) {
			t.Errorf("%s: %d bytes, %v", test.name, n, err)
		}
		if n, err := r.ReadAt(got, 600_000); n != 100_000 || err != io.EOF {
			t.Errorf("%s: at the end %d bytes, %v", test.name, n, err)
		}
		if err := r.Close(); err != nil || s.Has(sum(wheel)) != test.whole {
			t.Errorf("%s: %v, the whole file is there: %t", test.name, err, s.Has(sum(wheel)))
		}
	}
}

// A file that was damaged on disk is fetched anew.
func TestDamaged(t *testing.T) {
	x := newIndex(t, good)
	s := open(t, Options{})
	kept := filepath.Join(s.blobs(), sum(wheel))
	if err := errors.Join(s.Remember(sum(wheel), x.URL), os.WriteFile(kept, []byte("half"), 0o444)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		file, err := s.File(t.Context(), sum(wheel))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Sum(file); err != nil || got != sum(wheel) {
			t.Errorf("kept %s, %v", got, err)
		}
	}
	if got := x.asked.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
}

// Nobody to whom a server sends us learns who we were to that server.
func TestRedirect(t *testing.T) {
	var told []string
	elsewhere := newIndex(t, func(w http.ResponseWriter, r *http.Request) {
		told = append(told, r.Header.Get("Authorization"))
		good(w, r)
	})
	first := newIndex(t, func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			t.Error("the first server is not told")
		}
		http.Redirect(w, r, elsewhere.URL+"/signed?token=t0ken", http.StatusFound)
	})
	s := open(t, Options{Login: func(u *url.URL) string {
		if "http://"+u.Host == first.URL {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte("me:secret"))
		}
		return ""
	}})
	if err := s.Remember(sum(wheel), first.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.File(t.Context(), sum(wheel)); err != nil || len(told) != 1 || told[0] != "" {
		t.Errorf("told %q, %v", told, err)
	}
}

// A signed address is not written down, nor said.
func TestSigned(t *testing.T) {
	x := newIndex(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	s := open(t, Options{})
	if err := s.Remember(sum(wheel), x.URL+"/x.whl?token=t0ken"); err != nil {
		t.Fatal(err)
	}
	_, err := s.File(t.Context(), sum(wheel))
	if err == nil || strings.Contains(err.Error(), "t0ken") || !strings.Contains(err.Error(), "x.whl") {
		t.Errorf("got %v", err)
	}
	again, err := Open(s.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if kept, ok := again.Address(sum(wheel)); ok {
		t.Errorf("kept %s", kept)
	}
}

// A body without an end is not fetched to its end.
func TestEndless(t *testing.T) {
	x := newIndex(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(wheel); err != nil {
				return
			}
		}
	})
	s := open(t, Options{Stall: time.Minute})
	s.Expect(sum(wheel), "pin-1.whl", int64(len(wheel)))
	if err := s.Remember(sum(wheel), x.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.File(t.Context(), sum(wheel)); err == nil ||
		!strings.Contains(err.Error(), "much longer than expected") {
		t.Errorf("got %v", err)
	}
}
