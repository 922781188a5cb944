package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// extendingCourse adds to the image of the first course, which holds tornado
// 6.2, idna 3.3 and docopt 0.6.2; wget has only a source distribution.
const extendingCourse = `course: extending
extends: oci-layout:../image
as-of: 2023-03-17
pins:
  pip:
    - {pin: tornado==6.2.0, need: hard}
    - terminado==0.17.1
    - requests==2.28.2
    - wget==3.2
  apt: [file]
checks:
  - python -c 'import tornado, terminado, requests, wget, idna, tmpystore; assert idna.__version__ == "3.3"'
  - test "$NB_PYTHON_PREFIX" = /opt/env && file --version && tree --version && ! command -v gcc
`

// TestExtends builds on images that have an environment.
func TestExtends(t *testing.T) {
	t.Parallel()
	newLab(t).extends()
}

// extends builds on an image that has an environment already.
func (l *lab) extends() {
	l.write("extending/pins.yaml", extendingCourse)
	l.run("home1", "lock", "extending")
	lock := l.read("extending/pins.lock")
	for _, want := range []string{"\npip tornado 6.2 linux/amd64 base sha256:", " 0 base pin+by:terminado\n",
		"\npip idna 3.3 linux/amd64 base sha256:", " 0 base by:requests\n",
		"\npip urllib3 1.26.15 ", "\ndeb file ", "\npip wget 3.2 linux/amd64 wget-3.2-py3-none-any.whl "} {
		if !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q", want)
		}
	}
	for _, unwanted := range []string{"\ndeb python3 3", "\npip docopt", "\nenvironment"} {
		if strings.Contains(lock, unwanted) {
			l.t.Errorf("the lock has %q", unwanted)
		}
	}
	first := l.run("home1", "build", "extending", "--output", "oci-layout:extending-image")
	l.run("home1", "verify", "--deep", "extending", "oci-layout:extending-image")
	if out := l.run("home1", "why", "extending", "idna"); !strings.Contains(out, "requests") {
		l.t.Errorf("why says %q", out)
	}
	if again := l.run("home-other", "build", "extending", "--output",
		"oci-layout:extending-again"); strings.Fields(again)[0] != strings.Fields(first)[0] {
		l.t.Errorf("built %q, then %q", first, again)
	}
	_, err := l.try("home1", "drift", "oci-layout:image", "oci-layout:extending-image")
	drift := fmt.Sprint(err) // exit status 3
	for _, want := range []string{"+ terminado", "+ wget"} {
		if !strings.Contains(drift, want) {
			l.t.Errorf("drift says %q, without %s", drift, want)
		}
	}
	if strings.Contains(drift, "tornado") || strings.Contains(drift, "idna") {
		l.t.Errorf("what the base holds has changed: %s", drift)
	}
	for name, test := range map[string]struct{ old, new, want string }{
		"another version": {"tornado==6.2.0", "tornado==6.3.3", "pins.yaml:6: the base image oci-layout:"},
		"required": {"requests==2.28.2", "requests==2.0.0\n    - pip==22.3.1\n    - ypy-websocket==0.8.2",
			"pins.yaml:10: the base image"},
		"conda": {"  apt: [file]", "  conda: [xz]",
			"pins.yaml:10: the environment at /opt/env in the base image"},
	} {
		l.t.Run(name, func(t *testing.T) {
			l := l.at(t)
			dir := "extending-" + strings.ReplaceAll(name, " ", "-")
			l.write(dir+"/pins.yaml", strings.Replace(extendingCourse, test.old, test.new, 1))
			l.fails(1, test.want, "lock", dir)
		})
	}
	l.write("over/pins.yaml", strings.Replace(extendingCourse, "wget==3.2", "docopt-ng==0.7.2", 1))
	l.fails(3, "over/pins.yaml:9: docopt-ng 0.7.2 and docopt 0.6.2, of the base image, both own "+
		"site-packages/docopt.py,", "lock", "over")
	l.fails(3, "of the base image, both own site-packages/docopt.py,", "lock", "--check", "over")
	l.t.Run("elsewhere", func(t *testing.T) { l.at(t).extendsElsewhere() })
}

// extendsElsewhere builds on an image whose environment lies where others put
// theirs.
func (l *lab) extendsElsewhere() {
	l.save("stack", l.stack())
	l.write("stacked/pins.yaml", "extends: oci-layout:../stack\nas-of: 2023-03-17\npins: {pip: [requests==2.28.2, "+
		"wget==3.2]}\nchecks: [\"python -c 'import sys, requests; assert requests.__file__.startswith(sys.prefix) "+
		"and sys.prefix == \\\"/srv/nb\\\"'\"]\n")
	l.run("home1", "lock", "stacked")
	if lock := l.read("stacked/pins.lock"); !strings.Contains(lock, "\nenvironment /srv/nb\n") ||
		!strings.Contains(lock, "\npip idna 3.3 linux/amd64 base ") ||
		!strings.Contains(lock, "\npip setuptools 67.6.0 linux/amd64 setuptools-67.6.0-py3-none-any.whl ") {
		l.t.Errorf("the lock is\n%s", lock)
	}
	l.run("home1", "build", "stacked", "--output", "oci-layout:stacked-image")
	l.run("home1", "verify", "stacked", "oci-layout:stacked-image") // the stale ones have no RECORD
	built, err := l.open("stacked-image").ConfigFile()
	if err != nil {
		l.t.Fatal(err)
	}
	if c := built.Config; strings.Join(c.Entrypoint, " ") != "start.sh" ||
		c.Env[0] != "PATH=/srv/nb/bin:/usr/bin:/bin" {
		l.t.Errorf("the config is %+v", c)
	}
	// A git pin whose package the base holds, though the pin does not name it.
	l.write("git-course/pins.yaml", "extends: oci-layout:../image\nas-of: 2023-03-17\npins:\n  pip: "+
		"[git+https://git.example.org/tmpystore.git@v1]\n")
	l.fails(1, "git-course/pins.yaml:4: the base image", "lock", "git-course")
	l.write("bare-course/pins.yaml", "extends: oci-layout:../base\npins: {pip: [idna]}\n")
	l.fails(1, "its config names no environment in NB_PYTHON_PREFIX", "lock", "bare-course")
}

// stack returns the course's image with an environment in /srv/nb, which its
// config names, and with stale metadata in it.
func (l *lab) stack() v1.Image {
	root := l.unpack("image")
	script := `python3 -m venv --without-pip /srv/nb
cd /srv/nb/lib/python3.11/site-packages
cp -a /opt/env/lib/python3.11/site-packages/idna* .
for d in setuptools-60.0.0 stale-1.0 stale-2.0; do
	mkdir $d.dist-info
	printf 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' ${d%-*} ${d#*-} >$d.dist-info/METADATA
done`
	if out, err := exec.Command("chroot", root, "/bin/sh", "-ec", script).CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	archive, err := exec.Command("tar", "--create", "--directory", root, "srv").Output()
	if err != nil {
		l.t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive)), nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	img, err := mutate.AppendLayers(l.open("image"), layer)
	if err != nil {
		l.t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		l.t.Fatal(err)
	}
	changed := config.DeepCopy()
	changed.Config = v1.Config{Env: []string{"PATH=/srv/nb/bin:/usr/bin:/bin", "CONDA_DIR=/srv/nb"},
		Entrypoint: []string{"start.sh"}}
	if img, err = mutate.ConfigFile(img, changed); err != nil {
		l.t.Fatal(err)
	}
	return img
}
