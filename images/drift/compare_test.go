package drift_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// owned is a package whose files another one brings.
func owned(p installed.Package, kind pins.Kind, name string) installed.Package {
	p.Owner = &installed.Owner{Kind: kind, Name: name}
	return p
}

// told writes changes briefly.
func told(changes []drift.Change) (lines []string) {
	for _, c := range changes {
		text := fmt.Sprintf("%s %s %s %s→%s", c.Change, c.Kind, c.Name, or(c.A), or(c.B))
		if c.Was != nil && c.Was.Kind != c.Kind {
			text += fmt.Sprintf(" (%s, down %v)", c.Level, c.Down)
		}
		if c.Was != nil {
			text += fmt.Sprintf(" was %s %s %s", c.Was.Kind, c.Was.Name, c.Was.Where)
		}
		for _, b := range c.Brings {
			text += fmt.Sprintf(" brings %s %s %s→%s", b.Kind, b.Name, or(b.A), or(b.B))
		}
		lines = append(lines, text)
	}
	return lines
}

const env = "/opt/conda"

func conda(name, version string) installed.Package { return pkg(pins.Conda, name, version, env) }

func pip(name, version string) installed.Package { return pkg(pins.Pip, name, version, env) }

// of is a package of pip's that one of conda's brings.
func of(name, version, owner string) installed.Package {
	return owned(pip(name, version), pins.Conda, owner)
}

type list = []installed.Package

// What belongs to another package counts with that, and moves are one change.
func TestMoves(t *testing.T) {
	for name, test := range map[string]struct {
		a, b list
		want []string
	}{
		"with its owner": {list{conda("numpy", "1.0"), of("numpy", "1.0", "numpy")}, list{conda("numpy", "1.1"),
			of("numpy", "1.1", "numpy")},
			[]string{"changed conda numpy 1.0→1.1 brings pip numpy 1.0→1.1"}},
		"added with its owner": {nil, list{conda("numpy", "1.0"), of("numpy", "1.0", "numpy")},
			[]string{"added conda numpy -→1.0 brings pip numpy -→1.0"}},
		"removed with its owner": {list{conda("numpy", "1.0"), of("numpy", "1.0", "numpy")}, nil,
			[]string{"removed conda numpy 1.0→- brings pip numpy 1.0→-"}},
		"pip to conda": {list{pip("torch", "2.0")}, list{conda("pytorch", "2.1"), of("torch", "2.1", "pytorch")},
			[]string{"changed conda pytorch 2.0→2.1 (minor, down false) was pip torch " + env}},
		"pip to conda, same version": {list{pip("torch", "2.0")}, list{conda("pytorch", "2.0"),
			of("torch", "2.0", "pytorch")},
			[]string{"changed conda pytorch 2.0→2.0 (build, down false) was pip torch " + env}},
		"conda to pip": {list{conda("pytorch", "2.1"), of("torch", "2.1", "pytorch")}, list{pip("torch", "2.2")},
			[]string{"changed pip torch 2.1→2.2 (minor, down false) was conda pytorch " + env}},
		"pip over conda": {list{conda("numpy", "1.0"), of("numpy", "1.0", "numpy")}, list{conda("numpy", "1.0"),
			pip("numpy", "1.1")},
			[]string{"changed pip numpy 1.0→1.1"}},
		"another name": {list{pkg(pins.Deb, "python3-old", "1", ""), owned(pkg(pins.Pip, "x", "1", "/usr"), pins.Deb,
			"python3-old")},
			list{pkg(pins.Deb, "python3-new", "1", ""), owned(pkg(pins.Pip, "x", "1", "/usr"), pins.Deb,
				"python3-new")}, nil},
		"another name and version": {list{pkg(pins.Deb, "python3-old", "1", ""),
			owned(pkg(pins.Pip, "x", "1", "/usr"), pins.Deb, "python3-old")},
			list{pkg(pins.Deb, "python3-new", "2", ""), owned(pkg(pins.Pip, "x", "2", "/usr"), pins.Deb,
				"python3-new")},
			[]string{"changed deb python3-new 1→2 was deb python3-old  brings pip x 1→2"}},
		"deb to pip, of the same version": {list{pkg(pins.Deb, "python3-numpy", "1:1.19.5-1", ""),
			owned(pkg(pins.Pip, "numpy", "1.19.5", "/usr"), pins.Deb, "python3-numpy")},
			list{pkg(pins.Pip, "numpy", "1.19.5", "/usr")},
			[]string{"changed pip numpy 1:1.19.5-1→1.19.5 (build, down false) was deb python3-numpy "}},
		"what is brought brings": {list{pkg(pins.Deb, "d", "1", ""), owned(pkg(pins.Pip, "p", "1", "/usr"), pins.Deb,
			"d"), owned(pkg(pins.LabExtension, "l", "1", "/usr"), pins.Pip, "p")},
			list{pkg(pins.Deb, "d", "2", ""), owned(pkg(pins.Pip, "p", "2", "/usr"), pins.Deb, "d"),
				owned(pkg(pins.LabExtension, "l", "2", "/usr"), pins.Pip, "p")},
			[]string{"changed deb d 1→2 brings pip p 1→2 brings labextension l 1→2"}},
		"environment": {list{pkg(pins.Pip, "six", "1", "/a")}, list{pkg(pins.Pip, "six", "2", "/b")},
			[]string{"changed pip six 1→2 was pip six /a"}},
		"two of one name": {list{pkg(pins.Pip, "six", "1", "/a"), pkg(pins.Pip, "six", "1", "/c")},
			list{pkg(pins.Pip, "six", "2", "/b")},
			[]string{"removed pip six 1→-", "added pip six -→2", "removed pip six 1→-"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "another name" {
				test.want = []string{"removed deb python3-old 1→-", "added deb python3-new -→1"}
			}
			got := told(drift.Compare(test.a, test.b))
			slices.Sort(got)
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// An environment at another place is no change of its packages.
func TestRenamedEnvironment(t *testing.T) {
	var a, b []installed.Package
	for i := range 8 {
		a = append(a, pkg(pins.Pip, fmt.Sprint("p", i), "1", "/srv/env"))
		b = append(b, pkg(pins.Pip, fmt.Sprint("p", i), "1", "/opt/env"))
	}
	b[3].Version = "2"
	a = append(a, pkg(pins.Npm, "x", "1", "/srv/env/lib"))
	b = append(b, pkg(pins.Npm, "x", "1", "/opt/env/lib"))
	if diff := cmp.Diff([]string{"changed pip p3 1→2 was pip p3 /srv/env"}, told(drift.Compare(a, b))); diff != "" &&
		len(drift.Compare(a, b)) != 1 {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]drift.Rename{{From: "/srv/env", To: "/opt/env", Packages: 8}},
		drift.Renamed(a, b)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPolicy(t *testing.T) {
	rules, err := pins.ParsePolicy("p.yaml", []byte(`sync:
  rules:
    - {same: ["*"], why: one image}
    - {may-differ: ["jupyter*"], until: 2023-06-01}
    - {may-differ: [bokeh]}
    - {not-older: [jupyterhub]}
    - {forbidden: [Boken]}
`))
	if err != nil {
		t.Fatal(err)
	}
	a := []installed.Package{pkg(pins.Pip, "jupyterlab", "3.6.1", "/e"), pkg(pins.Pip, "bokeh", "2", "/e"),
		pkg(pins.Pip, "jupyterhub", "4", "/e"), pkg(pins.Pip, "six", "1", "/e")}
	b := []installed.Package{pkg(pins.Pip, "jupyterlab", "3.6.3", "/e"), pkg(pins.Pip, "bokeh", "3", "/e"),
		pkg(pins.Pip, "jupyterhub", "3", "/e"), pkg(pins.Pip, "boken", "1", "/e"), pkg(pins.Pip, "six", "1.0", "/e")}
	check := func(today string, holdsA bool, want ...string) {
		t.Helper()
		now, err := time.Parse(time.DateOnly, today)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range (drift.Policy{Rules: rules, Today: now, HoldsA: holdsA}).Breaches(drift.Compare(a, b), a, b) {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %s", x.Line, x.Rule, x.Name)))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", today, diff)
		}
	}
	check("2023-06-01", false, "3 same boken", "7 forbidden boken")
	check("2023-06-02", false, "3 same boken", "3 same jupyterhub", "3 same jupyterlab", "4 expired",
		"6 not-older jupyterhub", "7 forbidden boken")
	check("2023-06-02", true, "3 same boken", "3 same jupyterhub", "3 same jupyterlab", "4 expired")
	if _, err := pins.ParsePolicy("p.yaml", []byte("rules: []\n")); err == nil || !strings.Contains(err.Error(),
		"p.yaml:1") {
		t.Errorf("no sync: %v", err)
	}
}

// A policy is about what packages bring, too.
func TestPolicyOfBrought(t *testing.T) {
	rules, err := pins.ParsePolicy("p.yaml", []byte("sync:\n  rules:\n    - {not-older: [numpy]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	side := func(version string) []installed.Package {
		brought := pkg(pins.Pip, "numpy", version, "/e")
		brought.Owner = &installed.Owner{Kind: pins.Conda, Name: "numpy-base"}
		return []installed.Package{pkg(pins.Conda, "numpy-base", version, "/e"), brought}
	}
	a, b := side("2.0"), side("1.9")
	changes := drift.Compare(a, b)
	got := drift.Policy{Rules: rules}.Breaches(changes, a, b)
	if len(changes) != 1 || len(got) != 1 || got[0].Kind != pins.Pip || got[0].Where != "/e" {
		t.Errorf("%d changes, %+v", len(changes), got)
	}
}

func pkg(kind pins.Kind, name, version, where string) installed.Package {
	p := installed.Package{Pin: pins.New(kind, name, version)}
	p.Where = where
	return p
}

func TestCompare(t *testing.T) {
	commit := pkg(pins.Pip, "tmpystore", "0.0.1", "/opt/env")
	commit.Commit = "84765e1"
	other := commit
	other.Commit = "1111111"
	a := []installed.Package{pkg(pins.Pip, "tornado", "6.2.0", "/opt/env"), pkg(pins.Pip, "bokeh", "2.4.3",
		"/opt/env"), pkg(pins.Pip, "six", "1", "/usr"), pkg(pins.Deb, "git", "1:2.39-1", ""), commit}
	b := []installed.Package{pkg(pins.Pip, "tornado", "6.2", "/opt/env"), pkg(pins.Pip, "bokeh", "3.0.3", "/opt/env"),
		pkg(pins.Pip, "six", "1", "/opt/env"), pkg(pins.Deb, "git", "1:2.38-1", ""), other}
	var got []string
	for _, c := range drift.Compare(a, b) {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(text))
	}
	want := []string{
		`{"kind":"deb","name":"git","where":"","change":"changed","a":"1:2.39-1","b":"1:2.38-1","level":"minor",` +
			`"down":true}`,
		`{"kind":"pip","name":"bokeh","where":"/opt/env","change":"changed","a":"2.4.3","b":"3.0.3","level":"major"}`,
		`{"kind":"pip","name":"six","where":"/opt/env","change":"changed","a":"1","b":"1","was":{"kind":"pip",` +
			`"name":"six","where":"/usr"},"level":"build"}`,
		`{"kind":"pip","name":"tmpystore","where":"/opt/env","change":"changed","a":"0.0.1","b":"0.0.1",` +
			`"aDetail":{"commit":"84765e1"},"bDetail":{"commit":"1111111"},"level":"build"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if changes := drift.Compare(a, a); len(changes) != 0 {
		t.Errorf("an inventory differs from itself: %v", changes)
	}
}

func ExampleCompare() {
	a := []installed.Package{{Pin: pins.New(pins.Pip, "jupyterlab", "3.6.1")}}
	b := []installed.Package{{Pin: pins.New(pins.Pip, "jupyterlab", "4.0.11")}}
	for _, c := range drift.Compare(a, b) {
		fmt.Println(c.Name, *c.A, *c.B, c.Level)
	}
	// Output: jupyterlab 3.6.1 4.0.11 major
}

func or(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// What scripts bring takes the place of what the lock installs, and may be of several
// versions in one place: npm's aliases.
func TestLockPackages(t *testing.T) {
	at := func(kind pins.Kind, name, version, where string) pins.Pin {
		p := pins.New(kind, name, version)
		p.Where = where
		return p
	}
	l := &pins.Lock{Platforms: []string{"linux/amd64"}, Artifacts: []pins.Artifact{
		{Pin: pins.New(pins.Pip, "idna", "3.3"), Platform: "linux/amd64", Use: pins.Install},
		{Pin: pins.New(pins.Pip, "gone", "1"), Platform: "linux/amd64", Use: pins.Install}},
		Recordings: []pins.Recording{
			{Script: "a", Removed: []pins.Pin{at(pins.Pip, "gone", "1", pins.Env)}, Brought: []pins.Pin{
				at(pins.Npm, "string-width", "4.2.3", "/x"), at(pins.Npm, "string-width", "5.1.2", "/x"),
				at(pins.Pip, "idna", "3.4", pins.Env)}},
			{Script: "b", Brought: []pins.Pin{at(pins.Pip, "idna", "3.5", pins.Env)}}}}
	var got []string
	for _, p := range drift.LockPackages(l) {
		got = append(got, p.Name+" "+p.Version)
	}
	if want := "string-width 4.2.3, string-width 5.1.2, idna 3.5"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
