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

// rFolder is a course whose Dockerfile copies a file of R's source.
func rFolder(source string) map[string]string {
	return map[string]string{"Dockerfile": "FROM a\nCOPY install.R /tmp/\n", "install.R": source}
}

// What R's source installs, in the forms that are known; what is computed is not
// guessed.
func TestR(t *testing.T) {
	for name, test := range map[string]struct{ source, want string }{
		"packages": {`install.packages("shiny", repos = "x"); install.packages(c('a', "b"))`, "1 shiny, 1 a, 1 b"},
		"version":  {"remotes::install_version(\"a\", version = \"1.2-3\")\ndevtools::install_version('b', '2')", "1 a@1.2-3, 2 b@2"},
		"github": {"devtools::install_github('o/r', ref='v1', quiet=TRUE)\ninstall_github(c('o/p@abc', 'o/q'))",
			"1 github::o/r@v1, 2 github::o/p@abc, 2 github::o/q"},
		"pairs":    {"libs = c(\n  \"a\", \"1\", # why\n  \"b\", \"2\"\n)\nclass_libs_install_version(\"c\", libs)", "2 a@1, 3 b@2"},
		"here":     {"class_libs_install_version('c', c('a', '1.0'))", "1 a@1.0"},
		"defined":  {"class_libs_install_version <- function(x, class_libs) {\n install_version(package_name, version)\n}", ""},
		"computed": {"install.packages(paste0('a', 'b'))\ninstall.packages(x[1])\ninstall_version('a', get('v'))", "3 a"},
		"comments": {"# install.packages('a')\ninstall.packages('b') # install.packages('c')", "2 b"},
		"odd":      {"install.packages('a", ""},
		"escaped":  {`install.packages("a\"b")`, ""},
		"files": {"install.packages('https://e.test/foo_1.0.tar.gz', repos=NULL)\ninstall.packages('../x.tar.gz')\n" +
			"install.packages(c('foo.tar.gz', 'b'))", "3 b"},
		"a loop's own":  {"v <- '1.0'\nfor (v in c('2.0')) install_version('p', v)", "2 p"},
		"the other way": {"v <- '1'\n'2' -> v\ninstall_version('p', v)", "3 p"},
		"an element":    {"x <- c('a', '1')\nx[2] <- '2'\nclass_libs_install_version('c', x)", ""},
		"a raw text":    {"s <- r\"---(install.packages('q')\n)---\"\ninstall.packages('a')", "3 a"},
		"a name's part": {"x$y <- 1\nfor_each <- r\ninstall.packages('a')", "3 a"},
		"named":         {"install.packages(repos='x', pkgs='a')", "1 a"},
		"nested":        {"if (!require('a')) { suppressMessages(install.packages('a')) }", "1 a"},
		"loop": {"v <- c('a', '1',\n'b', '2')\nfor (i in seq(1, length(v), 2)) {\n" +
			"devtools::install_version(v[i], version = v[i + 1])\n}\nBiocManager::install(c('d'))\ninstall('e')",
			"1 a@1, 2 b@2, 6 d"},
		"overwritten":                {"v <- c('a')\nv <- 'b'\ninstall.packages(v)\nv <- f()\ninstall.packages(v)", "2 b"},
		"grown":                      {"v <- c('a', 'b')\nv <- c(v, 'c')\ninstall.packages(v)", "1 a, 1 b, 2 c"},
		"grown by what is not known": {"v <- c(w, 'c')\ninstall.packages(v)", ""},
		"of a call's own":            {"v = c('a')\nf(v = 'x')\ninstall.packages(v)", "1 a"},
		"a version's variable":       {"v <- '2'\ninstall_version('a', v)", "2 a@2"},
		"many lines":                 {"install.packages(\n'a'\n)", "2 a"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := pins.ReadCourse(write(t, rFolder(test.source)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range m.Listed {
				if r.Kind == pins.R {
					got = append(got, fmt.Sprint(r.At.Line, " ", r.Spec))
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(got, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzR(f *testing.F) {
	f.Add("a <- c('x', '1')\nclass_libs_install_version(b, a)")
	f.Add("devtools::install_github('o/r@v', ref=\"x\"); install_version('a', version='1'")
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(rFolder("")["Dockerfile"]), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if err := os.WriteFile(filepath.Join(dir, "install.R"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		m, _ := pins.ReadCourse(dir)
		if m == nil {
			return
		}
		for _, r := range m.Listed {
			if r.Name == "" || r.At.Line < 1 || r.At.Line > strings.Count(source, "\n")+1 {
				t.Errorf("%q at %d", r.Name, r.At.Line)
			}
		}
	})
}
