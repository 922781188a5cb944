package pins_test

import (
	"context"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// Scripts of conda packages run where a pins.yaml says so, or in a folder as conda runs
// them; where nothing is said, the lock is refused.
func TestPostLinks(t *testing.T) {
	links := func(_ context.Context, l *pins.Lock) ([]string, error) { return []string{"gdk", "gone"}, nil }
	for name, test := range map[string]struct {
		files map[string]string
		want  string // the lock's line, or the error
	}{
		"unsaid": {map[string]string{"pins.yaml": "pins:\n  conda: [numpy=1, gdk=2]\n"},
			"pins.yaml:2: the conda package gdk 2 brings a script that conda runs after installing it: write {pin: gdk, " +
				"scripts: true} under conda to run it, or scripts: false to leave it out"},
		"run":      {map[string]string{"pins.yaml": "pins:\n  conda: [{pin: gdk=2, scripts: true}]\n"}, "post-link gdk run"},
		"ignored":  {map[string]string{"pins.yaml": "pins:\n  conda: [{pin: gdk=2, scripts: false}]\n"}, "post-link gdk ignore"},
		"a folder": {map[string]string{"environment.yml": "dependencies:\n  - gdk=2\n"}, "post-link gdk run"},
		"none":     {map[string]string{"pins.yaml": "pins:\n  conda: [numpy=1]\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, test.files)
			m, err := pins.ReadCourse(dir)
			if err != nil {
				t.Fatal(err)
			}
			o := lockOptions
			o.PostLinks = links
			l, err := pins.Relock(t.Context(), m, nil, &fakeResolver{}, o)
			if err != nil {
				if test.want == "" || !strings.HasSuffix(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if has := strings.Contains(l.String(), "\n"+test.want+"\n"); test.want != "" && !has || len(l.PostLinks) > 1 ||
				(test.want == "") != (len(l.PostLinks) == 0) {
				t.Errorf("the lock says\n%s", l)
			}
			if why := pins.Stale(m, l, o); why != "" {
				t.Errorf("a new lock is stale: %s", why)
			}
			o.PostLinks = nil
			if again, err := pins.Relock(t.Context(), m, l, &fakeResolver{}, o); err != nil || again.String() != l.String() {
				t.Errorf("taken over it is\n%s, %v", again, err)
			}
		})
	}
	o := lockOptions
	o.PostLinks = links
	first, err := pins.Relock(t.Context(), manifest(t, "course: a\npins:\n  conda: [{pin: gdk=2, scripts: true}]\n"), nil,
		&fakeResolver{}, o)
	if err != nil {
		t.Fatal(err)
	}
	changed := manifest(t, "course: a\npins:\n  conda: [{pin: gdk=2, scripts: false}]\n")
	if why := pins.Stale(changed, first, o); !strings.Contains(why, "the script of the conda package gdk") {
		t.Errorf("stale: %q", why)
	}
}
