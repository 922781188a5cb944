package pins_test

import (
	_ "embed"
	"reflect"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestParseConda(t *testing.T) {
	for _, test := range []struct{ spec, name, version, constraint, build, channel string }{
		{"git", "git", "", "", "", ""},
		{"python==3.10.8", "python", "3.10.8", "==3.10.8", "", ""},
		{"nodejs=16", "nodejs", "16", "=16", "", ""},
		{"ipykernel = 6.19.4", "ipykernel", "6.19.4", "=6.19.4", "", ""},
		{"numpy=1.21.*", "numpy", "", "=1.21.*", "", ""},
		{"python==3.11.*", "python", "", "==3.11.*", "", ""},
		{"SQLAlchemy>=1.4,<2", "sqlalchemy", "", ">=1.4,<2", "", ""},
		{"pandas 1.5.3", "pandas", "1.5.3", "1.5.3", "", ""},
		{"pandas 1.5.3 py310h123_0", "pandas", "1.5.3", "1.5.3", "py310h123_0", ""},
		{"pandas=1.5.3=py310h123_0", "pandas", "1.5.3", "==1.5.3", "py310h123_0", ""},
		{"conda-forge::blas=*=openblas", "blas", "", "==*", "openblas", "conda-forge"},
		{"numpy[version='>=1.21,<2',build=py310*]", "numpy", "", ">=1.21,<2", "py310*", ""},
		{"jupyter_server==2.2.1", "jupyter_server", "2.2.1", "==2.2.1", "", ""},
	} {
		r, err := pins.ParseConda(test.spec)
		got := [5]string{r.Name, r.Version, r.Constraint, r.Build, r.Channel}
		if want := [5]string{test.name, test.version, test.constraint, test.build, test.channel}; err != nil ||
			got != want {
			t.Errorf("%q: got %q, %v, want %q", test.spec, got, err, want)
		}
	}
	for spec, want := range map[string]string{
		"scipy=1.11.":                 "ends with a dot: write 1.11 or 1.11.*",
		"jupytext==master":            "master is the name of a branch",
		"leafmap[maplibre]==0.46.0":   "extras only for pip",
		"ibis-framework[pandas,duck]": "extras only for pip",
		"numpy=1.*.2":                 "a * stands at the end only",
		"numpy==":                     "not a condition",
		"numpy>=1,,<2":                "not a condition",
		"numpy[version=1 2]":          "is not KEY=VALUE",
		"numpy[md5=abc]":              "can't lock by md5",
		"git+https://x.test/y.git":    "pip: takes",
		"altair–4":                    "typographic dash",
		"=1.0":                        "is not a conda package",
		"x==1!2!3":                    "epoch",
		"":                            "is not a conda package",
	} {
		if _, err := pins.ParseConda(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", spec, err, want)
		}
	}
}

// What is put together for the solver is read as what was written.
func TestMatchSpec(t *testing.T) {
	for spec, want := range map[string]string{
		"git": "git", "pandas=1.5.3=py310h123_0": "pandas ==1.5.3 py310h123_0",
		"conda-forge::blas=*=openblas":            "conda-forge::blas ==* openblas",
		"numpy[version='>=1.21,<2',build=py310*]": "numpy >=1.21,<2 py310*", "x[version='*',build=b_0]": "x * b_0",
		"nodejs = 16": "nodejs =16",
	} {
		r, err := pins.ParseConda(spec)
		if err != nil || r.MatchSpec() != want {
			t.Errorf("%q: got %q, %v, want %q", spec, r.MatchSpec(), err, want)
		}
		again, err := pins.ParseConda(r.MatchSpec())
		if again.Spec = r.Spec; err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%q: %q is read as %+v, %v", spec, r.MatchSpec(), again, err)
		}
	}
}

func FuzzParseConda(f *testing.F) {
	for _, s := range []string{"a=1.2=b_0", "c::a[version='>=1,<2|3.*',build=x]", "a ~= 1.4", "a==1!2.dev_+3.4"} {
		f.Add(s, "1.2.3")
	}
	f.Fuzz(func(t *testing.T, spec, version string) {
		r, err := pins.ParseConda(spec)
		if err != nil {
			return
		}
		if _, err := pins.Conda.Scheme().Satisfies("1.2", r.Constraint); err != nil {
			t.Errorf("%q: %q is taken for a constraint: %v", spec, r.Constraint, err)
		}
		_, _ = pins.Conda.Scheme().Satisfies(version, r.Constraint)
	})
}
