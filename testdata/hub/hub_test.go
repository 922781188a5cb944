// Package hub_test has a real JupyterHub launch the images that driftpin built, with
// the values that driftpin rendered. Run it by make test-hub, which makes the images.
package hub_test

import (
	"bytes"
	"context"
	_ "embed" // the words of secrets.txt
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// The students are invented. Their names, and the secret, are words that stand
// nowhere else, so that a search of all output finds each place that tells them:
// make test-hub searches the tests' own log for them too.
//
//go:embed secrets.txt
var secretWords string

// A group is one of the three, with its two members.
type group struct {
	name    string
	members []string
}

var groups = func() (all []group) {
	words := strings.Fields(secretWords)
	for i := range 3 {
		all = append(all, group{fmt.Sprintf("shared-%d", i+1), words[2*i : 2*i+2]})
	}
	return all
}()

var secretWord = strings.Fields(secretWords)[6]

func students() (all []string) {
	for _, g := range groups {
		all = append(all, g.members...)
	}
	return all
}

// nameless are replacements of the students' names, for the tests' own log.
var nameless = func() (pairs []string) {
	for i, name := range students() {
		pairs = append(pairs, name, "student "+strconv.Itoa(i+1))
	}
	return pairs
}()

// top is the repository's top folder.
var top = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}()

// need is something that make test-hub makes: where it is missing, the test is
// skipped, or fails if DRIFTPIN_REQUIRE_NET says that it must be there.
func need(t *testing.T, path string) string {
	t.Helper()
	path = filepath.Join(top, path)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
			t.Fatalf("%v: run make test-hub", err)
		}
		t.Skipf("%v: make test-hub makes it", err)
	}
	return path
}

// driftpin runs the command, and returns what it wrote to stdout and to stderr.
func driftpin(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(need(t, "bin/driftpin"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	tells(t, "driftpin "+strings.Join(args, " "), out.String()+errs.String())
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("driftpin %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), got, status, out.String(),
			errs.String())
	}
	return out.String(), errs.String()
}

// tells fails the test if a text tells a student's name, or the secret.
func tells(t *testing.T, what, text string) {
	t.Helper()
	for _, word := range append(students(), secretWord) {
		if strings.Contains(strings.ToLower(text), word) {
			t.Errorf("%s tells a secret", what)
		}
	}
}

// secrets writes the file of secrets: who is in the groups, as a version of
// JupyterHub takes it.
func secrets(t *testing.T, version string, without ...string) string {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "hub:\n  config:\n    OAuthenticator: {client_secret: %s}\n    JupyterHub:\n     "+
		" load_groups:\n", secretWord)
	for _, g := range groups {
		var members []string
		for _, m := range g.members {
			if len(without) == 0 || m != without[0] {
				members = append(members, m)
			}
		}
		list := "[" + strings.Join(members, ", ") + "]"
		if !strings.HasPrefix(version, "3.") {
			list = "{users: " + list + "}"
		}
		fmt.Fprintf(&text, "        %s: %s\n", g.name, list)
	}
	return write(t, "secrets.yaml", text.String())
}

// write writes a file into a folder of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// merge lays values files over each other, as Helm does.
func merge(t *testing.T, files ...string) map[string]any {
	t.Helper()
	var lay func(under, over map[string]any)
	lay = func(under, over map[string]any) {
		for k, v := range over {
			below, isMap := under[k].(map[string]any)
			if above, ok := v.(map[string]any); ok && isMap {
				lay(below, above)
			} else {
				under[k] = v
			}
		}
	}
	values := map[string]any{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var over map[string]any
		if err := yaml.Unmarshal(data, &over); err != nil {
			t.Fatal(err)
		}
		lay(values, over)
	}
	return values
}

// A lab is a JupyterHub on loopback.
type lab struct {
	t                *testing.T
	version          string
	dir, url, bundle string
	values           map[string]any
	args             []string // more options of the servers
	groups           string   // file of the groups that an authenticator brings
	port, hub, proxy int
	cmd              *exec.Cmd
	ended            chan struct{}
}

const testerToken = "tester-token-of-no-importance"

// newLab prepares a JupyterHub of a version; start starts it.
func newLab(t *testing.T, version, bundle string, values map[string]any, args ...string) *lab {
	t.Helper()
	need(t, "build/hub/"+version+"/bin/jupyterhub")
	l := &lab{t: t, version: version, dir: shortDir(t), bundle: bundle, values: values,
		args: append([]string{}, args...)}
	l.port, l.hub, l.proxy = freePort(t), freePort(t), freePort(t)
	l.url = fmt.Sprintf("http://127.0.0.1:%d", l.port)
	t.Cleanup(func() {
		l.stop()
		l.checkLogs()
	})
	return l
}

// shortDir is a folder that is removed at the end, once nothing runs in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "driftpin-hub-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() || os.Getenv("DRIFTPIN_KEEP") == "" {
			_ = os.RemoveAll(dir) // a leftover in /tmp is no fault of what is tested
		}
	})
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start starts the hub, and waits till it answers. The error has the end of its log.
func (l *lab) start() error {
	home := filepath.Join(top, "build/hub")
	config := map[string]any{
		"url": l.url, "hub": fmt.Sprintf("http://127.0.0.1:%d", l.hub),
		"proxy": fmt.Sprintf("http://127.0.0.1:%d", l.proxy),
		"dir":   l.dir, "bundle": l.bundle, "chp": filepath.Join(home, "node_modules/.bin/configurable-http-proxy"),
		"token": testerToken, "values": l.values, "args": l.args,
	}
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	file := filepath.Join(l.dir, "test.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(l.dir, "hub.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	l.cmd = exec.Command(filepath.Join(home, l.version, "bin/python"), "-m", "jupyterhub", "-f",
		filepath.Join(top, "testdata/hub/jupyterhub_config.py"))
	l.cmd.Dir, l.cmd.Stdout, l.cmd.Stderr = l.dir, log, log
	l.cmd.Env = append(os.Environ(), "TEST_HUB="+file, "GROUPS_FILE="+l.groups, "PYTHONDONTWRITEBYTECODE=1")
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := l.cmd.Start(); err != nil {
		return err
	}
	l.ended = make(chan struct{})
	go func() { _ = l.cmd.Wait(); close(l.ended) }()
	for range 240 {
		select {
		case <-l.ended:
			return fmt.Errorf("the hub ended: %s", l.log())
		case <-time.After(250 * time.Millisecond):
		}
		if status, _ := l.call("GET", "/hub/api/", "", ""); status == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("the hub does not answer: %s", l.log())
}

func (l *lab) mustStart() {
	l.t.Helper()
	if err := l.start(); err != nil {
		l.t.Fatal(err)
	}
}

// stop ends the hub, which stops its servers and its proxy.
func (l *lab) stop() {
	if l.cmd == nil || l.cmd.Process == nil {
		return
	}
	_ = l.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-l.ended:
	case <-time.After(90 * time.Second):
		_ = syscall.Kill(-l.cmd.Process.Pid, syscall.SIGKILL)
		<-l.ended
	}
	l.cmd = nil
}

// log is the hub's log, without students' names, as the test's own log may not tell
// them.
func (l *lab) log() string {
	data, _ := os.ReadFile(filepath.Join(l.dir, "hub.log")) // none yet: nothing to show
	return strings.NewReplacer(nameless...).Replace(string(data))
}

// serverLog is what an account's server has logged.
func (l *lab) serverLog(account string) string {
	data, err := os.ReadFile(filepath.Join(l.dir, "server-"+account+".log"))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

// checkLogs looks for the secret in the logs of the hub: what it was configured
// with and did not need.
func (l *lab) checkLogs() {
	files, _ := filepath.Glob(filepath.Join(l.dir, "*.log"))
	for _, f := range files {
		if data, _ := os.ReadFile(f); bytes.Contains(data, []byte(secretWord)) {
			l.t.Errorf("%s tells the secret", filepath.Base(f))
		}
	}
}

// call asks the hub, or a server through its proxy, with a token.
func (l *lab) call(method, path, token, body string) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, l.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	if token != "" {
		r.Header.Set("Authorization", "token "+token)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // a part tells enough
	return resp.StatusCode, string(text)
}

// token makes a token of a user's own.
func (l *lab) token(user string) string {
	l.t.Helper()
	status, body := l.call("POST", "/hub/api/users/"+user+"/tokens", testerToken, `{"note": "test"}`)
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status >= 300 || made.Token == "" {
		l.t.Fatalf("making a token: %d", status)
	}
	return made.Token
}

// await waits for a server to be there, or to be gone.
func (l *lab) await(account string, there bool) {
	l.t.Helper()
	for range 900 {
		var user struct{ Server string }
		_, body := l.call("GET", "/hub/api/users/"+account, testerToken, "")
		if err := json.Unmarshal([]byte(body), &user); err == nil && (user.Server != "") == there &&
			!strings.Contains(body, `"pending": "s`) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	l.t.Fatalf("the server of %s does not change", account)
}

// unpacked is an image as a folder, which umoci has made of driftpin's layout.
func unpacked(t *testing.T, name string) string {
	t.Helper()
	return need(t, "build/hub/bundles/"+name)
}
