package bump

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/history"
)

// lab is a small world: lab 2 wants server 2, and widget 1 holds server back.
var lab = universe{
	"lab": {"1.0": "2023-01-01 server>=1", "1.0.1": "2023-02-01 server>=1", "1.1": "2023-03-01 server>=1",
		"2.0": "2023-06-01 server>=2"},
	"server": {"1.0": "2023-01-01", "1.1": "2023-02-01", "2.0": "2023-05-01"},
	"widget": {"1.0": "2023-01-01 server<2", "2.0": "2023-07-01 server>=2"},
	"alone":  {"1.0": "2023-01-01", "1.0.5": "2023-02-01"},
	"docs":   {"5.0": "2023-01-01 server<2"},
}

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]Target{
		"numpy": {Name: "numpy"}, "numpy=1.2": {Name: "numpy", Version: "1.2"},
		"numpy==1.2": {Name: "numpy", Version: "1.2"},
		"apt:git":    {Kind: pins.Deb, Name: "git"}, "conda:python=3.11": {Kind: pins.Conda, Name: "python",
			Version: "3.11"}, "@a/b=1": {Name: "@a/b", Version: "1"},
	} {
		if got, err := ParseTarget(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"numpy=", "numpy==", "numpy>=1", "numpy~=1"} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("%s: got %+v", text, got)
		}
	}
}

func TestSelect(t *testing.T) {
	c := courseOf(t, &fakeSolver{universe: lab}, "a", "pins: {pip: [lab==1.0, widget==1.0], npm: [], apt: []}\n")
	s, err := c.Select(parsed(t, "lab=1.1", "widget=1.0", "wdget", "server"))
	if err != nil {
		t.Fatal(err)
	}
	if got := text(s.Bumps); got != "lab=1.1" {
		t.Errorf("bumps %s", got)
	}
	if len(s.There) != 1 || s.There[0].Name != "widget" {
		t.Errorf("already there: %v", s.There)
	}
	if len(s.Absent) != 2 || s.Absent[0].Near != "widget" || s.Absent[1].Locked == nil ||
		s.Absent[1].Locked.Version != "1.1" {
		t.Errorf("absent: %+v", s.Absent)
	}
	if _, err := c.Select(parsed(t, "lab=1.1", "lab=2.0")); !errors.As(err, new(*TwiceError)) {
		t.Errorf("two versions of one package: %v", err)
	}
}

// A target with a version must mean one kind.
func TestSelectKinds(t *testing.T) {
	m, err := pins.ParseManifest("a/pins.yaml", []byte("base: oci-layout:x\npins: {pip: [six==1], apt: [six=1]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := &Course{Manifest: m, Lock: &pins.Lock{Platforms: []string{"linux/amd64"}}}
	if _, err := c.Select(parsed(t, "six=2")); !errors.As(err, new(*AmbiguousError)) {
		t.Errorf("got %v", err)
	}
	s, err := c.Select(parsed(t, "apt:six=2"))
	if err != nil || len(s.Bumps) != 1 || s.Bumps[0].Request.Kind != pins.Deb {
		t.Errorf("got %+v, %v", s, err)
	}
}

// Of two pins of a package with markers, the one that is locked holds.
func TestEffective(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml",
		[]byte("base: oci-layout:x\npins:\n  pip:\n    - numpy==1.21.6; python_version<'3.8'\n    - numpy==1.24.2; "+
			"python_version>='3.8'\n    - pandas==1.5.3; python_version>='3.8'\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := &Course{Manifest: m, Lock: &pins.Lock{Platforms: []string{"linux/amd64"}, Artifacts: []pins.Artifact{
		{Pin: pins.New(pins.Pip, "numpy", "1.24.2"), Platform: "linux/amd64", Use: pins.Install},
		{Pin: pins.New(pins.Pip, "pandas", "1.5.2"), Platform: "linux/amd64", Use: pins.Install}}}}
	got := c.effective(m.Requests)
	if len(got) != 2 || got[0].Version != "1.24.2" || got[1].Name != "pandas" {
		t.Errorf("got %v", got)
	}
}

func TestChoose(t *testing.T) {
	for name, test := range map[string]struct {
		manifest, targets, reach, want string
		stays                          int
	}{
		"latest, held back by widget": {"pins: {pip: [lab==1.0, widget==1.0]}\n", "lab", Latest, "lab=1.1", 0},
		"latest":                      {"pins: {pip: [lab==1.0]}\n", "lab", Latest, "lab=2.0", 0},
		"minor":                       {"pins: {pip: [lab==1.0]}\n", "lab", Minor, "lab=1.1", 0},
		"patch":                       {"pins: {pip: [lab==1.0]}\n", "lab", Patch, "lab=1.0.1", 0},
		"of the course's date":        {"as-of: 2023-02-15\npins: {pip: [lab==1.0]}\n", "lab", Latest, "lab=1.0.1", 0},
		"two together": {"pins: {pip: [lab==1.0, widget==1.0]}\n", "lab widget", Latest,
			"lab=2.0 widget=2.0", 0},
		"one named": {"pins: {pip: [lab==1.0, alone==1.0]}\n", "lab=1.0.1 alone", Latest,
			"lab=1.0.1 alone=1.0.5", 0},
		"stays": {"pins: {pip: [docs==5.0, lab==1.0]}\n", "docs lab", Latest, "lab=1.1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := bumping(t, courseOf(t, &fakeSolver{universe: lab}, "a", test.manifest),
				strings.Fields(test.targets)...)
			stays, err := Choose(t.Context(), []*Bumping{p}, test.reach)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(p.Bumps); got != test.want || len(stays) != test.stays {
				t.Errorf("got %s and %v, want %s", got, stays, test.want)
			}
		})
	}
}

// A pin in a file that two courses share goes as far as both allow.
func TestChooseShared(t *testing.T) {
	s := &fakeSolver{universe: lab}
	free, held := courseOf(t, s, "a", "pins: {pip: [lab==1.0]}\n"),
		courseOf(t, s, "a", "pins: {pip: [lab==1.0, widget==1.0]}\n")
	all := []*Bumping{bumping(t, free, "lab"), bumping(t, held, "lab")}
	if _, err := Choose(t.Context(), all, Latest); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if got := text(p.Bumps); got != "lab=1.1" {
			t.Errorf("got %s", got)
		}
	}
}

// unseen shows nothing.
func unseen(*Outcome, error) error { return nil }

func TestTry(t *testing.T) {
	s := &fakeSolver{universe: lab, overlaps: pins.Findings{{Message: "both own x"}}}
	c := courseOf(t, s, "a", "pins:\n  pip: [lab==1.0, alone==1.0] # a comment\n")
	p := bumping(t, c, "lab=2.0")
	shown := 0
	out, err := Try(t.Context(), []*Bumping{p}, func(*Outcome, error) error { shown++; return nil })
	if err != nil || len(out) != 1 || shown != 1 {
		t.Fatalf("got %v, %v; shown %d times", out, err, shown)
	}
	if got := string(
		out[0].Edited["a/pins.yaml"]); got != "course: a\nbase: oci-layout:x\npins:\n  pip: [lab==2.0, alone==1.0] # a comment\n" {
		t.Errorf("edited to\n%s", got)
	}
	if got := locked(out[0].Lock); got != "alone=1.0 lab=2.0 server=2.0" {
		t.Errorf("locked %s", got)
	}
	if len(out[0].Overlaps) != 1 {
		t.Error("what overlaps is not told")
	}
	if got := locked(c.Lock); got != "alone=1.0 lab=1.0 server=2.0" {
		t.Errorf("the course's own lock was changed: %s", got)
	}
}

// What is not asked for stays, although newer versions exist.
func TestTryKeeps(t *testing.T) {
	c := courseOf(t, &fakeSolver{universe: lab}, "a", "as-of: 2023-01-15\npins: {pip: [lab==1.0, alone]}\n")
	p := bumping(t, c, "lab=1.0.1")
	p.AsOf = "2023-12-31"
	out, err := Try(t.Context(), []*Bumping{p}, unseen)
	if err != nil {
		t.Fatal(err)
	}
	if got := locked(out[0].Lock); got != "alone=1.0 lab=1.0.1 server=1.0" {
		t.Errorf("locked %s", got)
	}
	if !strings.Contains(string(out[0].Edited["a/pins.yaml"]), "as-of: 2023-12-31") {
		t.Errorf("edited to\n%s", out[0].Edited["a/pins.yaml"])
	}
}

// Where one course can't be bumped, none is.
func TestAllOrNothing(t *testing.T) {
	s := &fakeSolver{universe: lab}
	good, bad := courseOf(t, s, "a", "pins: {pip: [lab==1.0]}\n"),
		courseOf(t, s, "b", "pins: {pip: [lab==1.0, {pin: docs==5.0, need: hard}]}\n")
	var shown []string
	out, err := Try(t.Context(), []*Bumping{bumping(t, good, "lab=2.0"), bumping(t, bad, "lab=2.0")},
		func(o *Outcome, err error) error {
			shown = append(shown, fmt.Sprintf("%s %t", o.Course.Manifest.Dir, err == nil))
			return nil
		})
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Dir != "b" || out != nil {
		t.Fatalf("got %v, %v", out, err)
	}
	if strings.Join(shown, ", ") != "a true, b false" {
		t.Errorf("shown: %v", shown)
	}
	s.failing = errDown
	if _, err := Try(t.Context(), []*Bumping{bumping(t, good, "lab=2.0")}, unseen); !errors.Is(err, errDown) ||
		errors.As(err, &refusal) && refusal.Dir == "a" {
		t.Errorf("an index that is down is told as %v", err)
	}
}

func TestAdvice(t *testing.T) {
	for name, test := range map[string]struct {
		manifest, target string
		check            func(*Advice) bool
	}{
		"as-of alone": {"as-of: 2023-05-15\npins: {pip: [lab==1.0]}\n", "lab=2.0",
			func(a *Advice) bool { return a.Date == "2023-06-01" }},
		"as-of, and another would have to move": {"as-of: 2023-05-15\npins: {pip: [lab==1.0, widget==1.0]}\n", "lab=2.0",
			func(a *Advice) bool { return a.Possible && a.Date != "" && text(a.Moves) == "widget=2.0" }},
		"another would have to move": {"pins: {pip: [lab==1.0, widget==1.0]}\n", "lab=2.0",
			func(a *Advice) bool {
				return a.Possible && text(a.Moves) == "widget=2.0" && len(a.Gone) == 0 && a.Lock != nil
			}},
		"a hard one would have to move": {"pins: {pip: [lab==1.0, {pin: widget==1.0, need: hard}]}\n", "lab=2.0",
			func(a *Advice) bool { return a.Possible && text(a.Moves) == "widget=2.0" }},
		"one would have to be removed": {"pins: {pip: [lab==1.0, docs]}\n", "lab=2.0",
			func(a *Advice) bool { return a.Possible && len(a.Gone) == 1 && a.Gone[0].Name == "docs" }},
		"no such version": {"pins: {pip: [lab==1.0, server==1.1]}\n", "lab=1.0.9", func(a *Advice) bool {
			return len(a.Around) == 1 && a.Around[0].Below == "1.0.1" && a.Around[0].Above == "1.1" &&
				a.Around[0].Sibling == ""
		}},
		"a sibling's number": {"pins: {pip: [lab==1.0, lab-extra==7.0]}\n", "lab=7.0",
			func(a *Advice) bool { return len(a.Around) == 1 && a.Around[0].Sibling == "lab-extra" }},
	} {
		t.Run(name, func(t *testing.T) {
			world := universe{"lab-extra": {"7.0": "2023-01-01"}}
			for n, v := range lab {
				world[n] = v
			}
			c := courseOf(t, &fakeSolver{universe: world}, "a", test.manifest)
			_, err := Try(t.Context(), []*Bumping{bumping(t, c, test.target)}, unseen)
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Advice == nil || !test.check(refusal.Advice) {
				t.Errorf("got %v, advice %+v", err, refusal.Advice)
			}
		})
	}
}

// What an extended base holds no other pin can change: there is nothing to advise.
func TestHeld(t *testing.T) {
	s := &fakeSolver{universe: lab}
	c := courseOf(t, s, "a", "pins: {pip: [lab==1.0]}\n")
	p := bumping(t, c, "lab=2.0")
	s.failing = &pins.NoSolution{Text: "the base holds lab 1.0", Held: true}
	_, err := Try(t.Context(), []*Bumping{p}, unseen)
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Advice != nil || s.solves.Load() != 1 {
		t.Errorf("got %v after %d solves", err, s.solves.Load())
	}
}

// A fakePast remembers events by package.
type fakePast map[string][]history.Event

func (p fakePast) Of(_ context.Context, name string) ([]history.Event, error) {
	if p == nil {
		return nil, errors.New("no repository")
	}
	return p[name], nil
}

func (p fakePast) Together(_ context.Context, name string, _ []history.Event) ([]history.Companion, int, error) {
	if name == "lab" {
		return []history.Companion{{Name: "server", Times: 2}, {Name: "unpinned", Times: 2}}, 3, nil
	}
	return nil, 0, nil
}

// A version that was tried and reverted, a companion, and a reason that speaks of
// the version that goes.
func TestNotes(t *testing.T) {
	c := courseOf(t, &fakeSolver{universe: lab}, "a",
		"pins: {pip: [{pin: lab==1.0, why: 1.0 is what the book uses}, server==1.1]}\n")
	event := func(commit, from, to string) history.Event {
		return history.Event{Commit: commit, File: "a/pins.yaml", Kind: pins.Pip, Before: from, Version: to}
	}
	past := fakePast{"lab": {event("222222222222", "1.0", "1.1"), event("333333333333", "1.1", "1.0")}}
	var got []string
	for _, n := range bumping(t, c, "lab=1.1").Notes(t.Context(), past) {
		switch {
		case n.Reason:
			got = append(got, "reason")
		case n.Trial != nil:
			got = append(got, "tried "+n.Request.Version+" in "+n.Trial.Tried.Commit[:3]+", back in "+
				n.Trial.Reverted.Commit[:3])
		case n.Companion != nil:
			got = append(got, "with "+n.Companion.Name)
		}
	}
	if want := "reason; tried 1.1 in 222, back in 333; with server"; strings.Join(got, "; ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if notes := bumping(t, c, "lab=1.1", "server=1.0").Notes(t.Context(), past); len(notes) != 2 {
		t.Errorf("a companion that comes along is spoken of: %+v", notes)
	}
	if notes := bumping(t, c, "lab=1.1").Notes(t.Context(), fakePast(nil)); len(notes) != 1 {
		t.Errorf("without a repository: %+v", notes)
	}
}

func TestOutlook(t *testing.T) {
	s := &fakeSolver{universe: lab}
	c := courseOf(t, s, "a", "as-of: 2023-12-31\npins: {pip: [lab==1.0, widget==1.0, alone==1.0.5]}\n")
	pinned, absent := c.Versioned(nil)
	if len(pinned) != 3 || len(absent) != 0 {
		t.Fatalf("pins %v, absent %v", pinned, absent)
	}
	told := 0
	rows, err := c.Outlook(t.Context(), c.Manifest.AsOf, pinned, func(n, all int, _ pins.Request) {
		if told++; n != told || all != 2 {
			t.Errorf("progress %d of %d", n, all)
		}
	})
	if err != nil || len(rows) != 2 {
		t.Fatalf("got %+v, %v", rows, err)
	}
	if n := s.solves.Load(); n != 3 { // lab up to the latest and within 1.0, widget up to the latest
		t.Errorf("%d solves", n)
	}
	steps := func(r Row) string {
		return r.Steps[0].Version + "|" + r.Steps[1].Version + "|" + r.Steps[2].Version + "|" + r.Newest.Version
	}
	if got := steps(rows[0]); got != "1.0.1|1.1||2.0" || rows[0].Steps[1].Published.Format("01-02") != "03-01" {
		t.Errorf("lab: %s, %v", got, rows[0].Steps)
	}
	if got := steps(rows[1]); got != "||2.0|2.0" {
		t.Errorf("widget: %s", got)
	}
	early, err := pins.ParseDate("2023-02-15")
	if err != nil {
		t.Fatal(err)
	}
	if rows, err = c.Outlook(t.Context(), early, pinned, func(int, int, pins.Request) {}); err != nil ||
		len(rows) != 1 || steps(rows[0]) != "1.0.1|||1.0.1" {
		t.Errorf("in February: %+v, %v", rows, err)
	}
	if c.Manifest.AsOf.Text != "2023-12-31" {
		t.Error("the manifest was changed")
	}
	s.failing = errDown
	if _, err := c.Outlook(t.Context(), c.Manifest.AsOf, pinned, func(int, int, pins.Request) {}); !errors.Is(err,
		errDown) {
		t.Errorf("an index that is down: %v", err)
	}
}

func TestWithout(t *testing.T) {
	for name, test := range map[string]struct {
		manifest, pin, want string
	}{
		"not needed, and something moves": {"pins: {pip: [lab==1.0, {pin: server==1.0, need: solver}]}\n", "server",
			"moved server 1.0→2.0"},
		"not needed, and nothing moves": {"pins: {pip: [lab==1.0, {pin: alone==1.0.5, need: solver}]}\n",
			"alone", "moved"},
		"nothing resolves": {"pins: {pip: [{pin: broken==1.0, need: solver}, lab==1.0]}\n",
			"broken", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &fakeSolver{universe: universe{"broken": {"1.0": "2023-01-01", "2.0": "2023-02-01 missing"}}}
			for n, v := range lab {
				s.universe[n] = v
			}
			c := courseOf(t, s, "a", test.manifest)
			if test.want == "none" {
				delete(s.universe["broken"], "1.0")
			}
			v, err := c.Without(t.Context(), c.Manifest.Pinned(test.pin)[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := verdict(v); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// A pin is needed if without it a hard pin's package goes elsewhere.
func TestWithoutHard(t *testing.T) {
	s := &fakeSolver{universe: lab}
	c := courseOf(t, s, "a", "pins: {pip: [{pin: server, need: hard}, {pin: docs==5.0, need: solver}]}\n")
	s.universe = universe{"server": lab["server"], "docs": {"6.0": "2023-08-01 server>=2"}}
	v, err := c.Without(t.Context(), c.Manifest.Pinned("docs")[0])
	if err != nil || v.Hard == nil || v.Hard.Name != "server" || !v.Needed() {
		t.Errorf("got %+v, %v", v, err)
	}
}

func verdict(v *Verdict) string {
	switch {
	case v.None != nil:
		return "none"
	case v.Hard != nil:
		return "hard " + v.Hard.Name
	}
	text := "moved"
	for _, m := range v.Moved {
		text += " " + m.Name + " " + m.From + "→" + m.To
	}
	return text
}

func TestCandidates(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml",
		[]byte("base: oci-layout:x\npins: {pip: [a==1, {pin: b==1, need: solver}, c]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := Candidates(m, nil); err != nil || len(got) != 1 || got[0].Name != "b" {
		t.Errorf("got %v, %v", got, err)
	}
	got, passed, err := Candidates(m, []string{"A", "c"}) // c has no version: the others are tried
	if err != nil || len(got) != 1 || got[0].Name != "a" || len(passed) != 1 || passed[0].Pin.Name != "c" {
		t.Errorf("got %v, passed %v, %v", got, passed, err)
	}
	if got, _, err := Candidates(m, []string{"x"}); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestCarry(t *testing.T) {
	s := &fakeSolver{universe: lab}
	from := courseOf(t, s, "a", "pins: {pip: [lab==1.1, alone==1.0.5, server==1.1]}\n")
	const to = "pins: {pip: [lab==1.0, alone==1.0, server, widget==1.0]}\n"
	for name, test := range map[string]struct {
		manifest string
		names    []string
		locked   bool
		want     string
	}{
		"all that both pin":       {to, nil, true, "lab=1.1 alone=1.0.5"},
		"without a lock":          {to, nil, false, "lab=1.1 alone=1.0.5"},
		"by name, a range too":    {to, []string{"Server"}, true, "server=1.1"},
		"what must be the same":   {to + "sync: {with: ../a, rules: [{same: [\"al*\"]}]}\n", nil, true, "alone=1.0.5"},
		"nothing differs":         {"pins: {pip: [lab==1.1]}\n", nil, true, ""},
		"what the other lacks":    {to, []string{"widget"}, true, ""},
		"an equal version, spelt": {"pins: {pip: [lab==1.1.0]}\n", nil, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := pins.ParseManifest("b/pins.yaml", []byte("base: oci-layout:x\n"+test.manifest))
			if err != nil {
				t.Fatal(err)
			}
			lock := from.Lock
			if !test.locked {
				lock = nil
			}
			var got []string
			for _, target := range Carry(from.Manifest, lock, m, test.names) {
				got = append(got, target.Name+"="+target.Version)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}

// A bump that has no solution is shown too: what people know of it helps then most.
// A failure to show it does not hide the refusal.
func TestTryShowsRefusals(t *testing.T) {
	c := courseOf(t, &fakeSolver{universe: lab}, "a", "pins: {pip: [{pin: lab==1.0, why: 1.0 and no other}]}\n")
	p := bumping(t, c, "lab=9.9")
	var notes []Note
	_, err := Try(t.Context(), []*Bumping{p}, func(o *Outcome, err error) error {
		if !errors.As(err, new(*Refusal)) {
			t.Errorf("shown with %v", err)
		}
		notes = o.Notes(t.Context(), fakePast(nil))
		return errDown
	})
	if !errors.As(err, new(*Refusal)) {
		t.Errorf("got %v", err)
	}
	if len(notes) != 1 || !notes[0].Reason {
		t.Errorf("notes: %v", notes)
	}
}

// A course is touched by bumps of a file that it shares, and by a date that stands
// there.
func TestTouched(t *testing.T) {
	s := &fakeSolver{universe: lab}
	dated := "as-of: 2023-01-15\npins: {pip: [lab==1.0]}\n"
	for _, test := range []struct {
		name, shared string // the file of the other course's pin, or of its date
		asOf         string
		want         bool
	}{
		{"another file", "b/pins.yaml", "2023-06-01", false},
		{"a shared pin", "shared.yaml", "", true},
		{"a shared date", "shared.yaml", "2023-06-01", true},
	} {
		a, b := courseOf(t, s, "a", dated), courseOf(t, s, "b", dated)
		a.Manifest.Sources = append(a.Manifest.Sources, pins.Source{Name: "shared.yaml"})
		other := bumping(t, b, "lab=2.0")
		if test.asOf == "" {
			other.Bumps[0].Request.At.File = test.shared
		} else {
			b.Manifest.AsOf.At.File = test.shared
		}
		p := &Bumping{Course: a, AsOf: test.asOf}
		if got := p.Touched([]*Bumping{p, other}); got != test.want {
			t.Errorf("%s: got %t", test.name, got)
		}
		if !other.Touched([]*Bumping{p, other}) && test.name == "another file" {
			t.Error("a course is not touched by its own bump")
		}
	}
}

// Another build, channel or commit of the same version is a move; another spelling
// of a version is none.
func TestMoved(t *testing.T) {
	lock := func(list ...pins.Pin) *pins.Lock {
		l := &pins.Lock{Platforms: []string{"linux/amd64"}}
		for _, p := range list {
			l.Artifacts = append(l.Artifacts, pins.Artifact{Pin: p, Platform: "linux/amd64", Use: pins.Install})
		}
		return l
	}
	pin := func(kind pins.Kind, name, version string, d pins.Detail) pins.Pin {
		p := pins.New(kind, name, version)
		p.Detail = d
		return p
	}
	for name, test := range map[string]struct {
		a, b pins.Pin
		want string
	}{
		"a build": {pin(pins.Conda, "numpy", "1.0", pins.Detail{Build: "h1_0", Channel: "main"}),
			pin(pins.Conda, "numpy", "1.0", pins.Detail{Build: "h2_0", Channel: "main"}),
			"moved numpy 1.0 h1_0 main→1.0 h2_0 main"},
		"a commit": {pin(pins.Pip, "store", "0.1", pins.Detail{Commit: "aaaa"}),
			pin(pins.Pip, "store", "0.1", pins.Detail{Commit: "bbbb"}), "moved store 0.1 aaaa→0.1 bbbb"},
		"a spelling": {pin(pins.Pip, "a", "1.0", pins.Detail{}), pin(pins.Pip, "a", "1.0.0", pins.Detail{}), "moved"},
		"a version": {pin(pins.Pip, "a", "1.0", pins.Detail{}), pin(pins.Pip, "a", "1.1", pins.Detail{}),
			"moved a 1.0→1.1"},
		"nothing": {pin(pins.Conda, "a", "1.0", pins.Detail{Build: "0"}),
			pin(pins.Conda, "a", "1.0", pins.Detail{Build: "0"}), "moved"},
	} {
		if got := verdict(&Verdict{Moved: moved(lock(test.a), lock(test.b))}); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
	if got := verdict(&Verdict{Moved: moved(lock(pins.New(pins.Pip, "a", "1.0")), lock())}); got != "moved a 1.0→" {
		t.Errorf("one that goes: %s", got)
	}
}

// A base is bumped to another tag, or to what its tag means by now; the lock that comes
// of it is made on that, and with the course's scripts recorded.
func TestBumpImage(t *testing.T) {
	for targets, want := range map[string]string{"h/base": "h/base=1", "h/base:1": "h/base:1=1", "h/base=2": "h/base=2",
		"image:h/base=2": "image:h/base=2"} {
		c := courseOf(t, &fakeSolver{universe: lab}, "a", "pins: {pip: [lab==1.0]}\n")
		m, err := pins.ParseManifest("a/pins.yaml", []byte("course: a\nbase: h/base:1\npins: {pip: [lab==1.0]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		base, err := pins.ParseImage("h/base:1")
		if err != nil {
			t.Fatal(err)
		}
		base.At = m.Base.At
		m.Dir, m.Listed, c.Manifest = "a", []pins.Request{base}, m
		renewed := 0
		c.Renew = func(_ context.Context, m *pins.Manifest) (*Course, error) {
			renewed++
			other := *c
			other.Options.BaseDigest = "sha256:" + strings.Repeat("c", 64)
			return &other, nil
		}
		p := bumping(t, c, targets)
		if _, err := Choose(t.Context(), []*Bumping{p}, Latest); err != nil {
			t.Fatal(err)
		}
		_, version, _ := strings.Cut(want, "=")
		if got := text(p.Bumps); got != "h/base="+version {
			t.Errorf("%s: bumps %s", targets, got)
		}
		var out *Outcome
		outcomes, err := Try(t.Context(), []*Bumping{p}, func(o *Outcome, err error) error { out = o; return err })
		if err != nil || len(outcomes) != 1 || renewed != 1 {
			t.Fatalf("%s: %v, renewed %d times", targets, err, renewed)
		}
		if !strings.Contains(string(out.Edited["a/pins.yaml"]), "base: h/base:"+version+"\n") ||
			out.Lock.Base != "sha256:"+strings.Repeat("c", 64) {
			t.Errorf("%s: wrote %q, locked on %s", targets, out.Edited["a/pins.yaml"], out.Lock.Base)
		}
	}
}

// What a script installs has to be bumped to a version that is named.
func TestChooseUnresolved(t *testing.T) {
	c := courseOf(t, &fakeSolver{universe: lab}, "a", "pins: {pip: [lab==1.0]}\n")
	c.Manifest.Listed = []pins.Request{{Pin: pins.New(pins.R, "ggplot2", "3.4.1"), Spec: "ggplot2@3.4.1",
		At: pins.Position{File: "a/install.R", Line: 3}}}
	_, err := Choose(t.Context(), []*Bumping{bumping(t, c, "ggplot2")}, Latest)
	var unresolved *UnresolvedError
	if !errors.As(err, &unresolved) || !strings.Contains(err.Error(), "a/install.R:3: ggplot2 is installed by a script") ||
		!strings.Contains(err.Error(), "ggplot2=VERSION") {
		t.Errorf("got %v", err)
	}
	if tried, passed, err := Candidates(c.Manifest, []string{"ggplot2"}); err != nil || len(tried) > 0 || len(passed) != 1 {
		t.Errorf("minimize tries %v, and passes %v: %v", tried, passed, err)
	}
	if pinned, absent := c.Versioned(parsed(t, "ggplot2")); len(pinned)+len(absent) > 0 {
		t.Errorf("outdated asks for %v, and misses %v", pinned, absent)
	}
}
