package record

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// credentials are what address leaves out of a request's address, and its header of
// that name.
func credentials(r *http.Request) string {
	said := []string{r.Header.Get("Authorization")}
	if r.URL.User != nil {
		said = append(said, r.URL.User.String())
	}
	for _, part := range strings.Split(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil && pins.IsSecret(plain) {
			said = append(said, value)
		}
	}
	return strings.Join(said, "\n")
}

// address is an address as a lock may hold it: without a user, a password and a
// fragment, and with the values of secret parameters crossed out. It is ASCII.
func address(u *url.URL) string {
	clean := *u
	clean.User, clean.Fragment, clean.RawFragment = nil, "", ""
	clean.Scheme, clean.Host = strings.ToLower(clean.Scheme), strings.ToLower(clean.Host)
	if clean.Path == "" {
		clean.Path = "/"
	}
	port := map[string]string{"http": ":80", "https": ":443"}[clean.Scheme]
	clean.Host = strings.TrimSuffix(clean.Host, port)
	parts := strings.Split(clean.RawQuery, "&")
	for i, part := range parts {
		name, _, valued := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil && valued && pins.IsSecret(plain) {
			parts[i] = name + "=-"
		}
	}
	clean.RawQuery = strings.Join(parts, "&")
	return ascii(clean.String())
}

// ascii writes what is no visible ASCII as %XX.
func ascii(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c > ' ' && c <= '~' {
			b.WriteByte(c)
		} else {
			const digits = "0123456789ABCDEF"
			b.WriteString("%" + string(digits[c>>4]) + string(digits[c&15]))
		}
	}
	return b.String()
}
