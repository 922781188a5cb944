package buildplan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/record"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// A ScriptError says that a script of the course could not be given what it asked
// for.
type ScriptError struct {
	Dir      string // the course
	At       pins.Position
	Failures []record.Failure
	Err      error // the engine's
}

// Error names what was asked for, a line each, and the way on.
func (e *ScriptError) Error() string {
	var lines []string
	replayed := ""
	for _, f := range e.Failures {
		line := fmt.Sprintf("%s: %s %s %s", e.At, f.Asked.Method, f.Asked.URL, f.Why)
		if f.Err != nil {
			line += ": " + f.Err.Error()
		}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
		if f.Why == record.Unrecorded || f.Why == record.Lost {
			replayed = f.Script
		}
	}
	if replayed != "" {
		lines = append(lines, fmt.Sprintf("record it anew with driftpin lock --upgrade %s %s; if it asks for other "+
			"addresses each time, it can't be replayed", e.Dir, replayed))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the engine's error.
func (e *ScriptError) Unwrap() error { return e.Err }

// A network is what the scripts of a plan reach while it is built.
type network struct {
	plan    *Plan
	proxies []*record.Proxy
}

// connect has the session serve the plan's scripts: what is recorded is played
// again. A script that is yet to be recorded asks the servers, if they are given;
// known is what it was told before.
func (b Builder) connect(p *Plan, known []pins.Answer, servers http.RoundTripper) (n *network, err error) {
	n = &network{plan: p}
	for _, r := range p.Recorded {
		answers, through := r.answers, http.RoundTripper(nil)
		if r.Recording == "" {
			answers, through = known, servers
		}
		proxy, err := record.New(r.Name, b.Session.Files, record.Options{Known: answers, Servers: through,
			CRAN: b.Session.Host.CRAN(p.cranDate)})
		if err != nil {
			return nil, errors.Join(err, n.close(b))
		}
		n.proxies = append(n.proxies, proxy)
		b.Session.Scripts.Add(steps.SocketID(r.Name), steps.CASecret(r.Name), proxy)
	}
	return n, nil
}

func (n *network) close(b Builder) (err error) {
	b.Session.Scripts.Clear()
	for _, p := range n.proxies {
		err = errors.Join(err, p.Close())
	}
	return err
}

// explain words the error of a build by what a script was not given.
func (n *network) explain(err error) error {
	if err == nil {
		return nil
	}
	for i, p := range n.proxies {
		if failures := p.Failures(); len(failures) > 0 {
			return &ScriptError{n.plan.dir, n.plan.Recorded[i].at, failures, err}
		}
	}
	for i, p := range slices.Backward(n.proxies) { // the last that ran is the one that failed
		if end := p.End(); end.Told {
			return &failedScript{err, n.plan.Recorded[i].Name, end.Bypassed > 0, p.Answers()}
		}
	}
	return err
}

// A failedScript is the error of a step whose script may have failed by what the network
// gave it.
type failedScript struct {
	error
	script   string
	bypassed bool // it tried to open connections of its own
	answers  []pins.Answer
}

// Unwrap returns the engine's error.
func (e *failedScript) Unwrap() error { return e.error }

// maxRefusals is how many answers are named that refused what a script asked for.
const maxRefusals = 3

// explain adds to the worded error what the network gave the script.
func (e *failedScript) explain(worded error) error {
	refusals := 0
	for _, a := range e.answers {
		if a.Status >= http.StatusBadRequest && refusals < maxRefusals {
			refusals++
			worded = fmt.Errorf("%w\n%s was answered with status %d to %s %s", worded, e.script, a.Status, a.Method, a.URL)
		}
	}
	if e.bypassed {
		worded = fmt.Errorf("%w\n%s tried to open connections past the proxy, which are blocked: a script has HTTP and "+
			"HTTPS through the proxy of HTTP_PROXY and HTTPS_PROXY, and no other network", worded, e.script)
	}
	return worded
}

// explain words an error of a build.
func explain(err error) error {
	var script *ScriptError
	var failed *failedScript
	if errors.As(err, &script) {
		return script
	}
	if err == nil {
		return nil
	}
	worded := session.Explain(err)
	if strings.Contains(err.Error(), `exec: "perl"`) { // runc's words
		worded = fmt.Errorf("%w\na RUN is recorded by a program of Perl's: the image that it runs in needs perl and setpriv, as "+
			"those of Debian and Ubuntu have", worded)
	}
	if errors.As(err, &failed) {
		worded = failed.explain(worded)
	}
	if errors.As(err, new(*CheckError)) {
		return &CheckError{worded}
	}
	return worded
}

// keepFolder has the store keep the archive of a course's folder.
func (b Builder) keepFolder(p *Plan) error {
	if p.folder() == "" || b.Session.Files.Has(p.folder()) {
		return nil
	}
	dir, release, err := b.Session.Files.Work()
	if err != nil {
		return err
	}
	defer release()
	file := filepath.Join(dir, "folder.tar")
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := errors.Join(p.copied.Write(f), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", p.dir, err)
	}
	sum, err := b.Session.Files.Add(file, "")
	if err == nil && sum != p.folder() {
		err = fmt.Errorf("%s: files in it were changed while the image was built: build again", p.dir)
	}
	return err
}

// A RecordedRun is a script as Record has seen it run.
type RecordedRun struct {
	record.End
	Answers  []pins.Answer
	Replaced []pins.Answer // of an earlier recording, which could not be had any more
}

// A RememberedError is the error of a script that failed after it was told what an
// earlier recording has: it may have failed on that.
type RememberedError struct {
	N   int // answers
	Err error
}

// Error is the error of the script.
func (e *RememberedError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the script.
func (e *RememberedError) Unwrap() error { return e.Err }

// Record runs the first script of a plan that is not recorded yet, in the image as
// it is built so far, and writes what it changes as an image of one layer into the
// OCI layout in dir. The answers of known are given again as far as they are asked
// for: if the script fails then, the error is a *RememberedError.
func (b Builder) Record(ctx context.Context, p *Plan, known []pins.Answer, dir string) (*RecordedRun, error) {
	i := slices.IndexFunc(p.Recorded, func(r Recorded) bool { return r.Recording == "" })
	if i < 0 {
		return nil, errors.New("all scripts of the plan are recorded")
	}
	n, err := b.connect(p, known, b.Session.Files.Transport())
	if err != nil {
		return nil, err
	}
	defer n.close(b)
	if err := b.export(ctx, p, dir, func(img imageGraph) llb.State { return img.scripts[i] }); err != nil {
		return nil, remembered(n.proxies[i], explain(n.explain(err)))
	}
	return ran(n.proxies[i]), nil
}

// remembered says of an error that the script was told what an earlier recording has, if
// it was.
func remembered(p *record.Proxy, err error) error {
	if told := p.Remembered(); err != nil && told > 0 && !errors.As(err, new(*ScriptError)) {
		return &RememberedError{told, err}
	}
	return err
}

func ran(p *record.Proxy) *RecordedRun { return &RecordedRun{p.End(), p.Answers(), p.Replaced()} }

// Replay runs a recorded script of a plan, and writes what it changes as Record does. An
// engine that has run it before on the same does not run it again: End.Told tells.
// Its errors are Record's.
func (b Builder) Replay(ctx context.Context, p *Plan, script, dir string) (*RecordedRun, error) {
	n, err := b.connect(p, nil, nil)
	if err != nil {
		return nil, err
	}
	defer n.close(b)
	i := slices.IndexFunc(p.Recorded, func(r Recorded) bool { return r.Name == script })
	err = explain(n.explain(b.export(ctx, p, dir, func(img imageGraph) llb.State { return img.scripts[i] })))
	return ran(n.proxies[i]), remembered(n.proxies[i], err)
}

// Added writes all that a plan's image has beyond its base, as Record does.
func (b Builder) Added(ctx context.Context, p *Plan, dir string) error {
	n, err := b.connect(p, nil, nil)
	if err != nil {
		return err
	}
	defer n.close(b)
	return explain(n.explain(b.export(ctx, p, dir, func(img imageGraph) llb.State {
		return llb.Diff(p.Base.State(p.Platform), img.root)
	})))
}

// export exports a part of a plan's graph.
func (b Builder) export(ctx context.Context, p *Plan, dir string, part func(imageGraph) llb.State) error {
	trees, _, err := b.gather(ctx, p)
	if err != nil {
		return err
	}
	// As the image's layers are written: an engine that has made a layer once gives it again.
	entry, err := engine.LayoutExport(dir, maps.Clone(compression))
	if err != nil {
		return err
	}
	resp, err := b.Session.Run(ctx, session.Job{Base: p.Base, Platform: p.Platform, Exports: []client.ExportEntry{entry}},
		func(ctx context.Context, t session.Talk) (*gateway.Result, error) {
			img, err := newGraph(p, trees).build(ctx, t)
			if err != nil {
				return nil, err
			}
			if err := install(ctx, t, img); err != nil {
				return nil, err
			}
			ref, err := t.Solve(ctx, part(img))
			if err != nil {
				return nil, err
			}
			res := gateway.NewResult()
			res.SetRef(ref)
			res.AddMeta(exptypes.ExporterImageConfigKey, steps.JSON(ocispecs.Image{Platform: steps.Platform(p.Platform),
				RootFS: ocispecs.RootFS{Type: "layers"}}))
			return res, nil
		})
	if err != nil {
		return err
	}
	_, err = engine.FinishLayout(dir, resp.SolveResponse, "")
	return err
}
