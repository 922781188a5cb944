package steps

import (
	"slices"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
)

// Places say which lines of the manifest artifacts are there for, so that a step
// that fails points at them. The zero value says nothing.
type Places struct {
	at   map[string]pins.Position // of the pin that brought an artifact, by kind and name
	maps map[string]*llb.SourceMap
}

// NewPlaces returns the places of a lock's artifacts in a manifest's files.
func NewPlaces(m *pins.Manifest, l *pins.Lock) Places {
	p := Places{map[string]pins.Position{}, map[string]*llb.SourceMap{}}
	reasons := pins.NewReasons(m, l)
	for _, a := range l.Artifacts {
		if a.Use != pins.Install {
			continue
		}
		if chain, _ := reasons.Why(a.Kind, a.Name); len(chain) > 0 && chain[0].Request != nil {
			p.at[placeKey(a)] = chain[0].Request.At
		}
	}
	for _, s := range m.Sources {
		p.maps[s.Name] = llb.NewSourceMap(nil, s.Name, "", s.Data)
	}
	return p
}

func placeKey(a pins.Artifact) string { return string(a.Kind) + " " + a.Name }

// At is the place of the pin that an artifact is there for, if it is known.
func (p Places) At(a pins.Artifact) (at pins.Position, known bool) {
	at, known = p.at[placeKey(a)]
	return at, known
}

// Of points a step at the lines that artifacts are there for.
func (p Places) Of(artifacts ...pins.Artifact) llb.ConstraintsOpt {
	var places []pins.Position
	for _, a := range artifacts {
		if at, ok := p.At(a); ok && !slices.Contains(places, at) {
			places = append(places, at)
		}
	}
	return p.Lines(places...)
}

// Lines points a step at places in the first of the files that they lie in: one
// vertex can point at one file.
func (p Places) Lines(places ...pins.Position) llb.ConstraintsOpt {
	if len(places) == 0 {
		return p.maps[""].Location(nil) // a nil map: says nothing
	}
	var ranges []*pb.Range
	for _, at := range places {
		if at.File == places[0].File {
			line := &pb.Position{Line: int32(at.Line)}
			ranges = append(ranges, &pb.Range{Start: line, End: line})
		}
	}
	return p.maps[places[0].File].Location(ranges)
}
