package installed

import (
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/driftpin/driftpin/pins"
)

// isRDescription matches the DESCRIPTION of an R package.
func isRDescription(dir, base string) bool {
	return base == "DESCRIPTION" && dir != "."
}

// readR reads an installed package: one that was built, and that lies in a
// folder of its own name. Sources and test data are neither. Its commit is the
// one that it was installed from, its build the day on which it was packaged.
func readR(name string, data []byte) (Fact, error) {
	f, _ := rDialect.fields(data, "Package", "Version", "Built", "Packaged", "RemoteSha", "RemoteType",
		"License", "URL")
	if f["Built"] == "" || f["Package"] != path.Base(path.Dir(name)) {
		return Fact{}, nil
	}
	var d pins.Detail
	if sha := f["RemoteSha"]; f["RemoteType"] != "standard" && !strings.ContainsAny(sha, ". \n") {
		d.Commit = sha
	}
	if day := strings.Fields(f["Packaged"]); len(day) > 0 {
		d.Build = day[0]
	}
	home, _, _ := strings.Cut(strings.Join(strings.FieldsFunc(f["URL"], isListed), " "), " ")
	return item(f["Package"], f["Version"], d, newAbout(f["License"], home, "")), nil
}

// isListed tells what stands between the addresses of a field (R, "Writing R Extensions",
// "The DESCRIPTION file").
func isListed(r rune) bool { return r == ',' || unicode.IsSpace(r) }

// rPackages returns a package; where it is is the library.
func rPackages(name string, facts Facts) ([]Package, error) {
	// what an installation that goes on, or broke off, leaves
	for _, folder := range []string{"/00LOCK", "/renv/staging/"} {
		if strings.Contains("/"+name, folder) {
			return nil, nil
		}
	}
	return facts[name].packages(pins.R, "/"+strings.TrimPrefix(path.Dir(path.Dir(name)), ".")), nil
}

// isRCached matches what lies in the cache of renv, wherever that is:
// PACKAGE/VERSION/HASH/PACKAGE (renv's documentation, "Package Cache"). Libraries
// have links to it.
func isRCached(name string) bool {
	if path.Base(name) != "DESCRIPTION" {
		return false
	}
	parts := strings.Split(path.Dir(name), "/")
	n := len(parts)
	return n >= 4 && parts[n-1] == parts[n-4] && rHash.MatchString(parts[n-2])
}

var rHash = regexp.MustCompile(`^[0-9a-f]{32}$`)

// isRLibrary tells folders of R's packages, as far as their paths tell, from
// others whose links are not looked at.
func isRLibrary(folder string) bool {
	return rLibrary.MatchString(folder) && !rHome.MatchString(folder)
}

// rLibrary matches packages in a library: of R itself, of a site, of a user
// (R/PLATFORM-library/VERSION), of a project (renv/library/…/R-VERSION/PLATFORM), or
// one that is only called R.
var rLibrary = regexp.MustCompile(`(?:^|/)(?:library|site-library|R|R-[0-9][^/]*(?:/[^/]+)?|` +
	`[^/]+-library/[0-9][^/]*)/[A-Za-z][A-Za-z0-9.]+$`)

// rHome matches what lies in the home of R, which is no library.
var rHome = regexp.MustCompile(`(?:^|/)(?:lib|lib64|share|etc)/R/[^/]+$`)
