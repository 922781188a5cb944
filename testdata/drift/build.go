package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/util/progress/progressui"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
)

// folder is where the Dockerfile lies, and what its steps use.
const folder = "testdata/drift"

// A build makes one image.
type build struct {
	client *client.Client
	base   string            // OCI layout
	out    string            // the image's layout; files beside it have further suffixes
	args   map[string]string // the Dockerfile's
}

// run makes the image, and then what is true of it. What the steps say goes to
// a log, which stays if one fails.
func (b *build) run(ctx context.Context) (err error) {
	log, err := os.Create(b.out + ".log")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.Remove(log.Name())
		} else {
			err = fmt.Errorf("%s: %w (see %s)", filepath.Base(b.out), err, log.Name())
		}
	}()
	defer func() { err = errors.Join(err, log.Close()) }()
	export, err := engine.LayoutExport(b.out, map[string]string{"compression": "gzip", "oci-mediatypes": "true"})
	if err != nil {
		return err
	}
	resp, err := b.solve(ctx, "image", export, log)
	if err != nil {
		return err
	}
	if _, err := engine.FinishLayout(b.out, resp, ""); err != nil {
		return err
	}
	return b.truth(ctx, log)
}

// truth writes what is installed.
func (b *build) truth(ctx context.Context, log *os.File) error {
	dir := b.out + ".truth"
	if _, err := b.solve(ctx, "truth", client.ExportEntry{Type: client.ExporterLocal, OutputDir: dir},
		log); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "truth.json"), b.out+".truth.json"); err != nil {
		return err
	}
	return os.Remove(dir)
}

// solve builds one of the Dockerfile's targets.
func (b *build) solve(ctx context.Context, target string, export client.ExportEntry,
	log *os.File) (*client.SolveResponse, error) {
	opt, err := b.options(target, export)
	if err != nil {
		return nil, err
	}
	display, err := progressui.NewDisplay(log, progressui.PlainMode)
	if err != nil {
		return nil, err
	}
	status, shown := make(chan *client.SolveStatus, 16), make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = display.UpdateFrom(context.WithoutCancel(ctx), status) // ends when the channel is closed
	}()
	resp, err := b.client.Build(ctx, *opt, "", builder.Build, status)
	<-shown
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", target, err)
	}
	return resp, nil
}

// options are what the engine is asked for.
func (b *build) options(target string, export client.ExportEntry) (*client.SolveOpt, error) {
	files, err := fsutil.NewFS(folder)
	if err != nil {
		return nil, err
	}
	base, err := local.NewStore(b.base)
	if err != nil {
		return nil, err
	}
	name, err := layoutName(b.base)
	if err != nil {
		return nil, err
	}
	secrets, err := hostSecrets()
	if err != nil {
		return nil, err
	}
	opt := &client.SolveOpt{
		FrontendAttrs: map[string]string{"target": target, "context:base": name},
		LocalMounts:   map[string]fsutil.FS{"context": files, "dockerfile": files},
		SharedKey:     "drift",
		OCIStores:     map[string]content.Store{"base": base},
		Session:       []session.Attachable{secretsprovider.FromMap(secrets)},
		Exports:       []client.ExportEntry{export},
	}
	for key, value := range b.args {
		opt.FrontendAttrs["build-arg:"+key] = value
	}
	for _, key := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value := os.Getenv(key); value != "" {
			opt.FrontendAttrs["build-arg:"+key] = value
		}
	}
	return opt, nil
}

// layoutName is how the frontend is told of the image in a layout.
func layoutName(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, ocispecs.ImageIndexFile))
	if err != nil {
		return "", err
	}
	var index ocispecs.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return "", fmt.Errorf("%s: %w", dir, err)
	}
	if len(index.Manifests) == 0 {
		return "", fmt.Errorf("%s: no image in it", dir)
	}
	return "oci-layout://base@" + index.Manifests[0].Digest.String(), nil
}

// hostSecrets are the host's certificates, npm's settings, and a script that
// sets where Python's packages come from.
func hostSecrets() (map[string][]byte, error) {
	host, err := host.Read()
	if err != nil {
		return nil, err
	}
	var env strings.Builder
	for _, key := range []string{"UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL"} {
		if value := host.Env[key]; value != "" {
			quoted := "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
			pip := "PIP_" + strings.TrimPrefix(strings.Replace(key, "DEFAULT_INDEX", "INDEX_URL", 1), "UV_")
			fmt.Fprintf(&env, "export %s=%s %s=%s\n", key, quoted, pip, quoted)
		}
	}
	return map[string][]byte{"ca": host.CA, "npmrc": host.Npmrc, "indexes": []byte(env.String())}, nil
}
