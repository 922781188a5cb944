// Package gitserver serves git repositories over smart HTTP on loopback, by
// git's own http-backend. It is for tests and for the demo.
package gitserver

import (
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Server serves the repositories below a folder.
type Server struct {
	URL  string // such as http://127.0.0.1:1234
	http *http.Server
}

// Start serves the repositories below dir: dir/owner/name.git is at
// URL/owner/name.git.
func Start(dir string) (*Server, error) {
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git --exec-path: %w", err)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	handler := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		Dir:  dir,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "PATH=" + filepath.Dir(git),
			"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
			"GIT_CONFIG_KEY_1=uploadpack.allowFilter", "GIT_CONFIG_VALUE_1=true"},
	}
	s := &Server{URL: "http://" + lis.Addr().String(), http: &http.Server{Handler: handler}}
	go s.http.Serve(lis) // ends with Close
	return s, nil
}

// Close stops the server.
func (s *Server) Close() error { return s.http.Close() }

// Commit makes a bare repository with one commit of a folder's files, on the
// branch main, with each of the tags. The same files give the same commit,
// which is returned.
func Commit(repo, files string, tags ...string) (string, error) {
	work, err := os.MkdirTemp("", "gitserver-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) // only a temporary folder
	run := func(dir string, args ...string) (string, error) {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=driftpin", "GIT_AUTHOR_EMAIL=driftpin@localhost", "GIT_AUTHOR_DATE=2023-02-15T00:00:00Z",
			"GIT_COMMITTER_NAME=driftpin", "GIT_COMMITTER_EMAIL=driftpin@localhost",
			"GIT_COMMITTER_DATE=2023-02-15T00:00:00Z")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
		return strings.TrimSpace(string(out)), nil
	}
	if err := os.CopyFS(work, os.DirFS(files)); err != nil {
		return "", err
	}
	steps := [][]string{{"init", "--quiet", "-b", "main"}, {"add", "--all"}, {"commit", "--quiet", "-m", "Import"}}
	for _, t := range tags {
		steps = append(steps, []string{"tag", t})
	}
	for _, s := range append(steps, []string{"clone", "--quiet", "--bare", ".", repo}) {
		if _, err := run(work, s...); err != nil {
			return "", err
		}
	}
	return run(work, "rev-parse", "HEAD")
}
