package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestDockerfile locks and builds a course that is a Dockerfile.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	newLab(t).dockerfile()
}

const dockerfileText = `ARG TAG=1
FROM HOST/base:${TAG} AS base
ENV NB_USER=jovyan
RUN useradd --create-home ${NB_USER}
# Debian's packages
COPY apt.txt /tmp/apt.txt
RUN apt-get -qq update && \
    apt-get -qq install --yes --no-install-recommends $(grep -v '^#' /tmp/apt.txt) less && \
    rm -rf /var/lib/apt/lists/*

FROM base AS env
RUN apt-get -qq update && apt-get -qq install --yes tree
USER ${NB_USER}
WORKDIR /home/${NB_USER}
COPY requirements.txt /tmp/
RUN python3 -m venv env && env/bin/pip install --no-cache-dir -r /tmp/requirements.txt
RUN [ "$(id -un) $PWD $HOME" = "jovyan /home/jovyan /home/jovyan" ]

FROM base
COPY --from=env /home/jovyan/env /home/jovyan/env
ENV PATH=/home/jovyan/env/bin:$PATH
ARG ADDED=added.txt
ADD URL/${ADDED} /srv/
USER ${NB_USER}
RUN true
CMD ["python", "-c", "import idna"]
`

func (l *lab) dockerfile() {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	l.t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	l.push(host+"/base:1", l.open("base"))
	added := "first\n"
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, added) }))
	l.t.Cleanup(files.Close)
	l.write("docker/Dockerfile", strings.NewReplacer("HOST", host, "URL", files.URL).Replace(dockerfileText))
	l.write("docker/apt.txt", "# for the environment\npython3-venv\n")
	l.write("docker/requirements.txt", "idna==3.3\n")

	l.holdsDocker(host, files.URL)
	lock := l.read("docker/pins.lock")
	added = "second\n" // what is locked is built
	files.Close()
	built := l.run("home1", "build", "docker", "--output", "oci-layout:docker-image")
	l.run("home1", "verify", "docker", "oci-layout:docker-image")
	config, err := l.open("docker-image").ConfigFile()
	l.must(nil, err)
	if config.Config.User != "jovyan" || strings.Join(config.Config.Cmd, " ") != "python -c import idna" ||
		config.Config.Labels["org.driftpin.course"] == "" {
		l.t.Errorf("config %+v", config.Config)
	}

	l.explainsDocker(lock)
	l.bumpsDocker()
	l.write("based/pins.yaml", "course: based\nbase: "+host+"/base:1\npins: {pip: [idna==3.3]}\n")
	l.run("home1", "lock", "based")

	// The tag moves: the lock stays with what it was, until it is told otherwise.
	l.push(host+"/base:1", l.movedBase())
	l.push(host+"/base:2", l.movedBase())
	l.bumpsBase(host + "/base:1")
	l.bumpsTag(host + "/base")
	l.run("home1", "lock", "docker")
	l.sameLock("docker", lock, "the lock follows the tag by itself")
	again := l.with("HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1")
	l.must(nil, copyFiles(filepath.Join(l.dir, "home1"), filepath.Join(l.dir, "home5")))
	if got := again.run("home5", "build", "docker", "--output", "oci-layout:docker-again"); got != built {
		l.t.Errorf("built again it is %q, not %q: %v", got, built, l.differing("docker-image", "docker-again"))
	}
	l.run("home1", "lock", "docker", "--upgrade", host+"/base:1")
	if l.read("docker/pins.lock") == lock {
		l.t.Error("the lock does not take the new image")
	}
}

// holdsDocker locks the course, and sees what pins lists of it, and what the lock has.
func (l *lab) holdsDocker(host, files string) {
	listed := strings.Join(strings.Fields(l.run("home1", "pins", "docker")), " ")
	for _, want := range []string{"docker/Dockerfile:2 image " + host + "/base:1 ", "docker/apt.txt:2 apt python3-venv ",
		"docker/Dockerfile:8 apt less ", "docker/requirements.txt:1 pip idna==3.3 "} {
		if !strings.Contains(listed, want) {
			l.t.Errorf("pins lists no %q:\n%s", want, listed)
		}
	}
	l.run("home1", "lock", "docker")
	lock := l.read("docker/pins.lock")
	for _, want := range []string{"\nimage " + host + "/base:1 sha256:", "\nbrought Dockerfile:7 deb less ",
		"\nbrought Dockerfile:16 pip idna 3.3 %2Fhome%2Fjovyan%2Fenv\n", "\nanswer Dockerfile:16 GET ",
		"\ndownload " + files + "/added.txt sha256:"} {
		if !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q:\n%s", want, lock)
		}
	}
	if strings.Contains(lock, " deb tree ") {
		l.t.Errorf("the lock has what is in another stage alone:\n%s", lock)
	}
}

// explainsDocker: what a Dockerfile brings, and what changes, is explained by its line.
func (l *lab) explainsDocker(lock string) {
	for name, want := range map[string]string{"idna": "pip idna 3.3  docker/requirements.txt:1: came by Dockerfile:16\n",
		"less": "  docker/Dockerfile:8: came by Dockerfile:7\n"} {
		if out := l.run("home1", "why", "docker", name); !strings.Contains(out, want) {
			l.t.Errorf("why %s says %q, not …%s…", name, out, want)
		}
	}

	// A change is explained by its line.
	l.write("docker/requirements.txt", "# why not\nidna==3.4\n")
	l.run("home1", "lock", "docker")
	l.run("home1", "build", "docker", "--output", "oci-layout:docker-bumped")
	out, err := l.try("home1", "drift", "oci-layout:docker-image", "oci-layout:docker-bumped")
	if want := "docker/requirements.txt:2"; err == nil || !strings.Contains(err.Error()+out, want) {
		l.t.Errorf("drift does not explain by %s: %s %v", want, out, err)
	}
	l.write("docker/requirements.txt", "idna==3.3\n")
	l.write("docker/pins.lock", lock)
}

// bumpsDocker bumps a pin of a file that a Dockerfile copies, and one in itself.
func (l *lab) bumpsDocker() {
	l.write("docker/requirements.txt", "# why not\nidna==3.3\n")
	l.run("home1", "lock", "docker")
	lock := l.read("docker/pins.lock")
	out := l.run("home1", "bump", "docker", "idna=3.4")
	for _, want := range []string{"+ idna=={+3.4+}", "↑ idna  3.3 → 3.4  minor  docker/requirements.txt:2: Dockerfile:16 → idna",
		"1 pin changed; nothing else"} {
		if !strings.Contains(out, want) {
			l.t.Errorf("bump says no %q:\n%s", want, out)
		}
	}
	if l.read("docker/requirements.txt") != "# why not\nidna==3.3\n" || l.read("docker/pins.lock") != lock {
		l.t.Error("bump wrote without --write")
	}
	if _, err := l.try("home1", "bump", "docker", "idna"); err == nil || !strings.Contains(err.Error(), "idna=VERSION") {
		l.t.Errorf("a bump without a version: %v", err)
	}
	l.run("home1", "bump", "docker", "idna=3.4", "--write")
	if l.read("docker/requirements.txt") != "# why not\nidna==3.4\n" || !strings.Contains(l.read("docker/pins.lock"), " pip idna 3.4 ") {
		l.t.Errorf("bump --write left %q", l.read("docker/requirements.txt"))
	}
	l.run("home1", "lock", "--check", "docker")
	_, said, err := l.output("home1", "bump", "docker", "idna=3.3", "--write")
	l.must(nil, err)
	l.sameLock("docker", lock, "back again, the lock is another; it was said:\n"+said)
	l.write("docker/requirements.txt", "idna==3.3\n")
	l.run("home1", "lock", "docker")
}

// movedBase is the lab's base with a Python package more.
func (l *lab) movedBase() v1.Image {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	data := "Metadata-Version: 2.1\nName: moved\nVersion: 1.0\n"
	l.must(nil, w.WriteHeader(&tar.Header{Name: "usr/lib/python3/dist-packages/moved-1.0.dist-info/METADATA", Mode: 0o644,
		Size: int64(len(data))}))
	_, err := w.Write([]byte(data))
	l.must(nil, errors.Join(err, w.Close()))
	more, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	l.must(nil, err)
	moved, err := mutate.AppendLayers(l.open("base"), more)
	l.must(nil, err)
	return moved
}

// bumpsBase: outdated says that a tag has moved, and bump shows what that brings.
func (l *lab) bumpsBase(image string) {
	for _, course := range []string{"docker", "based"} {
		lock := l.read(course + "/pins.lock")
		out := l.run("home1", "outdated", course, image)
		if !strings.Contains(out, "image:"+image) || !strings.Contains(out, "the tag has moved") {
			l.t.Errorf("outdated %s says %q", course, out)
		}
		out = l.run("home1", "bump", course, image)
		if !strings.Contains(out, "+ moved  1.0") || l.read(course+"/pins.lock") != lock {
			l.t.Errorf("bump %s %s says %q", course, image, out)
		}
	}
	lock := l.read("based/pins.lock")
	l.run("home1", "bump", "based", "idna=3.4", "--write") // on the base that it was locked on
	if base := lineOf(lock, "base "); lineOf(l.read("based/pins.lock"), "base ") != base {
		l.t.Errorf("the bump of a pin moved the base from %s", base)
	}
	l.run("home1", "bump", "based", image, "--write")
	if base := lineOf(lock, "base "); lineOf(l.read("based/pins.lock"), "base ") == base {
		l.t.Errorf("the bump of the base left it at %s", base)
	}
	l.run("home1", "build", "based", "--output", "oci-layout:based-image")
	l.run("home1", "verify", "based", "oci-layout:based-image")
}

// bumpsTag: another tag is written where it stands, in an ARG that two FROM share, and
// what that brings is shown; also where it is the ARG that is bumped.
func (l *lab) bumpsTag(image string) {
	lock := l.read("docker/pins.lock")
	out := l.run("home1", "bump", "docker", image+"=2")
	if !strings.Contains(out, "ARG TAG=[-1-]{+2+}") && !strings.Contains(out, "ARG TAG={+2+}") ||
		!strings.Contains(out, "+ moved  1.0") || l.read("docker/pins.lock") != lock {
		l.t.Errorf("bump of the tag says %q", out)
	}
	l.push(image+":0", l.open("base"))
	l.write("shared/Dockerfile", "ARG BASE_VERSION=0\nFROM "+image+":${BASE_VERSION} AS one\nFROM "+image+":${BASE_VERSION}\n"+
		"COPY --from=one /etc/debian_version /srv/\nRUN true\n")
	l.run("home1", "lock", "shared")
	l.push(image+":3", l.movedBase())
	for _, target := range []string{"BASE_VERSION=3", image + "=3"} {
		out := l.run("home1", "bump", "shared", target)
		if !strings.Contains(out, "ARG BASE_VERSION={+3+}") || strings.Count(out, "image "+image+":0") != 2 ||
			!strings.Contains(out, "+ moved  1.0") {
			l.t.Errorf("bump %s says %q", target, out)
		}
	}
}

// sameLock fails the test with the lines that a course's lock has otherwise.
func (l *lab) sameLock(course, want, why string) {
	l.t.Helper()
	got := l.read(course + "/pins.lock")
	if got == want {
		return
	}
	for _, side := range []struct{ mark, text, other string }{{"-", want, got}, {"+", got, want}} {
		for line := range strings.Lines(side.text) {
			if !strings.Contains("\n"+side.other, "\n"+line) {
				why += "\n" + side.mark + strings.TrimSuffix(line, "\n")
			}
		}
	}
	l.t.Error(why)
}

// lineOf is the line of a text that begins with some words.
func lineOf(text, begin string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	return ""
}

// differing are the files that two layouts' images have otherwise, and the layers.
func (l *lab) differing(a, b string) (names []string) {
	var layers [2][]v1.Layer
	for i, layout := range []string{a, b} {
		var err error
		layers[i], err = l.open(layout).Layers()
		l.must(nil, err)
	}
	for i := range min(len(layers[0]), len(layers[1])) {
		was, err1 := layers[0][i].Digest()
		is, err2 := layers[1][i].Digest()
		type1, err3 := layers[0][i].MediaType()
		type2, err4 := layers[1][i].MediaType()
		if l.must(nil, errors.Join(err1, err2, err3, err4)); was != is {
			names = append(names, fmt.Sprintf("layer %d: %s %s, %s %s", i, type1, was, type2, is))
		}
	}
	for _, layout := range []*string{&a, &b} {
		*layout = filepath.Join(l.dir, *layout)
	}
	l.must(nil, withLayout(l.t.Context(), a, func(was *images.Image) error {
		return withLayout(l.t.Context(), b, func(is *images.Image) error {
			files, err := images.Varying(l.t.Context(), was, is)
			names = append(names, files...)
			return err
		})
	}))
	return names
}

// push pushes an image to a registry on loopback.
func (l *lab) push(ref string, img v1.Image) {
	l.t.Helper()
	r, err := name.ParseReference(ref, name.Insecure)
	l.must(nil, err)
	l.must(nil, remote.Write(r, img))
}
