package pins

import "cmp"

// A PostLink is a script that a conda package brings, to be run after it was installed
// (conda-build's documentation, "Adding pre-link, post-link, and pre-unlink scripts").
type PostLink struct {
	Name string // of the package
	Runs bool   // else it is left out
}

// words are a script's, in a lock.
func (p PostLink) words() []string {
	how := postLinkNot
	if p.Runs {
		how = postLinkRuns
	}
	return []string{"post-link", p.Name, how}
}

func orderPostLinks(a, b PostLink) int { return cmp.Compare(a.Name, b.Name) }

// The words of a lock for scripts that run, and for those that do not.
const (
	postLinkRuns = "run"
	postLinkNot  = "ignore"
)
