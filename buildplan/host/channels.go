package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A condarc is what driftpin reads of conda's configuration (conda's
// documentation, "Settings": .condarc).
type condarc struct {
	Alias string `yaml:"channel_alias" json:"alias"` // where channels are that are not among Custom
	// by a channel's name, the address that its name is added to
	Custom map[string]string `yaml:"custom_channels" json:"custom"`
}

// readCondarc reads conda's settings of this machine: $CONDARC or .condarc,
// and $CONDA_CHANNEL_ALIAS over it. Where they say nothing, the solver's
// default stands.
func readCondarc() (c condarc, err error) {
	for _, file := range []string{os.Getenv("CONDARC"), filepath.Join(homeDir(), ".condarc"),
		filepath.Join(configHome(), "conda", ".condarc"),
		filepath.Join(homeDir(), ".conda", ".condarc"), "/etc/conda/.condarc"} {
		data := readFirst(file)
		if data == nil {
			continue
		}
		if err := yaml.Unmarshal(data, &c); err != nil {
			// What it says may hold a password, so it is not quoted.
			return condarc{}, fmt.Errorf("%s can't be read: channel_alias must be a text, and custom_channels a "+
				"mapping of texts", file)
		}
		break
	}
	if alias := os.Getenv("CONDA_CHANNEL_ALIAS"); alias != "" {
		c.Alias = alias
	}
	for name, address := range c.Custom {
		if err := checkChannel(address); err != nil {
			return condarc{}, fmt.Errorf("the address of custom_channels %s in .condarc: %w", name, err)
		}
	}
	if c.Alias != "" {
		if err := checkChannel(c.Alias); err != nil {
			return condarc{}, fmt.Errorf("channel_alias of .condarc, or $CONDA_CHANNEL_ALIAS: %w", err)
		}
	}
	return c, nil
}

// checkChannel says what is wrong with a channel's address. It does not quote
// it, since it may hold a password.
func checkChannel(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("it can't be read: in a user or a password write @ as %40, / as %2F, # as %23, % as %25")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("it must begin with https:// or http:// and a host: channels on disk can't be used")
	case strings.HasPrefix(u.Path, "/t/"):
		return errors.New("it holds a token (/t/…), which driftpin can't use: name a user and a password, in the " +
			"address or in .netrc")
	}
	return nil
}

// condaSecrets are the settings as conda-resolve.py reads them, without users
// and passwords, and those as rattler reads them, by host (its documentation,
// "Authentication"): of a host it can have one.
func (h Settings) condaSecrets() (settings, logins []byte, err error) {
	type login struct {
		User     string `json:"username"`
		Password string `json:"password"`
	}
	auth := map[string]map[string]login{}
	plain := func(address string) string {
		u, bad := url.Parse(address)
		if bad != nil || u.Host == "" {
			return ""
		}
		if user, password := h.login(u); user+password != "" {
			other, known := auth[u.Hostname()]
			if l := (login{user, password}); known && other["BasicHTTP"] != l {
				err = fmt.Errorf("two channels on %s have different users or passwords, and conda's solver takes "+
					"one login per host: give both channels the same login", u.Hostname())
			}
			auth[u.Hostname()] = map[string]login{"BasicHTTP": {user, password}}
		}
		u.User = nil
		return u.String()
	}
	places := condarc{plain(h.channels.Alias), map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(h.channels.Custom)) {
		places.Custom[name] = plain(h.channels.Custom[name])
	}
	return asJSON(places), asJSON(auth), err
}

// asJSON encodes what has nothing but texts.
func asJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
