package pins

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// A settled is a file of Jupyter's configuration that a command writes, or adds to.
type settled struct {
	path    string // relative to the environment
	content map[string]any
}

// bashKernel is what python -m bash_kernel.install writes (bash_kernel 0.7 to 0.10,
// install.py), without the logo.
var bashKernel = settled{"share/jupyter/kernels/bash/kernel.json", map[string]any{
	"argv":            []any{Env + "/bin/python", "-m", "bash_kernel", "-f", "{connection_file}"},
	"codemirror_mode": "shell", "display_name": "Bash", "env": map[string]any{"PS1": "$"}, "language": "bash"}}

// jupyterCommand is what a command writes that enables or disables an extension, or
// registers a kernel, for the environment (notebook 6, nbextensions.py and
// serverextensions.py; jupyter_server, extension/manager.py; JupyterLab 3 and 4,
// labextensions; each as it writes with --sys-prefix). ok is false for what is not known.
func jupyterCommand(words []string) (s settled, ok bool) {
	line := strings.Join(words, " ")
	if line == "python -m bash_kernel.install --sys-prefix" || line == "python3 -m bash_kernel.install --sys-prefix" {
		return bashKernel, true
	}
	if words[0] != "jupyter" {
		return s, false
	}
	words = words[1:]
	var verb []string
	for len(words) > 0 && slices.Contains([]string{"nbextension", "serverextension", "server", "extension", "labextension", "enable",
		"disable"}, words[0]) {
		verb, words = append(verb, words[0]), words[1:]
	}
	section, prefix := "notebook", false
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		prefix = prefix || w == "--sys-prefix" || w == "--level=sys_prefix"
		if value, ok := strings.CutPrefix(w, "--section="); ok {
			section = value
			return true
		}
		return w == "--sys-prefix" || w == "--level=sys_prefix"
	})
	if len(words) != 1 || strings.HasPrefix(words[0], "-") || !fileWord(section) {
		return s, false
	}
	name := words[0]
	on := len(verb) > 0 && verb[len(verb)-1] == "enable"
	set := func(file string, keys ...string) (settled, bool) {
		content := map[string]any{keys[len(keys)-1]: on}
		for _, key := range slices.Backward(keys[:len(keys)-1]) {
			content = map[string]any{key: content}
		}
		return settled{path.Join("etc/jupyter", file), content}, true
	}
	switch verb := strings.Join(verb, " "); {
	case prefix && verb == "nbextension enable":
		return set("nbconfig/"+section+".json", "load_extensions", name)
	case prefix && (verb == "serverextension enable" || verb == "serverextension disable"):
		return set("jupyter_notebook_config.json", "NotebookApp", "nbserver_extensions", name)
	case prefix && (verb == "server extension enable" || verb == "server extension disable") && fileWord(name):
		return set("jupyter_server_config.d/"+name+".json", "ServerApp", "jpserver_extensions", name)
	case verb == "labextension enable" || verb == "labextension disable":
		on = !on // it says what is disabled
		return set("labconfig/page_config.json", "disabledExtensions", name)
	}
	return s, false
}

// fileWord reports whether a word can be a part of a file's name.
func fileWord(word string) bool {
	return word != "" && !strings.ContainsAny(word, "/\\ ") && !strings.HasPrefix(word, ".")
}

// settle notes what a command writes into a file of Jupyter's, with what others wrote
// there.
func (s *plainScript) settle(at Position, w settled) {
	target := path.Join(Env, w.path)
	i := slices.IndexFunc(s.settled, func(f LaunchFile) bool { return f.Path == target })
	content := w.content
	if i >= 0 {
		content = map[string]any{}
		_ = json.Unmarshal(s.settled[i].Content, &content) // it was written by us
		merge(content, w.content)
	} else {
		i, s.settled = len(s.settled), append(s.settled, LaunchFile{Path: target, At: at})
	}
	data, _ := json.MarshalIndent(content, "", "  ") // texts, lists and switches
	s.settled[i].Content = append(data, '\n')
}

// merge adds what a mapping says to another, mapping by mapping.
func merge(into, more map[string]any) {
	for key, value := range more {
		inner, isMap := value.(map[string]any)
		if there, ok := into[key].(map[string]any); ok && isMap {
			merge(there, inner)
		} else {
			into[key] = value
		}
	}
}

// lintKernels warns of packages of pip's whose kernel only a command registers.
func (m *Manifest) lintKernels() {
	for _, r := range m.Requests {
		if r.Kind != Pip || r.Name != "bash-kernel" {
			continue
		}
		file := path.Join(Env, bashKernel.path)
		registered := slices.ContainsFunc(m.Launch.Files, func(f LaunchFile) bool { return f.Path == file }) ||
			slices.ContainsFunc(m.Files, func(f File) bool { return f.Target == file }) ||
			slices.ContainsFunc(m.Scripts, func(s Script) bool {
				text, _ := m.Source(s.At.File)
				return strings.Contains(string(text), "bash_kernel") || strings.Contains(string(text), "kernelspec")
			})
		if !registered {
			m.Findings.warn(r.At, "kernel", "the package of bash_kernel brings no kernel that Jupyter finds: have postBuild, or a "+
				"script under run:, call python -m bash_kernel.install --sys-prefix, or write %s under launch.files", file)
		}
	}
}
