package pins

import "strings"

// CheckLaunch finds what of a manifest's launch does not fit the packages that
// are locked. The rules are those of real-time collaboration (JupyterLab's
// changelog, 4.0; jupyter-collaboration's changelog, 1.0 and 2.0):
//
//   - LabApp.collaborative is an option of JupyterLab 3; JupyterLab 4 has
//     collaboration in a package of its own, jupyter-collaboration.
//   - YDocExtension, and so its ystore_class, is of jupyter-server-ydoc, which
//     comes with JupyterLab 3.6, and of jupyter-collaboration.
//   - Up to jupyter-server-ydoc 0.8 and jupyter-collaboration 1 a store is built
//     on ypy-websocket, later on pycrdt-websocket; neither takes the other's.
func CheckLaunch(m *Manifest, l *Lock) (found Findings) {
	lab, hasLab := l.python("jupyterlab")
	collaboration, collaborates := l.python("jupyter-collaboration")
	lab4 := hasLab && CompareVersions(Pip, lab.Version, "4.0.0a0") >= 0
	for _, arg := range m.Launch.Cmd {
		option, value, _ := strings.Cut(arg.Value, "=")
		switch option {
		case "--LabApp.collaborative":
			if lab4 && !collaborates {
				found.warn(arg.At, "launch", "%s is an option of jupyterlab 3, and %s is locked: pin jupyter-collaboration and take the option out", option, lab.Version)
			} else if lab4 {
				found.warn(arg.At, "launch", "%s is an option of jupyterlab 3, and %s is locked: jupyter-collaboration does it without; take the option out", option, lab.Version)
			}
		case "--YDocExtension.ystore_class":
			module, _, _ := strings.Cut(value, ".")
			ydoc, hasYdoc := l.python("jupyter-server-ydoc")
			pycrdt := collaborates && CompareVersions(Pip, collaboration.Version, "2.0.0a0") >= 0 || hasYdoc && CompareVersions(Pip, ydoc.Version, "1.0.0a0") >= 0
			store, hasStore := l.python(module)
			switch {
			case lab4 && !collaborates:
				found.warn(arg.At, "launch", "%s: with jupyterlab %s there is no YDocExtension without jupyter-collaboration: pin it, or take the option out", option, lab.Version)
			case pycrdt && hasStore && l.requires(store, "ypy-websocket"):
				found.warn(arg.At, "launch", "%s: %s %s is built on ypy-websocket, and the YDocExtension that is locked takes stores of pycrdt-websocket only: take it out; SQLiteYStore.db_path says where the stock store keeps its file", option, store.Name, store.Version)
			}
		}
	}
	return found
}

// python is a locked Python package, pip's or conda's.
func (l *Lock) python(name string) (Artifact, bool) {
	for _, a := range l.Present(l.Platforms[0]) {
		if (a.Kind == Pip || a.Kind == Conda) && CanonicalName(Pip, a.Name) == CanonicalName(Pip, name) {
			return a, true
		}
	}
	return Artifact{}, false
}

// requires reports whether one locked package requires another itself.
func (l *Lock) requires(a Artifact, name string) bool {
	b, ok := l.python(name)
	if !ok {
		return false
	}
	for _, by := range b.By {
		if CanonicalName(Pip, by) == CanonicalName(Pip, a.Name) {
			return true
		}
	}
	return false
}
