package host

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLogin(t *testing.T) {
	h := Settings{
		Env: map[string]string{
			"UV_DEFAULT_INDEX": "https://alice:a%40b@one.test/simple",
			"UV_INDEX": "team-1=https://two.test/simple https://bob@three.test:8443/simple " +
				"https://a:1@many.test/team-a/simple https://b:2@many.test/team-b/simple",
			"UV_INDEX_TEAM_1_USERNAME": "token", "UV_INDEX_TEAM_1_PASSWORD": "t",
			"UV_INDEX_FOUR_PASSWORD": "f",
			"UV_INSECURE_HOST":       "five.test six.test:81",
		},
		UvToml: []byte("allow-insecure-host = [\"seven.test\"]\n[[index]]\nname = \"four\"\nurl " +
			"= \"https://four.test/x\"\n"),
		Netrc: []byte("machine eight.test login e password p\nmachine three.test login bob password b\nmachine " +
			"nine.test\n\tpassword q login n\ndefault login d password z\n"),
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
	if got := h.Insecure(); len(got) != 3 || got[0] != "seven.test" || got[2] != "six.test:81" {
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
	for _, address := range []string{"http://bob:s3cr3t@/x@h.test/simple", "http://bob:s3#cr3t@h.test/simple",
		"http://bob:s3%cr3t@h.test/"} {
		err := Settings{Env: map[string]string{"UV_DEFAULT_INDEX": address}}.Check()
		if err == nil || strings.Contains(err.Error(), "cr3t") {
			t.Errorf("%s: %v", address, err)
		}
	}
	h := Settings{Env: map[string]string{"UV_DEFAULT_INDEX": "https://bob:s3%40cr3t@h.test/simple",
		"UV_INDEX": "x=https://x.test/simple", "UV_INDEX_X_PASSWORD": "other"}}
	if err := h.Check(); err != nil {
		t.Error(err)
	}
	if got := h.Scrub("401 for https://bob:s3%40cr3t@h.test/simple, s3@cr3t and other"); strings.Contains(got,
		"cr3t") || strings.Contains(got, "other") {
		t.Error(got)
	}
}

// Of a host conda's solver knows one login.
func TestChannelLogins(t *testing.T) {
	for second, want := range map[string]bool{"https://u:s3cret@x.test/b": true, "https://v:s3cret@x.test/b": false,
		"https://v:s3cret@y.test/b": true, "https://x.test/b": true} {
		h := Settings{channels: condarc{Alias: "https://z.test",
			Custom: map[string]string{"a": "https://u:s3cret@x.test/a", "b": second}}}
		settings, logins, err := h.condaSecrets()
		if (err == nil) != want || strings.Contains(string(settings), "s3cret") ||
			!strings.Contains(string(logins), "s3cret") || err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %s, %v", second, settings, err)
		}
	}
}

func TestNpmAuthorization(t *testing.T) {
	const npmrc = "registry=https://x.test/npm/\n//x.test/npm/:_authToken=\"abc\"\n//x.test/npm/deep/:_auth=dTpw\n" +
		"//y.test/:username=me\n//y.test/:_password=c2VjcmV0\n//:_authToken=all\n"
	for address, want := range map[string]string{
		"https://x.test/npm/a/-/a-1.tgz": "Bearer abc", "https://x.test/npm/deep/a.tgz": "Basic dTpw",
		"https://y.test/a.tgz":  basic("me", "secret"),
		"https://x.test/npmx/a": "", "https://x.testing/npm/a": "",
		"https://x.test/other": "", "https://x.test.evil/npm/a": "", "https://z.test/": "",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := npmAuthorization([]byte(npmrc), u); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

// Of .npmrc only what is about registries is taken over, as npm reads it.
func TestReadNpmrc(t *testing.T) {
	file := filepath.Join(t.TempDir(), "npmrc")
	if err := os.WriteFile(file, []byte("global=true\nbefore=2001-01-01\n"+
		"//x.test/:_authToken=ab$cd${NPM_T}${UNDEFINED_T}\n@s:registry=https://y.test/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NPM_CONFIG_USERCONFIG", file)
	t.Setenv("NPM_T", "x")
	t.Setenv("NPM_CONFIG_REGISTRY", "https://z.test/")
	want := "//x.test/:_authToken=ab$cdx${UNDEFINED_T}\n@s:registry=https://y.test/\nregistry=https://z.test/\n"
	if got := string(readNpmrc()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Addresses of channels that can't be used are refused, unquoted.
func TestReadCondarc(t *testing.T) {
	for address, want := range map[string]string{"https://u:s3cret@x.test/c": "",
		"https://x.test/t/s3cret/c": "holds a token", "file:///srv/s3cret": "must begin with",
		"/srv/s3cret": "must begin with", "https://u:s3cret%zz@x.test": "can't be read"} {
		t.Setenv("CONDA_CHANNEL_ALIAS", address)
		t.Setenv("CONDARC", filepath.Join(t.TempDir(), "none"))
		_, err := readCondarc()
		if want == "" && err != nil || want != "" &&
			(err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
}

func TestReadPipConf(t *testing.T) {
	got := map[string]string{}
	readPipConf([]byte("# c\n[global]\nindex-url = https://a/simple\nextra_index_url =\n   https://b\n  "+
		" https://c\n[freeze]\nindex-url = no\n[install]\ntrusted-host: x\n"), got)
	want := map[string]string{"index-url": "https://a/simple", "extra-index-url": " https://b https://c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutUser(t *testing.T) {
	got := WithoutUser("fatal: unable to access 'https://user:hunter2@example.org/x.git/': no")
	if strings.Contains(got, "hunter2") || !strings.Contains(got, "https://example.org/x.git") {
		t.Error(got)
	}
}

func FuzzNpmrc(f *testing.F) {
	f.Add([]byte("//x.test/:_authToken=a\n//x.test/:username=b"))
	address := &url.URL{Scheme: "https", Host: "x.test", Path: "/a"}
	f.Fuzz(func(_ *testing.T, data []byte) { npmAuthorization(data, address) })
}

func FuzzPipConf(f *testing.F) {
	f.Add([]byte("[global]\nindex-url = https://x.test/simple\n  more\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { readPipConf(data, map[string]string{}) })
}
