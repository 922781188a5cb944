package buildplan

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/proto"
)

// A Dockerfile is a course that BuildKit's Dockerfile frontend builds.
type Dockerfile struct {
	File   string            // relative to the course's folder, which is the build's context
	Folder string            // sha256 of the folder's archive, as pins.Folder.Write writes it
	Images map[string]string // digests, by the names that the Dockerfile has for images
	Args   map[string]string // as repo2docker gives them

	text []byte
}

// readDockerfile takes a course's Dockerfile into the plan.
func (p *Plan) readDockerfile(m *pins.Manifest, l *pins.Lock) {
	if m.Dockerfile.Value == "" {
		return
	}
	p.dir, p.copied = m.Dir, m.Folder()
	p.Dockerfile = &Dockerfile{File: m.Dockerfile.Value, Folder: m.FolderSum, Images: map[string]string{},
		Args: map[string]string{"NB_USER": "jovyan", "NB_UID": "1000",
			"SOURCE_DATE_EPOCH": strconv.FormatInt(pins.Epoch.Unix(), 10)}}
	p.Dockerfile.text, _ = m.Source(m.Dockerfile.At.File)
	for _, i := range l.Images {
		p.Dockerfile.Images[i.Ref] = i.Digest
	}
	p.record(m, l)
}

// lockedImages resolve the images of a lock, and no others.
type lockedImages struct {
	talk   session.Talk
	images map[string]string
}

// ResolveImageConfig implements llb.ImageMetaResolver.
func (r lockedImages) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest,
	[]byte, error) {
	for _, name := range slices.Sorted(maps.Keys(r.images)) {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return "", "", nil, err
		}
		if reference.TagNameOnly(named).String() == ref || named.String() == ref {
			at := reference.TrimNamed(named).String() + "@" + r.images[name]
			_, got, config, err := r.talk.Client.ResolveImageConfig(ctx, at, opt)
			return at, got, config, err
		}
	}
	return "", "", nil, fmt.Errorf("the lock has no image %s", ref)
}

// fromDockerfile is the graph of a course that is a Dockerfile.
func (g *graph) fromDockerfile(ctx context.Context, t session.Talk) (img imageGraph, err error) {
	d := g.plan.Dockerfile
	folder := g.Folder(d.Folder)
	platform := steps.Platform(g.plan.Platform)
	caps := t.Client.BuildOpts().LLBCaps
	res, err := dockerfile2llb.Dockerfile2LLB(ctx, d.text, dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{BuildArgs: d.Args, TargetPlatforms: []ocispecs.Platform{platform},
			BuildPlatforms: []ocispecs.Platform{platform}},
		MainContext: &folder, TargetPlatform: &platform, MetaResolver: lockedImages{t, d.Images},
		SourceMap: llb.NewSourceMap(nil, path.Join(g.plan.dir, d.File), "Dockerfile", d.text), LLBCaps: &caps,
	})
	if err != nil {
		return img, fmt.Errorf("%s: %w", path.Join(g.plan.dir, d.File), err)
	}
	def, err := res.State.Marshal(ctx, llb.Platform(platform), llb.WithCaps(caps))
	if err != nil {
		return img, err
	}
	ops, err := g.recorded(ctx, def.ToPB())
	if err != nil {
		return img, err
	}
	if img.root, err = ops.state(ops.last.Digest, ops.last.Index); err != nil {
		return img, err
	}
	for _, r := range g.plan.Recorded {
		after, before, err := ops.change(r.Name)
		if err != nil {
			return img, err
		}
		img.scripts = append(img.scripts, llb.Diff(before, after))
	}
	for _, c := range g.plan.checks {
		img.checks = append(img.checks, g.check(img.root, c, res.Image.Config.ImageConfig,
			cmp.Or(res.Image.Config.WorkingDir, "/")))
	}
	created := pins.Epoch
	res.Image.Created = &created
	for i := range res.Image.History {
		res.Image.History[i].Created = &created
	}
	if res.Image.Config.Labels == nil {
		res.Image.Config.Labels = map[string]string{}
	}
	maps.Copy(res.Image.Config.Labels, g.plan.labels())
	if img.baseConfig, err = json.Marshal(res.BaseImage); err != nil {
		return img, err
	}
	img.config, err = json.Marshal(res.Image)
	return img, err
}

// A recordedGraph is a build graph whose RUN instructions reach proxies alone.
type recordedGraph struct {
	def  *pb.Definition
	ops  []*pb.Op       // in the graph's order
	sums []string       // their digests
	runs map[string]int // numbers of the ops of RUN instructions, by the names of scripts
	last *pb.Input
}

// recorded has the RUN instructions of a graph recorded, or replayed.
func (g *graph) recorded(ctx context.Context, def *pb.Definition) (*recordedGraph, error) {
	out := &recordedGraph{def: &pb.Definition{Metadata: map[string]*pb.OpMetadata{}, Source: def.Source},
		runs: map[string]int{}}
	locations := map[string]*pb.Locations{}
	moved := map[string]string{} // digests of ops, by what they were
	for i, data := range def.Def {
		op := &pb.Op{}
		if err := proto.Unmarshal(data, op); err != nil {
			return nil, err
		}
		was := digest.FromBytes(data).String()
		for _, in := range op.Inputs {
			in.Digest = moved[in.Digest]
		}
		if i == len(def.Def)-1 {
			out.last = op.Inputs[0]
			break
		}
		if err := g.takeAdded(ctx, op); err != nil {
			return nil, err
		}
		if exec := op.GetExec(); exec != nil {
			name, err := g.recordRun(exec, def.Source.GetLocations()[was])
			if err != nil {
				return nil, err
			}
			out.runs[name] = len(out.ops)
		}
		changed, err := proto.MarshalOptions{Deterministic: true}.Marshal(op)
		if err != nil {
			return nil, err
		}
		is := digest.FromBytes(changed).String()
		moved[was] = is
		out.ops, out.sums = append(out.ops, op), append(out.sums, is)
		out.def.Def = append(out.def.Def, changed)
		out.def.Metadata[is] = def.Metadata[was]
		if l := def.Source.GetLocations()[was]; l != nil {
			locations[is] = l
		}
	}
	if out.def.Source != nil {
		out.def.Source = &pb.Source{Infos: def.Source.Infos, Locations: locations}
	}
	return out, nil
}

// takeAdded has an op that would fetch what ADD names take the locked file instead.
func (g *graph) takeAdded(ctx context.Context, op *pb.Op) error {
	source := op.GetSource()
	kind, _, _ := strings.Cut(source.GetIdentifier(), "://")
	if kind != "http" && kind != "https" && kind != "git" {
		return nil
	}
	i := slices.IndexFunc(g.plan.Downloads, func(d steps.Download) bool { return d.URL == source.Identifier })
	if i < 0 {
		return fmt.Errorf("%s: BuildKit would fetch %s, which is not locked: fetch it in RUN, which is recorded",
			path.Join(g.plan.dir, g.plan.Dockerfile.File), source.Identifier)
	}
	state := g.Added(source.Attrs[pb.AttrHTTPFilename], g.plan.Downloads[i].SHA256)
	def, err := state.Marshal(ctx, llb.Platform(steps.Platform(g.plan.Platform)))
	if err != nil {
		return err
	}
	locked := &pb.Op{}
	if err := proto.Unmarshal(def.Def[0], locked); err != nil {
		return err
	}
	op.Op = locked.Op
	return nil
}

// recordRun has a RUN instruction recorded, or replayed, and returns its name.
func (g *graph) recordRun(exec *pb.ExecOp, at *pb.Locations) (string, error) {
	if len(at.GetLocations()) == 0 || len(at.Locations[0].Ranges) == 0 {
		return "", fmt.Errorf("%s: a RUN without a line", g.plan.Dockerfile.File)
	}
	name := g.plan.Dockerfile.File + ":" + strconv.Itoa(int(at.Locations[0].Ranges[0].Start.Line))
	i := slices.IndexFunc(g.plan.Recorded, func(r Recorded) bool { return r.Name == name })
	switch {
	case i < 0:
		return "", fmt.Errorf("%s: BuildKit finds a RUN here, and driftpin does not: write it on lines of its own",
			path.Join(g.plan.dir, name))
	case exec.Security != pb.SecurityMode_SANDBOX:
		return "", fmt.Errorf("%s: RUN --security=insecure can't be recorded", path.Join(g.plan.dir, name))
	}
	steps.Record(exec, steps.ScriptRun{Name: name, Recorded: g.plan.Recorded[i].Recording})
	return name, nil
}

// state is what an op puts out.
func (r *recordedGraph) state(sum string, index int64) (llb.State, error) {
	if sum == "" {
		return llb.Scratch(), nil
	}
	n := slices.Index(r.sums, sum)
	if n < 0 {
		return llb.State{}, fmt.Errorf("the build graph has no %s", sum)
	}
	end, err := proto.Marshal(&pb.Op{Inputs: []*pb.Input{{Digest: sum, Index: index}}})
	if err != nil {
		return llb.State{}, err
	}
	op, err := llb.NewDefinitionOp(&pb.Definition{Def: append(slices.Clone(r.def.Def[:n+1]), end), Metadata: r.def.Metadata,
		Source: r.def.Source})
	if err != nil {
		return llb.State{}, err
	}
	return llb.NewState(op), nil
}

// change is the file system behind a RUN instruction, and before it. One that the
// image does not need changes nothing.
func (r *recordedGraph) change(script string) (after, before llb.State, err error) {
	n, ok := r.runs[script]
	if !ok {
		return llb.Scratch(), llb.Scratch(), nil
	}
	for _, m := range r.ops[n].GetExec().Mounts {
		if m.Dest != "/" {
			continue
		}
		if after, err = r.state(r.sums[n], m.Output); err == nil && m.Input >= 0 {
			in := r.ops[n].Inputs[m.Input]
			before, err = r.state(in.Digest, in.Index)
		}
		return after, before, err
	}
	return after, before, fmt.Errorf("%s has no root", script)
}
