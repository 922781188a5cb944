package drift

import (
	"time"

	"github.com/driftpin/driftpin/pins"
)

// A Timeline is how the locks of courses changed.
type Timeline struct {
	Courses []Course `json:"courses"`
}

// A Course is one course in a timeline.
type Course struct {
	Name  string `json:"name"`
	Dir   string `json:"dir"`
	Steps []Step `json:"steps"` // the oldest first
}

// A Step is a commit that changed a course's lock.
type Step struct {
	Commit   string    `json:"commit"`
	Time     time.Time `json:"time"`
	Author   string    `json:"author"`
	Subject  string    `json:"subject"`
	File     string    `json:"file"`            // the lock, from the repository's top
	Packages int       `json:"packages"`        // that the lock has
	Drift    *Drift    `json:"drift,omitempty"` // from the lock that the commit found; nil for the first
	Gone     bool      `json:"gone,omitempty"`  // the commit took the lock away
	Error    string    `json:"error,omitempty"` // why the lock can't be read
}

// BetweenLocks is the drift from one lock to another, each as it is called. The manifests
// that explain it may be nil.
func BetweenLocks(nameA, nameB string, a, b Reason) *Drift {
	d := Between(inventoryOf(nameA, a.Lock), inventoryOf(nameB, b.Lock), nil)
	d.Explain(explaining(a), explaining(b))
	return d
}

func inventoryOf(name string, l *pins.Lock) Inventory {
	return Inventory{Name: name, Digest: l.Digest(), Knows: OfLock, Packages: LockPackages(l)}
}

// explaining is a reason, if it has a manifest.
func explaining(r Reason) *Reason {
	if r.Manifest == nil {
		return nil
	}
	return &r
}
