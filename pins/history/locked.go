package history

import (
	"context"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins"
)

// Locked returns the changes of a package in a course's lock, the oldest first: of what
// only comes along, no other file says anything. Locks that can't be read are passed over.
func Locked(ctx context.Context, dir, name string) ([]Event, error) {
	locks, err := Locks(ctx, dir)
	if err != nil {
		return nil, err
	}
	was := map[pins.Kind]string{}
	var events []Event
	for _, c := range locks {
		if c.Err != nil {
			continue
		}
		now := versionsOf(c.Lock, name)
		for _, kind := range []pins.Kind{pins.Conda, pins.Pip, pins.Deb, pins.Npm, pins.R} {
			if was[kind] == now[kind] {
				continue
			}
			events = append(events, Event{Commit: c.Commit, Time: c.Time, Subject: c.Subject, File: c.File, Kind: kind,
				Was: words(name, was[kind]), Spec: words(name, now[kind]), Before: was[kind], Version: now[kind]})
		}
		was = now
	}
	return events, nil
}

// A LockAt is a course's lock after a commit that changed it.
type LockAt struct {
	Commit          string
	Time            time.Time // when it was committed
	Author, Subject string
	File            string     // from the repository's top
	Lock, Before    *pins.Lock // nil where there is none, or where it can't be read
	Err             error      // why one of them can't be read
}

// Locks returns the locks that a course has had, the oldest first, each with the one that
// the commit found. dir lies in a git repository; a course that was moved is followed to
// where it was, as Of does.
func Locks(ctx context.Context, dir string) ([]LockAt, error) {
	commits, err := readLog(ctx, dir, nil, func(prefix, file string) bool { return file == prefix+pins.LockName })
	if err != nil {
		return nil, err
	}
	top, _, err := place(ctx, dir)
	if err != nil {
		return nil, err
	}
	read := lockReader(ctx, top)
	var locks []LockAt
	last := none
	for _, c := range commits {
		for _, change := range c.changes {
			was := change.was
			if isNone(was) && c.renames != nil { // it came here from another folder
				was = last
			}
			if last = change.blob; was == last {
				continue
			}
			l := LockAt{Commit: c.id, Time: c.time, Author: c.author, Subject: c.subject, File: change.file}
			l.Before, _ = read(was, change.file) // the commit that made it tells what is wrong with it
			l.Lock, l.Err = read(change.blob, change.file)
			locks = append(locks, l)
		}
	}
	return locks, ctx.Err()
}

// none is the name of the content of a file that is not there.
const none = "0"

func isNone(blob string) bool { return strings.Trim(blob, "0") == "" }

// lockReader reads locks by the names of their contents, each once.
func lockReader(ctx context.Context, top string) func(blob, file string) (*pins.Lock, error) {
	type known struct {
		lock *pins.Lock
		err  error
	}
	all := map[string]known{}
	return func(blob, file string) (*pins.Lock, error) {
		if isNone(blob) {
			return nil, nil
		}
		k, ok := all[blob]
		if !ok {
			var data []byte
			if data, k.err = git(ctx, top, nil, "cat-file", "blob", blob); k.err == nil {
				k.lock, k.err = pins.ParseLock(file, data)
			}
			all[blob] = k
		}
		return k.lock, k.err
	}
}

// versionsOf are a package's versions in a lock, by kind; none where there is no lock.
func versionsOf(l *pins.Lock, name string) map[pins.Kind]string {
	found := map[pins.Kind]string{}
	if l == nil {
		return found
	}
	for _, a := range l.Artifacts {
		if a.Use == pins.Install && a.Name == pins.CanonicalName(a.Kind, name) {
			found[a.Kind] = a.Version
		}
	}
	return found
}

// words are a package at a version; empty for none.
func words(name, version string) string {
	if version == "" {
		return ""
	}
	return name + " " + version
}
