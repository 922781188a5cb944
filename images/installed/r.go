package installed

import (
	"path"
	"strings"

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
	f, _ := fields(data, "package", "version", "built", "packaged", "remotesha", "remotetype")
	if f["built"] == "" || f["package"] != path.Base(path.Dir(name)) {
		return Fact{}, nil
	}
	var d pins.Detail
	if sha := f["remotesha"]; f["remotetype"] != "standard" && !strings.ContainsAny(sha, ". \n") {
		d.Commit = sha
	}
	if day := strings.Fields(f["packaged"]); len(day) > 0 {
		d.Build = day[0]
	}
	return item(f["package"], f["version"], d), nil
}

// tellR tells of a package; where it is is the library.
func tellR(name string, facts Facts) ([]Package, error) {
	return facts[name].packages(pins.R, "/"+strings.TrimPrefix(path.Dir(path.Dir(name)), ".")), nil
}
