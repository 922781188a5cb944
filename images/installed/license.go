package installed

import (
	"regexp"
	"slices"
	"strings"
)

// SameLicense reports whether two names of licences may well mean the same: as an SPDX expression and as
// a classifier have it, or one of them less exactly (BSD License and BSD-3-Clause). A package that tells
// of no licence has another one than one that does.
func SameLicense(a, b string) bool {
	if a == b || (a == "") != (b == "") {
		return a == b
	}
	x, y := readLicenses(a), readLicenses(b)
	if len(x.all) != len(y.all) || x.operators != y.operators && x.operators != "" && y.operators != "" {
		return false
	}
	for i := range x.all {
		if !x.all[i].like(y.all[i]) {
			return false
		}
	}
	return true
}

// knownLicense reports whether a name is one of a licence that is known.
func knownLicense(name string) bool {
	for _, l := range readLicenses(name).all {
		if slices.ContainsFunc(families, func(f family) bool { return f.name == l.family }) {
			return true
		}
	}
	return false
}

// licenses are those that a name is put together of: sorted, unless operators differ from each other.
type licenses struct {
	all       []license
	operators string // and, or, with, in their order; empty where a list does not tell
}

// A license is one of them.
type license struct {
	family  string // gpl, or the words of one that is not known
	version string // empty if it is not told
	later   bool   // or any later version
}

// like reports whether two are the same, as far as both tell.
func (l license) like(other license) bool {
	return l.family == other.family && l.later == other.later &&
		(l.version == other.version || l.version == "" || other.version == "")
}

// A family are the licences of one name.
type family struct {
	name  string
	words *regexp.Regexp
}

// families are tried in order: the names of some are parts of others'.
var families = []family{
	{"agpl", regexp.MustCompile(`affero|\bagpl`)},
	{"lgpl", regexp.MustCompile(`lesser|library general|\blgpl`)},
	{"gpl", regexp.MustCompile(`general public|\bgpl`)},
	{"mpl", regexp.MustCompile(`mozilla|\bmpl`)},
	{"apache", regexp.MustCompile(`\bapache|\basl\b`)},
	{"bsd", regexp.MustCompile(`\bbsd|\b0bsd`)},
	{"mit-0", regexp.MustCompile(`\bmit[- ]0|\bmit no attribution`)},
	{"mit-cmu", regexp.MustCompile(`\bmit-cmu`)},
	{"mit", regexp.MustCompile(`\bmit\b|\bexpat\b`)},
	{"isc", regexp.MustCompile(`\biscl?\b`)},
	{"psf", regexp.MustCompile(`\bpsfl?\b|python software foundation|python-2`)},
	{"cc0", regexp.MustCompile(`\bcc0`)},
	{"unlicense", regexp.MustCompile(`unlicense`)},
	{"zlib", regexp.MustCompile(`\bzlib`)},
	{"epl", regexp.MustCompile(`eclipse|\bepl`)},
	{"artistic", regexp.MustCompile(`artistic`)},
	{"ofl", regexp.MustCompile(`\bofl|open font`)},
	{"osl", regexp.MustCompile(`\bosl`)},
	{"hpnd", regexp.MustCompile(`\bhpnd|historical permission`)},
	{"zpl", regexp.MustCompile(`\bzpl|zope public`)},
	{"bsl", regexp.MustCompile(`\bbsl\b|boost`)},
}

var (
	orLater     = regexp.MustCompile(`[- ]or[- ](?:any )?(?:later|newer)(?: versions?)?|\+`)
	orLaterR    = regexp.MustCompile(`\(\s*>=?\s*([0-9.]+)\s*\)`) // R, "Writing R Extensions", "Licensing"
	onFile      = regexp.MustCompile(`\s*[+|]\s*file\s+licen[cs]e`)
	sameThing   = strings.NewReplacer("mit/x11", "mit", "x11/mit", "mit", "licenses/license-2.0", "license-2.0")
	webPage     = regexp.MustCompile(`https?://[^\s,;]*`)
	notALicense = regexp.MustCompile(`^\s*(?:(?:version|v)?[\s.]*[0-9.]+|[0-4][- ]clause|new|revised|modified|simplified)\s*$`)
	operator    = regexp.MustCompile(`\s+(and|or|with)\s+|\s*([|,;&/])\s*`)
	versionWord = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)*`)
	clauses     = regexp.MustCompile(`\b([0-4])[- ]clause|\b(new|revised|modified)\b|\b(simplified)\b|\b(0)bsd`)
)

// readLicenses takes apart what a package says of its licence.
func readLicenses(name string) licenses {
	name = sameThing.Replace(strings.ToLower(name))
	name = webPage.ReplaceAllStringFunc(name, func(s string) string { return strings.NewReplacer("/", " ", ":", " ").Replace(s) })
	name = onFile.ReplaceAllString(name, "")
	name = orLaterR.ReplaceAllString(name, " $1 §")
	name = orLater.ReplaceAllString(name, " §") // which is no operator
	name = strings.NewReplacer("(", " ", ")", " ").Replace(name)
	var out licenses
	var operators []string
	parts, between := operator.Split(name, -1), operator.FindAllStringSubmatch(name, -1)
	for i := 0; i < len(parts); i++ {
		part := parts[i]
		for i+1 < len(parts) && between[i][2] == "," && notALicense.MatchString(parts[i+1]) { // Apache License, Version 2.0
			part += " " + parts[i+1]
			i++
		}
		if l := readLicense(part); l.family != "" && !slices.Contains(out.all, l) {
			out.all = append(out.all, l)
		}
		if i < len(between) {
			operators = append(operators, operatorOf(between[i])...)
		}
	}
	out.operators = strings.Join(operators, " ")
	if slices.Sort(operators); len(slices.Compact(operators)) <= 1 { // else the order says what belongs together
		slices.SortFunc(out.all, func(a, b license) int { return strings.Compare(a.key(), b.key()) })
	}
	return out
}

// operatorOf is what stands between two licences; nothing where a list does not tell.
func operatorOf(m []string) []string {
	switch {
	case m[1] != "":
		return []string{m[1]}
	case m[2] == "|", m[2] == "/":
		return []string{"or"}
	case m[2] == "&":
		return []string{"and"}
	}
	return nil
}

// key sorts licences.
func (l license) key() string {
	if l.later {
		return l.family + " " + l.version + " or later"
	}
	return l.family + " " + l.version
}

func readLicense(name string) license {
	l := license{later: strings.Contains(name, "§")}
	name = strings.ReplaceAll(name, "§", " ")
	for _, f := range families {
		if !f.words.MatchString(name) {
			continue
		}
		l.family = f.name
		if f.name == "bsd" {
			l.version = bsdClauses(name)
		} else if v := versionWord.FindString(name); v != "" {
			l.version = strings.TrimSuffix(v, ".0")
		}
		return l
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '-' || r == '.' })
	l.family = strings.Join(slices.DeleteFunc(words, func(w string) bool {
		return slices.Contains([]string{"license", "licence", "the", "software", "version", "only"}, w)
	}), " ")
	return l
}

// bsdClauses is how many clauses a BSD licence has; empty if that is not told.
func bsdClauses(name string) string {
	m := clauses.FindStringSubmatch(name)
	switch {
	case m == nil:
		return ""
	case m[2] != "":
		return "3"
	case m[3] != "":
		return "2"
	}
	return m[1] + m[4]
}
