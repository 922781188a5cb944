package buildplan

import (
	"net/url"
	"strings"
	"testing"
)

func TestLogin(t *testing.T) {
	h := Host{
		Env: map[string]string{
			"UV_DEFAULT_INDEX":         "https://alice:a%40b@one.test/simple",
			"UV_INDEX":                 "team-1=https://two.test/simple https://bob@three.test:8443/simple https://a:1@many.test/team-a/simple https://b:2@many.test/team-b/simple",
			"UV_INDEX_TEAM_1_USERNAME": "token", "UV_INDEX_TEAM_1_PASSWORD": "t",
			"UV_INDEX_FOUR_PASSWORD": "f",
			"UV_INSECURE_HOST":       "five.test six.test:81",
		},
		UvToml: []byte("allow-insecure-host = [\"seven.test\"]\n[[index]]\nname = \"four\"\nurl = \"https://four.test/x\"\n"),
		Netrc:  []byte("machine eight.test login e password p\nmachine three.test login bob password b\nmachine nine.test\n\tpassword q login n\ndefault login d password z\n"),
	}
	for address, want := range map[string]string{
		"https://one.test/files/a.whl":     "alice:a@b",
		"https://two.test/elsewhere/a.whl": "token:t",
		"https://three.test:8443/a.whl":    "bob:b",
		"https://many.test/team-a/files/a": "a:1",
		"https://many.test/team-b/files/b": "b:2",
		"https://four.test/a.whl":          ":f",
		"https://eight.test/a.whl":         "e:p",
		"https://nine.test/a.whl":          "n:q",
		"http://one.test/not/over/tls":     "d:z",
		"https://three.test/another/port":  "bob:b",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if user, password := h.login(u); user+":"+password != want {
			t.Errorf("%s: got %s:%s, want %s", address, user, password, want)
		}
	}
	if got := h.insecure(); len(got) != 3 || got[0] != "seven.test" || got[2] != "six.test:81" {
		t.Errorf("insecure are %q", got)
	}
	if user, password := netrc([]byte("machine a.test login x password y"), "b.test"); user+password != "" {
		t.Errorf("another host's login: %s:%s", user, password)
	}
}

// What a .netrc holds is anybody's.
func FuzzNetrc(f *testing.F) {
	f.Add("machine a.test login x password y\nmacdef init\ncd /\n", "a.test")
	f.Add("default", "")
	f.Fuzz(func(_ *testing.T, text, host string) { netrc([]byte(text), host) })
}

// An address whose password is not encoded is refused, and nothing quotes it.
func TestScrub(t *testing.T) {
	for _, address := range []string{"http://bob:s3cr3t@/x@h.test/simple", "http://bob:s3#cr3t@h.test/simple", "http://bob:s3%cr3t@h.test/"} {
		err := Host{Env: map[string]string{"UV_DEFAULT_INDEX": address}}.checkIndexes()
		if err == nil || strings.Contains(err.Error(), "cr3t") {
			t.Errorf("%s: %v", address, err)
		}
	}
	h := Host{Env: map[string]string{"UV_DEFAULT_INDEX": "https://bob:s3%40cr3t@h.test/simple", "UV_INDEX": "x=https://x.test/simple", "UV_INDEX_X_PASSWORD": "other"}}
	if err := h.checkIndexes(); err != nil {
		t.Error(err)
	}
	if got := h.scrub("401 for https://bob:s3%40cr3t@h.test/simple, s3@cr3t and other"); strings.Contains(got, "cr3t") || strings.Contains(got, "other") {
		t.Error(got)
	}
}
