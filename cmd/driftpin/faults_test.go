package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// with is the lab with more in the environment.
func (l *lab) with(env ...string) *lab {
	more := *l
	more.env = append(l.env[:len(l.env):len(l.env)], env...)
	return &more
}

// pinned is a course of one package of a test's index. What apt installs is
// taken from another such course, so that it is not asked for each time.
func (l *lab) pinned(course, name string) {
	if _, err := os.Stat(filepath.Join(l.dir, "solved", "pins.lock")); err == nil {
		l.write(course+"/pins.lock", l.read("solved/pins.lock"))
	}
	l.write(course+"/pins.yaml", "course: "+course+"\nbase: oci-layout:../base\npins:\n  pip:\n    - "+name+
		"==1.0\nchecks:\n  - python -c 'import "+name+"'\n")
}

// An indexFault is what an index does with a wheel that it is asked for.
type indexFault struct {
	name  string
	fault func(w http.ResponseWriter, r *http.Request, n int) bool
	want  string // of the error; empty for success
}

var indexFaultCases = []indexFault{
	{"404", func(w http.ResponseWriter, r *http.Request, _ int) bool { http.NotFound(w, r); return true },
		"404 Not Found"},
	{"429 once", func(w http.ResponseWriter, _ *http.Request, n int) bool {
		w.Header().Set("Retry-After", "1")
		if n == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n == 1
	}, ""},
	{"500 twice", func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n <= 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return n <= 2
	}, ""},
	{"401", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}, "401 Unauthorized"},
	{"stall", func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n == 1 {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		return n == 1
	}, ""},
	{"cut short", func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 1 {
			w.Header().Set("Content-Length", "1000")
			w.Write(make([]byte, 500))
		}
		return n == 1
	}, ""},
	{"wrong hash", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Write([]byte("login please"))
		return true
	}, "and the lock has"},
}

// TestIndex has an index misbehave. It waits for answers that do not come, so
// nothing else runs beside it.
func TestIndex(t *testing.T) {
	newLab(t).indexFaults()
}

// indexFaults has an index misbehave, when it is asked for what it has and when
// it is asked for a file.
func (l *lab) indexFaults() {
	x := newTestIndex(l.t)
	l = l.with("UV_DEFAULT_INDEX="+x.URL+"/simple", "UV_HTTP_TIMEOUT=2")
	l.t.Run("resolving", func(t *testing.T) { l.at(t).resolvingFaults(x) })
	for i, test := range indexFaultCases {
		l.t.Run(test.name, func(t *testing.T) { l.at(t).faulty(x, "faulty"+strconv.Itoa(i), test) })
	}
	l.t.Run("odd record", func(t *testing.T) { l.at(t).oddRecord(x) })
	l.t.Run("broken source", func(t *testing.T) { l.at(t).brokenSource(x) })
	l.t.Run("moved", func(t *testing.T) { l.at(t).moved(x) })
	l.t.Run("index gone", func(t *testing.T) { l.at(t).indexGone(x) })
}

// faulty builds a course whose wheel the index does not hand out as it should.
func (l *lab) faulty(x *index, name string, test indexFault) {
	hash := x.add(l.t, name, "1.0", map[string]string{name + ".py": "# " + test.name + "\n"})
	l.pinned(name, name)
	l.run("home1", "lock", name)
	// lock has had a look into it
	l.must(nil, os.Remove(filepath.Join(l.dir, "home1", "files", "blobs", "sha256", hash)))
	x.answer(func(w http.ResponseWriter, r *http.Request, n int) bool {
		return strings.HasSuffix(r.URL.Path, ".whl") && test.fault(w, r, n)
	})
	defer x.answer(nil)
	out := filepath.Join(l.dir, name+"-image")
	if test.want == "" {
		l.run("home1", "build", name, "--output", "oci-layout:"+out)
		return
	}
	_, stderr, err := l.output("home1", "build", name, "--output", "oci-layout:"+out)
	place := name + "/pins.yaml:5: this machine can't fetch " + name + "-1.0-py3-none-any.whl from 127.0.0.1:"
	if err == nil || !strings.Contains(stderr, place) || !strings.Contains(stderr, test.want) {
		l.t.Errorf("got %v, want …%s… and …%s…", err, place, test.want)
	}
	if _, err := os.Stat(filepath.Join(out, "index.json")); err == nil {
		l.t.Error("an image was exported")
	}
}

// resolvingFaults: what can get better is waited for, and else no lock is
// written.
func (l *lab) resolvingFaults(x *index) {
	x.add(l.t, "solved", "1.0", map[string]string{"solved.py": ""})
	l.pinned("solved", "solved")
	l.run("home1", "lock", "solved")
	solved := l.read("solved/pins.lock")
	for _, code := range []int{http.StatusTooManyRequests, http.StatusInternalServerError} {
		x.answer(func(w http.ResponseWriter, _ *http.Request, n int) bool {
			w.Header().Set("Retry-After", "1")
			if n == 1 {
				w.WriteHeader(code)
			}
			return n == 1
		})
		l.run("home1", "lock", "solved", "--upgrade", "solved")
	}
	x.answer(func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	defer x.answer(nil)
	l.fails(5, "the engine can't reach the package index", "lock", "solved", "--upgrade", "solved")
	if l.read("solved/pins.lock") != solved {
		l.t.Error("a lock was written")
	}
}

// oddRecord: a wheel whose RECORD does not quote a comma is installed as pip does,
// with a warning.
func (l *lab) oddRecord(x *index) {
	x.add(l.t, "commas", "1.0", map[string]string{"commas/__init__.py": "", "commas/a,b.txt": "data"})
	l.pinned("commas", "commas")
	l.run("home1", "lock", "commas")
	_, said, err := l.output("home1", "build", "commas", "--progress", "plain", "--output", "oci-layout:commas-image")
	if err != nil || !strings.Contains(said, "RECORD") {
		l.t.Errorf("build says %s: %v", said, err)
	}
	l.run("home1", "verify", "commas", "oci-layout:commas-image")
}

// brokenSource: a source distribution that can't be built is told with the pin
// that asks for it, with what it was built with, and with what can be done.
func (l *lab) brokenSource(x *index) {
	x.addSource(l.t, "broken", "1.0", map[string]string{
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
		"backend.py": "def build_wheel(*args, **more):\n    raise SystemExit('fatal error: zlib.h: No such " +
			"file or directory')\n",
	})
	l.pinned("broken", "broken")
	for _, want := range []string{"broken/pins.yaml:5: ", "fatal error: zlib.h", "It was built on python3",
		"What can be done: "} {
		l.fails(1, want, "lock", "broken")
	}
	if lock, err := os.ReadFile(filepath.Join(l.dir, "broken", "pins.lock")); err == nil &&
		string(lock) != l.read("solved/pins.lock") {
		l.t.Error("a lock was written")
	}
}

// moved: a file whose remembered address leads nowhere is looked up anew.
func (l *lab) moved(x *index) {
	for i, server := range []string{x.URL + "/gone/", "http://127.0.0.1:9/"} {
		name := fmt.Sprintf("moved%d", i)
		hash := x.add(l.t, name, "1.0", map[string]string{name + ".py": ""})
		l.pinned(name, name)
		l.run("home1", "lock", name)
		l.must(nil, os.Remove(filepath.Join(l.dir, "home1", "files", "blobs", "sha256", hash)))
		l.write("home1/addresses/"+hash, server+name+"-1.0-py3-none-any.whl\n")
		l.run("home1", "build", name, "--output", "oci-layout:moved-image")
	}
}

// indexGone: what was fetched builds anew, in another engine, in a network
// namespace that reaches nothing.
func (l *lab) indexGone(x *index) {
	x.Close()
	kept := filepath.Join(l.dir, "kept")
	if err := os.Mkdir(kept, 0o755); err != nil {
		l.t.Fatal(err)
	}
	if out, err := exec.Command("cp", "--archive", "--link", filepath.Join(l.dir, "home1", "files"),
		filepath.Join(l.dir, "home1", "git"), kept).CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	for course, image := range map[string]string{"course": "image", "faulty1": "faulty1-image"} {
		again := course + "-kept"
		if out, err := l.command("kept", "unshare", "--net", l.program, "build", course, "--output",
			"oci-layout:"+again); err != nil {
			l.t.Errorf("%s%v", out, err)
		}
		if out, err := exec.Command("diff", "-r", filepath.Join(l.dir, image),
			filepath.Join(l.dir, again)).CombinedOutput(); err != nil {
			l.t.Errorf("%s", out)
		}
	}
}
