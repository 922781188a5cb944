package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
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
	x.Close()
	l.run("home1", "build", "rcourse", "--output", "oci-layout:r-image")
	l.run("home1", "verify", "rcourse", "oci-layout:r-image")
	if out := l.run("home1", "inventory", "oci-layout:r-image"); !strings.Contains(out, "newest") {
		l.t.Errorf("the inventory has no R packages:\n%s", out)
	}
}
