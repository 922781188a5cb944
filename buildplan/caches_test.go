package buildplan

import (
	"strings"
	"testing"
)

// Caches are read as buildx reads them; what is wrong is said, and no token is quoted.
func TestParseCaches(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     string // of the error; or of the one cache: type and attributes
	}{
		{"registry.example.org/cache:a", "", "registry ref=registry.example.org/cache:a"},
		{"", "registry.example.org/cache:a", "registry mode=max ref=registry.example.org/cache:a"},
		{"", "type=registry,ref=registry.example.org/cache:a,mode=min", "registry mode=min ref=registry.example.org/cache:a"},
		{"", "type=local,dest=/tmp/x-mode=1", "local dest=/tmp/x-mode=1 mode=max"},
		{"type=local,src=/tmp/x", "", "local src=/tmp/x"},
		{"type=local,dest=/tmp/x", "", "it needs src=DIR"},
		{"", "type=registry,ref=x:y,mode=all", `mode is "all", not min or max`},
		{"Bad Ref", "", "its ref is no reference"},
		{"https://user:s3cret@host/x", "", "its ref is no reference"},
		{"", "", ""},
		{"type=s3,secret_access_key=s3cret", "", `of type "s3": there is no such type`},
		{"type=registry,s3cret", "", "each part has the form NAME=VALUE"},
		{"type=", "", "there is no such type"},
	} {
		named := func(text string) []string {
			if text == "" {
				return nil
			}
			return []string{text}
		}
		c, err := ParseCaches(named(test.from), named(test.to))
		got := ""
		if err != nil {
			got = err.Error()
		}
		for _, e := range append(c.From, c.To...) {
			got += e.Type
			for _, k := range []string{"dest", "mode", "ref", "src"} {
				if v := e.Attrs[k]; v != "" {
					got += " " + k + "=" + v
				}
			}
		}
		if err == nil && got != test.want || err != nil && !strings.Contains(got, test.want) || strings.Contains(got, "s3cret") {
			t.Errorf("from %q, to %q: %s, not %s", test.from, test.to, got, test.want)
		}
	}
}
