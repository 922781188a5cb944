// Package debian makes base images from Debian's packages, for places without
// a registry and for tests.
//
// [Make] runs mmdebstrap on this machine, with this machine's own apt sources,
// and writes the result as an OCI layout. What went in is told by a lock: a
// package a line, with version and sha256. With the same lock, and as long as
// the archive has these packages, the image's digest is the same.
package debian

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/driftpin/driftpin/pins/whole"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

//go:embed base.sh
var script string

// epoch is the modification time of all that is made.
var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// Options say what base to make.
type Options struct {
	Suite   string   // such as bookworm
	Arch    string   // Debian's name of the architecture, such as amd64
	Sources []string // apt's source files; none: those of this machine
	Lock    string   // file; empty: DIR.lock
	Upgrade bool     // take today's packages, whatever the lock says
	Log     io.Writer
}

// ErrMoved is wrapped by the error that says that the archive no longer has
// the locked packages.
var ErrMoved = errors.New("the archive no longer has the locked packages")

// Make writes a base image as an OCI layout into dir, and its lock beside it,
// and returns the image's digest. If there is a lock, exactly its packages are
// taken. It needs root, and mmdebstrap.
func Make(ctx context.Context, dir string, o Options) (string, error) {
	work, err := os.MkdirTemp("", "driftpin-base-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) // only a temporary folder
	if o.Lock == "" {
		o.Lock = strings.TrimRight(dir, "/") + ".lock"
	}
	lock, err := o.readLock()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(work, "lock.tsv"), lock, 0o644); err != nil {
		return "", err
	}
	if err := o.bootstrap(ctx, work, len(lock) > 0); err != nil {
		return "", err
	}
	found, err := os.ReadFile(filepath.Join(work, "found.tsv"))
	if err != nil {
		return "", err
	}
	if len(lock) > 0 && !bytes.Equal(lock, found) {
		return "", fmt.Errorf("%s: %w: %s; driftpin base --upgrade takes today's", o.Lock, ErrMoved,
			firstDifference(lock, found))
	}
	digest, err := writeLayout(dir, filepath.Join(work, "root.tar"), o)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(o.Lock), 0o755); err != nil {
		return "", err
	}
	return digest, whole.WriteFile(o.Lock, found, 0o644)
}

func (o Options) readLock() ([]byte, error) {
	if o.Upgrade {
		return nil, nil
	}
	data, err := os.ReadFile(o.Lock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// bootstrap runs the script.
func (o Options) bootstrap(ctx context.Context, work string, locked bool) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return errors.New("mmdebstrap is not installed: apt-get install mmdebstrap")
	}
	if os.Geteuid() != 0 {
		return errors.New("making a base needs root: mmdebstrap sets owners and mounts")
	}
	sources := o.Sources
	if len(sources) == 0 {
		var err error
		if sources, err = hostSources(o.Suite); err != nil {
			return err
		}
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-s", o.Suite, work}, sources...)...)
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(epoch.Unix(), 10))
	cmd.Stderr = io.MultiWriter(&log, o.Log)
	// An interrupt ends the script's children too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if err == nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if locked && strings.Contains(log.String(), "apt-cache: ") || locked && strings.Contains(log.String(), "E: ") {
		return fmt.Errorf("%s: %w, or it can't be reached (driftpin base --upgrade takes today's packages): %s", o.Lock, ErrMoved,
			lastLine(log.String()))
	}
	return fmt.Errorf("mmdebstrap: %w: %s", err, lastLine(log.String()))
}

// hostSources are this machine's own sources of a suite of Debian.
func hostSources(suite string) ([]string, error) {
	for _, f := range []string{"/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"} {
		data, err := os.ReadFile(f)
		if err == nil && namesSuite(string(data), suite) {
			return []string{f}, nil
		}
	}
	return nil, fmt.Errorf("this machine has no apt sources for Debian %s: name a sources file with --sources", suite)
}

// namesSuite reports whether an apt source file, of either format, names a
// suite.
func namesSuite(text, suite string) bool {
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) > 1 && (words[0] == "Suites:" || words[0] == "deb") && slices.Contains(words[1:], suite) {
			return true
		}
	}
	return false
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for _, l := range slices.Backward(lines) {
		if strings.HasPrefix(l, "E: ") {
			return l
		}
	}
	return lines[len(lines)-1]
}

func firstDifference(lock, found []byte) string {
	have := strings.Split(string(found), "\n")
	for _, l := range strings.Split(string(lock), "\n") {
		if !slices.Contains(have, l) {
			f := strings.Fields(l)
			if len(f) > 1 {
				return f[0] + " " + f[1]
			}
		}
	}
	return "the archive has packages that the lock does not have"
}

// writeLayout makes an image of one layer and writes it to dir, as the only
// one there.
func writeLayout(dir, tar string, o Options) (string, error) {
	layer, err := tarball.LayerFromFile(tar, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return "", err
	}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer,
		History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "driftpin base --suite " + o.Suite}})
	if err != nil {
		return "", err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return "", err
	}
	config = config.DeepCopy()
	config.Created, config.OS, config.Architecture = v1.Time{Time: epoch}, "linux", o.Arch
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	config.Config.Cmd = []string{"bash"}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return "", err
	}
	digest, err := img.Digest()
	if err != nil {
		return "", err
	}
	return digest.String(), replaceLayout(dir, img)
}

// replaceLayout writes the layout beside dir and swaps it in when it is whole.
func replaceLayout(dir string, img v1.Image) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
			return fmt.Errorf("%s holds something other than an OCI layout: name another folder", dir)
		}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".driftpin-base-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // what is left of it
	path, err := layout.Write(tmp, empty.Index)
	if err != nil {
		return err
	}
	if err := path.AppendImage(img); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}
