package main

import (
	"io"
	"log"
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
USER ${NB_USER}
CMD ["python", "-c", "import idna"]
`

func (l *lab) dockerfile() {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	l.t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	l.push(host+"/base:1", l.open("base"))
	l.write("docker/Dockerfile", strings.ReplaceAll(dockerfileText, "HOST", host))
	l.write("docker/apt.txt", "# for the environment\npython3-venv\n")
	l.write("docker/requirements.txt", "idna==3.3\n")

	listed := l.run("home1", "pins", "docker")
	for _, want := range []string{"docker/apt.txt:2 ", "docker/Dockerfile:7        apt  less ", "docker/requirements.txt:1 "} {
		if !strings.Contains(listed, want) {
			l.t.Errorf("pins lists no %q:\n%s", want, listed)
		}
	}
	l.run("home1", "lock", "docker")
	lock := l.read("docker/pins.lock")
	for _, want := range []string{"\nimage " + host + "/base:1 sha256:", "\nbrought Dockerfile:7 deb less ",
		"\nbrought Dockerfile:16 pip idna 3.3 %2Fhome%2Fjovyan%2Fenv\n", "\nanswer Dockerfile:16 GET "} {
		if !strings.Contains(lock, want) {
			l.t.Errorf("the lock has no %q:\n%s", want, lock)
		}
	}
	if strings.Contains(lock, " deb tree ") {
		l.t.Errorf("the lock has what is in another stage alone:\n%s", lock)
	}
	built := l.run("home1", "build", "docker", "--output", "oci-layout:docker-image")
	l.run("home1", "verify", "docker", "oci-layout:docker-image")
	config, err := l.open("docker-image").ConfigFile()
	l.must(nil, err)
	if config.Config.User != "jovyan" || strings.Join(config.Config.Cmd, " ") != "python -c import idna" ||
		config.Config.Labels["org.driftpin.course"] == "" {
		l.t.Errorf("config %+v", config.Config)
	}

	l.explainsDocker(lock)

	// The tag moves: the lock stays with what it was, until it is told otherwise.
	other, err := mutate.Config(l.open("base"), v1.Config{Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MOVED=yes"}})
	l.must(nil, err)
	l.push(host+"/base:1", other)
	l.run("home1", "lock", "docker")
	if l.read("docker/pins.lock") != lock {
		l.t.Error("the lock follows the tag by itself")
	}
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

// explainsDocker: what a Dockerfile brings, and what changes, is explained by its line.
func (l *lab) explainsDocker(lock string) {
	for name, want := range map[string]string{"idna": "pip idna 3.3  docker/requirements.txt:1: came by Dockerfile:16\n",
		"less": "  docker/Dockerfile:7: came by Dockerfile:7\n"} {
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

// differing are the files that two layouts' images have otherwise.
func (l *lab) differing(a, b string) (names []string) {
	for _, layout := range []*string{&a, &b} {
		*layout = filepath.Join(l.dir, *layout)
	}
	l.must(nil, withLayout(l.t.Context(), a, func(was *images.Image) error {
		return withLayout(l.t.Context(), b, func(is *images.Image) (err error) {
			names, err = images.Varying(l.t.Context(), was, is)
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
