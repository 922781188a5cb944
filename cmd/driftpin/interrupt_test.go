package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterruptions stops locks and builds at random moments.
func TestInterruptions(t *testing.T) {
	t.Parallel()
	newLab(t).interruptions()
}

// interruptions stops locks and builds at random moments, gently and not: 3
// times each, or as often as $DRIFTPIN_SOAK says.
func (l *lab) interruptions() {
	x := newTestIndex(l.t)
	l = l.with("UV_DEFAULT_INDEX=" + x.URL + "/simple")
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("DRIFTPIN_SOAK")); err == nil {
		rounds = n
	}
	s := &soak{lab: l, index: x, version: new(int)}
	s.next()
	s.lock()
	s.build() // what all rounds share is at hand now
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		l.t.Run("lock "+signal.String(), func(t *testing.T) {
			s := s.at(t)
			for range rounds {
				old := s.read("soak/pins.lock")
				s.next()
				s.interrupt(signal, s.lockTime, "lock", "soak")
				after := s.read("soak/pins.lock")
				s.lock()
				if after != old && after != s.read("soak/pins.lock") {
					t.Error("an interrupted lock left a lock that is neither the old nor the new one")
				}
			}
		})
		l.t.Run("build "+signal.String(), func(t *testing.T) {
			s := s.at(t)
			for range rounds {
				s.next()
				s.lock()
				s.interrupt(signal, s.buildTime, "build", "soak", "--output", "oci-layout:soak-image")
				s.build()
				s.run("home1", "verify", "soak", "oci-layout:soak-image")
			}
		})
	}
}

// A soak is a course that changes from round to round.
type soak struct {
	*lab
	index               *index
	version             *int          // of the round
	lockTime, buildTime time.Duration // what they take when nobody interrupts
}

// at is the soak of a subtest.
func (s *soak) at(t *testing.T) *soak {
	sub := *s
	sub.lab = s.lab.at(t)
	return &sub
}

// next asks for other versions: something is resolved, fetched, installed,
// built, checked and exported in each round.
func (s *soak) next() {
	*s.version++
	version := fmt.Sprintf("1.%d", *s.version)
	body := strings.Repeat(fmt.Sprintf("# round %d of %v\n", *s.version, time.Now()), 50_000)
	for _, name := range []string{"soaked", "wet"} {
		s.index.add(s.t, name, version, map[string]string{name + ".py": body})
	}
	s.write("soak/pins.yaml", fmt.Sprintf(`course: soak
base: oci-layout:../base
pins:
  pip:
    - soaked==%[1]s
    - wet==%[1]s
    - git+https://git.example.org/plain.git@v1
checks:
  - python -c 'import soaked, wet, plain' && sleep 0.3
`, version))
}

func (s *soak) lock() {
	start := time.Now()
	s.run("home1", "lock", "soak")
	s.lockTime = time.Since(start)
}

func (s *soak) build() {
	start := time.Now()
	s.run("home1", "build", "soak", "--output", "oci-layout:soak-image")
	s.buildTime = time.Since(start)
	left := s.leftovers(nil)
	for _, pattern := range []string{"soak/.*", "soak-image/ingest/*", "home1/files/blobs/sha256/.*",
		"home1/engine/tmp/*/*"} {
		files, err := filepath.Glob(filepath.Join(s.dir, pattern))
		s.must(nil, err)
		left = append(left, files...)
	}
	if len(left) > 0 {
		s.t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

// interrupt runs driftpin and sends it a signal at a random moment. After a
// signal that it can hear nothing is left at once; after another, when
// driftpin has been started again.
func (s *soak) interrupt(signal syscall.Signal, within time.Duration, args ...string) {
	cmd := exec.CommandContext(s.t.Context(), s.program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(slices.Clone(s.env), "DRIFTPIN_HOME="+filepath.Join(s.dir, "home1"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	s.must(nil, cmd.Start())
	moment := rand.N(within)
	time.Sleep(moment)
	s.must(nil, cmd.Process.Signal(signal))
	containers := s.containers()
	err := cmd.Wait()
	s.t.Logf("%s after %v of %v: %v, %d containers", args[0], moment.Round(time.Millisecond),
		within.Round(time.Millisecond), err, len(containers))
	if signal == syscall.SIGKILL {
		s.run("home1", "build", "course", "--output", "oci-layout:again") // another course: the next start
		// that is before it listens
	} else if err != nil && !strings.Contains(stderr.String(), "driftpin: interrupted") &&
		err.Error() != "signal: interrupt" {
		s.t.Errorf("%v: %s", err, stderr.String())
	}
	if left := s.leftovers(containers); len(left) > 0 {
		s.t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

// containers lists the containers that run now.
func (s *soak) containers() (ids []string) {
	bundles, err := filepath.Glob(filepath.Join(s.dir, "home1", "engine", "runc-*", "executor", "*", "rootfs"))
	s.must(nil, err)
	for _, b := range bundles {
		ids = append(ids, filepath.Base(filepath.Dir(b)))
	}
	return ids
}

// leftovers lists what nobody cleared away: mounts (of network namespaces
// too), folders of running steps, and processes of containers and of driftpin.
func (s *soak) leftovers(containers []string) (left []string) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	s.must(nil, err)
	for _, line := range strings.Split(string(mounts), "\n") {
		if strings.Contains(line, filepath.Join(s.dir, "home1")) {
			left = append(left, "mount "+line)
		}
	}
	for _, id := range s.containers() {
		left = append(left, "running step "+id)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cgroup")
	s.must(nil, err)
	for _, p := range processes {
		cgroup, _ := os.ReadFile(p) // it may have ended
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
		if len(command) == 0 {
			continue // it has ended, and its parent, the init of this machine, has not looked yet
		}
		mine := bytes.HasPrefix(command, []byte(s.program)) || slices.ContainsFunc(containers,
			func(id string) bool { return bytes.Contains(cgroup, []byte(id)) })
		if mine {
			left = append(left, fmt.Sprintf("process %s %q", filepath.Base(filepath.Dir(p)), command))
		}
	}
	return left
}

// TestConditions has machines that can't build.
func TestConditions(t *testing.T) {
	t.Parallel()
	newLab(t).conditions()
}

// conditions are machines that can't build: each is told so in its own words.
func (l *lab) conditions() {
	l.t.Run("second", func(t *testing.T) { l.at(t).second() })
	fails := func(name, want string, command ...string) {
		l.t.Run(name, func(t *testing.T) {
			_, stderr, err := l.at(t).execute(name, command...)
			var f *failure
			if !errors.As(err, &f) || f.code != 1 || !strings.Contains(stderr, want) {
				t.Errorf("got %v, want exit 1 and …%s…", err, want)
			}
		})
	}
	build := []string{l.program, "build", "course", "--output", "oci-layout:condition-image"}
	mount := func(name, options string) {
		dir := filepath.Join(l.dir, name)
		l.must(nil, os.Mkdir(dir, 0o755))
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
			l.t.Fatalf("%v: %s", err, out)
		}
		l.t.Cleanup(func() { exec.Command("umount", "--lazy", dir).Run() })
	}
	mount("full", "size=40m")
	fails("full", "A disk is full. driftpin keeps its state in "+filepath.Join(l.dir, "full"), build...)
	mount("readonly", "ro")
	fails("readonly", "set DRIFTPIN_HOME to a folder that can be written", build...)
	fails("home1", "output docker-archive:readonly/image.tar: ", l.program, "build", "course", "--output",
		"docker-archive:readonly/image.tar")
	fails("no runc", "no usable runc (install the runc package)", append([]string{"env", "PATH=" + l.dir}, build...)...)
	fails("no root", "needs root or a user namespace", append([]string{"setpriv", "--reuid=65534", "--clear-groups",
		"env", "DRIFTPIN_HOME=" + l.nobodys()}, build...)...)
}

// nobodys is a folder of the user nobody, who may then enter the lab.
func (l *lab) nobodys() string {
	dir := filepath.Join(l.dir, "nobodys")
	l.must(nil, errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, 65534, 65534), os.Chmod(filepath.Dir(l.dir), 0o755)))
	return dir
}

// second starts two at once: one waits, and says so.
func (l *lab) second() {
	type result struct {
		stderr string
		err    error
	}
	results := make(chan result)
	for i := range 2 {
		go func() {
			_, stderr, err := l.output("home1", "build", "course", "--output", fmt.Sprintf("oci-layout:second%d", i))
			results <- result{stderr, err}
		}()
	}
	waited := 0
	for range 2 {
		r := <-results
		if r.err != nil {
			l.t.Error(r.err)
		}
		if strings.Contains(r.stderr, "waiting for process ") {
			waited++
		}
	}
	if waited != 1 {
		l.t.Errorf("%d waited", waited)
	}
}
