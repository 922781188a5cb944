package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// TestR locks and builds a course of R's packages.
func TestR(t *testing.T) {
	t.Parallel()
	newLab(t).rPackages()
}

// A cran is a repository like CRAN's on loopback, with dated snapshots (R's manual,
// "Setting up a package repository").
type cran struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked []string
}

func (l *lab) newCRAN() *cran {
	l.t.Helper()
	x := &cran{files: map[string][]byte{}}
	x.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.asked = append(x.asked, r.URL.Path)
		data, ok := x.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	}))
	x.Listener.Close()
	var err error
	if x.Listener, err = net.Listen("tcp", "127.0.0.2:0"); err != nil {
		l.cannot(err)
	}
	x.Start()
	l.t.Cleanup(x.Close)
	return x
}

// add adds a package to a snapshot: the newest of it, or one of its archive.
func (x *cran) add(t *testing.T, day, name, version string, newest bool) {
	t.Helper()
	description := fmt.Sprintf("Package: %s\nVersion: %s\nTitle: A Package\nDescription: It does nothing.\n"+
		"License: GPL-3\nAuthor: A\nMaintainer: A <a@example.org>\nRepository: CRAN\n", name, version)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for file, text := range map[string]string{"DESCRIPTION": description, "NAMESPACE": "export(" + name + ")\n",
		"R/" + name + ".R": name + " <- function() \"" + version + "\"\n"} {
		if err := w.WriteHeader(&tar.Header{Name: name + "/" + file, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z.Close()
	contrib := "/cran/" + day + "/src/contrib/"
	if newest {
		x.files[contrib+name+"_"+version+".tar.gz"] = b.Bytes()
		x.files[contrib+"PACKAGES"] = append(x.files[contrib+"PACKAGES"],
			[]byte(fmt.Sprintf("Package: %s\nVersion: %s\nLicense: GPL-3\n\n", name, version))...)
	} else {
		x.files[contrib+"Archive/"+name+"/"+name+"_"+version+".tar.gz"] = b.Bytes()
	}
}

const installR = `install.packages("newest", quiet = TRUE)
install_version <- function(name, version)
  install.packages(sprintf("%s/src/contrib/Archive/%s/%s_%s.tar.gz", getOption("repos"), name, name, version),
    repos = NULL, quiet = TRUE)
class_libs_install_version <- function(class, libs)
  for (i in seq(1, length(libs), 2)) install_version(libs[i], libs[i + 1])
class_libs_install_version("a class", c(
  "old", "1.2-3"
))
stopifnot(newest::newest() == "2.0", old::old() == "1.2-3")
`

// rPackages: the packages come from the repository that this machine's R settings
// name, in the snapshot of the day, and the lock does not say which that is.
func (l *lab) rPackages() {
	x := l.newCRAN()
	x.add(l.t, "2023-06-01", "newest", "2.0", true)
	x.add(l.t, "2023-06-01", "old", "1.2-3", false)
	l.write("Rprofile", "options(repos = c(CRAN = \""+x.URL+"/cran/latest\"))\n")
	l = l.with("R_PROFILE_USER="+filepath.Join(l.dir, "Rprofile"), "DRIFTPIN_BASE=oci-layout:base")
	l.write("rcourse/runtime.txt", "r-4.2-2023-06-01\n")
	l.write("rcourse/install.R", installR)
	listed := l.run("home1", "pins", "rcourse")
	for _, want := range []string{"rcourse/runtime.txt:1 ", "rcourse/install.R:1 ", "old@1.2-3"} {
		if !strings.Contains(listed, want) {
			l.t.Errorf("pins lists no %q:\n%s", want, listed)
		}
	}
	_, said, err := l.output("home1", "lock", "rcourse", "--twice")
	if err != nil {
		l.t.Fatal(err)
	}
	lock := l.read("rcourse/pins.lock")
	for _, want := range []string{" r newest 2.0 ", " r old 1.2-3 ",
		"answer install.R GET http://cran.driftpin.invalid/src/contrib/newest_2.0.tar.gz 200 "} {
		if !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q:\n%s\n%s", want, lock, said)
		}
	}
	if strings.Contains(lock, x.URL) {
		l.t.Error("the lock says where the repository is")
	}
	if strings.Contains(lock, "\nvarying ") {
		l.t.Errorf("R writes otherwise each time:\n%s", lock)
	}
	l.rDockerfile(x)
	x.Close()
	l.run("home1", "build", "rdocker", "--output", "oci-layout:rdocker-image")
	l.run("home1", "verify", "rdocker", "oci-layout:rdocker-image")
	l.run("home1", "build", "rcourse", "--output", "oci-layout:r-image")
	l.run("home1", "verify", "rcourse", "oci-layout:r-image")
	if out := l.run("home1", "inventory", "oci-layout:r-image"); !strings.Contains(out, "newest") {
		l.t.Errorf("the inventory has no R packages:\n%s", out)
	}
}

// rDockerfile: a Dockerfile on a registry's base, with R of Debian's, a package of pip's
// and pairs of R's packages, one of which is bumped.
func (l *lab) rDockerfile(x *cran) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	l.t.Cleanup(server.Close)
	base := strings.TrimPrefix(server.URL, "http://") + "/base:1"
	l.push(base, l.open("base"))
	x.add(l.t, "2023-06-01", "old", "1.3", false)
	l.write("rdocker/Dockerfile", "FROM "+base+"\nRUN apt-get -qq update && apt-get -qq install --yes --no-install-recommends \\\n"+
		"    r-base-core python3-pip && rm -rf /var/lib/apt/lists/*\n"+
		"RUN pip install --break-system-packages --no-cache-dir idna==3.3\nCOPY install.R /tmp/\nRUN Rscript /tmp/install.R\n")
	l.write("rdocker/install.R", "options(repos = \""+x.URL+"/cran/2023-06-01\")\n"+installR)
	l.run("home1", "lock", "rdocker")
	for _, want := range []string{"\nbrought Dockerfile:2 deb r-base-core ", "\nbrought Dockerfile:4 pip idna 3.3 ",
		"\nbrought Dockerfile:6 r old 1.2-3 "} {
		if lock := l.read("rdocker/pins.lock"); !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q:\n%s", want, lock)
		}
	}
	l.write("rdocker/install.R", strings.Replace(l.read("rdocker/install.R"), "stopifnot", "# stopifnot", 1))
	l.run("home1", "lock", "rdocker")
	out := l.run("home1", "bump", "rdocker", "old=1.3", "--write")
	if !strings.Contains(out, "old  1.2-3 → 1.3") || !strings.Contains(out, "rdocker/install.R:9") ||
		!strings.Contains(l.read("rdocker/install.R"), "\"old\", \"1.3\"\n") {
		l.t.Errorf("bump says %q, and left\n%s", out, l.read("rdocker/install.R"))
	}
}
