package buildplan

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
)

// gitTree returns the sha256 of a commit's files as a tar archive, which the
// store then has, or knows how to make. The git of this machine fetches them,
// with the user's own configuration and credentials: the engine sees nothing
// of where they come from.
func (b *Builder) gitTree(ctx context.Context, g pins.Git) (string, error) {
	if !fullCommit.MatchString(g.Ref) {
		return "", fmt.Errorf("%s: a lock names commits in full", g)
	}
	memory := filepath.Join(b.home, "git", "trees", g.Ref)
	if data, err := os.ReadFile(memory); err == nil {
		sum := strings.TrimSpace(string(data))
		if _, ok := b.files.Address(sum); ok || b.files.Has(sum) {
			return sum, nil
		}
	}
	dir, release, err := b.files.Work()
	if err != nil {
		return "", err
	}
	defer release()
	g.Subdirectory = ""
	file, err := makeTree(ctx, g.String(), dir)
	if err != nil {
		return "", err
	}
	sum, err := b.files.Add(filepath.Join(dir, file), g.String())
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(memory), 0o755); err != nil {
		return "", err
	}
	return sum, whole.WriteFile(memory, []byte(sum+"\n"), 0o644)
}

// gitTrees sees to the trees of all commits that wheels of a plan are built
// from.
func (b *Builder) gitTrees(ctx context.Context, p *Plan) error {
	for i, w := range p.Wheels {
		g, ok := w.Git()
		if !ok {
			continue
		}
		var err error
		if p.Wheels[i].Tree, err = b.gitTree(ctx, g); err != nil {
			if at, ok := p.at[string(w.Kind)+" "+w.Name]; ok {
				return fmt.Errorf("%s: %w", at, err)
			}
			return err
		}
	}
	return nil
}

// makeTree writes the archive of git+URL@COMMIT into dir. The same commit
// gives the same bytes: owners and times are left out, and what git archive
// would substitute or leave out is not.
func makeTree(ctx context.Context, address, dir string) (file string, err error) {
	g, ok := pins.Artifact{From: address}.Git()
	if !ok {
		return "", fmt.Errorf("%s is not git+URL@COMMIT", address)
	}
	f, err := os.Create(filepath.Join(dir, "tree.tar"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	if err := writeTree(ctx, w, "", filepath.Join(dir, "git"), g.URL, g.Ref); err != nil {
		return "", err
	}
	return filepath.Base(f.Name()), w.Close()
}

// writeTree writes the files of a commit, and those of its submodules, below
// prefix.
func writeTree(ctx context.Context, w *tar.Writer, prefix, repo, address, commit string) error {
	if err := fetchCommit(ctx, repo, address, commit); err != nil {
		return err
	}
	if err := archive(ctx, w, prefix, repo, commit); err != nil {
		return err
	}
	modules, err := submodules(ctx, repo, address, commit)
	if err != nil {
		return err
	}
	for i, m := range modules {
		if err := writeTree(ctx, w, prefix+m.path+"/", fmt.Sprintf("%s-%d", repo, i), m.url, m.commit); err != nil {
			return fmt.Errorf("submodule %s: %w", m.path, err)
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
	if err := os.WriteFile(attributes, []byte("* -export-ignore -export-subst -text -ident -filter -working-tree-encoding -eol\n"), 0o644); err != nil {
		return err
	}
	err := gitFetch(ctx, repo, "--quiet", "--depth=1", "--no-tags", address, commit)
	if err == nil {
		return nil
	}
	if all := gitFetch(ctx, repo, "--quiet", "--no-tags", address, "+refs/*:refs/driftpin/*"); all == nil {
		if _, err = git(ctx, repo, "rev-parse", "--quiet", "--verify", commit+"^{commit}"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("this machine can't fetch %s of %s: %w", commit, withoutUser(address), err)
}

// archive copies a commit's files into w.
func archive(ctx context.Context, w *tar.Writer, prefix, repo, commit string) (err error) {
	cmd := exec.CommandContext(ctx, "git", "--git-dir="+repo, "archive", "--format=tar", commit)
	cmd.Env = gitEnv()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		if waited := cmd.Wait(); err == nil && waited != nil {
			err = fmt.Errorf("git archive: %w", waited)
		}
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
		if err := w.WriteHeader(plain(h, prefix)); err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
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
	return &tar.Header{Typeflag: h.Typeflag, Name: prefix + h.Name, Linkname: h.Linkname, Size: h.Size, Mode: int64(mode), ModTime: epoch, Format: tar.FormatPAX}
}

// A submodule is a repository in a folder of another.
type submodule struct{ path, url, commit string }

// submodules lists the submodules of a commit (gitmodules(5)).
func submodules(ctx context.Context, repo, address, commit string) ([]submodule, error) {
	tree, err := git(ctx, repo, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	var found []submodule
	for _, entry := range strings.Split(tree, "\x00") { // MODE TYPE OBJECT<tab>PATH
		info, path, _ := strings.Cut(entry, "\t")
		if f := strings.Fields(info); len(f) == 3 && f[0] == "160000" {
			found = append(found, submodule{path: path, commit: f[2]})
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	config, err := git(ctx, repo, "config", "--blob", commit+":.gitmodules", "--null", "--get-regexp", `^submodule\..*\.(path|url)$`)
	if err != nil {
		return nil, err
	}
	urls, paths := map[string]string{}, map[string]string{}
	for _, entry := range strings.Split(config, "\x00") { // submodule.NAME.KEY<newline>VALUE
		key, value, _ := strings.Cut(entry, "\n")
		if name, ok := strings.CutSuffix(key, ".path"); ok {
			paths[value] = name
		} else if name, ok := strings.CutSuffix(key, ".url"); ok {
			urls[name] = value
		}
	}
	for i, m := range found {
		u := urls[paths[m.path]]
		if u == "" {
			return nil, fmt.Errorf("%s has a submodule %s, of which .gitmodules has no address", commit, m.path)
		}
		found[i].url = relativeTo(address, u)
	}
	return found, nil
}

// relativeTo is the address of a submodule, which may begin with ./ or ../.
func relativeTo(address, sub string) string {
	if !strings.HasPrefix(sub, "./") && !strings.HasPrefix(sub, "../") {
		return sub
	}
	joined, err := url.JoinPath(address, sub)
	if err != nil {
		return sub
	}
	return joined
}
