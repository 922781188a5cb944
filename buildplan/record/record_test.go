package record

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	pause = time.Millisecond
	os.Exit(m.Run())
}

// A world is a server, and a store that is kept.
type world struct {
	*httptest.Server
	files *store.Store
	home  string
	asked atomic.Int32
}

func newWorld(t *testing.T, handler http.HandlerFunc) *world {
	w := &world{home: t.TempDir()}
	w.Server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		handler(rw, r)
	}))
	t.Cleanup(w.Server.Close)
	w.files = openStore(t, w.home)
	return w
}

func openStore(t *testing.T, home string) *store.Store {
	files, err := store.Open(home, store.Options{Pause: 1})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// proxy is one in record mode, or replaying if online is false.
func (w *world) proxy(t *testing.T, files *store.Store, known []pins.Answer, online bool) (*Proxy, *http.Client) {
	var servers http.RoundTripper
	if online {
		servers = w.Client().Transport
	}
	p, err := New("postBuild", files, Options{Known: known, Servers: servers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.CA())
	transport := &http.Transport{DisableCompression: true,
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"}),
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go p.Serve(theirs)
			return ours, nil
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return p, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// get says how an address is answered: the status, the body.
func get(t *testing.T, c *http.Client, method, address, body string) string {
	t.Helper()
	method, accept, _ := strings.Cut(method, " ")
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "error"
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return "cut short"
	}
	said := fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(data)))
	if packed := resp.Header.Get("Content-Encoding"); packed != "" {
		said += " " + packed
	}
	return said
}

// script is what a script asks, and what it is told, the same when recorded and
// when replayed.
var script = []struct{ method, path, body, want string }{
	{"GET", "/file", "", "200 bytes"},
	{"GET", "/file", "", "200 bytes"},
	{"HEAD", "/file", "", "200 "},
	{"GET", "/none", "", "404 "},
	{"GET", "/dir", "", "301 "},
	{"GET", "/ticket", "", "200 signed"},
	{"POST", "/echo", "a", "200 a"},
	{"POST", "/echo", "b", "200 b"},
	{"GET", "/flaky", "", "200 at last"},
	{"GET", "/count", "", "200 1"},
	{"GET", "/count", "", "200 1"},
	{"GET", "/q?b=2&a=1", "", "200 b=2&a=1"},
	{"GET", "/empty", "", "200 "},
	{"GET", "/ä%20ö", "", "200 /ä ö"},
	{"GET a/1", "/accept", "", "200 a/1"},
	{"GET b/2", "/accept", "", "200 b/2"},
	{"GET", "/echo", "a body", "200 a body"},
	{"GET", "/packed", "", "200 packed gzip"},
	{"GET", "/refused", "", "401 "},
	{"GET", "/list?pageToken=1", "", "200 pageToken=1"},
	{"GET", "/list?pageToken=2", "", "200 pageToken=2"},
	{"HEAD", "/flushed", "", "200 "},
}

func serve(count *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/file":
			w.Header().Set("Etag", `"x"`)
			io.WriteString(w, "bytes")
		case "/none":
			http.Error(w, "a page in many words", http.StatusNotFound)
		case "/dir":
			http.Redirect(w, r, "/dir/", http.StatusMovedPermanently)
		case "/ticket":
			http.Redirect(w, r, "/store?signature=hush", http.StatusFound)
		case "/store":
			io.WriteString(w, "signed")
		case "/echo":
			io.Copy(w, r.Body)
		case "/flaky":
			if count.Add(1) == 1 {
				http.Error(w, "", http.StatusBadGateway)
				return
			}
			io.WriteString(w, "at last")
		case "/count":
			fmt.Fprint(w, count.Add(100)/100)
		case "/accept":
			io.WriteString(w, r.Header.Get("Accept"))
		case "/packed":
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Link", `<https://example.test/x?access_token=hush>; rel="next"`)
			io.WriteString(w, "packed")
		case "/refused":
			w.WriteHeader(http.StatusUnauthorized)
		case "/flushed":
			w.(http.Flusher).Flush()
		case "/list":
			io.WriteString(w, r.URL.RawQuery)
		case "/q":
			io.WriteString(w, r.URL.RawQuery)
		case "/empty":
		default:
			io.WriteString(w, r.URL.Path)
		}
	}
}

func TestRecordAndReplay(t *testing.T) {
	var count atomic.Int32
	w := newWorld(t, serve(&count))
	p, c := w.proxy(t, w.files, nil, true)
	for _, ask := range script {
		if got := get(t, c, ask.method, w.URL+ask.path, ask.body); got != ask.want {
			t.Errorf("recording %s %s: %q, want %q", ask.method, ask.path, got, ask.want)
		}
	}
	if failed := p.Failures(); len(failed) > 0 {
		t.Error(failed)
	}
	answers := p.Answers()
	lock := lockOf(t, answers)
	if strings.Contains(lock.String(), "hush") {
		t.Error("the ticket of a redirect is in the lock")
	}

	w.Server.Close()
	asked := w.asked.Load()
	p, c = w.proxy(t, openStore(t, w.home), lock.Recordings[0].Answers, false)
	for _, ask := range script {
		if got := get(t, c, ask.method, w.URL+ask.path, ask.body); got != ask.want {
			t.Errorf("replaying %s %s: %q, want %q", ask.method, ask.path, got, ask.want)
		}
	}
	if failed := p.Failures(); len(failed) > 0 {
		t.Error(failed)
	}
	order := func(all []pins.Answer) []pins.Answer {
		slices.SortFunc(all, func(a, b pins.Answer) int { return strings.Compare(a.Key(), b.Key()) })
		return all
	}
	if diff := cmp.Diff(order(answers), order(p.Answers())); diff != "" {
		t.Error(diff)
	}
	if w.asked.Load() != asked {
		t.Error("a server was asked while replaying")
	}
	if got := get(t, c, "GET", w.URL+"/other", ""); got != "403 driftpin: was not recorded" {
		t.Errorf("what was not recorded: %q", got)
	}
	want := []Failure{{"postBuild", pins.Answer{Method: "GET", URL: w.URL + "/other"}, Unrecorded, nil}}
	if diff := cmp.Diff(want, p.Failures()); diff != "" {
		t.Error(diff)
	}
}

// lockOf writes answers into a lock and reads them from it.
func lockOf(t *testing.T, answers []pins.Answer) *pins.Lock {
	t.Helper()
	l := &pins.Lock{Course: "c", Base: "sha256:" + strings.Repeat("0", 64), Platforms: []string{"linux/amd64"},
		Recordings: []pins.Recording{{Script: "postBuild", Inputs: "sha256:" + strings.Repeat("1", 64),
			Answers: answers}}}
	l.Sort()
	read, err := pins.ParseLock("pins.lock", []byte(l.String()))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// The same address with other bytes, or none: the script gets nothing, and the
// failure names it.
func TestOtherBytes(t *testing.T) {
	body := "one"
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, body) })
	system := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = system })
	http.DefaultTransport = w.Client().Transport // the store trusts what the system does
	p, c := w.proxy(t, w.files, nil, true)
	get(t, c, "GET", w.URL+"/x", "")
	answers := p.Answers()

	body = "two"
	elsewhere := openStore(t, t.TempDir())
	p, c = w.proxy(t, elsewhere, answers, false)
	if got := get(t, c, "GET", w.URL+"/x", ""); !strings.HasPrefix(got, "502") {
		t.Errorf("other bytes: %q", got)
	}
	failed := p.Failures()
	if len(failed) != 1 || failed[0].Why != Lost || !strings.Contains(failed[0].String(), "has the sha256") {
		t.Errorf("failures: %v", failed)
	}

	p, c = w.proxy(t, elsewhere, answers, true) // when it is locked anew
	if got := get(t, c, "GET", w.URL+"/x", ""); got != "200 two" {
		t.Errorf("locked anew: %q", got)
	}
	if failed := p.Failures(); len(failed) > 0 {
		t.Error(failed)
	}
	body = "three" // and what it has is preferred
	_, c = w.proxy(t, elsewhere, p.Answers(), true)
	if got := get(t, c, "GET", w.URL+"/x", ""); got != "200 two" {
		t.Errorf("preferred: %q", got)
	}
}

// What tells who asks is in no address that is kept.
func TestCredentials(t *testing.T) {
	var seen []string
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		seen = append(seen, user+":"+password+" "+r.URL.RawQuery)
		if user == "" && r.URL.RawQuery == "" {
			rw.Header().Set("WWW-Authenticate", "Basic realm=x")
			http.Error(rw, "who?", http.StatusUnauthorized)
			return
		}
		io.WriteString(rw, "secret bytes")
	})
	p, c := w.proxy(t, w.files, nil, true)
	signed := strings.Replace(w.URL, "https://", "https://me:hush@", 1)
	for _, ask := range []struct{ address, want string }{
		{w.URL + "/a", "401 "},
		{signed + "/a", "200 secret bytes"},
		{w.URL + "/b?token=hush&v=1", "200 secret bytes"},
		{w.URL + "/b?token=other&v=1", "409 was asked with two different credentials"},
		{strings.Replace(signed, "hush", "other", 1) + "/a", "409 was asked with two different credentials"},
		{strings.Replace(w.URL, "https", "HTTPS", 1) + "/b?token=hush&v=1", "200 secret bytes"},
	} {
		if got := get(t, c, "GET", ask.address, ""); got != ask.want {
			t.Errorf("%s: %q, want %q", ask.address, got, ask.want)
		}
	}
	if want := []string{": ", "me:hush ", ": token=hush&v=1"}; !slices.Equal(seen, want) {
		t.Errorf("the server saw %q", seen)
	}
	text := lockOf(t, p.Answers()).String()
	for _, f := range p.Failures() {
		text += f.String()
	}
	if strings.Contains(text, "hush") || strings.Contains(text, "other") || !strings.Contains(text, "/b?token=-&v=1") {
		t.Error(text)
	}
	addresses, _ := filepath.Glob(filepath.Join(w.home, "addresses", "*"))
	for _, file := range addresses {
		if data, _ := os.ReadFile(file); strings.Contains(string(data), "hush") {
			t.Errorf("%s: %s", file, data)
		}
	}
}

// What breaks off, what a server can't do, and what can't be recorded are failures,
// and leave nothing half-written.
func TestFaults(t *testing.T) {
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			rw.Header().Set("Content-Length", "100")
			io.WriteString(rw, "short")
		case "/down":
			http.Error(rw, "", http.StatusServiceUnavailable)
		case "/some":
			if body, _ := io.ReadAll(r.Body); string(body) == "bad" {
				http.Error(rw, "", http.StatusInternalServerError)
			}
		}
	})
	p, c := w.proxy(t, w.files, nil, true)
	for _, ask := range []struct{ method, path, body, want string }{
		{"GET", "/cut", "", "error"}, {"GET", "/down", "", "503 "}, {"PUT", "/x", "", "501 only GET, HEAD and POST can"},
		{"POST", "/some", "bad", "500 "}, {"POST", "/some", "good", "200 "},
	} {
		if got := get(t, c, ask.method, w.URL+ask.path, ask.body); got != ask.want {
			t.Errorf("%s: %q, want %q", ask.path, got, ask.want)
		}
	}
	var whys []Why
	for _, f := range p.Failures() {
		whys = append(whys, f.Why)
	}
	if !slices.Equal(whys, []Why{Unanswered, Unanswered, Unsuited, Unanswered}) || len(p.Answers()) != 1 {
		t.Errorf("%v %v", p.Failures(), p.Answers())
	}
	if left, _ := filepath.Glob(filepath.Join(w.home, "files", "blobs", "sha256", ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	got := get(t, c, "GET", "http://"+steps.ProxyHost+"/end?bypassed=2&left=1", "")
	if !strings.HasPrefix(got, "409 postBuild: GET "+w.URL+"/cut was not answered") || p.End() != (End{true, 2, 1}) {
		t.Errorf("the end: %q, %v", got, p.End())
	}
}

// What a script does not wait for is recorded as a whole all the same, before the
// step is told how it went.
func TestCutOff(t *testing.T) {
	went := make(chan struct{})
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, strings.Repeat("a", 1<<20))
		rw.(http.Flusher).Flush()
		<-went
		io.WriteString(rw, "end")
	})
	p, c := w.proxy(t, w.files, nil, true)
	resp, err := c.Get(w.URL + "/big")
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(resp.Body, make([]byte, 100))
	resp.Body.Close()
	time.AfterFunc(100*time.Millisecond, func() { close(went) })
	if got := get(t, c, "GET", "http://"+steps.ProxyHost+"/end", ""); got != "200 " {
		t.Errorf("the end: %q", got)
	}
	if a := p.Answers(); len(a) != 1 || a[0].Size != 1<<20+3 {
		t.Errorf("recorded: %v", a)
	}
}

// A client that trusts no more than the certificates it brings is named.
func TestRefusedTLS(t *testing.T) {
	w := newWorld(t, func(http.ResponseWriter, *http.Request) {})
	p, c := w.proxy(t, w.files, nil, true)
	c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	get(t, c, "GET", w.URL+"/x", "")
	for end := time.Now().Add(time.Minute); len(p.Failures()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody says so")
		}
	}
	if f := p.Failures()[0]; f.Why != Unsuited || f.Asked.URL != w.URL+"/" {
		t.Error(f)
	}
}

// Bytes that come over an agent's socket are anybody's.
func FuzzProxy(f *testing.F) {
	for _, seed := range []string{"GET http://example.test/x HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n",
		"POST http://e/ HTTP/1.1\r\nHost: e\r\nContent-Length: 3\r\n\r\nabc", "GET / HTTP/1.0\r\n\r\n",
		"GET http://driftpin.invalid/end?bypassed=x HTTP/1.1\r\nHost: driftpin.invalid\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	files, err := store.Open(f.TempDir(), store.Options{Pause: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := New("postBuild", files, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ours, theirs := net.Pipe()
		go p.Serve(theirs)
		go func() {
			ours.Write(data)
			ours.Close()
		}()
		io.Copy(io.Discard, ours)
		for _, a := range p.Failures() {
			if strings.ContainsAny(a.Asked.URL, " \n") {
				t.Errorf("%q is no address of a lock", a.Asked.URL)
			}
		}
	})
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"HTTPS://User:Pw@Example.test:443/a#part":       "https://example.test/a",
		"http://example.test:80":                        "http://example.test/",
		"http://example.test:8080/x?A=1":                "http://example.test:8080/x?A=1",
		"https://e.test/x?X-Amz-Signature=1&v=2&Sig=ab": "https://e.test/x?X-Amz-Signature=-&v=2&Sig=-",
		"https://e.test/x?private_token=1&keys=2":       "https://e.test/x?private_token=-&keys=2",
		"https://e.test/ü?q=ü":                          "https://e.test/%C3%BC?q=%C3%BC",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := address(u); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// What servers of one address say otherwise of a file that programs know by its name is
// not recorded, and the script does not see it either.
func TestPackedFiles(t *testing.T) {
	kinds := []string{"application/zip", "binary/octet-stream"}
	asked := 0
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", kinds[asked%2])
		if asked%2 == 0 {
			rw.Header().Set("Content-Disposition", `attachment; filename="`+r.URL.Query().Get("as")+`"`)
		}
		asked++
		io.WriteString(rw, "bytes")
	})
	for _, test := range []struct {
		path string
		same bool // both recordings are
	}{
		{"/idna-3.3-py3-none-any.whl?as=idna-3.3-py3-none-any.whl", true},
		{"/R/pkg_1.0.TAR.GZ?as=pkg_1.0.TAR.GZ", true},
		{"/download.zip?as=data.csv", false}, // the server's name is another
		{"/download?as=data.csv", false},
		{"/table.csv?as=table.csv", false},
	} {
		var recorded [2][]pins.Answer
		for i := range recorded {
			p, c := w.proxy(t, w.files, nil, true)
			if got := get(t, c, "GET", w.URL+test.path, ""); got != "200 bytes" {
				t.Errorf("%s: %q", test.path, got)
			}
			recorded[i] = p.Answers()
			if has := len(recorded[i][0].Header) > 0; i == 0 && has == test.same {
				t.Errorf("%s: recorded %v", test.path, recorded[i])
			}
		}
		if same := reflect.DeepEqual(recorded[0], recorded[1]); same != test.same {
			t.Errorf("%s: recorded %v, and then %v", test.path, recorded[0], recorded[1])
		}
	}
}
