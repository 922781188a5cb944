package hub_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/hub"
)

// locked is a lock of pip packages: "name version requirer, …".
func locked(text string) *pins.Lock {
	l := &pins.Lock{Platforms: []string{"linux/amd64"}}
	for _, line := range strings.Split(text, ",") {
		f := append(strings.Fields(line), "", "", "")
		a := pins.Artifact{Pin: pins.New(pins.Pip, f[0], f[1]), Platform: "linux/amd64", Use: pins.Install}
		if f[2] != "" {
			a.By = []string{f[2]}
		}
		l.Artifacts = append(l.Artifacts, a)
	}
	return l
}

// course is a manifest with the pins and the launch of stat159, or with others.
func course(t *testing.T, text string) *pins.Manifest {
	t.Helper()
	m, err := pins.ParseManifest("pins.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ruleNames are findings, each as "line level rule".
func ruleNames(found pins.Findings) string {
	var names []string
	for _, f := range found {
		names = append(names, strings.TrimPrefix(f.Position.String(), "pins.yaml")+" "+string(f.Severity)+" "+f.Rule)
	}
	return strings.Join(names, "; ")
}

const (
	stat159 = "course: a\npins:\n  pip: [jupyterlab==3.6.1]\nlaunch:\n  cmd:\n    - jupyterhub-singleuser\n    - " +
		"--LabApp.collaborative=true\n    - --YDocExtension.ystore_class=tmpystore.TmpYStore\n"
	idsFile = "  files: {/etc/jupyter/jupyter_server_config.json: {BaseFileIdManager: {db_path: " +
		"/tmp/file_id_manager.db}}}\n"
	members = "accounts: {groups: [shared-1]}\n"
	packs   = ",jupyterhub 3.1.1,jupyter-server-ydoc 0.6.1,jupyter-ydoc 0.2.3,tmpystore 0.0.1,ypy-websocket 0.8.2 " +
		"tmpystore,jupyter-server-fileid 0.8.0"
	packs4 = ",jupyterhub 5.2.1,jupyter-server-ydoc 3.0.4,jupyter-collaboration-ui 3.0.4,jupyter-docprovider " +
		"3.0.4,jupyter-server-fileid 0.9.0"
	plain = "course: a\npins:\n  pip: [jupyterlab==4.6.6]\nlaunch:\n  cmd:\n    - jupyterhub-singleuser\n"
)

// checkCases are the cases of TestCheck.
var checkCases = map[string]struct{ manifest, lock, hub, want string }{
	"the term's": {stat159 + idsFile, "jupyterlab 3.6.3" + packs, "3.1.1", ""},
	"3.6.1": {stat159 + idsFile, "jupyterlab 3.6.1" + packs, "",
		":3 warning doubled-cells"},
	"3.6.1, file ids in the home": {stat159, "jupyterlab 3.6.1" + packs, "",
		":3 warning doubled-cells; :8 error doubled-cells-on-disk"},
	"3.6.1, by the stock store": {strings.Replace(stat159,
		"YDocExtension.ystore_class=tmpystore.TmpYStore", "SQLiteYStore.db_path=/tmp/y.db", 1),
		"jupyterlab 3.6.1" + packs, "", ":3 warning doubled-cells; :8 error doubled-cells-on-disk"},
	"3.6.1, not shared": {strings.Replace(stat159, "collaborative=true", "collaborative=false",
		1), "jupyterlab 3.6.1" + packs, "", ":3 warning doubled-cells; :8 warning file-ids-in-home"},
	"3.6.3, file ids in the home": {stat159, "jupyterlab 3.6.3" + packs, "", ":8 warning file-ids-in-home"},
	"the option as two words": {strings.Replace(stat159, "collaborative=true",
		"collaborative\n    - 'true'", 1), "jupyterlab 3.6.1" + packs, "",
		":3 warning doubled-cells; :9 error doubled-cells-on-disk"},
	"the short option": {strings.Replace(stat159, "LabApp.collaborative=true", "collaborative",
		1), "jupyterlab 3.6.1" + packs, "", ":3 warning doubled-cells; :8 error doubled-cells-on-disk"},
	"file ids by an option": {stat159 + "    - --BaseFileIdManager.db_path=/tmp/x.db\n",
		"jupyterlab 3.6.3" + packs, "", ""},
	"file ids in Python": {stat159 +
		"  files: {/etc/jupyter/jupyter_server_config.py: \"c.BaseFileIdManager.db_path = '/tmp/x.db'\"}\n",
		"jupyterlab 3.6.3" + packs, "", ""},
	"other databases": {stat159 + idsFile, "jupyterlab 3.6.3,nbformat 5.7.3" + packs, "",
		":9 note other-databases"},
	"history in the home": {strings.Replace(stat159,
		"    - --YDocExtension.ystore_class=tmpystore.TmpYStore\n", "", 1) + members, "jupyterlab 3.6.3" + packs,
		"", ":6 note file-ids-in-home; :6 note history-in-home"},
	"lab 4 alone": {stat159,
		"jupyterlab 4.0.11,jupyterhub 4.1.6,tmpystore 0.0.1,ypy-websocket 0.8.2 tmpystore", "",
		":7 warning flag-of-lab-3; :8 warning no-ydoc"},
	"with collaboration 1": {stat159,
		"jupyterlab 4.0.11,jupyterhub 4.1.6,jupyter-collaboration 1.2.0,tmpystore 0.0.1,ypy-websocket 0.12.4 " +
			"tmpystore", "", ":7 warning flag-of-lab-3"},
	"with collaboration 2": {stat159,
		"jupyterlab 4.1.0,jupyterhub 4.1.6,jupyter-collaboration 2.0.1,tmpystore 0.0.1,ypy-websocket 0.12.4 " +
			"tmpystore", "", ":7 warning flag-of-lab-3; :8 warning store-base"},
	"a store of pycrdt-websocket": {plain + "    - --YDocExtension.ystore_class=mine.Store\n",
		"jupyterlab 4.6.6,mine 1,pycrdt-websocket 0.16.5 mine,jupyter-collaboration 5.0.4" + packs4, "",
		":6 note file-ids-in-home; :7 warning store-base"},
	"a store of pycrdt": {plain + "    - --YDocExtension.ystore_class=mine.Store\n",
		"jupyterlab 4.6.6,mine 1,pycrdt 0.12 mine,jupyter-collaboration 5.0.4" + packs4, "",
		":6 note file-ids-in-home"},
	"a pycrdt store in 4.1": {plain + "    - --YDocExtension.ystore_class=mine.Store\n",
		"jupyterlab 4.4.0,jupyterhub 5,mine 1,pycrdt 0.12 mine,jupyter-server-ydoc " +
			"2.1.0,jupyter-collaboration-ui 2,jupyter-docprovider 2", "", ":7 warning store-base"},
	"a bare class": {plain +
		"    - --YDocExtension.ystore_class=pycrdt.store.TempFileYStore\n",
		"jupyterlab 4.6.6,pycrdt 0.12,jupyter-collaboration 5.0.4" + packs4, "",
		":7 warning file-ids-in-home; :7 warning store-config"},
	"a class of nothing": {stat159 + idsFile, strings.Replace("jupyterlab 3.6.3"+packs,
		",tmpystore 0.0.1", "", 1), "", ":8 warning store-missing"},
	"a class of pip's in a longer image": {"extends: oci-layout:x\n" + stat159 + idsFile,
		strings.Replace("jupyterlab 3.6.3"+packs, ",tmpystore 0.0.1", "", 1), "", ""},
	"half": {plain, "jupyterlab 4.6.6,jupyterhub 5.2.1,jupyter-server-ydoc 3.0.0",
		"", " warning half-collaboration"},
	"no docprovider": {plain,
		"jupyterlab 4.6.6,jupyterhub 5.2.1,jupyter-server-ydoc 3.0.0,jupyter-collaboration-ui 3", "",
		" warning half-collaboration"},
	"whole": {plain, "jupyterlab 4.6.6" + packs4, "5.5.4", ":6 note file-ids-in-home"},
	"sessions": {plain + members, "jupyterlab 4.6.6" + packs4, "",
		" note sessions-in-home; :6 note file-ids-in-home; :6 note history-in-home"},
	"sessions of 4.3": {plain, "jupyterlab 4.6.6" + strings.ReplaceAll(packs4, "ydoc 3.0.4",
		"ydoc 2.3.0"), "", " note sessions-in-home; :6 note file-ids-in-home"},
	"turned off": {plain + "    - --YDocExtension.disable_rtc=True\n" + members,
		"jupyterlab 4.6.6" + packs4, "",
		" note sessions-in-home; :6 note file-ids-in-home; :7 note collaboration-off"},
	"no jupyterhub": {plain, "jupyterlab 4.6.6", "", ":6 warning no-singleuser"},
	"the classic server": {stat159 + idsFile +
		"  env: {JUPYTERHUB_SINGLEUSER_APP: notebook.notebookapp.NotebookApp}\n", "jupyterlab 3.6.3" + packs, "",
		":10 error singleuser-app"},
	"ydoc 0.3": {stat159 + idsFile,
		"jupyterlab 3.6.3" + strings.ReplaceAll(packs, "jupyter-ydoc 0.2.3", "jupyter-ydoc 0.3.4"), "",
		" warning ydoc-mismatch"},
	"ypy-websocket 0.12": {stat159 + idsFile,
		"jupyterlab 3.6.3" + strings.ReplaceAll(packs, "ypy-websocket 0.8.2", "ypy-websocket 0.12.4"), "",
		" error ypy-websocket"},
	"lab 3 with collaboration": {stat159 + idsFile, "jupyterlab 3.6.3,jupyter-collaboration 1.0.0" +
		packs, "", ":3 warning lab-3-collaboration"},
	"collaboration 3 in lab 4.4": {plain, "jupyterlab 4.4.0,jupyterhub 5,jupyter-collaboration 3.1.0", "",
		":3 warning collaboration-3-lab-4.4"},
	"file ids off": {stat159 +
		"  files: {/etc/jupyter/jupyter_server_config.json: {BaseFileIdManager: {db_path: /tmp/x}, ServerApp: " +
		"{jpserver_extensions: {jupyter_server_fileid: false}}}}\n", "jupyterlab 3.6.3" + packs, "",
		":9 warning no-file-ids"},
	"tornado of hub 6": {plain, "jupyterlab 4.6.6,tornado 6.2,jupyterhub 6.1.1", "",
		" error tornado-of-hub-6"},
	"another hub": {stat159 + idsFile, "jupyterlab 3.6.3" + packs, "6.1.1",
		" warning hub-major"},
	"links": {plain, "jupyterlab 4.6.6,jupyterlab-link-share 0.2.5,jupyterhub 5.2.1",
		"", " warning link-share"},
	"links of old": {plain + members,
		"jupyterlab 3.6.3,jupyterlab-link-share 0.2.5,jupyterhub 3.1.1", "", " warning link-share"},
	"no lab": {plain, "numpy 1.0,jupyterhub 5", "", ""},
}

// Each rule of launches is seen to speak, and to be silent where nothing is wrong.
func TestCheck(t *testing.T) {
	for name, test := range checkCases {
		m := course(t, test.manifest)
		m.Extends = strings.HasPrefix(test.manifest, "extends:") // as ReadCourse finds
		found := hub.Check(m, locked(test.lock), test.hub)
		if got := ruleNames(found); got != test.want {
			t.Errorf("%s: got %s\nwant %s\n%v", name, got, test.want, found)
		}
	}
}

// A flag and the pin that it does not fit are both named by file and line.
func TestCheckNamesBoth(t *testing.T) {
	found := hub.Check(course(t, stat159), locked("jupyterlab 3.6.1"+packs), "")
	want := "pins.yaml:8: --YDocExtension.ystore_class keeps the history"
	if got := found[len(found)-1].Error(); !strings.HasPrefix(got, want) ||
		!strings.Contains(got, "with jupyterlab 3.6.1 (pins.yaml:3), a page") ||
		!strings.HasSuffix(got, "[jupyterlab/jupyterlab#14031, and seen]") {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCheckPins(t *testing.T) {
	m := course(t, "course: a\npins:\n  pip: [jupyterlab==3.6.1, tornado==6.2.0, jupyterhub==6.1.1]\n  conda: "+
		"[jupyter_collaboration=1.2]\n")
	if got, want := ruleNames(hub.CheckPins(m)),
		":3 warning lab-3-collaboration; :3 error tornado-of-hub-6; :3 warning doubled-cells"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
