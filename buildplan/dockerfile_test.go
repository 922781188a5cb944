package buildplan_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// dockerfiles are of forms that are easily misread.
var dockerfiles = []string{
	"FROM a\nRUN b\n",
	"from a\nrun b && \\\n  # c\n\n  d\nRUN e\\\nf\n",
	"# escape=`\nFROM a\nRUN b `\n c\nRUN d:\\\nRUN e\n",
	"# syntax=x/y\n# escape=`\nFROM a\nRUN b `\n c\n",
	"# a comment\n# escape=`\nFROM a\nRUN b \\\n c\n",
	"FROM a\nRUN <<EOF\nFROM b\nRUN c\nEOF\nRUN d\n",
	"FROM a\nRUN <<-EOF\n\tRUN c\n\tEOF\nRUN d\n",
	"FROM a\nRUN <<'A' cat <<\"B\"\nRUN c\nA\nRUN d\nB\nRUN e\n",
	"FROM a\nCOPY <<A <<B /x/\nRUN c\nA\nRUN d\nB\nRUN e\n",
	"FROM a\nRUN tr b <<<c\nRUN echo $((1<<n)) '<<X'\nRUN 3<<E cat\nRUN\nE\nRUN d\n",
	"FROM a\nRUN b \\\\\nRUN c\n",
	"FROM a\nRUN b \\ \t\n c\nRUN d\n",
	"FROM a\r\nRUN b \\\r\n c\r\nRUN d\r\n",
	"FROM a\nRUN [\"b\", \"c\\\\\"]\n   RUN d\n\tRUN\te\n",
	"FROM a\nRUN --mount=type=cache,target=/x <<EOF b\nRUN c\nEOF\nRUN d",
	"\n\n  # x\n\nFROM a AS b\nFROM b\nRUN c \\\n\\\nRUN d\n",
	"FROM a\nRUN b \\",
	"FROM a\nRUN cat << EOF\nRUN c\nEOF\nRUN cat << \"E F\"\nRUN c\nE F\nRUN d\n",
	"FROM a\nRUN echo \"a <<X b\" 'c <<Y'\nRUN d \\<<X\nRUN e <<-\nRUN f <<\nRUN g\n",
	"FROM a\nONBUILD RUN <<E\nRUN c\nE\nONBUILD RUN [\"b\", \"<<E\"]\nRUN d\n",
	"FROM a\nRUN [ b = c ] || cat <<E [ d ]\nRUN e\nE\nRUN --network=none [\"b\", \"<<E\"]\nRUN f\n",
	"FROM a\nRUN <<-\f>OF\n\tRUN\n",
	"FROM a\nRUN cat <<\"$X\" <<${Y:-E\nRUN c\n",
	"\rFROM a\r\n\vRUN b\r\n \\\n  RUN c\n\\\\\nRUN\r",
}

// runLines are the lines of RUN by the judge, BuildKit's own parser; ok is false for what
// it refuses.
func runLines(text string) (lines []int, ok bool) {
	result, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, false
	}
	for _, n := range result.AST.Children {
		if strings.EqualFold(n.Value, "run") {
			lines = append(lines, n.StartLine)
		}
	}
	return lines, true
}

// scriptLines are those by package pins, which has no BuildKit.
func scriptLines(t *testing.T, dir, text string) (lines []int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m, _ := pins.ReadCourse(dir)
	if m == nil {
		return nil
	}
	for _, s := range m.Scripts {
		lines = append(lines, s.At.Line)
	}
	return lines
}

// A Dockerfile's RUN instructions are where BuildKit has them.
func TestDockerfileLines(t *testing.T) {
	dir := t.TempDir()
	for _, text := range dockerfiles {
		want, ok := runLines(text)
		if !ok {
			t.Errorf("%q is none of BuildKit's", text)
		}
		if diff := cmp.Diff(want, scriptLines(t, dir, text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func FuzzDockerfileLines(f *testing.F) {
	for _, text := range dockerfiles {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // pins refuses it with a finding
		}
		if want, ok := runLines(text); ok {
			if got := scriptLines(t, dir, text); !slices.Equal(want, got) {
				t.Errorf("%q: RUN at %v, BuildKit has %v", text, got, want)
			}
		}
	})
}
