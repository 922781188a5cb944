package images

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/platforms"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options steer Open; the zero value is useful.
type Options struct {
	Platform string        // of an image with several, such as linux/arm64; empty: linux/amd64
	Silence  time.Duration // how long a registry may send nothing before it is asked again; 0: a minute
}

// platform is the one that is asked for, and what chooses by it as containerd
// does: the best that such a machine runs.
func (o Options) platform() (specs.Platform, platforms.MatchComparer, error) {
	p, err := platforms.Parse(cmp.Or(o.Platform, "linux/amd64"))
	if err != nil || p.OS == "" || p.Architecture == "" || !strings.Contains(cmp.Or(o.Platform, "/"), "/") {
		return p, nil, fmt.Errorf("platform %q: write OS/ARCHITECTURE, such as linux/arm64", o.Platform)
	}
	return p, platforms.Only(p), nil
}

// fits checks that an image is of the platform that was asked for, if any was.
func (o Options) fits(img *Image) error {
	want, match, err := o.platform()
	if err != nil || o.Platform == "" || img.Platform != "" || img.Config.Platform == "" {
		return err
	}
	if have, err := platforms.Parse(img.Config.Platform); err != nil || !match.Match(have) {
		return fmt.Errorf("the image has no %s: it is %s", platforms.Format(want), img.Config.Platform)
	}
	return nil
}
