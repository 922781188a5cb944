package installed

import (
	"bytes"
	"path"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// isDpkgStatus matches dpkg's database, and the folder that distroless images
// have in its place.
func isDpkgStatus(dir, base string) bool {
	return dir == "var/lib/dpkg" && base == "status" ||
		dir == "var/lib/dpkg/status.d" && !strings.HasSuffix(base, ".md5sums")
}

// isDpkgList matches dpkg's lists of the files that each package owns;
// distroless images have them with hashes.
func isDpkgList(dir, base string) bool {
	return dir == "var/lib/dpkg/info" && strings.HasSuffix(base, ".list") ||
		dir == "var/lib/dpkg/status.d" && strings.HasSuffix(base, ".md5sums")
}

// readDpkgList keeps, of the files that a package owns, those that tell of
// other packages.
func readDpkgList(name string, data []byte) (f Fact, err error) {
	hashed := strings.HasSuffix(name, ".md5sums")
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		if hashed {
			_, line, _ = bytes.Cut(line, []byte("  "))
		}
		if mayBeMetadata(line) {
			f.Owns = append(f.Owns, strings.TrimPrefix(string(line), "/"))
		}
	}
	return f, nil
}

// mayBeMetadata is a quick look: the paths of nearly all files have none of
// these words.
func mayBeMetadata(path []byte) bool {
	for _, word := range [][]byte{[]byte("METADATA"), []byte("egg"), []byte("EGG"), []byte("DESCRIPTION"),
		[]byte("package.json"),
		[]byte("kernel.json"), []byte("python"), []byte("pyvenv.cfg"), []byte("_config.d/"), []byte("conda-meta/")} {
		if bytes.Contains(path, word) {
			return true
		}
	}
	return false
}

// readDpkg reads packages as dpkg-query(1) lists them. One that is neither
// installed nor removed has its state noted: an installation that broke off.
func readDpkg(name string, data []byte) (out Fact, err error) {
	distroless := path.Base(path.Dir(name)) == "status.d"
	for len(data) > 0 {
		var f map[string]string
		f, data = dpkgDialect.fields(data, "package", "version", "architecture", "status", "installed-size", "homepage")
		status := strings.Fields(f["status"])
		state := "installed"
		if len(status) == 3 {
			state = strings.ToLower(status[2])
		} else if !distroless {
			continue
		}
		switch state {
		case "not-installed", "config-files":
			continue
		case "installed", "triggers-pending", "triggers-awaited":
			state = ""
		}
		if f["package"] != "" {
			about := newAbout("", f["homepage"], "")
			about.Size = kibibytes(f["installed-size"])
			out.Items = append(out.Items, Item{f["package"], f["version"], pins.Detail{Build: f["architecture"],
				State: state}, about})
		}
	}
	return out, nil
}

// dpkgPackages returns packages. One of a foreign architecture is NAME:ARCH, as
// dpkg-query has it, whatever else is there.
func dpkgPackages(name string, facts Facts) ([]Package, error) {
	out := facts[name].packages(pins.Deb, "")
	native := nativeArchitecture(facts)
	for i := range out {
		if p := &out[i]; p.Build != "" && p.Build != "all" && native != "" && p.Build != native {
			p.Name += ":" + p.Build
		}
		out[i].Build = ""
	}
	return out, nil
}

// nativeArchitecture is the one that dpkg itself is of, or else the one that most
// packages are of.
func nativeArchitecture(facts Facts) (native string) {
	count := map[string]int{}
	for name, f := range facts {
		if !strings.HasPrefix(name, "var/lib/dpkg/") || !isDpkgStatus(path.Dir(name), path.Base(name)) {
			continue
		}
		for _, item := range f.Items {
			if item.Name == "dpkg" && item.Build != "" {
				return item.Build
			}
			if item.Build != "all" {
				count[item.Build]++
			}
		}
	}
	for arch, n := range count {
		if n > count[native] || n == count[native] && arch < native {
			native = arch
		}
	}
	return native
}
