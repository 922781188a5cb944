package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

// A selection says which courses a command is for: those that are named, patterns too;
// all that driftpin.yaml lists, with --all; or the folder that one is in.
type selection struct{ all bool }

func (f *selection) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.all, "all", false, "all courses that "+pins.WorkspaceName+" lists")
}

// courses are the folders that are meant, each once; named are the arguments that are
// courses, and others those that are no folders.
func (f *selection) courses(named []string, others ...string) (dirs []string, err error) {
	switch {
	case f.all && len(named) > 0:
		return nil, usageError{fmt.Errorf("--all is for all courses of %s, and %s is named: choose one of the two",
			pins.WorkspaceName, named[0])}
	case f.all:
		w, err := pins.FindWorkspace(".")
		if err != nil {
			return nil, err
		}
		if w == nil {
			return nil, fmt.Errorf("--all needs a %s, here or in a folder above, that lists the courses", pins.WorkspaceName)
		}
		return w.Folders()
	case len(named) == 0 && pins.IsCourse("."):
		return []string{"."}, nil
	case len(named) == 0 && len(others) > 0:
		return nil, usageError{fmt.Errorf("%s is no folder: name a course first, or --all; in a course's folder, none is needed",
			others[0])}
	case len(named) == 0:
		return nil, usageError{errors.New("name one or more courses: folders, or patterns such as 'deployments/*/image'; " +
			"or --all; in a course's folder, none is needed")}
	}
	seen := map[string]bool{}
	for _, name := range named {
		found := []string{name}
		switch {
		case name == "":
			return nil, usageError{errors.New("a course's name is empty")}
		case strings.Contains(name, "**"):
			return nil, usageError{fmt.Errorf("%s: write one * for each folder", name)}
		case strings.ContainsAny(name, "*?["):
			if found, err = pins.MatchCourses(name); err != nil {
				return nil, err
			}
		}
		for _, dir := range found {
			if place := placeOf(dir); !seen[place] {
				seen[place] = true
				dirs = append(dirs, filepath.Clean(dir))
			}
		}
	}
	return dirs, nil
}

// oneCourse tells a command's course from what else it takes: the folder that one is in is
// meant where none is named.
func oneCourse(args []string) (dir string, rest []string) {
	if courses, names := split(args); len(courses) == 0 && len(names) > 0 && pins.IsCourse(".") {
		return ".", names
	}
	return args[0], args[1:]
}

// placeOf is a folder in one spelling.
func placeOf(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return dir
}
