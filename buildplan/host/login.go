package host

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// An indexAddress is where packages come from, as uv's settings name it.
type indexAddress struct {
	Name string `toml:"name"`
	URL  string `toml:"url"`
}

// uvSettings are what driftpin itself reads of uv.toml.
type uvSettings struct {
	Index    []indexAddress `toml:"index"`
	IndexURL string         `toml:"index-url"`
	Extra    []string       `toml:"extra-index-url"`
	Insecure []string       `toml:"allow-insecure-host"`
}

// settings reads uv.toml. One that can't be read is uv's to complain of.
func (h Settings) settings() (s uvSettings) {
	if toml.Unmarshal(h.UvToml, &s) != nil {
		return uvSettings{}
	}
	return s
}

// indexes lists the indexes, and conda's channels, that this machine's settings
// name.
func (h Settings) indexes() []indexAddress {
	s := h.settings()
	list := append(s.Index, indexAddress{URL: s.IndexURL})
	for _, u := range s.Extra {
		list = append(list, indexAddress{URL: u})
	}
	for _, key := range []string{"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"} {
		for _, word := range strings.Fields(h.Env[key]) { // [NAME=]URL
			if name, u, ok := strings.Cut(word, "="); ok && !strings.ContainsAny(name, ":/") {
				list = append(list, indexAddress{name, u})
			} else {
				list = append(list, indexAddress{URL: word})
			}
		}
	}
	for _, address := range h.channels.Custom {
		list = append(list, indexAddress{URL: address})
	}
	return append(list, indexAddress{URL: h.channels.Alias})
}

// Insecure lists the hosts whose certificates are not looked at.
func (h Settings) Insecure() []string {
	return append(h.settings().Insecure, strings.Fields(h.Env["UV_INSECURE_HOST"])...)
}

// Stall is how long no byte of a file may come: uv's timeout, if one is set.
func (h Settings) Stall() time.Duration {
	seconds, err := strconv.Atoi(h.Env["UV_HTTP_TIMEOUT"])
	if err != nil || seconds <= 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// login returns the user and password for an address: those of the index on
// the same host whose path the address shares most of; they stand in the
// index's address or in UV_INDEX_NAME_USERNAME and _PASSWORD. What is missing
// then, and for a host without an index, .netrc tells.
func (h Settings) login(address *url.URL) (user, password string) {
	shared := -1
	for _, index := range h.indexes() {
		u, err := url.Parse(index.URL)
		if err != nil || u.Scheme != address.Scheme || u.Host != address.Host {
			continue
		}
		if n := sharedPath(u.Path, address.Path); n > shared {
			if name, secret := h.loginOf(index, u); name+secret != "" {
				shared, user, password = n, name, secret
			}
		}
	}
	if password != "" {
		return user, password
	}
	if name, secret := netrc(h.Netrc, address.Hostname()); user == "" || name == user {
		return name, secret
	}
	return user, password
}

// Authorization is who we are to the server of an address, as the header of
// that name has it (RFC 7617, RFC 6750): by .npmrc or else by login.
func (h Settings) Authorization(address *url.URL) string {
	if header := npmAuthorization(h.Npmrc, address); header != "" {
		return header
	}
	if user, password := h.login(address); user+password != "" {
		return basic(user, password)
	}
	return ""
}

// loginOf returns the user and password of an index.
func (h Settings) loginOf(index indexAddress, u *url.URL) (user, password string) {
	if index.Name != "" {
		prefix := "UV_INDEX_" + variableName(index.Name)
		if user, password := h.Env[prefix+"_USERNAME"], h.Env[prefix+"_PASSWORD"]; user+password != "" {
			return user, password
		}
	}
	password, _ = u.User.Password()
	return u.User.Username(), password
}

// sharedPath counts the folders that two paths begin with alike.
func sharedPath(a, b string) int {
	x, y := strings.Split(strings.Trim(a, "/"), "/"), strings.Split(strings.Trim(b, "/"), "/")
	n := 0
	for n < len(x) && n < len(y) && x[n] == y[n] {
		n++
	}
	return n
}

// Check says which index's address can't be read; it does not quote it,
// since it may hold a password, which is most often what is wrong with it.
func (h Settings) Check() error {
	for i, index := range h.indexes() {
		u, err := url.Parse(index.URL)
		if index.URL == "" || err == nil && (u.Host != "" || u.Scheme == "file" || u.Scheme == "") {
			continue
		}
		return fmt.Errorf("the address of index %d of this machine's settings (UV_DEFAULT_INDEX and similar "+
			"variables, uv.toml, pip.conf, .condarc) can't be read: in a user or a password write @ as %%40, / as "+
			"%%2F, # as %%23, %% as %%25", i+1)
	}
	return nil
}

// Scrub takes the passwords of indexes, and npm's tokens, out of a text.
func (h Settings) Scrub(text string) string {
	for _, index := range h.indexes() {
		u, err := url.Parse(index.URL)
		if err != nil {
			continue
		}
		_, password := h.loginOf(index, u)
		raw, _, _ := strings.Cut(strings.TrimPrefix(u.User.String(), u.User.Username()+":"), "@")
		for _, secret := range []string{password, raw} {
			if len(secret) > 2 {
				text = strings.ReplaceAll(text, secret, "****")
			}
		}
	}
	for _, m := range npmSecret.FindAllSubmatch(h.Npmrc, -1) {
		text = strings.ReplaceAll(text, string(m[1]), "****")
	}
	return WithoutUser(text)
}

var userInfo = regexp.MustCompile(`://[^/@\s]+@`)

// WithoutUser takes user names and passwords out of the addresses in a text.
func WithoutUser(text string) string { return userInfo.ReplaceAllString(text, "://") }

// npmSecret matches what is secret in an .npmrc.
var npmSecret = regexp.MustCompile(`(?m)_(?:authToken|auth|password)\s*=\s*"?([^"\n]{3,}?)"?\s*$`)

// variableName is an index's name as uv writes it in variables.
func variableName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// netrc looks a host up in a .netrc file, a list of words: machine NAME, or
// default, then login and password (GNU inetutils' manual, "The .netrc file").
func netrc(data []byte, host string) (user, password string) {
	words := strings.Fields(string(data))
	mine := false
	for i := 0; i+1 < len(words); i++ {
		switch words[i] {
		case "machine", "default":
			if user+password != "" {
				return user, password
			}
			mine = words[i] == "default"
			if !mine {
				i++
				mine = words[i] == host
			}
		case "login", "password", "account":
			if i++; mine && words[i-1] == "login" {
				user = words[i]
			} else if mine && words[i-1] == "password" {
				password = words[i]
			}
		case "macdef":
			return user, password // macros come last, and have lines of their own
		}
	}
	return user, password
}
