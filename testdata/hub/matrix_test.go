package hub_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withAccounts is a copy of the course with the tests' three groups, of which the
// second has limits.
func withAccounts(t *testing.T, course string) string {
	t.Helper()
	from, dir := need(t, "build/courses/"+course), filepath.Join(t.TempDir(), course)
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pins.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), "oci-layout:../../../build", "oci-layout:"+top+"/build", 1)
	text += "\naccounts:\n  groups: [shared-1, {group: shared-2, memory: 3G, cpu: 1.5}, shared-3]\n " +
		" manage_groups: false\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rendered writes the values that driftpin renders.
func rendered(t *testing.T, course, version string) string {
	t.Helper()
	values, _ := driftpin(t, 0, "hub", "render", course, "--hub", version, "--image",
		"registry.example.edu/hub/stat159@sha256:"+strings.Repeat("ab", 32))
	return write(t, "values.yaml", values)
}

// TestMatrix holds each student against each account, through the hub's own API:
// what the seed says is allowed, and nothing else.
func TestMatrix(t *testing.T) {
	for _, version := range []string{"3.1.1", "6.1.1"} {
		t.Run(version, func(t *testing.T) {
			course := withAccounts(t, "stat159")
			values, members := rendered(t, course, version), secrets(t, version)
			//driftpin(t, 0, "hub", "check", values, "--secrets", members, "--hub", version)
			l := newLab(t, version, unpacked(t, "stat159"), merge(t, values, members))
			l.mustStart()
			tokens := map[string]string{}
			for _, s := range students() {
				tokens[s] = l.token(s)
			}
			wrong := 0
			for _, g := range groups {
				wrong += l.holdAccount(g.name, g.members, tokens)
			}
			wrong += l.holdStudents(tokens)
			if wrong > 0 {
				t.Errorf("%d of the answers are wrong", wrong)
			}
			l.holdLimits()
			if warned := strings.Contains(l.serverLog("collab-shared-1"),
				"jupyterhub version "+version+
					" != jupyterhub-singleuser version 3.1.1"); warned != (version != "3.1.1") {
				t.Errorf("the server warns of another version of the hub: %t", warned)
			}
			l.holdTakenOut(tokens)
		})
	}
}

// pair is how a student stands to an account, without his name.
func pair(member bool, i int, account string) string {
	if member {
		return fmt.Sprintf("student %d, a member, %s", i+1, account)
	}
	return fmt.Sprintf("student %d, no member, %s", i+1, account)
}

// holdAccount tries an account with every student, strangers first: its server has
// to outlive their attempts.
func (l *lab) holdAccount(group string, members []string, tokens map[string]string) (wrong int) {
	l.t.Helper()
	account := "collab-" + group
	expect := func(what string, got int, want ...int) {
		l.t.Helper()
		for _, w := range want {
			if got == w {
				return
			}
		}
		wrong++
		l.t.Errorf("%s: %d, want %v", what, got, want)
	}
	isMember := func(s string) bool { return s == members[0] || s == members[1] }
	start := func(s string) int { return l.startAs(account, tokens[s]) }
	for i, s := range students() {
		if !isMember(s) {
			expect(pair(false, i, account)+", start", start(s), 403, 404)
		}
	}
	expect("a member, start", start(members[0]), 201, 202)
	l.await(account, true)
	for i, s := range students() {
		who := pair(isMember(s), i, account)
		access, _ := l.call("GET", "/user/"+account+"/api/status", tokens[s], "")
		_, list := l.call("GET", "/hub/api/users", tokens[s], "")
		seen := strings.Contains(list, `"`+account+`"`)
		if isMember(s) {
			expect(who+", access", access, 200)
			if _, me := l.call("GET", "/user/"+account+"/api/me", tokens[s], ""); !strings.Contains(me, `"`+s+`"`) {
				wrong++
				l.t.Errorf("%s: the server takes the visitor for another", who)
			}
		} else {
			expect(who+", access", access, 403)
			stop, _ := l.call("DELETE", "/hub/api/users/"+account+"/server", tokens[s], "")
			expect(who+", stop", stop, 403, 404)
		}
		if seen != isMember(s) {
			wrong++
			l.t.Errorf("%s: listed is %t", who, seen)
		}
	}
	if linked, _ := l.call("GET", "/user/"+account+"/api/status?token="+tokens[members[0]], "", ""); linked != 200 {
		l.t.Errorf("a link with ?token=: %d: then the single-user server of 3.1.1 refuses it, and rule link-share "+
			"is wrong", linked)
	}
	status, _ := l.call("GET", "/user/"+account+"/api/status", testerToken, "")
	expect("the server has outlived the strangers", status, 200)
	l.holdStarts(account, members, tokens, expect)
	return wrong
}

// holdStarts has each member start the server, and stop it.
func (l *lab) holdStarts(account string, members []string, tokens map[string]string, expect func(string, int, ...int)) {
	l.t.Helper()
	for i, pair := range [][2]string{{members[1], members[1]}, {members[1], members[0]}} { // who starts, who stops
		if i > 0 {
			expect("the other member, start", l.startAs(account, tokens[pair[0]]), 201, 202)
			l.await(account, true)
		}
		stop, _ := l.call("DELETE", "/hub/api/users/"+account+"/server", tokens[pair[1]], "")
		expect("a member, stop", stop, 202, 204)
		l.await(account, false)
	}
}

// startAs starts the account's server with somebody's token, and returns the status.
func (l *lab) startAs(account, token string) int {
	status, _ := l.call("POST", "/hub/api/users/"+account+"/server", token, "")
	return status
}

// holdStudents tries every student with every other student's own server and home.
func (l *lab) holdStudents(tokens map[string]string) (wrong int) {
	l.t.Helper()
	for i, owner := range students() {
		wrong += l.holdOwner(i, owner, tokens)
	}
	return wrong
}

// holdOwner tries every other student with one's own server.
func (l *lab) holdOwner(n int, owner string, tokens map[string]string) (wrong int) {
	l.t.Helper()
	if status, _ := l.call("POST", "/hub/api/users/"+owner+"/server", tokens[owner], ""); status != 201 &&
		status != 202 {
		l.t.Fatalf("a student's own server does not start: %d", status)
	}
	l.await(owner, true)
	for i, s := range students() {
		if i == n {
			continue
		}
		for what, want := range map[[2]string][]int{
			{"POST", "/hub/api/users/" + owner + "/server"}:   {403, 404},
			{"GET", "/user/" + owner + "/api/status"}:         {403},
			{"GET", "/user/" + owner + "/api/contents"}:       {403},
			{"DELETE", "/hub/api/users/" + owner + "/server"}: {403, 404},
			{"GET", "/hub/api/users/" + owner}:                {403, 404},
		} {
			if got, _ := l.call(what[0], what[1], tokens[s], ""); got != want[0] && got != want[len(want)-1] {
				wrong++
				l.t.Errorf("student %d, the server of student %d: %s: %d, want %v", i+1, n+1, what[0], got, want)
			}
		}
		_, list := l.call("GET", "/hub/api/users", tokens[s], "")
		var users []struct{ Name string }
		if err := json.Unmarshal([]byte(list), &users); err == nil {
			for _, u := range users {
				if u.Name != s && !strings.HasPrefix(u.Name, "collab-") {
					wrong++
					l.t.Errorf("student %d sees another student in the list", i+1)
				}
			}
		}
	}
	if status, _ := l.call("GET", "/user/"+owner+"/api/contents", tokens[owner], ""); status != http.StatusOK {
		wrong++
		l.t.Errorf("a student's own home: %d", status)
	}
	l.call("DELETE", "/hub/api/users/"+owner+"/server", tokens[owner], "")
	l.await(owner, false)
	return wrong
}

// holdLimits looks at what the servers were given: those of the group with limits
// have them.
func (l *lab) holdLimits() {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, "limits.log"))
	if err != nil {
		l.t.Fatal(err)
	}
	if want := "collab-shared-2 3221225472 1.5\n"; !strings.Contains(string(data), want) ||
		!strings.Contains(string(data), "collab-shared-1 None None\n") {
		l.t.Errorf("the limits are\n%s", strings.NewReplacer(nameless...).Replace(string(data)))
	}
}

// holdTakenOut takes a member out of the file of secrets and restarts the hub: he
// stays, as load_groups only adds. Out of the group by the hub's API, he is.
func (l *lab) holdTakenOut(tokens map[string]string) {
	l.t.Helper()
	gone := groups[0].members[1]
	start := func() int {
		status, _ := l.call("POST", "/hub/api/users/collab-shared-1/server", tokens[gone], "")
		return status
	}
	l.stop()
	over := merge(l.t, secrets(l.t, l.version,
		gone))["hub"].(map[string]any)["config"].(map[string]any)["JupyterHub"].(map[string]any)["load_groups"].(map[string]any)
	loaded := l.values["hub"].(map[string]any)["config"].(map[string]any)["JupyterHub"].(map[string]any)["load_groups"].(map[string]any)
	for k, v := range over {
		loaded[k] = v
	}
	l.mustStart()
	if got := start(); got != 201 && got != 202 {
		l.t.Errorf("taken out of the secrets, and the hub restarted: %d: then load_groups does more than add, and "+
			"the documentation is wrong", got)
	}
	l.await("collab-shared-1", true)
	if status, _ := l.call("DELETE", "/hub/api/groups/shared-1/users", testerToken, fmt.Sprintf(`{"users": [%q]}`,
		gone)); status != http.StatusOK {
		l.t.Fatalf("taking a member out by the API: %d", status)
	}
	l.call("DELETE", "/hub/api/users/collab-shared-1/server", testerToken, "")
	l.await("collab-shared-1", false)
	if got := start(); got != 403 && got != 404 {
		l.t.Errorf("taken out by the API: start: %d", got)
	}
}

// TestClassicServer is what the course saw first: with the classic notebook's server,
// as the hub's own values had it, jupyterlab 3.6 is not found.
func TestClassicServer(t *testing.T) {
	course := withAccounts(t, "stat159")
	values, members := rendered(t, course, "3.1.1"), secrets(t, "3.1.1")
	classic := write(t, "classic.yaml", "singleuser: {extraEnv: {JUPYTERHUB_SINGLEUSER_APP: "+
		"notebook.notebookapp.NotebookApp}}\n")
	if said, _ := driftpin(t, 3, "hub", "check", values, classic, "--hub", "3.1.1", "--course",
		course); !strings.Contains(said, "answers 404") {
		t.Errorf("hub check does not say it:\n%s", said)
	}
	l := newLab(t, "3.1.1", unpacked(t, "stat159"), merge(t, values, members, classic))
	l.mustStart()
	token := l.token(groups[0].members[0])
	l.call("POST", "/hub/api/users/collab-shared-1/server", token, "")
	l.await("collab-shared-1", true)
	if got, _ := l.call("GET", "/user/collab-shared-1/lab", token, ""); got != http.StatusNotFound {
		t.Errorf("/lab: %d", got)
	}
}
