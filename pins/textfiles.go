package pins

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// aptTxt reads apt.txt as repo2docker does: the part of each line before a #,
// one package a line. The comment on the line, or the block of comments just
// above it, is the reason.
func (c *course) aptTxt(file string, data []byte) {
	c.lines(file, data, cutAtHash, func(line textLine) {
		r, err := ParseApt(line.text)
		c.add(r, err, line)
	})
}

// requirementsTxt reads a requirements file as pip does (pip's documentation,
// "Requirements File Format"): a requirement a line, comments after " #", lines
// joined by a backslash, -r for includes, which are relative to this file.
func (c *course) requirementsTxt(file string, data []byte) {
	c.lines(file, data, cutAtSpacedHash, func(line textLine) { c.requirement(file, line) })
}

// perRequirement cuts the options that belong to one requirement off it.
var perRequirement = regexp.MustCompile(`\s+--?[A-Za-z]`)

// requirement reads a line of a requirements file.
func (c *course) requirement(file string, line textLine) {
	if !strings.HasPrefix(line.text, "-") {
		spec, options := line.text, ""
		if i := perRequirement.FindStringIndex(spec); i != nil {
			spec, options = strings.TrimSpace(spec[:i[0]]), spec[i[0]:]
		}
		r, err := ParsePip(spec)
		if err == nil {
			r.Hashes, err = hashes(options)
		}
		c.add(r, err, line)
		return
	}
	c.option(file, line)
}

// hashes reads the --hash options of a requirement: ALGORITHM:HEX each.
func hashes(options string) (out []string, err error) {
	for _, word := range strings.Fields(strings.ReplaceAll(options, "--hash ", "--hash=")) {
		hash, ok := strings.CutPrefix(word, "--hash=")
		if !ok {
			return nil, fmt.Errorf("%s: this option of a requirement can't be locked yet: --hash can", word)
		}
		out = append(out, hash)
	}
	return out, nil
}

// option reads an option of a requirements file.
func (c *course) option(file string, line textLine) {
	option, value := line.text, ""
	if i := strings.IndexAny(option, " =\t"); i >= 0 {
		option, value = option[:i], strings.Trim(option[i+1:], " \t")
	} else if rest, ok := strings.CutPrefix(option, "-r"); ok && rest != "" && !strings.HasPrefix(rest, "-") {
		option, value = "-r", rest
	}
	switch option {
	case "-r", "--requirement":
		if path.IsAbs(value) {
			c.absolute(value, file, line.at)
			return
		}
		c.include(path.Join(path.Dir(file), value), line.at)
	case "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index":
		c.m.Findings.fatal(line.at, "unsupported", "%s: where packages come from is configuration, not a pin: give it to uv or pip (UV_DEFAULT_INDEX, uv.toml, pip.conf)", option)
	default:
		c.m.Findings.fatal(line.at, "unsupported", "%s: this option can't be locked yet: requirements and -r can", option)
	}
}

func (c *course) add(r Request, err error, line textLine) {
	if err != nil {
		c.m.Findings.fatal(line.at, "pin", "%v", err)
		return
	}
	r.At, r.Need, r.Why = line.at, Wanted, line.why
	c.m.Requests = append(c.m.Requests, r)
}

// A textLine is one logical line of a pin file.
type textLine struct {
	text string // without its comment, trimmed, never empty
	why  string // the comment on the line, or the block of comments above it
	at   Position
}

// lines calls visit for each line that says something; cut splits a line into
// what it says and its comment.
func (c *course) lines(file string, data []byte, cut func(string) (body, comment string), visit func(textLine)) {
	var above []string
	text := strings.TrimPrefix(string(data), "\ufeff")
	joined, start := "", 0
	for i, raw := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if joined == "" {
			start = i + 1
		}
		if rest, ok := strings.CutSuffix(raw, `\`); ok {
			joined += rest
			continue
		}
		body, comment := cut(joined + raw)
		joined = ""
		switch {
		case body == "" && comment == "":
			above = nil
		case body == "":
			above = append(above, comment)
		default:
			if comment == "" {
				comment = strings.Join(above, " ")
			}
			visit(textLine{body, comment, Position{File: c.name(file), Line: start, Column: 1}})
			above = nil
		}
	}
	if body, _ := cut(joined); body != "" {
		visit(textLine{text: body, at: Position{File: c.name(file), Line: start, Column: 1}})
	}
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
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return strings.TrimSpace(line[:i]), strings.TrimSpace(strings.TrimLeft(line[i:], "# \t"))
		}
	}
	return strings.TrimSpace(line), ""
}
