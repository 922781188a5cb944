package history

import (
	"context"
	"path"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// Locked returns the changes of a package in a course's lock, the oldest first: of what
// only comes along, no other file says anything. Locks that can't be read are passed over.
func Locked(ctx context.Context, dir, name string) ([]Event, error) {
	top, prefix, err := place(ctx, dir)
	if err != nil {
		return nil, err
	}
	file := path.Join(prefix, pins.LockName)
	commits, err := logOf(ctx, top, "HEAD", file, map[string]bool{file: true})
	if err != nil {
		return nil, err
	}
	was := map[pins.Kind]string{}
	var events []Event
	for _, c := range commits {
		now, ok := versionsAt(ctx, top, c, name)
		if !ok {
			continue
		}
		for _, kind := range []pins.Kind{pins.Conda, pins.Pip, pins.Deb, pins.Npm, pins.R} {
			if was[kind] == now[kind] {
				continue
			}
			events = append(events, Event{Commit: c.id, Time: c.time, Subject: c.subject, File: file, Kind: kind,
				Was: words(name, was[kind]), Spec: words(name, now[kind]), Before: was[kind], Version: now[kind]})
		}
		was = now
	}
	return events, nil
}

// versionsAt are a package's versions in the lock of a commit, by kind.
func versionsAt(ctx context.Context, top string, c commit, name string) (map[pins.Kind]string, bool) {
	found := map[pins.Kind]string{}
	for _, change := range c.changes {
		if strings.Trim(change.blob, "0") == "" { // the lock was deleted
			return found, true
		}
		data, err := git(ctx, top, nil, "cat-file", "blob", change.blob)
		if err != nil {
			return nil, false
		}
		l, err := pins.ParseLock(change.file, data)
		if err != nil {
			return nil, false
		}
		for _, a := range l.Artifacts {
			if a.Use == pins.Install && a.Name == pins.CanonicalName(a.Kind, name) {
				found[a.Kind] = a.Version
			}
		}
	}
	return found, len(c.changes) > 0
}

// words are a package at a version; empty for none.
func words(name, version string) string {
	if version == "" {
		return ""
	}
	return name + " " + version
}
