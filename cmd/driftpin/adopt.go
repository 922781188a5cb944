package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

func adoptCommand(s streams) *cobra.Command {
	var base string
	var write bool
	cmd := &cobra.Command{
		Use:   "adopt COURSE",
		Short: "Write a pins.yaml from the files that repo2docker reads",
		Long: `Write a pins.yaml from the files that repo2docker reads. The comment beside a pin
becomes its reason. Without --write the manifest is only printed. The old files stay,
but driftpin no longer reads them once there is a pins.yaml. Every file, key and line
that was not taken over (a Dockerfile, a file that nothing includes, …) is named, here and in a
comment of the manifest; the exit status is then 3. postBuild and start become pins,
files and variables if all that they do is of a few plain forms (cp, npm install -g,
pip install, export); otherwise they stay scripts, named by run: and launch.start:.`,
		Example: `  driftpin adopt courses/data8
  driftpin adopt courses/data8 --base oci-layout:../base --write`,
		Args: arguments(1, 1, "a course"),
		RunE: func(_ *cobra.Command, args []string) error { return adopt(s, args[0], base, write) },
	}
	cmd.Flags().StringVar(&base, "base", "", "base image to name in the manifest")
	cmd.Flags().BoolVar(&write, "write", false, "write COURSE/pins.yaml")
	return cmd
}

func adopt(s streams, dir, base string, write bool) error {
	file := filepath.Join(dir, pins.ManifestName)
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s: the course already has a manifest: adopt is for courses without one", file)
	}
	m, err := readCourse(dir, nil)
	if m == nil {
		return err
	}
	for _, f := range m.Findings.Fatal() {
		if f.Rule != "unsupported" {
			return fmt.Errorf("fix these errors in the course's files first, so that no pin is lost: %w", err)
		}
	}
	if at := m.Dockerfile.At; at.File != "" {
		return fmt.Errorf("%s: the course is built by its Dockerfile, as it is: there is nothing to adopt", at)
	}
	m = m.Plain()
	left := pins.NotAdopted(m)
	for _, f := range left {
		fmt.Fprintln(s.err, "not adopted: "+report.Clean(f.Error()))
	}
	text, err := pins.Adopt(m, besideCourse(dir, base))
	if err != nil {
		return err
	}
	if !write {
		_, err = s.out.Write(text)
	} else if err = whole.WriteFile(file, text, 0o644); err == nil {
		fmt.Fprintf(s.err, "%s: pins adopted: %d, from %s; driftpin no longer reads those files\n", file,
			len(m.Requests), strings.Join(m.PinFiles(), ", "))
	}
	if err == nil && len(left) > 0 {
		return errFound
	}
	return err
}
