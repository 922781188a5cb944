package steps

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// The scripts of the steps that only courses with scripts of their own have: they
// are no part of [Digest], since other courses' images do not hang on them.
//
//go:embed recorded
var recorded embed.FS

// RecordedDigest is the digest of the scripts of CopyFolder and RunScript.
func RecordedDigest() string {
	h := sha256.New()
	for _, name := range []string{"folder.sh", "run-script.pl"} {
		h.Write(read("recorded/" + name))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// A Folder is a course's folder in its image.
type Folder struct {
	Dir         string
	SHA256      string   // of its archive, as pins.WriteFolder writes it
	Executables []string `json:",omitempty"` // files that are run, in the image
}

// folderFile is where a step finds the folder's archive.
const folderFile = "/run/driftpin/folder.tar"

// CopyFolder copies a course's folder into the image.
func (g Ground) CopyFolder(st llb.State, f Folder, at llb.ConstraintsOpt) llb.ExecState {
	archive := g.file("folder.tar", f.SHA256, pins.Artifact{})
	args := append([]string{"/bin/sh", Dir + "recorded/folder.sh", folderFile, f.Dir}, f.Executables...)
	return st.Run(Step("folder "+f.Dir, args, Script("recorded/folder.sh"), at,
		llb.AddMount(folderFile, archive, llb.SourcePath("/folder.tar"), llb.Readonly))...)
}

// A ScriptRun is a script of a course in a step of its own.
type ScriptRun struct {
	Name     string
	Dir      string   // the course's folder in the image
	Env      []string // of the image
	Recorded string   // digest of its recording; empty if it is being recorded, and runs whatever ran before
	At       llb.ConstraintsOpt
}

// The places of a script's proxy in its step.
const (
	socketPath = "/run/driftpin/network"
	caPath     = "/run/driftpin/ca.pem"
	proxyURL   = "http://127.0.0.1:3128"
)

// SocketID names the socket of a script's proxy to the engine, and CASecret the
// certificate by which the proxy is trusted.
func SocketID(script string) string { return "driftpin-script-" + script }

// CASecret is the ID of the secret.
func CASecret(script string) string { return SocketID(script) + "-ca" }

// scriptEnv has programs find the proxy and trust it, write the same bytes each
// time, and keep what they only cache out of the image.
var scriptEnv = []string{
	"HTTP_PROXY=" + proxyURL, "HTTPS_PROXY=" + proxyURL, "ALL_PROXY=" + proxyURL, "http_proxy=" + proxyURL,
	"https_proxy=" + proxyURL, "all_proxy=" + proxyURL, "NO_PROXY=127.0.0.1,localhost,::1",
	"no_proxy=127.0.0.1,localhost,::1",
	"SSL_CERT_FILE=" + caPath, "CURL_CA_BUNDLE=" + caPath, "REQUESTS_CA_BUNDLE=" + caPath, "PIP_CERT=" + caPath,
	"NODE_EXTRA_CA_CERTS=" + caPath, "GIT_SSL_CAINFO=" + caPath, "CONDA_SSL_VERIFY=" + caPath,
	"MAMBA_SSL_VERIFY=" + caPath, "JULIA_SSL_CA_ROOTS_PATH=" + caPath, "CARGO_HTTP_CAINFO=" + caPath,
	"DENO_CERT=" + caPath, "AWS_CA_BUNDLE=" + caPath, "WGETRC=" + Dir + "wgetrc",
	"PIP_CACHE_DIR=/tmp/pip", "UV_CACHE_DIR=/tmp/uv", "npm_config_cache=/tmp/npm", "YARN_CACHE_FOLDER=/tmp/yarn",
	"CONDA_PKGS_DIRS=/tmp/conda", "PIP_DISABLE_PIP_VERSION_CHECK=1", "npm_config_update_notifier=false",
	"npm_config_audit=false", "npm_config_fund=false", "PIP_NO_INPUT=1",
}

// RunScript runs a course's script. All that it reaches is the socket of its proxy.
func (g Ground) RunScript(st llb.State, s ScriptRun) llb.ExecState {
	wgetrc := llb.Scratch().File(llb.Mkfile("/wgetrc", 0o644, []byte("ca_certificate="+caPath+"\n"),
		llb.WithCreatedTime(pins.Epoch)))
	options := Step(s.Name, []string{"perl", Dir + "recorded/run-script.pl", socketPath, g.Prefix(), s.Dir, "/bin/sh",
		"-c", `exec "$0"`, "./" + s.Name},
		Script("recorded/run-script.pl"), s.At,
		llb.AddMount(Dir+"wgetrc", wgetrc, llb.SourcePath("/wgetrc"), llb.Readonly),
		llb.AddSSHSocket(llb.SSHID(SocketID(s.Name)), llb.SSHSocketOpt(socketPath, 0, 0, 0o600)),
		llb.AddSecret(caPath, llb.SecretID(CASecret(s.Name)), llb.SecretFileOpt(0, 0, 0o444)))
	for _, kv := range append(s.Env, scriptEnv...) {
		k, v, _ := strings.Cut(kv, "=")
		options = append(options, llb.AddEnv(k, v))
	}
	options = append(options, llb.AddEnv("LOGNAME", "jovyan"), llb.AddEnv("USER", "jovyan"))
	if s.Recorded == "" {
		return st.Run(append(options, Uncached())...)
	}
	return st.Run(append(options, llb.AddEnv("DRIFTPIN_RECORDED", s.Recorded))...)
}
