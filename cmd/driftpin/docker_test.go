package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDocker has a Docker Engine take images.
func TestDocker(t *testing.T) {
	t.Parallel()
	newLab(t).docker()
}

// docker loads an image into a real Docker Engine in both ways, and runs it.
func (l *lab) docker() {
	l = l.with("DOCKER_HOST=unix://"+l.startDocker(), "DOCKER_CONTEXT=", "DOCKER_CONFIG="+l.dir)
	l.run("home1", "build", "course", "--output", "docker:driftpin/loaded")
	l.run("home1", "build", "course", "--output", "docker-archive:loaded.tar")
	if out, err := l.command("home1", "docker", "load", "--input", "loaded.tar"); err != nil {
		l.t.Fatalf("%s%v", out, err)
	}
	tag := strings.Fields(l.run("home1", "build", "course", "--output", "oci-layout:image"))[1]
	for _, image := range []string{"driftpin/loaded", "small:" + tag} {
		out, err := l.command("home1", "docker", "run", "--rm", "--network", "none", image, "python", "-c",
			"import os, tornado; print(os.getuid(), tornado.version)")
		if err != nil || out != "1000 6.2\n" {
			l.t.Errorf("%s prints %q, %v", image, out, err)
		}
	}
	l.started()
	l.dockersBuilder()
	id := l.must(exec.Command("docker", "--host", "unix://"+filepath.Join(l.dir, "docker.sock"), "image", "inspect",
		"--format", "{{.Id}}", "driftpin/loaded", "small:"+tag).Output())
	if ids := strings.Fields(string(id)); len(ids) != 2 || ids[0] != ids[1] {
		l.t.Errorf("the two ways load %q", ids)
	}
	if out := l.run("home1", "drift", "oci-layout:image", "docker:driftpin/loaded",
		"--read-layers"); !strings.Contains(out, "no drift") {
		l.t.Errorf("the engine's image is another: %s", out)
	}
	gone := l.with("DOCKER_HOST=unix://" + filepath.Join(l.dir, "nobody.sock"))
	_, stderr, err := gone.output("home1", "build", "course", "--output", "docker:small")
	if err == nil || !strings.Contains(stderr, "output docker:small: docker: Cannot connect to the Docker daemon") {
		l.t.Errorf("without an engine: %v: %s", err, stderr)
	}
}

// dockersBuilder: Docker Engine's own builder builds the same image, or it is said in one
// sentence why it can't.
func (l *lab) dockersBuilder() {
	version := strings.TrimSpace(string(l.must(exec.Command("docker", "--host", "unix://"+filepath.Join(l.dir, "docker.sock"), "version",
		"--format", "{{.Server.Version}}").Output())))
	major, err := strconv.Atoi(strings.Split(version, ".")[0])
	l.must(nil, err)
	if major >= 29 {
		if got := l.run("home2", "build", "course", "--engine", "docker://", "--output", "oci-layout:by-docker"); got != l.first {
			l.t.Errorf("Docker's builder built %q, not %q", got, l.first)
		}
		return
	}
	l.fails(1, "engine docker://: this is Docker Engine "+version+", whose builder is too old; 29 or newer is needed", "build", "course",
		"--engine", "docker://", "--output", "oci-layout:by-docker")
	_, stderr, err := l.with("DOCKER_HOST=unix://"+filepath.Join(l.dir, "nobody.sock")).output("home1", "doctor", "--engine", "docker://")
	if err == nil || !strings.Contains(stderr, "something is missing") {
		l.t.Errorf("doctor, without Docker: %v: %s", err, stderr)
	}
}

// started: the folder's start runs before whatever command a container is given.
func (l *lab) started() {
	with := l.with("DRIFTPIN_BASE=oci-layout:base")
	l.write("started/requirements.txt", "idna==3.3\n")
	l.write("started/start", "#!/bin/sh -e\nexport STARTED=\"by $REPO_DIR/start\"\nexec \"$@\"\n")
	with.run("home1", "lock", "started")
	with.run("home1", "build", "started", "--output", "docker:driftpin/started")
	out, err := l.command("home1", "docker", "run", "--rm", "--network", "none", "driftpin/started", "printenv", "STARTED", "PWD")
	if err != nil || out != "by /home/jovyan/start\n/home/jovyan\n" {
		l.t.Errorf("the container prints %q, %v", out, err)
	}
}

// startDocker starts a Docker Engine in a network namespace of its own, so that
// the machine's network stays as it is, and returns its socket.
func (l *lab) startDocker() string {
	if _, err := exec.LookPath("dockerd"); err != nil {
		l.cannot(err)
	}
	socket, data := filepath.Join(l.dir, "docker.sock"), filepath.Join(l.dir, "docker")
	cmd := exec.Command("unshare", "--net", "dockerd", "--host", "unix://"+socket, "--data-root", data, "--exec-root",
		filepath.Join(l.dir, "docker-exec"),
		"--pidfile", filepath.Join(l.dir, "docker.pid"), "--iptables=false", "--bridge=none", "--ip-forward=false")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	l.must(nil, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	l.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			l.t.Error("dockerd does not end")
		}
		exec.Command("umount", "--recursive", data).Run() // it mounts its folder on itself
	})
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
		select {
		case err := <-ended:
			ended <- err
			l.cannot(errors.Join(err, errors.New(log.String())))
		default:
		}
		if time.Since(start) > time.Minute {
			l.t.Fatal(log.String())
		}
	}
}
