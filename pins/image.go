package pins

import "time"

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
