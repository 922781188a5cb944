package version_test

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins/version"
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
			if got := version.Conda.Compare(a, b); got != want {
				t.Errorf("%s against %s: got %d, want %d", a, b, got, want)
			}
		}
	}
	// The trick for openssl, and the local version.
	for _, ordered := range [][]string{{"1.0.1_", "1.0.1a", "1.0.1g"}, {"1.0", "1.0+1", "1.0+1.1", "1.0.1"},
		{"2.0-1", "2.0-2"}} {
		for i := 1; i < len(ordered); i++ {
			if version.Conda.Compare(ordered[i-1], ordered[i]) != -1 {
				t.Errorf("%s is not below %s", ordered[i-1], ordered[i])
			}
		}
	}
}

func TestSatisfies(t *testing.T) {
	for _, test := range []struct {
		kind                version.Scheme
		version, constraint string
		want                bool
	}{
		{version.Conda, "3.10.8", "==3.10.8", true},
		{version.Conda, "3.10.8", "=3.10", true},
		{version.Conda, "3.1", "=3.10", false},
		{version.Conda, "1.10", "=1.1", false},
		{version.Conda, "1.2.3", "1.2.*", true},
		{version.Conda, "1.20", "1.2*", false},
		{version.Conda, "1.2", "==1.2.0", true},
		{version.Conda, "3.9.16", "==3.9", false},
		{version.Conda, "3.9.16", "==3.9.*", true},
		{version.Conda, "1.5", ">=1,<2", true},
		{version.Conda, "2.0", ">=1,<2|>=3", false},
		{version.Conda, "3.1", ">=1,<2|>=3", true},
		{version.Conda, "1.4.9", "~=1.4.2", true},
		{version.Conda, "1.5", "~=1.4.2", false},
		{version.Conda, "1.4", "!=1.4.*", false},
		{version.Conda, "1.2rc1", "=1.2rc", true},
		{version.Conda, "9", "*", true},
		{version.PEP440, "6.2", "==6.2.0", true},
		{version.PEP440, "6.3", ">=6.2,<6.3", false},
		{version.PEP440, "1.25.3", "==1.25.*", true},
		{version.Semver, "1.2.9", "^1.2.0", true},
		{version.Semver, "2.0.0", "~1.2", false},
		{version.Dpkg, "1:2.3-4", "=1:2.3-4", true},
		{version.Dpkg, "1:2.3-4", "=1:2.3-5", false},
		{version.Dpkg, "1", "", true},
	} {
		if got, err := test.kind.Satisfies(test.version, test.constraint); err != nil || got != test.want {
			t.Errorf("%s %s against %s: got %t, %v", test.kind, test.version, test.constraint, got, err)
		}
	}
}
