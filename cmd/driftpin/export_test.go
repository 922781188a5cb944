package main

import (
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// chroot unpacks an image, with what is needed to reach an index from it, and
// returns what runs a program in it.
func (l *lab) chroot(image string) func(t *testing.T, args ...string) string {
	l.t.Helper()
	dir := l.t.TempDir()
	r := mutate.Extract(l.open(image))
	defer r.Close()
	tar := exec.Command("tar", "-x", "-C", dir)
	tar.Stdin = r
	l.must(tar.CombinedOutput())
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"} {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), data, 0o644)
		}
		if err != nil {
			l.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "dev"), 0o755); err != nil {
		l.t.Fatal(err)
	}
	l.must(exec.Command("mknod", "-m", "666", filepath.Join(dir, "dev", "null"), "c", "1", "3").CombinedOutput())
	l.must(exec.Command("mknod", "-m", "666", filepath.Join(dir, "dev", "urandom"), "c", "1", "9").CombinedOutput())
	return func(t *testing.T, args ...string) string {
		t.Helper()
		if args[0] == "write" {
			if err := os.WriteFile(filepath.Join(dir, args[1]), []byte(args[2]), 0o755); err != nil {
				t.Fatal(err)
			}
			return ""
		}
		cmd := exec.CommandContext(t.Context(), "chroot", append([]string{dir}, args...)...)
		cmd.Env = append(os.Environ(), "HOME=/tmp", "PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
			"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "PYTHONPATH=/rattler")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
}

// tool returns the wheel of a tool that a home has, by how its name begins.
func (l *lab) tool(prefix string) []byte {
	l.t.Helper()
	known, err := filepath.Glob(filepath.Join(l.dir, "home1", "addresses", "*"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range known {
		if address := string(l.must(os.ReadFile(file))); strings.HasPrefix(path.Base(address), prefix) {
			return l.must(os.ReadFile(filepath.Join(l.dir, "home1", "files", "blobs", "sha256", filepath.Base(file))))
		}
	}
	l.t.Fatalf("no wheel %s…", prefix)
	return nil
}

// TestExport has other tools read what is exported.
func TestExport(t *testing.T) {
	t.Parallel()
	newLab(t).exports()
}

// exports are taken by the tools that own their formats, on the course's own
// Python: pip is a pin of the course, uv is of the toolbox.
func (l *lab) exports() {
	if os.Geteuid() != 0 {
		l.cannot(errors.New("chroot needs root"))
	}
	run := l.chroot("image")
	run(l.t, "write", "uv.whl", string(l.tool("uv-")))
	run(l.t, "/opt/env/bin/python", "-c",
		"import zipfile; z = zipfile.ZipFile('uv.whl'); n, = [n for n in z.namelist() if "+
			"n.endswith('/scripts/uv')]; open('uv', 'wb').write(z.read(n))")
	run(l.t, "chmod", "755", "uv")
	run(l.t, "write", "requirements.txt", l.run("home1", "export", "course", "--format", "requirements"))
	run(l.t, "write", "pylock.toml", l.run("home1", "export", "course", "--format", "pylock"))
	for name, args := range map[string][]string{
		"pip": {"/opt/env/bin/pip", "install", "--dry-run", "--ignore-installed", "--no-deps",
			"--require-hashes", "--disable-pip-version-check", "-r", "requirements.txt"},
		"uv": {"/uv", "pip", "install", "--dry-run", "--reinstall", "--no-deps", "--require-hashes",
			"--python", "/opt/env/bin/python", "-r", "requirements.txt"},
		"uv, pylock": {"/uv", "pip", "sync", "--dry-run", "--reinstall", "--preview-features", "pylock", "--python",
			"/opt/env/bin/python", "pylock.toml"},
	} {
		l.t.Run(name, func(t *testing.T) {
			out := strings.ReplaceAll(run(t, args...), "==", "-")
			for _, want := range []string{"docopt-0.6.2", "idna-3.3", "tornado-6.2", "ypy-websocket-0.8.4"} {
				if !strings.Contains(out, want) {
					t.Errorf("it does not install %s: %s", want, out)
				}
			}
		})
	}
}

// condaExports are taken by rattler.
func (l *lab) condaExports() {
	if os.Geteuid() != 0 {
		l.cannot(errors.New("chroot needs root"))
	}
	run := l.chroot("alone-image")
	run(l.t, "write", "rattler.whl", string(l.tool("py_rattler-")))
	run(l.t, "/opt/env/bin/python", "-m", "zipfile", "-e", "rattler.whl", "/rattler")
	explicit, environment := l.run("home1", "export", "alone", "--format", "conda-explicit"),
		l.run("home1", "export", "alone", "--format", "environment")
	run(l.t, "write", "explicit.txt", explicit)
	out := run(l.t, "/opt/env/bin/python", "-c",
		"from rattler.explicit_environment import ExplicitEnvironmentSpec as X; s = X.from_path('explicit.txt'); "+
			"print(s.platform, *[p.url for p in s.packages])")
	if n := strings.Count(explicit, "#sha256:"); !strings.HasPrefix(out, "linux-64 ") || n < 3 ||
		len(strings.Fields(out)) != n+1 {
		l.t.Errorf("rattler reads %q of %q", out, explicit)
	}
	for _, line := range strings.Split(environment, "\n") {
		if spec, ok := strings.CutPrefix(line, "  - main::"); ok {
			run(l.t, "/opt/env/bin/python", "-c",
				"import sys; from rattler import MatchSpec; m = MatchSpec(sys.argv[1]); assert m.version and m.build",
				spec)
		}
	}
	if !strings.Contains(environment, "\n  - main::hello=1.0.0=pyhd8ed1ab_0\n") {
		l.t.Error(environment)
	}
}
