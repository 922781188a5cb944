// Package host reads the settings of the machine that driftpin runs on:
// certificates, proxies, and where the indexes, channels and registries are, with
// who we are there. [Read] reads them; a step that uses the network takes them
// over by [Settings.Online], as secrets whose names stay in this package.
package host

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb"
)

// caFiles are where systems keep their certificates, as crypto/x509 looks.
var caFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// Read reads the settings of this machine. Indexes are configured where other
// tools already look: uv's settings (UV_DEFAULT_INDEX and its kin, uv.toml), then
// pip's (PIP_INDEX_URL and its kin, pip.conf), then uv's default. Channels come
// from conda's settings.
func Read() (Settings, error) {
	h := Settings{Env: map[string]string{}, Proxies: llb.ProxyEnv{
		HTTPProxy:  firstEnv("HTTP_PROXY", "http_proxy"),
		HTTPSProxy: firstEnv("HTTPS_PROXY", "https_proxy"),
		NoProxy:    firstEnv("NO_PROXY", "no_proxy"),
	}}
	for _, file := range append([]string{os.Getenv("SSL_CERT_FILE")}, caFiles...) {
		if data, err := os.ReadFile(file); err == nil {
			h.CA = data
			break
		}
	}
	for _, key := range []string{"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL",
		"UV_INDEX_STRATEGY", "UV_INSECURE_HOST", "UV_HTTP_TIMEOUT"} {
		if v, ok := os.LookupEnv(key); ok {
			h.Env[key] = v
		}
	}
	for _, kv := range os.Environ() {
		if key, value, _ := strings.Cut(kv, "="); strings.HasPrefix(key, "UV_INDEX_") &&
			(strings.HasSuffix(key, "_USERNAME") || strings.HasSuffix(key, "_PASSWORD")) {
			h.Env[key] = value
		}
	}
	h.Netrc = readFirst(os.Getenv("NETRC"), filepath.Join(homeDir(), ".netrc"))
	h.UvToml = readFirst(os.Getenv("UV_CONFIG_FILE"), filepath.Join(configHome(), "uv", "uv.toml"), "/etc/uv/uv.toml")
	if !h.namesIndex() {
		h.readPip()
	}
	h.Npmrc = readNpmrc()
	var err error
	h.channels, err = readCondarc()
	return h, err
}

// namesIndex reports whether uv's settings say where packages come from.
func (h Settings) namesIndex() bool {
	for _, key := range []string{"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL"} {
		if h.Env[key] != "" {
			return true
		}
	}
	return bytes.Contains(h.UvToml, []byte("index"))
}

// readPip takes over what pip's settings say of indexes.
func (h Settings) readPip() {
	settings := map[string]string{}
	for _, file := range []string{"/etc/pip.conf", filepath.Join(homeDir(), ".pip", "pip.conf"),
		filepath.Join(configHome(), "pip", "pip.conf"), os.Getenv("PIP_CONFIG_FILE")} {
		data, _ := os.ReadFile(file) // what is not there says nothing
		readPipConf(data, settings)
	}
	for key, env := range map[string]string{"index-url": "PIP_INDEX_URL", "extra-index-url": "PIP_EXTRA_INDEX_URL",
		"trusted-host": "PIP_TRUSTED_HOST"} {
		if v := os.Getenv(env); v != "" {
			settings[key] = v
		}
	}
	for key, env := range map[string]string{"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_EXTRA_INDEX_URL",
		"trusted-host": "UV_INSECURE_HOST"} {
		if v := strings.Join(strings.Fields(settings[key]), " "); v != "" {
			h.Env[env] = v
		}
	}
}

// readPipConf reads the [global] and [install] settings of a pip.conf, whose
// values may go on in indented lines (pip's documentation, "Configuration").
func readPipConf(data []byte, into map[string]string) {
	section, key := "", ""
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		line := lines.Text()
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case text[0] == '[':
			section, key = strings.Trim(text, "[]"), ""
		case section != "global" && section != "install":
		case key != "" && line[0] <= ' ':
			into[key] += " " + text
		default:
			if k, v, ok := strings.Cut(text, "="); ok {
				key = strings.ReplaceAll(strings.TrimSpace(k), "_", "-")
				into[key] = strings.TrimSpace(v)
			}
		}
	}
}

// The names under which steps get at the host's settings.
const (
	caSecret    = "driftpin-ca"
	tomlSecret  = "driftpin-uv.toml"
	npmrcSecret = "driftpin-npmrc"
	condaSecret = "driftpin-channels"
	loginSecret = "driftpin-logins"
	netrcSecret = "driftpin-netrc"
	envSecret   = "driftpin-env-"
)

// Secrets are the settings as BuildKit's session serves them.
func (h Settings) Secrets() map[string][]byte {
	s := map[string][]byte{caSecret: h.CA, tomlSecret: h.UvToml, netrcSecret: h.Netrc, npmrcSecret: h.Npmrc}
	s[condaSecret], s[loginSecret], _ = h.condaSecrets() // who asks conda has looked
	for k, v := range h.Env {
		s[envSecret+k] = []byte(v)
	}
	return s
}

// Online are the options of a step that uses the network.
func (h Settings) Online() []llb.RunOption {
	options := []llb.RunOption{
		llb.Network(llb.NetModeSandbox), llb.WithProxy(h.Proxies), llb.AddEnv("CA_BUNDLE", "/run/secrets/ca"),
		llb.AddSecret("/run/secrets/ca", llb.SecretID(caSecret), llb.SecretFileOpt(0, 0, 0o400)),
		llb.AddSecret("/root/.config/uv/uv.toml", llb.SecretID(tomlSecret), llb.SecretFileOpt(0, 0, 0o400)),
		llb.AddSecret("/root/.netrc", llb.SecretID(netrcSecret), llb.SecretFileOpt(0, 0, 0o400)),
	}
	var keys []string
	for k := range h.Env {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		options = append(options, llb.AddSecret(k, llb.SecretID(envSecret+k), llb.SecretAsEnv(true),
			llb.SecretAsEnvName(k)))
	}
	return options
}

// ChannelsFile is where a step with the options of [Settings.Channels] finds
// conda's settings.
const ChannelsFile = "/run/secrets/channels"

// Channels are the options of a step that asks conda's channels, besides those
// of Online: their addresses, and who we are there. Its error says which
// settings conda's solver can't work with.
func (h Settings) Channels() ([]llb.RunOption, error) {
	if _, _, err := h.condaSecrets(); err != nil {
		return nil, err
	}
	return []llb.RunOption{
		llb.AddSecret(ChannelsFile, llb.SecretID(condaSecret), llb.SecretFileOpt(0, 0, 0o400)),
		llb.AddSecret("/run/secrets/logins", llb.SecretID(loginSecret), llb.SecretFileOpt(0, 0, 0o400)),
		llb.AddEnv("RATTLER_AUTH_FILE", "/run/secrets/logins"), llb.AddEnv("SSL_CERT_FILE", "/run/secrets/ca"),
	}, nil
}

// Registry are the options of a step that asks npm's registry, besides those of
// Online.
func (h Settings) Registry() []llb.RunOption {
	return []llb.RunOption{
		llb.AddEnv("NODE_EXTRA_CA_CERTS", "/run/secrets/ca"),
		llb.AddSecret("/root/.npmrc", llb.SecretID(npmrcSecret), llb.SecretFileOpt(0, 0, 0o400)),
	}
}
