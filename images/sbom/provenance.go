package sbom

import (
	"fmt"
	"path"
	"strings"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
)

// ProvenanceType is the in-toto predicate type of a Provenance (SLSA, version 1.0).
const ProvenanceType = "https://slsa.dev/provenance/v1"

// BuildType says how a Provenance's image was built: from a lock, by driftpin.
const BuildType = "https://driftpin.org/build/v1"

// A Provenance is what an image was built from, and by what (SLSA, version 1.0): all that the
// lock names, with digests. It holds no times: the same build has the same provenance.
type Provenance struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// A BuildDefinition is what was asked for, and what it was made of.
type BuildDefinition struct {
	BuildType            string            `json:"buildType"`
	ExternalParameters   map[string]string `json:"externalParameters"`
	InternalParameters   map[string]string `json:"internalParameters,omitempty"` // versions of tools
	ResolvedDependencies []Dependency      `json:"resolvedDependencies"`
}

// A Dependency is one thing that the build used (SLSA's ResourceDescriptor).
type Dependency struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// RunDetails say who built.
type RunDetails struct {
	Builder Builder `json:"builder"`
}

// A Builder is a program, with the versions of what it is made of.
type Builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

// ProvenanceOf is the provenance of an image that was built from a lock for a platform, by
// programs whose versions are given.
func ProvenanceOf(l *pins.Lock, platform string, versions map[string]string) Provenance {
	d := BuildDefinition{BuildType: BuildType, InternalParameters: map[string]string{},
		ExternalParameters: map[string]string{"course": l.Course, "platform": platform, "lock": l.Digest()}}
	if l.AsOf != "" {
		d.ExternalParameters["as-of"] = l.AsOf
	}
	for _, t := range l.Tools {
		d.InternalParameters[t.Name] = t.Version
	}
	seen := map[string]bool{}
	add := func(one Dependency) {
		if key := fmt.Sprint(one); !seen[key] {
			seen[key] = true
			d.ResolvedDependencies = append(d.ResolvedDependencies, one)
		}
	}
	add(Dependency{Name: "base", Digest: digestOf(l.Base)})
	for _, i := range l.Images {
		add(Dependency{Name: i.Ref, Digest: digestOf(i.Digest)})
	}
	for _, a := range l.Artifacts {
		if a.Platform != platform || a.Use == pins.Held {
			continue
		}
		p := installed.Package{Pin: a.Pin}
		one := Dependency{Name: path.Base(a.File), URI: purl(p), Digest: digestOf("sha256:" + a.SHA256)}
		if a.Use == pins.BuildInput {
			one.Annotations = map[string]string{"use": "to build other packages"}
		}
		if g, ok := a.Git(); ok { // the wheel is made, of a commit
			one = Dependency{Name: a.Name, URI: g.String(), Digest: map[string]string{"gitCommit": g.Ref}}
		} else if a.From != "" { // the wheel is made, of a source that is locked too
			continue
		}
		add(one)
	}
	for _, f := range l.Downloads {
		add(Dependency{URI: f.URL, Digest: digestOf("sha256:" + f.SHA256)})
	}
	for _, r := range l.Recordings {
		for _, a := range r.Answers {
			if a.SHA256 != "" {
				add(Dependency{URI: a.URL, Digest: digestOf("sha256:" + a.SHA256),
					Annotations: map[string]string{"script": r.Script}})
			}
		}
	}
	return Provenance{d, RunDetails{Builder{"https://driftpin.org/driftpin", versions}}}
}

// digestOf is a digest such as sha256:…, by its algorithm.
func digestOf(text string) map[string]string {
	algorithm, hex, _ := strings.Cut(text, ":")
	return map[string]string{algorithm: hex}
}
