package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRemote builds on a buildkitd.
func TestRemote(t *testing.T) {
	t.Parallel()
	newLab(t).remote()
}

// remote builds on a real buildkitd, over tcp with mutual TLS, as another
// machine that has nothing but the lock and the base: the same image, to the
// last bit. Then both engines work with secrets, and tell none.
func (l *lab) remote() {
	certs := filepath.Join(l.dir, "certs")
	address := l.startBuildkitds(certs, 1)[0].address
	remote := l.with("BUILDKIT_HOST="+address, "BUILDKIT_TLS_DIR="+certs)
	l.fails(5, "engine "+address, "build", "course", "--engine", address, "--output", "oci-layout:refused")
	l.fails(1, "has neither ca.pem nor ca.crt", "build", "course", "--engine", address, "--tls-dir", l.dir, "--output",
		"oci-layout:refused")
	if got := remote.run("home2", "build", "course", "--output", "oci-layout:image3"); got != l.first {
		l.t.Errorf("buildkitd built %q, and the embedded engine %q", got, l.first)
	}
	if out, err := exec.Command("diff", "-r", filepath.Join(l.dir, "image"),
		filepath.Join(l.dir, "image3")).CombinedOutput(); err != nil {
		l.t.Errorf("%s", out)
	}
	l.remoteScript(remote)
	l.secrets(remote)
}

// remoteScript records a script here, and replays it on the buildkitd, which can't
// tell that the network is this machine's: the same image.
func (l *lab) remoteScript(remote *lab) {
	s := l.startServer()
	env := []string{"SSL_CERT_FILE=" + s.trusted, "DRIFTPIN_BASE=oci-layout:base"}
	l.scripted("far", "curl -fsS "+s.URL+"/data > ~/data\n")
	l.with(env...).run("home1", "lock", "far")
	here := l.with(env...).run("home1", "build", "far", "--output", "oci-layout:near-image")
	if there := remote.with(env...).run("home2", "build", "far", "--output", "oci-layout:far-image"); there != here {
		l.t.Errorf("buildkitd built %q, and the embedded engine %q", there, here)
	}
	l.scripted("afar", "curl -fsS "+s.URL+"/other > ~/data\n")
	remote.with(env...).run("home2", "lock", "afar")
	l.with(env...).run("home1", "build", "afar", "--output", "oci-layout:near-image")
}

// secrets locks and builds with an index and a git server that want
// credentials, on both engines, and looks for them in all that is left behind.
func (l *lab) secrets(remote *lab) {
	x := newTestIndex(l.t)
	x.user, x.password = "private-user", "private-password"
	x.add(l.t, "private", "1.0", map[string]string{"private.py": ""})
	host := strings.TrimPrefix(x.URL, "http://")
	const token = "private-token"
	env := []string{"UV_DEFAULT_INDEX=http://" + x.user + ":" + x.password + "@" + host + "/simple",
		"GIT_CONFIG_KEY_0=url." + strings.Replace(l.git, "http://", "http://"+token+"@", 1) + "/.insteadOf"}
	l.write("private/pins.yaml", "course: private\nbase: oci-layout:../base\npins:\n  pip:\n    - private==1.0\n"+
		"    - git+https://git.example.org/plain.git@v1\n")
	var said strings.Builder
	for i, lab := range []*lab{l.with(env...), remote.with(env...)} {
		home := fmt.Sprint("home", i+1)
		image := fmt.Sprint("private-image", i)
		for _, args := range [][]string{
			{"lock", "private", "--upgrade", "--progress", "plain"},
			{"build", "private", "--progress", "plain", "--output", "oci-layout:" + image},
			{"inventory", "oci-layout:" + image, "--format", "json"},
		} {
			stdout, stderr, err := lab.output(home, args...)
			if err != nil {
				l.t.Fatal(err)
			}
			said.WriteString(stdout + stderr)
		}
		// One without the password is told so, and by which side.
		bare := lab.with("UV_DEFAULT_INDEX=" + x.URL + "/simple")
		_, stderr, err := bare.output(home, "lock", "private", "--upgrade")
		if err == nil || !strings.Contains(stderr, "the engine can't reach the package index, or the index refuses access") {
			l.t.Errorf("without a password: %v: %s", err, stderr)
		}
		said.WriteString(stderr)
	}
	l.write("said", said.String())
	l.tellsNone("private-user", "private-password", token)
}

// tellsNone looks for secrets in outputs, locks, images, stores and the
// databases of both engines.
func (l *lab) tellsNone(secrets ...string) {
	for _, image := range []string{"private-image0", "private-image1"} {
		unpacked := l.must(exec.Command("sh", "-c",
			"for b in '"+filepath.Join(l.dir, image)+
				"'/blobs/sha256/*; do gzip -dc $b 2>/dev/null || cat $b; done").Output())
		l.write(image+"-unpacked", string(unpacked))
	}
	// Files of the running engine may vanish while grep looks; it then says 2.
	holds := func(text string) string {
		out, _ := exec.Command("grep", "-rlasF", "--exclude=driftpin", "--exclude=buildkitd", "--", text,
			l.dir).Output()
		return string(out)
	}
	if holds("private==1.0") == "" {
		l.t.Error("nothing was looked at")
	}
	for _, secret := range secrets {
		if files := holds(secret); files != "" {
			l.t.Errorf("%s is in %s", secret, files)
		}
	}
}

// A buildkitd is one that a test has started.
type buildkitd struct {
	address, root string
	cmd           *exec.Cmd
}

// startBuildkitds builds a buildkitd of the version that driftpin is linked with, starts
// some of it on loopback with mutual TLS, and waits until they answer.
func (l *lab) startBuildkitds(certs string, n int) (all []buildkitd) {
	l.must(nil, makeCertificates(certs))
	version := strings.TrimSpace(string(l.must(exec.Command("go", "list", "-m", "-f", "{{.Version}}",
		"github.com/moby/buildkit").Output())))
	l.write("buildkitd-module/go.mod", "module buildkitd\n\ngo 1.26.8\n\nrequire github.com/moby/buildkit "+version+
		"\n\ntool github.com/moby/buildkit/cmd/buildkitd\n")
	program := filepath.Join(l.dir, "buildkitd")
	for _, args := range [][]string{{"mod", "tidy"},
		{"build", "-o", program, "github.com/moby/buildkit/cmd/buildkitd"}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = filepath.Join(l.dir, "buildkitd-module")
		if out, err := cmd.CombinedOutput(); err != nil {
			l.cannot(fmt.Errorf("go %s: %w: %s", args[0], err, out))
		}
	}
	for i := range n {
		all = append(all, l.startBuildkitd(program, certs, fmt.Sprint("buildkitd-root", i)))
	}
	return all
}

// startBuildkitd starts one, with its state in a folder of the lab.
func (l *lab) startBuildkitd(program, certs, root string) buildkitd {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	b := buildkitd{address: "tcp://" + lis.Addr().String(), root: filepath.Join(l.dir, root)}
	l.must(nil, lis.Close())
	b.cmd = exec.Command(program, "--tlscacert", filepath.Join(certs, "ca.pem"), "--tlscert", filepath.Join(certs, "cert.pem"),
		"--tlskey", filepath.Join(certs, "key.pem"), "--addr", b.address, "--root", b.root, "--containerd-worker=false")
	b.cmd.Env = append(os.Environ(), "TMPDIR="+l.dir) // it leaves empty folders there
	l.must(nil, b.cmd.Start())
	l.t.Cleanup(func() {
		if b.cmd.ProcessState != nil { // the test has ended it
			return
		}
		if err := errors.Join(b.cmd.Process.Signal(os.Interrupt), b.cmd.Wait()); err != nil {
			l.t.Log(err)
		}
	})
	one := l.with("BUILDKIT_HOST="+b.address, "BUILDKIT_TLS_DIR="+certs)
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if _, err := one.try("home1", "doctor"); err == nil {
			return b
		} else if time.Since(start) > time.Minute {
			l.t.Fatal(err)
		}
	}
}

// makeCertificates writes an authority's certificate and one that it signed,
// for a server and a client on loopback.
func makeCertificates(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)},
		NotBefore:   authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca, err1 := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	cert, err2 := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), caKey)
	private, err3 := x509.MarshalPKCS8PrivateKey(key)
	write := func(name, kind string, data []byte) error {
		return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600)
	}
	return errors.Join(err1, err2, err3, write("ca.pem", "CERTIFICATE", ca), write("cert.pem", "CERTIFICATE", cert),
		write("key.pem", "PRIVATE KEY", private))
}
