package steps

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
)

// The scripts of the steps that only courses with scripts of their own have: they
// are no part of [Digest], since other courses' images do not hang on them.
//
//go:embed recorded
var recorded embed.FS

// RecordedDigest is the digest of what runs in the steps of CopyFolder, PlaceDownloads,
// RunPostLinks, RunScript and Record.
func RecordedDigest() string {
	h := sha256.New()
	h.Write([]byte(rCode)) // a hash returns no error
	for _, name := range []string{"folder.sh", "run-script.pl", "downloads.sh", "post-links.sh"} {
		h.Write(read("recorded/" + name))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// A Download is a file of some server in the image.
type Download struct {
	SHA256 string
	To     string // the file, or the folder that it is unpacked in
	Unpack bool
	Steps  string // digest of what places it

	URL  string        `json:"-"`
	Size int64         `json:"-"`
	At   pins.Position `json:"-"`
}

// PlaceDownloads copies downloads into the image, or unpacks them there.
func (g Ground) PlaceDownloads(st llb.State, all []Download) llb.ExecState {
	args := []string{"/bin/sh", Dir + "recorded/downloads.sh"}
	var places []pins.Position
	options := []llb.RunOption{Script("recorded/downloads.sh")}
	for i, d := range all {
		how := "copy"
		if d.Unpack {
			how = "unpack"
		}
		args = append(args, how, d.To)
		places = append(places, d.At)
		name := fmt.Sprintf("%04d", i)
		options = append(options, llb.AddMount("/run/driftpin/downloads/"+name, g.file(name, d.SHA256, pins.Artifact{}),
			llb.SourcePath("/"+name), llb.Readonly))
	}
	return st.Run(Step(fmt.Sprintf("downloads: %d", len(all)), args, append(options, g.Places.Lines(places...))...)...)
}

// Added is what a Dockerfile's ADD of an address finds there: one file, by its sha256,
// with the permissions that BuildKit gives what it fetches.
func (g Ground) Added(name, sha256 string) llb.State {
	return llb.OCILayoutBlob("driftpin.invalid/files@sha256:"+sha256, llb.ImageBlobOCIStore("", FilesID),
		llb.Filename(name), llb.Chmod(0o600), llb.WithCustomName("fetch "+name))
}

// A Folder is a course's folder in its image.
type Folder struct {
	Dir         string
	SHA256      string   // of its archive, as pins.Folder.Write writes it
	Executables []string `json:",omitempty"` // files that are run, in the image
}

// folderFile is where a step finds the folder's archive.
const folderFile = "/run/driftpin/folder.tar"

// CopyFolder copies a course's folder into the image.
func (g Ground) CopyFolder(st llb.State, f Folder, at llb.ConstraintsOpt) llb.ExecState {
	archive := g.file("folder.tar", f.SHA256, pins.Artifact{})
	args := append([]string{"/bin/sh", Dir + "recorded/folder.sh", folderFile, f.Dir, g.Prefix()}, f.Executables...)
	return st.Run(Step("folder "+f.Dir, args, Script("recorded/folder.sh"), at,
		llb.AddMount(folderFile, archive, llb.SourcePath("/folder.tar"), llb.Readonly))...)
}

// Folder is a state that holds a course's folder, by the sha256 of its archive.
func (g Ground) Folder(sha256 string) llb.State {
	return llb.Scratch().File(llb.Copy(g.file("folder.tar", sha256, pins.Artifact{}), "/folder.tar", "/",
		&llb.CopyInfo{AttemptUnpack: true}), llb.WithCustomName("folder"))
}

// A ScriptRun is a script of a course in a step of its own.
type ScriptRun struct {
	Name     string
	Dir      string   // the course's folder in the image
	Env      []string // of the image
	Recorded string   // digest of its recording; empty if it is being recorded, and runs whatever ran before
	At       llb.ConstraintsOpt
}

// The hosts under which a step knows its proxy: as itself, and as CRAN. Which mirror of
// CRAN's that is, is a machine's configuration, and stands in no lock.
const (
	ProxyHost = "driftpin.invalid" // run-script.pl knows it too
	CRANHost  = "cran.driftpin.invalid"
)

// The places of a script's proxy in its step.
const (
	socketPath = "/run/driftpin/network"
	caPath     = "/run/driftpin/ca.pem"
	cacheDir   = "/run/driftpin/cache" // of programs, each user's own
	proxyURL   = "http://127.0.0.1:3128"
	aptPath    = "/run/driftpin/apt.conf"
	wgetPath   = "/run/driftpin/wgetrc"
	runnerPath = "/run/driftpin/run-script.pl" // of a RUN; a script's is where all steps have theirs
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
	"DENO_CERT=" + caPath, "NODE_USE_ENV_PROXY=1", "AWS_CA_BUNDLE=" + caPath, "WGETRC=" + wgetPath, "APT_CONFIG=" + aptPath,
	"PIP_DISABLE_PIP_VERSION_CHECK=1", "npm_config_update_notifier=false",
	"npm_config_audit=false", "npm_config_fund=false", "PIP_NO_INPUT=1",
}

// rCode has R take its packages from the proxy's CRAN, tell the proxy which mirror it
// would take by itself, and run a file. A package says when it was built, which is
// the same each time then.
const rCode = `driftpin <- Sys.time() - 1
local({
  mirror <- getOption("repos")[["CRAN"]]
  if (is.null(mirror) || mirror == "@CRAN@")
    mirror <- utils::read.csv(file.path(R.home("doc"), "CRAN_mirrors.csv"))$URL[1]
  readLines(url(paste0("http://` + ProxyHost + `/cran?default=", utils::URLencode(mirror, TRUE))))
  options(repos = c(CRAN = "http://` + CRANHost + `"))
})
source(commandArgs(TRUE)[1])
local({
  epoch <- as.POSIXct(as.numeric(Sys.getenv("SOURCE_DATE_EPOCH")), origin = "1970-01-01", tz = "UTC")
  stamp <- format(epoch, "%Y-%m-%d %H:%M:%S UTC", tz = "UTC")
  built <- function(text) sub("^([^;]*;[^;]*; )[^;]*", paste0("\\1", stamp), text)
  for (package in list.files(.libPaths(), full.names = TRUE)) {
    meta <- file.path(package, "Meta", "package.rds")
    if (!file.exists(meta) || file.mtime(meta) < driftpin) next
    description <- file.path(package, "DESCRIPTION")
    lines <- readLines(description)
    ours <- startsWith(lines, "Built: ")
    lines[ours] <- built(lines[ours])
    writeLines(lines, description, useBytes = TRUE)
    x <- readRDS(meta)
    x$Built$Date <- stamp
    x$DESCRIPTION[["Built"]] <- built(x$DESCRIPTION[["Built"]])
    saveRDS(x, meta)
    help <- file.path(package, "help", "paths.rds") # of files in a temporary folder
    if (file.exists(help) && !is.null(first <- attr(x <- readRDS(help), "first"))) {
      if (length(x)) x[] <- paste0("/man/", substring(x, first))
      attr(x, "first") <- nchar("/man/") + 1L
      saveRDS(x, help)
    }
  }
})`

// command runs a script in the course's folder: by R, if it is R's.
func command(script string) []string {
	if strings.EqualFold(path.Ext(script), ".r") {
		return []string{"Rscript", "-e", rCode, script}
	}
	return []string{"/bin/sh", "-c", `exec "$0"`, "./" + script}
}

// RunScript runs a course's script. All that it reaches is the socket of its proxy.
func (g Ground) RunScript(st llb.State, s ScriptRun) llb.ExecState {
	args := append([]string{"perl", Dir + "recorded/run-script.pl", socketPath, "1000", g.Prefix(), s.Dir},
		command(s.Name)...)
	options := Step(s.Name, args, Script("recorded/run-script.pl"), s.At,
		llb.AddMount(cacheDir, llb.Scratch(), llb.Tmpfs()),
		llb.AddSecret(aptPath, llb.SecretID(aptPath), llb.SecretFileOpt(0, 0, 0o444)),
		llb.AddSecret(wgetPath, llb.SecretID(wgetPath), llb.SecretFileOpt(0, 0, 0o444)),
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

// RecordSecrets are files that RunScript and Record show to steps. They are secrets to
// the engine, though they hold none: they need no state of their own.
func RecordSecrets() map[string][]byte {
	return map[string][]byte{
		runnerPath: read("recorded/run-script.pl"),
		wgetPath:   []byte("ca_certificate=" + caPath + "\n"),
		// What apt was told when it was recorded is good when it is told so again.
		aptPath: []byte("Acquire::https::CaInfo \"" + caPath + "\";\nAcquire::Check-Valid-Until \"false\";\n" +
			"Acquire::Check-Date \"false\";\n"),
	}
}

// Record has a step of a Dockerfile run as RunScript has a script: what it reaches is
// the socket of its proxy.
func Record(exec *pb.ExecOp, s ScriptRun) {
	user := exec.Meta.User
	if !slices.ContainsFunc(exec.Meta.Env, func(kv string) bool { return strings.HasPrefix(kv, "HOME=") }) {
		user = "~" + user
	}
	cwd := cmp.Or(exec.Meta.Cwd, "/")
	exec.Meta.Args = append([]string{"perl", runnerPath, socketPath, user, "", cwd}, exec.Meta.Args...)
	exec.Meta.User, exec.Meta.Cwd, exec.Network = "0", "/", pb.NetMode_NONE
	env := slices.Concat(scriptEnv, []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(pins.Epoch.Unix(), 10),
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0"})
	if s.Recorded != "" {
		env = append(env, "DRIFTPIN_RECORDED="+s.Recorded, "DRIFTPIN_STEPS="+RecordedDigest())
	} else {
		env = append(env, "DRIFTPIN_ASKED="+time.Now().UTC().Format(time.RFC3339Nano))
	}
	exec.Meta.Env = append(exec.Meta.Env, env...)
	secret := func(dest, id string, mode uint32) *pb.Mount {
		return &pb.Mount{Input: int64(pb.Empty), Output: int64(pb.SkipOutput), Dest: dest, MountType: pb.MountType_SECRET,
			SecretOpt: &pb.SecretOpt{ID: id, Mode: mode}}
	}
	for _, m := range exec.Mounts {
		if m.MountType == pb.MountType_CACHE { // what another run left there is recorded nowhere
			*m = pb.Mount{Input: int64(pb.Empty), Output: int64(pb.SkipOutput), Dest: m.Dest, MountType: pb.MountType_TMPFS,
				TmpfsOpt: &pb.TmpfsOpt{}}
		}
	}
	exec.Mounts = append(exec.Mounts, &pb.Mount{Input: int64(pb.Empty), Output: int64(pb.SkipOutput), Dest: cacheDir,
		MountType: pb.MountType_TMPFS, TmpfsOpt: &pb.TmpfsOpt{}}, secret(runnerPath, runnerPath, 0o555), secret(aptPath, aptPath, 0o444),
		secret(wgetPath, wgetPath, 0o444), secret(caPath, CASecret(s.Name), 0o444),
		&pb.Mount{Input: int64(pb.Empty), Output: int64(pb.SkipOutput), Dest: socketPath, MountType: pb.MountType_SSH,
			SSHOpt: &pb.SSHOpt{ID: SocketID(s.Name), Mode: 0o600}})
}

// notebookPath is where a step finds a notebook.
const notebookPath = "/run/driftpin/notebook.ipynb"

// Notebook are the options of a step that executes a notebook in a folder of the
// image, with the image's own Python.
func Notebook(name string, content []byte, folder string) []llb.RunOption {
	file := llb.Scratch().File(llb.Mkfile("/notebook.ipynb", 0o644, content, llb.WithCreatedTime(pins.Epoch)),
		llb.WithCustomName("notebook "+name))
	return []llb.RunOption{
		llb.Args([]string{"python", Dir + "recorded/notebook.py", notebookPath, name, folder}),
		Script("recorded/notebook.py"),
		llb.AddMount(notebookPath, file, llb.SourcePath("/notebook.ipynb"), llb.Readonly),
	}
}
