package pins

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A Fetched is a download as it is locked.
type Fetched struct {
	URL, SHA256 string
	Size        int64 // in bytes
}

// parseFetched reads URL DIGEST SIZE.
func parseFetched(words []string) (f Fetched, err error) {
	u, err := url.Parse(words[0])
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return f, fmt.Errorf("%q is not an address of HTTP without a user", words[0])
	}
	if !digestText.MatchString(words[1]) {
		return f, fmt.Errorf("%q is not a sha256 digest", words[1])
	}
	size, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil || size < 0 {
		return f, fmt.Errorf("%q is not a size in bytes", words[2])
	}
	return Fetched{words[0], strings.TrimPrefix(words[1], "sha256:"), size}, nil
}
