package hub

import (
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// Rules is what driftpin knows of launches and hubs: a new fact is one entry here,
// and one in the table of the tests. The rules of hubs' own configuration are in
// valuesRules.
var Rules = slices.Concat(launchRules, bugRules, homeRules, hubRules, valuesRules)

// The ranges that several rules speak of. Real-time collaboration is part of
// JupyterLab 3.6; since JupyterLab 4 it is jupyter-collaboration, whose server half
// is jupyter-server-ydoc from jupyter-collaboration 3 on.
var (
	lab3            = Range{"jupyterlab", "<4.0.0a0"}
	lab4            = Range{"jupyterlab", ">=4.0.0a0"}
	collaboration   = Range{"jupyter-collaboration", ""}
	noCollaboration = Range{"jupyter-collaboration", absent}
	noYdoc          = Range{"jupyter-server-ydoc", absent}
)

// setting finds where a trait is set.
func setting(traits ...string) func(*Facts) []hit {
	return func(f *Facts) (hits []hit) {
		for _, trait := range traits {
			if s, ok := f.launch.set(trait); ok {
				hits = append(hits, told(s.At, "flag", s.Flag, "value", s.Value))
			}
		}
		return hits
	}
}

var launchRules = []Rule{
	{
		Name: "flag-of-lab-3", Number: 21, Of: []Range{lab4, noCollaboration, noYdoc},
		Wrong: "{flag} is an option of jupyterlab 3, and {jupyterlab} is locked, which shares documents with " +
			"jupyter-collaboration only",
		Do:     "pin jupyter-collaboration and take the option out",
		Source: "jupyterlab docs/source/getting_started/changelog.md, 4.0", find: setting("LabApp.collaborative"),
	},
	{
		Name: "flag-of-lab-3", Number: 21, Of: []Range{lab4, collaboration},
		Wrong: "{flag} is an option of jupyterlab 3, and {jupyterlab} is locked, where {jupyter-collaboration} " +
			"works without it",
		Do:     "take the option out",
		Source: "jupyterlab docs/source/getting_started/changelog.md, 4.0", find: setting("LabApp.collaborative"),
	},
	{
		Name: "no-ydoc", Of: []Range{lab4, noCollaboration, noYdoc},
		Wrong: "{flag}: with {jupyterlab} there is no YDocExtension without jupyter-collaboration",
		Do: "pin jupyter-collaboration, and take the option out (SQLiteYStore.db_path says where its stock store " +
			"keeps its file)",
		Source: "jupyterlab docs/source/getting_started/changelog.md, 4.0",
		find: func(f *Facts) (hits []hit) {
			for trait, s := range f.launch.Settings {
				if strings.HasPrefix(trait, "YDocExtension.") {
					hits = append(hits, told(s.At, "flag", s.Flag))
				}
			}
			return hits
		},
	},
	{
		Name: "store-base",
		Wrong: "{flag}: {value} is {built} {has}, and {server} takes stores of {wants} only: the option is ignored " +
			"with a TraitError in the log, and the history goes to .jupyter_ystore.db in the home",
		Do: "take the option out, and set SQLiteYStore.db_path, which says where the stock store keeps its file; " +
			"or pin a store of {wants}",
		Source: "jupyterlab/jupyter-collaboration CHANGELOG.md, 2.0.0, 4.1.1, and seen", find: storeBase,
	},
	{
		Name: "store-config", Of: []Range{{"jupyter-server-ydoc", ">=1.0.0a0"}},
		Wrong: "{flag}: {jupyter-server-ydoc} makes a store with config=, which {value} does not take: no document " +
			"opens",
		Do:     "take jupyter_server_ydoc.stores.SQLiteYStore, or a class derived from it, and set SQLiteYStore.db_path",
		Source: "jupyterlab/jupyter-collaboration projects/jupyter-server-ydoc/jupyter_server_ydoc/app.py",
		find: func(f *Facts) (hits []hit) {
			s, ok := f.launch.set("YDocExtension.ystore_class")
			module, _, _ := strings.Cut(s.Value, ".")
			if name := pins.CanonicalName(pins.Pip, module); ok && name == f.storesOf() {
				return []hit{told(s.At, "flag", s.Flag, "value", s.Value)}
			}
			return nil
		},
	},
	{
		Name: "store-missing",
		Wrong: "{flag}: no package called {module} is locked, so {value} can't be imported: the option is ignored " +
			"with a TraitError in the log, and the history goes to .jupyter_ystore.db in the home",
		Do: "pin the package that has it, or take the option out", Source: "seen", find: storeMissing,
	},
	{
		Name: "half-collaboration",
		Of:   []Range{{"jupyter-server-ydoc", ">=1.0.0a0"}, {"jupyter-collaboration-ui", absent}},
		Wrong: "{jupyter-server-ydoc} is the server's half of real-time collaboration only: without " +
			"jupyter-collaboration-ui and jupyter-docprovider no student sees another",
		Do:     "pin jupyter-collaboration, which brings all four parts, or take jupyter-server-ydoc out",
		Source: "jupyterlab/jupyter-collaboration README.md",
	},
	{
		Name: "half-collaboration",
		Of: []Range{{"jupyter-server-ydoc", ">=1.0.0a0"}, {"jupyter-collaboration-ui", ""},
			{"jupyter-docprovider", absent}},
		Wrong: "{jupyter-server-ydoc} is locked without jupyter-docprovider: the browser's half of real-time " +
			"collaboration is missing",
		Do:     "pin jupyter-collaboration, which brings all four parts",
		Source: "jupyterlab/jupyter-collaboration README.md",
	},
	{
		Name: "no-singleuser", Of: []Range{{"jupyterhub", absent}},
		Wrong: "{flag} is launched, but no jupyterhub, which provides it, is locked: unless the base image has one " +
			"on its PATH, no server starts",
		Do: "pin jupyterhub, at the version of the hub",
		find: func(f *Facts) []hit {
			if len(f.launch.Cmd) == 0 || f.launch.Cmd[0].Value != "jupyterhub-singleuser" {
				return nil
			}
			return []hit{told(f.launch.Cmd[0].At, "flag", f.launch.Cmd[0].Value)}
		},
	},
	{
		Name: "singleuser-app", Number: 20, Severity: pins.Error, Of: []Range{{"jupyterlab", ">=3.6.0a0"}},
		Wrong: "JUPYTERHUB_SINGLEUSER_APP is {value}, the classic notebook's server, in which {jupyterlab} answers " +
			"404",
		Do:     "set it to jupyter_server.serverapp.ServerApp",
		Source: "jupyterhub/jupyterhub jupyterhub/singleuser/app.py",
		find: func(f *Facts) []hit {
			app, ok := f.launch.Env["JUPYTERHUB_SINGLEUSER_APP"]
			if !ok || !strings.HasPrefix(app.Value, "notebook") {
				return nil
			}
			return []hit{told(app.At, "value", app.Value)}
		},
	},
	{
		Name: "collaboration-off", Severity: pins.Note,
		Wrong: "{flag} turns real-time collaboration off, and the course has shared accounts",
		Do:    "take it out, unless the accounts are for taking turns only",
		find: func(f *Facts) []hit {
			if !f.accounts || !f.launch.isTrue("YDocExtension.disable_rtc") {
				return nil
			}
			return setting("YDocExtension.disable_rtc")(f)
		},
	},
}

// stores are the modules whose store class a server's half of real-time
// collaboration takes, by its version: jupyter-server-ydoc 2.1.1 came with
// jupyter-collaboration 4.1.1.
var stores = []struct {
	of    Range
	wants string
}{
	{Range{"jupyter-server-ydoc", "<1.0.0a0"}, "ypy-websocket"},
	{Range{"jupyter-server-ydoc", ">=2.1.1"}, "pycrdt"},
	{Range{"jupyter-server-ydoc", ">=1.0.0a0"}, "pycrdt-websocket"},
	{Range{"jupyter-collaboration", "<2.0.0a0"}, "ypy-websocket"},
	{Range{"jupyter-collaboration", ">=4.1.1"}, "pycrdt"},
	{Range{"jupyter-collaboration", ">=2.0.0a0"}, "pycrdt-websocket"},
}

// stock are modules of stores that come with collaboration itself.
var stock = []string{"jupyter-server-ydoc", "jupyter-collaboration", "ypy-websocket", "pycrdt-websocket", "pycrdt"}

// storesOf is the package whose stores the server takes; empty if that is not known.
func (f *Facts) storesOf() string {
	for _, known := range stores {
		if f.holds(known.of) {
			return known.wants
		}
	}
	return ""
}

// storeBase finds a store class that is built on another base than the server takes.
func storeBase(f *Facts) []hit {
	s, ok := f.launch.set("YDocExtension.ystore_class")
	wants := f.storesOf()
	if !ok || wants == "" {
		return nil
	}
	module, _, _ := strings.Cut(s.Value, ".")
	store, built := pins.CanonicalName(pins.Pip, module), "built on"
	server := "jupyter-server-ydoc"
	if _, has := f.packages[server]; !has {
		server = "jupyter-collaboration"
	}
	for _, has := range []string{"ypy-websocket", "pycrdt-websocket", "pycrdt"} {
		if store == has {
			built = "a store of"
		} else if slices.Contains(stock, store) || f.requires == nil || !f.requires(store, has) {
			continue
		}
		if has != wants && !(f.requires != nil && f.requires(store, wants)) {
			return []hit{told(s.At, "flag", s.Flag, "value", s.Value, "built", built, "has", has, "wants", wants,
				"server", f.title(server, s.At))}
		}
		return nil
	}
	return nil
}

// storeMissing finds a store class of a package that is not installed.
func storeMissing(f *Facts) []hit {
	s, ok := f.launch.set("YDocExtension.ystore_class")
	module, _, _ := strings.Cut(s.Value, ".")
	name := pins.CanonicalName(pins.Pip, module)
	if !ok || !f.whole || f.packages[name].Version != "" || slices.Contains(stock, name) {
		return nil
	}
	return []hit{told(s.At, "flag", s.Flag, "module", module, "value", s.Value)}
}

// doubling is where a page that was open doubles the cells of a notebook: the
// sessions that fix it came with 3.6.2.
var doubling = Range{"jupyterlab", ">=3.6.0a0,<3.6.2"}

var bugRules = []Rule{
	{
		Name: "doubled-cells", Of: []Range{doubling}, Pins: true,
		Wrong: "{jupyterlab} can double the cells of a shared notebook when a page comes back to a server that was " +
			"restarted",
		Do:     "take 3.6.2 or later",
		Source: "jupyterlab/jupyterlab#14031",
	},
	{
		Name: "doubled-cells-on-disk", Of: []Range{doubling}, Severity: pins.Error,
		Wrong: "{flag} keeps the history of shared notebooks in /tmp, which is lost with the pod, and " +
			"BaseFileIdManager.db_path leaves the file ids in the home, which stay: with {jupyterlab}, a page that " +
			"is open while its server gets a new pod doubles the notebook, on disk",
		Do: "set BaseFileIdManager.db_path to /tmp/file_id_manager.db too, in launch.files or as an option; or " +
			"take jupyterlab 3.6.2 or later",
		Source: "jupyterlab/jupyterlab#14031, and seen",
		find: func(f *Facts) []hit {
			if !f.shared() || !f.launch.storeInTmp() || f.launch.inTmp("BaseFileIdManager.db_path") {
				return nil
			}
			return setting("YDocExtension.ystore_class", "SQLiteYStore.db_path")(f)[:1]
		},
	},
	{
		Name:   "ydoc-mismatch",
		Of:     []Range{{"jupyter-server-ydoc", "<0.8.0"}, {"jupyter-ydoc", ">=0.3.0a0"}},
		Pins:   true,
		Wrong:  "{jupyter-server-ydoc} can't save what {jupyter-ydoc} holds",
		Do:     "pin jupyter-ydoc 0.2.x",
		Source: "jupyterlab/jupyterlab#13890",
	},
	{
		Name:     "ypy-websocket",
		Of:       []Range{{"jupyter-server-ydoc", "<1.0.0a0"}, {"ypy-websocket", ">=0.9.0a0"}},
		Pins:     true,
		Severity: pins.Error,
		Wrong:    "{jupyter-server-ydoc} does not work with {ypy-websocket}, which is made for another event loop",
		Do:       "pin ypy-websocket<0.9", Source: "jupyter-server-ydoc 0.8.0's own requirements",
	},
	{
		Name: "lab-3-collaboration", Of: []Range{lab3, collaboration}, Pins: true,
		Wrong: "{jupyter-collaboration} is made for jupyterlab 4; in {jupyterlab} the rooms of shared documents " +
			"answer 404",
		Do:     "take jupyter-collaboration out: jupyterlab 3.6 brings its own, jupyter-server-ydoc",
		Source: "jupyterlab/jupyter-collaboration#473",
	},
	{
		Name: "collaboration-3-lab-4.4",
		Of:   []Range{{"jupyter-collaboration", ">=3.0.0a0,<4.0.0a0"}, {"jupyterlab", ">=4.4.0a0"}},
		Pins: true,
		Wrong: "{jupyter-collaboration} is made for jupyterlab 4.2 and 4.3; with {jupyterlab} it floods the log " +
			"with errors, and once a notebook was lost",
		Do: "take jupyter-collaboration 4", Source: "jupyterlab/jupyter-collaboration#515",
	},
	{
		Name: "no-file-ids",
		Wrong: "{flag} turns jupyter_server_fileid off, without which opening a shared document fails (KeyError: " +
			"file_id_manager)",
		Do: "take that out", Source: "jupyterlab/jupyter-collaboration#193",
		find: func(f *Facts) (hits []hit) {
			s, ok := f.launch.set("ServerApp.jpserver_extensions")
			if ok && f.shared() && strings.Contains(s.Value, `"jupyter_server_fileid":false`) {
				hits = append(hits, told(s.At, "flag", s.Flag))
			}
			return hits
		},
	},
}

var homeRules = []Rule{
	{
		Name: "file-ids-in-home", Of: []Range{{"jupyter-server-fileid", ""}},
		Wrong: "{store} is in /tmp, and the database of file ids ({jupyter-server-fileid}) stays in the home: on " +
			"NFS it locks up, and saving fails",
		Do:     "set BaseFileIdManager.db_path to /tmp/file_id_manager.db",
		Source: "2i2c-org/infrastructure#2245",
		find: func(f *Facts) (hits []hit) {
			if f.launch.inTmp("BaseFileIdManager.db_path") || !f.launch.storeInTmp() || f.holds(doubling) &&
				f.shared() {
				return nil
			}
			for _, h := range setting("YDocExtension.ystore_class", "SQLiteYStore.db_path")(f)[:1] {
				h.words["store"] = h.words["flag"]
				hits = append(hits, h)
			}
			return hits
		},
	},
	{
		Name: "file-ids-in-home", Severity: pins.Note, Of: []Range{{"jupyter-server-fileid", ""}},
		Wrong: "the database of file ids ({jupyter-server-fileid}) is kept in the home: on NFS it locks up, and " +
			"saving fails, with or without real-time collaboration",
		Do:     "where homes are on NFS, set BaseFileIdManager.db_path to /tmp/file_id_manager.db",
		Source: "2i2c-org/infrastructure#2245",
		find: func(f *Facts) []hit {
			if f.launch.inTmp("BaseFileIdManager.db_path") || f.launch.storeInTmp() {
				return nil
			}
			return at(f.launch.place())
		},
	},
	{
		Name: "history-in-home", Severity: pins.Note, Of: []Range{{"jupyterlab", ""}},
		Wrong: "the history of shared documents is kept in .jupyter_ystore.db, in the folder that the server is " +
			"started in, mostly the home",
		Do:     "where homes are on NFS, set SQLiteYStore.db_path to /tmp/ystore.db, and BaseFileIdManager.db_path too",
		Source: "jupyterlab/jupyter-collaboration docs/source/configuration.md",
		find: func(f *Facts) []hit {
			_, class := f.launch.set("YDocExtension.ystore_class")
			_, path := f.launch.set("SQLiteYStore.db_path")
			if !f.shared() || class || path || !f.accounts {
				return nil
			}
			return at(f.launch.place())
		},
	},
	{
		Name: "sessions-in-home", Severity: pins.Note, Of: []Range{{"jupyter-server-ydoc", ">=2.3.0,<3.0.0a0"}},
		Wrong: "{jupyter-server-ydoc} writes .jupyter/collaboration_sessions.json into the home, and no setting " +
			"gives it another place",
		Do:     "nothing is wrong with it; jupyter-collaboration 5 has --YDocExtension.session_store_path",
		Source: "jupyterlab/jupyter-collaboration CHANGELOG.md, 4.3.0",
	},
	{
		Name: "sessions-in-home", Severity: pins.Note, Of: []Range{{"jupyter-server-ydoc", ">=3.0.0a0"}},
		Wrong:  "{jupyter-server-ydoc} writes .jupyter/collaboration_sessions.json into the home",
		Do:     "where that is not wanted, set YDocExtension.session_store_path",
		Source: "jupyterlab/jupyter-collaboration CHANGELOG.md, 5.0.0",
		find: func(f *Facts) []hit {
			if _, ok := f.launch.set("YDocExtension.session_store_path"); ok || !f.accounts {
				return nil
			}
			return at(f.packages["jupyter-server-ydoc"].At)
		},
	},
	{
		Name: "other-databases", Severity: pins.Note, Of: []Range{{"nbformat", ""}},
		Wrong: "two SQLite files of other programs stay in the home: nbformat's " +
			".local/share/jupyter/nbsignatures.db and IPython's history.sqlite",
		Do:     "where they lock up on NFS too, set NotebookNotary.db_file and HistoryManager.hist_file to :memory:",
		Source: "seen",
		find: func(f *Facts) []hit {
			if !f.launch.storeInTmp() || !f.launch.inTmp("BaseFileIdManager.db_path") ||
				f.launch.inTmp("NotebookNotary.db_file") {
				return nil
			}
			return at(f.launch.Settings["BaseFileIdManager.db_path"].At)
		},
	},
}

var hubRules = []Rule{
	{
		Name:     "tornado-of-hub-6",
		Number:   18,
		Of:       []Range{{"jupyterhub", ">=6.0.0a0"}, {"tornado", "<6.5"}},
		Pins:     true,
		Severity: pins.Error,
		Wrong:    "{jupyterhub} needs tornado 6.5 or later, and {tornado} is pinned: they can't be installed together",
		Do:       "unpin tornado, or keep jupyterhub 5", Source: "jupyterhub/jupyterhub pyproject.toml, 6.0.0",
	},
	{
		Name: "hub-major", Number: 19, Of: []Range{{theHub, ""}, {"jupyterhub", ""}},
		Wrong: "the hub is {the hub}, and the image's single-user server is {jupyterhub}: of another major " +
			"version, which the hub warns of at each start",
		Do:     "change them together, or test the two together: driftpin's own tests run 3.1.1 under 6.1.1",
		Source: "jupyterhub/jupyterhub jupyterhub/_version.py",
		find: func(f *Facts) []hit {
			major := func(version string) string { m, _, _ := strings.Cut(version, "."); return m }
			if p := f.packages["jupyterhub"]; major(p.Version) != major(f.hub) {
				return at(p.At)
			}
			return nil
		},
	},
	{
		Name: "link-share", Number: 17, Of: []Range{{"jupyterlab-link-share", ""}, {"jupyterhub", ">=5.0.0a0"}},
		Wrong:  "{jupyterlab-link-share} shares links with ?token=, which the server of {jupyterhub} does not take",
		Do:     "take it out: members of a group share its account, and JupyterHub 5 shares servers itself",
		Source: "jupyterhub/jupyterhub docs/source/reference/changelog.md, 5.0",
	},
	{
		Name: "link-share", Number: 17, Of: []Range{{"jupyterlab-link-share", ""}, {"jupyterhub", "<5.0.0a0"}},
		Wrong: "{jupyterlab-link-share} shares links with the owner's own token: who has the link is the owner, " +
			"and on a shared account may do what the account may",
		Do:     "take it out: members of a group share its account",
		Source: "jupyterhub/jupyterhub docs/source/reference/changelog.md, 5.0",
		find: func(f *Facts) []hit {
			if !f.accounts {
				return nil
			}
			return at(f.packages["jupyterlab-link-share"].At)
		},
	},
}

// place is where a launch as a whole is told of.
func (l *Launch) place() pins.Position {
	if len(l.Cmd) > 0 {
		return l.Cmd[0].At
	}
	return pins.Position{}
}
