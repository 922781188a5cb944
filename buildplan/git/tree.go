package git

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
)

// A Kept keeps the files of commits as archives, and what names of commits have
// turned out to mean.
type Kept struct {
	home  string
	files *store.Store

	mu      sync.Mutex
	commits map[pins.Git]string
}

// Keep returns a Kept that notes in home which archive of a store is a commit's.
func Keep(home string, files *store.Store) *Kept {
	return &Kept{home: home, files: files, commits: map[pins.Git]string{}}
}

// Commit returns the full commit that a git requirement means, as [Commit] does,
// and goes on saying so as long as k lives: several solves are to agree.
func (k *Kept) Commit(ctx context.Context, g pins.Git) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.commits[g]; ok {
		return known, nil
	}
	found, err := Commit(ctx, k.home, g)
	if err == nil {
		k.commits[g] = found
	}
	return found, err
}

// Tree returns the sha256 of a commit's files as a tar archive, which the
// store then has, or knows how to make. The git of this machine fetches them,
// with the user's own configuration and credentials: the engine sees nothing
// of where they come from.
func (k *Kept) Tree(ctx context.Context, g pins.Git) (string, error) {
	if !fullCommit.MatchString(g.Ref) {
		return "", fmt.Errorf("%s: a lock names commits in full", g)
	}
	memory := filepath.Join(k.home, "git", "trees", g.Ref)
	if data, err := os.ReadFile(memory); err == nil {
		sum := strings.TrimSpace(string(data))
		if _, ok := k.files.Address(sum); ok || k.files.Has(sum) {
			return sum, nil
		}
	}
	dir, release, err := k.files.Work()
	if err != nil {
		return "", err
	}
	defer release()
	g.Subdirectory = ""
	file, err := WriteTree(ctx, g.String(), dir)
	if err != nil {
		return "", err
	}
	sum, err := k.files.Add(filepath.Join(dir, file), g.String())
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(memory), 0o755); err != nil {
		return "", err
	}
	return sum, whole.WriteFile(memory, []byte(sum+"\n"), 0o644)
}

// WriteTree writes the archive of git+URL@COMMIT into dir. The same commit
// gives the same bytes: owners and times are left out, and what git archive
// would substitute or leave out is not.
func WriteTree(ctx context.Context, address, dir string) (file string, err error) {
	g, ok := pins.Artifact{From: address}.Git()
	if !ok {
		return "", fmt.Errorf("%s is not git+URL@COMMIT", address)
	}
	f, err := os.Create(filepath.Join(dir, "tree.tar"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	t := treeWriter{tar.NewWriter(f), dir}
	if err := t.write(ctx, "", g, 0); err != nil {
		return "", err
	}
	return filepath.Base(f.Name()), t.tar.Close()
}

// A treeWriter writes repositories into one archive.
type treeWriter struct {
	tar *tar.Writer
	dir string // of the repositories
}

// maxDepth is how deep submodules may lie in each other.
const maxDepth = 10

// write writes the files of a commit, and those of its submodules, below
// prefix.
func (t treeWriter) write(ctx context.Context, prefix string, g pins.Git, depth int) error {
	if depth > maxDepth {
		return errors.New("submodules lie too deep in each other")
	}
	repo, err := os.MkdirTemp(t.dir, "repository-*")
	if err != nil {
		return err
	}
	if err := fetchCommit(ctx, repo, g.URL, g.Ref); err != nil {
		return err
	}
	if err := t.archive(ctx, prefix, repo, g.Ref); err != nil {
		return err
	}
	modules, err := submodules(ctx, repo, g)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		if err := t.write(ctx, prefix+path+"/", modules[path], depth+1); err != nil {
			return fmt.Errorf("submodule %s: %w", path, err)
		}
	}
	return nil
}

// fetchCommit fetches one commit; from a server that hands out only what a
// name leads to, all that names lead to.
func fetchCommit(ctx context.Context, repo, address, commit string) error {
	if _, err := git(ctx, "", "init", "--quiet", "--bare", repo); err != nil {
		return err
	}
	// These win over what the repository itself says of its archives.
	attributes := filepath.Join(repo, "info", "attributes")
	if err := os.MkdirAll(filepath.Dir(attributes), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(attributes, []byte("* -export-ignore -export-subst -text -ident -filter "+
		"-working-tree-encoding -eol\n"), 0o644); err != nil {
		return err
	}
	err := gitFetch(ctx, repo, "--quiet", "--depth=1", "--no-tags", "--end-of-options", address, commit)
	if err == nil {
		return nil
	}
	if all := gitFetch(ctx, repo, "--quiet", "--no-tags", "--end-of-options", address,
		"+refs/*:refs/driftpin/*"); all == nil {
		if _, err = git(ctx, repo, "rev-parse", "--quiet", "--verify", commit+"^{commit}"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("this machine can't fetch %s of %s: %w", commit, host.WithoutUser(address), err)
}

// archive copies a commit's files.
func (t treeWriter) archive(ctx context.Context, prefix, repo, commit string) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := gitCommand(ctx, "--git-dir="+repo, "archive", "--format=tar", commit)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return err
	}
	defer func() {
		if err != nil {
			cancel() // git may still be writing, and nobody reads
		}
		if waited := cmd.Wait(); err == nil && waited != nil {
			err = gitError(stderr.String())
		}
		cancel()
	}()
	for r := tar.NewReader(out); ; {
		h, err := r.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, out)
			return err
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := t.tar.WriteHeader(plain(h, prefix)); err != nil {
			return err
		}
		if _, err := io.Copy(t.tar, r); err != nil {
			return err
		}
	}
}

// plain is a header with nothing in it but what git keeps of a file.
func plain(h *tar.Header, prefix string) *tar.Header {
	mode := fs.FileMode(0o644)
	if h.Typeflag == tar.TypeDir || h.Mode&0o100 != 0 {
		mode = 0o755
	}
	return &tar.Header{Typeflag: h.Typeflag, Name: prefix + h.Name, Linkname: h.Linkname, Size: h.Size,
		Mode: int64(mode), ModTime: pins.Epoch, Format: tar.FormatPAX}
}

// submodules returns the submodules of a commit, by path (gitmodules(5)). What
// .gitmodules names is anybody's: only addresses that a manifest may name are
// taken.
func submodules(ctx context.Context, repo string, g pins.Git) (map[string]pins.Git, error) {
	tree, err := git(ctx, repo, "ls-tree", "-r", "-z", "--full-tree", g.Ref)
	if err != nil {
		return nil, err
	}
	commits := map[string]string{}
	for _, entry := range strings.Split(tree, "\x00") { // MODE TYPE OBJECT<tab>PATH
		info, path, _ := strings.Cut(entry, "\t")
		if f := strings.Fields(info); len(f) == 3 && f[0] == "160000" {
			commits[path] = f[2]
		}
	}
	if len(commits) == 0 {
		return nil, nil
	}
	config, err := git(ctx, repo, "config", "--blob", g.Ref+":.gitmodules", "--null", "--get-regexp",
		`^submodule\..*\.(path|url)$`)
	if err != nil {
		return nil, err
	}
	urls, names := map[string]string{}, map[string]string{}
	for _, entry := range strings.Split(config, "\x00") { // submodule.NAME.KEY<newline>VALUE
		key, value, _ := strings.Cut(entry, "\n")
		if name, ok := strings.CutSuffix(key, ".path"); ok {
			names[value] = name
		} else if name, ok := strings.CutSuffix(key, ".url"); ok {
			urls[name] = value
		}
	}
	found := map[string]pins.Git{}
	for path, commit := range commits {
		if found[path], err = submodule(g.URL, urls[names[path]], commit); err != nil {
			return nil, fmt.Errorf("submodule %s: %w", path, err)
		}
	}
	return found, nil
}

// submodule is the repository that an address in .gitmodules names; one that
// begins with ./ or ../ is relative to the repository that it stands in.
func submodule(outer, address, commit string) (pins.Git, error) {
	if strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") {
		joined, err := url.JoinPath(outer, address)
		if err != nil {
			return pins.Git{}, err
		}
		address = joined
	}
	g, ok := pins.Artifact{From: "git+" + address + "@" + commit}.Git()
	if !ok || g.Ref != commit {
		return pins.Git{}, fmt.Errorf(".gitmodules says %q: driftpin takes https://, http://, ssh:// and git:// "+
			"without credentials", host.WithoutUser(address))
	}
	return g, nil
}
