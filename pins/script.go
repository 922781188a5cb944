package pins

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// A Script is a program in a course's folder that runs while the course's image is
// built, in the folder's copy there. What it is sent by servers is recorded when the
// course is locked.
type Script struct {
	Name string // its file, relative to the course's folder
	At   Position
}

// home is that of the image's user. repo2docker copies a course's folder there,
// unless it is told another place.
const home = "/home/jovyan"

// A Recorder runs scripts in the image as it is built so far.
type Recorder interface {
	// Record runs a script of a course. l is the course's lock, with the recordings
	// of the scripts before it. What an earlier lock remembers is given again as far as
	// the script still asks for it.
	Record(ctx context.Context, m *Manifest, l *Lock, s Script, earlier Remembered) (Recording, error)
	// Settle corrects what the scripts of a lock brought, by the whole image: stages of
	// a Dockerfile are not all in it.
	Settle(ctx context.Context, m *Manifest, l *Lock) error
}

// Remembered is what an earlier lock has of a script, and of the course's others.
type Remembered struct {
	Own     *Recording // of the script of that name; nil if there is none
	Answers []Answer   // all scripts'
}

// Copied reports whether the course's folder is in the image.
func (m *Manifest) Copied() bool { return m.RepoDir.Value != "" }

// script notes a script of the course.
func (c *course) script(file string, from Position) {
	file = path.Clean(file)
	if slices.ContainsFunc(c.m.Scripts, func(s Script) bool { return s.Name == file }) {
		c.m.Findings.fatal(from, "duplicate", "run: %s is named twice: keep one", file)
	} else if c.program(file, "run", from) {
		c.m.Findings.note(Position{File: c.name(file), Line: 1}, "script",
			"the script runs while the image is built; what it downloads is recorded by driftpin lock")
		c.m.Scripts = append(c.m.Scripts, Script{file, Position{File: c.name(file), Line: 1}})
	}
}

// starts notes the program that starts the container's command.
func (c *course) starts(file string, from Position) {
	if file = path.Clean(file); c.program(file, "launch.start", from) {
		c.m.Start = Text{file, Position{File: c.name(file), Line: 1}}
	}
}

// program reports whether a file in the course's folder can be run, or notes why
// not.
func (c *course) program(file, key string, from Position) bool {
	if path.IsAbs(file) || file == ".." || strings.HasPrefix(file, "../") {
		c.m.Findings.fatal(from, "path", "%s: %q lies outside of the course's folder: copy it inside", key, file)
		return false
	}
	if c.alone {
		return false
	}
	data, err := c.load(file)
	if err != nil {
		c.failed(from, fmt.Sprintf("%s: %s", key, file), err)
		return false
	}
	at := Position{File: c.name(file), Line: 1}
	if real, err := realPath(c.path(file)); err == nil {
		if dir, err := realPath(c.m.Dir); err == nil && !strings.HasPrefix(real, strings.TrimSuffix(dir, "/")+"/") {
			c.m.Findings.fatal(at, "outside", "the file is a link that leads out of the course's folder, and the folder's "+
				"copy in the image does not have it: copy the file inside")
			return false
		}
	}
	if first, _, _ := strings.Cut(string(data), "\n"); strings.HasPrefix(first, "#!") && strings.HasSuffix(first, "\r") {
		c.m.Findings.fatal(at, "program", "the first line ends in CR LF, and no program of that name is found when the "+
			"file is run: save it with LF alone")
		return false
	}
	return true
}

// programs reads what pins.yaml names of programs in the course's folder.
func (c *course) programs() {
	for _, run := range c.m.runs {
		c.script(run.Value, run.At)
	}
	if start := c.m.start; start.Value != "" {
		c.starts(start.Value, start.At)
	}
}

// notebooks reads the notebooks that are executed as checks: those that pins.yaml
// names, and those of image-tests, as repo2docker-action has them.
func (c *course) notebooks() {
	checked := c.m.checked
	found, _ := fs.Glob(os.DirFS(c.m.Dir), "image-tests/*.ipynb") // the pattern is well-formed
	for _, file := range found {
		if !slices.ContainsFunc(checked, func(t Text) bool { return path.Clean(t.Value) == file }) {
			checked = append(checked, Text{file, Position{File: c.name(file)}})
		}
	}
	for _, t := range checked {
		file := path.Clean(t.Value)
		full := c.path(file)
		info, err := os.Stat(full)
		switch {
		case path.IsAbs(file) || file == ".." || strings.HasPrefix(file, "../") || c.bounds != nil && !c.bounds.hold(full):
			c.m.Findings.fatal(t.At, "path", "notebook: %q lies outside of the course's folder: copy it inside", file)
		case err != nil || !info.Mode().IsRegular() || info.Size() > maxNotebook:
			c.m.Findings.fatal(t.At, "notebook", "notebook: %s is not there, or not a file of at most %d MiB", file,
				maxNotebook>>20)
		default:
			data, err := os.ReadFile(full)
			if err != nil {
				c.failed(t.At, "notebook: "+file, err)
			}
			c.m.Notebooks = append(c.m.Notebooks, Notebook{Text{file, t.At}, data})
		}
	}
}

// maxNotebook is the size of the largest notebook that is a check, in bytes.
const maxNotebook = 2 << 20

// copied learns what the copy of the course's folder holds, if there is to be one.
func (c *course) copied() {
	m := c.m
	if m.RepoDir.Value == "" && m.Dockerfile.Value == "" && (len(m.Scripts) > 0 || m.Start.Value != "") {
		m.RepoDir.Value = home
	}
	if !m.Copied() && m.Dockerfile.Value == "" {
		return
	}
	sum, err := m.Folder().sum()
	if err != nil {
		c.m.Findings.fatal(Position{File: c.name(".")}, "folder", "the course's folder can't be copied into the image: %v", err)
	}
	m.FolderSum = sum
}

// recordInputs is the digest of all that decides what a script of a course does,
// besides the network: the image as it is built so far, and the course's folder.
func recordInputs(m *Manifest, l *Lock, script string) string {
	lines := []string{"script " + script, "base " + l.Base, "environment " + l.Environment,
		"repo-dir " + m.RepoDir.Value, "folder " + m.FolderSum}
	for _, i := range l.Images {
		lines = append(lines, "image "+i.Ref+" "+i.Digest)
	}
	for _, a := range l.Artifacts {
		if a.InImage() {
			lines = append(lines, strings.Join(a.words(), " "))
		}
	}
	for _, p := range l.PostLinks {
		lines = append(lines, strings.Join(p.words(), " "))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Launch.Env)) {
		lines = append(lines, "env "+name+"="+m.Launch.Env[name])
	}
	for _, d := range m.Downloads {
		lines = append(lines, fmt.Sprintf("download %s %s %t", d.URL, d.To, d.Unpack))
	}
	for _, f := range l.Downloads {
		lines = append(lines, "download "+f.URL+" "+f.SHA256)
	}
	for _, f := range m.Launch.Files {
		lines = append(lines, "file "+f.Path+" "+digest(string(f.Content)))
	}
	for _, f := range m.Files {
		lines = append(lines, "copy "+f.Source+" "+f.Target)
	}
	for _, r := range l.Recordings {
		if r.Script == script {
			break
		}
		lines = append(lines, r.of("script", "answer")...)
	}
	return digest(strings.Join(lines, "\n"))
}

// record adds to a lock what is recorded of the course's scripts: by the old lock
// where nothing has changed, else anew.
func record(ctx context.Context, m *Manifest, old, l *Lock, o LockOptions) error {
	anew := false
	for _, s := range m.Scripts {
		inputs := recordInputs(m, l, s.Name)
		forget := o.Upgrade || slices.Contains(o.Names, s.Name)
		var was *Recording
		if old != nil && !forget {
			was = old.Recording(s.Name)
		}
		if was != nil && (was.Inputs == inputs && !o.Doubted && !o.Again || o.Recorder == nil) {
			l.Recordings = append(l.Recordings, *was)
			continue
		}
		if o.Recorder == nil {
			continue // who needs it finds the lock stale
		}
		var earlier Remembered
		if old != nil && !forget {
			earlier = Remembered{old.Recording(s.Name), knownAnswers(old, s.Name)}
		}
		r, err := o.Recorder.Record(ctx, m, l, s, earlier)
		if err != nil {
			return err
		}
		r.Script, r.Inputs = s.Name, inputs
		r.sort()
		l.Recordings = append(l.Recordings, r)
		anew = true
	}
	if !anew {
		return nil
	}
	return o.Recorder.Settle(ctx, m, l)
}

// knownAnswers are what an old lock has recorded, the script's own before those of
// others: a Dockerfile's lines move.
func knownAnswers(old *Lock, script string) (known []Answer) {
	seen := map[string]bool{}
	add := func(r Recording) {
		for _, a := range r.Answers {
			if !seen[a.Key()] && a.Status < 400 { // what there was not, there may be now
				seen[a.Key()] = true
				known = append(known, a)
			}
		}
	}
	if own := old.Recording(script); own != nil {
		add(*own)
	}
	for _, r := range old.Recordings {
		add(r)
	}
	return known
}

// unrecorded says which scripts of a course a lock does not record as they are;
// empty if it records all.
func unrecorded(m *Manifest, l *Lock) string {
	for i, s := range m.Scripts {
		if i >= len(l.Recordings) || l.Recordings[i].Script != s.Name {
			return s.Name + " is not recorded"
		}
		if l.Recordings[i].Inputs != recordInputs(m, l, s.Name) {
			return s.Name + " was recorded in another image, or with other files in the course's folder"
		}
	}
	if len(l.Recordings) > len(m.Scripts) {
		return "it records " + l.Recordings[len(m.Scripts)].Script + ", which the course does not run"
	}
	return ""
}
