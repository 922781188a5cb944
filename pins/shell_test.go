package pins_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

const settings = "/opt/env/share/jupyter/lab/settings"

// plainCases are the cases of TestPlain.
var plainCases = map[string]struct{ postBuild, start, want string }{
	"copies": {"#!/bin/sh\nset -eux\nmkdir -p $NB_PYTHON_PREFIX/share/jupyter/lab/settings\n" +
		"cp -p x.json \"${NB_PYTHON_PREFIX}/share/jupyter/lab/settings\"\n", "", "x.json: " + settings + "/x.json"},
	"packages":              {"npm install -g a@1.0 b\npip install --no-cache-dir 'c==2'\n", "", "npm a@1.0, npm b, pip c==2"},
	"variables":             {"", "export A=${CONDA_DIR}\nexport B='c d'\nexec \"$@\"\n", "A=/opt/env, B=c d"},
	"a condition":           {"if true; then cp x.json /y/x.json; fi\n", "", "run"},
	"a pipe":                {"cp x.json /y/x.json | cat\n", "", "run"},
	"a substitution":        {"cp x.json /y/$(id)/x.json\n", "", "run"},
	"an unknown name":       {"cp x.json $NOWHERE/x.json\n", "", "run"},
	"a range":               {"pip install c>=2\n", "", "run"},
	"a file not there":      {"cp y.json /y/y.json\n", "", "run"},
	"maybe a folder":        {"cp x.json /y\n", "", "run"},
	"an empty folder":       {"mkdir -p /y\n", "", "run"},
	"an option":             {"pip install -r x.txt\n", "", "run"},
	"a url":                 {"npm install -g https://example.test/x.tgz\n", "", "run"},
	"partly":                {"npm install -g a\nplaywright install chromium\n", "", "run"},
	"start does more":       {"", "export A=1\nmkdir -p ~/x\nexec \"$@\"\n", "start"},
	"start, no exec":        {"", "export A=1\n", "start"},
	"start, after exec":     {"", "exec \"$@\"\nexport A=1\n", "start"},
	"start copies":          {"", "cp x.json ~/x.json\nexec \"$@\"\n", "start"},
	"start, a tilde":        {"", "export A=~/.a\nexec \"$@\"\n", "A=/home/jovyan/.a"},
	"a default":             {"cp x.json ${HOME:-/y}/x.json\n", "", "run"},
	"an escape":             {"cp x.json /y\\ z/x.json\n", "", "run"},
	"a pattern":             {"cp *.json /y/\n", "", "run"},
	"braces":                {"npm install -g a{1,2}\n", "", "run"},
	"an assignment":         {"A=1 npm install -g a\n", "", "run"},
	"a redirection":         {"npm install -g a > /dev/null\n", "", "run"},
	"in the background":     {"npm install -g a &\n", "", "run"},
	"many lines":            {"npm install -g \\\n  a \\\n  b # why\n", "", "npm a, npm b"},
	"another shell":         {"#!/usr/bin/python3\nprint(1)\n", "", "run"},
	"start, the folder":     {"", "export A=$REPO_DIR/a\nexec \"$@\"\n", "start"},
	"start, its home":       {"", "export HOME=/x\nexec \"$@\"\n", "start"},
	"set of arguments":      {"", "set -- a\nexec \"$@\"\n", "start"},
	"set nothing":           {"set \"\"\n", "", "run"},
	"set -n":                {"set -n\n", "", "run"},
	"pipefail":              {"set -eou pipefail\nnpm install -g a\n", "", "npm a"},
	"another's home":        {"cp x.json ~root/x.json\n", "", "run"},
	"a wheel":               {"pip install c.whl\n", "", "run"},
	"a folder":              {"cp sub /opt/sub\n", "", "run"},
	"one target twice":      {"cp x.json /y/x.json\ncp sub/x.json /y/x.json\n", "", "run"},
	"one package twice":     {"pip install a==1 a==2\n", "", "run"},
	"export while built":    {"export A=1\n", "", "run"},
	"quotes":                {"cp \"x.json\" '/y/x.json\n", "", "run"},
	"not kept":              {"cp x.json /tmp/x.json\n", "", "run"},
	"conda":                 {"mamba install -c conda-forge -y a=1 b\n", "", "conda a=1, conda b"},
	"conda, a place":        {"conda install -n notebook -c conda-forge -y a\nmamba install -p ${CONDA_DIR} b\n", "", "conda a, conda b"},
	"process substitution":  {"pip install -r <(grep -v foo x.txt)\n", "", "run"},
	"arithmetic":            {"", "export A=$((RANDOM))\nexec \"$@\"\n", "start"},
	"arithmetic, quoted":    {"", "export A=\"$((1+UNK))\"\nexec \"$@\"\n", "start"},
	"a later tilde":         {"", "export A=x:~/y\nexec \"$@\"\n", "start"},
	"an extended pattern":   {"", "export A=@(x|y)\nexec \"$@\"\n", "start"},
	"one source twice":      {"cp x.json /opt/b/x.json\ncp x.json /opt/c/x.json\n", "", "run"},
	"two into one":          {"curl -o /opt/x https://e.test/x\nwget -O /opt/x https://e.test/y\n", "", "run"},
	"a file and a download": {"cp x.json /opt/x.json\ncurl -o /opt/x.json https://e.test/y\n", "", "run"},
	"both managers":         {"pip install a\nmamba install a=1\n", "", "run"},
	"an own channel":        {"mamba install -y bioconda::x\n", "", "run"},
	"curl globs":            {"curl 'https://e.test/[1-3]' -o /opt/x\n", "", "run"},
	"curl's number":         {"curl https://e.test/a -o '/opt/#1'\n", "", "run"},
	"another channel":       {"mamba install -c other a\n", "", "run"},
	"curl":                  {"curl -fsSL -o /opt/x https://e.test/x-1.tgz\n", "", "https://e.test/x-1.tgz: /opt/x"},
	"wget":                  {"wget -q https://e.test/x -O /opt/x\n", "", "https://e.test/x: /opt/x"},
	"curl with a header":    {"curl -H a:b -o /opt/x https://e.test/x\n", "", "run"},
	"curl two":              {"curl -o /opt/x https://e.test/x https://e.test/y\n", "", "run"},
	"wget, here":            {"wget https://e.test/x\n", "", "run"},
	"curl to /tmp":          {"curl -o /tmp/x https://e.test/x\n", "", "run"},
	"curl, a secret":        {"curl -o /opt/x https://e.test/x?token=1\n", "", "run"},
	"nbextensions": {"jupyter nbextension enable --sys-prefix a/main\njupyter nbextension enable b --sys-prefix\n" +
		"jupyter nbextension enable --sys-prefix --section=tree c\n", "",
		"/opt/env/etc/jupyter/nbconfig/notebook.json: {\"load_extensions\":{\"a/main\":true,\"b\":true}}, " +
			"/opt/env/etc/jupyter/nbconfig/tree.json: {\"load_extensions\":{\"c\":true}}"},
	"nbextension, --py":   {"jupyter nbextension enable --sys-prefix --py a\n", "", "run"},
	"nbextension, a home": {"jupyter nbextension enable a\n", "", "run"},
	"server extensions": {"jupyter server extension enable --sys-prefix a\njupyter serverextension disable --sys-prefix b\n", "",
		"/opt/env/etc/jupyter/jupyter_server_config.d/a.json: {\"ServerApp\":{\"jpserver_extensions\":{\"a\":true}}}, " +
			"/opt/env/etc/jupyter/jupyter_notebook_config.json: {\"NotebookApp\":{\"nbserver_extensions\":{\"b\":false}}}"},
	"lab extensions": {"jupyter labextension disable @a/b\n", "",
		"/opt/env/etc/jupyter/labconfig/page_config.json: {\"disabledExtensions\":{\"@a/b\":true}}"},
	"lab extension, built": {"jupyter labextension install a\n", "", "run"},
	"bash's kernel": {"python -m bash_kernel.install --sys-prefix\n", "", "/opt/env/share/jupyter/kernels/bash/kernel.json: " +
		`{"argv":["/opt/env/bin/python","-m","bash_kernel","-f","{connection_file}"],"codemirror_mode":"shell",` +
		`"display_name":"Bash","env":{"PS1":"$"},"language":"bash"}`},
	"bash's kernel, at home": {"python -m bash_kernel.install\n", "", "run"},
}

// Scripts of known forms are taken over; of others nothing is guessed.
func TestPlain(t *testing.T) {
	for name, test := range plainCases {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"apt.txt": "git\n", "x.json": "{}", "sub/x.json": "{}"}
			if test.postBuild != "" {
				files["postBuild"] = test.postBuild
			}
			if test.start != "" {
				files["start"] = test.start
			}
			m, err := pins.ReadCourse(write(t, files))
			if err != nil {
				t.Fatal(err)
			}
			if got := plainly(m.Plain()); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if len(m.Files)+len(m.Launch.Env) > 0 || len(m.Requests) != 1 {
				t.Error("the manifest itself was changed")
			}
		})
	}
}

// plainly is what a manifest has of scripts.
func plainly(m *pins.Manifest) string {
	var all []string
	for _, r := range m.Requests {
		if r.Kind != pins.Deb {
			all = append(all, r.Kind.Key()+" "+r.Spec)
		}
	}
	for _, f := range m.Files {
		all = append(all, f.Source+": "+f.Target)
	}
	for _, f := range m.Launch.Files {
		var content bytes.Buffer
		if err := json.Compact(&content, f.Content); err != nil {
			content.WriteString(err.Error())
		}
		all = append(all, f.Path+": "+content.String())
	}
	for _, d := range m.Downloads {
		all = append(all, d.URL+": "+d.To)
	}
	for _, name := range []string{"A", "B"} {
		if v, ok := m.Launch.Env[name]; ok {
			all = append(all, name+"="+v)
		}
	}
	if len(m.Scripts) > 0 {
		all = append(all, "run")
	}
	if m.Start.Value != "" {
		all = append(all, "start")
	}
	return strings.Join(all, ", ")
}

func FuzzPlain(f *testing.F) {
	for _, test := range plainCases {
		f.Add(test.postBuild, test.start)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, postBuild, start string) {
		write1(t, dir, "postBuild", postBuild)
		write1(t, dir, "start", start)
		m, _ := pins.ReadCourse(dir)
		if m == nil {
			return
		}
		for _, f := range m.Plain().Files {
			if f.Source != "postBuild" && f.Source != "start" {
				t.Errorf("%s is not in the folder", f.Source)
			}
		}
	})
}

// What adopt takes is noted at its lines.
func TestPlainNotes(t *testing.T) {
	m, err := pins.ReadCourse(write(t, map[string]string{"apt.txt": "git\n", "x.json": "{}",
		"postBuild": "#!/bin/sh\nnpm install -g a@1.0\ncp x.json /opt/x.json\nwget -O /opt/y https://e.test/y\n" +
			"jupyter labextension disable b\n", "start": "#!/bin/sh\nexport A=1\nexec \"$@\"\n"}))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(m.PlainNotes().Error(), m.Dir+"/", "")
	for _, want := range []string{"postBuild:2: driftpin adopt writes this as the pin npm: a@1.0",
		"postBuild:3: driftpin adopt writes this as files: {x.json: /opt/x.json}",
		"postBuild:4: driftpin adopt writes this as downloads: {url: https://e.test/y, to: /opt/y}",
		"postBuild:5: driftpin adopt writes this as the file /opt/env/etc/jupyter/labconfig/page_config.json under launch.files",
		"start:2: driftpin adopt writes this as A under launch.env"} {
		if !strings.Contains(got, want) {
			t.Errorf("the notes have no %q:\n%s", want, got)
		}
	}
	if len(m.PlainNotes()) != 5 {
		t.Errorf("got %v", m.PlainNotes())
	}
}
