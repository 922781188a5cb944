package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// An UnableError is one of an engine that answers, and can't build what driftpin has built.
type UnableError struct{ Why string }

// Error says what it lacks.
func (e *UnableError) Error() string { return e.Why }

// oldest is the first version of BuildKit that has all of needed.
const oldest = "0.28"

// needed are the capabilities of engines that every build takes, with what they are.
var needed = []struct {
	id   apicaps.CapID
	what string
}{
	{pb.CapMergeOp, "merging layers"},
	{pb.CapDiffOp, "the difference of layers"},
	{pb.CapSourceOCILayout, "images from this machine"},
	{pb.CapSourceImageBlob, "files from this machine"},
	{pb.CapExecMountSSH, "sockets in steps"},
}

// able asks an engine for its version and what it can do. Its error is an *UnableError, or
// says that it does not answer.
func able(ctx context.Context, c *client.Client) error {
	info, err := c.Info(ctx)
	if grpcerrors.Code(err) == codes.Unimplemented {
		return &UnableError{"this engine is older than BuildKit 0.11; " + oldest + " or newer is needed"}
	}
	if err != nil {
		return err
	}
	var lacks []string
	merges := true
	_, err = c.Build(ctx, client.SolveOpt{}, "driftpin", func(_ context.Context, talk gateway.Client) (*gateway.Result, error) {
		caps := talk.BuildOpts().LLBCaps
		for _, need := range needed {
			if caps.Supports(need.id) != nil {
				lacks = append(lacks, need.what)
				merges = merges && need.id != pb.CapMergeOp
			}
		}
		return gateway.NewResult(), nil
	}, nil)
	if err != nil || len(lacks) == 0 {
		return err
	}
	version := info.BuildkitVersion.Version
	v, err := semver.NewVersion(version)
	if err == nil && v.Major()+v.Minor() > 0 && v.LessThan(semver.MustParse(oldest)) { // 0.0.0: it does not know
		return &UnableError{fmt.Sprintf("this engine is BuildKit %s; %s or newer is needed", v, oldest)}
	}
	if !merges {
		return &UnableError{noMerges}
	}
	return &UnableError{fmt.Sprintf("this engine lacks %s, which BuildKit %s and newer have", strings.Join(lacks, ", "),
		oldest)}
}

// noMerges says why Docker's builder is refused where it has a graph driver.
const noMerges = "Docker's builder can't put an image together of layers (moby/moby#45111) unless Docker has its " +
	"containerd image store: switch that on, or have a BuildKit beside it: " + ownBuildKit

// ownBuildKit is how to have a BuildKit beside Docker's own.
const ownBuildKit = "docker run -d --privileged --name buildkit moby/buildkit, and --engine docker-container://buildkit"

// short is the last part of what an engine's connection says, which tells the cause.
func short(err error) string {
	text := err.Error()
	if status, ok := grpcerrors.AsGRPCStatus(err); ok {
		text = status.Message()
	}
	text, _, _ = strings.Cut(text, "\n")
	return text
}
