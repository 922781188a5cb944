package hub_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tried is a line of a file of faults: what a hub of a version does with it.
var tried = regexp.MustCompile(`(?m)^# hub (\S+): (.*)$`)

var (
	asked = regexp.MustCompile(`^(?:as (\S+): )?(GET|POST) (\S+): (\d+)$`)
	login = regexp.MustCompile(`^login (\S+): (\d+)$`)
)

// TestFaults has real hubs take the files of faults: each fails or misbehaves as the
// file says, and hub check has said so before.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(top, "pins/hub/testdata/faults/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tried.FindAllStringSubmatch(string(data), -1) {
			version, want := m[1], m[2]
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+version, func(t *testing.T) {
				t.Parallel()
				rule := strings.Fields(string(data))[3]
				members := write(t, "secrets.yaml", "")
				if rule == "role-of-no-group" {
					members = secrets(t, version)
				}
				said, _ := driftpin(t, 3, "hub", "check", file, "--hub", version, "--secrets", members, "--format",
					"json")
				if !strings.Contains(said, `"rule": "`+rule+`"`) {
					t.Errorf("hub check does not say %s:\n%s", rule, said)
				}
				l := newLab(t, version, "/nowhere", merge(t, file))
				l.shows(want)
			})
		}
	}
}

// shows holds a hub against what it is said to do.
func (l *lab) shows(want string) {
	l.t.Helper()
	if want == "singleuser: ValueError" {
		l.singleuser()
		return
	}
	err := l.start()
	if text, fails := strings.CutPrefix(want, "fails: "); fails {
		if err == nil || !strings.Contains(err.Error(), text) {
			l.t.Errorf("the hub does not end by %q: %v", text, err)
		}
		return
	}
	if err != nil {
		l.t.Fatal(err)
	}
	if text, warns := strings.CutPrefix(want, "warns: "); warns {
		if !strings.Contains(l.log(), text) {
			l.t.Errorf("the hub does not warn of %q:\n%s", text, l.log())
		}
		return
	}
	if m := login.FindStringSubmatch(want); m != nil {
		if got := l.login(m[1]); strconv.Itoa(got) != m[2] {
			l.t.Errorf("%s: %d", want, got)
		}
		return
	}
	m := asked.FindStringSubmatch(want)
	if m == nil {
		l.t.Fatalf("what is %q?", want)
	}
	token := testerToken
	if m[1] != "" {
		token = l.token(m[1])
	}
	if got, body := l.call(m[2], m[3], token, ""); strconv.Itoa(got) != m[4] {
		l.t.Errorf("%s: %d: %s", want, got, body)
	}
}

// login logs a user in by the hub's form, and returns the status of the page that
// comes of it.
func (l *lab) login(user string) int {
	l.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		l.t.Fatal(err)
	}
	client := http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	page, err := client.Get(l.url + "/hub/login")
	if err != nil {
		l.t.Fatal(err)
	}
	_ = page.Body.Close() // the cookie is what is wanted of it
	form := url.Values{"username": {user}, "password": {"x"}}
	at, err := url.Parse(l.url + "/hub/")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, c := range jar.Cookies(at) {
		if c.Name == "_xsrf" {
			form.Set("_xsrf", c.Value)
		}
	}
	resp, err := client.PostForm(l.url+"/hub/login", form)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = resp.Body.Close() // the status is what is wanted of it
	return resp.StatusCode
}

// singleuser starts JupyterHub's own program of single-user servers, with the
// variables of the values.
func (l *lab) singleuser() {
	l.t.Helper()
	data, err := json.Marshal(l.values["singleuser"].(map[string]any)["extraEnv"])
	if err != nil {
		l.t.Fatal(err)
	}
	var env map[string]string
	if err := json.Unmarshal(data, &env); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(top, "build/hub", l.version, "bin/python"), "-m", "jupyterhub.singleuser")
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "ValueError") {
		l.t.Errorf("it does not end by a ValueError: %v: %s", err, out)
	}
}
