package main

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// mixedCourse has pins of conda, pip, apt and npm. What pip's package requires
// is partly conda's.
const mixedCourse = `course: mixed
base: oci-layout:../base
as-of: 2023-03-17
pins:
  channels: [main]
  conda:
    - python=3.11
    - {pin: hello=1.0, why: 1.2 speaks to nobody}
    - greet
    - prefixed
  pip:
    - requests==2.28.2
  apt: [nodejs]
  npm:
    - speak@^1.0
    - {pin: other@1.0.0, scripts: true}
    - quiet@1.0.0
checks:
  - test "$(hello)" = "hello 1.0.0" && python -c 'import greet, idna, requests'
  - test "$(speak)" = "speak 1.0.0 pad 1.0.0" && test "$(other)" = "other 1.0.0 pad 2.0.0"
  - test -e $CONDA_PREFIX/lib/node_modules/other/ran
  - test ! -e $CONDA_PREFIX/lib/node_modules/pad/ran && test ! -e $CONDA_PREFIX/bin/pad
  - grep -qx root=/opt/env/share "$CONDA_PREFIX/etc/prefixed.conf" && test "$(prefixed)" = /opt/env
  - "! command -v gcc && ! test -e /usr/bin/python3 && ! test -w /opt/env"
`

// replacedCourse has a package of pip's in place of what conda's brings.
const replacedCourse = `course: mixed
base: oci-layout:../base
as-of: 2023-03-17
pins:
  channels: [main]
  conda: [python=3.11, prefixed]
  pip: [{pin: idna==3.3, replaces: idna, why: 3.4 is stricter}]
checks:
  - |
    python -c 'import idna, importlib.metadata as m
    found = [d.version for d in m.distributions() if d.name == "idna"]
    assert found == [idna.__version__] == ["3.3"], idna.__version__'
`

// TestConda has pins of conda and npm.
func TestConda(t *testing.T) {
	t.Parallel()
	newLab(t).condas()
}

// condas is a course with conda pins, from a channel of its own.
func (l *lab) condas() {
	l = l.withChannel()
	l.write("conda/pins.yaml", mixedCourse)
	said := l.run("home1", "lock", "conda")
	lock := l.read("conda/pins.lock")
	l.holdMixed(lock, said)
	first := l.run("home1", "build", "conda", "--output", "oci-layout:conda-image")
	l.run("home1", "verify", "--deep", "conda", "oci-layout:conda-image")
	l.condaMeta(lock)
	l.run("home1", "lock", "--check", "conda")
	l.t.Run("elsewhere", func(t *testing.T) {
		// A machine that has nothing but the lock can bump it.
		if out := l.at(t).run("home-other", "bump", "conda", "hello=1.2"); !strings.Contains(out, "1.2.0") {
			t.Errorf("bump says %q", out)
		}
		if again := l.at(t).run("home-other", "build", "conda", "--output",
			"oci-layout:conda-again"); strings.Fields(again)[0] != strings.Fields(first)[0] {
			t.Errorf("built %q, then %q", first, again)
		}
	})
	l.t.Run("failures", func(t *testing.T) { l.at(t).condaFailures(lock) })
	l.write("onnpm/pins.yaml", "extends: oci-layout:../conda-image\nas-of: 2023-03-17\npins:\n  npm: [quiet@1.0.1, "+
		"speak@1.0.0]\n")
	l.fails(3, "onnpm/pins.yaml:4: quiet 1.0.1 and quiet 1.0.0, of the base image, both own "+
		"lib/node_modules/quiet/package.json,", "lock", "onnpm")
	l.t.Run("outdated", func(t *testing.T) { l.at(t).condaOutdated() })
	l.t.Run("bump", func(t *testing.T) { l.at(t).condaBump(lock) })
	l.t.Run("builds", func(t *testing.T) { l.at(t).condaBuilds() })
	l.t.Run("both", func(t *testing.T) { l.at(t).condaAndPip() })
	l.t.Run("replaced", func(t *testing.T) { l.at(t).condaReplaced(lock) })
	l.t.Run("alone", func(t *testing.T) { l.at(t).condaAlone() })
}

// withChannel is the lab with a channel, which wants a login, and a registry of
// npm's.
func (l *lab) withChannel() *lab {
	c := newChannel(l.t)
	c.user, c.password = "reader", "s3cr3t-channel"
	c.python(l.t, lockedFiles(l.t, l, "home1", "course/pins.lock", pins.Deb))
	l.fillChannel(c)
	registry := newRegistry(l.t, "t0ken-of-npm")
	l.write("npmrc", strings.TrimPrefix(registry.URL, "http:")+"/:_authToken=${NPM_TOKEN}\n")
	return l.with("CONDA_CHANNEL_ALIAS="+strings.Replace(c.URL, "://", "://reader:s3cr3t-channel@", 1),
		"NPM_CONFIG_REGISTRY="+registry.URL, "NPM_CONFIG_USERCONFIG="+filepath.Join(l.dir, "npmrc"),
		"NPM_TOKEN=t0ken-of-npm")
}

// holdMixed sees what the lock of the mixed course has, and has not.
func (l *lab) holdMixed(lock, said string) {
	l.t.Helper()
	for _, want := range []string{"\nconda hello 1.0.0 linux/amd64 main/noarch/hello-1.0.0-pyhd8ed1ab_0.conda ",
		"\nconda libexpat 2.5.0 ", " by:python\n", "\npip urllib3 ", "\ntool py-rattler ",
		"\nnpm pad 2.0.0 linux/amd64 node_modules/pad/pad-2.0.0.tgz ",
		"\nnpm pad 1.0.0 linux/amd64 node_modules/speak/node_modules/pad/pad-1.0.0.tgz ", " by:speak\n",
		"\nnpm pad 1.0.0 linux/amd64 node_modules/old-pad/pad-1.0.0.tgz ",
		"\nconda python 3.11.2 linux/amd64 main/linux-64/python-3.11.2-2_cpython.conda "} {
		if !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q:\n%s", want, lock)
		}
	}
	for _, unwanted := range []string{"127.0.0.1", "s3cr3t", "t0ken", "\npip idna",
		"\ndeb python3 3.11.2-1+b1 linux/amd64 pool/main/p/python3-defaults/python3_3.11.2-1+b1_amd64.deb install"} {
		if strings.Contains(lock+said, unwanted) {
			l.t.Errorf("the lock holds %q", unwanted)
		}
	}
}

// condaOutdated asks how far pins of conda and npm could go.
func (l *lab) condaOutdated() {
	if later := l.run("home1", "outdated", "conda", "npm:quiet", "--as-of",
		"2023-05-01"); !strings.Contains(later, "1.1.0 (2023-04-01)") {
		l.t.Errorf("at a later date outdated says\n%s", later)
	}
	got := l.run("home1", "outdated", "conda")
	for i, line := range strings.Split(got, "\n") {
		if f, want := strings.Join(strings.Fields(line), " "), []string{"PIN NOW PATCH MINOR MAJOR NEWEST",
			"conda:hello 1.0.0 1.2.0 (2023-03-01)", "npm:quiet 1.0.0 1.0.1 (2022-02-01)", ""}; i >= len(want) ||
			f != want[i] {
			l.t.Errorf("outdated says\n%s", got)
			break
		}
	}
}

// condaReplaced has a package of pip's in place of what conda's brings.
func (l *lab) condaReplaced(lock string) {
	l.write("replaced/pins.lock", lock)
	l.write("replaced/pins.yaml", replacedCourse)
	l.run("home1", "lock", "replaced")
	l.run("home1", "build", "replaced", "--output", "oci-layout:replaced-image")
	l.run("home1", "verify", "--deep", "replaced", "oci-layout:replaced-image")
	l.write("replaced/pins.yaml", strings.Replace(replacedCourse, "replaces: idna", "replaces: hello", 1))
	l.fails(1, "pins.yaml:7: conda's idna already ships idna 3.4", "lock", "replaced")
	l.write("replaced/pins.yaml", strings.Replace(replacedCourse, "idna==3.3", "certifi", 1))
	l.fails(1, "pins.yaml:7: replaces: no conda package idna with a Python distribution certifi is locked",
		"lock", "replaced")
}

// condaAlone is an environment.yml, and an image that extends what it makes.
func (l *lab) condaAlone() {
	l.write("alone/environment.yml",
		"channels: [main]\ndependencies:\n  - python=3.11 # the term's\n  - hello=1.0\n")
	l.run("home1", "lock", "alone", "--base", "oci-layout:base")
	l.run("home1", "build", "alone", "--base", "oci-layout:base", "--output", "oci-layout:alone-image")
	l.run("home1", "verify", "alone", "oci-layout:alone-image", "--base", "oci-layout:base")
	l.condaExports()
	// Conda's environment as a base's own.
	l.write("onconda/pins.yaml", "extends: oci-layout:../alone-image\nas-of: 2023-03-17\npins: {pip: "+
		"[certifi==2022.12.7], conda: [greet, prefixed, hello=1.0], channels: [main]}\nchecks:\n  - python -c "+
		"'import hello, idna, greet, certifi' && test \"$(prefixed)\" = /opt/env\n")
	l.run("home1", "lock", "onconda")
	for _, want := range []string{"\nconda hello 1.0.0 linux/amd64 base sha256:", " 0 base pin+by:greet\n",
		"\nconda python 3.11.2 linux/amd64 base ", "\nconda idna 3.4 linux/amd64 main/noarch/"} {
		if lock := l.read("onconda/pins.lock"); !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q:\n%s", want, lock)
		}
	}
	l.run("home1", "build", "onconda", "--output", "oci-layout:onconda-image")
	l.run("home1", "verify", "--deep", "onconda", "oci-layout:onconda-image")
	l.write("onconda/pins.yaml", strings.Replace(l.read("onconda/pins.yaml"), "hello=1.0", "hello=1.2", 1))
	l.fails(1, "onconda/pins.yaml:3: the base image", "lock", "onconda")
}

// fillChannel adds what the courses ask for.
func (l *lab) fillChannel(c *channel) {
	for version, day := range map[string]string{"1.0.0": "2022-06-01", "1.2.0": "2023-03-01", "2.0.0": "2023-04-01"} {
		c.pure(l.t, "hello", version, day, "def main():\n    print('hello "+version+"')\n", nil, "hello = hello:main")
	}
	for version, made := range map[string][2]string{"1.0": {"h1a_0", "2022-06-01"}, "1.1": {"h9f_0", "2023-02-01"},
		"2.0": {"h77_0", "2023-04-01"}} {
		c.add(l.t, record{Name: "built", Version: version, Build: made[0]}, made[1],
			map[string]member{"share/built": {text: version}})
	}
	c.pure(l.t, "greet", "0.5", "2023-03-02", "import hello\n", []string{"hello >=1.0,<2"})
	c.pure(l.t, "idna", "3.4", "2022-09-15", "x = 1\n", nil)
	c.pure(l.t, "loud", "1.0", "2022-09-15", "x = 1\n", []string{"hello >=1.2", "idna"})
	c.add(l.t, record{Name: "prefixed", Version: "2.0", Build: "h0_0", Depends: []string{"python", "idna"}},
		"2023-01-10", map[string]member{
			"etc/prefixed.conf": {text: "root=" + placeholder + "/share\n", prefix: true},
			"bin/prefixed": {text: "#!" + placeholder + "/bin/python\nimport sys\nprint(sys.prefix)\n", mode: 0o755,
				prefix: true},
			"share/shared.txt": {text: "from prefixed\n"},
		})
	c.add(l.t, record{Name: "scripted", Version: "1.0", Build: "h0_7"}, "2023-01-10", map[string]member{
		"bin/.scripted-post-link.sh": {text: "#!/bin/bash\nset -eu\necho \"$PKG_NAME $PKG_VERSION $PKG_BUILDNUM\" " +
			">\"$PREFIX/etc/scripted\"\necho linked >>\"$PREFIX/.messages.txt\"\n", mode: 0o755},
		"etc/scripted.conf": {text: ""}})
	c.add(l.t, record{Name: "clobber", Version: "1.0", Build: "0"}, "2023-01-10",
		map[string]member{"share/shared.txt": {text: "from clobber\n"}, "etc/clobber": {text: ""}})
}

// condaMeta compares what conda itself says is installed with the lock.
func (l *lab) condaMeta(lock string) {
	var got, want []string
	for name, data := range l.files("conda-image", func(name string) bool {
		return path.Dir(name) == "opt/env/conda-meta"
	}) {
		var meta struct{ Name, Version, Build, Channel, URL, Subdir, SHA256 string }
		if err := json.Unmarshal(data, &meta); err != nil {
			l.t.Errorf("%s: %v", name, err)
		}
		got = append(got, fmt.Sprintf("%s %s %s/%s/%s-%s-%s.conda", meta.Name, meta.Version, meta.Channel,
			meta.Subdir, meta.Name, meta.Version, meta.Build))
		if strings.Contains(string(data), "127.0.0.1") {
			l.t.Errorf("%s holds an address", name)
		}
	}
	for _, line := range strings.Split(lock, "\n") {
		if f := strings.Fields(line); len(f) > 4 && f[0] == "conda" {
			want = append(want, strings.Join([]string{f[1], f[2], f[4]}, " "))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		l.t.Errorf("the lock and conda-meta differ:\n%s", diff)
	}
}

// condaFailures are pins that can't be.
func (l *lab) condaFailures(lock string) {
	for name, test := range map[string]struct {
		old, new string
		code     int
		want     string
	}{
		"no such package": {"- greet", "- greett", 1,
			"pins.yaml:9: no channel (main) has a package greett: did you mean greet?"},
		"no such version": {"hello=1.0", "hello=1.1", 1,
			"pins.yaml:8: hello has no version =1.1: the nearest: 1.0.0 and 1.2.0"},
		"too new": {"hello=1.0", "hello=2.0", 1,
			"pins.yaml:8: hello =2.0 is newer than as-of: it was published on 2023-04-01"},
		"no solution":     {"- greet", "- loud", 1, "pins.yaml:8: hello=1.0 (wanted: 1.2 speaks to nobody)"},
		"brought already": {"requests==2.28.2", "idna==3.3", 1, "pins.yaml:12: conda's idna already ships idna 3.4"},
		"two owners": {"- prefixed", "- prefixed\n    - clobber", 3,
			"clobber 1.0 and prefixed 2.0 both own share/shared.txt"},
		"no npm version": {"speak@^1.0", "speak@1.7.0", 1,
			"pins.yaml:15: speak has no version 1.7.0: the nearest: 1.1.0"},
		"no npm package": {"speak@^1.0", "speek@^1.0", 1, "pins.yaml:15: no registry has a package speek"},
		"channel":        {"[main]", "[nowhere]", 5, "can't read a conda channel (nowhere;"},
	} {
		l.t.Run(name, func(t *testing.T) {
			l := l.at(t)
			dir := "conda-" + strings.ReplaceAll(name, " ", "-")
			l.write(dir+"/pins.lock", lock) // so that apt is not asked each time
			l.write(dir+"/pins.yaml", strings.Replace(mixedCourse, test.old, test.new, 1))
			l.fails(test.code, test.want, "lock", dir)
		})
	}
}

// condaBuilds bumps a pin that has a build, as conda env export writes it: the
// build is the new version's, and outdated promises what bump does. Where only
// as-of stands in the way, the date is proposed.
func (l *lab) condaBuilds() {
	l.write("builds/pins.yaml", "course: builds\nbase: oci-layout:../base\nas-of: 2023-03-17\npins:\n  channels: "+
		"[main]\n  conda:\n    - built=1.0=h1a_0 # exported\n")
	l.run("home1", "lock", "builds")
	if out := l.run("home1", "outdated", "builds"); !strings.Contains(out, "1.1 (2023-02-01)") ||
		strings.Contains(out, "2.0") {
		l.t.Errorf("outdated says\n%s", out)
	}
	before := l.read("builds/pins.yaml")
	l.fails(1, "Only as-of (2023-03-17) prevents this: run driftpin bump builds built=2.0 --as-of 2023-04-01", "bump",
		"builds", "built=2.0")
	_, said, err := l.output("home1", "bump", "builds", "built=1.1", "--write")
	if err != nil {
		l.t.Fatal(err)
	}
	if after := l.read("builds/pins.yaml"); after != strings.Replace(before, "=1.0=h1a_0", "==1.1", 1) {
		l.t.Errorf("bump wrote\n%s", after)
	}
	if !strings.Contains(said, "h1a_0") {
		l.t.Errorf("bump says nothing of the build: %s", said)
	}
	l.run("home1", "lock", "--check", "builds")
}

// condaAndPip is an environment.yml that asks both conda and pip for a package:
// pip installs over conda's, so its version is what the image has.
func (l *lab) condaAndPip() {
	l.write("both/environment.yml", "channels: [main]\ndependencies:\n  - python=3.11\n  - idna=3.4\n  - pip:\n "+
		"   - idna==3.3\n")
	if out := l.run("home1", "pins", "both"); !strings.Contains(out, "both/environment.yml:6: warning: ") ||
		!strings.Contains(out, "both/environment.yml:4") {
		l.t.Errorf("pins says\n%s", out)
	}
	l.run("home1", "lock", "both", "--base", "oci-layout:base")
	l.run("home1", "build", "both", "--base", "oci-layout:base", "--output", "oci-layout:both-image")
	l.run("home1", "verify", "--deep", "both", "oci-layout:both-image", "--base", "oci-layout:base")
	if out := l.run("home1", "inventory", "oci-layout:both-image"); !strings.Contains(out, "3.3") ||
		strings.Contains(out, "idna  3.4") {
		l.t.Errorf("inventory says\n%s", out)
	}
	l.write("both2/pins.yaml", "course: both2\nbase: oci-layout:../base\npins:\n  channels: [main]\n  conda: "+
		"[python=3.11, idna=3.4]\n  pip: [idna==3.3]\n")
	l.fails(1, "replaces: idna", "lock", "both2")
}

// condaBump bumps a pin of conda's.
func (l *lab) condaBump(lock string) {
	out := l.run("home1", "bump", "conda", "hello=1.2", "--write")
	for _, want := range []string{"hello={+1.2+}", "1.0.0", "1.2.0"} {
		if !strings.Contains(out, want) {
			l.t.Errorf("bump says %q, without %s", out, want)
		}
	}
	changed := 0
	after := strings.Split(l.read("conda/pins.lock"), "\n")
	for i, line := range strings.Split(lock, "\n") {
		if i < len(after) && after[i] != line {
			changed++
		}
	}
	if changed != 4 { // the package, the digests of what conda and pip were asked, and the checksum
		l.t.Errorf("%d lines of the lock changed", changed)
	}
}

const pixiCourse = `[workspace]
name = "pixi"
channels = ["main"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"

[feature.speaking.dependencies]
hello = ">=1.0"
scripted = "*"

[environments]
speaking = ["speaking"]
`

// TestPixi has a course of pixi's, with an environment and a lock of pixi's, and a
// package with a script that conda runs after its installation.
func TestPixi(t *testing.T) {
	t.Parallel()
	l := newLab(t).withChannel().with("DRIFTPIN_BASE=oci-layout:base")
	l.write("first/pixi.toml", strings.Replace(pixiCourse, ">=1.0", "==1.0.0", 1))
	l.run("home1", "lock", "first", "--environment", "speaking")
	first, err := pins.ParseLock("first/pins.lock", []byte(l.read("first/pins.lock")))
	l.must(nil, err)
	hello, _ := first.Find(pins.Conda, "hello", "linux/amd64")
	l.write("pixi/pixi.toml", pixiCourse)
	l.write("pixi/pixi.lock", "version: 6\nenvironments:\n  speaking:\n    packages:\n      linux-64:\n"+
		"      - conda: https://conda.invalid/main/noarch/hello-1.0.0-pyhd8ed1ab_0.conda\npackages:\n"+
		"- conda: https://conda.invalid/main/noarch/hello-1.0.0-pyhd8ed1ab_0.conda\n  sha256: \""+hello.SHA256+"\"\n")
	l.fails(1, "has no environment other: it has default, speaking", "lock", "pixi", "--environment",
		"other")
	l.run("home1", "lock", "pixi", "--environment", "speaking")
	lock := l.read("pixi/pins.lock")
	for _, want := range []string{"\nconda hello 1.0.0 ", "\npost-link scripted run\n"} {
		if !strings.Contains(lock, want) {
			t.Errorf("the lock has no %q:\n%s", want, lock)
		}
	}
	l.fails(3, "other conda pins are asked for", "lock", "--check", "pixi")
	built := l.run("home1", "build", "pixi", "--environment", "speaking", "--output",
		"oci-layout:pixi-image")
	l.run("home1", "verify", "pixi", "--environment", "speaking", "oci-layout:pixi-image")
	said := ""
	for _, data := range l.files("pixi-image", func(name string) bool { return name == "opt/env/etc/scripted" }) {
		said += string(data)
	}
	if said != "scripted 1.0 7\n" {
		t.Errorf("the script wrote %q", said)
	}
	if again := l.run("home-other", "build", "pixi", "--environment", "speaking", "--output",
		"oci-layout:pixi-again"); again != built {
		t.Errorf("built again it is %q, not %q: %v", again, built, l.differing("pixi-image", "pixi-again"))
	}

	// In a pins.yaml it has to be said whether a script runs.
	const course = "course: pixi\nbase: oci-layout:../base\nas-of: 2023-03-17\npins:\n  channels: [main]\n" +
		"  conda: [python=3.11, SCRIPTED]\n"
	l.write("scripted/pins.yaml", strings.Replace(course, "SCRIPTED", "scripted", 1))
	l.fails(1, "scripted/pins.yaml:6: the conda package scripted 1.0 brings a script that conda runs", "lock", "scripted")
	l.write("scripted/pins.yaml", strings.Replace(course, "SCRIPTED", "{pin: scripted, scripts: false}", 1))
	l.run("home1", "lock", "scripted")
	l.run("home1", "build", "scripted", "--output", "oci-layout:scripted-image")
	for name := range l.files("scripted-image", func(name string) bool { return name == "opt/env/etc/scripted" }) {
		t.Errorf("the script has run: %s", name)
	}
}
