package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins/hub"
)

// indented is Python as a text of hub.extraConfig, whose first line is line 5.
func indented(code string) string {
	return "hub:\n  config: {Authenticator: {allowed_users: [collab-a, collab-b]}}\n  extraConfig:\n    a: |\n  " +
		"    " + strings.ReplaceAll(strings.TrimSpace(code), "\n", "\n      ") + "\n"
}

// none is a file of secrets with nothing in it.
var none = hub.CheckOptions{Secrets: &hub.File{Name: "none.yaml"}}

// checked are findings, each as "line rule", in order.
func checked(files []hub.File) (string, error) {
	var got []string
	found := hub.CheckValues(files, none)
	for _, f := range found {
		got = append(got, fmt.Sprint(f.Line, " ", f.Rule))
	}
	slices.Sort(got)
	return strings.Join(got, "; "), found
}

const role = `c.JupyterHub.load_roles`

// pythonCases are the cases of TestPython.
var pythonCases = map[string]struct{ code, want string }{
	"a loop": {"for g in ['x y', 'ok']:\n  " + role +
		".append({'name': f'r-{g}', 'groups': ['g'], 'scopes': []})", "6 role-name"},
	"a range": {"for i in range(1, 3):\n  " + role +
		".append(dict(name='R%d' % i, groups=['g'], scopes=[]))", "6 role-name; 6 role-name"},
	"format": {role + " += [{'name': 'R {}'.format(1), 'groups': ['g'], 'scopes': []}]",
		"5 role-name"},
	"insert": {role + ".insert(0, {'name': 'R', 'groups': ['g'], 'scopes': []})", "5 role-name"},
	"another name": {"a = b = " + role + "\nb.append({'name': 'R', 'groups': ['g'], 'scopes': []})",
		"6 role-name"},
	"a comprehension": {role +
		" = [{'name': x, 'groups': ['g'], 'scopes': ['bogus']} for x in ('aaa', 'bbb')]", "5 scope"},
	"a function": {"def setup():\n  " + role +
		" = [{'name': 'R', 'groups': ['g'], 'scopes': []}]\nsetup()", "6 role-name"},
	"a function not called": {"def setup():\n  " + role + " = [{'name': 'R', 'groups': ['g'], 'scopes': []}]", ""},
	"a function of itself":  {"def f():\n  f()\nf()", ""},
	"groups together": {"x = {'a': ['collab-c']}\nc.JupyterHub.load_groups = x | {'b': ['collab-d']}",
		"5 groups-form; 6 groups-form"},
	"groups changed": {"c.JupyterHub.load_groups = {}\nc.JupyterHub.load_groups |= {'b': {'users': " +
		"['jo']}}", "6 members-in-the-open"},
	"update": {"c.JupyterHub.load_groups.update({'b': ['collab-d']})", "5 groups-form"},
	"an unknown account": {role +
		".append({'name': 'aaa', 'groups': ['g'], 'scopes': ['admin-ui', 'list:users!user=zed', " +
		"'servers!user=zed', 'access:servers!user=zed']})", "5 no-account"},
	"an account from afar": {"c.JupyterHub.load_groups = read()\n" + role +
		".append({'name': 'aaa', 'groups': ['g'], 'scopes': ['admin-ui', 'list:users!user=zed', " +
		"'servers!user=zed', 'access:servers!user=zed']})", ""},
	"if and else": {"if env:\n  c.Authenticator.manage_groups = True\nelse:\n" +
		"  c.JupyterHub.load_groups = {'a': {'users': ['collab-a']}}", ""},
	"roles of two branches": {"r = [{'name': 'aaa', 'groups': ['g'], 'scopes': []}]\nif x:\n  " + role +
		".extend(r)\nelse:\n  " + role + ".extend(r)", ""},
	"a wrong role in one": {"if x:\n  " + role + ".append({'name': 'A', 'groups': ['g'], 'scopes': []})",
		"6 role-name"},
	"try": {"try:\n  c.JupyterHub.load_groups['a'] = ['collab-a']\nexcept TypeError:\n" +
		"  c.JupyterHub.load_groups = {}", ""},
	"no bracket":         {"x = [1,\ny = 2", "5 python"},
	"no colon":           {"if x\n  y = 1", "5 python"},
	"no end of a text":   {"x = '''abc\n", "5 python"},
	"no end of a line":   {"x = 'abc\ny = 1\n", "5 python"},
	"all kinds of lines": {allKinds, ""},
	"a value in itself":  {"d = {}\nd['d'] = d\nc.ServerApp.x = d\nc.JupyterHub.other = d", ""},
	"a text without end": {"s = 'aaaaaaaa'\nl = [1]\nfor i in range(60):\n  s += s\n  l += l\n  l = l + " +
		"l\n  l.extend(l)\nc.A.b = s", ""},
	"names taken apart": {"c.JupyterHub.load_groups = {'a': {}}\ndef f(g):\n  _, b = g.name.split('::')\n",
		"7 group-names-taken-apart"},
	"looked at first": {"c.JupyterHub.load_groups = {'a': {}}\ndef f(g):\n  if g.name.count('::') == " +
		"1:\n    _, b = g.name.split('::')\n", ""},
	"idle culler": {role +
		".append({'name': 'aaa', 'services': ['jupyterhub-idle-culler'], 'scopes': []})", ""},
	"groups of another form": {"c.JupyterHub.load_groups = ['g']", "5 type"},
	"a late function":        {"x = later()\n    b: |\n      def later(): pass", "5 late"},
	"a late class":           {"c.JupyterHub.spawner_class = Mine\n    b: |\n      class Mine(A): pass", "5 late"},
	"a hook for a hook": {"c.Spawner.pre_spawn_hook = f\n    b: |\n      c.KubeSpawner.pre_spawn_hook = g",
		"7 hook-replaced"},
	"a hook that asks": {"c.Spawner.pre_spawn_hook = f\n    b: |\n      before " +
		"= c.Spawner.pre_spawn_hook\n      c.Spawner.pre_spawn_hook = g", ""},
	"late in a function": {"def f(): return later()\n    b: |\n      def later(): pass", ""},
}

// Python is foretold where it can be, and what can't be is no ground for a finding.
func TestPython(t *testing.T) {
	for name, test := range pythonCases {
		code := indented(test.code)
		if strings.Contains(test.code, "\n    b: |") { // a second text
			code = strings.Replace(code, "          b: |\n            ", "    b: |\n      ", 1)
		}
		if got, found := checked([]hub.File{{Name: "v.yaml", Data: []byte(code)}}); got != test.want {
			t.Errorf("%s: got %s, want %s: %v\n%s", name, got, test.want, found, code)
		}
	}
}

// allKinds is Python that configurations may hold, and that is right.
const allKinds = `import os, sys
from a import (b,
  c as d)
@x
class A(B):
  def f(self, *a, **k) -> int:
    return [i for i in a if i][1:2]

async def g(s):
  async with x as y:
    await y
lambda: 0
x: int = 3; y = x if x else not y
while False: pass
with open('a') as f:
  z = f.read()
print(f'{x!r:>{y}}', *z, sep="")
c.X.y = {**a, 'b': 1}
c.KubeSpawner.z = c.X.y['b'] @ 3 // 2
del x
assert y, 'no'
"""a text
of two lines"""
x = (1
  + 2) \
  * 3  # and a remark: [
`

// Files that a deployment really has, and slips in them.
func TestLayouts(t *testing.T) {
	for name, test := range map[string]struct{ files, want string }{ // files by ---
		"numbers and letters": {"hub: {config: {JupyterHub: {load_groups: {g: {users: [2023]}, h: alice, i: " +
			"{users: alice}, j: {user: [alice]}}}}}", "1 type; 1 type; 1 type; 1 type"},
		"roles of no type": {"hub: {loadRoles: {aaa: {scopes: self, groups: [g]}, bbb: {scope: [self], " +
			"groups: g}}}", "1 role-of-nobody; 1 type; 1 type; 1 type"},
		"a list for a role":  {"hub: {loadRoles: {ccc: [x]}}", "1 type; 1 type"},
		"admin":              {"hub: {loadRoles: {admin: {scopes: [self], users: [x]}}}", "1 type"},
		"no name":            {"hub: {config: {JupyterHub: {load_roles: [{scopes: [], groups: [g]}]}}}", "1 type"},
		"texts for booleans": {"hub: {config: {Authenticator: {manage_groups: 'true'}}}", "1 type"},
		"filters of nothing": {"hub: {loadRoles: {aaa: {scopes: ['list:users!group', 'custom:foo', " +
			"'access:servers!user'], groups: [g]}}}", "1 scope; 1 scope"},
		"custom scopes": {"hub: {config: {JupyterHub: {custom_scopes: {'custom:foo': {}}}}, loadRoles: " +
			"{aaa: {scopes: ['custom:foo'], groups: [g]}}}", ""},
		"two blocks": {"hub: {}\nsingleuser: {}\nhub: {}", "3 duplicate-key"},
		"deeper": {"basehub:\n  jupyterhub:\n    hub:\n      config: {Authenticator: " +
			"{managed_groups: true}}", "4 managed-groups"},
		"capitals":              {"Hub: {}\nsingleUser: {}", "1 unknown-key; 2 unknown-key"},
		"a text for a hub":      {"hub: x", "1 type"},
		"a text for a mapping":  {"hub: {extraConfig: 'x = 1'}", "1 type"},
		"a list":                {"[a]", "1 misplaced"},
		"at two places":         {"jupyterhub: {hub: {config: {}}}\n---\nhub: {config: {}}", "1 misplaced"},
		"both in one":           {"jupyterhub: {hub: {}}\nhub: {}", "1 misplaced"},
		"beside a subchart":     {"nfs: {}\njupyterhub: {hub: {}}", ""},
		"a command of one text": {"singleuser: {cmd: 'jupyterhub-singleuser --x.y=1'}", "1 command"},
		"a subclass": {"hub: {config: {Authenticator: {manage_groups: true}, GitHubOAuthenticator: " +
			"{manage_groups: false}, JupyterHub: {load_groups: {g: {users: [collab-x]}}}}}", ""},
		"an idp": {"hub: {config: {CILogonOAuthenticator: {allowed_idps: {x: {username_derivation: " +
			"{}}}}, JupyterHub: {authenticator_class: cilogon}}}", "1 nobody-allowed"},
		"an idp that allows": {"hub: {config: {CILogonOAuthenticator: {allowed_idps: {x: {allow_all: true}}}, " +
			"JupyterHub: {authenticator_class: cilogon}}}", ""},
		"no culler": {"cull: {enabled: false}\nhub: {loadRoles: {aaa: {services: " +
			"[jupyterhub-idle-culler], scopes: []}}}", "2 role-of-no-service"},
		"encrypted": {"hub: {config: {JupyterHub: {authenticator_class: github}}, loadRoles: {aaa: " +
			"{services: [b], groups: [g], scopes: [admin-ui, 'list:users!user=x', 'servers!user=x', " +
			"'access:servers!user=x']}}}\n---\nhub:\n  services: ENC[x]\nsops: {a: b}", "3 encrypted"},
		"nothing for the chart": {"nfs: {a: b}", "1 misplaced"},
		"a fault on one line":   {"a: 1\nb: [x, \"y\" z]\n", "2 yaml"},
		"two documents":         {"a: 1\n--- \nb: 1\n", "2 yaml"},
	} {
		var files []hub.File
		for _, text := range strings.Split(test.files, "\n---\n") {
			files = append(files, hub.File{Name: "v.yaml", Data: []byte(text)})
		}
		if got, found := checked(files); got != test.want {
			t.Errorf("%s: got %s, want %s: %v", name, got, test.want, found)
		}
	}
}

// Whatever is wrong with the secrets, none of their words is told.
func TestSecretsStaySecret(t *testing.T) {
	plain := []hub.File{{Name: "v.yaml",
		Data: []byte("hub: {loadRoles: {aaa: {groups: [g], scopes: []}}}\nsingleuser: {cmd: [a, --x]}\n")}}
	for i, text := range []string{
		"hub:\n  alicesecret: x\n  config:\n    bobsecret: {}\n    JupyterHub:\n      load_groups:\n        " +
			"zoesecret: [xsecret]\n        ysecret: {user: [wsecret]}\n        vsecret: usecret\n        tsecret: " +
			"{users: [1, S/secret]}\n  loadRoles:\n    R secret: {groups: [q-secret], services: [psecret], scopes: " +
			"['osecret!nsecret=m', 'access:servers!user=Lsecret']}\n  extraFiles: {ksecret: {jsecret: 1}}\n",
		"hub:\n  extraConfig:\n    asecret: |\n      for isecret in hsecret: pass\n     " +
			" c.JupyterHub.load_roles.append({'name': 'Gsecret', 'groups': [], 'scopes': ['fsecret']})\n    " +
			"  c.JupyterHub.load_groups['esecret'] = [\n    bsecret: |\n      hsecret = 1\n",
		"hub: {a: 1, a: 2}\nsecret: [\n",
		"asecret: {bsecret: 1, bsecret: 2}\n",
		"singleuser: {csecret: 1, cmd: [dsecret], extraEnv: {JUPYTERHUB_SINGLEUSER_APP: notebook.secret, " +
			"JUPYTERHUB_SINGLEUSER_EXTENSION: '1'}}\nsecret: 1\n",
		"secretary:\n  jupyterhub: {hub: {config: {}}}\n",
		"[secret]",
		"secret",
	} {
		for _, f := range hub.CheckValues(plain,
			hub.CheckOptions{Secrets: &hub.File{Name: "s.yaml", Data: []byte(text)}}) {
			if strings.Contains(strings.ReplaceAll(f.Message, "the secrets", ""), "secret") {
				t.Errorf("%d: a secret is told: %s", i, f.Error())
			}
		}
	}
}
