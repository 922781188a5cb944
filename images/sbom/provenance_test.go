package sbom

import (
	"encoding/json"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// A provenance names all that a lock has for a platform, each once.
func TestProvenanceOf(t *testing.T) {
	const platform = "linux/amd64"
	wheel := pins.Artifact{Pin: pins.New(pins.Pip, "idna", "3.3"), Platform: platform, Use: pins.Install,
		File: "idna-3.3-py3-none-any.whl", SHA256: "aa"}
	other := wheel
	other.Platform, other.SHA256 = "linux/arm64", "bb"
	deb := pins.Artifact{Pin: pins.New(pins.Deb, "gcc", "12.2"), Platform: platform, Use: pins.BuildInput,
		File: "pool/main/g/gcc_12.2_amd64.deb", SHA256: "cc"}
	commit := "0123456789012345678901234567890123456789"
	from := "git+https://git.example.org/tmpystore.git@" + commit
	made := pins.Artifact{Pin: pins.New(pins.Pip, "tmpystore", "0.0.1"), Platform: platform, Use: pins.Install,
		File: "tmpystore-0.0.1-py3-none-any.whl", SHA256: "dd", From: from}
	fromSource := wheel
	fromSource.Pin, fromSource.From = pins.New(pins.Pip, "docopt", "0.6.2"), "sdist:docopt-0.6.2.tar.gz"
	held := deb
	held.Use = pins.Held
	answers := []pins.Answer{{Method: "GET", URL: "https://example.org/x", SHA256: "ff"},
		{Method: "HEAD", URL: "https://example.org/x"}}
	l := &pins.Lock{Course: "small", AsOf: "2026-01-01", Base: "sha256:ba5e", Platforms: []string{platform, "linux/arm64"},
		Tools:      []pins.Tool{{Name: "uv", Version: "0.13.9"}},
		Artifacts:  []pins.Artifact{wheel, other, deb, made, fromSource, held},
		Downloads:  []pins.Fetched{{URL: "https://example.org/data.csv", SHA256: "ee"}},
		Recordings: []pins.Recording{{Script: "postBuild", Answers: answers}}}
	p := ProvenanceOf(l, platform, map[string]string{"driftpin": "v1"})
	want := []Dependency{
		{Name: "base", Digest: map[string]string{"sha256": "ba5e"}},
		{Name: "idna-3.3-py3-none-any.whl", URI: "pkg:pypi/idna@3.3", Digest: map[string]string{"sha256": "aa"}},
		{Name: "gcc_12.2_amd64.deb", URI: "pkg:deb/debian/gcc@12.2", Digest: map[string]string{"sha256": "cc"},
			Annotations: map[string]string{"use": "to build other packages"}},
		{Name: "tmpystore", URI: from, Digest: map[string]string{"gitCommit": commit}},
		{URI: "https://example.org/data.csv", Digest: map[string]string{"sha256": "ee"}},
		{URI: "https://example.org/x", Digest: map[string]string{"sha256": "ff"},
			Annotations: map[string]string{"script": "postBuild"}},
	}
	if diff := cmp.Diff(want, p.BuildDefinition.ResolvedDependencies); diff != "" {
		t.Error(diff)
	}
	asked := map[string]string{"course": "small", "as-of": "2026-01-01", "lock": l.Digest(), "platform": platform}
	if diff := cmp.Diff(asked, p.BuildDefinition.ExternalParameters); diff != "" {
		t.Error(diff)
	}
	if p.BuildDefinition.InternalParameters["uv"] != "0.13.9" || p.RunDetails.Builder.Version["driftpin"] != "v1" {
		t.Errorf("%+v", p)
	}
	one, err := json.Marshal(p)
	two, again := json.Marshal(ProvenanceOf(l, platform, map[string]string{"driftpin": "v1"}))
	if err != nil || again != nil || string(one) != string(two) {
		t.Errorf("two times, two documents: %v %v", err, again)
	}
}
