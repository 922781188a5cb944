package hub

import (
	"path"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// Launch is how an image is started: what the options, the variables and the
// configuration files of its single-user server say.
type Launch struct {
	Cmd      []pins.Text
	Env      map[string]pins.Text
	Settings map[string]Setting // by Class.trait; an option stands over a file
	known    bool               // there is a command
}

// A Setting is one trait's value, and where it is set.
type Setting struct {
	Value string
	Flag  string // how it is written, for findings: --Class.trait, or Class.trait in FILE
	At    pins.Position
}

// aliases are the options of JupyterLab and Jupyter's server that stand for traits.
var aliases = map[string]string{
	"--collaborative": "LabApp.collaborative=true",
	"--no-browser":    "ServerApp.open_browser=false",
}

// LaunchOf reads a manifest's launch.
func LaunchOf(m *pins.Manifest) Launch {
	l := Launch{Cmd: m.Launch.Cmd, Env: map[string]pins.Text{}, Settings: map[string]Setting{},
		known: len(m.Launch.Cmd) > 0}
	for name, value := range m.Launch.Env {
		l.Env[name] = pins.Text{Value: value, At: m.Launch.EnvAt[name]}
	}
	for _, f := range m.Launch.Files {
		l.readConfig(f.Path, f.Content, f.At)
	}
	l.readOptions()
	return l
}

// readOptions reads the command's options: --Class.trait=value, or the value as the
// next word.
func (l *Launch) readOptions() {
	for i := 0; i < len(l.Cmd); i++ {
		arg := l.Cmd[i]
		option, value, given := strings.Cut(arg.Value, "=")
		flag := option
		if trait, ok := aliases[option]; ok && !given {
			option, value, _ = strings.Cut("--"+trait, "=")
		} else if !given && i+1 < len(l.Cmd) && !strings.HasPrefix(l.Cmd[i+1].Value, "-") {
			i++
			value = l.Cmd[i].Value
		}
		if name, ok := strings.CutPrefix(option, "--"); ok && strings.ContainsRune(name, '.') {
			l.Settings[name] = Setting{value, flag, arg.At}
		}
	}
}

// readConfig reads a configuration file of Jupyter's, if it is one: JSON by class
// and trait, or Python.
func (l *Launch) readConfig(name string, content []byte, at pins.Position) {
	var root *Value
	switch {
	case !strings.HasPrefix(path.Base(name), "jupyter_") && !strings.Contains(name, "config.d/"):
		return
	case path.Ext(name) == ".json":
		root, _ = readYAML(name, content, true) // JSON is YAML
	case path.Ext(name) == ".py":
		root = runPython(string(content), at, nil).config
	}
	root.each(func(class string, traits *Value) {
		traits.each(func(trait string, v *Value) {
			l.Settings[class+"."+trait] = Setting{v.String(), class + "." + trait + " in " + name, at}
		})
	})
}

// set reports whether a trait is set, and to what.
func (l *Launch) set(trait string) (Setting, bool) {
	s, ok := l.Settings[trait]
	return s, ok
}

// isTrue reports whether a trait is set to true.
func (l *Launch) isTrue(trait string) bool {
	s, ok := l.Settings[trait]
	return ok && strings.EqualFold(s.Value, "true") || ok && s.Value == "1"
}

// inTmp reports whether a trait of a path is set to one under /tmp, or to memory.
func (l *Launch) inTmp(trait string) bool {
	s, ok := l.Settings[trait]
	return ok && (strings.HasPrefix(s.Value, "/tmp/") || s.Value == ":memory:")
}

// storeInTmp reports whether the history of shared documents is not in the home: by
// the stock store's setting, or by a class whose name says so.
func (l *Launch) storeInTmp() bool {
	class, ok := l.set("YDocExtension.ystore_class")
	byName := strings.HasSuffix(class.Value, ".TmpYStore") || strings.HasSuffix(class.Value, ".TempFileYStore")
	return l.inTmp("SQLiteYStore.db_path") || ok && byName
}

// shared reports whether real-time collaboration is on: by an option in JupyterLab
// 3, by being installed in later ones.
func (f *Facts) shared() bool {
	if f.launch.isTrue("YDocExtension.disable_rtc") {
		return false
	}
	if f.holds(Range{"jupyterlab", ">=4.0.0a0"}) {
		return f.holds(Range{"jupyter-collaboration", ""}) || f.holds(Range{"jupyter-server-ydoc", ""})
	}
	return f.launch.isTrue("LabApp.collaborative")
}
