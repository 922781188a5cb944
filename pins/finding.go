package pins

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Position is a place in a file that a person wrote. Lines and columns count
// from 1; a Line of 0 means the file as a whole.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"-"`
}

// String returns file:line, or the file alone where no line is known.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// A Severity says how much a finding matters: an error keeps the course from being
// locked, a warning tells of what may not be meant, a note of what is as it should
// be and good to know.
type Severity string

// The severities, from the least.
const (
	Note    Severity = "note"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// A Finding is something wrong with a course's files: where, by which rule,
// and what to do about it. Fatal findings keep the course from being locked.
type Finding struct {
	Position
	Rule    string `json:"rule"`
	Message string `json:"message"`
	Fatal   bool   `json:"fatal"`
	// Severity is error if the finding is fatal.
	Severity Severity `json:"level"`
	Source   string   `json:"source,omitempty"` // where it is known from: OWNER/REPOSITORY#N, or a path in it
	Subject  string   `json:"-"`                // what it is about, without versions, where findings are compared
}

// Error returns "file:line: message [source]".
func (f Finding) Error() string { return f.Position.String() + ": " + f.Text() }

// Text returns the message, and its source behind it.
func (f Finding) Text() string {
	if f.Source == "" {
		return f.Message
	}
	return f.Message + " [" + f.Source + "]"
}

// Findings is a list of findings. As an error it lists each on its own line.
type Findings []Finding

// Error returns every finding, a line each.
func (fs Findings) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Fatal returns the findings that keep the course from being locked.
func (fs Findings) Fatal() Findings {
	return slices.DeleteFunc(slices.Clone(fs), func(f Finding) bool { return !f.Fatal })
}

// Err returns the fatal findings as an error, or nil if there is none.
func (fs Findings) Err() error {
	if fatal := fs.Fatal(); len(fatal) > 0 {
		return fatal
	}
	return nil
}

// Sort sorts findings by file, line and message.
func (fs Findings) Sort() {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
}

// AtLeast returns the findings of a severity, or of a greater one.
func (fs Findings) AtLeast(least Severity) Findings {
	order := []Severity{Note, Warning, Error}
	return slices.DeleteFunc(slices.Clone(fs), func(f Finding) bool {
		return slices.Index(order, f.Severity) < slices.Index(order, least)
	})
}

func (fs *Findings) add(severity Severity, at Position, rule, format string, args []any) {
	*fs = append(*fs, Finding{Position: at, Rule: rule, Message: fmt.Sprintf(format, args...),
		Fatal: severity == Error, Severity: severity})
}

func (fs *Findings) fatal(at Position, rule, format string, args ...any) {
	fs.add(Error, at, rule, format, args)
}

func (fs *Findings) warn(at Position, rule, format string, args ...any) {
	fs.add(Warning, at, rule, format, args)
}

func (fs *Findings) note(at Position, rule, format string, args ...any) {
	fs.add(Note, at, rule, format, args)
}
