package installed

import (
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// About is what a package says of itself besides its version, as far as its metadata
// tells.
type About struct {
	Size    int64  `json:"size,omitempty"`    // of the installed files, in bytes; 0 if not known
	License string `json:"license,omitempty"` // an SPDX expression, or the package's own words
	Home    string `json:"home,omitempty"`    // the address of the project's page
	Changes string `json:"changes,omitempty"` // the address of its changelog
}

// Limits of what is kept, in bytes: some packages have the licence's whole text as its name.
const (
	maxLicense = 100
	maxLink    = 300
)

// newAbout keeps what is fit to be shown: the first line of a licence, addresses that a
// browser can open.
func newAbout(license, home, changes string) About {
	return About{License: licenseName(license), Home: webLink(home), Changes: webLink(changes)}
}

// Fit is what of it is fit to be shown, for what somebody else wrote down.
func (a About) Fit() About {
	fit := newAbout(a.License, a.Home, a.Changes)
	if a.Size > 0 && a.Size <= maxSize {
		fit.Size = a.Size
	}
	return fit
}

// UnmarshalJSON implements json.Unmarshaler: images and SBOMs of others may say anything.
func (a *About) UnmarshalJSON(data []byte) error {
	type plain About
	var read plain
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*a = About(read).Fit()
	return nil
}

// licenseName is the first line of what a package says of its licence, cut where it is long; empty if
// that is no name, but who holds the rights.
func licenseName(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(firstLine(text), "")), " ")
	if strings.EqualFold(text, "UNKNOWN") || copyright.MatchString(text) {
		return ""
	}
	if r := []rune(text); len(r) > maxLicense {
		return string(r[:maxLicense-1]) + "…"
	}
	return text
}

// copyright begins a line of a licence's text that changes by the year.
var copyright = regexp.MustCompile(`^(?i:(?:the )?copyright\b|\(c\)|©)`)

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// webLink is an address, if it is one of the web that holds no credentials.
func webLink(text string) string {
	text = firstLine(text)
	if u, err := url.Parse(text); err != nil || len(text) > maxLink || u.User != nil || !webAddress.MatchString(text) {
		return ""
	}
	return text
}

// webAddress matches addresses that mean nothing else to any format that they are written into.
var webAddress = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#][A-Za-z0-9._~%!$&+,;=:@/?#-]*)?$`)

// pythonAbout reads the fields of a distribution's metadata (core metadata 2.4,
// "License-Expression", "License", "Classifier", "Home-page", "Project-URL").
func pythonAbout(f map[string]string) About {
	license := licenseName(f["license"])
	if strings.Contains(f["license"], "\n") || !knownLicense(license) { // its whole text, or "see LICENSE"
		license = cmp.Or(classified(f["classifier*"]), license)
	}
	license = cmp.Or(licenseName(f["license-expression"]), license)
	links := map[string]string{}
	for line := range strings.Lines(f["project-url*"]) {
		label, link, _ := strings.Cut(line, ",")
		link = webLink(link)
		if label = normalLabel(label); links[label] == "" {
			links[label] = link
		}
	}
	first := func(labels ...string) string {
		for _, l := range labels {
			if links[l] != "" {
				return links[l]
			}
		}
		return ""
	}
	// the well-known labels (PyPA, "Well-known Project URLs in Metadata"), and those that are common
	home := cmp.Or(webLink(f["home-page"]), first("homepage", "home", "source", "repository", "sourcecode", "github", "code",
		"documentation", "docs"))
	return newAbout(license, home, first("changelog", "changes", "whatsnew", "history", "releasenotes", "releases", "news"))
}

// normalLabel is a label of a Project-URL without what does not count.
func normalLabel(label string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(label))
}

// classified are the licences that classifiers name.
func classified(classifiers string) string {
	var names []string
	for line := range strings.Lines(classifiers) {
		parts := strings.Split(strings.TrimSpace(line), " :: ")
		if name := parts[len(parts)-1]; parts[0] == "License" && len(parts) > 1 && name != "OSI Approved" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// nodeAbout reads a package.json (npm's documentation, "license", "homepage",
// "repository").
func nodeAbout(record object) About {
	license := cmp.Or(record.text("license"), record.object("license").text("type"), nodeLicenses(record))
	repository := cmp.Or(record.text("repository"), record.object("repository").text("url"))
	repository = strings.TrimSuffix(strings.TrimPrefix(repository, "git+"), ".git")
	return newAbout(license, cmp.Or(webLink(record.text("homepage")), repository), "")
}

// nodeLicenses are the licences of an old package.json: a list of objects with a type.
func nodeLicenses(record object) string {
	var list []object
	if json.Unmarshal(record["licenses"], &list) != nil {
		return ""
	}
	var names []string
	for _, one := range list {
		names = append(names, one.text("type"))
	}
	return strings.Join(names, " OR ") // npm's documentation, "license"
}

// condaAbout reads a record of conda's (CEP 34): the sizes are those of the files.
func condaAbout(record object) About {
	about := newAbout(record.text("license"), "", "")
	var paths []struct {
		Size int64 `json:"size_in_bytes"`
	}
	if json.Unmarshal(record.object("paths_data")["paths"], &paths) == nil {
		for _, p := range paths {
			about.Size = sized(about.Size, p.Size)
		}
	}
	return about
}

// maxSize is the most that a package's files have together, in bytes, 16 TiB: what says more is not to be
// believed, and the sums of all packages stay numbers.
const maxSize = 1 << 44

// sized adds the size of a file.
func sized(sum, size int64) int64 { return min(sum+min(max(0, size), maxSize), maxSize) }

// kibibytes reads a number of KiB (deb-control(5), "Installed-Size").
func kibibytes(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 35) // which is no more than maxSize in bytes
	if err != nil {
		return 0
	}
	return max(0, n) << 10
}

// lend gives packages the addresses that the packages they brought tell of, if they are
// called alike: conda's numpy has none, and the metadata of pip's, which is in it, has.
func lend(packages []Package) {
	type key struct {
		Owner
		where string
	}
	links := map[key]About{}
	for _, p := range packages {
		if p.Owner != nil && p.Owner.Name == p.Name {
			links[key{*p.Owner, p.Where}] = p.About
		}
	}
	for i := range packages {
		p := &packages[i]
		if from, ok := links[key{Owner{p.Kind, p.Name}, p.Where}]; ok {
			p.About.Home, p.About.Changes = cmp.Or(p.About.Home, from.Home), cmp.Or(p.About.Changes, from.Changes)
		}
	}
}
