package pins

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// A plainScript is a shell script that does nothing but what a manifest can say: each
// of its commands is one of a few forms, and none hangs on another's success.
type plainScript struct {
	pins      []Request
	files     []File
	settled   []LaunchFile
	downloads []Download
	env       []Text // variables, as NAME=VALUE
	dirs      []string
	ended     bool // by exec "$@"
}

// strictly reports whether the words of set ask for no more than a strict shell.
func strictly(words []string) bool {
	for i, w := range words {
		after := i > 0 && strings.HasPrefix(words[i-1], "-") && strings.Contains(words[i-1], "o")
		if after && w == "pipefail" {
			continue
		}
		if len(w) < 2 || w[0] != '-' || strings.Trim(w[1:], "euxo") != "" {
			return false
		}
	}
	return len(words) > 0
}

// readPlain reads a script that is all of known forms; ok is false for others: nothing
// is guessed. vars are the values of the variables that it may use. exists says
// whether a file is in the course's folder. The forms:
//
//	set -…  ·  exec "$@"  ·  export NAME=VALUE (if exports)
//	mkdir -p DIR, where a copied file goes into DIR
//	cp [-p] [-v] FILE TARGET, of the course's folder, to a file or a folder that mkdir named
//	npm install -g PACKAGE…  ·  pip install PACKAGE…  ·  mamba install [-y] [-c conda-forge] PACKAGE…
//	curl -o FILE ADDRESS  ·  wget -O FILE ADDRESS
//	jupyter … enable|disable --sys-prefix NAME  ·  python -m bash_kernel.install --sys-prefix
func readPlain(name, text string, exports bool, vars map[string]string, exists func(string) bool) (s plainScript,
	ok bool) {
	script, err := syntax.NewParser().Parse(strings.NewReader(text), name)
	if err != nil {
		return s, false
	}
	sh := shell{vars, &expand.Config{NoUnset: true, Env: expand.FuncEnviron(func(name string) string { return vars[name] })}}
	for _, stmt := range script.Stmts {
		words, ok := sh.words(stmt)
		if !ok || !s.command(Position{File: name, Line: int(stmt.Pos().Line())}, words, exports, vars, exists) {
			return s, false
		}
	}
	if exports && !s.ended {
		return s, false
	}
	for _, dir := range s.dirs {
		if !slices.ContainsFunc(s.files, func(f File) bool { return strings.HasPrefix(f.Target, dir+"/") }) {
			return s, false
		}
	}
	return s, true
}

// A shell expands the words of simple commands.
type shell struct {
	vars   map[string]string
	config *expand.Config
}

// words are those of a statement that is a simple command; ok is false where only a
// real shell could tell.
func (sh shell) words(stmt *syntax.Stmt) (words []string, ok bool) {
	if len(stmt.Redirs) > 0 || stmt.Negated || stmt.Background || stmt.Coprocess {
		return nil, false
	}
	switch c := stmt.Cmd.(type) {
	case *syntax.CallExpr:
		if len(c.Assigns) > 0 {
			return nil, false
		}
		for _, w := range c.Args {
			word, ok := sh.word(w)
			if !ok {
				return nil, false
			}
			words = append(words, word)
		}
		return words, len(words) > 0
	case *syntax.DeclClause: // export NAME=VALUE
		if len(c.Args) != 1 || c.Args[0].Name == nil || c.Args[0].Value == nil || c.Args[0].Append || c.Args[0].Array != nil {
			return nil, false
		}
		value, ok := sh.word(c.Args[0].Value)
		return []string{c.Variant.Value, c.Args[0].Name.Value + "=" + value}, ok
	}
	return nil, false
}

// word is what a word stands for, if it uses known variables alone, and is no pattern.
// "$@" stays.
func (sh shell) word(w *syntax.Word) (text string, ok bool) {
	ok = true
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case nil, *syntax.Word, *syntax.Lit, *syntax.SglQuoted, *syntax.DblQuoted:
		case *syntax.ParamExp:
			_, known := sh.vars[n.Param.Value]
			ok = ok && known && n.Exp == nil && n.Repl == nil && n.Slice == nil && n.Index == nil && !n.Length && !n.Excl
		default: // a substitution, arithmetic, a pattern
			ok = false
		}
		return true
	})
	for _, part := range w.Parts {
		if lit, isLit := part.(*syntax.Lit); isLit && (strings.ContainsAny(lit.Value, `*?[{\`) ||
			strings.Contains(lit.Value, ":~")) { // shells take that for a home in export's values
			ok = false
		}
	}
	var printed strings.Builder
	if syntax.NewPrinter().Print(&printed, w) == nil && printed.String() == `"$@"` {
		return "$@", true
	}
	if !ok || strings.HasPrefix(printed.String(), "~") && printed.String() != "~" && !strings.HasPrefix(printed.String(), "~/") {
		return "", false // another's home
	}
	text, err := expand.Literal(sh.config, w)
	return text, err == nil
}

// command takes one command over, if it is of a known form.
func (s *plainScript) command(at Position, words []string, exports bool, vars map[string]string,
	exists func(string) bool) bool {
	switch {
	case s.ended:
		return false
	case words[0] == "set":
		return strictly(words[1:])
	case len(words) == 2 && words[0] == "exec" && words[1] == "$@":
		s.ended = exports
		return exports
	case exports && words[0] != "export": // what start does is done in the home of whoever starts it
		return false
	case words[0] == "export" && exports && len(words) == 2 && strings.Contains(words[1], "="):
		name, _, _ := strings.Cut(words[1], "=")
		if _, used := vars[name]; used {
			return false
		}
		s.env = append(s.env, Text{words[1], at})
		return true
	case words[0] == "mkdir" && len(words) == 3 && words[1] == "-p" && isCleanAbs(words[2]):
		s.dirs = append(s.dirs, words[2])
		return true
	case words[0] == "cp":
		return s.copy(at, words[1:], exists)
	case len(words) > 3 && words[0] == "npm" && (words[1] == "install" || words[1] == "i") &&
		(words[2] == "-g" || words[2] == "--global"):
		return s.packages(at, words[3:], ParseNpm)
	case len(words) > 2 && words[0] == "pip" && words[1] == "install":
		return s.packages(at, words[2:], ParsePip)
	case len(words) > 2 && (words[0] == "mamba" || words[0] == "conda") && words[1] == "install":
		words = words[2:]
		for len(words) > 1 && slices.Contains([]string{"-c " + defaultChannel, "--channel " + defaultChannel, "-n notebook",
			"-p " + Env, "--prefix " + Env}, words[0]+" "+words[1]) {
			words = words[2:]
		}
		return s.packages(at, words, ParseConda)
	case words[0] == "curl" || words[0] == "wget":
		return s.download(at, words)
	}
	if w, ok := jupyterCommand(words); ok {
		s.settle(at, w)
		return true
	}
	return false
}

// plainOptions are those of curl and wget that change nothing of a file that is fetched,
// as letters and as words.
var plainOptions = map[string]struct {
	letters, output string
	words           []string
}{"curl": {"fsSL", "-o", []string{"--fail", "--silent", "--show-error", "--location"}},
	"wget": {"q", "-O", []string{"--quiet", "--no-verbose", "-nv"}}}

// download takes over what curl or wget fetches into one file.
func (s *plainScript) download(at Position, words []string) bool {
	options := plainOptions[words[0]]
	d := Download{At: at}
	for words = words[1:]; len(words) > 0; words = words[1:] {
		switch w := words[0]; {
		case w == options.output && len(words) > 1 && d.To == "":
			d.To, words = words[1], words[1:]
		case slices.Contains(options.words, w), len(w) > 1 && w[0] == '-' && strings.Trim(w[1:], options.letters) == "":
		case strings.HasPrefix(w, "-") || d.URL != "":
			return false
		default:
			d.URL = w
		}
	}
	if d.unfit() != "" || !isCleanAbs(d.To) || !isKept(d.To) || strings.ContainsAny(d.URL, "[]{}") || strings.Contains(d.To, "#") {
		return false // curl makes several of one
	}
	s.downloads = append(s.downloads, d)
	return true
}

// copy takes over a copy of one file.
func (s *plainScript) copy(at Position, words []string, exists func(string) bool) bool {
	for len(words) > 0 && (words[0] == "-p" || words[0] == "-v") {
		words = words[1:]
	}
	if len(words) != 2 {
		return false
	}
	source, target := path.Clean(words[0]), words[1]
	into := strings.HasSuffix(target, "/")
	for _, dir := range s.dirs {
		into = into || target == dir
	}
	if into {
		target = path.Join(target, path.Base(source))
	} else if path.Base(target) != path.Base(source) {
		return false // it may be a folder
	}
	if path.IsAbs(source) || strings.HasPrefix(source, "..") || !exists(source) || !isCleanAbs(target) || !isKept(target) {
		return false
	}
	for _, f := range s.files {
		if f.Target == target {
			return false
		}
	}
	s.files = append(s.files, File{Source: source, Target: target, At: at})
	return true
}

// packages takes over what a package manager installs by name.
func (s *plainScript) packages(at Position, words []string, parse func(string) (Request, error)) bool {
	for _, w := range words {
		if w == "--no-cache-dir" || w == "--no-cache" || w == "-q" || w == "--quiet" || w == "-y" || w == "--yes" {
			continue
		}
		q, err := parse(w)
		if err != nil || strings.HasPrefix(w, "-") || strings.ContainsAny(w, "/<>") && q.Kind != Npm || q.Name == "" {
			return false
		}
		for _, end := range []string{".whl", ".gz", ".zip", ".tgz", ".bz2", ".xz", ".tar"} {
			if strings.HasSuffix(w, end) {
				return false // a file
			}
		}
		q.At, q.Need = at, Wanted
		s.pins = append(s.pins, q)
	}
	return true
}

// Plain is the manifest with what postBuild and start do in the place of those that
// do nothing but what a manifest can say.
func (m *Manifest) Plain() *Manifest {
	plain, _ := m.plain()
	return plain
}

// PlainNotes says, command by command, what of postBuild and start Plain says in another
// way.
func (m *Manifest) PlainNotes() (notes Findings) {
	if m.own() {
		return nil // it has a pins.yaml, and adopt has nothing to do
	}
	_, taken := m.plain()
	for _, s := range taken {
		note := func(at Position, format string, args ...any) {
			notes.note(at, "adopt", "driftpin adopt writes this as "+format, args...)
		}
		for _, q := range s.pins {
			note(q.At, "the pin %s: %s", q.Kind.Key(), q.Spec)
		}
		for _, f := range s.files {
			note(f.At, "files: {%s: %s}", f.Source, f.Target)
		}
		for _, d := range s.downloads {
			note(d.At, "downloads: {url: %s, to: %s}", d.URL, d.To)
		}
		for _, f := range s.settled {
			note(f.At, "the file %s under launch.files", f.Path)
		}
		for _, e := range s.env {
			name, _, _ := strings.Cut(e.Value, "=")
			note(e.At, "%s under launch.env", name)
		}
	}
	return notes
}

// plain is Plain, with the scripts that it takes.
func (m *Manifest) plain() (*Manifest, []plainScript) {
	other := *m
	other.Scripts = nil
	var taken []plainScript
	for _, s := range m.Scripts {
		if p, ok := other.takes(s.At, false); ok {
			taken = append(taken, p)
		} else {
			other.Scripts = append(other.Scripts, s)
		}
	}
	if m.Start.Value != "" {
		if p, ok := other.takes(m.Start.At, true); ok {
			other.Start, taken = Text{}, append(taken, p)
		}
	}
	if len(other.Scripts) == 0 && other.Start.Value == "" && m.RepoDir.At.File == "" {
		other.RepoDir = Text{}
	}
	return &other, taken
}

// plainVariables are those that a script may use; REPO_DIR is none, since the folder may
// go.
var plainVariables = map[string]string{"HOME": home, "NB_PYTHON_PREFIX": Env, "CONDA_DIR": Env}

// takes adds what a script does to the manifest, in slices and maps of its own, if it
// does nothing but what a manifest can say.
func (m *Manifest) takes(at Position, exports bool) (plainScript, bool) {
	exists := func(name string) bool {
		info, err := os.Stat(filepath.Join(m.Dir, filepath.FromSlash(name)))
		return err == nil && info.Mode().IsRegular()
	}
	text, _ := m.Source(at.File)
	s, ok := readPlain(at.File, string(text), exports, plainVariables, exists)
	if !ok || !m.fits(s) {
		return s, false
	}
	m.Requests = slices.Concat(m.Requests, s.pins)
	m.Files = slices.Concat(m.Files, s.files)
	m.Downloads = slices.Concat(m.Downloads, s.downloads)
	m.Launch.Files = slices.Concat(m.Launch.Files, s.settled)
	for _, e := range s.env {
		name, value, _ := strings.Cut(e.Value, "=")
		m.Launch.setEnvCopy(name, value, e.At)
	}
	return s, true
}

// fits reports whether what a script does can stand beside what the manifest has: no
// package is asked for twice, by whichever manager, and no file is written twice.
func (m *Manifest) fits(s plainScript) bool {
	if twice(s.pins) {
		return false
	}
	for _, q := range s.pins {
		if q.Kind == Conda && q.Channel != "" && !slices.Contains(m.CondaChannels(), q.Channel) {
			return false
		}
		for _, r := range slices.Concat(m.Requests, s.pins) {
			other := r.Kind != q.Kind && (r.Kind == Pip || r.Kind == Conda) && (q.Kind == Pip || q.Kind == Conda)
			if other && CanonicalName(Pip, r.Name) == CanonicalName(Pip, q.Name) {
				return false
			}
		}
		if slices.ContainsFunc(m.Requests, func(r Request) bool { return r.Kind == q.Kind && r.Name == q.Name }) {
			return false
		}
	}
	sources, targets := map[string]bool{}, map[string]bool{}
	for _, f := range slices.Concat(m.Files, s.files) {
		if sources[f.Source] || targets[f.Target] { // a pins.yaml has each source once
			return false
		}
		sources[f.Source], targets[f.Target] = true, true
	}
	for _, f := range slices.Concat(m.Launch.Files, s.settled) {
		if targets[f.Path] {
			return false
		}
		targets[f.Path] = true
	}
	for _, d := range slices.Concat(m.Downloads, s.downloads) {
		if targets[d.To] {
			return false
		}
		targets[d.To] = true
	}
	return true
}

// twice reports whether a package is among requests more than once.
func twice(requests []Request) bool {
	seen := map[string]bool{}
	for _, r := range requests {
		key := string(r.Kind) + " " + r.Name
		if seen[key] {
			return true
		}
		seen[key] = true
	}
	return false
}

// setEnvCopy sets a variable in maps of its own.
func (l *Launch) setEnvCopy(name, value string, at Position) {
	env, places := l.Env, l.EnvAt
	l.Env, l.EnvAt = nil, nil
	for k, v := range env {
		l.setEnv(k, v, places[k])
	}
	l.setEnv(name, value, at)
}
