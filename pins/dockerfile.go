package pins

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

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
	d := newDockerfileReader(c, file)
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
	args   map[string]Text   // the values of ARG before the first FROM
	scope  map[string]string // the values of ARG and ENV in the stage that is read, as far as they are known
	stages []stage
}

func newDockerfileReader(c *course, file string) *dockerfileReader {
	return &dockerfileReader{course: c, file: file, args: map[string]Text{}, scope: map[string]string{}}
}

// at is an instruction's first line.
func (d *dockerfileReader) at(in instruction) Position {
	return Position{File: d.name(d.file), Line: in.line}
}

// place is where a part of an instruction's text stands.
func (d *dockerfileReader) place(in instruction, at int) Position {
	line, column := in.place(at)
	return Position{File: d.name(d.file), Line: line, Column: column}
}

func (d *dockerfileReader) read(in instruction) {
	flags, words := options(in.text)
	switch in.name {
	case "ARG", "ENV":
		for _, s := range settings(in.name, words) {
			if in.name == "ARG" && len(d.stages) == 0 {
				if s.given {
					d.args[s.name] = Text{d.expand(s.value, d.at(in)), d.place(in, s.at)}
				}
			} else {
				d.sets(in, s)
			}
			d.variable(in, s)
		}
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

// from reads FROM IMAGE [AS NAME].
func (d *dockerfileReader) from(in instruction, words []word) {
	if len(words) == 0 {
		d.m.Findings.fatal(d.at(in), "dockerfile", "FROM names no image")
		return
	}
	s := stage{from: Text{d.expand(words[0].text, d.at(in)), d.at(in)}, on: -1}
	if len(words) == 3 && strings.EqualFold(words[1].text, "as") {
		s.name = strings.ToLower(words[2].text)
	}
	if s.on = d.stage(s.from.Value); s.on < 0 {
		d.image(s.from)
		d.startsFrom(s.from.Value, words[0].text, d.place(in, words[0].at))
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
