package hub_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// teams are groups as an authenticator names them.
var teams = []string{"course::1524699::group::Team 1", "course::1524699::group::team-1"}

// TestManaged is the coming way: the authenticator brings the groups, whose names are
// no names of roles, and with each login who is in them.
func TestManaged(t *testing.T) {
	course := withAccounts(t, "stat159")
	file := filepath.Join(course, "pins.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(data), "\naccounts:\n")
	if err := os.WriteFile(file, []byte(before+"\naccounts:\n  manage_groups: true\n  groups:\n    - "+teams[0]+
		"\n    - {group: \""+teams[1]+"\", memory: 2G}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	values := rendered(t, course, "6.1.1")
	own := write(t, "own.yaml", "hub: {config: {JupyterHub: {authenticator_class: "+
		"open_authenticator.GroupsAuthenticator}, Authenticator: {allow_all: true}}}\n")
	driftpin(t, 0, "hub", "check", values, own, "--hub", "6.1.1")
	l := newLab(t, "6.1.1", unpacked(t, "stat159"), merge(t, values, own))
	first, second := l.accountOf(teams[0]), l.accountOf(teams[1])
	if first == second || first == "" || second == "" {
		t.Fatalf("two groups have the accounts %q and %q", first, second)
	}
	member := students()[0]
	l.bring(map[string][]string{teams[0]: {member}})
	l.mustStart()
	if got := l.login(member); got != 302 {
		t.Fatalf("logging in: %d", got)
	}
	token := l.token(member)
	for _, account := range []string{first, second} {
		got, _ := l.call("POST", "/hub/api/users/"+account+"/server", token, "")
		if member := account == first; member != (got == 201 || got == 202) {
			t.Errorf("the account of a group, a member %t: start: %d", member, got)
		}
	}
	l.await(first, true)
	l.call("DELETE", "/hub/api/users/"+first+"/server", token, "")
	l.await(first, false)

	// Out of the group: at the next login, and not before.
	l.bring(map[string][]string{teams[1]: {member}})
	if got, _ := l.call("POST", "/hub/api/users/"+first+"/server", token, ""); got != 201 && got != 202 {
		t.Errorf("before the next login: start: %d", got)
	}
	l.await(first, true)
	l.call("DELETE", "/hub/api/users/"+first+"/server", token, "")
	l.await(first, false)
	l.login(member)
	if got, _ := l.call("POST", "/hub/api/users/"+first+"/server", token, ""); got != 403 && got != 404 {
		t.Errorf("after the next login: %d", got)
	}
}

// accountOf is the account that the values give to a group.
func (l *lab) accountOf(group string) string {
	for _, role := range l.values["hub"].(map[string]any)["loadRoles"].(map[string]any) {
		r := role.(map[string]any)
		groups, _ := r["groups"].([]any)
		if len(groups) == 1 && groups[0] == group {
			account, _ := strings.CutPrefix(r["scopes"].([]any)[3].(string), "access:servers!user=")
			return account
		}
	}
	return ""
}

// bring says which groups the authenticator brings.
func (l *lab) bring(groups map[string][]string) {
	l.t.Helper()
	data, err := json.Marshal(groups)
	if err == nil {
		l.groups = filepath.Join(l.dir, "groups.json")
		err = os.WriteFile(l.groups, data, 0o600)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}
