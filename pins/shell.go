package pins

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A plainScript is a shell script that does nothing but what a manifest can say: each
// of its commands is one of a few forms, and none hangs on another's success.
type plainScript struct {
	pins  []Request
	files []File
	env   []Text // variables, as NAME=VALUE
	dirs  []string
	ended bool // by exec "$@"
}

// strictly reports whether the words of set ask for no more than a strict shell.
func strictly(words []string) bool {
	for i, w := range words {
		after := i > 0 && strings.HasPrefix(words[i-1], "-") && strings.HasSuffix(words[i-1], "o")
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
//	npm install -g PACKAGE…  ·  pip install PACKAGE…
func readPlain(name, text string, exports bool, vars map[string]string, exists func(string) bool) (s plainScript,
	ok bool) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		words, ok := plainWords(line, vars)
		if !ok || !s.command(Position{File: name, Line: i + 1}, words, exports, vars, exists) {
			return s, false
		}
	}
	if exports && !s.ended {
		return s, false
	}
	for _, dir := range s.dirs {
		used := false
		for _, f := range s.files {
			used = used || strings.HasPrefix(f.Target, dir+"/")
		}
		if !used {
			return s, false
		}
	}
	return s, true
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
		name, value, _ := strings.Cut(words[1], "=")
		if _, used := vars[name]; used || strings.Contains(value, "~") || strings.Contains(value, vars["REPO_DIR"]) {
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
	}
	return false
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
		if w == "--no-cache-dir" || w == "--no-cache" || w == "-q" || w == "--quiet" {
			continue
		}
		q, err := parse(w)
		if err != nil || strings.HasPrefix(w, "-") || strings.ContainsAny(w, "/<>") && q.Kind == Pip || q.Name == "" {
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

// plainWords splits a command into words, as a shell does (POSIX, "Shell Command
// Language", 2.2 and 2.6). ok is false where only a shell could.
func plainWords(line string, vars map[string]string) (words []string, ok bool) {
	var word strings.Builder
	quote, inWord := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			if inWord {
				words, inWord = append(words, word.String()), false
				word.Reset()
			}
			continue
		case quote == 0 && c == '#' && !inWord:
			i = len(line)
			continue
		case quote == 0 && strings.IndexByte("|&;()<>`*?[]{}!\\", c) >= 0, quote == '"' && (c == '`' || c == '\\'):
			return nil, false
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inWord = c, true
		case c == '$' && quote != '\'':
			value, n, ok := shellVariable(line[i:], vars)
			if !ok {
				return nil, false
			}
			word.WriteString(value)
			i += n - 1
			inWord = true
		case c == '~' && quote == 0 && !inWord:
			if i+1 < len(line) && line[i+1] != '/' && line[i+1] != ' ' && line[i+1] != '\t' {
				return nil, false // another's home
			}
			word.WriteString(vars["HOME"])
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, quote == 0 && len(words) > 0
}

// shellVariable is the value of what $ begins, and how long that is. "$@" stays.
func shellVariable(text string, vars map[string]string) (value string, n int, ok bool) {
	if strings.HasPrefix(text, "$@") {
		return "$@", 2, true
	}
	name := strings.TrimPrefix(text, "$")
	if rest, braced := strings.CutPrefix(name, "{"); braced {
		inner, _, closed := strings.Cut(rest, "}")
		value, known := vars[inner]
		return value, len(inner) + 3, closed && known
	}
	end := 0
	for end < len(name) && (name[end] == '_' || name[end] >= '0' && name[end] <= '9' || name[end]|0x20 >= 'a' &&
		name[end]|0x20 <= 'z') {
		end++
	}
	value, known := vars[name[:end]]
	return value, end + 1, known
}

// Plain is the manifest with what postBuild and start do in the place of those that
// do nothing but what a manifest can say.
func (m *Manifest) Plain() *Manifest {
	other := *m
	other.Scripts = nil
	vars := map[string]string{"HOME": home, "NB_PYTHON_PREFIX": Env, "CONDA_DIR": Env, "REPO_DIR": m.RepoDir.Value}
	exists := func(name string) bool {
		info, err := os.Stat(filepath.Join(m.Dir, filepath.FromSlash(name)))
		return err == nil && info.Mode().IsRegular()
	}
	take := func(at Position, exports bool) bool {
		text, _ := m.Source(at.File)
		s, ok := readPlain(at.File, string(text), exports, vars, exists)
		if !ok || slices.ContainsFunc(s.pins, func(q Request) bool {
			return slices.ContainsFunc(other.Requests, func(r Request) bool { return r.Kind == q.Kind && r.Name == q.Name })
		}) || twice(s.pins) {
			return false
		}
		other.Requests = append(other.Requests[:len(other.Requests):len(other.Requests)], s.pins...)
		other.Files = append(other.Files[:len(other.Files):len(other.Files)], s.files...)
		for _, e := range s.env {
			name, value, _ := strings.Cut(e.Value, "=")
			other.Launch.setEnvCopy(name, value, e.At)
		}
		return true
	}
	for _, s := range m.Scripts {
		if !take(s.At, false) {
			other.Scripts = append(other.Scripts, s)
		}
	}
	if m.Start.Value != "" && take(m.Start.At, true) {
		other.Start = Text{}
	}
	if len(other.Scripts) == 0 && other.Start.Value == "" && m.RepoDir.At.File == "" {
		other.RepoDir = Text{}
	}
	return &other
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
