package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCourses locks, builds and verifies several courses at once: those of driftpin.yaml.
func TestCourses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	x := newTestIndex(t)
	l = l.with("UV_DEFAULT_INDEX=" + x.URL + "/simple")
	for i := range 5 {
		name := fmt.Sprintf("pkg%d", i)
		x.add(t, name, "1.0", map[string]string{name + ".py": ""})
		l.write("fleet/"+name+"/requirements.txt", name+"==1.0\n")
		l.write("fleet/"+name+"/apt.txt", "tree\n")
	}
	l.write("driftpin.yaml", "courses: [fleet/*]\nbase: oci-layout:base\n")
	l.fleetLocks()
	l.changes()
	l.fleetBuilds()
	l.cleaned()
	l.interrupted()
}

// fleetLocks locks all courses, of which one can't be.
func (l *lab) fleetLocks() {
	l.write("fleet/pkg3/requirements.txt", "pkg9==1.0\n")
	_, said, err := l.output("home1", "lock", "--all", "--jobs", "3", "--progress", "plain")
	l.isFailure(err, exitError)
	for _, want := range []string{"[fleet/pkg0] fleet/pkg0/pins.lock: ", "fleet/pkg3  failed  ", "fleet/pkg4  locked  ",
		"fleet/pkg3: locking fleet/pkg3: fleet/pkg3/requirements.txt:1: no index has a package pkg9", "4 ok, 1 not, in "} {
		if !strings.Contains(said, want) {
			l.t.Errorf("lock --all does not say %q:\n%s", want, said)
		}
	}
	l.fails(exitFound, "fleet/pkg3/pins.lock: there is no lock", "lock", "--check", "--all")
	l.write("fleet/pkg3/requirements.txt", "pkg3==1.0\n")
	out := l.run("home1", "lock", "--all", "--format", "json")
	if l.must(nil, validJSON("lock", out)); l.decoded(out).OK != 5 {
		l.t.Errorf("got %s", out)
	}
	l.must(nil, validJSON("outdated", l.run("home1", "outdated", "fleet/pkg0", "fleet/pkg1", "--format", "json")))
	l.fails(exitError, "no course pins nonono", "outdated", "fleet/pkg0", "fleet/pkg1", "nonono")
	l.must(nil, validJSON("minimize", l.runFailing(exitFound, "minimize", "fleet/pkg0", "pkg0", "tree", "--format", "json")))
	l.run("home1", "lock", "--check", "--all")
	out = l.run("home1", "doctor", "--format", "json")
	if l.must(nil, validJSON("doctor", out)); !strings.Contains(out, "index of Python's packages") || strings.Contains(out, "missing") {
		l.t.Errorf("doctor says %s", out)
	}
	out = l.with("UV_DEFAULT_INDEX=http://127.0.0.1:1/simple", "UV_HTTP_TIMEOUT=1").runFailing(exitUnreachable, "doctor", "fleet/pkg0")
	if !strings.Contains(out, "\nok       apt's sources (") ||
		!strings.Contains(out, "\nmissing  index of Python's packages (pins of pip): the engine can't reach") {
		l.t.Errorf("doctor says %s", out)
	}
}

// changes adds pins to a course that is locked, and takes them out again.
func (l *lab) changes() {
	before, lock := l.read("fleet/pkg0/requirements.txt"), l.read("fleet/pkg0/pins.lock")
	out := l.run("home1", "add", "fleet/pkg0", "pkg1==1.0", "apt:jq")
	for _, want := range []string{"fleet/pkg0/pins.lock → with pkg1==1.0, jq\n", "  + pkg1  1.0  added", "  + libjq1  ",
		"layers of packages to build"} {
		if !strings.Contains(out, want) {
			l.t.Errorf("add does not show %q:\n%s", want, out)
		}
	}
	if l.read("fleet/pkg0/requirements.txt") != before || l.read("fleet/pkg0/pins.lock") != lock {
		l.t.Error("something was written without --write")
	}
	l.run("home1", "add", "fleet/pkg0", "pkg1==1.0", "apt:jq", "--why", "to see", "--write")
	if got := l.read("fleet/pkg0/requirements.txt"); got != before+"pkg1==1.0  # to see\n" {
		l.t.Errorf("it was added as %q", got)
	}
	l.run("home1", "lock", "--check", "fleet/pkg0")
	l.must(nil, validJSON("bump", l.run("home1", "bump", "fleet/pkg0", "fleet/pkg1", "pkg0=1.0", "--format", "json")))
	l.must(nil, validJSON("remove", l.run("home1", "remove", "fleet/pkg0", "pkg1", "--format", "json")))
	l.must(nil, validJSON("bump", l.runFailing(exitError, "bump", "fleet/pkg0", "pkg0=9", "--format", "json")))
	l.fails(exitError, "adding to fleet/pkg0: fleet/pkg0/requirements.txt:3: no index has a package pkg9", "add",
		"fleet/pkg0", "pkg9==1.0", "--write")
	l.run("home1", "remove", "fleet/pkg0", "pkg1", "apt:jq", "--write")
	if l.read("fleet/pkg0/requirements.txt") != before || l.read("fleet/pkg0/pins.lock") != lock {
		l.t.Error("what was added and removed is not as it was")
	}
}

// fleetBuilds builds all courses, of which one fails its check.
func (l *lab) fleetBuilds() {
	l.write("fleet/pkg2/pins.yaml", "include: [requirements.txt, apt.txt]\nchecks: [exit 9]\n")
	l.run("home1", "lock", "fleet/pkg2")
	out, said, err := l.output("home1", "build", "--all", "--output", "oci-layout:fleet-{course}", "--metadata", "built.json")
	l.isFailure(err, exitCheck)
	if n := strings.Count(out, " sha256:"); n != 4 || !strings.HasPrefix(out, "pkg0 ") || !strings.Contains(said, "check failed") {
		l.t.Errorf("%d were built: %s%s", n, out, said)
	}
	if _, err := os.Stat(filepath.Join(l.dir, "fleet-pkg2")); err == nil {
		l.t.Error("a failed build left a folder")
	}
	built := l.decoded(l.read("built.json"))
	l.must(nil, validJSON("build", l.read("built.json")))
	if built.OK != 4 || built.Courses[2].Outcome != "check failed" || built.Courses[1].Details.New == 0 ||
		built.Courses[1].Details.Bytes == 0 || built.Courses[1].Details.Reference != "oci-layout:fleet-pkg1" {
		l.t.Errorf("metadata: %s", l.read("built.json"))
	}
	l.dryRuns()
	again := l.decoded(l.runFailing(exitCheck, "build", "--all", "--output", "oci-layout:fleet-{course}", "--format", "json"))
	if d := again.Courses[1].Details; d.New != 0 || d.Reused == 0 || d.Digest != built.Courses[1].Details.Digest {
		l.t.Errorf("again: %+v", d)
	}
	l.fails(exitError, "fleet-pkg2", "verify", "--all", "oci-layout:fleet-{course}")
	l.must(nil, validJSON("verify", l.run("home1", "verify", "fleet/pkg0", "fleet/pkg1", "oci-layout:fleet-{course}",
		"--format", "json")))
}

// dryRuns say what would be built, and build nothing.
func (l *lab) dryRuns() {
	out := l.run("home1", "build", "fleet/pkg0", "fleet/pkg1", "--output", "oci-layout:fleet-{course}", "--dry-run", "--format", "json")
	l.must(nil, validJSON("build", out))
	if n := strings.Count(out, `"there": true`); n != 2 {
		l.t.Errorf("%d of 2 are there: %s", n, out)
	}
	said := l.run("home1", "build", "fleet/pkg0", "--output", "oci-layout:nowhere", "--dry-run")
	_, err := os.Stat(filepath.Join(l.dir, "nowhere"))
	if err == nil || !strings.Contains(said, " of packages to build: there is no image yet") {
		l.t.Errorf("nothing there: %s", said)
	}
	before := l.read("fleet/pkg0/requirements.txt")
	l.run("home1", "add", "fleet/pkg0", "pkg1==1.0", "--write")
	said = l.run("home1", "build", "fleet/pkg0", "--output", "oci-layout:fleet-pkg0", "--dry-run")
	if !strings.Contains(said, ": 1 of ") || !strings.Contains(said, " layers of packages to build: pip small packages ") {
		l.t.Errorf("one package more: %s", said)
	}
	l.run("home1", "remove", "fleet/pkg0", "pkg1", "--write")
	if l.read("fleet/pkg0/requirements.txt") != before {
		l.t.Error("the course is not as it was")
	}
}

// cleaned is a home in which nothing is left of what was built: it is built again, the same.
func (l *lab) cleaned() {
	before := l.run("home1", "build", "fleet/pkg0", "--output", "oci-layout:fleet-pkg0")
	said := l.run("home1", "clean", "--dry-run", "--keep", "0s")
	if !strings.Contains(said, " MB would be freed\nfetched files: ") || strings.HasPrefix(said, "engine: 0.0 MB") {
		l.t.Errorf("clean --dry-run: %s", said)
	}
	if said := l.run("home1", "clean", "--keep", "0s"); strings.HasPrefix(said, "engine: 0.0 MB") || strings.Contains(said, "engine: 0 ") {
		l.t.Errorf("clean: %s", said)
	}
	if said := l.run("home1", "clean", "--dry-run"); !strings.HasPrefix(said, "engine: 0.0 MB") {
		l.t.Errorf("after clean: %s", said)
	}
	l.run("home1", "clean", "--files", "fleet/pkg0", "--keep", "0s")
	if again := l.run("home1", "build", "fleet/pkg0", "--output", "oci-layout:fleet-pkg0"); again != before {
		l.t.Errorf("built again: %s, before %s", again, before)
	}
	l.fails(exitUsage, "courses are named for --files alone", "clean", "fleet/pkg0")
	l.fails(exitUsage, "--files removes what no lock lists", "clean", "--files")
}

// interrupted is a lock that is interrupted from the terminal: as shells count, 128 + 2.
func (l *lab) interrupted() {
	l.write("slow/pins.yaml", "course: slow\nbase: oci-layout:../base\npins: {pip: [pkg0]}\nrun: [wait.sh]\n")
	l.write("slow/wait.sh", "#!/bin/sh\nsleep 60\n")
	cmd := l.begin("home1", "lock", "slow")
	time.Sleep(3 * time.Second)
	l.must(nil, cmd.Process.Signal(syscall.SIGINT))
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
		l.t.Errorf("after SIGINT: %v", err)
	}
}

// A fleetJSON is what build --format json says, as a script takes it.
type fleetJSON struct {
	Courses []struct {
		Outcome string
		Details buildDetails
	}
	OK, NotOK int
}

func (l *lab) decoded(text string) (out fleetJSON) {
	l.t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		l.t.Fatalf("%v: %s", err, text)
	}
	return out
}

// isFailure wants an error to be an exit status.
func (l *lab) isFailure(err error, code int) {
	l.t.Helper()
	var f *failure
	if !errors.As(err, &f) || f.code != code {
		l.t.Errorf("got %v, want exit %d", err, code)
	}
}

// runFailing runs driftpin, wants an exit status, and returns what it printed.
func (l *lab) runFailing(code int, args ...string) string {
	l.t.Helper()
	out, _, err := l.output("home1", args...)
	l.isFailure(err, code)
	return out
}
