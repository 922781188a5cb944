package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/report"
	"github.com/spf13/cobra"
)

func inventoryCommand(s streams) *cobra.Command {
	var format, platform string
	cmd := &cobra.Command{
		Use:   "inventory IMAGE",
		Short: "List the packages that an image holds",
		Example: `  driftpin inventory oci-layout:build/images/stat159
  driftpin inventory --format json registry.example.edu/hub/stat159:latest`,
		Args: arguments(1, 1, "one image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			return listInventory(cmd.Context(), s, args[0], format, images.Options{Platform: platform})
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().StringVar(&platform, "platform", "", "of an image with several (default linux/amd64)")
	return cmd
}

func listInventory(ctx context.Context, s streams, ref, format string, o images.Options) (err error) {
	img, err := images.Open(ctx, ref, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	r, err := newReader(s)
	if err != nil {
		return err
	}
	all, err := r.Inventories(ctx, img)
	if err != nil {
		return err
	}
	packages := all[0]
	if format == "json" {
		return writeJSON(s.out, struct {
			Packages []images.Package `json:"packages"`
			Config   images.Config    `json:"config"`
		}{packages, img.Config})
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	for _, p := range packages {
		extra := p.Commit
		if p.Build != "" {
			extra = p.Build + " " + p.Channel
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Kind, report.Clean(p.Name), report.Clean(p.Version), report.Clean(p.Where), report.Clean(extra))
	}
	return w.Flush()
}
