package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/session"
)

// caches are where results of steps are taken from and put, for a course.
func (f *buildFlags) caches(course string) (session.Caches, error) {
	named := func(texts []string) (all []string) {
		for _, text := range texts {
			all = append(all, strings.ReplaceAll(text, "{course}", course))
		}
		return all
	}
	if f.engineFlags.place.embedded() && slices.ContainsFunc(slices.Concat(f.cacheFrom, f.cacheTo), func(text string) bool {
		return slices.Contains(strings.Split(text, ","), "type=gha")
	}) {
		return session.Caches{}, usageError{errors.New("the embedded engine has no gha cache: use a cache in a registry, " +
			"or the engine of GitHub's setup-buildx-action")}
	}
	caches, err := buildplan.ParseCaches(named(f.cacheFrom), named(f.cacheTo))
	if err != nil {
		return caches, usageError{err}
	}
	return caches, nil
}

// tellMissing says which folders of --cache-from hold no cache: the engine passes over them.
func tellMissing(w io.Writer, caches session.Caches) {
	for _, e := range caches.From {
		if dir := e.Attrs["src"]; e.Type == "local" {
			if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
				fmt.Fprintf(w, "--cache-from: %s holds no cache\n", dir)
			}
		}
	}
}

// checkCaches finds what can't be used before anything is built.
func (f *buildFlags) checkCaches(courses []string) error {
	for _, text := range f.cacheTo {
		if len(courses) > 1 && !strings.Contains(text, "{course}") {
			return usageError{fmt.Errorf("--cache-to: %d courses would write over each other's cache: write {course} into it",
				len(courses))}
		}
	}
	_, err := f.caches("course")
	return err
}
