package pins_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

const (
	hashA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hashB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func exampleLock() *pins.Lock {
	l := &pins.Lock{
		Course: "stat159", AsOf: "2023-03-17", Base: "sha256:" + hashA, Platforms: []string{"linux/amd64"},
		Tools: []pins.Tool{{Name: "uv", Version: "0.13.9"}}, Inputs: map[pins.Kind]string{pins.Pip: "sha256:" + hashB},
		Artifacts: []pins.Artifact{
			{Pin: pins.New(pins.Pip, "tornado", "6.2"), Platform: "linux/amd64", File: "tornado-6.2.whl",
				SHA256: hashA, Size: 3, Use: pins.Install, Roots: []pins.Root{pins.PinRoot},
				By: []string{"jupyter-server"}},
			{Pin: pins.New(pins.Pip, "jupyter_server", "2.2.1"), Platform: "linux/amd64", File: "j.whl",
				SHA256: hashB, Size: 4, Use: pins.Install, By: []string{"jupyterlab"}},
			{Pin: pins.New(pins.Pip, "jupyterlab", "3.6.1"), Platform: "linux/amd64", File: "l.whl", SHA256: hashB,
				Size: 4, Use: pins.Install, Roots: []pins.Root{pins.PinRoot}},
			{Pin: pins.Pin{Kind: pins.Pip, Name: "tmpystore", Version: "0.0.1",
				Detail: pins.Detail{Commit: strings.Repeat("8", 40)}}, Platform: "linux/amd64",
				File: "t.whl", SHA256: hashB, Size: 5, Use: pins.Install, Roots: []pins.Root{pins.PinRoot},
				From: "git+https://github.com/x/tmpystore.git@" + strings.Repeat("8", 40)},
			{Pin: pins.New(pins.Deb, "git", "1:2.39"), Platform: "linux/amd64", File: "pool/main/g/git/git.deb",
				SHA256: hashA, Size: 9, Use: pins.Install, Roots: []pins.Root{pins.PinRoot, pins.PythonRoot}},
		},
	}
	l.Sort()
	return l
}

func TestLockRoundTrip(t *testing.T) {
	want := exampleLock()
	got, err := pins.ParseLock("pins.lock", []byte(want.String()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Build and channel of a conda package stand in its file's name.
func TestLockedConda(t *testing.T) {
	want := pins.Artifact{Pin: pins.New(pins.Conda, "ca-certificates", "2023.7.22"), Platform: "linux/amd64",
		SHA256: hashA, Size: 3, Use: pins.Install,
		Roots: []pins.Root{pins.PinRoot}, File: "pkgs/main/noarch/ca-certificates-2023.7.22-hbcca054_0.conda"}
	want.Build, want.Channel = "hbcca054_0", "pkgs/main"
	l := exampleLock()
	l.Artifacts = append(l.Artifacts, want)
	l.Sort()
	text := l.String()
	got, err := pins.ParseLock("pins.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := got.Find(pins.Conda, "ca-certificates", "linux/amd64")
	if diff := cmp.Diff(want, a); diff != "" || !a.Noarch() {
		t.Error(diff)
	}
	for _, file := range []string{"ca-certificates-2023.7.22-hbcca054_0.conda",
		"noarch/ca-certificates-2023.7.22-hbcca054_0.conda", "c/noarch/ca-certificates-2023.7.21-h_0.conda",
		"c/noarch/ca-certificates-2023.7.22-h_0.zip", "../c/noarch/ca-certificates-2023.7.22-h_0.conda", "c/noarch/"} {
		if _, err := pins.ParseLock("pins.lock", []byte(strings.Replace(text, want.File, file, 1))); err == nil {
			t.Errorf("%s was accepted", file)
		}
	}
}

// extendingLock is one of a course that extends an image.
func extendingLock() *pins.Lock {
	l := exampleLock()
	l.Environment = "/opt/conda"
	for _, k := range []pins.Kind{pins.Pip, pins.Conda} {
		l.Artifacts = append(l.Artifacts, pins.Artifact{Pin: pins.New(k, "idna", "3.3"), Platform: "linux/amd64",
			File: pins.HeldFile, SHA256: hashA, Use: pins.Held, By: []string{"jupyterlab"}})
	}
	l.Sort()
	return l
}

// What an extended base holds is in the image, and nothing installs it.
func TestLockedHeld(t *testing.T) {
	want := extendingLock()
	got, err := pins.ParseLock("pins.lock", []byte(want.String()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if a, ok := got.Find(pins.Pip, "idna", "linux/amd64"); !ok || a.Use != pins.Held ||
		len(got.Present("linux/amd64")) != len(got.Installed("linux/amd64"))+2 {
		t.Errorf("found %+v, %v", a, ok)
	}
	if chain, _ := pins.Why(nil, got, pins.Pip, "idna"); len(chain) != 2 || chain[0].Artifact.Name != "jupyterlab" {
		t.Errorf("the chain is %+v", chain)
	}
	for old, bad := range map[string]string{"pip idna 3.3 linux/amd64 base sha256:" + hashA +
		" 0 base": "pip idna 3.3 linux/amd64 base sha256:" + hashA + " 0 install",
		"environment /opt/conda": "environment opt/../conda"} {
		if _, err := pins.ParseLock("pins.lock", []byte(strings.Replace(want.String(), old, bad, 1))); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestBadLocks(t *testing.T) {
	text := exampleLock().String()
	lines := strings.SplitAfter(text, "\n")
	for name, test := range map[string]struct{ text, want string }{
		"empty": {"", "pins.lock:1: not a lock"},
		"other format": {strings.Replace(text, "driftpin-lock 1", "driftpin-lock 99", 1),
			"pins.lock:1: the lock was written by a newer driftpin"},
		"a later form": {strings.Replace(text, "driftpin-lock 1", "driftpin-lock 1.5", 1),
			"pins.lock:1: the lock was written by a newer driftpin"},
		"Windows": {strings.ReplaceAll(text, "\n", "\r\n"), "pins.lock:1: the lock has Windows line endings"},
		"a line doubled": {strings.Replace(text, lines[10], lines[10]+lines[10], 1),
			"pins.lock:11: the lock has two lines for"},
		"something else": {"# This file is written by Cargo.\nversion = 3\n", "pins.lock:1: not a driftpin lock"},
		"a field": {strings.Replace(text, "tornado 6.2 ", "tornado 6.3 ", 1),
			"pins.lock:8: the lock's checksum does not match its lines"},
		"two sides": {strings.Replace(text, lines[9], "<<<<<<< ours\n"+lines[9]+"=======\n"+lines[10]+lines[11]+
			">>>>>>> theirs\n", 1), "pins.lock:10: git could not merge this: line 11 on the one side, lines 13 to " +
			"14 on the other"},
		"cut short": {text[:len(text)-1], "cut short"},
		"cut in a line": {
			strings.Join(lines[:9], "") + lines[9][:40] + "\n", "pins.lock:10: "},
		"out of order": {strings.Join(append(append([]string{}, lines[:5]...), lines[6], lines[5]), "") +
			strings.Join(lines[7:], ""), "pins.lock:6: the lock is not as driftpin writes it"},
		"twice": {text + lines[len(lines)-2] + "x\n", "pins.lock:16: "},
		"lost line": {strings.Join(lines[:len(lines)-2], ""),
			"pins.lock:9: the lock has 4 artifacts, and this line says 5"},
		"merged":   {strings.Replace(text, lines[9], "<<<<<<< HEAD\n"+lines[9], 1), "is not a line of a lock"},
		"bad hash": {strings.Replace(text, "sha256:"+hashA+" 9", "sha256:AA 9", 1), "not a sha256 digest"},
		"path":     {strings.Replace(text, " t.whl ", " ../t.whl ", 1), "not a plain file name"},
		"deb path": {strings.Replace(text, " pool/main", " ../../pool/main", 1), "not a plain file name"},
		"kind":     {strings.Replace(text, "\ndeb git", "\nrpm git", 1), "not a kind"},
		"size":     {strings.Replace(text, " 9 install", " -9 install", 1), "not a size"},
		"space":    {strings.Replace(text, "deb git", "deb  git", 1), "not a word"},
		"escape":   {strings.Replace(text, "deb git", "deb g\x1bit", 1), "not a word"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pins.ParseLock("pins.lock", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(),
				"pins.lock:") {
				t.Errorf("got %v, want …%s…", err, test.want)
			}
		})
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(exampleLock().String()))
	f.Add([]byte(extendingLock().String()))
	f.Add([]byte(recordedLock().String()))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := pins.ParseLock("pins.lock", data)
		if err == nil && l.String() != string(data) {
			t.Errorf("%q comes back as %q", data, l.String())
		}
	})
}

// A fakeResolver answers with the pins that are asked for.
type fakeResolver struct{ queries []pins.Query }

func (r *fakeResolver) Resolve(_ context.Context, q pins.Query) ([]pins.Artifact, error) {
	r.queries = append(r.queries, q)
	var out []pins.Artifact
	for _, p := range q.Requests {
		a := pins.Artifact{Pin: pins.New(q.Kind, p.Name, p.Version), Platform: q.Platform, File: p.Name + ".file",
			SHA256: hashA, Use: pins.Install, Roots: []pins.Root{pins.PinRoot}}
		if a.Kind == pins.Conda {
			a.File = fmt.Sprintf("%s/linux-64/%s-%s-0.conda", q.Channels[0], a.Name, a.Version)
			a.Build, a.Channel = "0", q.Channels[0]
		}
		if a.Name == "broken" {
			return nil, errors.New("no solution")
		}
		if a.Version == "" {
			a.Version = "1"
			for _, old := range q.Prefer {
				if old.Kind == a.Kind && old.Name == a.Name {
					a.Version = old.Version
				}
			}
		}
		if a.Kind == pins.Pip {
			a.File = a.Name + "-" + a.Version + "-py3-none-any.whl"
		}
		out = append(out, a)
	}
	return out, nil
}

func manifest(t testing.TB, text string) *pins.Manifest {
	t.Helper()
	m, err := pins.ParseManifest("pins.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRelock(t *testing.T) {
	o := lockOptions
	const text = "course: a\npins: {pip: [numpy==1.23.5, pandas], apt: [git]}\n"
	first, kinds := relock(t, nil, text, o)
	if diff := cmp.Diff([]pins.Kind{pins.Deb, pins.Pip}, kinds); diff != "" {
		t.Error(diff)
	}
	if why := pins.Stale(manifest(t, text), first, o); why != "" {
		t.Errorf("a new lock is stale: %s", why)
	}
	again, kinds := relock(t, first, "course: a\npins:\n  apt: [git]\n  pip: [pandas, NumPy == 1.23.5] # reordered\n",
		o)
	if len(kinds) != 0 || again.String() != first.String() {
		t.Errorf("equal inputs were solved again (%v)", kinds)
	}
	bumped := strings.Replace(text, "1.23.5", "1.23.6", 1)
	if why := pins.Stale(manifest(t, bumped), first, o); !strings.Contains(why, "numpy==1.23.6 (pins.yaml:2)") {
		t.Errorf("stale: %q", why)
	}
	if _, kinds := relock(t, first, bumped, o); len(kinds) != 1 || kinds[0] != pins.Pip {
		t.Errorf("a pip bump solved %v", kinds)
	}
	if _, kinds := relock(t, first, strings.Replace(text, "git", "curl", 1), o); len(kinds) != 1 ||
		kinds[0] != pins.Deb {
		t.Errorf("an apt change solved %v", kinds)
	}
	upgrade := o
	upgrade.Names = []string{"Pandas"}
	if _, kinds := relock(t, first, text, upgrade); len(kinds) != 1 || kinds[0] != pins.Pip {
		t.Errorf("an upgrade of pandas solved %v", kinds)
	}
	tampered := *first
	tampered.Artifacts = slices.Clone(first.Artifacts)
	for i, a := range tampered.Artifacts {
		if a.Name == "numpy" {
			tampered.Artifacts[i].Version = "1.23.6"
		}
	}
	if again, kinds := relock(t, &tampered, text, o); len(kinds) != 1 || kinds[0] != pins.Pip ||
		again.String() != first.String() {
		t.Errorf("a lock that does not hold what is asked for solved %v, to %s", kinds, again)
	}
	other := o
	other.BaseDigest = "sha256:" + hashB
	if why := pins.Stale(manifest(t, text), first, other); !strings.Contains(why, "base") {
		t.Errorf("stale: %q", why)
	}
	if _, err := pins.Relock(t.Context(), manifest(t, "course: a\npins: {pip: [broken]}\n"), nil, &fakeResolver{},
		o); err == nil {
		t.Error("a solver's error was lost")
	}
}

// With conda's pins, pip's are solved anew where conda's Python changes.
func TestRelockConda(t *testing.T) {
	o := lockOptions
	const conda = "course: a\npins: {conda: [python=3.11.2], channels: [main, extra], pip: [numpy==1.23.5], apt: " +
		"[git]}\n"
	onConda, kinds := relock(t, nil, conda, o)
	if diff := cmp.Diff([]pins.Kind{pins.Deb, pins.Conda, pins.Pip}, kinds); diff != "" {
		t.Error(diff)
	}
	if why := pins.Stale(manifest(t, conda), onConda, o); why != "" {
		t.Errorf("a new lock is stale: %s", why)
	}
	if _, kinds := relock(t, onConda, strings.Replace(conda, "3.11.2", "3.11.3", 1), o); len(kinds) != 2 ||
		kinds[0] != pins.Conda || kinds[1] != pins.Pip {
		t.Errorf("another conda Python solved %v", kinds)
	}
	if _, kinds := relock(t, onConda, strings.Replace(conda, "numpy==1.23.5", "numpy==1.23.6", 1),
		o); len(kinds) != 1 ||
		kinds[0] != pins.Pip {
		t.Errorf("a pip bump solved %v", kinds)
	}
	swapped := strings.Replace(conda, "main, extra", "extra, main", 1)
	if why := pins.Stale(manifest(t, swapped), onConda, o); !strings.Contains(why, "other conda pins") {
		t.Errorf("with other channels: %q", why)
	}
}

var lockOptions = pins.LockOptions{BaseDigest: "sha256:" + hashA, Tools: []pins.Tool{{Name: "uv", Version: "1"}}}

// relock returns a new lock, and the kinds that were solved for it.
func relock(t *testing.T, old *pins.Lock, text string, o pins.LockOptions) (*pins.Lock, []pins.Kind) {
	t.Helper()
	r := &fakeResolver{}
	l, err := pins.Relock(t.Context(), manifest(t, text), old, r, o)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []pins.Kind
	for _, q := range r.queries {
		kinds = append(kinds, q.Kind)
	}
	return l, kinds
}

// A bump of one pin leaves the commits of others alone, and asks nobody for them.
func TestCommitsAreKept(t *testing.T) {
	const text = "course: stat159\npins: {pip: [tornado==6.2, 'git+https://github.com/x/tmpystore.git@main']}\n"
	m := manifest(t, text)
	for was, want := range map[*pins.Manifest]string{m: strings.Repeat("8", 40), nil: "",
		manifest(t, strings.Replace(text, "@main", "@other", 1)): ""} {
		r := &fakeResolver{}
		// a git request has no name, which the fake can't answer
		_, _ = pins.Relock(t.Context(), m, exampleLock(), r, pins.LockOptions{BaseDigest: "sha256:" + hashA, Was: was})
		got := ""
		for _, q := range r.queries {
			if q.Kind == pins.Pip {
				got = q.Commits[pins.Git{URL: "https://github.com/x/tmpystore.git", Ref: "main"}]
			}
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What was built is built again alike only for the same date and tools, and
// without what is to be upgraded.
func TestLast(t *testing.T) {
	old := exampleLock()
	m := manifest(t, "course: stat159\nas-of: 2023-03-17\npins: {pip: [tornado==6.2.1]}\n")
	for name, test := range map[string]struct {
		o    func(*pins.LockOptions)
		want bool
	}{
		"the same":    {func(*pins.LockOptions) {}, true},
		"other tools": {func(o *pins.LockOptions) { o.Tools[0].Version = "2" }, false},
		"upgrade":     {func(o *pins.LockOptions) { o.Upgrade = true }, false},
		"it":          {func(o *pins.LockOptions) { o.Names = []string{"tmpystore"} }, false},
		"another":     {func(o *pins.LockOptions) { o.Names = []string{"jupyterlab"} }, true},
	} {
		o := pins.LockOptions{BaseDigest: "sha256:" + hashA, Tools: []pins.Tool{{Name: "uv", Version: "0.13.9"}}}
		test.o(&o)
		r := &fakeResolver{}
		if _, err := pins.Relock(t.Context(), m, old, r, o); err != nil {
			t.Fatal(err)
		}
		last := r.queries[len(r.queries)-1].Last
		if got := slices.ContainsFunc(last,
			func(a pins.Artifact) bool { return a.Name == "tmpystore" }); got != test.want {
			t.Errorf("%s: tmpystore's wheel is taken over: %t", name, got)
		}
	}
}

func TestWhy(t *testing.T) {
	m := manifest(t, "course: a\npins:\n  pip:\n    - {pin: jupyterlab==3.6.1, need: hard, why: RTC}\n    - "+
		"git+https://github.com/x/tmpystore.git@888\n    - tornado\n")
	l := exampleLock()
	chain, by := pins.Why(m, l, pins.Pip, "Jupyter.Server")
	if len(chain) != 2 || chain[0].Artifact.Name != "jupyterlab" || chain[0].Request.At.Line != 4 ||
		chain[1].Artifact.Name != "jupyter-server" || len(by) != 1 {
		t.Errorf("chain %+v, by %v", chain, by)
	}
	if chain, _ := pins.Why(m, l, pins.Pip, "tmpystore"); len(chain) != 1 || chain[0].Request == nil ||
		chain[0].Request.At.Line != 5 {
		t.Errorf("a git pin is not found by its repository: %+v", chain)
	}
	if chain, _ := pins.Why(m, l, pins.Pip, "nothing"); chain != nil {
		t.Errorf("chain %+v", chain)
	}
}

func TestWithoutIt(t *testing.T) {
	l := exampleLock()
	names := func(artifacts []pins.Artifact) (names []string) {
		for _, a := range artifacts {
			names = append(names, a.Name)
		}
		return names
	}
	for name, want := range map[string][2][]string{
		"tornado":        {{"jupyterlab"}, nil}, // by way of jupyter-server; it is a pin itself
		"jupyter_server": {{"jupyterlab"}, nil},
		"jupyterlab":     {nil, {"jupyter-server"}}, // tornado stays: it is a pin
		"tmpystore":      {nil, nil},
	} {
		breaks, leave := pins.WithoutIt(l, pins.Pip, name)
		if diff := cmp.Diff(want, [2][]string{names(breaks), names(leave)}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A package of pip's that is laid over conda's says so, and makes the lock one of the
// later format.
func TestLockOver(t *testing.T) {
	l := exampleLock()
	before := l.String()
	for i, a := range l.Artifacts {
		if a.Kind == pins.Pip {
			l.Artifacts[i].Over, l.Artifacts[i].By = "pretty_table", []string{"ipython-sql"}
			break
		}
	}
	text := l.String()
	if !strings.HasPrefix(before, "driftpin-lock 1\n") || !strings.HasPrefix(text, "driftpin-lock 2\n") ||
		!strings.Contains(text, "over:pretty_table+by:ipython-sql") {
		t.Errorf("the lock says\n%s", text)
	}
	again, err := pins.ParseLock("pins.lock", []byte(text))
	if err != nil || again.String() != text {
		t.Errorf("it comes back as\n%s, %v", again, err)
	}
	for _, wrong := range []string{"over:", "over:a,b", "over:x y"} {
		if _, err := pins.ParseLock("pins.lock", []byte(strings.Replace(text, "over:pretty_table", wrong, 1))); err == nil {
			t.Errorf("%s is read", wrong)
		}
	}
}

// A Debian package may be both of the Python for steps and of the compilers: it has one
// line, and each query that is answered anew has its own part of that.
func TestSharedTools(t *testing.T) {
	tool := func(name string, root pins.Root, by ...string) pins.Artifact {
		return pins.Artifact{Pin: pins.New(pins.Deb, name, "1"), Platform: "linux/amd64", File: "pool/" + name + "_1_amd64.deb",
			SHA256: hashA, Use: pins.BuildInput, Roots: []pins.Root{root}, By: by}
	}
	wheel := pins.Artifact{Pin: pins.New(pins.Pip, "a", "1"), Platform: "linux/amd64", File: "a-1-py3-none-any.whl", SHA256: hashA,
		Use: pins.Install, Roots: []pins.Root{pins.PinRoot}, From: "git+https://h.test/a.git@" + strings.Repeat("0", 40)}
	wheel.Commit = strings.Repeat("0", 40)
	r := answers{pins.Deb: {tool("err2", pins.PythonRoot, "krb5"), tool("krb5", pins.PythonRoot)},
		pins.Pip: {wheel, tool("err2", pins.ToolchainRoot, "tirpc"), tool("tirpc", pins.ToolchainRoot)}}
	const text = "course: a\npins: {conda: [python=3.11], pip: [\"a @ git+https://h.test/a.git\"]}\n"
	m := manifest(t, text)
	l, err := pins.Relock(t.Context(), m, nil, r, lockOptions)
	if err != nil {
		t.Fatal(err)
	}
	const line = " build python+toolchain+by:krb5,tirpc\n"
	if !strings.Contains(l.String(), line) {
		t.Fatalf("the lock has no %q:\n%s", line, l)
	}
	o := lockOptions
	o.Was = m
	r[pins.Pip] = []pins.Artifact{wheel} // no compilers any more
	o.Names = []string{"a"}
	if l, err = pins.Relock(t.Context(), m, l, r, o); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(l.String(), " build python+by:krb5\n") {
		t.Errorf("without compilers the lock is\n%s", l)
	}
}

// answers are what a resolver says, by kinds; of conda, a python.
type answers map[pins.Kind][]pins.Artifact

func (a answers) Resolve(ctx context.Context, q pins.Query) ([]pins.Artifact, error) {
	if q.Kind == pins.Conda {
		return (&fakeResolver{}).Resolve(ctx, q)
	}
	return slices.Clone(a[q.Kind]), nil
}
