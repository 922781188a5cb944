package host

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	npmVariable = regexp.MustCompile(`\$\{([^}]+)\}`)
	npmPlaces   = regexp.MustCompile(`^(?:registry|@[^:]+:registry|//.*|proxy|https-proxy|noproxy|strict-ssl|ca|` +
		`cafile|_auth|_authToken)\s*=`)
)

// readNpmrc reads npm's settings of this machine (npm's documentation,
// "npmrc"), as far as they say where registries are and who may read them:
// $NPM_CONFIG_USERCONFIG or .npmrc, with the variables of the environment that
// it names, and $NPM_CONFIG_REGISTRY over it.
func readNpmrc() []byte {
	text := ""
	for _, line := range strings.Split(string(readFirst(os.Getenv("NPM_CONFIG_USERCONFIG"),
		filepath.Join(homeDir(), ".npmrc"))), "\n") {
		if line = strings.TrimSpace(line); npmPlaces.MatchString(line) {
			text += npmVariable.ReplaceAllStringFunc(line, func(v string) string {
				if value, ok := os.LookupEnv(v[2 : len(v)-1]); ok {
					return value
				}
				return v
			}) + "\n"
		}
	}
	if registry := firstEnv("NPM_CONFIG_REGISTRY", "npm_config_registry"); registry != "" {
		text += "registry=" + registry + "\n"
	}
	return []byte(text)
}

// npmAuthorization returns what .npmrc has for an address, as the header of that
// name has it: //HOST/PATH/:_authToken, :_auth, or :username and :_password, of
// the longest path that fits.
func npmAuthorization(npmrc []byte, address *url.URL) string {
	longest := -1
	settings := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(npmrc)); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), "=")
		place, name, secret := strings.Cut(strings.TrimSpace(key), ":_")
		if !secret {
			place, name, secret = strings.Cut(strings.TrimSpace(key), "/:")
		}
		place = strings.Trim(place, "/")
		if place == "" {
			continue
		}
		place = "//" + place + "/"
		if !ok || !secret || !strings.HasPrefix("//"+address.Host+address.Path, place) || len(place) < longest {
			continue
		}
		if len(place) > longest {
			longest, settings = len(place), map[string]string{}
		}
		settings[name] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	if token := settings["authToken"]; token != "" {
		return "Bearer " + token
	}
	if both := settings["auth"]; both != "" {
		return "Basic " + both
	}
	password, err := base64.StdEncoding.DecodeString(settings["password"])
	if err != nil || settings["username"] == "" {
		return ""
	}
	return basic(settings["username"], string(password))
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
