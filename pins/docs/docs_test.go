package docs_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/docs"
)

const course = `course: stat159
pins:
  pip:
    - jupyterlab==3.6.3
    - jupyter_server==2.5.0
    - bokeh==2.4.3
    - tornado==6.2
    - dask
    - git+https://github.com/berkeley-dsep-infra/tmpystore.git@84765e1
launch:
  env: {JUPYTERHUB_SINGLEUSER_APP: jupyter_server.serverapp.ServerApp}
  files: {/etc/jupyter/jupyter_server_config.json: {BaseFileIdManager: {db_path: /tmp/x.db}}}
  cmd: [jupyterhub-singleuser, --LabApp.collaborative=true, --YDocExtension.ystore_class=tmpystore.TmpYStore]
`

// A page like the one that the course had, in three forms.
const rst = `Notably the image contains support for RTC. As of March 2023, this requires:

- ` + "`altair==4.2.2`" + `
- ` + "`boken==2.4.3`" + `
- dask==2023.1.1
- jupyter_server==2.2.1
- jupyterlab==3.6.1
- tornado==6.2.0
- git+https://github.com/berkeley-dsep-infra/tmpystore.git@84765e1

singleuser:
   cmd:
     - jupyterhub-singleuser
     - –LabApp.collaborative=true
     # - --YDocExtension.ystore_class=tmpystore.Other
     - --ServerApp.x=1

Set Authenticator.managed_groups to False, TZ=7, and see https://example.org/?a==1 for /opt/x==2.
`

const want = `altair==4.2.2: the course has no altair
boken==2.4.3: the course has no boken: did you mean bokeh?
dask==2023.1.1: the course locks dask 2023.2.0
jupyter_server==2.2.1: the course pins jupyter-server 2.5.0 (pins.yaml:5)
jupyterlab==3.6.1: the course pins jupyterlab 3.6.3 (pins.yaml:4)
–LabApp.collaborative=true: the option begins with a typographic dash, not with two hyphens: copied from here, it does not work
--YDocExtension.ystore_class=tmpystore.Other: the course launches with --YDocExtension.ystore_class=tmpystore.TmpYStore (pins.yaml:13)
--ServerApp.x=1: the course does not launch with --ServerApp.x
managed_groups is not a setting of JupyterHub, and does nothing: write manage_groups`

// held holds a page against the course.
func held(t *testing.T, name, text string) pins.Findings {
	t.Helper()
	m, err := pins.ParseManifest("pins.yaml", []byte(course))
	if err != nil {
		t.Fatal(err)
	}
	dask := pins.Artifact{Pin: pins.New(pins.Pip, "dask", "2023.2.0"), Platform: "linux/amd64", Use: pins.Install}
	return docs.Check(m, &pins.Lock{Platforms: []string{"linux/amd64"}, Artifacts: []pins.Artifact{dask}}, name,
		[]byte(text))
}

func check(t *testing.T, name, text string) string {
	t.Helper()
	var got []string
	for _, f := range held(t, name, text) {
		line := strings.Split(text, "\n")[f.Line-1]
		if word := strings.Fields(f.Message)[0]; !strings.Contains(line, strings.Trim(word, "–-:")) {
			t.Errorf("%s is not about %q", f.Error(), line)
		}
		got = append(got, f.Message)
	}
	return strings.Join(got, "\n")
}

func TestCheck(t *testing.T) {
	if got := check(t, "stat159.rst", rst); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	page := "<!DOCTYPE html>\n<html>\n<p>" + strings.NewReplacer("\n", "</p>\n<p>", "–", "&ndash;", "`",
		"<b>").Replace(rst)
	if got := check(t, "stat159.html", page); got != want {
		t.Errorf("HTML: got\n%s\nwant\n%s", got, want)
	}
}

func TestCommits(t *testing.T) {
	for text, want := range map[string]string{
		"git+https://github.com/berkeley-dsep-infra/tmpystore.git@84765e1":                                  "",
		"`git+https://github.com/other/tmpystore@84765e1`":                                                  "",
		"git+https://github.com/berkeley-dsep-infra/tmpystore.git@84765e1f4f5e3a4b8c9d0e1f2a3b4c5d6e7f8a9b": "",
		"git+https://github.com/berkeley-dsep-infra/tmpystore.git@0123456": "the " +
			"course installs tmpystore at 84765e1",
		"git+https://<github.com/berkeley-dsep-infra/tmpystore.git@84765e1>": "has " +
			"< and > in it",
		"git+https://github.com/x/y": "the " +
			"course installs nothing from this repository",
	} {
		if got := check(t, "a.md", text); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// What holds is no finding, and what does not is one, however it is written.
func TestForms(t *testing.T) {
	for text, want := range map[string]string{
		"**jupyterlab**==3.6.3, [jupyterlab](x)==3.6.3, `jupyterlab`==3.6.3, jupyterlab\\==3.6.3, jupyterlab " +
			" ==  3.6.3": "",
		"**jupyterlab**==3.6.1":                                         "docs-version",
		"[jupyterlab](https://x.org)==3.6.1":                            "docs-version",
		"jupyterlab\\==3.6.1":                                           "docs-version",
		"jupyterlab  ==  3.6.1":                                         "docs-version",
		"jupyterlab&#61;&#61;3.6.1":                                     "docs-version",
		"tornado~=6.3 and tornado>=6.3":                                 "docs-version docs-version",
		"tornado>=6.0 and tornado~=6.1, tornado<=6.2, tornado!=7":       "",
		"x==1 if y==2: assert a==3; VERSION==3; python==3.11":           "",
		"--LabApp.collaborative=True":                                   "",
		"--LabApp.collaborative=False":                                  "docs-option",
		"--BaseFileIdManager.db_path=/tmp/x.db":                         "",
		"--BaseFileIdManager.db_path=/tmp/y.db":                         "docs-option",
		"JUPYTERHUB_SINGLEUSER_APP=notebook.notebookapp.NotebookApp":    "docs-variable",
		"JUPYTERHUB_SINGLEUSER_APP: jupyter_server.serverapp.ServerApp": "",
		"<html><li>jupyterlab==3.6.3</li><li>tornado==6.2</li><br>bokeh==2.4.3<br>dask==2023.2.0": "",
		"<html><!-- jupyterlab==3.6.1\n --><script>\nif (jupyterlab==3.6.1) {}</script><p " +
			"class='jupyterlab==3.6.1'\n id=x>jupyter<b>lab</b>==3.6.3": "",
		"<html><b>jupyterlab</b>==3.6.1": "docs-version",
	} {
		var got []string
		for _, f := range held(t, "page", text) {
			got = append(got, f.Rule)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", text, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	m, err := pins.ParseManifest("pins.yaml", []byte(course))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.html", rst)
	f.Add("a.md", "git+https://<x@y>@z --A.b=c –D.e")
	f.Fuzz(func(t *testing.T, name, text string) {
		for _, found := range docs.Check(m, nil, name, []byte(text)) {
			if found.Line < 1 || found.Line > strings.Count(text, "\n")+1 {
				t.Errorf("line %d of %q", found.Line, text)
			}
		}
	})
}
