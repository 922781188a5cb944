package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/images/sbom"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

func inventoryCommand(s streams) *cobra.Command {
	var f inventoryFlags
	cmd := &cobra.Command{
		Use:   "inventory IMAGE",
		Short: "List the packages that an image holds",
		Long: `List the packages in an image: those of dpkg, conda, pip, npm and R, in every
environment, with Python's interpreters and Jupyter's extensions and kernels.
--format cyclonedx or spdx writes an SBOM.`,
		Example: `  driftpin inventory oci-layout:build/images/stat159
  driftpin inventory --format json registry.example.edu/hub/stat159:latest
  driftpin inventory --format cyclonedx docker:stat159 --output stat159.cdx.json`,
		Args: arguments(1, 1, "one image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", f.format, "text", "json", "cyclonedx", "spdx"); err != nil {
				return err
			}
			return f.run(cmd.Context(), s, args[0])
		},
	}
	cmd.Flags().StringVar(&f.format, "format", "text", "text, json, cyclonedx or spdx")
	cmd.Flags().StringVar(&f.output, "output", "", "file to write to (default standard output)")
	cmd.Flags().StringVar(&f.platform, "platform", "", "platform, for an image that has several (default linux/amd64)")
	cmd.Flags().BoolVar(&f.layers, "read-layers", false,
		"read all layers: ignore remembered results and the inventory that the image carries")
	return cmd
}

// inventoryFlags are the flags of inventory.
type inventoryFlags struct {
	format, output, platform string
	layers                   bool
}

func (f inventoryFlags) run(ctx context.Context, s streams, ref string) (err error) {
	img, err := images.Open(ctx, ref, images.Options{Platform: f.platform})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	printOpened(s, img)
	r, done := newReader(s)
	defer done()
	r.Layers = f.layers
	all, err := r.Inventories(ctx, img)
	if err != nil {
		return err
	}
	printUnverified(s, r, img)
	var out bytes.Buffer
	switch f.format {
	case "cyclonedx":
		err = sbom.CycloneDX(&out, sbom.Subject{Name: img.Name, Digest: img.Digest, Created: img.Created}, all[0])
	case "spdx":
		err = sbom.SPDX(&out, sbom.Subject{Name: img.Name, Digest: img.Digest, Created: img.Created}, all[0])
	case "json":
		err = writeJSON(&out, struct {
			Packages []images.Package `json:"packages"`
			Config   drift.Config     `json:"config"`
		}{all[0], img.Config})
	default:
		err = listPackages(&out, all[0])
	}
	if err != nil {
		return err
	}
	if f.output != "" {
		return whole.WriteFile(f.output, out.Bytes(), 0o644)
	}
	_, err = out.WriteTo(s.out)
	return err
}

func listPackages(out io.Writer, packages []images.Package) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, p := range packages {
		extra := strings.TrimSpace(strings.Join([]string{p.Commit, p.Build, p.Channel, p.State}, " "))
		if p.Owner != nil {
			extra = strings.TrimSpace(fmt.Sprintf("%s (of %s %s)", extra, p.Owner.Kind, p.Owner.Name))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Kind, report.Clean(p.Name), report.Clean(p.Version),
			report.Clean(p.Where), report.Clean(extra))
	}
	return w.Flush()
}
