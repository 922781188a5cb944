package pins

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

var (
	descriptionField = regexp.MustCompile(`^([A-Za-z0-9@/]+):(.*)$`)
	dependency       = regexp.MustCompile(`([A-Za-z][A-Za-z0-9.]*)\s*(?:\(([^)]*)\))?`)
)

// readDescription returns the packages that a DESCRIPTION of R requires (Writing R
// Extensions, "The DESCRIPTION file"): those of Depends, Imports and LinkingTo.
func readDescription(file, text string) (found []Request) {
	field := ""
	for i, line := range strings.Split(text, "\n") {
		if m := descriptionField.FindStringSubmatch(line); m != nil {
			field, line = m[1], m[2]
		} else if strings.TrimLeft(line, " \t") == line {
			field = ""
		}
		switch field {
		case "Depends", "Imports", "LinkingTo":
		default:
			continue
		}
		for _, m := range dependency.FindAllStringSubmatch(line, -1) {
			if m[1] == "R" {
				continue
			}
			r := Request{Pin: New(R, m[1], ""), Spec: m[0], Need: Wanted, At: Position{File: file, Line: i + 1}}
			r.Spec, r.Constraint = strings.TrimSpace(r.Spec), strings.TrimSpace(m[2])
			found = append(found, r)
		}
	}
	return found
}

// readRenv returns the packages of an renv.lock (renv's documentation, "The structure of
// lockfiles"), with the versions that renv::restore installs. What is no JSON has none.
func readRenv(file, text string) (found []Request) {
	var lock struct {
		Packages map[string]struct{ Package, Version, RemoteUsername, RemoteRepo, RemoteSha string }
	}
	if json.Unmarshal([]byte(text), &lock) != nil {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	place := func(word string) Position { // of the token that was read last
		end := int(d.InputOffset())
		begin := strings.LastIndexByte(text[:end], '\n') + 1
		return Position{File: file, Line: strings.Count(text[:begin], "\n") + 1, Column: max(1, end-begin-len(word))}
	}
	var path []string // of the objects that are open, by their keys
	key := ""
	isKey := false
	for {
		token, err := d.Token()
		if err != nil {
			return found
		}
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				path = append(path, key)
			} else {
				path = path[:len(path)-1]
			}
			isKey = t == '{' || len(path) > 0
			continue
		case string:
			if isKey {
				if key = t; len(path) == 2 && path[1] == "Packages" {
					p := lock.Packages[t]
					r := Request{Pin: New(R, t, p.Version), Spec: t + "@" + p.Version, Need: Wanted, At: place(t)}
					r.At.Column = 1
					if p.Version == "" {
						r.Spec = t
					}
					found = slices.DeleteFunc(found, func(q Request) bool { return q.Name == t }) // of a key twice the last counts
					found = append(found, r)
				}
				isKey = false
				continue
			}
			if n := len(found) - 1; len(path) == 3 && path[1] == "Packages" && key == "Version" && found[n].Name == path[2] {
				found[n].Where = Text{t, place(t)}
			}
		}
		isKey = true
	}
}
