package pins

import (
	"bytes"
	"fmt"
	"strings"
)

// A Conflict is a place of a file that git could not merge: the lines of the one
// side and of the other, first and last, counted from 1. A side without lines has
// a last line before its first.
type Conflict struct {
	File         string
	Ours, Theirs [2]int
}

// Conflicts are those of a file. As an error it names each.
type Conflicts []Conflict

// Error implements error, a line for each conflict.
func (cs Conflicts) Error() string {
	var lines []string
	for _, c := range cs {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", c.File, c.line(), c.message()))
	}
	return strings.Join(lines, "\n")
}

// line is that of the marker above the first side.
func (c Conflict) line() int { return c.Ours[0] - 1 }

func (c Conflict) message() string {
	side := func(lines [2]int) string {
		switch {
		case lines[1] < lines[0]:
			return "no line"
		case lines[0] == lines[1]:
			return fmt.Sprintf("line %d", lines[0])
		}
		return fmt.Sprintf("lines %d to %d", lines[0], lines[1])
	}
	return fmt.Sprintf("git could not merge this: %s on the one side, %s on the other", side(c.Ours), side(c.Theirs))
}

// FindConflicts returns what git could not merge in a file (git's documentation,
// git-merge, "How conflicts are presented"), in its merge, diff3 and zdiff3
// styles.
func FindConflicts(file string, data []byte) (found Conflicts) {
	var c Conflict
	const outside, ours, base, theirs = 0, 1, 2, 3
	state, n := outside, 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimRight(line, "\r\n")
		switch marker := conflictMarker(line); {
		case marker == '<' && state == outside:
			state, c = ours, Conflict{File: file, Ours: [2]int{n + 1, n}}
		case marker == '|' && state == ours:
			state, c.Ours[1] = base, n-1
		case marker == '=' && (state == ours || state == base):
			if state == ours {
				c.Ours[1] = n - 1
			}
			state, c.Theirs = theirs, [2]int{n + 1, n}
		case marker == '>' && state == theirs:
			state, c.Theirs[1] = outside, n-1
			found = append(found, c)
		}
	}
	return found
}

// conflictMarker is the character of which a line that git leaves in a file
// begins with seven; 0 for any other line.
func conflictMarker(line []byte) byte {
	if len(line) < 7 || len(line) > 7 && line[7] != ' ' {
		return 0
	}
	first := line[0]
	if strings.IndexByte("<|=>", first) < 0 || !bytes.Equal(line[:7], bytes.Repeat([]byte{first}, 7)) {
		return 0
	}
	return first
}

// MergedArtifacts returns the artifacts that the lines of a lock tell of which git
// could not merge, of both sides; what is no artifact's line is passed over.
func MergedArtifacts(data []byte) (all []Artifact) {
	for line := range strings.Lines(string(data)) {
		words := strings.Split(strings.TrimRight(line, "\r\n"), " ")
		if len(words) != 9 && len(words) != 10 {
			continue
		}
		if a, err := parseArtifact(words); err == nil {
			all = append(all, a)
		}
	}
	return all
}
