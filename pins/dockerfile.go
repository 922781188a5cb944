package pins

import (
	"bytes"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// An instruction is one of a Dockerfile (Docker's documentation, "Dockerfile
// reference").
type instruction struct {
	line int // its first
	last int
	name string // in capitals
	text string // what follows it, without comments and ends of lines
}

var (
	directive = regexp.MustCompile(`(?i)^#[ \t]*(syntax|check|escape)[ \t]*=[ \t]*(.+?)[ \t]*$`)
	heredoc   = regexp.MustCompile(`^[0-9]*<<(-?)["']?([^<"']+)["']?$`)
	jsonForm  = regexp.MustCompile(`^\[.*\]$`)
	blank     = regexp.MustCompile(`[\t\v\f\r ]+`)
)

// readInstructions takes a Dockerfile apart, as BuildKit's parser does, which package
// pins may not know.
func readInstructions(text string) (all []instruction) {
	lines := strings.Split(text, "\n")
	goesOn := continuation(lines)
	for i := 0; i < len(lines); i++ {
		line, more := cutEnd(strings.TrimLeftFunc(uncommented(lines[i]), unicode.IsSpace), goesOn)
		if line == "" && !more {
			continue
		}
		first, body := i+1, line
		for more && i+1 < len(lines) {
			i++ // comments, and empty lines, may lie between
			if line = uncommented(lines[i]); strings.TrimSpace(line) != "" {
				line, more = cutEnd(line, goesOn)
				body += line
			}
		}
		words := blank.Split(strings.TrimSpace(body), 2)
		in := instruction{line: first, name: strings.ToUpper(words[0])}
		if len(words) == 2 {
			in.text = strings.TrimSpace(words[1])
		}
		if (in.name == "RUN" || in.name == "COPY" || in.name == "ADD") && !jsonForm.MatchString(in.text) {
			i = afterHeredocs(lines, i, in.text)
		}
		in.last = i + 1
		all = append(all, in)
	}
	return all
}

// continuation is how a line ends that goes on in the next one: by the character that a
// directive at the top names.
func continuation(lines []string) *regexp.Regexp {
	escape := `\`
	for _, line := range lines {
		m := directive.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			break
		}
		if strings.EqualFold(m[1], "escape") && m[2] == "`" {
			escape = m[2]
		}
	}
	e := regexp.QuoteMeta(escape)
	return regexp.MustCompile(`([^` + e + `])` + e + `[ \t]*$|^` + e + `[ \t]*$`)
}

// cutEnd cuts off what says that a line goes on, if it does.
func cutEnd(line string, goesOn *regexp.Regexp) (rest string, more bool) {
	if !goesOn.MatchString(line) {
		return line, false
	}
	return goesOn.ReplaceAllString(line, "$1"), true
}

// uncommented is a line without its end, or nothing if it is a comment.
func uncommented(line string) string {
	if strings.HasPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "#") {
		return ""
	}
	return strings.TrimRight(line, "\r")
}

// afterHeredocs is the number of the last line of what an instruction has in its place
// (Docker's documentation, "Here-Documents"); i is that of its own last line.
func afterHeredocs(lines []string, i int, text string) int {
	for _, word := range strings.Fields(text) {
		m := heredoc.FindStringSubmatch(word)
		if m == nil {
			continue
		}
		for i++; i < len(lines); i++ {
			line := strings.TrimRight(lines[i], "\r")
			if line == m[2] || m[1] != "" && strings.TrimLeft(line, "\t") == m[2] {
				break
			}
		}
	}
	return i
}

// A stage is a part of a Dockerfile, from one FROM to the next.
type stage struct {
	name string
	from Text
	on   int               // the number of the stage that it goes on from; -1 for an image
	ends map[string]string // the values of its variables at its end
}

// dockerfile reads a course that is a Dockerfile, which BuildKit's own frontend
// builds: the images that it starts from are locked by digest, and its RUN
// instructions are recorded as scripts are.
func (c *course) dockerfile(file string) {
	data, err := c.load(file)
	if err != nil {
		c.failed(Position{File: c.name(file)}, file, err)
		return
	}
	c.m.Dockerfile = Text{file, Position{File: c.name(file), Line: 1}}
	c.ignores(file)
	c.otherSyntax(file, string(data))
	d := newDockerfileReader(c, file, string(data))
	for _, in := range readInstructions(string(data)) {
		d.read(in)
	}
	if len(d.stages) == 0 {
		c.m.Findings.fatal(c.m.Dockerfile.At, "dockerfile", "there is no FROM: name the image that it starts from")
		return
	}
	last := d.stages[len(d.stages)-1]
	for last.on >= 0 {
		last = d.stages[last.on]
	}
	if last.from.Value == "scratch" {
		c.m.Findings.fatal(last.from.At, "dockerfile", "the image starts from nothing: driftpin needs an image that "+
			"has a shell and perl, as Debian's and Ubuntu's have")
		return
	}
	c.m.Base = last.from
}

// otherSyntax warns of a Dockerfile that another frontend than BuildKit's own would read.
func (c *course) otherSyntax(file, text string) {
	for i, line := range strings.Split(text, "\n") {
		m := directive.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			return
		}
		image, _, _ := strings.Cut(path.Base(m[2]), ":")
		if strings.EqualFold(m[1], "syntax") && image != "dockerfile" && image != "dockerfile-upstream" {
			c.m.Findings.warn(Position{File: c.name(file), Line: i + 1}, "dockerfile", "syntax %s has no effect here: driftpin "+
				"builds with the Dockerfile frontend of its own BuildKit", m[2])
		}
	}
}

// ignores reads which files a Dockerfile's COPY leaves out (Docker's documentation,
// ".dockerignore file").
func (c *course) ignores(dockerfile string) {
	file := dockerfile + ".dockerignore"
	if !c.exists(file) {
		if file = ".dockerignore"; !c.exists(file) {
			return
		}
	}
	data, err := c.load(file)
	var patterns []string
	if err == nil {
		patterns, err = ignorefile.ReadAll(bytes.NewReader(data))
	}
	if err == nil {
		_, err = patternmatcher.New(patterns)
	}
	if err != nil {
		c.failed(Position{File: c.name(file), Line: 1}, file, err)
		return
	}
	c.m.Ignored = patterns
}

// A dockerfileReader reads a Dockerfile.
type dockerfileReader struct {
	*course
	file   string
	lines  []string
	args   map[string]Text   // the values of ARG before the first FROM
	scope  map[string]string // the values of ARG and ENV in the stage that is read, as far as they are known
	stages []stage
}

func newDockerfileReader(c *course, file, text string) *dockerfileReader {
	return &dockerfileReader{course: c, file: file, lines: strings.Split(text, "\n"), args: map[string]Text{}}
}

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

func (d *dockerfileReader) at(in instruction) Position {
	return Position{File: d.name(d.file), Line: in.line}
}

func (d *dockerfileReader) read(in instruction) {
	flags, words := options(in.text)
	switch in.name {
	case "ARG":
		for _, w := range words {
			name, value, ok := strings.Cut(w, "=")
			if len(d.stages) > 0 {
				d.sets(in, w)
			} else if ok {
				value = strings.Trim(value, `"'`)
				d.args[name] = Text{d.expand(value, d.at(in)), d.place(in, w)}
				if at := d.args[name]; at.Value == value && at.At.Column > 0 {
					at.At.Column += len(w) - len(strings.TrimLeft(w[len(name)+1:], `"'`))
					d.args[name] = at
				}
			}
		}
		d.variables(in, words)
	case "ENV":
		if len(words) > 1 && !strings.Contains(words[0], "=") { // the old form: ENV NAME VALUE
			words = []string{words[0] + "=" + strings.Join(words[1:], " ")}
		}
		for _, w := range words {
			d.sets(in, w)
		}
		d.variables(in, words)
	case "FROM":
		d.from(in, words)
	case "RUN":
		if strings.Contains(flags["mount"], "from=") {
			d.mounted(in, flags["mount"])
		}
		name := d.file + ":" + strconv.Itoa(in.line)
		d.m.Scripts = append(d.m.Scripts, Script{name, d.at(in)})
		d.m.Findings.note(d.at(in), "script", "what it downloads is recorded by driftpin lock")
		d.installs(in)
	case "COPY", "ADD":
		d.copies(in, flags, words)
	case "ONBUILD":
		d.m.Findings.fatal(d.at(in), "dockerfile", "ONBUILD is for images that others build on: take it out")
	}
}

// mounted notes an image that RUN --mount shows.
func (d *dockerfileReader) mounted(in instruction, mount string) {
	for _, part := range strings.Split(mount, ",") {
		if from, ok := strings.CutPrefix(part, "from="); ok && d.stage(from) < 0 {
			if _, err := strconv.Atoi(from); err != nil {
				d.image(Text{d.expand(from, d.at(in)), d.at(in)})
			}
		}
	}
}

// options are the --NAME=VALUE before an instruction's words.
func options(text string) (flags map[string]string, words []string) {
	flags = map[string]string{}
	words = strings.Fields(text)
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		name, value, _ := strings.Cut(words[0][2:], "=")
		flags[name] += "," + value
		words = words[1:]
	}
	for name, value := range flags {
		flags[name] = strings.TrimPrefix(value, ",")
	}
	return flags, words
}

var dockerVariable = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)

// expand puts the values of ARG into a text.
func (d *dockerfileReader) expand(text string, at Position) string {
	expanded := dockerVariable.ReplaceAllStringFunc(text, func(use string) string {
		m := dockerVariable.FindStringSubmatch(use)
		name := m[1] + m[3]
		if value, ok := d.args[name]; ok {
			return value.Value
		}
		if m[2] == "" {
			d.m.Findings.fatal(at, "dockerfile", "%s: ARG %s has no value: write ARG %s=VALUE before FROM", text, name, name)
		}
		return m[2]
	})
	if len(expanded) > maxValue { // each ARG could double the one before
		d.m.Findings.fatal(at, "dockerfile", "the value is longer than %d characters", maxValue)
		return ""
	}
	return expanded
}

// maxValue is how long a value of ARG may be.
const maxValue = 4096

// from reads FROM IMAGE [AS NAME].
func (d *dockerfileReader) from(in instruction, words []string) {
	if len(words) == 0 {
		d.m.Findings.fatal(d.at(in), "dockerfile", "FROM names no image")
		return
	}
	s := stage{from: Text{d.expand(words[0], d.at(in)), d.at(in)}, on: -1}
	at := d.place(in, words[0])
	if len(words) == 3 && strings.EqualFold(words[1], "as") {
		s.name = strings.ToLower(words[2])
	}
	if s.on = d.stage(s.from.Value); s.on < 0 {
		d.image(s.from)
		d.startsFrom(s.from.Value, words[0], at)
	}
	if n := len(d.stages); n > 0 {
		d.stages[n-1].ends = d.scope
	}
	d.scope = map[string]string{}
	if s.on >= 0 {
		d.scope = maps.Clone(d.stages[s.on].ends)
	}
	d.stages = append(d.stages, s)
}

// sets learns the value of a variable of a stage, from NAME=VALUE. A value that is not
// known, or is written in a way that only the frontend reads, is none.
func (d *dockerfileReader) sets(in instruction, text string) {
	name, value, ok := strings.Cut(text, "=")
	switch {
	case ok:
		value = strings.Trim(value, `"'`)
		if value, ok = d.known(value); ok && !strings.ContainsAny(value, `\"' `) {
			d.scope[name] = value
			return
		}
		delete(d.scope, name)
	case in.name == "ARG":
		if global, ok := d.args[name]; ok {
			d.scope[name] = global.Value
		} else if _, env := d.scope[name]; !env {
			delete(d.scope, name)
		}
	}
}

// known puts the values of a stage's variables into a text, if all are known.
func (d *dockerfileReader) known(text string) (string, bool) {
	all := true
	expanded := dockerVariable.ReplaceAllStringFunc(text, func(use string) string {
		m := dockerVariable.FindStringSubmatch(use)
		value, ok := d.scope[m[1]+m[3]]
		all = all && ok && len(value) <= maxValue
		return value
	})
	return expanded, all && !strings.Contains(expanded, "$") && len(expanded) <= maxValue
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

// stage is the number of a stage by its name; -1 if there is none.
func (d *dockerfileReader) stage(name string) int {
	for i, s := range slices.Backward(d.stages) {
		if s.name != "" && strings.EqualFold(s.name, name) {
			return i
		}
	}
	return -1
}

// image notes an image that is used.
func (d *dockerfileReader) image(ref Text) {
	if ref.Value != "scratch" && !slices.ContainsFunc(d.m.Images, func(t Text) bool { return t.Value == ref.Value }) {
		d.m.Images = append(d.m.Images, ref)
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
