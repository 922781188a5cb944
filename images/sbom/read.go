// Package sbom reads and writes software bills of materials: CycloneDX and SPDX, in
// JSON. What one of driftpin's own holds comes back as it was.
package sbom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
	"github.com/package-url/packageurl-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// propertyPrefix begins the names of the properties by which driftpin's own
// SBOMs say what has no place in their formats.
const propertyPrefix = "driftpin:"

// maxSBOM is the most that is read of an SBOM, in bytes.
const maxSBOM = 256 << 20

// A Contents is the inventory that an SBOM holds.
type Contents struct {
	Packages  []installed.Package
	Placeless bool // it does not tell environments apart
	Foreign   bool // another program made it, which tells of fewer things
}

// Read reads an SBOM in JSON: CycloneDX or SPDX 2.3, as driftpin and others write
// them.
func Read(file string) (*Contents, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSBOM {
		return nil, fmt.Errorf("%d bytes are too many for an SBOM", info.Size())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var kind struct {
		Format string `json:"bomFormat"`
		SPDX   string `json:"spdxVersion"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("not an SBOM in JSON: %w", err)
	}
	var found []component
	switch {
	case kind.Format == "CycloneDX":
		found, err = readCycloneDX(data)
	case kind.SPDX != "":
		found, err = readSPDX(data)
	default:
		err = fmt.Errorf("not a supported SBOM: driftpin reads CycloneDX and SPDX 2.3, in JSON")
	}
	if err != nil {
		return nil, err
	}
	return inventoryOf(found)
}

// A component is a package as an SBOM lists it.
type component struct {
	purl  string
	path  string             // the file that tells of it; may be empty
	whole *installed.Package // all that there is to know, of driftpin's own
}

func readCycloneDX(data []byte) ([]component, error) {
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(data), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return nil, fmt.Errorf("CycloneDX: %w", err)
	}
	var out []component
	var walk func(list *[]cyclonedx.Component)
	walk = func(list *[]cyclonedx.Component) {
		if list == nil {
			return
		}
		for _, c := range *list {
			out = append(out, componentOf(c))
			walk(c.Components)
		}
	}
	walk(bom.Components)
	return out, nil
}

func componentOf(c cyclonedx.Component) component {
	out := component{purl: c.PackageURL}
	own := map[string]string{}
	if c.Properties != nil {
		for _, p := range *c.Properties {
			switch {
			case p.Name == "syft:location:0:path", p.Name == "aquasecurity:trivy:FilePath":
				out.path = p.Value
			case strings.HasPrefix(p.Name, propertyPrefix):
				own[strings.TrimPrefix(p.Name, propertyPrefix)] = p.Value
			}
		}
	}
	if c.Evidence != nil && c.Evidence.Occurrences != nil && out.path == "" && len(*c.Evidence.Occurrences) > 0 {
		out.path = (*c.Evidence.Occurrences)[0].Location
	}
	if kind := own["kind"]; kind != "" {
		p := installed.Package{Pin: pins.New(pins.Kind(kind), own["name"], c.Version), Path: own["path"],
			Layer: own["layer"], Event: own["event"]}
		p.Where = own["where"]
		p.Detail = pins.Detail{Commit: own["commit"], Build: own["build"], Channel: own["channel"], State: own["state"]}
		p.About = installed.About{License: own["license"], Home: own["home"], Changes: own["changes"]}
		p.About.Size, _ = strconv.ParseInt(own["size"], 10, 64) // empty where it is not known
		p.About = p.About.Fit()
		if owner, name, ok := strings.Cut(own["owner"], " "); ok {
			p.Owner = &installed.Owner{Kind: pins.Kind(owner), Name: name}
		}
		out.whole = &p
	}
	return out
}

func readSPDX(data []byte) ([]component, error) {
	var doc v2_3.Document
	if err := spdxjson.ReadInto(bytes.NewReader(data), &doc); err != nil {
		return nil, fmt.Errorf("SPDX: %w", err)
	}
	paths := containedFiles(&doc)
	var out []component
	for _, p := range doc.Packages {
		c := component{path: sourcePath(p.PackageSourceInfo)}
		if c.path == "" {
			c.path = paths[string(p.PackageSPDXIdentifier)]
		}
		for _, ref := range p.PackageExternalReferences {
			if ref.RefType == "purl" {
				c.purl = ref.Locator
			}
		}
		if text, ok := strings.CutPrefix(p.PackageComment, propertyPrefix); ok {
			c.whole = &installed.Package{}
			if err := json.Unmarshal([]byte(text), c.whole); err != nil {
				return nil, fmt.Errorf("SPDX: package %s: %w", p.PackageName, err)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// containedFiles are, by package, one of the files that it contains.
func containedFiles(doc *v2_3.Document) map[string]string {
	names := map[string]string{}
	for _, f := range doc.Files {
		names[string(f.FileSPDXIdentifier)] = f.FileName
	}
	out := map[string]string{}
	for _, r := range doc.Relationships {
		if name := names[string(r.RefB.ElementRefID)]; r.Relationship == "CONTAINS" && name != "" {
			out[string(r.RefA.ElementRefID)] = name
		}
	}
	return out
}

// sourcePath is the file that an SPDX package's sourceInfo speaks of, as syft
// and osv-scalibr write it.
func sourcePath(info string) string {
	if _, rest, ok := strings.Cut(info, " extractor from "); ok {
		return rest
	}
	if _, rest, ok := strings.Cut(info, ": /"); ok {
		first, _, _ := strings.Cut(rest, ", ")
		return first
	}
	return ""
}

// inventoryOf makes an inventory of what an SBOM lists. What lies in a file
// that no package manager would read (test data, copies that packages carry) is
// not installed. Where a file is not named, environments can't be told apart.
func inventoryOf(list []component) (*Contents, error) {
	c := &Contents{Packages: []installed.Package{}}
	facts := installed.Facts{}
	for _, found := range list {
		if found.whole != nil {
			c.Packages = append(c.Packages, *found.whole)
			continue
		}
		kind, item, ok := itemOf(found.purl)
		if !ok {
			continue
		}
		c.Foreign = true
		file := strings.TrimPrefix(found.path, "/")
		if kind == pins.Deb {
			file = "var/lib/dpkg/status"
		}
		if file == "" {
			c.Placeless = true
			p := installed.Package{Pin: pins.New(kind, item.Name, item.Version)}
			p.Detail = item.Detail
			c.Packages = append(c.Packages, p)
			continue
		}
		if f := facts[file]; installed.IsMetadata(file) && !slices.Contains(f.Items, item) {
			f.Items = append(f.Items, item)
			facts[file] = f
		}
	}
	more, err := installed.Packages(facts)
	c.Packages = append(c.Packages, more...)
	slices.SortStableFunc(c.Packages, func(a, b installed.Package) int { return pins.Order(a.Pin, b.Pin) })
	return c, err
}

// purlKinds are the types of package URLs (purl specification) that are
// understood.
var purlKinds = map[string]pins.Kind{"deb": pins.Deb, "pypi": pins.Pip, "npm": pins.Npm, "conda": pins.Conda,
	"cran": pins.R}

// itemOf reads a package URL.
func itemOf(text string) (kind pins.Kind, item installed.Item, ok bool) {
	u, err := packageurl.FromString(text)
	if kind = purlKinds[u.Type]; err != nil || kind == "" || u.Version == "" {
		return "", item, false
	}
	q := u.Qualifiers.Map()
	item.Name, item.Version = u.Name, u.Version
	switch kind {
	case pins.Npm:
		if u.Namespace != "" {
			item.Name = u.Namespace + "/" + u.Name
		}
	case pins.Deb:
		if item.Build = q["arch"]; q["epoch"] != "" && !strings.Contains(u.Version, ":") {
			item.Version = q["epoch"] + ":" + u.Version
		}
	case pins.Conda:
		item.Build, item.Channel = q["build"], q["channel"]
	case pins.Pip:
		_, commit, _ := strings.Cut(q["vcs_url"], "@")
		item.Commit = commit
	}
	return kind, item, true
}
