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

// A LockAt is a course's lock after a commit of the mainline that changed it.
type LockAt struct {
	Commit          string
	Time            time.Time // when it was committed
	Author, Subject string
	File            string     // from the repository's top
	Lock            *pins.Lock // nil where the commit took it away, or where it can't be read
	Before          *pins.Lock // the last one before that could be read; nil if there was none
	Err             error      // why it can't be read
	Merged          []Merged   // the commits of the course that a merge brought, the oldest first
}

// A Merged commit came to the mainline by a merge.
type Merged struct {
	Commit, Author, Subject string
}

// Locks returns the locks that a course has had, the oldest first: of the mainline, which first parents
// lead to, so that each follows the one before it; what a merge brought is one change, and its
// commits are named. dir lies in a git repository; a course that was moved is followed to where it
// was, as Of does.
func Locks(ctx context.Context, dir string) ([]LockAt, error) {
	isLock := func(prefix, file string) bool { return file == prefix+pins.LockName }
	commits, err := readLog(ctx, dir, nil, wanted{files: isLock, mainline: true})
	if err != nil {
		return nil, err
	}
	top, _, err := place(ctx, dir)
	if err != nil {
		return nil, err
	}
	read := lockReader(ctx, top)
	var locks []LockAt
	var before *pins.Lock
	last := ""
	for _, c := range commits {
		for _, change := range c.changes {
			if change.blob == last { // the folder was moved, and the lock was not changed
				continue
			}
			last = change.blob
			l := LockAt{Commit: c.id, Time: c.time, Author: c.author, Subject: c.subject, File: change.file, Before: before}
			if l.Lock, l.Err = read(change.blob, change.file); l.Lock != nil {
				before = l.Lock
			}
			if len(c.parents) > 1 {
				if l.Merged, err = mergedBy(ctx, top, c, strings.TrimSuffix(change.file, pins.LockName)); err != nil {
					return nil, err
				}
			}
			locks = append(locks, l)
		}
	}
	return locks, ctx.Err()
}

// mergedBy are the commits that a merge brought and that touched a folder; empty is the top one.
func mergedBy(ctx context.Context, top string, c commit, dir string) ([]Merged, error) {
	out, err := git(ctx, top, nil, "log", "--reverse", "--topo-order", "--no-merges", "--format=%H%x00%aN%x00%s",
		c.parents[0]+".."+c.id, "--", ":(top,literal)"+dir)
	if err != nil {
		return nil, err
	}
	var merged []Merged
	for line := range strings.Lines(string(out)) {
		f := append(strings.SplitN(strings.TrimSuffix(line, "\n"), "\x00", 3), "", "")
		merged = append(merged, Merged{f[0], shortened(f[1]), shortened(f[2])})
	}
	return merged, nil
}

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
				if k.lock, k.err = pins.ParseLock(file, data); k.err != nil {
					k.lock = nil // what could be read of it
				}
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
