package drift

import (
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// Config is what decides how an image runs. Lists keep their order; the rest
// is sorted.
type Config struct {
	Env         map[string]string `json:"env"`
	Cmd         []string          `json:"cmd"`
	Entrypoint  []string          `json:"entrypoint"`
	Shell       []string          `json:"shell,omitempty"`
	User        string            `json:"user"`
	WorkingDir  string            `json:"workingDir"`
	Labels      map[string]string `json:"labels"`
	Volumes     []string          `json:"volumes"`
	Ports       []string          `json:"exposedPorts"`
	StopSignal  string            `json:"stopSignal,omitempty"`
	Healthcheck string            `json:"healthcheck,omitempty"`
	OnBuild     []string          `json:"onBuild,omitempty"`
	Platform    string            `json:"platform"`
}

// CompareConfigs returns what changed from one config to the other. Labels of
// driftpin's own, which name locks and plans, always differ with the image and
// are left out.
func CompareConfigs(a, b Config) []Setting {
	was, is := a.settings(), b.settings()
	all := maps.Clone(was)
	maps.Copy(all, is)
	out := []Setting{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		va, inA := was[name]
		vb, inB := is[name]
		if inA == inB && va == vb {
			continue
		}
		s := Setting{Name: name}
		if inA {
			s.A = &va
		}
		if inB {
			s.B = &vb
		}
		out = append(out, s)
	}
	return out
}

// settings flattens a config; what is not set is not in it.
func (c Config) settings() map[string]string {
	out := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	for k, v := range c.Env {
		out["env."+k] = v
	}
	for k, v := range c.Labels {
		if !strings.HasPrefix(k, pins.LabelPrefix) {
			out["label."+k] = v
		}
	}
	set("cmd", Words(c.Cmd))
	set("entrypoint", Words(c.Entrypoint))
	set("shell", Words(c.Shell))
	set("user", c.User)
	set("working-dir", c.WorkingDir)
	set("platform", c.Platform)
	set("stop-signal", c.StopSignal)
	set("healthcheck", c.Healthcheck)
	set("on-build", strings.Join(c.OnBuild, "; "))
	for _, v := range c.Volumes {
		out["volume."+v] = "yes"
	}
	for _, p := range c.Ports {
		out["port."+p] = "yes"
	}
	return out
}

// Words writes a command as a shell would read it.
func Words(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\$`&|;<>()*?[]{}#~") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		quoted[i] = w
	}
	return strings.Join(quoted, " ")
}
