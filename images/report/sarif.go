package report

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
)

// The parts of SARIF 2.1.0 that are written here.
type (
	sarifLog struct {
		Version string     `json:"version"`
		Schema  string     `json:"$schema"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
		// what is compared: a property bag (SARIF 2.1.0, 3.8)
		Properties sarifCompared `json:"properties"`
	}
	sarifCompared struct {
		A       string         `json:"a"`
		B       string         `json:"b"`
		Sources *drift.Sources `json:"sources,omitempty"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
)

// sarifRules are what results are about.
var sarifRules = []sarifRule{
	{"drift", sarifText{"A package is not the same in both images"}},
	{"setting", sarifText{"The images do not run the same way"}},
	{"policy/same", sarifText{"The policy wants a package to be the same in both images"}},
	{"policy/not-older", sarifText{"The policy wants a package not to be older"}},
	{"policy/forbidden", sarifText{"The policy forbids a package"}},
	{"policy/expired", sarifText{"A rule of the policy has expired"}},
}

// SARIF writes a drift as SARIF 2.1.0 (OASIS), for tools that show findings
// beside lines of files: breaches of the policy are errors, and point at the
// pin that is behind them, or at the rule; changes are warnings if they are
// major, else notes.
func SARIF(w io.Writer, d *drift.Drift) error {
	results := []sarifResult{}
	for _, b := range d.Breaches {
		r := sarifResult{RuleID: "policy/" + b.Rule, Level: "error", Message: sarifText{reasoned(b.Message, b.Why)},
			Locations: located(b.File, b.Line)}
		if b.Cause != nil && b.Cause.File != "" {
			r.Locations = located(b.Cause.File, b.Cause.Line)
		}
		results = append(results, r)
	}
	for _, c := range d.Packages {
		r := sarifResult{RuleID: "drift", Level: "note", Message: sarifText{sentence(d, c)}}
		if c.Level == version.Major {
			r.Level = "warning"
		}
		if c.Cause != nil {
			r.Locations = located(c.Cause.File, c.Cause.Line)
		}
		results = append(results, r)
	}
	for _, s := range d.Config {
		results = append(results, sarifResult{RuleID: "setting", Level: "note",
			Message: sarifText{fmt.Sprintf("%s: %s → %s", Clean(s.Name), orNone(s.A), orNone(s.B))}})
	}
	for i := range results { // GitHub takes none without a place
		if results[i].Locations == nil {
			results[i].Locations = located(sarifFile(d), 0)
		}
	}
	return writeJSON(w, sarifLog{"2.1.0",
		"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		[]sarifRun{{sarifTool{sarifDriver{"driftpin", sarifRules}}, results, sarifCompared{d.A, d.B, d.Sources}}}})
}

// sarifFile is a file that a drift is about: one of those that explain it; else the lock, SBOM, archive or
// layout that was compared; of images in registries the file that a course has as a rule.
func sarifFile(d *drift.Drift) string {
	for _, c := range d.Packages {
		if c.Cause != nil && c.Cause.File != "" {
			return c.Cause.File
		}
	}
	for _, name := range []string{d.B, d.A} {
		switch kind, file, _ := strings.Cut(name, ":"); kind {
		case "lock", "sbom", "docker-archive":
			return file
		case "oci-layout":
			dir, _, _ := strings.Cut(file, "@")
			if i := strings.LastIndexByte(dir, ':'); i > strings.LastIndexByte(dir, '/') {
				dir = dir[:i]
			}
			return path.Join(dir, "index.json")
		}
	}
	return pins.ManifestName
}

func located(file string, line int) []sarifLocation {
	if file == "" {
		return nil
	}
	p := sarifPhysical{Artifact: sarifArtifact{(&url.URL{Path: file}).String()}}
	if line > 0 {
		p.Region = &sarifRegion{line}
	}
	return []sarifLocation{{p}}
}

// sentence words a change.
func sentence(d *drift.Drift, c drift.Change) string {
	r := newRow(d, c, true)
	text := fmt.Sprintf("%s %s %s: %s", c.Kind, r.name, r.level, r.versions)
	if r.size != "" {
		text += ", " + r.size
	}
	if c.Relicensed {
		text += fmt.Sprintf("; licence: %s, then %s", cmp.Or(Clean(c.AAbout.License), "not told"),
			cmp.Or(Clean(c.BAbout.License), "not told"))
	}
	if r.note != "" {
		text += "; " + r.note
	}
	return text
}

func reasoned(text, why string) string {
	if why != "" {
		text += " (" + why + ")"
	}
	return Clean(text)
}

func orNone(s *string) string {
	if s == nil {
		return "none"
	}
	return Clean(*s)
}
