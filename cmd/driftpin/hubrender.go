package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/hub"
	"github.com/spf13/cobra"
)

func hubRenderCommand(s streams) *cobra.Command {
	var o hub.RenderOptions
	cmd := &cobra.Command{
		Use:   "render COURSE --hub VERSION",
		Short: "Print the values of Zero to JupyterHub for a course",
		Long: `Print the values of Zero to JupyterHub for a course: its image by digest, its launch,
and its shared accounts with their groups and roles. The launch is compared with the
course's lock first. If that finds an error, nothing is printed, and the exit status
is 3.

The members of the groups are neither in pins.yaml nor in these values. Keep them in
a file of secrets that the deployment adds, such as

  hub: {config: {JupyterHub: {load_groups: {shared-1: {users: [NAME, NAME]}}}}}

and check both files with driftpin hub check VALUES --secrets FILE.`,
		Example: `  driftpin hub render courses/stat159 --hub 5.4.2 --image hub/stat159@sha256:…
  driftpin hub render courses/stat159 --hub 3.1.1 --image hub/stat159:a9f2c4a2da6d --under jupyterhub`,
		Args: arguments(1, 1, "a course"),
		RunE: func(cmd *cobra.Command, args []string) error { return hubRender(cmd.Context(), s, args[0], o) },
	}
	cmd.Flags().StringVar(&o.Hub, "hub", "", "version of JupyterHub, such as 5.4.2")
	cmd.Flags().StringVar(&o.Image, "image", "",
		"reference of the course's image; the registry is asked for the digest of a tag")
	cmd.Flags().StringVar(&o.Under, "under", "",
		"key to write the values under, such as jupyterhub where the chart is a dependency of another chart")
	return cmd
}

func hubRender(ctx context.Context, s streams, dir string, o hub.RenderOptions) error {
	if o.Hub == "" {
		return usageError{errors.New("--hub VERSION: the values depend on the version of JupyterHub")}
	}
	if err := hub.CheckHub(o.Hub); err != nil {
		return usageError{err}
	}
	c, err := openManifest(dir)
	if err != nil {
		return err
	}
	l, err := c.locked()
	if err != nil {
		return err
	}
	if err := printFindings(s.err, hub.Check(c.manifest, l, o.Hub).AtLeast(pins.Warning)); err != nil {
		return err
	}
	if o.Image != "" && !strings.Contains(o.Image, "@sha256:") {
		if o.Image, err = withDigest(ctx, o.Image); err != nil {
			return err
		}
	}
	values, err := hub.Render(c.manifest, o)
	if err != nil {
		return err
	}
	if o.Image == "" {
		fmt.Fprintln(s.err, "no image is named: give --image REFERENCE, the image that driftpin build "+
			"--push has pushed")
	}
	_, err = s.out.Write(values)
	return err
}

// withDigest asks the registry for the digest that a tag stands for.
func withDigest(ctx context.Context, ref string) (string, error) {
	img, err := images.Open(ctx, ref, images.Options{})
	if err != nil {
		return "", err
	}
	return ref + "@" + img.Digest, img.Close()
}
