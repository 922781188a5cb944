package pins

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Recording is what a script of a course did when the course was locked: what
// it was sent by servers, and the packages that came by it. A build lets the
// script have these answers and no others.
type Recording struct {
	Script  string // as Script.Name
	Inputs  string // digest of all that the script ran on
	Answers []Answer
	Brought []Pin    // the packages that came by it
	Removed []Pin    // the locked packages that it took away
	Varying []string // paths of the image that two runs wrote differently; known of those that were run twice
}

// An Answer is one that a script got from a server over HTTP or HTTPS.
type Answer struct {
	Method string // GET, HEAD or POST
	URL    string // without credentials
	Accept string // what the script said that it takes, if it is not everything
	Sent   string // sha256 of what it sent, in lower-case hex; empty if that is nothing
	Status int    // of HTTP
	SHA256 string // of the answer's body, in lower-case hex; empty if it has none
	Size   int64  // of the body, in bytes; of a HEAD, what the server said, or -1
	Header map[string]string
}

// AnswerHeaders are the headers of an answer that are kept: those that say how to
// read it, or where else to look.
var AnswerHeaders = []string{"Content-Disposition", "Content-Encoding", "Content-Type", "Link", "Location"}

// Key tells one answer of a script from another.
func (a Answer) Key() string { return strings.Join([]string{a.Method, a.URL, a.Accept, a.Sent}, " ") }

// secretParameter are the names of what in a query says who asks, or is a ticket
// that somebody signed; pageParameter those of a place in a list, which is no
// secret.
var (
	secretParameter = regexp.MustCompile(`(?i)^(x-amz-.+|x-goog-.+|sig|.*signature|.*token|.*secret|auth|authorization|` +
		`(api|access|private)?[-_]?key|pass(word|wd)?|pwd|credentials?|jwt|code|sas|hmac)$`)
	pageParameter = regexp.MustCompile(`(?i)^(next[-_]?)?(page|continuation|next|sync|cursor|skip)[-_]?token$`)
)

// IsSecret reports whether a parameter of an address's query says who asks, by its
// name: such a value stands in no lock.
func IsSecret(name string) bool {
	return secretParameter.MatchString(name) && !pageParameter.MatchString(name)
}

// Recording returns what is recorded of a script, or nil.
func (l *Lock) Recording(script string) *Recording {
	i := slices.IndexFunc(l.Recordings, func(r Recording) bool { return r.Script == script })
	if i < 0 {
		return nil
	}
	return &l.Recordings[i]
}

// Digest is the digest of what the script is told. What it runs on is not in it: an
// engine that has run it on the same knows what came of it.
func (r Recording) Digest() string {
	return digest(strings.Join(r.of("answer"), "\n"))
}

// of are the lines that begin with one of some words.
func (r Recording) of(words ...string) (lines []string) {
	for _, line := range r.lines() {
		if slices.Contains(words, line[0]) {
			lines = append(lines, strings.Join(line, " "))
		}
	}
	return lines
}

// sort puts a recording in the order in which it is written.
func (r *Recording) sort() {
	r.Answers = slices.SortedFunc(slices.Values(r.Answers), func(a, b Answer) int {
		return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.Key(), b.Key()))
	})
	order := func(a, b Pin) int { return cmp.Or(Order(a, b), cmp.Compare(a.Where, b.Where)) }
	r.Brought = slices.SortedFunc(slices.Values(r.Brought), order)
	r.Removed = slices.SortedFunc(slices.Values(r.Removed), order)
	r.Varying = slices.Compact(slices.Sorted(slices.Values(r.Varying)))
}

// lines are a recording's, in a lock:
//
//	script NAME INPUTS
//	answer NAME METHOD URL STATUS DIGEST SIZE [accept=TYPES] [sent=DIGEST] [HEADER=VALUE…]
//	brought NAME KIND PACKAGE VERSION WHERE
//	removed NAME KIND PACKAGE VERSION WHERE
//	varying NAME PATH
//
// In names, headers, places and paths what is no plain letter is written as %XX; what
// is empty, or not known, is a dash.
func (r Recording) lines() (lines [][]string) {
	name := url.PathEscape(r.Script)
	lines = append(lines, []string{"script", name, r.Inputs})
	for _, a := range r.Answers {
		words := []string{"answer", name, a.Method, a.URL, strconv.Itoa(a.Status), "-", strconv.FormatInt(a.Size, 10)}
		if a.SHA256 != "" {
			words[5] = "sha256:" + a.SHA256
		}
		if a.Size < 0 {
			words[6] = "-"
		}
		if a.Accept != "" {
			words = append(words, "accept="+url.QueryEscape(a.Accept))
		}
		if a.Sent != "" {
			words = append(words, "sent=sha256:"+a.Sent)
		}
		for _, k := range slices.Sorted(maps.Keys(a.Header)) {
			words = append(words, k+"="+url.QueryEscape(a.Header[k]))
		}
		lines = append(lines, words)
	}
	packages := func(word string, all []Pin) {
		for _, p := range all {
			lines = append(lines, []string{word, name, string(p.Kind), url.QueryEscape(p.Name),
				cmp.Or(url.QueryEscape(p.Version), "-"), cmp.Or(url.PathEscape(p.Where), "-")})
		}
	}
	packages("brought", r.Brought)
	packages("removed", r.Removed)
	for _, p := range r.Varying {
		lines = append(lines, []string{"varying", name, url.PathEscape(p)})
	}
	return lines
}

// parseRecording reads a line of a recording; ok says whether it is one.
func (l *Lock) parseRecording(words []string) (ok bool, err error) {
	if !slices.Contains([]string{"script", "answer", "brought", "removed", "varying"}, words[0]) || len(words) < 3 {
		return false, nil
	}
	name, err := url.PathUnescape(words[1])
	if err != nil {
		return true, fmt.Errorf("%q is not the name of a script", words[1])
	}
	if words[0] == "script" {
		if len(words) != 3 || !digestText.MatchString(words[2]) || l.Recording(name) != nil {
			return true, fmt.Errorf("%q does not begin a recording", strings.Join(words, " "))
		}
		l.Recordings = append(l.Recordings, Recording{Script: name, Inputs: words[2]})
		return true, nil
	}
	r := l.Recording(name)
	if r == nil {
		return true, fmt.Errorf("%q belongs to no script before it", strings.Join(words, " "))
	}
	switch key := words[0]; {
	case key == "answer" && len(words) >= 7:
		a, err := parseAnswer(words[2:])
		if err != nil {
			return true, err
		}
		r.Answers = append(r.Answers, a)
		return true, nil
	case (key == "brought" || key == "removed") && len(words) == 6:
		p, err := parsePackage(words[2:])
		if err != nil {
			return true, err
		}
		if key == "brought" {
			r.Brought = append(r.Brought, p)
		} else {
			r.Removed = append(r.Removed, p)
		}
		return true, nil
	case key == "varying" && len(words) == 3:
		p, err := url.PathUnescape(words[2])
		r.Varying = append(r.Varying, p)
		return true, err
	}
	return true, fmt.Errorf("%q is not a line of a recording", strings.Join(words, " "))
}

// parsePackage reads KIND PACKAGE VERSION WHERE.
func parsePackage(words []string) (Pin, error) {
	name, err1 := url.QueryUnescape(words[1])
	version, err2 := url.QueryUnescape(strings.TrimPrefix(words[2], "-"))
	where, err3 := url.PathUnescape(strings.TrimPrefix(words[3], "-"))
	p := New(Kind(words[0]), name, version)
	p.Where = where
	return p, cmp.Or(err1, err2, err3)
}

// parseAnswer reads METHOD URL STATUS DIGEST SIZE and what may follow.
func parseAnswer(words []string) (a Answer, err error) {
	a = Answer{Method: words[0], URL: words[1]}
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return a, fmt.Errorf("%q is not an address of HTTP without a user", a.URL)
	}
	if !slices.Contains([]string{"GET", "HEAD", "POST"}, a.Method) {
		return a, fmt.Errorf("%q is not GET, HEAD or POST", a.Method)
	}
	if a.Status, err = strconv.Atoi(words[2]); err != nil || a.Status < 200 || a.Status > 599 {
		return a, fmt.Errorf("%q is not a status of HTTP", words[2])
	}
	if words[3] != "-" {
		if !digestText.MatchString(words[3]) {
			return a, fmt.Errorf("%q is not a sha256 digest", words[3])
		}
		a.SHA256 = strings.TrimPrefix(words[3], "sha256:")
	}
	if words[4] == "-" {
		a.Size = -1
	} else if a.Size, err = strconv.ParseInt(words[4], 10, 64); err != nil || a.Size < 0 {
		return a, fmt.Errorf("%q is not a size in bytes", words[4])
	}
	for _, w := range words[5:] {
		key, value, _ := strings.Cut(w, "=")
		if key == "sent" && digestText.MatchString(value) {
			a.Sent = strings.TrimPrefix(value, "sha256:")
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return a, err
		}
		if key == "accept" {
			a.Accept = value
			continue
		}
		if !slices.Contains(AnswerHeaders, key) {
			return a, fmt.Errorf("%q is not a header that is kept of an answer", w)
		}
		if a.Header == nil {
			a.Header = map[string]string{}
		}
		a.Header[key] = value
	}
	return a, nil
}
