// Package history says what a course asked for in the past. [Of] reads a
// course's git history and lists every change of one package's pin: when, by
// which commit, and with what words. [Reverted] finds a version among them that
// was tried and taken back.
package history

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/gitcmd"
)

// An Event is one change of what a course's file asks for of a package.
type Event struct {
	Commit  string    `json:"commit"`
	Time    time.Time `json:"time"` // when it was committed
	Subject string    `json:"subject"`
	File    string    `json:"file"` // from the repository's top
	Line    int       `json:"line"` // in that commit; 0 if the pin went away
	Kind    pins.Kind `json:"kind"`
	Was     string    `json:"was"`     // the words before; empty if there were none
	Spec    string    `json:"spec"`    // the words after
	Before  string    `json:"before"`  // the one version asked for before, if it was one
	Version string    `json:"version"` // and after
}

// Of returns the changes of a package's pins in the files of a course, the
// oldest first: those of its folder, and others, by their paths, that it includes or
// extends. dir lies in a git repository; what is not committed is not history, and
// what git could not merge in a file is passed over.
func Of(ctx context.Context, dir, name string, others ...string) ([]Event, error) {
	commits, err := readLog(ctx, dir, others, wanted{files: holdsPins})
	if err != nil {
		return nil, err
	}
	blobs, err := readBlobs(ctx, dir, commits, name)
	if err != nil {
		return nil, err
	}
	type place struct {
		file string
		kind pins.Kind
	}
	asked := map[place]pins.Request{}
	var events []Event
	for _, c := range commits {
		for _, change := range c.changes {
			now, unmerged := blobs[change.blob].asked, blobs[change.blob].unmerged
			if unmerged {
				continue
			}
			for _, kind := range []pins.Kind{pins.Conda, pins.Pip, pins.Deb, pins.Npm, pins.R, pins.FromImage, pins.Variable} {
				at := place{change.file, kind}
				if was, moved := c.renames[change.file]; moved {
					if before, had := asked[place{was, kind}]; had {
						asked[at] = before
						delete(asked, place{was, kind})
					}
				}
				before, had := asked[at]
				after, has := now[kind]
				if had == has && before.Spec == after.Spec {
					continue
				}
				delete(asked, at)
				if has {
					asked[at] = after
				}
				events = append(events, Event{Commit: c.id, Time: c.time, Subject: c.subject, File: change.file,
					Line: after.At.Line,
					Kind: kind, Was: before.Spec, Spec: after.Spec, Before: version(before), Version: version(after)})
			}
		}
	}
	return events, nil
}

// version is what a request asks for, if that is one version or one revision.
func version(r pins.Request) string {
	if r.Git != nil {
		return r.Git.Ref
	}
	return r.Version
}

// A Trial is a version that was tried, and what came after it.
type Trial struct{ Tried, Reverted Event }

// Reverted returns the last time that a version was taken up and then given up
// for the one before it, or for an older one. ok is false if that never was.
func Reverted(events []Event, kind pins.Kind, version string) (last Trial, ok bool) {
	same := func(a, b string) bool { return a != "" && b != "" && kind.Scheme().Compare(a, b) == 0 }
	for i, tried := range events {
		if tried.Kind != kind || !same(tried.Version, version) {
			continue
		}
		for _, next := range events[i+1:] {
			if next.File != tried.File || next.Kind != kind {
				continue
			}
			back := same(next.Version, tried.Before) || next.Version != "" &&
				kind.Scheme().Compare(next.Version, version) < 0
			if same(next.Before, version) && back {
				last, ok = Trial{tried, next}, true
			}
			break
		}
	}
	return last, ok
}

// A commit is one that touched the course's folder, or that in which its files
// lay before.
type commit struct {
	parents []string
	id      string
	time    time.Time
	author  string
	subject string
	changes []change
	renames map[string]string // where files were before the commit that moved them into the folder
}

// A change is a file's content after a commit; zeros say that there is none.
type change struct{ file, blob string }

// maxMoves is how often a course may have moved.
const maxMoves = 20

// A wanted tells what is wanted of a log.
type wanted struct {
	files    func(prefix, file string) bool // by their paths, and that of the folder
	mainline bool                           // only what first parents lead to, a merge as what it brought
}

func holdsPins(_, file string) bool { return pins.HoldsPins(path.Base(file)) }

// readLog lists the commits that touched a course, the oldest first, with the
// files that are wanted: those of its folder, and before a commit that moved
// the files there, those of the folder in which they were.
func readLog(ctx context.Context, dir string, others []string, want wanted) (commits []commit, err error) {
	top, prefix, err := place(ctx, dir)
	if err != nil {
		return nil, err
	}
	within := map[string]bool{}
	for _, other := range others {
		if file, ok := below(top, other); ok {
			within[file] = true
		}
	}
	tip := "HEAD"
	for range maxMoves {
		part, err := logOf(ctx, top, tip, prefix, within, want)
		if err != nil || len(part) == 0 {
			return commits, err
		}
		commits = append(part, commits...)
		from, renames, err := movedFrom(ctx, top, part[0].id, prefix)
		if err != nil || len(renames) == 0 {
			return commits, err
		}
		commits[0].renames = renames
		prefix, tip = from, part[0].id+"^"
	}
	return commits, nil
}

// place is the top folder of the repository that a folder lies in, and where it
// lies there; that ends in a slash, unless it is the top itself.
func place(ctx context.Context, dir string) (top, prefix string, err error) {
	out, err := git(ctx, dir, nil, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", "", err
	}
	top = strings.TrimSuffix(string(out), "\n")
	if out, err = git(ctx, dir, nil, "rev-parse", "--show-prefix"); err != nil {
		return "", "", err
	}
	return top, strings.TrimSuffix(string(out), "\n"), nil
}

// below is a file's path from the top of a repository, if it lies there.
func below(top, file string) (string, bool) {
	real, err := filepath.EvalSymlinks(file)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err == nil {
		real, err = filepath.Rel(top, real)
	}
	return filepath.ToSlash(real), err == nil && filepath.IsLocal(real)
}

// movedFrom says from which folder a commit moved files of another, by git's own
// judgement, and where its pin files were. If they were new there are no renames.
func movedFrom(ctx context.Context, top, id, prefix string) (from string, renames map[string]string, err error) {
	if _, err := git(ctx, top, nil, "rev-parse", "--verify", "--quiet", id+"^"); prefix == "" || err != nil {
		return "", nil, ctx.Err() // the first commit
	}
	out, err := git(ctx, top, nil, "-c", "diff.renameLimit=20000", "diff-tree", "-r", "-M40%", "-z",
		"--diff-filter=RAD", "--name-status", "--no-commit-id", id+"^", id)
	if err != nil {
		return "", nil, err
	}
	count := map[string]int{}
	var is []string // pin files that came to be
	gone := map[string]bool{}
	// R100 OLD NEW, A NEW, D OLD
	for words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); len(words) > 1; {
		status, file := words[0], words[1]
		words = words[2:]
		if status == "D" {
			gone[file] = true
			continue
		}
		if strings.HasPrefix(status, "R") && len(words) > 0 {
			was := file
			gone[was], file, words = true, words[0], words[1:]
			rest, within := strings.CutPrefix(file, prefix)
			if folder, same := strings.CutSuffix(was, rest); within && same &&
				(folder == "" || strings.HasSuffix(folder, "/")) {
				count[folder]++
			}
		}
		if strings.HasPrefix(file, prefix) && pins.HoldsPins(path.Base(file)) {
			is = append(is, file)
		}
	}
	for folder, n := range count {
		if n > count[from] || n == count[from] && folder < from {
			from = folder
		}
	}
	renames = map[string]string{}
	for _, file := range is {
		if was := from + strings.TrimPrefix(file, prefix); len(count) > 0 && gone[was] {
			renames[file] = was
		}
	}
	return from, renames, nil
}

// Shallow reports whether a folder lies in a clone that lacks the older commits.
func Shallow(ctx context.Context, dir string) bool {
	out, err := git(ctx, dir, nil, "rev-parse", "--is-shallow-repository")
	return err == nil && strings.TrimSpace(string(out)) == "true"
}

// ShallowHint says what a shallow clone lacks, and how to get it.
const ShallowHint = "the clone is shallow, so its history is incomplete: run git fetch --unshallow"

// logOf lists the commits up to a tip that touched a folder, or some files, the
// oldest first. A merge is one of them if what it has is not what a side had.
func logOf(ctx context.Context, top, tip, prefix string, files map[string]bool, want wanted) ([]commit, error) {
	merges := []string{"-c"}
	if want.mainline {
		merges = []string{"--first-parent", "-m"}
	}
	args := slices.Concat([]string{"-c", "core.quotePath=false", "-c", "log.diffMerges=separate", "log", tip, "--reverse",
		"--topo-order", "--no-renames"}, merges,
		[]string{"--raw", "--no-abbrev", "--format=%x01%H%x00%ct%x00%P%x00%aN%x00%s", "--", ":(top,literal)" + prefix})
	for _, file := range slices.Sorted(maps.Keys(files)) {
		args = append(args, ":(top,literal)"+file)
	}
	out, err := git(ctx, top, nil, args...)
	if err != nil {
		return nil, err
	}
	var commits []commit
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if head, ok := strings.CutPrefix(line, "\x01"); ok {
			f := append(strings.SplitN(head, "\x00", 5), "", "", "", "")
			seconds, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("git log said %q", line)
			}
			commits = append(commits, commit{id: f[0], time: timeOf(seconds), parents: strings.Fields(f[2]),
				author: shortened(f[3]), subject: shortened(f[4])})
			continue
		}
		// :MODE MODE OLD NEW STATUS<tab>FILE; of a merge, a colon, mode and old each side
		info, file, ok := strings.Cut(line, "\t")
		f := strings.Fields(info)
		if name, err := strconv.Unquote(file); err == nil && strings.HasPrefix(file, `"`) { // as git writes odd names
			file = name
		}
		if ok && len(f) >= 5 && len(commits) > 0 && (want.files(prefix, file) || files[file]) {
			last := &commits[len(commits)-1]
			last.changes = append(last.changes, change{file, f[len(f)-2]})
		}
	}
	return commits, nil
}

// timeOf is a commit's time. Git takes any number, and no calendar goes on after the year 9999.
func timeOf(seconds int64) time.Time {
	const last = 253402300799 // 9999-12-31T23:59:59Z
	return time.Unix(max(0, min(seconds, last)), 0).UTC()
}

// maxSubject is how much of a commit's subject is kept, in characters.
const maxSubject = 500

func shortened(text string) string {
	if r := []rune(text); len(r) > maxSubject {
		return string(r[:maxSubject-1]) + "…"
	}
	return text
}

// A content is what a file asks for of a package, by kind.
type content struct {
	asked    map[pins.Kind]pins.Request
	unmerged bool // git could not merge it
}

// readBlobs returns what each content asks for of a package.
func readBlobs(ctx context.Context, dir string, commits []commit, name string) (map[string]content, error) {
	files := map[string]string{}
	var ids []string
	for _, c := range commits {
		for _, change := range c.changes {
			if _, known := files[change.blob]; !known && strings.Trim(change.blob, "0") != "" {
				files[change.blob] = change.file
				ids = append(ids, change.blob)
			}
		}
	}
	out, err := git(ctx, dir, strings.NewReader(strings.Join(ids, "\n")+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	reader := newFinder(name)
	found := map[string]content{}
	for len(out) > 0 {
		head, rest, _ := bytes.Cut(out, []byte("\n"))
		f := strings.Fields(string(head)) // ID TYPE SIZE
		if len(f) != 3 {
			out = rest // a submodule, or an object that a shallow clone lacks
			continue
		}
		size, err := strconv.Atoi(f[2])
		if err != nil || size > len(rest) {
			return nil, fmt.Errorf("git cat-file said %q", head)
		}
		data := rest[:size]
		found[f[0]] = content{reader.find(files[f[0]], data), len(pins.FindConflicts("", data)) > 0}
		out = bytes.TrimPrefix(rest[size:], []byte("\n"))
	}
	return found, nil
}

// A finder reads what contents ask for of one package. Contents whose lines
// about it are equal are read once: a course's file has hundreds of versions,
// of which few touch one package.
type finder struct {
	name    string
	word    []byte         // in every spelling of the name, in lower case
	mention *regexp.Regexp // of the name, however it is spelled
	known   map[string]map[pins.Kind]pins.Request
}

func newFinder(name string) *finder {
	parts := regexp.MustCompile(`[-_.]+`).Split(strings.ToLower(name), -1)
	f := &finder{name: name, word: []byte(slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) })),
		known: map[string]map[pins.Kind]pins.Request{}}
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	f.mention = regexp.MustCompile(strings.Join(parts, `[-_.]+`))
	return f
}

// pipList begins the list of pip's pins in an environment file.
var pipList = regexp.MustCompile(`^\s*-?\s*"?pip"?:`)

// about returns the lines that name the package, or begin a list of pip's.
func (f *finder) about(data []byte) (lines [][]byte) {
	for line := range bytes.Lines(data) {
		lower := bytes.ToLower(line)
		if bytes.Contains(lower, f.word) && f.mention.Match(lower) || bytes.Contains(lower, []byte("pip")) &&
			pipList.Match(lower) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (f *finder) find(file string, data []byte) map[pins.Kind]pins.Request {
	if marked(data) {
		return f.read(file, data) // its lines are not of single bytes
	}
	about := f.about(data)
	if len(about) == 0 {
		return nil
	}
	key := path.Base(file) + "\n" + string(bytes.Join(about, []byte("\n")))
	if base := path.Base(file); base == "pixi.toml" || base == "Dockerfile" || base == "renv.lock" ||
		strings.EqualFold(path.Ext(base), ".r") { // what a line means hangs on others
		key = path.Base(file) + "\n" + string(data)
	}
	if known, ok := f.known[key]; ok {
		return known
	}
	f.known[key] = f.read(file, data)
	return f.known[key]
}

// marked reports whether a file begins with the mark of UTF-16 or UTF-32.
func marked(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) ||
		bytes.HasPrefix(data, []byte("\x00\x00\xfe\xff"))
}

// read is what a content asks for of the package.
func (f *finder) read(file string, data []byte) map[pins.Kind]pins.Request {
	found := map[pins.Kind]pins.Request{}
	for _, r := range pins.ReadAlone(file, data) {
		name := r.Name
		if name == "" && r.Git != nil {
			name = strings.TrimSuffix(path.Base(r.Git.URL), ".git")
		}
		if pins.CanonicalName(pins.Pip, name) == pins.CanonicalName(pins.Pip, f.name) {
			found[r.Kind] = r
		}
	}
	return found
}

// git runs git in a folder; its error is what git says.
func git(ctx context.Context, dir string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := gitcmd.New(ctx, args...)
	cmd.Dir, cmd.Stdin = dir, stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("git is not installed: driftpin reads history with git")
	case err != nil && strings.Contains(stderr.String(), "not a git repository"):
		return nil, fmt.Errorf("%s is not in a git repository, so it has no history", dir)
	case err != nil && strings.Contains(stderr.String(), "bad revision 'HEAD'"):
		return nil, fmt.Errorf("%s: its git repository has no commit yet: there is no history of it", dir)
	case err != nil:
		return nil, fmt.Errorf("git: %s", cmp.Or(strings.TrimSpace(stderr.String()), err.Error()))
	}
	return out, nil
}
