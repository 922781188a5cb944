package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestMissing has locked files leave their index.
func TestMissing(t *testing.T) {
	t.Parallel()
	newLab(t).missing()
}

// missing: locked files that no index has any more, a .deb, a wheel and a conda
// package, are named by build, and locked anew by build --relock-missing.
func (l *lab) missing() {
	l.t.Run("deb", func(t *testing.T) { l.at(t).missingDeb() })
	l.t.Run("wheel", func(t *testing.T) { l.at(t).missingWheel() })
	l.t.Run("conda", func(t *testing.T) { l.at(t).missingConda() })
}

// forget takes the files of some locked packages out of a home, as if this machine
// had never had them.
func (l *lab) forget(home, lock, name string) {
	l.t.Helper()
	for _, line := range strings.Split(l.read(lock), "\n") {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != name {
			continue
		}
		sum := strings.TrimPrefix(f[5], "sha256:")
		for _, file := range []string{filepath.Join("files", "blobs", "sha256", sum), filepath.Join("addresses", sum)} {
			if err := os.Remove(filepath.Join(l.dir, home, file)); err != nil && !errors.Is(err, os.ErrNotExist) {
				l.t.Fatal(err)
			}
		}
	}
}

// goesOn sees that build fails for a file that has gone, and goes on with what
// there is instead, if it may.
func (l *lab) goesOn(course, file, now string) {
	l.t.Helper()
	before := l.read(course + "/pins.lock")
	out := "oci-layout:" + course + "-image"
	l.fails(1, file, "build", course, "--output", out)
	l.fails(1, "driftpin build --relock-missing", "build", course, "--output", out)
	if l.read(course+"/pins.lock") != before {
		l.t.Error("the lock was changed")
	}
	_, said, err := l.output("home1", "build", course, "--relock-missing", "--output", out)
	if err != nil || !strings.Contains(said, "locking the course again") {
		l.t.Fatalf("build --relock-missing says %s: %v", said, err)
	}
	if lock := l.read(course + "/pins.lock"); !strings.Contains(lock, now) {
		l.t.Errorf("the lock has no %q:\n%s", now, lock)
	}
	l.run("home1", "lock", "--check", course)
	l.run("home1", "verify", course, out)
}

func (l *lab) missingWheel() {
	x := newTestIndex(l.t)
	l = l.with("UV_DEFAULT_INDEX=" + x.URL + "/simple")
	x.add(l.t, "leaving", "1.0", map[string]string{"leaving.py": ""})
	l.pinned("gone-wheel", "leaving")
	l.write("gone-wheel/pins.yaml", strings.Replace(l.read("gone-wheel/pins.yaml"), "leaving==1.0", "leaving>=1.0", 1))
	l.run("home1", "lock", "gone-wheel")
	x.mu.Lock()
	delete(x.files, "leaving-1.0-py3-none-any.whl")
	x.mu.Unlock()
	x.add(l.t, "leaving", "1.1", map[string]string{"leaving.py": ""})
	l.forget("home1", "gone-wheel/pins.lock", "leaving")
	l.goesOn("gone-wheel", "leaving-1.0-py3-none-any.whl", "\npip leaving 1.1 ")
	// Another file under the name that is locked is not taken for it.
	x.add(l.t, "leaving", "1.1", map[string]string{"leaving.py": "# evil\n"})
	l.forget("home1", "gone-wheel/pins.lock", "leaving")
	before := l.read("gone-wheel/pins.lock")
	l.fails(1, "The index has a leaving-1.1-py3-none-any.whl with the sha256 ", "build", "gone-wheel",
		"--relock-missing", "--output", "oci-layout:gone-wheel-image")
	if l.read("gone-wheel/pins.lock") != before {
		l.t.Error("what was changed was locked without a word")
	}
}

func (l *lab) missingConda() {
	c := newChannel(l.t)
	l = l.with("CONDA_CHANNEL_ALIAS=" + c.URL)
	add := func(version string) {
		c.add(l.t, record{Name: "leaving", Version: version, Build: "0"}, "2023-01-10",
			map[string]member{"share/leaving": {text: version}})
	}
	add("1.0")
	l.write("gone-conda/pins.yaml", "course: gone-conda\nbase: oci-layout:../base\npins: {channels: [main], conda: "+
		"[\"leaving>=1.0\"]}\nchecks: [test -e $CONDA_PREFIX/share/leaving]\n")
	l.run("home1", "lock", "gone-conda")
	c.mu.Lock()
	clear(c.files)
	clear(c.records["linux-64"])
	c.mu.Unlock()
	add("1.1")
	l.forget("home1", "gone-conda/pins.lock", "leaving")
	l.goesOn("gone-conda", "leaving-1.0-0.conda", "\nconda leaving 1.1 ")
}

// missingDeb is a course on a base whose apt has a repository of its own, on
// loopback.
func (l *lab) missingDeb() {
	repo := l.t.TempDir()
	server := httptest.NewServer(http.FileServer(http.Dir(repo)))
	l.t.Cleanup(server.Close)
	publish := func(version string) {
		l.t.Helper()
		script := `rm -f *.deb Packages
mkdir -p root/DEBIAN root/usr/share/leaving; echo $1 >root/usr/share/leaving/version
printf 'Package: leaving\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n' $1 >root/DEBIAN/control
echo 'Description: a package that is replaced' >>root/DEBIAN/control
dpkg-deb --root-owner-group --build root leaving_$1_all.deb >/dev/null
sum=$(sha256sum leaving_$1_all.deb | cut -d' ' -f1) size=$(stat -c %s leaving_$1_all.deb)
cp root/DEBIAN/control Packages
printf 'Filename: ./leaving_%s_all.deb\nSize: %s\nSHA256: %s\n' $1 $size $sum >>Packages
rm -r root`
		cmd := exec.Command("sh", "-euc", script, "sh", version)
		cmd.Dir = repo
		if out, err := cmd.CombinedOutput(); err != nil {
			l.t.Fatalf("%v: %s", err, out)
		}
	}
	publish("1.0")
	l.save("apt-base", l.withFiles(map[string]string{
		"etc/apt/sources.list":                fmt.Sprintf("deb [trusted=yes] %s ./\n", server.URL),
		"etc/apt/sources.list.d/.wh..wh..opq": "", "var/lib/apt/lists/.wh..wh..opq": "",
	}))
	l.write("gone-deb/pins.yaml", "course: gone-deb\nbase: oci-layout:../apt-base\npins: {apt: [leaving]}\nchecks: "+
		"[test -e /usr/share/leaving/version]\n")
	l.run("home1", "lock", "gone-deb")
	publish("1.1")
	l.forget("home1", "gone-deb/pins.lock", "leaving")
	l.goesOn("gone-deb", "leaving_1.0_all.deb", "\ndeb leaving 1.1 ")
}

// withFiles is the base with some files.
func (l *lab) withFiles(files map[string]string) v1.Image {
	l.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}
		if err := errors.Join(w.WriteHeader(h), second(io.WriteString(w, text))); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		l.t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	img, err := mutate.AppendLayers(l.open("base"), layer)
	if err != nil {
		l.t.Fatal(err)
	}
	return img
}

// TestTampered has locks that were changed.
func TestTampered(t *testing.T) {
	t.Parallel()
	newLab(t).tampered()
}

// tampered: a lock that does not hold what is asked for is found, by all who use
// it, and mended.
func (l *lab) tampered() {
	good := l.lock
	lock, err := pins.ParseLock("pins.lock", []byte(good))
	if err != nil {
		l.t.Fatal(err)
	}
	idna, _ := lock.Find(pins.Pip, "idna", "linux/amd64")
	other := strings.ReplaceAll(strings.Replace(good, idna.SHA256, strings.Repeat("a", 64), 1), "idna-3.3-",
		"idna-3.2-")
	ours, theirs := "\npip idna 3.3 ", "\npip idna 3.2 "
	at := strings.Index(good, ours) + 1
	end := at + strings.IndexByte(good[at:], '\n') + 1
	merged := good[:at] + "<<<<<<< HEAD\n" + good[at:end] + "=======\n" +
		strings.Replace(good[at:end], ours[1:], theirs[1:], 1) + ">>>>>>> other\n" + good[end:]
	for name, test := range map[string]struct{ lock, want string }{
		"a version": {strings.Replace(good, "\npip idna 3.3 ", "\npip idna 3.2 ", 1),
			"the lock was edited by hand, or merged badly"},
		"a version, unsealed": {unsealed(strings.Replace(good, "\npip idna 3.3 ", "\npip idna 3.2 ", 1)),
			"pip idna 3.2: its file idna-3.3-py3-none-any.whl is of version 3.3"},
		"another wheel": {unsealed(strings.Replace(other, ours, theirs, 1)),
			"tampered/pins.yaml:9: idna==3.3: the lock has 3.2"},
		"a package is gone": {unsealed(without(good, "pip idna ")),
			"tampered/pins.yaml:9: idna==3.3: the lock has no such package"},
		"a hash, unsealed": {unsealed(strings.Replace(good, idna.SHA256, strings.Repeat("a", 64), 1)),
			"the lock has no checksum"},
		"both sides of a conflict": {merged, "git could not merge this: line "},
	} {
		l.t.Run(name, func(t *testing.T) {
			l := l.at(t)
			l.write("tampered/pins.yaml", courseYAML)
			l.write("tampered/overrides.json", "{}\n")
			l.write("tampered/pins.lock", test.lock)
			l.fails(3, test.want, "lock", "--check", "tampered")
			l.fails(3, test.want, "build", "tampered", "--output", "oci-layout:tampered-image")
			l.fails(3, test.want, "verify", "tampered", "oci-layout:image")
			l.run("home1", "lock", "tampered")
			if l.read("tampered/pins.lock") != good {
				t.Error("the lock was not mended")
			}
		})
	}
	l.write("tampered/pins.lock", strings.Replace(good, "driftpin-lock 1", "driftpin-lock 99", 1))
	for _, args := range [][]string{{"lock", "--check", "tampered"}, {"lock", "tampered"},
		{"build", "tampered", "--output", "oci-layout:tampered-image"}, {"bump", "tampered", "idna=3.4", "--write"}} {
		l.fails(1, "written by a newer driftpin", args...)
	}
	if !strings.HasPrefix(l.read("tampered/pins.lock"), "driftpin-lock 99\n") {
		l.t.Error("a newer driftpin's lock was written over")
	}
}

// unsealed is a lock without its checksum.
func unsealed(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "checksum ") {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "")
}

// without is a lock without the line that begins with a text.
func without(text, start string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, start) {
			lines[i] = ""
		}
		if n := 0; strings.HasPrefix(line, "artifacts ") {
			fmt.Sscanf(line, "artifacts %d", &n)
			lines[i] = fmt.Sprintf("artifacts %d\n", n-1)
		}
	}
	return strings.Join(lines, "")
}
