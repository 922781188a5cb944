package steps

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
)

// The scripts that run inside build steps. They are mounted, never installed.
//
//go:embed *.sh *.py *.js
var scripts embed.FS

// Dir is where a step finds the scripts.
const Dir = "/run/driftpin/steps/"

// Script is the state that holds one script and the mount that shows it to a
// step. Each step mounts only the script it runs, so that another's change
// does not rerun it.
func Script(name string) llb.RunOption {
	base := path.Base(name)
	st := llb.Scratch().File(llb.Mkfile("/"+base, 0o755, read(name), llb.WithCreatedTime(pins.Epoch)),
		llb.WithCustomName("driftpin "+base))
	return llb.AddMount(Dir+name, st, llb.SourcePath("/"+base), llb.Readonly)
}

// read returns the text of a script.
func read(name string) []byte {
	from := scripts
	if strings.HasPrefix(name, "recorded/") {
		from = recorded
	}
	data, err := from.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return data
}

// Digest is the digest of all scripts.
func Digest() string {
	h := sha256.New()
	err := fs.WalkDir(scripts, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := scripts.ReadFile(path)
		fmt.Fprintf(h, "steps/%s %d\n%s", path, len(data), data)
		return err
	})
	if err != nil {
		panic(err) // they are embedded
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Step returns the options that every step has: its arguments, a fixed
// environment, a /tmp that is not kept, and no network.
func Step(name string, args []string, more ...llb.RunOption) []llb.RunOption {
	return append([]llb.RunOption{
		llb.Args(args), llb.WithCustomName(name), llb.Network(pb.NetMode_NONE), llb.Dir("/"), llb.User("root"),
		llb.AddEnv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
		llb.AddEnv("SOURCE_DATE_EPOCH", strconv.FormatInt(pins.Epoch.Unix(), 10)),
		llb.AddEnv("PYTHONHASHSEED", "0"), llb.AddEnv("PYTHONDONTWRITEBYTECODE", "1"),
		llb.AddEnv("LC_ALL", "C.UTF-8"), llb.AddEnv("HOME", "/root"), llb.AddEnv("DEBIAN_FRONTEND", "noninteractive"),
		llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs()),
	}, more...)
}

// Uncached has a step run although it has run before: what it asks the network may
// have another answer now. llb.IgnoreCache would do so too, but BuildKit then
// empties the folders that the step keeps what it has fetched in.
func Uncached() llb.RunOption { return AskedAt(time.Now()) }

// AskedAt is Uncached for a step that runs once for all who ask at a time.
func AskedAt(t time.Time) llb.RunOption {
	return llb.AddEnv("DRIFTPIN_ASKED", t.UTC().Format(time.RFC3339Nano))
}

// JSON encodes what has nothing but texts.
func JSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
