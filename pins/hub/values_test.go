package hub_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/hub"
	"go.yaml.in/yaml/v4"
)

// A fault is a values file with one fault, which a real hub shows too: testdata/hub
// tries the same files.
type fault struct {
	severity, rule, version string
	number                  int
}

func readFault(t *testing.T, file string) (fault, []byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f fault
	if _, err := fmt.Sscanf(string(data), "# rule: %s %s %d", &f.severity, &f.rule, &f.number); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if m := regexp.MustCompile(`(?m)^# version: (.*)`).FindSubmatch(data); m != nil {
		f.version = string(m[1])
	}
	return f, data
}

// Each file of faults has the one finding that it is about, with its line.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files of faults: %v", len(files), err)
	}
	for _, file := range files {
		want, data := readFault(t, file)
		o := hub.CheckOptions{Hub: want.version, Secrets: &hub.File{Name: "none.yaml"}}
		if want.rule == "role-of-no-group" {
			o.Secrets = &hub.File{Name: "secrets.yaml",
				Data: []byte("hub: {config: {JupyterHub: {load_groups: {shared-1: {users: [jo]}}}}}\n")}
		}
		found := hub.CheckValues([]hub.File{{Name: file, Data: data}}, o)
		if len(found) == 0 || slices.ContainsFunc(found, func(f pins.Finding) bool {
			return f.Rule != want.rule || string(f.Severity) != want.severity || f.Line < 2 || f.File != file
		}) {
			t.Errorf("%s: want %s %s: got %v", file, want.severity, want.rule, found)
		}
	}
}

// Each rule with a number is shown by a file of faults, or, of what an image holds,
// by TestCheck.
func TestAllRules(t *testing.T) {
	shown := map[int]bool{17: true, 18: true, 19: true, 21: true} // of the image
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, _ := readFault(t, file)
		shown[f.number] = true
	}
	for n := 1; n <= 26; n++ {
		if !shown[n] {
			t.Errorf("nothing shows rule %d", n)
		}
		if !slices.ContainsFunc(hub.Rules, func(r hub.Rule) bool { return r.Number == n }) {
			t.Errorf("there is no rule %d", n)
		}
	}
	for _, r := range hub.Rules {
		if r.Name == "" || r.Wrong == "" || r.Do == "" || r.Source == "" && r.Name != "no-singleuser" &&
			r.Name != "collaboration-off" && r.Name != "members-in-the-open" {
			t.Errorf("rule %s lacks something", r.Name)
		}
	}
}

// The course's own configuration of March 2023, with names made up.
const ofCourse = `jupyterhub:
  hub:
    config:
      Authenticator:
        manage_groups: false
        admin_users: [collab-admin]
    extraConfig:
      15-initalize-shared-groups: |
        collab_groups = {}
      25-roles-and-shared-accounts: |
        c.JupyterHub.load_groups = {}
        for collab_group, members in collab_groups.items():
          print(f"{collab_group} has {len(members)}")
          c.JupyterHub.load_groups[collab_group] = members
          collab_user = f"collab-{collab_group}"
          c.JupyterHub.load_roles.append({
              "name": f"collab-access-{collab_group}",
              "scopes": ["admin-ui",
                f"list:users!user={collab_user}",
                f"admin:servers!user={collab_user}",
                f"access:servers!user={collab_user}"],
              "groups": [collab_group]})
  singleuser:
    cmd:
      - jupyterhub-singleuser
      - --LabApp.collaborative=true
      - --YDocExtension.ystore_class=tmpystore.TmpYStore
    extraFiles:
      jupyter_server_config.json:
        mountPath: /usr/local/etc/jupyter/jupyter_server_config.json
        data: {BaseFileIdManager: {db_path: /tmp/file_id_manager.db}}
    extraEnv: {JUPYTERHUB_SINGLEUSER_APP: "jupyter_server.serverapp.ServerApp"}
`

const ofSecrets = `jupyterhub:
  hub:
    extraConfig:
      20-define-collab-groups: |
        collab_groups["shared-1"] = ["quillon", "vespera"]
        collab_groups["Course::7::group::x"] = ["quillon"]
`

func TestCourseValues(t *testing.T) {
	plain := []hub.File{{Name: "common.yaml", Data: []byte(ofCourse)}}
	if found := hub.CheckValues(plain, hub.CheckOptions{Hub: "3.1.1"}); len(found) > 0 {
		t.Errorf("without the secrets: %v", found)
	}
	found := hub.CheckValues(plain, hub.CheckOptions{Hub: "3.1.1",
		Secrets: &hub.File{Name: "secrets.yaml", Data: []byte(ofSecrets)}})
	var got []string
	for _, f := range found {
		got = append(got, f.Position.String()+" "+f.Rule)
		if strings.Contains(f.Message, "quillon") || strings.Contains(f.Message, "ourse::7") {
			t.Errorf("a secret is told: %s", f.Message)
		}
	}
	// Both accounts are made by nobody, one filter has a capital, and one role's name is not legal.
	want := []string{"common.yaml:17 role-name", "common.yaml:19 names", "common.yaml:20 names",
		"common.yaml:21 no-account", "common.yaml:21 names"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), found)
	}
}

// What driftpin renders has nothing against it, at any version, and with any legal
// names.
func TestRendered(t *testing.T) {
	m := course(t, stat159+idsFile+"accounts:\n  groups: [shared-1, {group: 'Group 2', memory: 4G, cpu: 0.5}, "+
		"'course::1::group::Ähnlich & \"mehr\"', 1, on]\n")
	for _, version := range []string{"3.0.0", "3.1.1", "4.1.6", "5.5.4", "6.1.1"} {
		for _, managed := range []bool{false, true} {
			m.Accounts.ManageGroups = managed
			data, err := hub.Render(m, hub.RenderOptions{Hub: version, Under: "jupyterhub"})
			if err != nil {
				t.Fatal(err)
			}
			secrets := hub.File{Name: "secrets.yaml",
				Data: []byte("jupyterhub: {hub: {config: {JupyterHub: {load_groups: {shared-1: {users: " +
					"[quillon]}}}}}}\n")}
			o := hub.CheckOptions{Hub: version, Secrets: &secrets}
			if managed {
				o.Secrets = nil
			} else if strings.HasPrefix(version, "3") {
				o.Secrets.Data = []byte("jupyterhub: {hub: {config: {JupyterHub: {load_groups: {shared-1: " +
					"[quillon]}}}}}\n")
			}
			found := hub.CheckValues([]hub.File{{Name: "values.yaml", Data: data}}, o)
			for _, f := range found {
				if f.Rule != "role-of-no-group" { // the other groups' members are not in these secrets
					t.Errorf("%s, managed %t: %v\n%s", version, managed, f, data)
				}
			}
		}
	}
}

// Files that are no values, and files that are encrypted, are told as that.
func TestOddFiles(t *testing.T) {
	for name, test := range map[string]struct {
		plain, secrets, want string
	}{
		"no YAML":         {"a: [", "", "error yaml"},
		"no YAML, secret": {"a: 1\n", "kestrel: [\n", "error yaml"},
		"empty":           {"", "", ""},
		"nothing":         {"null\n", "", ""},
		"a list":          {"[1, 2]\n", "", "warning misplaced"},
		"encrypted": {"a: 1\n", "hub:\n  config: ENC[AES256_GCM,data:abc]\nsops: {version: 3.7.3}\n",
			"note encrypted"},
		"lists for mappings": {"hub: {config: [1], loadRoles: [a], extraConfig: x}\nsingleuser: {extraFiles: [1], " +
			"cmd: x}\n", "", "error type; error type; error type"},
		"an alias bomb": {"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c " +
			"[*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f " +
			"[*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f]\nhub: {config: {A: *g}}\n", "",
			"error unknown-key; error unknown-key; error unknown-key; error unknown-key; error unknown-key; error " +
				"unknown-key; error unknown-key"},
	} {
		o := hub.CheckOptions{}
		if test.secrets != "" {
			o.Secrets = &hub.File{Name: "secrets.yaml", Data: []byte(test.secrets)}
		}
		var got []string
		for _, f := range hub.CheckValues([]hub.File{{Name: "values.yaml", Data: []byte(test.plain)}}, o) {
			got = append(got, string(f.Severity)+" "+f.Rule)
			if strings.Contains(f.Message, "kestrel") {
				t.Errorf("%s: a secret is told", name)
			}
		}
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%s: got %s, want %s", name, strings.Join(got, "; "), test.want)
		}
	}
}

// What a later file's list leaves out is told.
func TestDropped(t *testing.T) {
	found := hub.CheckValues([]hub.File{
		{Name: "a.yaml",
			Data: []byte("singleuser:\n  cmd: [jupyterhub-singleuser, --LabApp.collaborative=true, --x.y=1]\n")},
		{Name: "b.yaml", Data: []byte("singleuser:\n  cmd: [jupyterhub-singleuser, --x.y=2]\n")},
	}, hub.CheckOptions{})
	if len(found) != 1 || !strings.Contains(found[0].Error(),
		"b.yaml:2: this list replaces the one at a.yaml:2, and has no --LabApp.collaborative=true") {
		t.Errorf("got %v", found)
	}
}

// Values are held against the course's lock.
func TestValuesOfCourse(t *testing.T) {
	m := course(t, "course: a\npins:\n  pip: [jupyterlab==4.6.6]\n")
	found := hub.CheckValues([]hub.File{{Name: "common.yaml", Data: []byte(ofCourse)}}, hub.CheckOptions{Hub: "3.1.1",
		Course: m,
		Lock: locked("jupyterlab 4.6.6,jupyterhub 3.1.1,tmpystore 0.0.1,ypy-websocket 0.8.2 " +
			"tmpystore,jupyter-collaboration 5.0.4" + strings.Replace(packs4, ",jupyterhub 5.2.1", "", 1))})
	if len(found) != 2 || !strings.HasPrefix(found[0].Error(),
		"common.yaml:26: --LabApp.collaborative is an option of jupyterlab 3, and jupyterlab 4.6.6 (pins.yaml:3) "+
			"is locked") {
		t.Errorf("got %v", found)
	}
}

func FuzzValues(f *testing.F) {
	f.Add([]byte(ofCourse), []byte(ofSecrets))
	f.Add([]byte("hub: {extraConfig: {a: \"c.A.b = [x for x in range(3)]\\nif 1:\\n "+
		" c.JupyterHub.load_groups.update({'a': [1]})\"}}"), []byte(""))
	f.Fuzz(func(t *testing.T, plain, secrets []byte) {
		word := "quillon"
		found := hub.CheckValues([]hub.File{{Name: "a", Data: plain}},
			hub.CheckOptions{Secrets: &hub.File{Name: "b", Data: secrets}})
		for _, x := range found {
			if strings.Contains(x.Message, word) && !strings.Contains(string(plain), word) {
				t.Errorf("a secret is told: %s", x.Message)
			}
		}
	})
}

// What is rendered reads back as what was meant, whatever files and groups hold.
func FuzzRender(f *testing.F) {
	f.Add("a\n  b\n", "x")
	f.Add("\n  indented\nless\n", "course::1::Ä \"x\" 'y' \\")
	f.Add("\x85\u2028\ufffe\x00", "on")
	f.Fuzz(func(t *testing.T, content, group string) {
		m, err := pins.ParseManifest("pins.yaml", []byte("course: a\n"))
		if err != nil {
			t.Fatal(err)
		}
		content, group = strings.ToValidUTF8(content, ""), strings.ToValidUTF8(group, "")
		m.Launch.Files = []pins.LaunchFile{{Path: "/a/x y.json", Content: []byte(content)}, {Path: "/b/x-y.json"},
			{Path: "/c/b-x-y.json"}}
		m.Accounts.Groups = []pins.Group{{Name: pins.Text{Value: group}, Memory: "1G"}}
		data, err := hub.Render(m, hub.RenderOptions{Hub: "6.1.1"})
		if err != nil {
			return
		}
		var values struct {
			Hub struct {
				Config struct {
					JupyterHub struct {
						Groups map[string]any `yaml:"load_groups"`
					} `yaml:"JupyterHub"`
				}
			}
			Singleuser struct {
				Files map[string]struct {
					Path string `yaml:"mountPath"`
					Data string `yaml:"stringData"`
				} `yaml:"extraFiles"`
			}
		}
		if err := yaml.Unmarshal(data, &values); err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if len(values.Singleuser.Files) != 3 || values.Singleuser.Files["x-y.json"].Data != content {
			t.Errorf("%q comes back as %v\n%s", content, values.Singleuser.Files, data)
		}
		if values.Hub.Config.JupyterHub.Groups[group] == nil {
			t.Errorf("there is no group %q\n%s", group, data)
		}
	})
}
