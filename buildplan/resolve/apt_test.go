package resolve

import (
	"testing"
	"time"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/moby/buildkit/client/llb"
)

// All courses of one command, and no others, read the same lists of apt: the engine carries
// out one step for them.
func TestWithLists(t *testing.T) {
	now := time.Now()
	digest := func(began time.Time, base string, keep ...string) string {
		r := &resolution{session: &session.Session{Began: began}}
		def, err := r.withLists(llb.Image(base), keep...).Marshal(t.Context(), llb.LinuxAmd64)
		if err != nil {
			t.Fatal(err)
		}
		head, err := def.Head()
		if err != nil {
			t.Fatal(err)
		}
		return head.String()
	}
	first := digest(now, "a.test/base", "keep")
	if digest(now, "a.test/base", "keep") != first {
		t.Error("two courses of one command have lists of their own")
	}
	for what, other := range map[string]string{"a later command": digest(now.Add(time.Second), "a.test/base", "keep"),
		"another base": digest(now, "b.test/base", "keep"), "fresh ones": digest(now, "a.test/base")} {
		if other == first {
			t.Errorf("%s has the same lists", what)
		}
	}
}
