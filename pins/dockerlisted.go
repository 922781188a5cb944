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
	"mvdan.cc/sh/v3/syntax"
)

// oneVariable is a text that ends in a variable, and has no other.
var oneVariable = regexp.MustCompile(`^([^$]*)\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$`)

// startsFrom lists an image that FROM names; written is how it does.
func (d *dockerfileReader) startsFrom(ref, written string, at Position) {
	r, err := ParseImage(ref)
	if err != nil {
		return // the frontend says what is wrong with it
	}
	r.At, r.Need, r.Where = Position{File: at.File, Line: at.Line, Column: 1}, Wanted, Text{written, at}
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

// variable lists the version that ARG or ENV sets.
func (d *dockerfileReader) variable(in instruction, s setting) {
	if !s.given || !versionName.MatchString(s.name) || !versionText.MatchString(s.value) {
		return
	}
	at := d.place(in, s.at)
	d.list(Request{Pin: New(Variable, s.name, s.value), Spec: s.name + "=" + s.value, Need: Wanted, Where: Text{s.value, at},
		At: Position{File: at.File, Line: at.Line, Column: 1}})
}

// copies reads COPY and ADD: what they copy may hold pins.
func (d *dockerfileReader) copies(in instruction, flags map[string]string, all []word) {
	var words []string
	for _, w := range all {
		words = append(words, w.text)
	}
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
		source = source[strings.LastIndexByte(source, '@')+1:] // before it there may be a password
		d.m.Findings.fatal(d.at(in), "unsupported", "ADD %s: driftpin does not know the variables in the address: write it "+
			"out, or set them by ARG NAME=VALUE in this stage", source)
		return
	case !isFile:
		d.m.Findings.fatal(d.at(in), "unsupported", "ADD of a git repository can't be locked yet: clone it in RUN, which is "+
			"recorded")
		return
	}
	sum, ok := d.known(checksum)
	if !ok {
		d.m.Findings.fatal(d.at(in), "unsupported", "ADD --checksum=%s: driftpin does not know the variables in it: write it out",
			checksum)
		return
	}
	download := Download{URL: address, SHA256: strings.TrimPrefix(sum, "sha256:"), At: d.at(in)}
	if why := download.unfit(); why != "" {
		d.m.Findings.fatal(d.at(in), "download", "ADD: %s", why)
		return
	}
	d.m.Findings.note(d.at(in), "download", "driftpin lock locks what lies at %s", address)
	i := slices.IndexFunc(d.m.Downloads, func(o Download) bool { return o.URL == address })
	switch {
	case i < 0:
		d.m.Downloads = append(d.m.Downloads, download)
	case d.m.Downloads[i].SHA256 == "":
		d.m.Downloads[i].SHA256 = download.SHA256
	case download.SHA256 != "" && download.SHA256 != d.m.Downloads[i].SHA256:
		d.m.Findings.fatal(d.at(in), "download", "ADD: %s is asked for at %s too, with another --checksum: keep one", address,
			d.m.Downloads[i].At)
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

// installs lists what RUN installs by apt, as far as it is named there: in commands of
// their own, by plain words.
func (d *dockerfileReader) installs(in instruction) {
	_, words := options(in.text)
	if len(words) == 0 || strings.HasPrefix(words[0].text, "[") || strings.Contains(in.text, "<<") {
		return
	}
	from := words[0].at
	script, err := syntax.NewParser().Parse(strings.NewReader(in.text[from:]), "")
	if err != nil {
		return
	}
	syntax.Walk(script, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			var words []word
			for _, arg := range call.Args {
				words = append(words, word{literal(arg), from + int(arg.Pos().Offset())})
			}
			d.aptInstalls(in, words)
		}
		return true
	})
}

// literal is a word of a shell's that stands for itself; empty for others.
func literal(w *syntax.Word) string {
	if len(w.Parts) != 1 {
		return ""
	}
	switch p := w.Parts[0].(type) {
	case *syntax.Lit:
		if strings.ContainsAny(p.Value, `\*?[{~`) {
			return ""
		}
		return p.Value
	case *syntax.SglQuoted:
		return p.Value
	case *syntax.DblQuoted:
		if len(p.Parts) == 1 {
			if lit, ok := p.Parts[0].(*syntax.Lit); ok && !strings.Contains(lit.Value, `\`) {
				return lit.Value
			}
		}
	}
	return ""
}

// aptValued are apt's options whose value is a word of its own.
var aptValued = []string{"-t", "-o", "-c", "-a", "--option", "--target-release", "--default-release", "--config-file",
	"--host-architecture"}

// aptInstalls lists the packages of apt install, and of apt-get install.
func (d *dockerfileReader) aptInstalls(in instruction, words []word) {
	if len(words) > 0 && words[0].text == "sudo" {
		words = words[1:]
	}
	if len(words) == 0 || words[0].text != "apt" && words[0].text != "apt-get" {
		return
	}
	installs, valued := false, false
	for _, w := range words[1:] {
		switch {
		case valued:
			valued = false
		case strings.HasPrefix(w.text, "-"):
			valued = slices.Contains(aptValued, w.text)
		case !installs:
			if installs = w.text == "install"; !installs {
				return // another command of apt's
			}
		case w.text == "" || strings.ContainsAny(w.text[:1], "/.") || strings.HasSuffix(w.text, "-"):
			// what only the shell knows, a file, or what is removed
		default:
			d.aptPackage(in, w)
		}
	}
}

// aptPackage lists a package that apt is told to install, as NAME[=VERSION] or
// NAME/RELEASE.
func (d *dockerfileReader) aptPackage(in instruction, w word) {
	at := d.place(in, w.at)
	name, _, _ := strings.Cut(strings.TrimSuffix(w.text, "+"), "/")
	r, err := ParseApt(name)
	if err != nil {
		d.m.Findings.warn(Position{File: at.File, Line: at.Line}, "apt", "%v", err)
		return
	}
	r.At, r.Need, r.Where = Position{File: at.File, Line: at.Line, Column: 1}, Wanted, Text{w.text, at}
	d.list(r)
}
