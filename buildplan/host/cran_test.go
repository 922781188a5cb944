package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCRAN(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "Rprofile")
	t.Setenv("R_PROFILE_USER", file)
	for _, test := range []struct{ profile, day, want string }{
		{`options(repos = c(CRAN = "https://cran.example.org"))`, "2023-01-02", "https://cran.example.org"},
		{`options(repos = c(CRAN = 'https://x.example.org/cran/latest'))`, "2023-01-02", "https://x.example.org/cran/2023-01-02"},
		{`options(repos = c(CRAN = 'https://x.example.org/cran/latest/'))`, "", "https://x.example.org/cran/latest"},
		{"local({\n  r <- getOption('repos')\n  r[\"CRAN\"] <- \"http://a.example.org/\"\n})", "", "http://a.example.org"},
		{"# options(repos = c(CRAN = 'https://x.example.org'))\n", "", ""},
		{"options(digits = 3)", "", ""},
	} {
		if err := os.WriteFile(file, []byte(test.profile), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := (Settings{}).CRAN(test.day); got != test.want {
			t.Errorf("%s: %q, want %q", test.profile, got, test.want)
		}
	}
}
