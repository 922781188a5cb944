package pins

import (
	_ "embed"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func (a Artifact) words() []string {
	var why []string
	for _, r := range a.Roots {
		why = append(why, string(r))
	}
	if a.Over != "" {
		why = append(why, "over:"+a.Over)
	}
	if len(a.By) > 0 {
		why = append(why, "by:"+strings.Join(a.By, ","))
	}
	words := []string{string(a.Kind), a.Name, a.Version, a.Platform, a.File, "sha256:" + a.SHA256,
		strconv.FormatInt(a.Size, 10), string(a.Use), strings.Join(why, "+")}
	if a.From != "" {
		words = append(words, "from="+a.From)
	}
	return words
}

func parseArtifact(words []string) (Artifact, error) {
	a := Artifact{
		Pin:      New(Kind(words[0]), words[1], words[2]),
		Platform: words[3],
		File:     words[4],
		Use:      Use(words[7]),
	}
	switch {
	case !slices.Contains([]Kind{Conda, Deb, Npm, Pip, R}, a.Kind):
		return a, fmt.Errorf("%q is not a kind of package", words[0])
	case !platform.MatchString(a.Platform):
		return a, fmt.Errorf("%q is not a platform", a.Platform)
	case path.IsAbs(a.File) || path.Clean(a.File) != a.File || strings.HasPrefix(a.File, "../") || a.File == ".." ||
		a.File == ".":
		return a, fmt.Errorf("%q is not a plain file name", a.File)
	case a.Kind != Deb && a.Kind != Conda && a.Kind != Npm && strings.Contains(a.File, "/"):
		return a, fmt.Errorf("%q is not a plain file name", a.File)
	case a.Kind == Npm && !npmPlace.MatchString(path.Dir(a.File)):
		return a, fmt.Errorf("%q is not the file of npm's %s: node_modules/NAME/NAME-VERSION.tgz", a.File, a.Name)
	case a.Kind == Conda && a.Use != Held && !a.readCondaFile():
		return a, fmt.Errorf("%q is not the file of conda's %s %s: CHANNEL/SUBDIR/NAME-VERSION-BUILD.conda", a.File,
			a.Name, a.Version)
	case a.Use != Install && a.Use != BuildInput && a.Use != Held:
		return a, fmt.Errorf("%q is not a use: install, build or base", words[7])
	case (a.Use == Held) != (a.File == HeldFile):
		return a, fmt.Errorf("%q: what is in the base has no file but %q", a.File, HeldFile)
	case !digestText.MatchString(words[5]):
		return a, fmt.Errorf("%q is not a sha256 digest", words[5])
	}
	a.SHA256 = strings.TrimPrefix(words[5], "sha256:")
	size, err := strconv.ParseInt(words[6], 10, 64)
	if err != nil || size < 0 {
		return a, fmt.Errorf("%q is not a size in bytes", words[6])
	}
	a.Size = size
	if err := a.parseWhy(words[8]); err != nil {
		return a, err
	}
	if len(words) == 10 {
		from, ok := strings.CutPrefix(words[9], "from=")
		if !ok || from == "" {
			return a, fmt.Errorf("%q does not say what the wheel is built from", words[9])
		}
		a.From = from
		if g, ok := a.Git(); ok {
			a.Commit = g.Ref
		}
	}
	return a, nil
}

// npmPlace is the folder of a package of npm's, which has its name or an alias.
var npmPlace = regexp.MustCompile(`^(?:(?:^|/)node_modules/(?:@[^/]+/)?[^/@][^/]*)+$`)

// readCondaFile learns build and channel from a conda package's file
// (conda's documentation, "Package naming conventions").
func (a *Artifact) readCondaFile() bool {
	place, file := path.Split(a.File)
	stem, ok := strings.CutSuffix(file, ".conda")
	if !ok {
		stem, ok = strings.CutSuffix(file, ".tar.bz2")
	}
	build := strings.LastIndexByte(stem, '-')
	channel, subdir := path.Split(strings.TrimSuffix(place, "/"))
	if !ok || build < 0 || channel == "" || subdir == "" || CanonicalName(Conda, stem[:build]) != a.Name+"-"+
		strings.ToLower(a.Version) {
		return false
	}
	a.Build, a.Channel = stem[build+1:], strings.TrimSuffix(channel, "/")
	return true
}

// parseWhy reads roots and requirers: pin+python+by:a,b.
func (a *Artifact) parseWhy(text string) error {
	roots, by, ok := strings.Cut("+"+text, "+by:")
	if ok {
		a.By = strings.Split(by, ",")
	}
	for _, r := range strings.FieldsFunc(roots, func(c rune) bool { return c == '+' }) {
		if over, ok := strings.CutPrefix(r, "over:"); ok && a.Kind == Pip && condaName.MatchString(over) {
			a.Over = over
			continue
		}
		a.Roots = append(a.Roots, Root(r))
	}
	unknown := func(r Root) bool {
		return !slices.Contains([]Root{PinRoot, PythonRoot, SourceRoot, ToolchainRoot}, r)
	}
	if len(a.Roots)+len(a.By) == 0 || slices.ContainsFunc(a.Roots, unknown) || slices.Contains(a.By, "") {
		return fmt.Errorf("%q does not say why the package is there", text)
	}
	return nil
}
