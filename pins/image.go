package pins

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// What an image that driftpin built looks like from outside: buildplan writes
// it, and images reads it.
const (
	// Env is the prefix of the environment that pip and conda pins are installed
	// in, unless the base is extended.
	Env = "/opt/env"
	// LayoutPrefix marks an image, or a base, that lies in a folder as an OCI
	// layout.
	LayoutPrefix = "oci-layout:"
	// LabelPrefix begins the names of driftpin's labels. CourseLabel is the
	// course's name, LockLabel and PlanLabel are the digests of the lock and of
	// the plan that the image was built from.
	LabelPrefix = "org.driftpin."
	CourseLabel = LabelPrefix + "course"
	LockLabel   = LabelPrefix + "lock"
	PlanLabel   = LabelPrefix + "plan"
)

// Epoch is the one modification time of all that a build writes. It is the
// same in every course, so that courses share their layers.
var Epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

var imageRef = regexp.MustCompile(`^([^\s:@]+(?::[0-9]+/[^\s:@]+)?)(?::([A-Za-z0-9_][A-Za-z0-9_.-]*))?(@sha256:[0-9a-f]{64})?$`)

// ParseImage reads a reference of an image in a registry: NAME[:TAG][@DIGEST]. The
// request's version is the tag, with the digest if both are written; one without a tag
// means latest, and has no version.
func ParseImage(spec string) (Request, error) {
	m := imageRef.FindStringSubmatch(spec)
	if m == nil {
		return Request{}, fmt.Errorf("%q is not the reference of an image: write NAME:TAG", spec)
	}
	version := m[2]
	if version != "" {
		version += m[3]
	}
	return Request{Pin: New(FromImage, m[1], version), Spec: spec}, nil
}

// baseRequest is the base that a pins.yaml names, as a pin. A layout has no version.
func (m *Manifest) baseRequest() (Request, bool) {
	if m.Base.Value == "" || m.Dockerfile.Value != "" {
		return Request{}, false
	}
	r, err := Request{Pin: New(FromImage, m.Base.Value, ""), Spec: m.Base.Value}, error(nil)
	if !strings.HasPrefix(m.Base.Value, LayoutPrefix) {
		r, err = ParseImage(m.Base.Value)
	}
	r.At, r.Need = m.Base.At, Wanted
	return r, err == nil
}
