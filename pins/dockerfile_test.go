package pins_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// dockerfiles are the cases of TestDockerfiles.
var dockerfiles = map[string]struct {
	text string
	want string
}{
	"plain": {"FROM debian:12\nRUN echo\n", "base debian:12\nimage debian:12\nrun 2"},
	"variables": {"ARG V=12\nARG W\nFROM debian:${V}\nRUN echo\nFROM a${X:-b}$V\n",
		"base ab12\nimage debian:12\nimage ab12\nrun 4"},
	"no value": {"ARG V\nFROM debian:$V\n", "base debian:\nimage debian:\n" +
		"fatal 2 debian:$V: ARG V has no value: write ARG V=VALUE before FROM"},
	"doubled": {"ARG A=0123456789\n" + strings.Repeat("ARG A=$A$A\n", 30) + "FROM a:$A\n",
		"base a:\nimage a:\nfatal 10 the value is longer than 4096 characters"},
	"stages": {"FROM a AS one\nFROM one as Two\nFROM two\nCOPY --from=one /x /x\nCOPY --from=0 /x /y\n" +
		"COPY --from=other:1 /z /z\n", "base a\nimage a\nimage other:1"},
	"continued": {"from a\nRUN one && \\\n  # a comment\n\n  two \\\n  three\nRUN four\\\nfive\n",
		"base a\nimage a\nrun 2\nrun 7"},
	"here": {"FROM a\nRUN <<EOF\nFROM b\nRUN c\nEOF\nCOPY <<-\"X\" /y\n\tRUN d\n\tX\nRUN e\n",
		"base a\nimage a\nrun 2\nrun 9"},
	"no heredoc": {"FROM a\nRUN tr a b <<<hello\nRUN echo $((1<<n)) '<<X'\nRUN x\n", "base a\nimage a\nrun 2\nrun 3\nrun 4"},
	"escaped":    {"FROM a\nRUN echo a \\\\\nRUN b\n", "base a\nimage a\nrun 2\nrun 3"},
	"arguments":  {"ARG A=1\nARG B=base:$A\nFROM h/${B}\n", "base h/base:1\nimage h/base:1"},
	"mounts": {"FROM a AS b\nRUN --mount=type=cache,target=/c --mount=from=uv:1,source=/uv,target=/uv x\n" +
		"RUN --mount=from=b,target=/y x\n", "base a\nimage a\nimage uv:1\nrun 2\nrun 3"},
	"apt's options": {"FROM a\nRUN apt-get install -y -t backports -o A::B=1 git curl/backports tzdata:amd64 # for data\n",
		"base a\nimage a\nrun 2\nasks 2 deb git\nasks 2 deb curl\nasks 2 deb tzdata:amd64"},
	"escape":  {"# escape=`\nFROM a\nRUN x `\n  y\nRUN c:\\\n", "base a\nimage a\nrun 3\nrun 5"},
	"ends":    {"FROM a\nRUN x \\", "base a\nimage a\nrun 2"},
	"windows": {"FROM a\r\nRUN x \\\r\n y\r\nRUN z\r\n", "base a\nimage a\nrun 2\nrun 4"},
	"platform": {"FROM --platform=linux/amd64 a AS b\nFROM b\n",
		"base a\nimage a"},
	"scratch": {"FROM scratch\nCOPY x /\n", "fatal 1 the image starts from nothing: driftpin needs an image that " +
		"has a shell and perl, as Debian's and Ubuntu's have"},
	"nothing": {"# nothing\n", "fatal 1 there is no FROM: name the image that it starts from"},
	"onbuild": {"FROM a\nONBUILD RUN x\n", "base a\nimage a\nfatal 2 ONBUILD is for images that others build on: take it out"},
	"add": {"ARG V=2\nFROM a AS b\nARG V\nENV W=3 X=${V}1\nADD https://example.test/x-$V /x\nADD x.tar /\n" +
		"FROM b\nADD --checksum=sha256:" + digestA[8:] + " https://example.test/${W}/y${X} /x\n",
		"base a\nimage a\nadds 5 https://example.test/x-2\nadds 8 https://example.test/3/y21"},
	"add what is not known": {"ARG V=2\nFROM a\nADD https://example.test/x-$V /x\nADD https://e.test/x.git /x\n" +
		"ADD git@e.test:x/y /x\nADD https://u:p@e.test/x /x\nADD https://e.test/x?token=1 /x\n", "base a\nimage a\n" +
		"fatal 3 ADD https://example.test/x-$V: driftpin does not know the variables in the address: write it out, or " +
		"set them by ARG NAME=VALUE in this stage\n" +
		"fatal 4 ADD of a git repository can't be locked yet: clone it in RUN, which is recorded\n" +
		"fatal 5 ADD of a git repository can't be locked yet: clone it in RUN, which is recorded\n" +
		"fatal 6 ADD: the address holds a user or a password, which would stand in the lock: put them into ~/.netrc\n" +
		"fatal 7 ADD: the address holds a secret by its parameter token, which would stand in the lock: name an address " +
		"without"},
	"apt": {"FROM a\nRUN apt-get update -qq && \\\n apt-get install --yes git less=1.2 $(cat x) /tmp/y.deb > /dev/null && " +
		"apt install tini; pip install apt\n",
		"base a\nimage a\nrun 2\nasks 3 deb git\nasks 3 deb less=1.2\nasks 3 deb tini"},
	"apt's other words": {"FROM a\nRUN apt-get -y --no-install-recommends install git 2>/dev/null\nRUN apt-get -o A=install purge x\n" +
		"RUN xargs apt-get install -y < apt.txt; echo apt-get install foo\nRUN sudo apt install -y 'tini' foo- bar+ $X \"a$X\"\n",
		"base a\nimage a\nrun 2\nrun 3\nrun 4\nrun 5\nasks 2 deb git\nasks 5 deb tini\nasks 5 deb bar"},
	"add twice": {"FROM a\nADD https://e.test/x /a\nADD --checksum=sha256:" + digestA[8:] + " https://e.test/x /b\n" +
		"ADD --checksum=sha256:" + strings.Repeat("b", 64) + " https://e.test/x /c\nADD --checksum=$S https://e.test/y /d\n",
		"base a\nimage a\nadds 2 https://e.test/x\nfatal 4 ADD: https://e.test/x is asked for at DIR/Dockerfile:2 too, with " +
			"another --checksum: keep one\nfatal 5 ADD --checksum=$S: driftpin does not know the variables in it: write it out"},
	"a folder": {"FROM a\nCOPY . /srv/\n", "base a\nimage a\nasks 2 deb tmux\nasks 1 pip idna==3.3"},
	"JSON":     {"FROM a\nCOPY [\"requirements.txt\",\"/x/\"]\n", "base a\nimage a\nasks 1 pip idna==3.3"},
	"pattern":  {"FROM a\nCOPY re*.txt /x/\n", "base a\nimage a\nasks 1 pip idna==3.3"},
	"copied":   {"FROM a\nCOPY requirements.txt apt.txt /tmp/\n", "base a\nimage a\nasks 1 pip idna==3.3\nasks 2 deb tmux"},
}

// What a Dockerfile says: its images, the base, RUN instructions, what it asks for
// and what is wrong, a line each.
func TestDockerfiles(t *testing.T) {
	for name, test := range dockerfiles {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"Dockerfile": test.text, "requirements.txt": "idna==3.3\n",
				"apt.txt": "# x\ntmux\n"})
			m, err := pins.ReadCourse(dir)
			if m == nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, strings.ReplaceAll(said(m), dir, "DIR")); diff != "" {
				t.Error(diff)
			}
			if len(m.Requests) > 0 {
				t.Errorf("it would resolve %v", m.Requests)
			}
		})
	}
}

// said is what a Dockerfile says, a line each.
func said(m *pins.Manifest) string {
	var b strings.Builder
	if m.Base.Value != "" {
		fmt.Fprintln(&b, "base", m.Base.Value)
	}
	for _, i := range m.Images {
		fmt.Fprintln(&b, "image", i.Value)
	}
	for _, s := range m.Scripts {
		fmt.Fprintln(&b, "run", s.At.Line)
		if s.Name != fmt.Sprint("Dockerfile:", s.At.Line) {
			fmt.Fprintln(&b, "named", s.Name)
		}
	}
	for _, r := range m.Listed {
		if r.Kind != pins.FromImage { // TestEditListed has those
			fmt.Fprintln(&b, "asks", r.At.Line, r.Kind, r.Spec)
		}
	}
	for _, d := range m.Downloads {
		fmt.Fprintln(&b, "adds", d.At.Line, d.URL)
	}
	for _, f := range m.Findings.Fatal() {
		fmt.Fprintln(&b, "fatal", f.Line, f.Message)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func FuzzDockerfile(f *testing.F) {
	f.Add("FROM a\nRUN x \\\n  y\n")
	f.Add("# escape=`\nARG V=1\nFROM ${V:-a} AS b\nCOPY --from=c <<EOF /x\nEOF\nADD http://x /y")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		m, _ := pins.ReadCourse(dir)
		if m == nil {
			return
		}
		lines := strings.Count(text, "\n") + 1
		last := 0
		for _, s := range m.Scripts {
			if s.At.Line <= last || s.At.Line > lines {
				t.Errorf("RUN at %d after %d, of %d lines", s.At.Line, last, lines)
			}
			last = s.At.Line
		}
	})
}
