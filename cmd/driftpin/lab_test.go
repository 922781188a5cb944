package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/testdata/gitserver"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// A lab is where the real thing is tried: a driftpin program, a base, a git
// server, and a course that is locked and built, in a folder and with a home of
// the test's own.
type lab struct {
	t       *testing.T
	dir     string
	program string
	git     string // the git server's address
	env     []string
	lock    string // of the course
	first   string // what build said of it
}

// prepared is the lab that all others are copies of. It is made once.
var prepared struct {
	sync.Once
	lab
	err error // why there is none: something that this machine lacks
	end []func()
}

// newLab makes a lab, or skips the test where it can't be: unless
// DRIFTPIN_REQUIRE_NET is set, which says that it must.
func newLab(t *testing.T) *lab {
	if testing.Short() {
		t.Skip("it builds for real")
	}
	prepared.Do(func() { prepareLab(t) })
	l := prepared.lab
	l.t = t
	if prepared.err != nil || l.first == "" {
		l.cannot(cmp.Or(prepared.err, errors.New("the lab could not be prepared")))
	}
	l.dir = t.TempDir()
	l.program = filepath.Join(l.dir, "driftpin")
	l.copyOf(prepared.dir)
	return &l
}

// prepareLab makes the first lab: program, servers, base, and the course's lock
// and image.
func prepareLab(t *testing.T) {
	dir, err := os.MkdirTemp("", "driftpin-lab-*")
	if err != nil {
		t.Fatal(err)
	}
	prepared.end = append(prepared.end, func() { os.RemoveAll(dir) })
	l := &prepared.lab
	l.t, l.dir, l.program = t, dir, filepath.Join(dir, "driftpin")
	if _, prepared.err = engine.Check(t.Context()); prepared.err != nil {
		return
	}
	if out, err := exec.Command("go", "build", "-o", l.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	repos := filepath.Join(dir, "git")
	for name, files := range map[string]string{"tmpystore.git": "../../testdata/standin/tmpystore",
		"plain.git": "testdata/plain"} {
		if _, err := gitserver.Commit(filepath.Join(repos, name), files, "v1"); err != nil {
			t.Fatal(err)
		}
	}
	server, err := gitserver.Start(repos)
	if err != nil {
		t.Fatal(err)
	}
	prepared.end = append(prepared.end, func() { server.Close() })
	l.git = server.URL
	l.env = append(os.Environ(), "BUILDKIT_HOST=", "DRIFTPIN_BASE=", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=url."+server.URL+"/.insteadOf", "GIT_CONFIG_VALUE_0=https://git.example.org/")
	l.write("course/pins.yaml", courseYAML)
	l.write("course/overrides.json", "{}\n")
	for _, args := range [][]string{{"base", "base"}, {"lock", "course"}} {
		if _, prepared.err = l.try("home1", args...); prepared.err != nil {
			return
		}
	}
	l.lock = l.read("course/pins.lock")
	l.first = l.run("home1", "build", "course", "--output", "oci-layout:image")
}

// copyOf fills the lab's folder with what a lab holds. What nobody writes to is
// linked: blobs, and the files of BuildKit's snapshots.
func (l *lab) copyOf(dir string) {
	l.t.Helper()
	const script = `cp -al "$1"/* .
find . -type f -links +1 ! -path './home1/files/blobs/*' ! -path '*/blobs/sha256/*' \
	! -path '*/snapshots/*/fs/*' ! -name driftpin |
while IFS= read -r file; do cp -a --remove-destination "$1/$file" "$file"; done`
	cmd := exec.Command("sh", "-euc", script, "sh", dir)
	cmd.Dir = l.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("copying the lab: %v: %s", err, out)
	}
}

// endLab takes down what the lab has started.
func endLab() {
	for _, end := range prepared.end {
		end()
	}
}

func (l *lab) cannot(why error) {
	l.t.Helper()
	if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
		l.t.Fatal(why)
	}
	l.t.Skip(why)
}

// A failure is a run that did not end with exit status 0.
type failure struct {
	code           int
	stdout, stderr string
}

func (f *failure) Error() string { return fmt.Sprintf("exit %d: %s%s", f.code, f.stdout, f.stderr) }

// try runs driftpin in the lab's folder, with its state in home.
func (l *lab) try(home string, args ...string) (string, error) {
	return l.command(home, append([]string{l.program}, args...)...)
}

// output is try with all that driftpin says.
func (l *lab) output(home string, args ...string) (stdout, stderr string, err error) {
	return l.execute(home, append([]string{l.program}, args...)...)
}

func (l *lab) command(home string, args ...string) (string, error) {
	stdout, _, err := l.execute(home, args...)
	return stdout, err
}

// begin starts driftpin.
func (l *lab) begin(home string, args ...string) *exec.Cmd {
	l.t.Helper()
	cmd := l.prepared(home, append([]string{l.program}, args...)...)
	l.must(nil, cmd.Start())
	return cmd
}

// prepared is a command in the lab's folder.
func (l *lab) prepared(home string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(l.t.Context(), args[0], args[1:]...)
	cmd.Dir = l.dir
	cmd.Env = append(slices.Clone(l.env), "DRIFTPIN_HOME="+filepath.Join(l.dir, home))
	return cmd
}

func (l *lab) execute(home string, args ...string) (string, string, error) {
	cmd := l.prepared(home, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = &failure{exit.ExitCode(), stdout.String(), stderr.String()}
	}
	return stdout.String(), stderr.String(), err
}

func (l *lab) run(home string, args ...string) string {
	l.t.Helper()
	out, err := l.try(home, args...)
	if err != nil {
		l.t.Fatalf("driftpin %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// fails runs driftpin and wants an exit status and a text.
func (l *lab) fails(code int, want string, args ...string) {
	l.t.Helper()
	_, err := l.try("home1", args...)
	var f *failure
	if !errors.As(err, &f) || f.code != code || !strings.Contains(f.stdout+f.stderr, want) {
		l.t.Errorf("driftpin %s: got %v, want exit %d and …%s…", strings.Join(args, " "), err, code, want)
	}
}

func (l *lab) write(name, text string) {
	l.t.Helper()
	file := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) read(name string) string {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

// unpack unpacks the image of a layout into a folder of the lab.
func (l *lab) unpack(name string) string {
	l.t.Helper()
	root := filepath.Join(l.dir, "root")
	l.must(nil, os.Mkdir(root, 0o755))
	unpack := exec.Command("tar", "--extract", "--directory", root)
	unpack.Stdin = mutate.Extract(l.open(name))
	if out, err := unpack.CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	return root
}

func second(_ int, err error) error { return err }

// open opens the image of a layout that driftpin wrote.
func (l *lab) open(name string) v1.Image {
	l.t.Helper()
	index, err := layout.ImageIndexFromPath(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	for {
		manifest, err := index.IndexManifest()
		if err != nil {
			l.t.Fatal(err)
		}
		if d := manifest.Manifests[0]; !d.MediaType.IsIndex() {
			img, err := index.Image(d.Digest)
			if err != nil {
				l.t.Fatal(err)
			}
			return img
		}
		if index, err = index.ImageIndex(manifest.Manifests[0].Digest); err != nil {
			l.t.Fatal(err)
		}
	}
}

// files returns the wanted regular files of a layout's image, by path.
func (l *lab) files(name string, wanted func(name string) bool) map[string][]byte {
	l.t.Helper()
	r := mutate.Extract(l.open(name))
	defer r.Close()
	found := map[string][]byte{}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			l.t.Fatal(err)
		}
		if file := path.Clean(h.Name); h.Typeflag == tar.TypeReg && wanted(file) {
			found[file] = l.must(io.ReadAll(t))
		}
	}
}

func (l *lab) save(name string, img v1.Image) {
	l.t.Helper()
	p, err := layout.Write(filepath.Join(l.dir, name), empty.Index)
	if err == nil {
		err = p.AppendImage(img)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) must(out []byte, err error) []byte {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}
