package pins_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestCheckLaunch(t *testing.T) {
	m := manifest(t, "course: a\nlaunch:\n  cmd:\n    - jupyterhub-singleuser\n    - --LabApp.collaborative=true\n    - --YDocExtension.ystore_class=tmpystore.TmpYStore\n")
	for name, test := range map[string]struct{ lock, want string }{
		"the term's":           {"jupyterlab 3.6.1,jupyter-server-ydoc 0.6.1,tmpystore 0.0.1,ypy-websocket 0.8.2 tmpystore", ""},
		"lab 4 alone":          {"jupyterlab 4.0.11,tmpystore 0.0.1,ypy-websocket 0.8.2 tmpystore", ":5: --LabApp.collaborative is an option of jupyterlab 3, and 4.0.11 is locked: pin jupyter-collaboration|:6: --YDocExtension.ystore_class: with jupyterlab 4.0.11 there is no"},
		"with collaboration 1": {"jupyterlab 4.0.11,jupyter-collaboration 1.2.0,tmpystore 0.0.1,ypy-websocket 0.12.4 tmpystore", ":5: --LabApp.collaborative is an option of jupyterlab 3, and 4.0.11 is locked: jupyter-collaboration does it without"},
		"with collaboration 2": {"jupyterlab 4.1.0,jupyter-collaboration 2.0.1,tmpystore 0.0.1,ypy-websocket 0.12.4 tmpystore", ":5: |:6: --YDocExtension.ystore_class: tmpystore 0.0.1 is built on ypy-websocket"},
		"no lab":               {"numpy 1.0", ""},
	} {
		l := &pins.Lock{Platforms: []string{"linux/amd64"}}
		for _, line := range strings.Split(test.lock, ",") {
			f := append(strings.Fields(line), "")
			a := pins.Artifact{Pin: pins.New(pins.Pip, f[0], f[1]), Platform: "linux/amd64", Use: pins.Install}
			if f[2] != "" {
				a.By = []string{f[2]}
			}
			l.Artifacts = append(l.Artifacts, a)
		}
		var want []string
		if test.want != "" {
			want = strings.Split(test.want, "|")
		}
		found := pins.CheckLaunch(m, l)
		for i, w := range want {
			if len(found) != len(want) || !strings.HasPrefix(found[i].Error(), "pins.yaml"+w) {
				t.Errorf("%s: got %v, want %q", name, found, want)
				break
			}
		}
		if len(found) != len(want) {
			t.Errorf("%s: got %v, want %q", name, found, want)
		}
	}
}
