package pins

import (
	"path"
	"regexp"
	"strings"
)

// An rToken is a word of R's: a name (with :: and dots), a text, a number or a sign
// (R's language definition, "Parser").
type rToken struct {
	kind byte // 'n' name, 's' text, '#' number, else the sign itself
	text string
	line int
	col  int // in bytes, from 1, of what stands between the quotes
}

// rawString is how a text of R's begins in which no character is special: r"---(, and
// maxDashes more than how long that is.
var rawString = regexp.MustCompile(`^[rR](["'])(-*)([\[({])`)

const maxDashes = 64

// rawLength is how long a raw text is with which some source begins.
func rawLength(source string) int {
	m := rawString.FindStringSubmatch(source)
	end := strings.NewReplacer("(", ")", "[", "]", "{", "}").Replace(m[3]) + m[2] + m[1]
	if k := strings.Index(source[len(m[0]):], end); k >= 0 {
		return len(m[0]) + k + len(end)
	}
	return len(source)
}

// isNameByte reports whether a byte can be part of a name, or of a number.
func isNameByte(c byte) bool {
	return c == '.' || c == '_' || c == ':' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// rTokens takes R's source apart. What is no token of R's is passed over.
func rTokens(source string) (all []rToken) {
	line, begin := 1, 0 // of the line
	at := func(i int) int { return i - begin + 1 }
	for i := 0; i < len(source); {
		switch c := source[i]; {
		case c == '\n':
			line++
			i++
			begin = i
		case c == '#':
			for i < len(source) && source[i] != '\n' {
				i++
			}
		case rawString.MatchString(source[i:min(len(source), i+maxDashes)]):
			length := rawLength(source[i:])
			all = append(all, rToken{'?', "", line, at(i)}) // it is not looked into
			for end := i + length; i < end; i++ {
				if source[i] == '\n' {
					line, begin = line+1, i+1
				}
			}
		case c == '"' || c == '\'':
			var b strings.Builder
			first, col := line, at(i+1)
			for i++; i < len(source) && source[i] != c; i++ {
				if source[i] == '\\' && i+1 < len(source) {
					i++
				}
				if source[i] == '\n' {
					line++
					begin = i + 1
				}
				b.WriteByte(source[i])
			}
			i++
			all = append(all, rToken{'s', b.String(), first, col})
		case isNameByte(c):
			start := i
			for i < len(source) && isNameByte(source[i]) {
				i++
			}
			kind := byte('n')
			if c >= '0' && c <= '9' {
				kind = '#'
			}
			all = append(all, rToken{kind, source[start:i], line, at(start)})
		case c == '<' && strings.HasPrefix(source[i:], "<-"):
			all = append(all, rToken{'=', "<-", line, at(i)})
			i += 2
		case c == ' ' || c == '\t' || c == '\r':
			i++
		default:
			all = append(all, rToken{c, string(c), line, at(i)})
			i++
		}
	}
	return all
}

// An rArgument is one of a call's: a text, a vector of texts, or something else, which
// has no values.
type rArgument struct {
	name     string
	values   []rToken
	variable string // whose values they are
	indexed  string // the variable of which it is an element
}

// An rReader reads what R's source installs.
type rReader struct {
	tokens  []rToken
	depth   []int               // of each token: how many parentheses are open
	vectors map[string][]rToken // that variables hold
	found   []Request
	file    string
}

// readR returns the packages that R's source asks for, in the forms that are known:
// install.packages, BiocManager::install, install_version and install_github of
// remotes and devtools, also in a loop over pairs, and
// class_libs_install_version(CLASS, c("PACKAGE", "VERSION", …)). What is computed
// otherwise is not followed.
func readR(file, source string) []Request {
	r := &rReader{tokens: rTokens(source), vectors: map[string][]rToken{}, file: file}
	open := 0
	for _, t := range r.tokens {
		r.depth = append(r.depth, open)
		switch t.kind {
		case '(':
			open++
		case ')':
			open--
		}
	}
	for i := range r.tokens {
		r.at(i)
	}
	return r.found
}

// changes reports whether what is named by a token is given other values there.
func (r *rReader) changes(i int) bool {
	if !r.sign(i+1, '[') && !r.sign(i+1, '$') {
		return true
	}
	for j := i + 1; j < len(r.tokens) && r.tokens[j].line == r.tokens[i].line && r.depth[j] >= r.depth[i]; j++ {
		switch {
		case r.tokens[j].kind == '=' && r.tokens[j].text == "<-":
			return true
		case r.tokens[j].kind == '(' || r.tokens[j].kind == ',' && r.depth[j] == r.depth[i]:
			return false
		}
	}
	return false
}

func (r *rReader) sign(i int, c byte) bool { return i < len(r.tokens) && r.tokens[i].kind == c }

// at looks at an assignment, or at a call, that begins at a token.
func (r *rReader) at(i int) {
	t := r.tokens[i]
	if t.kind != 'n' {
		return
	}
	switch {
	case i > 0 && r.tokens[i-1].kind == '>', // VALUE -> NAME
		r.sign(i+1, 'n') && r.tokens[i+1].text == "in", // for (NAME in …)
		r.sign(i+1, '[') || r.sign(i+1, '$'):           // NAME[i] <- …, of which more is not known
		if r.changes(i) {
			delete(r.vectors, t.text)
		}
	}
	if r.sign(i+1, '=') && (r.tokens[i+1].text == "<-" || r.depth[i] == 0) {
		r.assign(t.text, i+2)
		return
	}
	if !r.sign(i+1, '(') || i > 0 && r.tokens[i-1].text == "function" {
		return
	}
	name := t.text
	if _, after, qualified := strings.Cut(name, "::"); qualified {
		name = strings.TrimPrefix(after, ":")
	}
	args, ok := r.arguments(i + 1)
	if !ok {
		return
	}
	switch name {
	case "install.packages", "install_cran", "install":
		if name == "install" && t.text != "BiocManager::install" {
			return
		}
		for _, v := range r.values(argument(args, 0, "pkgs")) {
			r.add(v, rToken{}, rToken{}, false)
		}
	case "install_version":
		a, b := argument(args, 0, "package"), argument(args, 1, "version")
		if pairs := r.vectors[a.indexed]; a.indexed != "" && a.indexed == b.indexed { // for (i in …) of v[i], v[i + 1]
			r.pairs(pairs)
			return
		}
		packages, versions := r.values(a), r.values(b)
		if len(packages) == 1 && len(versions) <= 1 {
			r.add(packages[0], first(versions), rToken{}, false)
		}
	case "install_github":
		ref := first(r.values(argument(args, 1, "ref")))
		for _, v := range r.values(argument(args, 0, "repo")) {
			r.add(v, rToken{}, ref, true)
		}
	case "class_libs_install_version":
		r.pairs(r.values(argument(args, 1, "class_libs")))
	}
}

// pairs notes packages, each with its version behind it.
func (r *rReader) pairs(all []rToken) {
	for k := 0; k+1 < len(all); k += 2 {
		r.add(all[k], all[k+1], rToken{}, false)
	}
}

func first(tokens []rToken) rToken {
	if len(tokens) == 0 {
		return rToken{}
	}
	return tokens[0]
}

// argument is the one of a name, or the one at a place among those without.
func argument(args []rArgument, place int, name string) rArgument {
	for _, a := range args {
		if a.name == name {
			return a
		}
	}
	for _, a := range args {
		if a.name != "" {
			continue
		}
		if place == 0 {
			return a
		}
		place--
	}
	return rArgument{}
}

// values are the texts of an argument, or of the variable that it names.
func (r *rReader) values(a rArgument) []rToken {
	if a.variable != "" {
		return r.vectors[a.variable]
	}
	return a.values
}

// assign learns what a variable holds from now on: a text, or a vector of texts. Of
// anything else nothing is known.
func (r *rReader) assign(name string, i int) {
	var holds []rToken
	switch {
	case r.sign(i, 's'):
		holds = r.tokens[i : i+1]
	case r.sign(i, 'n') && r.tokens[i].text == "c" && r.sign(i+1, '('):
		args, ok := r.arguments(i + 1)
		for _, a := range args {
			values := r.values(a)
			ok = ok && len(values) > 0
			holds = append(holds, values...)
		}
		if !ok {
			holds = nil
		}
	}
	r.vectors[name] = holds
}

// maxNested is how deep calls may lie in each other.
const maxNested = 50

// arguments reads what stands between parentheses, from the first; ok is false where
// the last is missing.
func (r *rReader) arguments(open int) (args []rArgument, ok bool) {
	depth := 0
	var a rArgument
	plain := true // of the argument only texts, and vectors of them, were seen
	end := func() {
		if !plain {
			a.values, a.variable, a.indexed = nil, "", ""
		}
		args, a, plain = append(args, a), rArgument{}, true
	}
	for i := open; i < len(r.tokens); i++ {
		switch t := r.tokens[i]; {
		case t.kind == '(':
			if depth++; depth > maxNested {
				return nil, false
			}
			if i > open && r.tokens[i-1].text != "c" {
				plain = false
			}
		case t.kind == ')':
			if depth--; depth == 0 {
				end()
				return args, true
			}
		case t.kind == ',' && depth == 1:
			end()
		case t.kind == 'n' && depth == 1 && r.sign(i+1, '=') && r.tokens[i+1].text == "=":
			a.name = t.text
			i++
		case t.kind == 's':
			a.values = append(a.values, t)
		case t.kind == 'n' && t.text == "c" && r.sign(i+1, '('), t.kind == ',', t.kind == '=':
		case t.kind == 'n' && depth == 1 && r.sign(i+1, '['):
			a.indexed = t.text
			for i < len(r.tokens) && r.tokens[i].kind != ']' {
				i++
			}
		case t.kind == 'n' && depth == 1 && (r.sign(i+1, ',') || r.sign(i+1, ')')):
			a.variable = t.text
		case t.kind == 'n' && r.sign(i+1, '='): // the name of an element
			i++
		default:
			plain = false
		}
	}
	return nil, false
}

// rName is a package's name (Writing R Extensions, "The DESCRIPTION file").
var rName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.]*$`)

// add notes a package; ref is a commit, tag or branch of a package on GitHub. What names no
// package, such as a file, is passed over.
func (r *rReader) add(t, version, ref rToken, github bool) {
	name, spec := t.text, t.text
	q := Request{Need: Wanted, At: Position{File: r.file, Line: t.line}}
	where := version
	if owner, repository, ok := strings.Cut(name, "/"); ok && github {
		repository, at, _ := strings.Cut(repository, "@")
		if ref.text == "" && at != "" {
			ref = rToken{'s', at, t.line, t.col + len(name) - len(at)}
		}
		name, spec = path.Base(repository), "github::"+owner+"/"+repository
		if where = ref; ref.text != "" {
			spec += "@" + ref.text
		}
	} else if version.text != "" {
		spec += "@" + version.text
	}
	file := strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".zip") || strings.HasSuffix(name, ".tgz")
	if name == "" || strings.ContainsAny(spec, " \t\n") || !github && (!rName.MatchString(name) || file) {
		return
	}
	q.Pin, q.Spec = New(R, name, where.text), spec
	if where.text != "" {
		q.Where = Text{where.text, Position{File: r.file, Line: where.line, Column: where.col}}
	}
	r.found = append(r.found, q)
}
