package sbom

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
	"github.com/package-url/packageurl-go"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// A Subject is the image that an SBOM is about.
type Subject struct {
	Name, Digest string
	Created      time.Time
}

// CycloneDX writes an inventory as a CycloneDX 1.6 SBOM in JSON. What the
// format has no place for are properties that begin with driftpin:.
func CycloneDX(w io.Writer, img Subject, packages []installed.Package) error {
	bom := cyclonedx.NewBOM()
	sum := sha256.Sum256([]byte(img.Name + " " + img.Digest))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8 and variant (RFC 9562)
	bom.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	bom.Metadata = &cyclonedx.Metadata{
		Component: &cyclonedx.Component{BOMRef: "image", Type: cyclonedx.ComponentTypeContainer, Name: img.Name,
			Version: img.Digest},
		Tools: &cyclonedx.ToolsChoice{
			Components: &[]cyclonedx.Component{{Type: cyclonedx.ComponentTypeApplication, Name: "driftpin"}},
		},
	}
	components := []cyclonedx.Component{}
	for i, p := range packages {
		c := cyclonedx.Component{
			BOMRef: fmt.Sprintf("package-%d", i+1), Type: cyclonedx.ComponentTypeLibrary, Name: p.Name,
			Version:    p.Version,
			PackageURL: purl(p), Properties: properties(p), ExternalReferences: links(p.About),
		}
		if p.About.License != "" {
			c.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{Name: p.About.License}}}
		}
		if p.Path != "" {
			c.Evidence = &cyclonedx.Evidence{Occurrences: &[]cyclonedx.EvidenceOccurrence{{Location: p.Path}}}
		}
		components = append(components, c)
	}
	bom.Components = &components
	e := cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON)
	e.SetPretty(true)
	return e.EncodeVersion(bom, cyclonedx.SpecVersion1_6)
}

// links are a package's addresses; nil if it has none.
func links(about installed.About) *[]cyclonedx.ExternalReference {
	var out []cyclonedx.ExternalReference
	for _, l := range []struct {
		url  string
		what cyclonedx.ExternalReferenceType
	}{{about.Home, cyclonedx.ERTypeWebsite}, {about.Changes, cyclonedx.ERTypeReleaseNotes}} {
		if l.url != "" {
			out = append(out, cyclonedx.ExternalReference{URL: l.url, Type: l.what})
		}
	}
	if out == nil {
		return nil
	}
	return &out
}

func properties(p installed.Package) *[]cyclonedx.Property {
	out := []cyclonedx.Property{}
	add := func(name, value string) {
		if value != "" {
			out = append(out, cyclonedx.Property{Name: propertyPrefix + name, Value: value})
		}
	}
	add("kind", string(p.Kind))
	add("name", p.Name)
	add("where", p.Where)
	add("path", p.Path)
	add("layer", p.Layer)
	add("event", p.Event)
	add("commit", p.Commit)
	add("build", p.Build)
	add("channel", p.Channel)
	add("state", p.State)
	if p.About.Size > 0 {
		add("size", strconv.FormatInt(p.About.Size, 10))
	}
	add("license", p.About.License)
	add("home", p.About.Home)
	add("changes", p.About.Changes)
	if p.Owner != nil {
		add("owner", string(p.Owner.Kind)+" "+p.Owner.Name)
	}
	return &out
}

// purl is a package's URL (purl specification), if its kind has any.
func purl(p installed.Package) string {
	u := packageurl.PackageURL{Name: p.Name, Version: p.Version}
	q := map[string]string{}
	switch p.Kind {
	case pins.Deb:
		u.Type, u.Namespace = "deb", "debian"
		u.Name, q["arch"], _ = strings.Cut(p.Name, ":")
	case pins.Pip:
		u.Type = "pypi"
	case pins.Npm, pins.LabExtension:
		u.Type = "npm"
		if scope, name, ok := strings.Cut(p.Name, "/"); ok {
			u.Namespace, u.Name = scope, name
		}
	case pins.Conda:
		u.Type, q["build"], q["channel"] = "conda", p.Build, p.Channel
	case pins.R:
		u.Type = "cran"
	case pins.Python:
		u.Type = "generic"
	default:
		return ""
	}
	for k, v := range q {
		if v == "" {
			delete(q, k)
		}
	}
	u.Qualifiers = packageurl.QualifiersFromMap(q)
	return u.ToString()
}

// SPDX writes an inventory as an SPDX 2.3 document in JSON. All that is known
// of a package is in its comment, as JSON after driftpin:. created is when the
// image was.
func SPDX(w io.Writer, img Subject, packages []installed.Package) error {
	sum := sha256.Sum256([]byte(img.Name + " " + img.Digest))
	doc := v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: img.Name,
		DocumentNamespace: fmt.Sprintf("https://driftpin.org/spdx/%x", sum[:16]),
		CreationInfo: &v2_3.CreationInfo{
			Created:  img.Created.UTC().Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "driftpin"}},
		},
	}
	root := spdxPackage("image", img.Name, img.Digest)
	root.PrimaryPackagePurpose = "CONTAINER"
	doc.Packages = append(doc.Packages, root)
	doc.Relationships = append(doc.Relationships, related("DOCUMENT", "DESCRIBES", "image"))
	for i, p := range packages {
		id := fmt.Sprintf("package-%d", i+1)
		s := spdxPackage(id, p.Name, p.Version)
		comment, err := json.Marshal(p)
		if err != nil {
			return err
		}
		s.PackageComment, s.PackageHomePage = propertyPrefix+string(comment), p.About.Home
		if p.Path != "" {
			s.PackageSourceInfo = "found by driftpin: " + p.Path
		}
		if u := purl(p); u != "" {
			s.PackageExternalReferences = []*v2_3.PackageExternalReference{{Category: common.CategoryPackageManager,
				RefType: "purl", Locator: u}}
		}
		doc.Packages = append(doc.Packages, s)
		doc.Relationships = append(doc.Relationships, related("image", "CONTAINS", id))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(doc)
}

func spdxPackage(id, name, version string) *v2_3.Package {
	return &v2_3.Package{
		PackageSPDXIdentifier: common.ElementID(id), PackageName: name, PackageVersion: version,
		PackageDownloadLocation: "NOASSERTION", PackageLicenseConcluded: "NOASSERTION",
		PackageLicenseDeclared: "NOASSERTION", PackageCopyrightText: "NOASSERTION",
	}
}

func related(a, how, b string) *v2_3.Relationship {
	return &v2_3.Relationship{RefA: common.MakeDocElementID("", a), RefB: common.MakeDocElementID("", b),
		Relationship: how}
}
