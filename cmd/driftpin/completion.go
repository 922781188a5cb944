package main

import (
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// complete has shells complete what commands take: folders of courses, names of packages,
// and the values of flags that take one of a few.
func complete(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		complete(cmd)
		cmd.Flags().VisitAll(func(f *pflag.Flag) { completeFlag(cmd, f) })
		if cmd.ValidArgs != nil || cmd.ValidArgsFunction != nil || !strings.Contains(cmd.Use, "COURSE") {
			continue
		}
		cmd.ValidArgsFunction = completeArguments(strings.Contains(cmd.Use, "NAME"), cmd.Name() == "why" || cmd.Name() == "history")
	}
}

// completeFlag completes a flag's values: folders, or those that the flag has.
func completeFlag(cmd *cobra.Command, f *pflag.Flag) {
	values := map[string][]string{"progress": {"auto", "tty", "plain", "quiet"}, "to": {"latest", "minor", "patch"},
		"need": {"hard", "solver", "wanted"}, "fail-on": {"any", "major", "policy", "never"},
		"color": {"auto", "always", "never"}, "format": {"text", "json"}}[f.Name]
	directive := cobra.ShellCompDirectiveNoFileComp
	switch cmd.Name() + " --" + f.Name {
	case "drift --format":
		values = formats
	case "bump --format", "add --format", "remove --format", "sync --format":
		values = []string{"text", "json", "markdown"}
	case "export --format":
		values = []string{"requirements", "pylock", "conda-explicit", "environment"}
	case "inventory --format":
		values = []string{"text", "json", "cyclonedx", "spdx"}
	case "pins --fail-on":
		values = []string{string(pins.Error), string(pins.Warning), string(pins.Note)}
	case "build --output":
		values, directive = []string{"oci-layout:", "docker-archive:", "docker:"}, cobra.ShellCompDirectiveNoSpace
	}
	var err error
	switch {
	case values != nil:
		err = cmd.RegisterFlagCompletionFunc(f.Name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return values, directive
		})
	case f.Name == "tls-dir" || f.Name == "course":
		err = cmd.MarkFlagDirname(f.Name)
	}
	if err != nil {
		panic(err) // the flag is there
	}
}

// completeArguments completes folders, and behind the first the names of what that course
// pins; of what it locks, if locked is set.
func completeArguments(names, locked bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		courses, _ := split(args)
		if len(courses) == 0 && pins.IsCourse(".") {
			courses = []string{"."}
		}
		if !names || len(courses) == 0 {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
		var found []string
		for _, dir := range courses {
			c, err := openManifest(dir)
			if err != nil {
				continue // it is said when the command runs
			}
			for _, r := range slices.Concat(c.manifest.Requests, c.manifest.Listed) {
				if r.Kind != pins.FromImage { // shells take its colon for the end of a word
					found = append(found, r.Name)
				}
			}
			if c.lock != nil && locked {
				for _, a := range c.lock.Artifacts {
					found = append(found, a.Name)
				}
			}
		}
		slices.Sort(found)
		return slices.Compact(found), cobra.ShellCompDirectiveDefault
	}
}
