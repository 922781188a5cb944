package buildplan

import (
	"net/url"
	"testing"
)

func TestLogin(t *testing.T) {
	h := Host{
		Env: map[string]string{
			"UV_DEFAULT_INDEX":         "https://alice:a%40b@one.test/simple",
			"UV_INDEX":                 "team-1=https://two.test/simple https://bob@three.test:8443/simple",
			"UV_INDEX_TEAM_1_USERNAME": "token", "UV_INDEX_TEAM_1_PASSWORD": "t",
			"UV_INDEX_FOUR_PASSWORD": "f",
			"UV_INSECURE_HOST":       "five.test six.test:81",
		},
		UvToml: []byte("allow-insecure-host = [\"seven.test\"]\n[[index]]\nname = \"four\"\nurl = \"https://four.test/x\"\n"),
		Netrc:  []byte("machine eight.test login e password p\nmachine nine.test\n\tpassword q login n\ndefault login d password z\n"),
	}
	for address, want := range map[string]string{
		"https://one.test/files/a.whl":        "alice:a@b",
		"https://two.test/elsewhere/a.whl":    "token:t",
		"https://three.test:8443/a.whl":       "bob:",
		"https://four.test/a.whl":             ":f",
		"https://eight.test/a.whl":            "e:p",
		"https://nine.test/a.whl":             "n:q",
		"http://one.test/not/over/tls":        "d:z",
		"https://three.test/not/on/that/port": "d:z",
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
