package resolve

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"deps.dev/util/pypi"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/pylock"
)

// fileName is the shape of the names of wheels and source distributions.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+!-]*$`)

// A candidate is one package of uv's answer.
type candidate struct {
	pins.Artifact
	url      string
	uploaded time.Time
	sdist    bool // there is no wheel: one has to be built
}

// parsePylock reads the packages of a pylock.toml that was made for one
// platform: all the wheels that it lists fit there, and the most specific is
// taken, as an installer would. allowed says which files of a package may be
// taken at all, by sha256; nil allows all.
func parsePylock(data []byte, platform string, allowed func(name, sha256 string) bool) ([]candidate, error) {
	lock, err := pylock.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("can't read uv's answer: %w", err)
	}
	var out []candidate
	for _, p := range lock.Packages {
		c := candidate{Artifact: pins.Artifact{Pin: pins.New(pins.Pip, p.Name, p.Version), Platform: platform,
			Use: pins.Install}}
		var file pylock.File
		if allowed != nil {
			p.Wheels = slices.DeleteFunc(p.Wheels, func(w pylock.File) bool { return !allowed(p.Name, w.SHA256()) })
			if p.Sdist != nil && !allowed(p.Name, p.Sdist.SHA256()) {
				p.Sdist = nil
			}
		}
		switch {
		case len(p.Wheels) > 0:
			file = slices.MaxFunc(p.Wheels,
				func(a, b pylock.File) int { return compareWheels(a.FileName(), b.FileName()) })
		case p.Sdist != nil:
			file, c.sdist = *p.Sdist, true
		case p.Archive != nil:
			file = *p.Archive
		default:
			return nil, &noFileError{c.Name, p.Version}
		}
		if !fileName.MatchString(file.FileName()) {
			return nil, fmt.Errorf("the index lists a file of %s as %q, which is not the name of a wheel or "+
				"a source distribution", p.Name, file.FileName())
		}
		c.File, c.Size, c.SHA256, c.url, c.uploaded = file.FileName(), file.Size, file.SHA256(), file.URL,
			file.Uploaded()
		if c.SHA256 == "" && p.Archive == nil {
			return nil, fmt.Errorf("the index gives no sha256 for %s, and driftpin can't lock a file without one",
				c.File)
		}
		out = append(out, c)
	}
	return out, nil
}

// A noFileError says that the index has no file of a package that may be taken.
type noFileError struct{ name, version string }

// Error implements error.
func (e *noFileError) Error() string {
	return fmt.Sprintf("no file of %s %s fits: the index has none for this platform, or none with a hash that the "+
		"requirement allows", e.name, e.version)
}

// compareWheels orders wheels that all fit by how specific they are, in the
// order of packaging.tags: the interpreter's own ABI, then the stable one, then
// none; the newest C library; the highest build number; at last the name, so
// that the order is total.
func compareWheels(a, b string) int {
	ra, rb := wheelRank(a), wheelRank(b)
	return cmp.Or(slices.Compare(ra, rb), cmp.Compare(b, a))
}

func wheelRank(file string) []int {
	info, err := pypi.ParseWheelName(file)
	if err != nil {
		return nil
	}
	var best []int
	for _, tag := range info.Platforms {
		abi := map[string]int{"none": 0, "abi3": 1}
		rank, known := abi[tag.ABI]
		if !known {
			rank = 2
		}
		platform := 0
		if tag.Platform != "any" {
			platform = 1 + 1000*number(tag.Platform, 0) + number(tag.Platform, 1)
		}
		if r := []int{rank, number(tag.Python, 0), platform, info.BuildTag.Num}; slices.Compare(r, best) > 0 {
			best = r
		}
	}
	return best
}

var digits = regexp.MustCompile(`[0-9]+`)

// number is the i-th number in a tag: of manylinux_2_28_x86_64 they are 2 and
// 28. The old names of manylinux stand for versions of their own (PEP 600).
func number(tag string, i int) int {
	for old, version := range map[string]string{"manylinux1_": "2_5", "manylinux2010_": "2_12",
		"manylinux2014_": "2_17"} {
		if strings.HasPrefix(tag, old) {
			tag = version
		}
	}
	found := digits.FindAllString(tag, i+1)
	if len(found) <= i {
		return 0
	}
	n, err := strconv.Atoi(found[i])
	if err != nil {
		return 0
	}
	return n
}

var viaLine = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:==|` +
	`@)\s*\S+(?:\s*;[^#]*)?(?:\s+# via (.*))?$`)

// parseVia reads who requires whom from uv's annotated requirements, one a
// line: NAME==VERSION  # via a, b, -r requirements.in. Those that come from the
// requirements themselves require nothing more; others are by name.
func parseVia(text string) map[string][]string {
	by := map[string][]string{}
	for _, line := range strings.Split(text, "\n") {
		m := viaLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		name := pins.CanonicalName(pins.Pip, m[1])
		for _, via := range strings.Split(m[2], ",") {
			via, _, _ = strings.Cut(strings.TrimSpace(via), " ")
			via, _, _ = strings.Cut(via, "[")
			if via != "" && !strings.HasPrefix(via, "-") {
				by[name] = append(by[name], pins.CanonicalName(pins.Pip, via))
			}
		}
		slices.Sort(by[name])
	}
	return by
}

var (
	noWheel       = regexp.MustCompile("Wheels are required for `([^`]+)` because building from source is disabled")
	notFound      = regexp.MustCompile(`Because ([A-Za-z0-9._-]+) was not found in the package registry`)
	noSuchVersion = regexp.MustCompile(`there (?:is|are) no versions? of ([A-Za-z0-9._-]+?)(?:\[[^\]]*\])?(==[^\s,` +
		`]+|[<>=!~][^\s]*)?[\s,]`)
	uvErrorPrefix = regexp.MustCompile(`(?m)^(?:error: |  cause: |  × |  ╰─▶ |\s+)`)
	publishedAt   = regexp.MustCompile(`was published at (\S+?)(?:T[0-9:.]+Z?)?\.\s`)
	unreachable   = regexp.MustCompile(`Failed to fetch|error sending request|dns error|Request failed after|` +
		`Could not connect|\b(?:401|403) `)
	collapseSpaces = regexp.MustCompile(`\s+`)
)

// tidy is uv's explanation as one paragraph.
func tidy(text string) string {
	text = strings.Replace(text, "No solution found when resolving dependencies", "", 1)
	return strings.TrimSpace(collapseSpaces.ReplaceAllString(uvErrorPrefix.ReplaceAllString(text, " "), " "))
}
