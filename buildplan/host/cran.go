package host

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// cranOption is how R's profiles name CRAN's mirror: options(repos = c(CRAN = "…")),
// or r["CRAN"] <- "…" (R's manual page "Startup", and "options").
var cranOption = regexp.MustCompile(`(?m)^[^#\n]*\bCRAN["']?\]*[ \t]*(?:=|<-)[ \t]*["'](https?://[^"']+)["']`)

// CRAN is the address of CRAN's mirror by this machine's R profiles; empty if they
// name none. Where it has dated snapshots, and stands for the latest, day chooses
// one: 2023-08-01.
func (h Settings) CRAN(day string) string {
	data := readFirst(os.Getenv("R_PROFILE_USER"), filepath.Join(homeDir(), ".Rprofile"), os.Getenv("R_PROFILE"),
		"/etc/R/Rprofile.site")
	m := cranOption.FindSubmatch(data)
	if m == nil {
		return ""
	}
	address := strings.TrimSuffix(string(m[1]), "/")
	if day != "" {
		address = strings.Replace(address+"/", "/latest/", "/"+day+"/", 1)
	}
	return strings.TrimSuffix(address, "/")
}
