package buildplan

import (
	"errors"
	"fmt"
	"testing"

	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
)

// A check that finds a connection refused is no reason to look up addresses.
func TestNotFetched(t *testing.T) {
	said := errors.New("dial tcp: connection refused")
	for _, test := range []struct {
		err  error
		want bool
	}{
		{said, true},
		{errors.New("invalid response status 404"), true},
		{fmt.Errorf("solving: %w", &gatewaypb.ExitError{ExitCode: 1, Err: said}), false},
		{errors.New("no space left on device"), false},
	} {
		if got := notFetched(test.err); got != test.want {
			t.Errorf("%v: got %t", test.err, got)
		}
	}
}
