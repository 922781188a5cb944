package affected

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks is how many links are followed on the way to a file, as by Linux.
const maxLinks = 40

// trail are the places by which a path leads to what it names, from the repository's top with
// slashes: each link on the way that lies in the repository, and in the end the file or
// folder itself. inside is whether that lies in the repository.
func (a *asking) trail(p string) (names []string, inside bool) {
	rest, err := filepath.Abs(p)
	if err != nil {
		return nil, false
	}
	at := string(filepath.Separator)
	for links := 0; ; {
		first, more, _ := strings.Cut(strings.TrimPrefix(rest, string(filepath.Separator)), string(filepath.Separator))
		if first == "" {
			break
		}
		next := filepath.Join(at, first)
		target, err := os.Readlink(next)
		if err != nil || links == maxLinks { // no link
			at, rest = next, more
			continue
		}
		links++
		if name, ok := a.below(next); ok {
			names = append(names, name)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(at, target)
		}
		at, rest = string(filepath.Separator), filepath.Join(target, more)
	}
	name, inside := a.below(at)
	if inside {
		names = append(names, name)
	}
	return names, inside
}

// below is a path without links from the repository's top, if it lies there.
func (a *asking) below(p string) (string, bool) {
	name, err := filepath.Rel(a.Top, p)
	return filepath.ToSlash(name), err == nil && filepath.IsLocal(name)
}

// name is what a path leads to, from the repository's top; itself, if that lies outside.
func (a *asking) name(p string) string {
	if names, inside := a.trail(p); inside {
		return names[len(names)-1]
	}
	return filepath.ToSlash(p)
}

// touching are the changed files that a path leads to, or over, or that lie below it, or that
// it lies below, as it does below a submodule.
func (a *asking) touching(p string) (files []string) {
	names, inside := a.trail(p)
	for i, name := range names {
		end := inside && i == len(names)-1
		for _, file := range a.Files {
			hit := file == name || strings.HasPrefix(name, file+"/") || end && (name == "." || strings.HasPrefix(file, name+"/"))
			if hit && !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}

// followed is whether git tells of changes of what a path leads to, and its name.
func (a *asking) followed(p string) (name string, ok bool) {
	names, inside := a.trail(p)
	if !inside {
		return filepath.ToSlash(p), false
	}
	name = names[len(names)-1]
	return name, a.Follows(name)
}
