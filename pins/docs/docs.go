// Package docs holds pages about a course against the course: what a page says of
// versions, of commits and of launch options, and what of that no longer holds. A
// page is the third thing that drifts, beside images and pins, and nobody notices.
package docs

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/hub"
)

// maxPage is the most bytes that are read of a page.
const maxPage = 8 << 20

var (
	unread = regexp.MustCompile(`(?is)<!--.*?-->|<script\b.*?</script\s*>|<style\b.*?</style\s*>`)
	inline = regexp.MustCompile(`(?is)</?(?:a|abbr|b|bdi|cite|code|em|font|i|kbd|mark|pre|q|s|samp|small|span|` +
		`strong|sub|sup|tt|u|var|wbr)` +
		`(?:\s[^<>]*)?>`)
	tag  = regexp.MustCompile(`(?s)<[/!]?[A-Za-z][^<>]*>`)
	link = regexp.MustCompile(`\[([^\[\]]+)\]\([^()\s]*\)`)

	versionOf = regexp.MustCompile(`([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]\s]*\])?\s*(===?|~=|>=|<=|!=|` +
		`=)\s*([0-9][0-9A-Za-z.*!+_-]*)`)
	commitOf = regexp.MustCompile(`git\+(?:https?|ssh|git)://(<?)(?:[^/@\s<>]*@)?([^\s@#"'<>` + "`" +
		`]+)>?(?:@([0-9A-Za-z._/-]+))?`)
	optionOf = regexp.MustCompile("(^|[\\s\"'`\\[,(>•*])(--?|[‒–—―−])([A-Z][A-Za-z0-9]+\\.[a-z_]+)(?:[= " +
		"]([^\\s\"'`,\\])]+))?")
	address  = regexp.MustCompile(`[a-z]+://\S+`)
	variable = regexp.MustCompile(`\b([A-Z][A-Z0-9_]*_[A-Z0-9_]+)\s*[=:]\s*["'` + "`" + `]?([^\s"'` + "`" + `,;})]+)`)
	managed  = regexp.MustCompile(`\bmanaged_groups\b`)
)

// Check returns what a page says and the course does not: of versions written as
// NAME==VERSION, of git requirements with a commit, and of launch options of the
// form --Class.trait=value. Pages are read as text: Markdown and reStructuredText
// are, and of HTML the tags are left out. lock may be nil. Lines are the page's.
func Check(m *pins.Manifest, lock *pins.Lock, name string, data []byte) (found pins.Findings) {
	if len(data) > maxPage {
		return pins.Findings{{Position: pins.Position{File: name}, Rule: "docs", Severity: pins.Error, Fatal: true,
			Message: fmt.Sprintf("%d bytes: at most %d are read of a page; is this the right file?",
				len(data), maxPage)}}
	}
	p := page{m: m, lock: lock, found: &found}
	text := string(data)
	start := strings.ToLower(text[:min(len(text), 4096)])
	if strings.Contains(start, "<html") || strings.HasSuffix(name, ".html") || strings.HasSuffix(name, ".htm") {
		text = plain(text)
	} else {
		text = link.ReplaceAllString(strings.NewReplacer("**", "", "`", "", "\\=", "=", "\\_", "_").Replace(text), "$1")
	}
	p.launch = hub.LaunchOf(m)
	for i, line := range strings.Split(text, "\n") {
		p.at = pins.Position{File: name, Line: i + 1}
		p.line(html.UnescapeString(line))
	}
	return found
}

// plain is what a page of HTML says, line by line as it is written: tags that stand
// in a line are left out, and others part words.
func plain(text string) string {
	lines := func(with string) func(string) string {
		return func(left string) string { return with + strings.Repeat("\n", strings.Count(left, "\n")) }
	}
	text = unread.ReplaceAllStringFunc(text, lines(" "))
	text = inline.ReplaceAllStringFunc(text, lines(""))
	return tag.ReplaceAllStringFunc(text, lines(" "))
}

// A page is one that is held against a course.
type page struct {
	m     *pins.Manifest
	lock  *pins.Lock
	at    pins.Position
	found *pins.Findings

	launch hub.Launch
}

func (p *page) say(rule, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	*p.found = append(*p.found, pins.Finding{Position: p.at, Rule: rule, Message: message, Severity: pins.Warning,
		Subject: rule})
}

func (p *page) line(line string) {
	rest := line
	for _, m := range commitOf.FindAllStringSubmatch(line, -1) {
		p.commit(m[0], m[1] != "", m[2], m[3])
		rest = strings.Replace(rest, m[0], " ", 1)
	}
	rest = address.ReplaceAllString(rest, " ")
	for _, m := range optionOf.FindAllStringSubmatch(rest, -1) {
		p.option(m[2], m[3], m[4])
	}
	for _, m := range versionOf.FindAllStringSubmatchIndex(rest, -1) {
		before, word := rest[:m[0]], func(i int) string { return rest[m[2*i]:m[2*i+1]] }
		if slices.ContainsFunc([]string{"-", "/", "–", "_", "$"},
			func(end string) bool { return strings.HasSuffix(before, end) }) {
			continue // a part of a longer word
		}
		p.version(word(1), word(2), strings.TrimRight(word(3), ".-_+!"))
	}
	for _, m := range variable.FindAllStringSubmatch(rest, -1) {
		if v, ok := p.launch.Env[m[1]]; ok && v.Value != m[2] {
			p.say("docs-variable", "%s=%s: the course launches with %s (%s)", m[1], m[2], v.Value, v.At)
		}
	}
	if managed.MatchString(rest) {
		p.say("managed-groups", "managed_groups is not a setting of JupyterHub, and does nothing: write manage_groups")
	}
}

// version holds NAME==VERSION, or another specifier, against the pins, and against
// the lock.
func (p *page) version(name, operator, version string) {
	requests := p.requests(name)
	locked, isLocked := p.locked(name)
	if operator == "=" {
		if len(requests) == 0 { // an assignment, as like as not
			return
		}
		operator = "=="
	}
	said := name + operator + version
	for _, r := range requests {
		if r.Version != "" {
			if !same(r.Kind, r.Version, operator, version) {
				p.say("docs-version", "%s: the course pins %s %s (%s)", said, r.Name, r.Version, r.At)
			}
			return
		}
	}
	switch {
	case isLocked && !same(locked.Kind, locked.Version, operator, version):
		p.say("docs-version", "%s: the course locks %s %s", said, locked.Name, locked.Version)
	case isLocked:
	case len(requests) > 0 && p.lock == nil: // there is nothing to hold it against
	case strings.EqualFold(name, "python") || !strings.Contains(version, "."): // the base's own, or code
	default:
		hint := ""
		if near := pins.Near(pins.CanonicalName(pins.Pip, name), p.names()); len(near) > 0 {
			hint = ": did you mean " + strings.Join(near, " or ") + "?"
		}
		p.say("docs-name", "%s: the course has no %s%s", said, name, hint)
	}
}

// same reports whether a version is what a page says: 6.2.0 is 6.2, and 3.6.* holds
// for 3.6.1.
func same(kind pins.Kind, have, operator, said string) bool {
	if kind != pins.Pip && kind != pins.Conda {
		return operator != "==" || strings.TrimPrefix(have, "=") == said
	}
	met, err := pins.Pip.Scheme().Satisfies(have, operator+said)
	return err != nil && have == said || met
}

func (p *page) requests(name string) (out []pins.Request) {
	for _, r := range p.m.Requests {
		same := r.Name == pins.CanonicalName(r.Kind, name) ||
			pins.CanonicalName(pins.Pip, r.Name) == pins.CanonicalName(pins.Pip, name)
		if r.Name != "" && r.Git == nil && same {
			out = append(out, r)
		}
	}
	return out
}

func (p *page) locked(name string) (pins.Artifact, bool) {
	if p.lock == nil {
		return pins.Artifact{}, false
	}
	if a, ok := p.lock.Python(name); ok {
		return a, true
	}
	for _, kind := range []pins.Kind{pins.Npm, pins.Deb} {
		if a, ok := p.lock.Find(kind, name, p.lock.Platforms[0]); ok {
			return a, true
		}
	}
	return pins.Artifact{}, false
}

// names are all that the course has.
func (p *page) names() (names []string) {
	for _, r := range p.m.Requests {
		if r.Name != "" {
			names = append(names, pins.CanonicalName(pins.Pip, r.Name))
		}
	}
	if p.lock != nil {
		for _, a := range p.lock.Artifacts {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// commit holds a git requirement against the course's.
func (p *page) commit(all string, mangled bool, place, ref string) {
	if mangled {
		p.say("docs-git", "%s: the address has < and > in it, perhaps from a converter, and does not work: take "+
			"them out", all)
	}
	repository := func(url string) string {
		url = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimRight(url, "/"), ".git"), "/"))
		return url[strings.LastIndexByte(url, '/')+1:]
	}
	for _, r := range p.m.Requests {
		if r.Git == nil || repository(r.Git.URL) != repository(place) {
			continue
		}
		have := []string{r.Git.Ref}
		if p.lock != nil {
			for _, a := range p.lock.Artifacts {
				if git, ok := a.Git(); ok && repository(git.URL) == repository(place) {
					have = append(have, git.Ref, a.Commit)
				}
			}
		}
		if !slices.ContainsFunc(have, func(h string) bool {
			return h == ref || len(ref) >= 7 && strings.HasPrefix(h, ref) || len(h) >= 7 && strings.HasPrefix(ref, h)
		}) {
			p.say("docs-git", "%s: the course installs %s at %s (%s)", all, repository(r.Git.URL), r.Git.Ref, r.At)
		}
		return
	}
	p.say("docs-git", "%s: the course installs nothing from this repository", all)
}

// option holds a launch option against the course's.
func (p *page) option(dash, trait, value string) {
	written := dash + trait
	if value != "" {
		written += "=" + value
	}
	if dash != "--" {
		p.say("docs-dash", "%s: the option begins with a %s, not with two hyphens: copied from here, it does not "+
			"work", written, dashName(dash))
	}
	set, ok := p.launch.Settings[trait]
	switch {
	case !ok:
		p.say("docs-option", "%s: the course does not launch with --%s", written, trait)
	case value != "" && value != set.Value && !(isBoolean(value) && strings.EqualFold(value, set.Value)):
		p.say("docs-option", "%s: the course launches with %s=%s (%s)", written, set.Flag, set.Value, set.At)
	}
}

func isBoolean(value string) bool {
	return strings.EqualFold(value, "true") || strings.EqualFold(value, "false")
}

func dashName(dash string) string {
	if dash == "-" {
		return "single hyphen"
	}
	return "typographic dash"
}
