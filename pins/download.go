package pins

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Download is a file of some server that a course has in its image.
type Download struct {
	URL    string // of HTTP or HTTPS, without a user
	SHA256 string // in lower-case hex; empty if it is learnt when locking
	// absolute, in the image: the file, or the folder that it is unpacked in; empty if an
	// instruction of a Dockerfile places it
	To     string
	Unpack bool
	At     Position
}

// readDownload reads {url, sha256, to, unpack}.
func (m *Manifest) readDownload(r yamlReader, n *yaml.Node) {
	d := Download{At: r.at(n)}
	to := n
	r.mapping(n, "a download",
		field{"url", func(n *yaml.Node) { d.URL = r.text(n, "url") }},
		field{"sha256", func(n *yaml.Node) { d.SHA256 = strings.TrimPrefix(r.text(n, "sha256"), "sha256:") }},
		field{"to", func(n *yaml.Node) { d.To, to = r.text(n, "to"), n }},
		field{"unpack", func(n *yaml.Node) { d.Unpack = r.boolean(n, "unpack") }},
	)
	why := d.unfit()
	switch {
	case why != "":
		r.wrong(n, "download", "downloads: %s", why)
	case slices.ContainsFunc(m.Downloads, func(o Download) bool { return o.URL == d.URL && o.SHA256 != d.SHA256 }):
		r.wrong(n, "download", "downloads: %s is asked for twice, with different sha256: keep one", d.URL)
	case !isCleanAbs(d.To):
		r.wrong(to, "path", "downloads: the target %q must be a plain absolute path", d.To)
	case !isKept(d.To):
		r.wrong(to, "path", "downloads: what is written to %q is not kept in an image", d.To)
	case slices.ContainsFunc(m.Downloads, func(o Download) bool { return o.To == d.To && !(o.Unpack && d.Unpack) }):
		r.wrong(to, "path", "downloads: two have the target %s: keep one", d.To)
	default:
		m.Downloads = append(m.Downloads, d)
	}
}

// unfit says why a download can't be locked; empty if it can.
func (d Download) unfit() string {
	u, err := url.Parse(d.URL)
	secret := ""
	if err == nil {
		for name := range u.Query() {
			if IsSecret(name) {
				secret = name
			}
		}
	}
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.ContainsAny(d.URL, " \t\n"):
		if i := strings.LastIndexByte(d.URL, '@'); i >= 0 { // before it there may be a password
			return fmt.Sprintf("the address of %q, with a user, can't be read", d.URL[i+1:])
		}
		return fmt.Sprintf("%q is not an address of HTTP or HTTPS", d.URL)
	case secret != "":
		return fmt.Sprintf("the address holds a secret by its parameter %s, which would stand in the lock: name an address "+
			"without", secret)
	case u.User != nil:
		return "the address holds a user or a password, which would stand in the lock: put them into ~/.netrc"
	case d.SHA256 != "" && !digestText.MatchString("sha256:"+d.SHA256):
		return "sha256 has 64 digits of 0-9 and a-f"
	}
	return ""
}

// fetch adds to a lock what a course's downloads are: what the old lock has, else what
// their servers have.
func fetch(ctx context.Context, m *Manifest, old, l *Lock, o LockOptions) error {
	for _, d := range m.Downloads {
		if slices.ContainsFunc(l.Downloads, func(f Fetched) bool { return f.URL == d.URL }) {
			continue
		}
		forget := o.Upgrade || slices.Contains(o.Names, d.URL)
		if old != nil && !forget {
			i := slices.IndexFunc(old.Downloads,
				func(f Fetched) bool { return f.URL == d.URL && (d.SHA256 == "" || f.SHA256 == d.SHA256) })
			if i >= 0 {
				l.Downloads = append(l.Downloads, old.Downloads[i])
				continue
			}
		}
		if o.Fetch == nil {
			continue // who needs it finds the lock stale
		}
		f, err := o.Fetch(ctx, d)
		if err != nil {
			return fmt.Errorf("%s: %w", d.At, err)
		}
		l.Downloads = append(l.Downloads, f)
	}
	return nil
}

// unfetched says which downloads a lock does not have; empty if it has all.
func unfetched(m *Manifest, l *Lock) string {
	for _, d := range m.Downloads {
		i := slices.IndexFunc(l.Downloads, func(f Fetched) bool { return f.URL == d.URL })
		switch {
		case i < 0:
			return fmt.Sprintf("the download of %s (%s) is not locked", d.URL, d.At)
		case d.SHA256 != "" && l.Downloads[i].SHA256 != d.SHA256:
			return fmt.Sprintf("the download of %s (%s) is locked with another sha256", d.URL, d.At)
		}
	}
	for _, f := range l.Downloads {
		if !slices.ContainsFunc(m.Downloads, func(d Download) bool { return d.URL == f.URL }) {
			return "it locks the download of " + f.URL + ", which the course does not ask for"
		}
	}
	return ""
}
