package pins

import (
	"regexp"
	"strings"
	"unicode"
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
