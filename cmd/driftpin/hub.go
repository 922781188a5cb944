package main

import "github.com/spf13/cobra"

func hubCommand(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "Render and check how a JupyterHub launches a course's image, and its shared accounts",
		Long: `Render and check how a JupyterHub launches a course's image, and its shared
accounts, as values of Zero to JupyterHub, the Helm chart. pins/hub/README.md
explains shared accounts, and what the members of a group can and can't do.`,
		Example: `  driftpin hub render courses/stat159 --hub 5.4.2 --image hub/stat159@sha256:…
  driftpin hub check config/common.yaml --secrets secrets.yaml
  driftpin hub set-image config/common.yaml singleuser.image hub/stat159@sha256:…`,
		Args: arguments(0, 0, "render, check or set-image"),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(hubRenderCommand(s), hubCheckCommand(s), hubSetImageCommand(s))
	return cmd
}
