package installed

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// IsCondaMeta matches conda's record of an installed package, at any prefix.
func IsCondaMeta(dir, base string) bool {
	return path.Base(dir) == "conda-meta" && strings.HasSuffix(base, ".json")
}

// readConda reads a record (CEP 34).
func readConda(name string, data []byte) (Fact, error) {
	var record struct {
		Name, Version, Build, Channel string
		Files                         []string
	}
	if err := json.Unmarshal(data, &record); err != nil {
		return Fact{}, fmt.Errorf("not a record of conda's: %w", err)
	}
	f := item(record.Name, record.Version, pins.Detail{Build: record.Build, Channel: channelName(record.Channel)})
	prefix := path.Dir(path.Dir(name))
	for _, file := range record.Files {
		if mayBeMetadata([]byte(file)) {
			f.Owns = append(f.Owns, strings.TrimPrefix(path.Join("/", prefix, file), "/"))
		}
	}
	return f, nil
}

func tellConda(name string, facts Facts) ([]Package, error) {
	out := facts[name].packages(pins.Conda, "/"+strings.TrimPrefix(path.Dir(path.Dir(name)), "."))
	if len(out) == 1 && out[0].Name == "python" { // it is the interpreter, whatever its program looks like
		p := Package{Pin: pins.New(pins.Python, "python", out[0].Version), Owner: &Owner{pins.Conda, "python"}}
		p.Where = out[0].Where
		out = append(out, p)
	}
	return out, nil
}

var condaSubdir = regexp.MustCompile(`/(?:noarch|linux-64|linux-aarch64|osx-64|osx-arm64|win-64)/?$`)

// channelName is the channel without its host, credentials and platform.
func channelName(channel string) string {
	channel = condaSubdir.ReplaceAllString(channel, "")
	if _, rest, ok := strings.Cut(channel, "://"); ok {
		_, path, _ := strings.Cut(rest, "/")
		if _, afterToken, ok := strings.Cut(path, "/"); ok && strings.HasPrefix(path, "t/") {
			_, path, _ = strings.Cut(afterToken, "/")
		}
		channel = strings.Trim(path, "/")
	}
	return channel
}
