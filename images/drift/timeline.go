package drift

import (
	"time"
)

// A Timeline is how the locks of courses changed.
type Timeline struct {
	Courses []Course `json:"courses"`
}

// A Course is one course in a timeline.
type Course struct {
	Name    string `json:"name"`
	Dir     string `json:"dir"`
	Steps   []Step `json:"steps"`             // the oldest first
	Shallow bool   `json:"shallow,omitempty"` // the clone lacks older commits
}

// A Merged commit came to the mainline by a merge.
type Merged struct {
	Commit  string `json:"commit"`
	Author  string `json:"author"`
	Subject string `json:"subject"`
}

// A Step is a commit of the mainline that changed a course's lock.
type Step struct {
	Commit   string    `json:"commit"`
	Time     time.Time `json:"time"`
	Author   string    `json:"author"`
	Subject  string    `json:"subject"`
	File     string    `json:"file"`             // the lock, from the repository's top
	Packages int       `json:"packages"`         // that the lock has
	Drift    *Drift    `json:"drift,omitempty"`  // from the last lock that could be read; nil for the first
	Merged   []Merged  `json:"merged,omitempty"` // the course's commits that a merge brought
	Gone     bool      `json:"gone,omitempty"`   // the commit took the lock away
	Error    string    `json:"error,omitempty"`  // why the lock can't be read
}

// BetweenLocks is the drift from one lock to another, each as it is called. The manifests
// that explain it may be nil.
func BetweenLocks(nameA, nameB string, a, b Reason) *Drift {
	d := Between(inventoryOf(nameA, a.Lock), inventoryOf(nameB, b.Lock), nil)
	d.Explain(explaining(a), explaining(b))
	return d
}

// explaining is a reason, if it has a manifest.
func explaining(r Reason) *Reason {
	if r.Manifest == nil {
		return nil
	}
	return &r
}
