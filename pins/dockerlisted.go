package pins

import (
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/patternmatcher"
)

// place is where a word of an instruction stands; the instruction's first line if it is
// not written there in one piece.
func (d *dockerfileReader) place(in instruction, word string) Position {
	at := d.at(in)
	if word == "" {
		return at
	}
	for i := in.line; i <= min(in.last, len(d.lines)); i++ {
		if strings.HasPrefix(strings.TrimSpace(d.lines[i-1]), "#") {
			continue
		}
		if k := indexWord(d.lines[i-1], word); k >= 0 {
			at.Line, at.Column = i, k+1
			return at
		}
	}
	return at
}

// indexWord is where a word begins in a line; -1 if the line has it only within others.
func indexWord(line, word string) int {
	const ends = " \t\r\v\f\"'[],;&|()="
	for start := 0; ; {
		k := strings.Index(line[start:], word)
		if k < 0 {
			return -1
		}
		k += start
		before, after := line[:k], line[k+len(word):]
		if (before == "" || strings.ContainsRune(ends, rune(before[k-1]))) &&
			(after == "" || after[0] != '=' && strings.ContainsRune(ends, rune(after[0]))) {
			return k
		}
		start = k + 1
	}
}

// oneVariable is a text that ends in a variable, and has no other.
var oneVariable = regexp.MustCompile(`^([^$]*)\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$`)

// startsFrom lists an image that FROM names; written is how it does.
func (d *dockerfileReader) startsFrom(ref, written string, at Position) {
	r, err := ParseImage(ref)
	if err != nil {
		return // the frontend says what is wrong with it
	}
	r.At, r.Need = at, Wanted
	if written != ref {
		m := oneVariable.FindStringSubmatch(written)
		value, ok := Text{}, m != nil
		if ok {
			value, ok = d.args[m[2]]
		}
		if !ok || m[1] != "" && !strings.HasSuffix(m[1], ":") || value.Value == "" {
			value = Text{ref, at} // is not found there: it has to be edited by hand
		}
		r.Where = value
	}
	d.list(r)
}

// list notes what the Dockerfile, or a file that it copies, asks for.
func (d *dockerfileReader) list(r Request) {
	same := func(q Request) bool { return q.Kind == r.Kind && q.Name == r.Name && q.At == r.At }
	if !slices.ContainsFunc(d.m.Listed, same) {
		d.m.Listed = append(d.m.Listed, r)
	}
}

var (
	versionName = regexp.MustCompile(`(?i)(^|_)(version|ver|release)$`)
	versionText = regexp.MustCompile(`^v?[0-9]+(\.[0-9A-Za-z]+)*([-+~_][0-9A-Za-z.+~_-]+)?$`)
)

// variables lists the versions that ARG or ENV set.
func (d *dockerfileReader) variables(in instruction, words []string) {
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		value = strings.Trim(value, `"'`)
		if !ok || !versionName.MatchString(name) || !versionText.MatchString(value) {
			continue
		}
		at := d.place(in, w)
		if at.Column == 0 {
			at = d.place(in, value)
		}
		r := Request{Pin: New(Variable, name, value), Spec: name + "=" + value, Need: Wanted, At: at}
		r.At.Column = 1
		if at.Column > 0 {
			at.Column += strings.Index(d.lines[at.Line-1][at.Column-1:], value)
		}
		r.Where = Text{value, at}
		d.list(r)
	}
}

// copies reads COPY and ADD: what they copy may hold pins.
func (d *dockerfileReader) copies(in instruction, flags map[string]string, words []string) {
	if from, ok := flags["from"]; ok {
		if _, err := strconv.Atoi(from); err != nil && d.stage(from) < 0 {
			d.image(Text{d.expand(from, d.at(in)), d.at(in)})
		}
		return
	}
	if strings.HasPrefix(in.text, "[") || len(words) > 0 && strings.HasPrefix(words[0], "[") { // the form of JSON
		words = strings.FieldsFunc(strings.Join(words, " "), func(c rune) bool { return strings.ContainsRune(`[]", `, c) })
	}
	for _, source := range words[:max(0, len(words)-1)] {
		if in.name == "ADD" && (strings.Contains(source, "://") || strings.HasPrefix(source, "git@")) {
			d.adds(in, source, flags["checksum"])
			continue
		}
		if d.course.alone {
			continue
		}
		for _, file := range d.copied(source) {
			if parse := d.listed(file); parse != nil {
				parse()
			}
		}
	}
}

// adds reads ADD of an address: what lies there is locked by its sha256.
func (d *dockerfileReader) adds(in instruction, source, checksum string) {
	address, ok := d.known(source)
	isFile := strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://")
	u, err := url.Parse(address)
	if err == nil {
		isFile = isFile && !strings.HasSuffix(u.Path, ".git") && u.Fragment == ""
	}
	switch {
	case !ok:
		d.m.Findings.fatal(d.at(in), "unsupported", "ADD %s: driftpin does not know the variables in the address: write it "+
			"out, or set them by ARG NAME=VALUE in this stage", source)
		return
	case !isFile:
		d.m.Findings.fatal(d.at(in), "unsupported", "ADD of a git repository can't be locked yet: clone it in RUN, which is "+
			"recorded")
		return
	}
	download := Download{URL: address, SHA256: strings.TrimPrefix(checksum, "sha256:"), At: d.at(in)}
	if why := download.unfit(); why != "" {
		d.m.Findings.fatal(d.at(in), "download", "ADD: %s", why)
		return
	}
	d.m.Findings.note(d.at(in), "download", "driftpin lock locks what lies at %s", address)
	if !slices.ContainsFunc(d.m.Downloads, func(o Download) bool { return o.URL == address }) {
		d.m.Downloads = append(d.m.Downloads, download)
	}
}

// copied are the files of the course's folder that COPY means: those of a pattern, and
// those in a folder.
func (d *dockerfileReader) copied(source string) (files []string) {
	source = path.Clean(strings.TrimPrefix(source, "/"))
	root := os.DirFS(d.m.Dir)
	found, err := fs.Glob(root, source)
	if err != nil {
		return nil
	}
	ignored, err := patternmatcher.New(d.m.Ignored)
	if err != nil {
		return nil // it was found when they were read
	}
	add := func(file string) {
		if out, err := ignored.MatchesOrParentMatches(file); err == nil && !out {
			files = append(files, file)
		}
	}
	for _, file := range found {
		entries, err := fs.ReadDir(root, file)
		if err != nil { // no folder
			add(file)
			continue
		}
		for _, e := range entries {
			add(path.Join(file, e.Name()))
		}
	}
	return files
}

// listed returns what reads the pins of a file that a Dockerfile copies, or nil.
func (d *dockerfileReader) listed(source string) func() {
	file := path.Clean(strings.TrimPrefix(source, "/"))
	source = path.Base(file)
	if d.course.alone || !HoldsPins(source) || !d.exists(file) || slices.Contains(d.course.read, file) {
		return nil
	}
	return func() {
		data, err := d.load(file)
		if err != nil {
			d.failed(Position{File: d.name(file)}, file, err)
			return
		}
		for _, r := range ReadAlone(file, data) {
			r.At.File = d.name(r.At.File)
			for _, text := range []*Text{&r.Where, &r.WhereBuild} {
				if text.At.File != "" {
					text.At.File = r.At.File
				}
			}
			d.list(r)
		}
	}
}

var aptInstall = regexp.MustCompile(`\bapt(?:-get)?\b[^&|;]*?\binstall\b([^&|;>]*)`)

// installs lists what RUN installs by apt, as far as it is named there.
func (d *dockerfileReader) installs(in instruction) {
	for _, m := range aptInstall.FindAllStringSubmatch(in.text, -1) {
		valued := false
		for _, word := range strings.Fields(m[1]) {
			if word[0] == '#' {
				break
			}
			skip := valued || strings.HasPrefix(word, "-") || strings.ContainsAny(word, "$`(){}\"'") ||
				strings.HasPrefix(word, "/") || strings.HasPrefix(word, ".")
			valued = slices.Contains([]string{"-t", "-o", "-c", "--option", "--target-release", "--default-release",
				"--config-file"}, word)
			if skip {
				continue // an option, a file, or what only the shell knows
			}
			word, _, _ = strings.Cut(word, "/") // a release
			r, err := ParseApt(word)
			if err != nil {
				d.m.Findings.warn(d.at(in), "apt", "%v", err)
				continue
			}
			r.At, r.Need = d.place(in, word), Wanted
			d.list(r)
		}
	}
}
