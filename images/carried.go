package images

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// InventoryType is the in-toto predicate type of the inventory that driftpin
// attaches to the images that it builds; the predicate is an Attested.
const InventoryType = "https://driftpin.org/inventory/v2"

// Attested is what an image says of itself: what its layers hold, as they were
// read when it was built, and why.
type Attested struct {
	Packages []Package `json:"packages"`
	Lock     string    `json:"lock,omitempty"` // the text of the lock that it was built from
	Pins     []Asked   `json:"pins,omitempty"` // what was asked for
	// Checked is a digest of the checks that the image passed; empty if there were none.
	Checked string `json:"checked,omitempty"`
}

// Asked is a request of a manifest.
type Asked struct {
	Kind pins.Kind `json:"kind"`
	Name string    `json:"name"`
	Spec string    `json:"spec"`
	File string    `json:"file"`
	Line int       `json:"line"`
	Need pins.Need `json:"need"`
	Why  string    `json:"why,omitempty"`
}

// Request is what was asked for as a request again.
func (a Asked) Request() pins.Request {
	return pins.Request{Pin: pins.New(a.Kind, a.Name, ""), Spec: a.Spec,
		At: pins.Position{File: a.File, Line: a.Line}, Need: a.Need, Why: a.Why}
}

// isAttestation reports whether a manifest of an index holds attestations about
// another (BuildKit's documentation, "Image attestation storage").
func isAttestation(d v1.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] == "attestation-manifest"
}

// carried returns the inventory that an index has for one of its images; nil if
// it has none. The attestation names the image's manifest, twice: an image that
// was made from another does not inherit it.
func carried(ctx context.Context, s source, index *v1.IndexManifest, image v1.Hash) (*Carried, error) {
	for _, m := range index.Manifests {
		if !isAttestation(m) || m.Annotations["vnd.docker.reference.digest"] != image.String() {
			continue
		}
		data, err := document(ctx, s, m)
		if err != nil {
			return nil, err
		}
		manifest, err := v1.ParseManifest(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("attestation %s: %w", m.Digest, err)
		}
		for _, l := range manifest.Layers {
			if l.Annotations["in-toto.io/predicate-type"] != InventoryType {
				continue
			}
			if data, err = document(ctx, s, l); err != nil {
				return nil, err
			}
			return readStatement(data, image)
		}
	}
	return nil, nil
}

// A statementOf is one of in-toto's (in-toto attestation framework, version 1).
type statementOf[P any] struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     P         `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

func readStatement(data []byte, image v1.Hash) (*Carried, error) {
	var s statementOf[Attested]
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("the inventory that the image carries: %w", err)
	}
	about := false
	for _, subject := range s.Subject {
		about = about || subject.Digest[image.Algorithm] == image.Hex
	}
	if s.PredicateType != InventoryType || !about {
		return nil, nil // it speaks of another image
	}
	c := &Carried{Packages: s.Predicate.Packages, Checked: s.Predicate.Checked}
	if s.Predicate.Lock != "" {
		lock, err := pins.ParseLock("the lock that the image carries", []byte(s.Predicate.Lock))
		if err != nil {
			return nil, err
		}
		m := &pins.Manifest{}
		for _, a := range s.Predicate.Pins {
			m.Requests = append(m.Requests, a.Request())
		}
		c.Reason = &drift.Reason{Lock: lock, Manifest: m}
	}
	return c, nil
}
