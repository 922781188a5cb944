package buildplan

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"
)

// A condarc is what driftpin reads of conda's configuration (conda's
// documentation, "Settings": .condarc).
type condarc struct {
	Alias  string            `yaml:"channel_alias" json:"alias"`    // where channels are that are not among Custom
	Custom map[string]string `yaml:"custom_channels" json:"custom"` // by a channel's name, the address that its name is added to
}

// readCondarc reads conda's settings of this machine: $CONDARC or .condarc,
// and $CONDA_CHANNEL_ALIAS over it. Where they say nothing, the solver's
// default stands.
func readCondarc() (c condarc, err error) {
	for _, file := range []string{os.Getenv("CONDARC"), filepath.Join(homeDir(), ".condarc"), filepath.Join(configHome(), "conda", ".condarc"),
		filepath.Join(homeDir(), ".conda", ".condarc"), "/etc/conda/.condarc"} {
		data := readFirst(file)
		if data == nil {
			continue
		}
		if err := yaml.Unmarshal(data, &c); err != nil {
			// What it says may hold a password, so it is not quoted.
			return condarc{}, fmt.Errorf("%s can't be read: channel_alias is a text, custom_channels a mapping of texts", file)
		}
		break
	}
	if alias := os.Getenv("CONDA_CHANNEL_ALIAS"); alias != "" {
		c.Alias = alias
	}
	return c, nil
}

// condaSecrets are the settings as conda-resolve.py reads them, without users
// and passwords, and those as rattler reads them, by host (its documentation,
// "Authentication").
func (h Host) condaSecrets() (settings, logins []byte) {
	auth := map[string]any{}
	plain := func(address string) string {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return ""
		}
		if user, password := h.login(u); user+password != "" {
			auth[u.Hostname()] = map[string]any{"BasicHTTP": map[string]string{"username": user, "password": password}}
		}
		u.User = nil
		return u.String()
	}
	places := condarc{plain(h.Conda.Alias), map[string]string{}}
	for name, address := range h.Conda.Custom {
		places.Custom[name] = plain(address)
	}
	return must(json.Marshal(places)), must(json.Marshal(auth))
}

// must is for what can't fail.
func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}
