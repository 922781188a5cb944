package pins

import (
	_ "embed"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins/version"
)

// lint looks for what each part of a manifest can't see by itself.
func (m *Manifest) lint() {
	m.lintDuplicates()
	m.lintEcosystems()
	m.lintUnsupported()
	m.lintChannels()
	m.lintNode()
	m.lintKernels()
	m.lintTargets()
	for _, t := range m.Launch.Cmd {
		if err := checkDashes(t.Value); err != nil {
			m.Findings.fatal(t.At, "dash", "launch.cmd: %v", err)
		}
	}
	for _, t := range m.Checks {
		if err := checkDashes(t.Value); err != nil {
			m.Findings.fatal(t.At, "dash", "checks: %v", err)
		}
	}
}

// lintEcosystems finds packages that are asked of conda and of pip both. In a
// pins.yaml that is an error: one of the two is meant. Of the files that
// repo2docker builds from, conda installs first: what pip asks for stays conda's
// where that fits, and else pip's is laid over it.
func (m *Manifest) lintEcosystems() {
	conda := map[string]Request{}
	for _, r := range m.Requests {
		if r.Kind == Conda {
			conda[CanonicalName(Pip, r.Name)] = r
		}
	}
	for i, r := range m.Requests {
		c, both := conda[r.Name]
		switch {
		case r.Kind != Pip || !both || r.Replaces == c.Name:
		case isOwn(r.At.File):
			m.Findings.fatal(r.At, "two-ecosystems",
				"%s is pinned for pip, as %q here, and for conda, as %q at %s: keep one, or write replaces: %s on "+
					"this pin, so that pip's package replaces conda's", r.Name, r.Spec, c.Spec, c.At, c.Name)
		default:
			m.Requests[i].Over = c.Name
			m.Findings.warn(r.At, "two-ecosystems",
				"%s is pinned for pip, as %q here, and for conda, as %q at %s: %s, as repo2docker installs them",
				r.Name,
				r.Spec, c.Spec, c.At, whose(r, c))
		}
	}
}

// isOwn reports whether a file is a pins.yaml, or what one extends.
func isOwn(file string) bool {
	base := path.Base(file)
	return strings.HasSuffix(base, ".yaml") && base != "environment.yaml" || base == "pins.yml"
}

// whose says which of pip's and conda's requests of one package is taken.
func whose(pip, conda Request) string {
	met, err := version.MeetsSpecifiers(conda.Version, pip.Constraint)
	switch {
	case pip.Git != nil || len(pip.Extras) > 0:
		return "pip's is laid over conda's"
	case pip.Constraint == "":
		return "conda's is taken, once"
	case conda.Version == "" || err != nil:
		return "conda's is taken if its version fits, else pip's is laid over it"
	case met:
		return "conda's is taken, once"
	}
	return "pip's is laid over conda's"
}

// lintUnsupported finds kinds of pins that can be read but not locked.
func (m *Manifest) lintUnsupported() {
	count, first := map[Kind]int{}, map[Kind]Position{}
	for _, r := range m.Requests {
		if count[r.Kind]++; count[r.Kind] == 1 {
			first[r.Kind] = r.At
		}
	}
	for _, k := range []Kind{R} {
		if count[k] > 0 {
			m.Findings.fatal(first[k], "unsupported",
				"%s pins can't be locked yet (there are %d): pip, git, conda, npm and apt can", k, count[k])
		}
	}
}

// lintDuplicates finds packages that are asked for twice of one tool. What the
// tool takes is taken, once, with a warning; what contradicts itself is an error.
func (m *Manifest) lintDuplicates() {
	type id struct {
		kind   Kind
		name   string
		marker string
	}
	first := map[id]int{}
	var kept []Request
	for _, r := range m.Requests {
		key := id{r.Kind, r.Name, strings.Join(strings.Fields(r.Marker), "")}
		if r.Name == "" {
			key.name = r.Git.URL + "#" + r.Git.Subdirectory
		}
		i, again := first[key]
		if !again {
			first[key] = len(kept)
			kept = append(kept, r)
			continue
		}
		f := kept[i]
		one, taken := f.together(r)
		if taken == "" {
			m.Findings.fatal(r.At, "duplicate", "%s is pinned twice, as %q here and as %q at %s: keep one%s",
				r.Title(), r.Spec, f.Spec, f.At, r.Kind.contradiction(f, r))
			continue
		}
		kept[i] = one
		m.Findings.warn(r.At, "duplicate", "%s is pinned twice, as %q here and as %q at %s: %s", r.Title(), r.Spec,
			f.Spec, f.At, taken)
	}
	m.Requests = kept
}

// lintChannels finds channels that a lock can't name.
func (m *Manifest) lintChannels() {
	if len(m.requestsOf(Conda)) == 0 {
		return
	}
	for _, c := range m.Channels {
		switch {
		case c.Value == "defaults":
			m.Findings.fatal(c.At, "channel",
				"channel defaults depends on the settings of each machine: name the channels, such as conda-forge "+
					"or pkgs/main")
		case !channelName.MatchString(c.Value):
			m.Findings.fatal(c.At, "channel",
				"channel %q: a lock holds no addresses: write the channel's name here, such as conda-forge, and "+
					"its address in .condarc (channel_alias, custom_channels)", c.Value)
		}
	}
	for _, r := range m.requestsOf(Conda) {
		if r.Channel != "" && !slices.Contains(m.CondaChannels(), r.Channel) {
			m.Findings.fatal(r.At, "channel", "%s: its channel is not among the channels: add %s to them", r.Spec,
				r.Channel)
		}
	}
}

// Expired finds pins and rules whose until is a day that is over; other words are for
// people.
func (m *Manifest) Expired(now time.Time) (found Findings) {
	over := func(until string) bool {
		day, err := time.Parse(time.DateOnly, until)
		return err == nil && !now.Before(day.AddDate(0, 0, 1))
	}
	for _, r := range m.Requests {
		if over(r.Until) {
			found.warn(r.At, "until", "%s was to stay until %s: is it still needed? take it out, or give it another date",
				r.Spec, r.Until)
		}
	}
	for _, r := range m.Sync.Rules {
		if over(r.Until) {
			found.warn(r.At, "until", "the rule was to hold until %s: take it out, or give it another date", r.Until)
		}
	}
	return found
}

// lintTargets finds paths that several keys of the manifest write.
func (m *Manifest) lintTargets() {
	first := map[string]Position{}
	target := func(file string, at Position) {
		if was, twice := first[file]; twice && file != "" && was.File == at.File {
			m.Findings.fatal(at, "path", "%s is written at %s too: keep one", file, was)
		}
		first[file] = at
	}
	for _, f := range m.Files {
		target(f.Target, f.At)
	}
	for _, f := range m.Launch.Files {
		target(f.Path, f.At)
	}
	for _, d := range m.Downloads {
		if !d.Unpack {
			target(d.To, d.At)
		}
	}
}
