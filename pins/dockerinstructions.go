package pins

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"

	dockerfile "github.com/moby/buildkit/frontend/dockerfile/shell"
)

// An instruction is one of a Dockerfile (Docker's documentation, "Dockerfile
// reference").
type instruction struct {
	line  int    // its first
	name  string // in capitals
	text  string // what follows it, without comments and ends of lines
	parts []textPart
}

// A textPart says where a part of an instruction's text stands in the file.
type textPart struct{ at, line, column int }

// place is where a part of an instruction's text begins in the file.
func (in instruction) place(at int) (line, column int) {
	line, column = in.line, 1
	for _, p := range in.parts {
		if p.at <= at {
			line, column = p.line, p.column+at-p.at
		}
	}
	return line, column
}

// A word is one of an instruction's text.
type word struct {
	text string
	at   int // in the instruction's text
}

// fields are the words of a text, from an offset on.
func fields(text string, from int) (words []word) {
	for _, m := range notBlank.FindAllStringIndex(text[from:], -1) {
		words = append(words, word{text[from+m[0] : from+m[1]], from + m[0]})
	}
	return words
}

var notBlank = regexp.MustCompile(`\S+`)

var (
	directive = regexp.MustCompile(`(?i)^#[ \t]*(syntax|check|escape)[ \t]*=[ \t]*(.+?)[ \t]*$`)
	heredoc   = regexp.MustCompile(`^[0-9]*<<(-?)\s*([^<]*)$`)
	blank     = regexp.MustCompile(`[\t\v\f\r ]+`)
)

// readInstructions takes a Dockerfile apart, as BuildKit's parser does, which package
// pins may not know.
func readInstructions(text string) (all []instruction) {
	lines := strings.Split(text, "\n")
	goesOn := continuation(lines)
	for i := 0; i < len(lines); i++ {
		raw := uncommented(lines[i])
		start := strings.TrimLeftFunc(raw, unicode.IsSpace)
		line, more := cutEnd(start, goesOn)
		if line == "" && !more {
			continue
		}
		in := instruction{line: i + 1, parts: []textPart{{0, i + 1, len(raw) - len(start) + 1}}}
		body := line
		for more && i+1 < len(lines) {
			i++ // comments, and empty lines, may lie between
			if line = uncommented(lines[i]); strings.TrimSpace(line) != "" {
				in.parts = append(in.parts, textPart{len(body), i + 1, 1})
				line, more = cutEnd(line, goesOn)
				body += line
			}
		}
		in.split(body)
		if in.takesHeredocs() {
			i = afterHeredocs(lines, i, in.text)
		}
		all = append(all, in)
	}
	return all
}

// split takes an instruction's name off its text.
func (in *instruction) split(body string) {
	trimmed := strings.TrimLeft(body, " \t\v\f\r\n")
	name := trimmed
	if m := blank.FindStringIndex(trimmed); m != nil {
		name = trimmed[:m[0]]
	}
	in.name = strings.ToUpper(strings.TrimSpace(name))
	rest := strings.TrimLeftFunc(trimmed[len(name):], unicode.IsSpace)
	in.text = strings.TrimRightFunc(rest, unicode.IsSpace)
	for i := range in.parts {
		in.parts[i].at -= len(body) - len(rest)
	}
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

// takesHeredocs says whether << in an instruction's text names a text in the lines that
// follow it: in that of RUN, COPY and ADD, alone or behind ONBUILD, unless it is in JSON.
func (in instruction) takesHeredocs() bool {
	name, text := in.name, in.text
	if name == "ONBUILD" {
		var on instruction
		on.split(text)
		name, text = on.name, on.text
	}
	if name != "RUN" && name != "COPY" && name != "ADD" || !strings.Contains(text, "<<") {
		return false
	}
	_, words := options(text)
	if len(words) == 0 {
		return true
	}
	var list []string
	return json.Unmarshal([]byte(text[words[0].at:]), &list) != nil
}

// afterHeredocs is the number of the last line of what an instruction has in its place
// (Docker's documentation, "Here-Documents"); i is that of its own last line.
func afterHeredocs(lines []string, i int, text string) int {
	for _, word := range lexed(text, true) {
		m := heredoc.FindStringSubmatch(word)
		if m == nil {
			continue
		}
		name := lexed(m[2], false)
		if len(name) != 1 {
			continue
		}
		for i++; i < len(lines); i++ {
			line := strings.TrimRight(lines[i], "\r")
			if m[1] != "" {
				line = strings.TrimLeft(line, "\t")
			}
			if line == name[0] {
				break
			}
		}
	}
	return i
}

// lexed are the words of a text by the rules of Dockerfiles, variables left as they
// are; raw ones keep their quotes and escapes. A text with a quote that does not end has
// none.
func lexed(text string, raw bool) []string {
	lex := dockerfile.NewLex('\\')
	lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = raw, raw, true
	words, err := lex.ProcessWords(text, dockerfile.EnvsFromSlice(nil))
	if err != nil {
		return nil
	}
	return words
}

// options are the --NAME=VALUE before an instruction's words.
func options(text string) (flags map[string]string, words []word) {
	flags = map[string]string{}
	words = fields(text, 0)
	for len(words) > 0 && strings.HasPrefix(words[0].text, "--") {
		name, value, _ := strings.Cut(words[0].text[2:], "=")
		flags[name] += "," + value
		words = words[1:]
	}
	for name, value := range flags {
		flags[name] = strings.TrimPrefix(value, ",")
	}
	return flags, words
}
