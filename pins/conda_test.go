package pins_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// The table of conda's documentation of its version ordering: each line is
// above the one before, or equal where it begins with =.
const condaOrder = `0.4
=0.4.0
0.4.1.rc
=0.4.1.RC
0.4.1
0.5a1
0.5b3
0.5C1
0.5
0.9.6
0.960923
1.0
1.1dev1
1.1_
1.1a1
1.1.0dev1
=1.1.dev1
1.1.a1
1.1.0rc1
1.1.0
=1.1
1.1.0post1
=1.1.post1
1.1post1
1996.07.12
1!0.4.1
1!3.1.1.6
2!0.4.1`

func TestCondaOrder(t *testing.T) {
	lines := strings.Split(condaOrder, "\n")
	rank := make([]int, len(lines))
	for i, line := range lines {
		if i > 0 {
			rank[i] = rank[i-1]
			if !strings.HasPrefix(line, "=") {
				rank[i]++
			}
		}
		lines[i] = strings.TrimPrefix(line, "=")
	}
	for i, a := range lines {
		for j, b := range lines {
			want := 0
			if rank[i] < rank[j] {
				want = -1
			} else if rank[i] > rank[j] {
				want = 1
			}
			if got := pins.CompareVersions(pins.Conda, a, b); got != want {
				t.Errorf("%s against %s: got %d, want %d", a, b, got, want)
			}
		}
	}
	// The trick for openssl, and the local version.
	for _, ordered := range [][]string{{"1.0.1_", "1.0.1a", "1.0.1g"}, {"1.0", "1.0+1", "1.0+1.1", "1.0.1"}, {"2.0-1", "2.0-2"}} {
		for i := 1; i < len(ordered); i++ {
			if pins.CompareVersions(pins.Conda, ordered[i-1], ordered[i]) != -1 {
				t.Errorf("%s is not below %s", ordered[i-1], ordered[i])
			}
		}
	}
}

func TestSatisfies(t *testing.T) {
	for _, test := range []struct {
		kind                pins.Kind
		version, constraint string
		want                bool
	}{
		{pins.Conda, "3.10.8", "==3.10.8", true},
		{pins.Conda, "3.10.8", "=3.10", true},
		{pins.Conda, "3.1", "=3.10", false},
		{pins.Conda, "1.10", "=1.1", false},
		{pins.Conda, "1.2.3", "1.2.*", true},
		{pins.Conda, "1.20", "1.2*", false},
		{pins.Conda, "1.2", "==1.2.0", true},
		{pins.Conda, "3.9.16", "==3.9", false},
		{pins.Conda, "3.9.16", "==3.9.*", true},
		{pins.Conda, "1.5", ">=1,<2", true},
		{pins.Conda, "2.0", ">=1,<2|>=3", false},
		{pins.Conda, "3.1", ">=1,<2|>=3", true},
		{pins.Conda, "1.4.9", "~=1.4.2", true},
		{pins.Conda, "1.5", "~=1.4.2", false},
		{pins.Conda, "1.4", "!=1.4.*", false},
		{pins.Conda, "1.2rc1", "=1.2rc", true},
		{pins.Conda, "9", "*", true},
		{pins.Pip, "6.2", "==6.2.0", true},
		{pins.Pip, "6.3", ">=6.2,<6.3", false},
		{pins.Pip, "1.25.3", "==1.25.*", true},
		{pins.Npm, "1.2.9", "^1.2.0", true},
		{pins.Npm, "2.0.0", "~1.2", false},
		{pins.Deb, "1:2.3-4", "=1:2.3-4", true},
		{pins.Deb, "1:2.3-4", "=1:2.3-5", false},
		{pins.Deb, "1", "", true},
	} {
		if got, err := pins.Satisfies(test.kind, test.version, test.constraint); err != nil || got != test.want {
			t.Errorf("%s %s against %s: got %t, %v", test.kind, test.version, test.constraint, got, err)
		}
	}
}

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
		if want := [5]string{test.name, test.version, test.constraint, test.build, test.channel}; err != nil || got != want {
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
		"git": "git", "pandas=1.5.3=py310h123_0": "pandas ==1.5.3 py310h123_0", "conda-forge::blas=*=openblas": "conda-forge::blas ==* openblas",
		"numpy[version='>=1.21,<2',build=py310*]": "numpy >=1.21,<2 py310*", "x[version='*',build=b_0]": "x * b_0", "nodejs = 16": "nodejs =16",
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
		if _, err := pins.Satisfies(pins.Conda, "1.2", r.Constraint); err != nil {
			t.Errorf("%q: %q is taken for a constraint: %v", spec, r.Constraint, err)
		}
		_, _ = pins.Satisfies(pins.Conda, version, r.Constraint)
	})
}
