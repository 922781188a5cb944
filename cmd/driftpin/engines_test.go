package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEngines builds on several buildkitds that stand in for each other.
func TestEngines(t *testing.T) {
	t.Parallel()
	newLab(t).engines()
}

const slowYAML = `course: slow
base: oci-layout:../base
pins: {pip: [idna==3.3]}
checks: [sleep 4.321]
`

// engines kills the buildkitd that builds in the middle of it: the other one goes on, to
// the same image.
func (l *lab) engines() {
	certs := filepath.Join(l.dir, "certs")
	all := l.startBuildkitds(certs, 2)
	l.write("slow/pins.yaml", slowYAML)
	l.run("home1", "lock", "slow")
	want := l.run("home1", "build", "slow", "--output", "oci-layout:slow-image")
	far := l.with("BUILDKIT_HOST="+all[0].address+", "+all[1].address, "BUILDKIT_TLS_DIR="+certs)

	cmd := far.prepared("home2", l.program, "build", "slow", "--output", "oci-layout:slow-far")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	l.must(nil, cmd.Start())
	killed := l.killBuilding(all)
	l.must(nil, cmd.Wait())
	if stdout.String() != want {
		l.t.Errorf("built %q, and the embedded engine %q", stdout.String(), want)
	}
	said := "engine " + killed.address + " does not answer any more: "
	if !strings.Contains(stderr.String(), said) || !strings.Contains(stderr.String(), " goes on\n") {
		l.t.Errorf("it says no %q:\n%s", said, stderr.String())
	}
	if out, err := exec.Command("diff", "-r", filepath.Join(l.dir, "slow-image"),
		filepath.Join(l.dir, "slow-far")).CombinedOutput(); err != nil {
		l.t.Errorf("%s", out)
	}

	out, stderr2, err := far.output("home2", "doctor")
	if err != nil || !strings.Contains("\n"+out, "\nnote     engine "+killed.address) ||
		!strings.Contains("\n"+out, "\nok       engine tcp:") {
		l.t.Errorf("doctor, with one of two engines: %v: %s%s", err, out, stderr2)
	}
	far.run("home2", "build", "slow", "--output", "oci-layout:slow-far")
	for _, b := range all {
		if b.address != killed.address {
			l.must(nil, b.cmd.Process.Kill())
			_ = b.cmd.Wait() // it was killed
		}
	}
	var f *failure
	_, err = far.try("home2", "build", "slow", "--output", "oci-layout:slow-none")
	if !errors.As(err, &f) || f.code != exitUnreachable {
		l.t.Errorf("without any engine: %v", err)
	}
}

// killBuilding waits until one of some buildkitds runs the check, and kills that one.
func (l *lab) killBuilding(all []buildkitd) buildkitd {
	for start := time.Now(); time.Since(start) < 2*time.Minute; time.Sleep(20 * time.Millisecond) {
		for _, b := range all {
			out, _ := exec.Command("pgrep", "--full", "--", "runc .*"+b.root).Output() // 1: none
			if len(out) == 0 || exec.Command("pgrep", "--full", "--exact", "sleep 4.321").Run() != nil {
				continue
			}
			l.must(nil, b.cmd.Process.Kill())
			_ = b.cmd.Wait() // it was killed
			l.must(exec.Command("sh", "-c", `pkill -9 --full "run[c] .*$0"; pkill --full --exact "sleep 4.321"
cut -d' ' -f2 /proc/mounts | grep -F "$0" | sort -r | xargs --no-run-if-empty umount --lazy`, b.root).CombinedOutput())
			return b
		}
	}
	l.t.Fatal("no buildkitd ran the check")
	return buildkitd{}
}
