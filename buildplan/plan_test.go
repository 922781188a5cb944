package buildplan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/internal/golden"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

func hash(c string) string { return strings.Repeat(c, 64) }

// small is a course with one of everything that pip and apt have.
func small(t *testing.T, platform string) (*pins.Manifest, *pins.Lock) {
	t.Helper()
	return courseIn(t, "testdata/small", platform)
}

// courseIn is a course and its lock, for a platform.
func courseIn(t *testing.T, dir, platform string) (*pins.Manifest, *pins.Lock) {
	t.Helper()
	m, err := pins.ReadCourse(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, pins.LockName))
	if err != nil {
		t.Fatal(err)
	}
	l, err := pins.ParseLock("pins.lock", bytes.ReplaceAll(data, []byte("linux/amd64"), []byte(platform)))
	if err != nil {
		t.Fatal(err)
	}
	return m, l
}

func smallPlan(t *testing.T, platform string) *Plan {
	t.Helper()
	return planIn(t, "testdata/small", platform)
}

func planIn(t *testing.T, dir, platform string) *Plan {
	t.Helper()
	m, l := courseIn(t, dir, platform)
	p, err := New(m, l, platform, steps.Base{Layout: "base", Digest: l.Base, Layers: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.Steps, p.BuildKit = "sha256:of-the-scripts", "v0.0.0" // goldens outlive them
	return p
}

// dump writes a graph as JSON, a vertex an entry, in an order of its own: by
// name, with inputs by name.
func dump(t *testing.T, g *graph, st llb.State) string {
	t.Helper()
	def, err := session.Talk{Platform: g.plan.Platform}.Marshal(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	names := map[digest.Digest]string{}
	ops := map[digest.Digest]*pb.Op{}
	for _, raw := range def.Def {
		var op pb.Op
		if err := op.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		d := digest.FromBytes(raw)
		ops[d], names[d] = &op, def.Metadata[d].Description["llb.customname"]
	}
	type vertex struct {
		Name   string
		Lines  []string `json:",omitempty"`
		Inputs []string `json:",omitempty"`
		Op     any
	}
	var out []vertex
	for d, op := range ops {
		v := vertex{Name: names[d], Op: op.Op}
		for _, in := range op.Inputs {
			v.Inputs = append(v.Inputs, fmt.Sprintf("%s[%d]", names[digest.Digest(in.Digest)], in.Index))
		}
		if at := def.Source.Locations[string(d)]; at != nil {
			for _, l := range at.Locations {
				for _, r := range l.Ranges {
					v.Lines = append(v.Lines,
						fmt.Sprintf("%s:%d", filepath.Base(def.Source.Infos[l.SourceIndex].Filename), r.Start.Line))
				}
			}
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b vertex) int {
		return strings.Compare(a.Name+fmt.Sprint(a.Inputs), b.Name+fmt.Sprint(b.Inputs))
	})
	for i := range out { // the scripts have tests of their own
		data, err := json.Marshal(out[i].Op)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(out[i].Name, "driftpin ") {
			data = []byte(`"the script"`)
		}
		out[i].Op = json.RawMessage(data)
	}
	data, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + "\n"
}

func testGraph(p *Plan) *graph {
	trees := map[string]string{}
	for _, w := range p.Wheels {
		if w.Source == nil {
			trees[w.File] = hash("7")
		}
	}
	return newGraph(p, trees)
}

// The graph is a function of the plan: goldened for both platforms.
func TestGraphGolden(t *testing.T) {
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		g := testGraph(smallPlan(t, platform))
		img := g.image()
		got := dump(t, g, img.checks[0]) // a check is one step on the whole image
		golden.Check(t, "testdata/graph-"+filepath.Base(platform)+".json", got)
		again := testGraph(smallPlan(t, platform))
		if dump(t, again, again.image().checks[0]) != got {
			t.Error("the same plan gives another graph")
		}
		if len(img.history) != 1+1+1+1+len(g.plan.Layers)+1 {
			t.Errorf("%d history entries: one a layer is needed", len(img.history))
		}
	}
}

// A course with pins of conda and npm: conda's Python is the environment's, what
// it runs on has layers of its own, and npm's packages lie in one.
func TestMixedGolden(t *testing.T) {
	g := testGraph(planIn(t, "testdata/mixed", "linux/amd64"))
	img := g.image()
	golden.Check(t, "testdata/graph-mixed.json", dump(t, g, img.checks[0]))
	var titles []string
	for _, h := range img.history {
		titles = append(titles, h.CreatedBy)
	}
	want := []string{"base sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2",
		"user jovyan, /opt/env", "apt: 1 package",
		"conda: libbig 2.0", "conda: openssl 3.0.8", "conda: python 3.11.2", "conda: hello 1.0.0", "conda: idna 3.4",
		"pip: certifi 2022.12.7", "pip: requests 2.28.2", "pip: idna 3.3", "npm: other 1.0.0, speak 1.0.0 and 2 more"}
	slices.Sort(want)
	slices.Sort(titles)
	if diff := cmp.Diff(want, titles); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
}

// Nothing that installs, builds or checks has a network.
func TestNoNetwork(t *testing.T) {
	g := testGraph(smallPlan(t, "linux/amd64"))
	img := g.image()
	for _, st := range append(img.checks, img.root) {
		def, err := session.Talk{Platform: "linux/amd64"}.Marshal(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		runs := 0
		for _, raw := range def.Def {
			var op pb.Op
			if err := op.Unmarshal(raw); err != nil {
				t.Fatal(err)
			}
			if e := op.GetExec(); e != nil {
				runs++
				if e.Network != pb.NetMode_NONE {
					t.Errorf("%v has a network", e.Meta.Args)
				}
			}
		}
		if runs < 5 {
			t.Errorf("only %d steps", runs)
		}
	}
}

func TestPlanDigest(t *testing.T) {
	p := smallPlan(t, "linux/amd64")
	if p.Digest() != smallPlan(t, "linux/amd64").Digest() {
		t.Error("the same plan has another digest")
	}
	tag := p.Tag()
	if len(tag) < 12 || !strings.HasPrefix(p.Digest(), "sha256:"+tag) || !strings.ContainsAny(tag, "abcdef") {
		t.Errorf("tag %q of %s", tag, p.Digest())
	}
	q := smallPlan(t, "linux/amd64")
	q.checks = nil
	if q.Digest() != p.Digest() {
		t.Error("a check is part of the digest")
	}
	q.Cmd = []string{"other"}
	if q.Digest() == p.Digest() {
		t.Error("launch is not part of the digest")
	}
}

func TestConfig(t *testing.T) {
	p := smallPlan(t, "linux/amd64")
	c := p.Config().Config
	want := []string{"PATH=/opt/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=b",
		"HOME=/home/jovyan", "LANG=C.UTF-8", "NB_PYTHON_PREFIX=/opt/env", "NB_UID=1000", "NB_USER=jovyan"}
	if diff := cmp.Diff(want, c.Env); diff != "" {
		t.Error(diff)
	}
	if c.User != "1000" || c.WorkingDir != "/home/jovyan" || c.Entrypoint != nil ||
		c.Cmd[0] != "jupyterhub-singleuser" || c.Labels["org.driftpin.course"] != "small" {
		t.Errorf("config %+v", c)
	}
}

func TestFilesAreChecked(t *testing.T) {
	m, l := small(t, "linux/amd64")
	m.Files = append(m.Files, pins.File{Source: "missing", Target: "/x", At: pins.Position{File: "pins.yaml", Line: 9}})
	if _, err := New(m, l, "linux/amd64", steps.Base{}); err == nil || !strings.HasPrefix(err.Error(),
		"pins.yaml:9: files: ") {
		t.Errorf("got %v", err)
	}
	m.Files = m.Files[:1]
	m.Launch.Files = append(m.Launch.Files, pins.LaunchFile{Path: m.Files[0].Target})
	if _, err := New(m, l, "linux/amd64", steps.Base{}); err == nil || !strings.Contains(err.Error(), "two files") {
		t.Errorf("got %v", err)
	}
}

// A step's name is whole characters: the engine takes no others.
func TestCaption(t *testing.T) {
	for text, want := range map[string]string{
		"python -c 1":                 "python -c 1",
		"\n python -c 1\npython -c 2": "python -c 1 …",
		strings.Repeat("a", 100):      strings.Repeat("a", 100),
		strings.Repeat("a", 101):      strings.Repeat("a", 100) + " …",
		strings.Repeat("a", 99) + "ü": strings.Repeat("a", 99) + " …",
	} {
		if got := caption(text); got != want {
			t.Errorf("caption(%q) = %q, want %q", text, got, want)
		}
	}
}

// Scripts of conda packages run in the order in which conda installs the packages.
func TestPostLinkOrder(t *testing.T) {
	conda := func(name string, by ...string) pins.Artifact {
		return pins.Artifact{Pin: pins.New(pins.Conda, name, "1"), Platform: "linux/amd64", Use: pins.Install, By: by}
	}
	l := &pins.Lock{Artifacts: []pins.Artifact{conda("a"), conda("b", "between"), conda("between", "a"), conda("c")},
		PostLinks: []pins.PostLink{{Name: "a", Runs: true}, {Name: "b", Runs: true}, {Name: "c"}, {Name: "gone", Runs: true}}}
	p := &Plan{Platform: "linux/amd64"}
	p.readPostLinks(l)
	var got []string
	for _, link := range p.PostLinks {
		got = append(got, link.Name)
	}
	if want := "b a"; strings.Join(got, " ") != want {
		t.Errorf("they run as %v, want %s", got, want)
	}
}
