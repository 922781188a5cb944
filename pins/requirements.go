package pins

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A textLine is one logical line of a pin file.
type textLine struct {
	text string // without its comment, trimmed, never empty
	why  string // the comment on the line, or the block of comments above it
	at   Position
}

// A rawLine is a line of a text file, without its end, and where it begins: its
// line by the count of \n, which is how editors and Edit count, and its column.
type rawLine struct {
	text         string
	line, column int
}

var (
	// universal are the ends of lines of a file that Python opens as text; pip
	// splits what it reads at more characters (Python's str.splitlines).
	universal  = regexp.MustCompile(`\r\n|\r|\n`)
	splitlines = regexp.MustCompile("\r\n|[\r\n\v\f\x1c\x1d\x1e\u0085\u2028\u2029]")
)

func rawLines(text string, ends *regexp.Regexp) (lines []rawLine) {
	line, column := 1, 1
	add := func(s string) { lines = append(lines, rawLine{s, line, column}) }
	start := 0
	for _, end := range ends.FindAllStringIndex(text, -1) {
		add(text[start:end[0]])
		if start = end[1]; strings.HasSuffix(text[:start], "\n") {
			line, column = line+1, 1
		} else {
			column += end[1] - (end[0] - len(lines[len(lines)-1].text))
		}
	}
	if start < len(text) {
		add(text[start:])
	}
	return lines
}

// A commentBlock collects comment lines: the reason of what comes below.
type commentBlock []string

// why is the reason of a line: its own comment, else the block above it, which
// ends here.
func (b *commentBlock) why(comment string) string {
	if comment == "" {
		comment = strings.Join(*b, " ")
	}
	*b = nil
	return comment
}

// note takes a line that says nothing.
func (b *commentBlock) note(comment string) {
	if comment == "" {
		*b = nil
	} else {
		*b = append(*b, comment)
	}
}

// aptTxt reads apt.txt as repo2docker does (its buildpacks/base.py,
// get_apt_packages): the part of each line before a #, which goes to apt-get as it
// is. The comment on the line, or the block of comments just above it, is the
// reason.
func (c *course) aptTxt(file string, data []byte) {
	var above commentBlock
	for _, raw := range rawLines(string(data), universal) {
		body, comment := cutAtHash(raw.text)
		if body == "" {
			above.note(comment)
			continue
		}
		line := textLine{body, above.why(comment), Position{File: c.name(file), Line: raw.line, Column: raw.column}}
		words := strings.Fields(body)
		if len(words) > 1 {
			c.m.Findings.warn(line.at, "several",
				"%q: %d packages on one line: all are read, as apt-get installs them all; write one per line", body,
				len(words))
		}
		for _, word := range words {
			c.aptWord(word, line)
		}
	}
}

// aptWord reads one word of what apt-get is given.
func (c *course) aptWord(word string, line textLine) {
	name := strings.TrimRight(word, "-")
	switch {
	case strings.HasPrefix(word, "-"):
		c.m.Findings.fatal(line.at, "unsupported", "%s: an option of apt-get can't be locked: name packages only", word)
	case name != word:
		c.m.Findings.fatal(line.at, "unsupported",
			"%s: the - at the end tells apt-get to remove %s, and driftpin only installs: take this out", word, name)
	case strings.Contains(word, "/"):
		c.m.Findings.fatal(line.at, "unsupported", "%s: a suite can't be locked: write NAME or NAME=VERSION", word)
	default:
		r, err := ParseApt(word)
		c.add(r, err, line)
	}
}

// requirementsTxt reads a requirements file as pip does (pip's documentation,
// "Requirements File Format"; its _internal/req/req_file.py): a requirement a
// line, comments after a # at the start or behind white space, lines joined by a
// backslash at the end of one that is no comment, -r for includes, which are
// relative to this file.
func (c *course) requirementsTxt(file string, data []byte) {
	var above commentBlock
	for _, raw := range joinLines(rawLines(string(data), splitlines)) {
		body, comment := cutAtSpacedHash(raw.text)
		if body == "" {
			above.note(comment)
			continue
		}
		c.requirement(file, textLine{body, above.why(comment), Position{File: c.name(file), Line: raw.line,
			Column: raw.column}})
	}
}

// joinLines joins lines as pip does: a comment line continues nothing, and ends
// what was to be continued.
func joinLines(lines []rawLine) (joined []rawLine) {
	var begun *rawLine
	for _, l := range lines {
		comment := startsComment(l.text)
		if strings.HasSuffix(l.text, `\`) && !comment {
			if begun == nil {
				begun = &rawLine{"", l.line, l.column}
			}
			begun.text += strings.Trim(l.text, `\`)
			continue
		}
		if comment {
			l.text = " " + l.text
		}
		if begun != nil {
			l = rawLine{begun.text + l.text, begun.line, begun.column}
			begun = nil
		}
		joined = append(joined, l)
	}
	if begun != nil {
		joined = append(joined, *begun)
	}
	return joined
}

func startsComment(line string) bool {
	return strings.HasPrefix(strings.TrimLeft(line, whiteSpace), "#")
}

// whiteSpace is what Python's regular expressions take for it.
const whiteSpace = " " +
	"\t\n\r\f\v\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"

var (
	// perRequirement finds where the options of one requirement begin.
	perRequirement = regexp.MustCompile(` +--?[A-Za-z]`)
	environmentVar = regexp.MustCompile(`\$\{[A-Z0-9_]+\}`)
	archiveName    = regexp.MustCompile(`(?i)^[^\s;@\[]+\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|` +
		`lzma))(?:\s*;|\s*$|\s*\[)`)
)

// requirement reads a line of a requirements file.
func (c *course) requirement(file string, line textLine) {
	if v := environmentVar.FindString(line.text); v != "" {
		c.m.Findings.fatal(line.at, "unsupported",
			"%s: this requirement depends on an environment variable: write out its value", v)
		return
	}
	if strings.HasPrefix(line.text, "-") {
		c.option(file, line)
		return
	}
	spec, options := line.text, ""
	if i := perRequirement.FindStringIndex(spec); i != nil {
		spec, options = strings.TrimSpace(spec[:i[0]]), spec[i[0]:]
	}
	if archiveName.MatchString(spec) {
		c.m.Findings.fatal(line.at, "unsupported",
			"%s: pip takes this for the name of a local file: write NAME==VERSION, or git+URL@COMMIT", spec)
		return
	}
	fixed, oddity := lenient(spec)
	r, err := ParsePip(fixed)
	r.Spec = spec
	if err == nil {
		r.Hashes, err = hashes(options)
	}
	if err == nil && oddity != "" {
		c.m.Findings.warn(line.at, "specifier",
			"%s: %s: read as %s, as old versions of pip did; today's pip refuses it", spec, oddity, fixed)
	}
	c.add(r, err, line)
}

var hashForm = regexp.MustCompile(`^(?:sha256:[0-9a-fA-F]{64}|sha384:[0-9a-fA-F]{96}|sha512:[0-9a-fA-F]{128})$`)

// hashes reads the --hash options of a requirement: ALGORITHM:HEX each.
func hashes(options string) (out []string, err error) {
	words, err := shellWords(options)
	for i := 0; i < len(words) && err == nil; i++ {
		hash, ok := strings.CutPrefix(words[i], "--hash=")
		if words[i] == "--hash" && i+1 < len(words) {
			i++
			hash, ok = words[i], true
		}
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: this option of a requirement can't be locked yet: only --hash can", words[i])
		case !hashForm.MatchString(hash):
			return nil, fmt.Errorf("--hash=%s: pip takes sha256:HEX, sha384:HEX and sha512:HEX only", hash)
		}
		algorithm, hex, _ := strings.Cut(hash, ":")
		out = append(out, algorithm+":"+strings.ToLower(hex))
	}
	return out, err
}

// shellWords splits a text as a shell does, with quotes and backslashes, as pip
// does with options (Python's shlex).
func shellWords(text string) (words []string, err error) {
	word, inWord, quote := "", false, rune(0)
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			word, escaped = word+string(r), false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word += string(r)
			}
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ' || r == '\t':
			if inWord {
				words = append(words, word)
			}
			word, inWord = "", false
		default:
			word, inWord = word+string(r), true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("%s: a quote is not closed, or nothing follows a backslash", strings.TrimSpace(text))
	}
	if inWord {
		words = append(words, word)
	}
	return words, nil
}

// option reads an option of a requirements file.
func (c *course) option(file string, line textLine) {
	words, err := shellWords(line.text)
	if err != nil {
		c.m.Findings.fatal(line.at, "pin", "%v", err)
		return
	}
	option, values := words[0], words[1:]
	if name, after, ok := strings.Cut(option, "="); ok && strings.HasPrefix(option, "--") {
		option, values = name, append([]string{after}, values...)
	} else if len(option) > 2 && option[1] != '-' {
		option, values = option[:2], append([]string{option[2:]}, values...)
	}
	switch option {
	case "-r", "--requirement":
		c.includeRequirements(values, file, line.at)
	case "--require-hashes": // the lock has hashes of all
	case "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index":
		c.m.Findings.fatal(line.at, "unsupported",
			"%s: the package index is configuration, not a pin: set it for uv or pip (UV_DEFAULT_INDEX, uv.toml, "+
				"pip.conf)", option)
	default:
		c.m.Findings.fatal(line.at, "unsupported", "%s: this option can't be locked yet: requirements and -r can",
			option)
	}
}

// includeRequirements follows -r: what it names is a requirements file, whatever
// it is called.
func (c *course) includeRequirements(values []string, file string, at Position) {
	value := strings.Join(values, " ")
	switch {
	case len(values) != 1 || value == "":
		c.m.Findings.fatal(at, "include", "-r %s: name one file; put a name with a space in quotes", value)
	case strings.Contains(value, "://"):
		c.m.Findings.fatal(at, "include",
			"-r %s: a file at an address may change: put the file into the course's folder", withoutSecrets(value))
	case path.IsAbs(value):
		c.absolute(value, file, at)
	default:
		c.includeAs(path.Join(path.Dir(file), value), at, c.requirementsTxt)
	}
}

// withoutSecrets is an address without user, password and query.
func withoutSecrets(address string) string {
	address, _, _ = strings.Cut(address, "?")
	scheme, rest, _ := strings.Cut(address, "://")
	host, path, _ := strings.Cut(rest, "/")
	return scheme + "://" + host[strings.LastIndexByte(host, '@')+1:] + "/" + path
}

func (c *course) add(r Request, err error, line textLine) {
	if err != nil {
		c.m.Findings.fatal(line.at, "pin", "%v", err)
		return
	}
	r.At, r.Need, r.Why = line.at, Wanted, line.why
	c.m.Requests = append(c.m.Requests, r)
}

// cutAtHash cuts a line at its first #, as repo2docker reads apt.txt.
func cutAtHash(line string) (body, comment string) {
	body, comment, _ = strings.Cut(line, "#")
	return strings.TrimSpace(body), strings.TrimSpace(strings.TrimLeft(comment, "# \t"))
}

// cutAtSpacedHash cuts a line at a # at its start or after white space, as pip
// does, so that the fragment of an address stays.
func cutAtSpacedHash(line string) (body, comment string) {
	for i := range len(line) {
		if before := strings.TrimRight(line[:i], whiteSpace); line[i] == '#' && (i == 0 || before != line[:i]) {
			return strings.TrimSpace(line[:i]), strings.TrimSpace(strings.TrimLeft(line[i:], "# \t"))
		}
	}
	return strings.TrimSpace(line), ""
}

// absolute reads a requirements file that is named by an absolute path, as a
// Dockerfile may have copied it there: the file of that name in the course.
func (c *course) absolute(value, file string, from Position) {
	beside := path.Join(path.Dir(file), path.Base(value))
	if !c.exists(beside) {
		c.m.Findings.fatal(from, "include",
			"include %q: driftpin can't read an absolute path of the image: put the file into the course's folder",
			value)
		return
	}
	c.m.Findings.warn(from, "include", "include %q: read as %s", value, c.name(beside))
	c.includeAs(beside, from, c.requirementsTxt)
}

// lenient reads what pip took of a requirement before packaging 22, and no longer
// does: a comma at the end, a wildcard behind an operator that has none, and a
// version that is none behind one that every version meets. It returns the
// requirement as it is meant, and what is odd.
func lenient(spec string) (fixed, oddity string) {
	body, marker, marked := strings.Cut(spec, ";")
	trimmed := strings.TrimRight(strings.TrimSpace(body), ", ")
	if strings.HasSuffix(strings.TrimSpace(body), ",") {
		oddity = "it ends with a comma"
	}
	parts := strings.Split(trimmed, ",")
	for i, one := range parts {
		switch m := oddSpecifier.FindStringSubmatch(one); {
		case m == nil:
		case m[4] != "":
			parts[i], oddity = m[1]+m[2]+m[3], "a wildcard goes with == and != only (PEP 440)"
		case strings.HasPrefix(m[3], "-") && strings.HasPrefix(m[2], ">"):
			parts[i], oddity = m[1], m[3]+" is not a version (PEP 440), so every version matches"
		}
	}
	if oddity == "" {
		return spec, ""
	}
	fixed = strings.TrimRight(strings.Join(slices.DeleteFunc(parts,
		func(p string) bool { return strings.TrimSpace(p) == "" }), ","), " ")
	if marked {
		fixed += " ;" + marker
	}
	return fixed, oddity
}

// oddSpecifier finds operator, version and wildcard of a specifier, behind a name
// or not.
var oddSpecifier = regexp.MustCompile(`^(\s*(?:[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?)?\s*)(>=|<=|` +
	`>|<)\s*(-?[0-9]+(?:\.[0-9]+)*)(\.\*)?\s*$`)

// exists reports whether a file is in the course's folder.
func (c *course) exists(file string) bool {
	_, err := os.Stat(c.path(file))
	return err == nil
}
