package buildplan

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// Resolve implements pins.Resolver: it runs apt, rattler, uv or npm inside the course's
// base. The kinds it knows are deb, conda, pip and npm.
func (b *Builder) Resolve(ctx context.Context, q pins.Query) ([]pins.Artifact, error) {
	var found []pins.Artifact
	_, err := b.run(ctx, client.SolveOpt{}, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		if err := b.learn(ctx, c, q.Platform); err != nil {
			return nil, err
		}
		if err := b.Base.CheckEnvironment(); err != nil {
			return nil, err
		}
		r := resolution{Builder: b, gateway: c, query: q}
		err := r.locateBelow(ctx)
		if err != nil {
			return nil, err
		}
		switch q.Kind {
		case pins.Deb:
			found, err = r.debs(ctx)
		case pins.Conda:
			found, err = r.conda(ctx)
		case pins.Pip:
			found, err = r.pip(ctx)
		case pins.Npm:
			found, err = r.npm(ctx)
		default:
			err = fmt.Errorf("%s pins can't be resolved yet", q.Kind)
		}
		return gateway.NewResult(), err
	})
	if err != nil {
		return nil, explain(err)
	}
	return found, nil
}

// LearnBase asks the engine for what the base's reference does not tell: its
// digest and config.
func (b *Builder) LearnBase(ctx context.Context, platform string) error {
	if b.Base.Layout != "" {
		return nil
	}
	_, err := b.run(ctx, client.SolveOpt{}, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		return gateway.NewResult(), b.learn(ctx, c, platform)
	})
	return err
}

// A resolution is one query being answered.
type resolution struct {
	*Builder
	gateway gateway.Client
	query   pins.Query
}

// request returns the query's request for a package, for its place.
func (r *resolution) request(name string) *pins.Request {
	for i, q := range r.query.Requests {
		asked, _, _ := strings.Cut(q.Name, ":") // apt: NAME:ARCHITECTURE
		if asked == pins.CanonicalName(q.Kind, name) {
			return &r.query.Requests[i]
		}
	}
	return nil
}

// at begins a message with the place of the request that it is about.
func (r *resolution) at(name, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if q := r.request(name); q != nil {
		return fmt.Errorf("%s: %w", q.At, err)
	}
	return err
}

// places lists the requests that a solver's explanation speaks of.
func (r *resolution) places(explanation string) string {
	var b strings.Builder
	for _, q := range r.query.Requests {
		if q.Name != "" && mentions(explanation, q.Name) {
			fmt.Fprintf(&b, "\n  %s: %s", q.At, q.Spec)
			if q.Why != "" {
				fmt.Fprintf(&b, " (%s: %s)", q.Need, q.Why)
			}
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nIt speaks of these pins:" + b.String()
}

// mentions reports whether a name stands in a text as a word of its own.
func mentions(text, name string) bool {
	for rest := text; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		before := i == 0 || !nameByte(rest[i-1])
		end := i + len(name)
		after := end == len(rest) || !nameByte(rest[end])
		if before && after {
			return true
		}
		rest = rest[end:]
	}
}

func nameByte(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// ErrNoSolution is wrapped by every error that says that requests can't be met,
// each alone or all together.
var ErrNoSolution = errors.New("no solution")

// ErrHeld is an ErrNoSolution that no other pins are the cause of: an extended
// base holds the package in another version.
var ErrHeld = fmt.Errorf("%w", ErrNoSolution)
