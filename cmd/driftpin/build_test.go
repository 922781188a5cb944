package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// course has a wheel, a source distribution, a git requirement and a Debian
// package. The tag v1 is asked for by its name.
const courseYAML = `course: small
base: oci-layout:../base
as-of: 2023-03-17
pins:
  pip:
    - {pin: tornado==6.2.0, need: solver}
    - pip==22.3.1
    - docopt==0.6.2
    - idna==3.3
    - git+https://git.example.org/tmpystore.git@v1
  apt: [tree]
files: {overrides.json: /opt/env/share/overrides.json}
launch:
  cmd: [jupyterhub-singleuser, --LabApp.collaborative=true]
  files: {/etc/jupyter/x.json: {a: 1}}
checks:
  - python -c "import tmpystore; assert tmpystore.TmpYStore.db_path.startswith('/tmp')"
  - test "$(id -u)" = 1000 && tree --version && test -w "$HOME" && ! test -w /opt/env
  - "! command -v gcc"
`

// TestMainJob is the main job, from pins to an image that is verified.
func TestMainJob(t *testing.T) {
	l := newLab(t)
	for _, want := range []string{"\npip tornado 6.2 ", "\npip docopt 0.6.2 linux/amd64 docopt-0.6.2.tar.gz ",
		" from=sdist:docopt-0.6.2.tar.gz\n",
		" from=git+https://git.example.org/tmpystore.git@", "\npip setuptools 67.6.0 ", "\ndeb gcc ", "\ndeb tree ",
		"\npip ypy-websocket 0.8.4 "} {
		if !strings.Contains(l.lock, want) {
			t.Errorf("the lock has no %q", want)
		}
	}
	if strings.Contains(l.lock, "127.0.0.1") {
		t.Error("the lock holds an address")
	}
	t.Run("relock", func(t *testing.T) { l.at(t).relock() })
	t.Run("verify", func(t *testing.T) { l.at(t).verify() })
	t.Run("inventory", func(t *testing.T) { l.at(t).inventory() })
	t.Run("carried", func(t *testing.T) {
		l := l.at(t)
		carried, read := l.run("home1", "inventory", "--format", "json", "oci-layout:image"),
			l.run("home1", "inventory", "--format", "json", "--read-layers", "oci-layout:image")
		if diff := cmp.Diff(read, carried); diff != "" {
			t.Errorf("what the image says of itself (+) is not what its layers hold (-):\n%s", diff)
		}
	})
	t.Run("nothing changed", func(t *testing.T) {
		l := l.at(t)
		if again := l.run("home1", "build", "course", "--output", "oci-layout:image"); again != l.first {
			t.Errorf("built %q, then %q", l.first, again)
		}
	})
}

// at is the lab of a subtest.
func (l *lab) at(t *testing.T) *lab {
	sub := *l
	sub.t = t
	return &sub
}

func (l *lab) relock() {
	start := time.Now()
	l.run("home1", "lock", "course")
	if l.read("course/pins.lock") != l.lock {
		l.t.Error("locking again changed the lock")
	}
	l.t.Logf("locking again took %v", time.Since(start))
	l.run("home1", "lock", "--check", "course")
}

func (l *lab) verify() {
	if out := l.run("home1", "verify", "course", "oci-layout:image"); !strings.Contains(out, "holds what") {
		l.t.Errorf("verify says %q", out)
	}
	img := l.open("image")
	meta := "Metadata-Version: 2.1\nName: idna\nVersion: 3.4\n"
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h := &tar.Header{Name: "opt/env/lib/python3.11/site-packages/idna-3.3.dist-info/METADATA", Mode: 0o644,
		Size: int64(len(meta))}
	if err := errors.Join(w.WriteHeader(h), second(io.WriteString(w, meta)), w.Close()); err != nil {
		l.t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		l.t.Fatal(err)
	}
	l.save("changed", img)
	l.fails(3, "idna  3.3 → 3.4", "verify", "course", "oci-layout:changed")
}

// inventory compares driftpin's inventory with what pip and dpkg say inside
// the image.
func (l *lab) inventory() {
	root := l.unpack("image")
	var found struct {
		Packages []struct{ Kind, Name, Version, Where string }
	}
	if err := json.Unmarshal([]byte(l.run("home1", "inventory", "--format", "json", "oci-layout:image")),
		&found); err != nil {
		l.t.Fatal(err)
	}
	got := map[string][]string{}
	for _, p := range found.Packages {
		if p.Kind == "pip" && p.Where != "/opt/env" {
			continue
		}
		got[p.Kind] = append(got[p.Kind], p.Name+" "+p.Version)
	}
	inside := func(args ...string) []byte {
		cmd := exec.Command("chroot", append([]string{root}, args...)...)
		cmd.Env = []string{"PATH=/opt/env/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"}
		out, err := cmd.Output()
		if err != nil {
			l.t.Fatal(err)
		}
		return out
	}
	var listed []struct{ Name, Version string }
	if err := json.Unmarshal(inside("/opt/env/bin/pip", "list", "--format", "json", "--disable-pip-version-check"),
		&listed); err != nil {
		l.t.Fatal(err)
	}
	var want []string
	for _, p := range listed {
		want = append(want, pins.CanonicalName(pins.Pip, p.Name)+" "+p.Version)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got["pip"]); diff != "" {
		l.t.Errorf("pip (-pip list +driftpin):\n%s", diff)
	}
	want = strings.Fields(strings.ReplaceAll(string(inside("dpkg-query", "-W", "-f", "${Package}_${Version}\n")), " ",
		""))
	for i := range want {
		want[i] = strings.Replace(want[i], "_", " ", 1)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got["deb"]); diff != "" {
		l.t.Errorf("deb (-dpkg +driftpin):\n%s", diff)
	}
	origin := l.read("root/opt/env/lib/python3.11/site-packages/tmpystore-0.0.1.dist-info/direct_url.json")
	if !strings.Contains(origin, `"url":"https://git.example.org/tmpystore.git"`) ||
		!strings.Contains(origin, `"requested_revision":"v1"`) {
		l.t.Errorf("direct_url.json is %s", origin)
	}
}

// TestBump takes another version of a pin, in one course and in several.
func TestBump(t *testing.T) {
	t.Parallel()
	newLab(t).bump()
}

// bump changes one pin: one line of the lock and one layer change.
func (l *lab) bump() {
	before := strings.Split(l.read("course/pins.lock"), "\n")
	l.write("bumped/overrides.json", "{}\n")
	l.write("bumped/pins.lock", l.read("course/pins.lock"))
	l.write("bumped/pins.yaml", strings.Replace(courseYAML, "idna==3.3", "idna==3.4", 1))
	l.fails(3, "the lock is stale: other pip pins are asked for: idna==3.4", "build", "bumped", "--output",
		"oci-layout:bumped-image")
	l.write("bumped/pins.yaml", courseYAML)
	if out := l.run("home1", "bump", "bumped", "idna=3.4"); !strings.Contains(out, "+     - idna=={+3.4+}\n") ||
		!strings.Contains(out, "idna  3.3 → 3.4") {
		l.t.Errorf("bump shows %s", out)
	}
	if l.read("bumped/pins.yaml") != courseYAML || l.read("bumped/pins.lock") != l.read("course/pins.lock") {
		l.t.Error("a dry run wrote something")
	}
	l.fails(1, "the course does not pin idma: did you mean idna?", "bump", "bumped", "idma=3.4")
	l.fails(1, "The nearest of idna is 3.4.", "bump", "bumped", "idna=3.99")
	if out := l.run("home1", "bump", "bumped", "idna", "--as-of", "2023-12-31"); !strings.Contains(out,
		"idna=={+3.6+}") {
		l.t.Errorf("bump --as-of shows %s", out)
	}
	l.run("home1", "bump", "bumped", "idna", "--to", "minor", "--write")
	if got := l.read("bumped/pins.yaml"); got != strings.Replace(courseYAML, "idna==3.3", "idna==3.4", 1) {
		l.t.Errorf("bump wrote\n%s", got)
	}
	l.run("home1", "lock", "--check", "bumped")
	var changed []string
	for i, line := range strings.Split(l.read("bumped/pins.lock"), "\n") {
		if i >= len(before) || line != before[i] {
			word, rest, _ := strings.Cut(line, " ")
			if name, _, more := strings.Cut(rest, " "); more {
				word += " " + name
			}
			changed = append(changed, word)
		}
	}
	if diff := cmp.Diff([]string{"inputs pip", "checksum", "pip idna"}, changed); diff != "" {
		l.t.Errorf("lines of the lock that changed:\n%s", diff)
	}
	l.run("home1", "build", "bumped", "--output", "oci-layout:bumped-image")
	if fresh := l.newLayers("image", "bumped-image"); fresh != 1 {
		l.t.Errorf("a bump of one pin made %d new layers", fresh)
	}
	l.fails(3, "idna  3.3 → 3.4", "drift", "oci-layout:image", "oci-layout:bumped-image")
	l.t.Run("several", func(t *testing.T) { l.at(t).bumpSeveral() })
}

// newLayers counts the layers of a layout's image that another has not.
func (l *lab) newLayers(before, after string) (fresh int) {
	l.t.Helper()
	old, err := l.open(before).Layers()
	if err != nil {
		l.t.Fatal(err)
	}
	layers, err := l.open(after).Layers()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			l.t.Fatal(err)
		}
		if !slices.ContainsFunc(old, func(o v1.Layer) bool { d, err := o.Digest(); return err == nil && d == digest }) {
			fresh++
		}
	}
	return fresh
}

// bumpSeveral bumps two courses that share a fragment, of which each has one pin
// of its own in place of the fragment's.
func (l *lab) bumpSeveral() {
	files := map[string]string{
		"several/all.yaml": "base: oci-layout:../base\nas-of: 2023-03-17\npins:\n  pip:\n    - idna==3.3\n   " +
			" - certifi==2022.9.24\n",
		"several/a/pins.yaml": "extends: ../all.yaml\npins:\n  pip: [certifi==2022.6.15]\n",
		"several/b/pins.yaml": "extends: ../all.yaml\npins:\n  pip: [idna==3.2, requests==2.28.2]\n",
	}
	courses := []string{"several/a", "several/b"}
	same := func(want map[string]string) {
		l.t.Helper()
		for name, text := range want {
			if got := l.read(name); got != text {
				l.t.Errorf("%s is\n%s", name, got)
			}
		}
	}
	for name, text := range files {
		l.write(name, text)
	}
	l.run("home1", append([]string{"lock"}, courses...)...)
	for _, c := range courses {
		files[c+"/pins.lock"] = l.read(c + "/pins.lock")
	}
	// idna 2.4 is too old for the second course's requests, so neither is written.
	l.fails(1, "bumping several/b: the pip pins can't be met together",
		append([]string{"bump", "idna=2.4", "--write"}, courses...)...)
	same(files)
	l.run("home1", append([]string{"bump", "idna=3.4", "certifi", "--to", "minor", "--write", "--markdown",
		"several/body.md"}, courses...)...)
	same(map[string]string{
		"several/all.yaml": strings.NewReplacer("idna==3.3", "idna==3.4", "2022.9.24",
			"2022.12.7").Replace(files["several/all.yaml"]),
		"several/a/pins.yaml": strings.Replace(files["several/a/pins.yaml"], "2022.6.15", "2022.12.7", 1),
		"several/b/pins.yaml": strings.Replace(files["several/b/pins.yaml"], "idna==3.2", "idna==3.4", 1),
	})
	l.run("home1", append([]string{"lock", "--check"}, courses...)...)
	if body := l.read("several/body.md"); !strings.Contains(body,
		"### a: idna 3.3 → 3.4, certifi 2022.6.15 → 2022.12.7") || !strings.Contains(body, "### b:") {
		l.t.Errorf("the body is\n%s", body)
	}
}

// TestFailures has checks and pins that fail.
func TestFailures(t *testing.T) {
	t.Parallel()
	newLab(t).failures()
}

// failures end with the manifest's line, and export nothing.
func (l *lab) failures() {
	failing := strings.Replace(courseYAML, "checks:\n", "checks:\n  - echo so; exit 7\n", 1)
	l.write("failing/pins.yaml", failing)
	l.write("failing/overrides.json", "{}\n")
	l.write("failing/pins.lock", l.lock)
	l.fails(4, "failing/pins.yaml:17: the step failed with exit status 7", "build", "failing", "--output",
		"oci-layout:failing-image")
	if _, err := os.Stat(filepath.Join(l.dir, "failing-image", "index.json")); err == nil {
		l.t.Error("an image was exported though its check failed")
	}
	// They run side by side; what is said is of the first in the list.
	failing = strings.Replace(courseYAML, "checks:\n", "checks:\n  - sleep 2; echo first; exit 7\n  - echo second; exit 8\n", 1)
	l.write("failing/pins.yaml", failing)
	l.fails(4, "failing/pins.yaml:17: the step failed with exit status 7:\nfirst\n", "build", "failing", "--output",
		"oci-layout:failing-image")
	for name, want := range map[string]string{
		"boken==2.4.3":           "pins.yaml:4: no index has a package boken: did you mean bokeh?",
		"jupyter_server==2.27.3": "pins.yaml:4: jupyter-server has no version 2.27.3",
		"jupyterlab==3.6.3":      "pins.yaml:4: jupyterlab 3.6.3 is newer than as-of: it was published on 2023-03-31",
		"git+https://git.example.org/tmpystore.git@nosuch": "pins.yaml:4: https://git.example.org/tmpystore.git " +
			"has no commit, branch or tag nosuch",
	} {
		l.write("bad/pins.yaml", "base: oci-layout:../base\nas-of: 2023-03-17\npins: {pip: [\n\""+name+"\"]}\n")
		l.fails(1, want, "lock", "bad")
	}
	l.write("bad/pins.yaml", "base: oci-layout:../base\npins:\n  apt: [gti]\n")
	l.fails(1, "pins.yaml:3: apt knows no package gti", "lock", "bad")
	if _, err := os.Stat(filepath.Join(l.dir, "bad", "pins.lock")); err == nil {
		l.t.Error("a lock was written though resolving failed")
	}
}

// TestElsewhere builds from a registry, and into one.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	newLab(t).elsewhere()
}

// elsewhere builds from a registry's base, into a registry and into an
// archive: the packages are the same.
func (l *lab) elsewhere() {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	base := l.open("base")
	digest, err := base.Digest()
	if err != nil {
		l.t.Fatal(err)
	}
	ref, err := name.ParseReference(host + "/base:1")
	if err != nil {
		l.t.Fatal(err)
	}
	if err := remote.Write(ref, base); err != nil {
		l.t.Fatal(err)
	}
	l.write("remote/pins.yaml", strings.Replace(courseYAML, "oci-layout:../base", host+"/base:1@"+digest.String(), 1))
	l.write("remote/overrides.json", "{}\n")
	l.write("remote/pins.lock", l.read("course/pins.lock"))
	l.run("home1", "lock", "remote")
	tag := strings.Fields(l.run("home1", "build", "remote", "--push", host+"/hub/{course}"))[1]
	l.run("home1", "build", "remote", "--output", "docker-archive:image.tar")
	pushed := host + "/hub/small:" + tag
	l.run("home1", "verify", "remote", pushed)
	l.run("home1", "verify", "remote", "docker-archive:image.tar")
	l.run("home1", "drift", pushed, "docker-archive:image.tar")
	l.run("home1", "drift", "oci-layout:image", pushed)
}
