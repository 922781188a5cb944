package pins_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

const settings = "/opt/env/share/jupyter/lab/settings"

// plainCases are the cases of TestPlain.
var plainCases = map[string]struct{ postBuild, start, want string }{
	"copies": {"#!/bin/sh\nset -eux\nmkdir -p $NB_PYTHON_PREFIX/share/jupyter/lab/settings\n" +
		"cp -p x.json \"${NB_PYTHON_PREFIX}/share/jupyter/lab/settings\"\n", "", "x.json: " + settings + "/x.json"},
	"packages":           {"npm install -g a@1.0 b\npip install --no-cache-dir 'c==2'\n", "", "npm a@1.0, npm b, pip c==2"},
	"variables":          {"", "export A=${CONDA_DIR}\nexport B='c d'\nexec \"$@\"\n", "A=/opt/env, B=c d"},
	"a condition":        {"if true; then cp x.json /y/x.json; fi\n", "", "run"},
	"a pipe":             {"cp x.json /y/x.json | cat\n", "", "run"},
	"a substitution":     {"cp x.json /y/$(id)/x.json\n", "", "run"},
	"an unknown name":    {"cp x.json $NOWHERE/x.json\n", "", "run"},
	"a range":            {"pip install c>=2\n", "", "run"},
	"a file not there":   {"cp y.json /y/y.json\n", "", "run"},
	"maybe a folder":     {"cp x.json /y\n", "", "run"},
	"an empty folder":    {"mkdir -p /y\n", "", "run"},
	"an option":          {"pip install -r x.txt\n", "", "run"},
	"a url":              {"npm install -g https://example.test/x.tgz\n", "", "run"},
	"partly":             {"npm install -g a\nplaywright install chromium\n", "", "run"},
	"start does more":    {"", "export A=1\nmkdir -p ~/x\nexec \"$@\"\n", "start"},
	"start, no exec":     {"", "export A=1\n", "start"},
	"start, after exec":  {"", "exec \"$@\"\nexport A=1\n", "start"},
	"start copies":       {"", "cp x.json ~/x.json\nexec \"$@\"\n", "start"},
	"start, a tilde":     {"", "export A=~/.a\nexec \"$@\"\n", "A=/home/jovyan/.a"},
	"a default":          {"cp x.json ${HOME:-/y}/x.json\n", "", "run"},
	"an escape":          {"cp x.json /y\\ z/x.json\n", "", "run"},
	"a pattern":          {"cp *.json /y/\n", "", "run"},
	"braces":             {"npm install -g a{1,2}\n", "", "run"},
	"an assignment":      {"A=1 npm install -g a\n", "", "run"},
	"a redirection":      {"npm install -g a > /dev/null\n", "", "run"},
	"in the background":  {"npm install -g a &\n", "", "run"},
	"many lines":         {"npm install -g \\\n  a \\\n  b # why\n", "", "npm a, npm b"},
	"another shell":      {"#!/usr/bin/python3\nprint(1)\n", "", "run"},
	"start, the folder":  {"", "export A=$REPO_DIR/a\nexec \"$@\"\n", "start"},
	"start, its home":    {"", "export HOME=/x\nexec \"$@\"\n", "start"},
	"set of arguments":   {"", "set -- a\nexec \"$@\"\n", "start"},
	"set nothing":        {"set \"\"\n", "", "run"},
	"set -n":             {"set -n\n", "", "run"},
	"pipefail":           {"set -eou pipefail\nnpm install -g a\n", "", "npm a"},
	"another's home":     {"cp x.json ~root/x.json\n", "", "run"},
	"a wheel":            {"pip install c.whl\n", "", "run"},
	"a folder":           {"cp sub /opt/sub\n", "", "run"},
	"one target twice":   {"cp x.json /y/x.json\ncp sub/x.json /y/x.json\n", "", "run"},
	"one package twice":  {"pip install a==1 a==2\n", "", "run"},
	"export while built": {"export A=1\n", "", "run"},
	"quotes":             {"cp \"x.json\" '/y/x.json\n", "", "run"},
	"not kept":           {"cp x.json /tmp/x.json\n", "", "run"},
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
