package engine

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/moby/buildkit/util/disk"
	"github.com/moby/sys/userns"
)

// diskWanted is the free space below which a diagnosis warns: a course's image
// with its layers and cache takes about 5 GB.
const diskWanted = 10 * gigabyte

// Diagnose looks for what an embedded engine with its state under root needs.
func Diagnose(ctx context.Context, root string) []Finding {
	return []Finding{diagnoseUser(), diagnoseRunc(ctx), diagnoseOverlay(root), diagnoseDisk(root)}
}

func diagnoseUser() Finding {
	f := Finding{What: "root or a user namespace"}
	switch {
	case os.Geteuid() > 0:
		f.Err = errors.New("not root, and no user namespace")
		f.Remedy = fmt.Sprintf("run driftpin with sudo, or in rootlesskit (%s): rootlesskit --net=host "+
			"--copy-up=/etc --copy-up=/run driftpin …, or name a buildkitd in BUILDKIT_HOST",
			Install("rootlesskit", nil))
	case userns.RunningInUserNS():
		f.Detail = "a user namespace, on " + System()
	default:
		f.Detail = "root, on " + System()
	}
	return f
}

func diagnoseRunc(ctx context.Context) Finding {
	f := Finding{What: "runc with --keep"}
	f.Detail, f.Err = findRunc(ctx)
	if f.Err != nil {
		f.Remedy = Install("runc", nil)
	}
	return f
}

func diagnoseOverlay(root string) Finding {
	f := Finding{What: "overlayfs", Detail: "works under " + root, Optional: true}
	dir, err := makeRoot(root)
	if err != nil {
		f.Err, f.Optional = err, false
		f.Remedy = "set DRIFTPIN_HOME to a folder that can be written"
		return f
	}
	if err := overlayutils.Supported(dir); err != nil {
		f.Err = err
		f.Remedy = "without it every layer is a full copy: load the module (modprobe overlay), or set " +
			"DRIFTPIN_HOME to a disk with ext4 or xfs"
	}
	return f
}

func diagnoseDisk(root string) Finding {
	f := Finding{What: "disk", Optional: true}
	stat, err := disk.GetDiskStat(root)
	if err != nil {
		f.Err = err
		return f
	}
	free := FreeSpace(root) + " under " + root
	if stat.Available < diskWanted {
		f.Err = errors.New(free)
		f.Remedy = "a course takes about 5 GB with its cache: free some space, or set DRIFTPIN_HOME to a larger disk"
		return f
	}
	f.Detail = free
	return f
}
