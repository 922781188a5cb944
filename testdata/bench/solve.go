package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/tonistiigi/fsutil"
)

// solveCommand is the word that makes this program the client of a Dockerfile
// build: a process of its own, so that its memory can be counted.
const solveCommand = "solve"

// dockerfileDir is where the Dockerfile lies.
const dockerfileDir = "testdata/bench"

// solve builds a target of the Dockerfile: ADDRESS CONTEXT TARGET OUTPUT
// ARG=VALUE…, where the output is a folder or push:REF.
func solve(ctx context.Context, args []string) (err error) {
	if len(args) < 4 {
		return fmt.Errorf("usage: %s ADDRESS CONTEXT TARGET OUTPUT ARG=VALUE…", solveCommand)
	}
	opt, err := dockerfileBuild(args[1], args[2], args[3], args[4:])
	if err != nil {
		return err
	}
	c, err := client.New(ctx, args[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	display, err := progressui.NewDisplay(os.Stderr, progressui.PlainMode)
	if err != nil {
		return err
	}
	status, shown := make(chan *client.SolveStatus, 16), make(chan error, 1)
	go func() {
		_, err := display.UpdateFrom(ctx, status)
		shown <- err
	}()
	_, err = c.Solve(ctx, nil, *opt, status)
	return errors.Join(err, <-shown)
}

// dockerfileBuild is what the engine is asked for.
func dockerfileBuild(folder, target, output string, args []string) (*client.SolveOpt, error) {
	files, err := fsutil.NewFS(folder)
	if err != nil {
		return nil, err
	}
	dockerfile, err := fsutil.NewFS(dockerfileDir)
	if err != nil {
		return nil, err
	}
	secrets, err := hostSecrets()
	if err != nil {
		return nil, err
	}
	opt := &client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: map[string]string{"target": target},
		LocalMounts:   map[string]fsutil.FS{"context": files, "dockerfile": dockerfile},
		SharedKey:     "bench", // so that only what has changed in the context is sent again
		Session:       []session.Attachable{secretsprovider.FromMap(secrets)},
		Exports:       []client.ExportEntry{{Type: client.ExporterLocal, OutputDir: output}},
	}
	if ref, ok := strings.CutPrefix(output, "push:"); ok {
		opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
			"name": ref, "push": "true", "compression": "gzip", "oci-mediatypes": "true",
		}}}
	}
	for _, arg := range append(args, proxies()...) {
		key, value, _ := strings.Cut(arg, "=")
		opt.FrontendAttrs["build-arg:"+key] = value
	}
	return opt, nil
}

// hostSecrets are the host's certificates, and where its packages come from.
func hostSecrets() (map[string][]byte, error) {
	host, err := host.Read()
	if err != nil {
		return nil, err
	}
	secrets := map[string][]byte{"ca": host.CA}
	for _, name := range []string{"UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL"} {
		if value := host.Env[name]; value != "" {
			secrets[name] = []byte(value)
			secrets["PIP_"+strings.TrimPrefix(strings.Replace(name, "DEFAULT_INDEX", "INDEX_URL", 1),
				"UV_")] = []byte(value)
		}
	}
	return secrets, nil
}

// proxies are the host's proxies; the frontend knows these arguments.
func proxies() (args []string) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value := os.Getenv(name); value != "" {
			args = append(args, name+"="+value)
		}
	}
	return args
}
