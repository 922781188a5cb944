package hub

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// Newest is the newest JupyterHub that the rules were tried on. Values are held
// against it where no other version is named.
const Newest = "6.1.1"

// A File is a values file: its name for findings, and its bytes.
type File struct {
	Name string
	Data []byte
}

// CheckOptions say what values are held against.
type CheckOptions struct {
	Hub     string // JupyterHub's version; empty: Newest
	Secrets *File  // the file of secrets, laid over the others; nil: none is given
	Course  *pins.Manifest
	Lock    *pins.Lock // of the course; what it installs is held against the launch
}

// CheckValues lints values files of Zero to JupyterHub, which are laid over each
// other in their order, as Helm does. It says what would keep the hub from
// starting, what would not do what it seems to, and who could do more than meant.
// Python in hub.extraConfig is read as far as it can be foretold; it is not run.
func CheckValues(files []File, o CheckOptions) pins.Findings {
	f := &Facts{}
	if o.Course != nil && o.Lock != nil {
		f = ofLock(o.Course, o.Lock)
	}
	if f.hub = o.Hub; f.hub == "" {
		f.hub = Newest
	}
	c, found := readValues(files, o.Secrets)
	if found.Err() != nil {
		return found
	}
	f.values, f.accounts = c, len(c.accounts()) > 0
	f.launch = c.launch(f.launch)
	f.elsewhere = !c.secrets
	found = append(found, f.check(func(Rule) bool { return true })...)
	found.Sort()
	return slices.CompactFunc(found, func(a, b pins.Finding) bool {
		return a.Position == b.Position && a.Message == b.Message
	})
}

// Config is what values files make of a hub.
type Config struct {
	root      *Value   // the values, laid over each other
	config    *Value   // of the hub, by class and trait, when all of extraConfig has run
	roles     []*Value // c.JupyterHub.load_roles
	open      bool     // there may be more of anything: Python that can't be foretold, or a file that is encrypted
	secrets   bool     // a file of secrets is given
	replaced  *Value   // hub.config.JupyterHub.load_roles, where it takes hub.loadRoles' place
	bare      []pins.Position
	broken    []pins.Position // lines of extraConfig that are no Python
	late      []hit           // names of extraConfig that a later key defines
	splits    []split
	hooks     []hit // a pre_spawn_hook that takes another's place
	dropped   []hit // options of singleuser.cmd that a later file leaves out
	misplaced []hit // files, or parts of them, that the chart does not get
	strays    []hit // keys that the chart does not have, at the top
	under     string
	placed    bool
}

// A split is code that takes group names apart, into a number of parts at least.
type split struct {
	at    pins.Position
	parts int
}

// readValues reads files, and lays them over each other.
func readValues(files []File, secrets *File) (*Config, pins.Findings) {
	c := &Config{secrets: secrets != nil}
	var found pins.Findings
	read := func(file File, secret bool) {
		root, wrong := readYAML(file.Name, file.Data, secret)
		found = append(found, wrong...)
		if root == nil {
			return
		}
		if at := root.key("sops"); at != nil && strings.Contains(string(file.Data), "ENC[") {
			c.open = true
			found = append(found, pins.Finding{Position: at.at, Rule: "encrypted", Severity: pins.Note,
				Subject: "encrypted",
				Message: "the file is encrypted by sops, and not checked: decrypt it, and give it by --secrets " +
					"(sops --decrypt FILE | driftpin hub check … --secrets -)"})
			return
		}
		if secret {
			root.hide()
		}
		chart := c.chart(root)
		c.drop(chart)
		c.root = merged(c.root, chart)
	}
	for _, f := range files {
		read(f, false)
	}
	if secrets != nil {
		read(*secrets, true)
	}
	if c.root != nil && len(c.root.keys) > 0 && !c.placed && !c.open {
		c.misplaced = append(c.misplaced,
			told(c.root.at, "what", "there is nothing for the chart in these files: no hub, and no singleuser"))
	}
	if found.Err() == nil {
		c.load()
	}
	return c, found
}

// chartTop are the keys that the chart's schema has at its top.
var chartTop = strings.Fields("cull custom debug enabled fullnameOverride global httpRoute hub imagePullSecret " +
	"imagePullSecrets ingress nameOverride prePuller proxy rbac scheduling singleuser")

// chart finds the part of a file that the chart gets: all of it, or what is below
// jupyterhub, as where the chart is another's dependency; or deeper.
func (c *Config) chart(root *Value) *Value {
	has := func(v *Value) bool { return v.get("hub") != nil || v.get("singleuser") != nil || v.get("proxy") != nil }
	under, chart := "", root
	if below := root.get("jupyterhub"); below != nil && below.kind == mapping {
		under, chart = "jupyterhub", below
		if has(root) {
			what := "there is a hub, or a singleuser, both at the top and below jupyterhub: the chart gets one of " +
				"the two"
			c.misplaced = append(c.misplaced, told(root.at, "what", what))
		}
	} else if !has(root) {
		root.each(func(key string, v *Value) {
			if below := v.get("jupyterhub"); has(below) {
				under, chart = shownKey(root, key)+".jupyterhub", below
			}
		})
	}
	switch {
	case chart.kind == null:
	case chart.kind != mapping:
		c.misplaced = append(c.misplaced, told(chart.at, "what", "the file is not a mapping, so it holds no values"))
	case len(chart.keys) > 0 && c.placed && under != c.under:
		const apart = "these values stand %s, and those of the files before %s: the chart gets one of the two"
		what := fmt.Sprintf(apart, where(under), where(c.under))
		c.misplaced = append(c.misplaced, told(chart.at, "what", what))
	case slices.ContainsFunc(chart.keys,
		func(k *Value) bool { return slices.Contains(chartTop, strings.ToLower(k.text)) }):
		c.placed, c.under = true, under
	}
	near := slices.ContainsFunc(chart.list(),
		func(k *Value) bool { return slices.Contains(chartTop, strings.ToLower(k.text)) })
	if chart.kind == mapping && (under != "" || has(chart) || near) {
		for _, k := range chart.keys {
			if !slices.Contains(chartTop, k.text) {
				c.strays = append(c.strays, unknownKey(k, "", chartTop))
			}
		}
	}
	return chart
}

func where(under string) string {
	if under == "" {
		return "at the top"
	}
	return "below " + under
}

// drop notes options of a launch that the next file's list leaves out.
func (c *Config) drop(next *Value) {
	was, is := c.root.get("singleuser", "cmd"), next.get("singleuser", "cmd")
	if was == nil || is == nil || was.kind != list || is.kind != list {
		return
	}
	for _, arg := range was.items {
		option, _, _ := strings.Cut(arg.text, "=")
		kept := slices.ContainsFunc(is.items,
			func(v *Value) bool { o, _, _ := strings.Cut(v.text, "="); return o == option })
		if strings.HasPrefix(option, "-") && !kept {
			c.dropped = append(c.dropped, told(is.at, "flag", arg.shown(), "there", arg.at.String()))
		}
	}
}

// load does what the chart's jupyterhub_config.py does: the roles of hub.loadRoles,
// then hub.config, then hub.extraConfig by its keys in order.
func (c *Config) load() {
	c.config = &Value{kind: mapping}
	p := newProgram(c.config)
	own := &Value{kind: mapping}
	c.config.set(&Value{kind: text, text: "JupyterHub"}, own)
	roles := &Value{kind: list}
	own.set(&Value{kind: text, text: "load_roles"}, roles)
	hub := c.root.get("hub")
	hub.get("loadRoles").each(func(key string, role *Value) {
		named := &Value{kind: mapping, at: role.at}
		named.set(&Value{kind: text, text: "name"},
			&Value{kind: text, text: key, at: hub.get("loadRoles").key(key).at, secret: role.secret})
		role = merged(named, role)
		roles.items = append(roles.items, role)
	})
	hub.get("config").each(func(section string, traits *Value) {
		if c.config.get(section) == nil {
			c.config.set(hub.get("config").key(section), &Value{kind: mapping, at: traits.at})
		}
		traits.each(func(trait string, v *Value) {
			if section == "JupyterHub" && trait == "load_roles" && len(roles.items) > 0 {
				c.replaced = traits.key(trait)
			}
			c.config.get(section).set(traits.key(trait), v)
		})
	})
	c.runExtra(p, hub.get("extraConfig"))
	final := c.config.get("JupyterHub", "load_roles")
	if c.bare, c.broken = p.bare, p.wrong; final.kind == list {
		c.roles = final.items
	}
	c.open = c.open || p.open || final.open || final.kind == unknown
}

// runExtra runs the texts of hub.extraConfig in the order of their keys.
func (c *Config) runExtra(p *program, extra *Value) {
	if extra == nil || extra.kind != mapping {
		return
	}
	keys := slices.Clone(extra.keys)
	sort.SliceStable(keys, func(i, j int) bool { return keys[i].text < keys[j].text })
	var parsed []*parser
	for _, key := range keys {
		_, in := parse(extra.get(key.text).text)
		parsed = append(parsed, in)
	}
	made := map[string]bool{}
	hooked := ""
	for i, key := range keys {
		code := extra.get(key.text)
		if code.kind != text {
			continue
		}
		at := code.at
		if code.block {
			at.Line++
		}
		for name, line := range parsed[i].uses {
			for j, later := range parsed[i+1:] {
				if later.makes[name] && !made[name] && !parsed[i].makes[name] {
					place := at
					if code.block && !code.folded {
						place.Line += line
					}
					words := map[string]string{"name": name, "key": key.shown(), "later": keys[i+1+j].shown()}
					if code.secret {
						words["name"] = hidden
					}
					c.late = append(c.late, hit{place, words})
				}
			}
		}
		for name := range parsed[i].makes {
			made[name] = true
		}
		if line, sets, asks := hookOf(code.text); sets {
			if hooked != "" && !asks {
				place := at
				if code.block && !code.folded {
					place.Line += line
				}
				c.hooks = append(c.hooks, told(place, "key", hooked))
			}
			hooked = key.shown()
		}
		c.splits = append(c.splits, splitsOf(code.text, at, code.block && !code.folded)...)
		p.run(code.text, at, !code.block || code.folded, code.secret)
	}
}

var hookSet = regexp.MustCompile(`\.pre_spawn_hook\s*=[^=]`)

// hookOf finds where a text sets a pre_spawn_hook, and whether it asks for the one
// that is there.
func hookOf(source string) (line int, sets, asks bool) {
	at := hookSet.FindStringIndex(source)
	if at == nil {
		return 0, false, false
	}
	return strings.Count(source[:at[0]], "\n"), true,
		strings.Count(source, "pre_spawn_hook") > len(hookSet.FindAllString(source, -1))
}

var splitting = regexp.MustCompile(`^\s*((?:\w+\s*,\s*)+\w+)\s*=.*\.split\(\s*['"]::['"]`)

// guard matches what looks at a name first, or takes the failure.
var guard = regexp.MustCompile(`^\s*(?:if|elif|while|try|for)\b.*(?:::|len\(|try)`)

// splitsOf finds code that unpacks what lies between the :: of a name, where nothing
// just before looks whether it can.
func splitsOf(source string, at pins.Position, lines bool) (out []split) {
	all := strings.Split(source, "\n")
	for i, l := range all {
		m := splitting.FindStringSubmatch(l)
		if m == nil || slices.ContainsFunc(all[max(0, i-4):i], guard.MatchString) {
			continue
		}
		place := at
		if lines {
			place.Line += i
		}
		out = append(out, split{place, strings.Count(m[1], ",") + 1})
	}
	return out
}

// launch is how the values launch the image; what they leave out is the course's.
func (c *Config) launch(course Launch) Launch {
	user := c.root.get("singleuser")
	l := Launch{Env: map[string]pins.Text{}, Settings: map[string]Setting{}}
	for name, v := range course.Env {
		l.Env[name] = v
	}
	if cmd := user.get("cmd"); cmd != nil && cmd.kind == list {
		for _, arg := range cmd.items {
			l.Cmd = append(l.Cmd, pins.Text{Value: arg.shown(), At: arg.at})
		}
	} else if cmd != nil && cmd.kind == text {
		for _, word := range strings.Fields(cmd.shown()) {
			l.Cmd = append(l.Cmd, pins.Text{Value: word, At: cmd.at})
		}
	} else {
		l.Cmd = course.Cmd
	}
	user.get("extraEnv").each(func(name string, v *Value) { l.Env[name] = pins.Text{Value: v.shown(), At: v.at} })
	for trait, s := range course.Settings {
		if !strings.HasPrefix(s.Flag, "--") { // what its files say, the image has
			l.Settings[trait] = s
		}
	}
	user.get("extraFiles").each(func(_ string, file *Value) {
		content := file.get("stringData")
		if data := file.get("data"); data != nil {
			content = data
		}
		if content != nil && !content.secret {
			l.readConfig(file.get("mountPath").String(), []byte(content.String()), content.at)
		}
	})
	l.readOptions()
	return l
}

// authenticator calls visit for a trait wherever a class of authenticators sets it;
// the base class comes first.
func (c *Config) authenticator(trait string, visit func(key, v *Value)) {
	for _, base := range []bool{true, false} {
		c.config.each(func(section string, traits *Value) {
			is := strings.HasSuffix(section, "Authenticator") || strings.HasSuffix(section, "Auth")
			if v := traits.get(trait); v != nil && is && (section == "Authenticator") == base {
				visit(traits.key(trait), v)
			}
		})
	}
}

// managesGroups is where the authenticator is told to manage groups. A class of its
// own stands over the base class.
func (c *Config) managesGroups() *Value {
	var last *Value
	c.authenticator("manage_groups", func(_, v *Value) { last = v })
	if !last.is("true") || last.kind != boolean {
		return nil
	}
	return last
}

func (c *Config) loadGroups() *Value { return c.config.get("JupyterHub", "load_groups") }

// usersOf are the members that load_groups names for a group: a list, or users in a
// mapping.
func usersOf(group *Value) *Value {
	if group != nil && group.kind == mapping {
		return group.get("users")
	}
	return group
}

var filter = regexp.MustCompile(`^([^!]+)(?:!([a-z]+)(?:=(.*))?)?$`)

// scopeOf splits a scope: base!filter=value.
func scopeOf(scope *Value) (base, by, value string) {
	m := filter.FindStringSubmatch(scope.text)
	if m == nil {
		return scope.text, "", ""
	}
	return m[1], m[2], m[3]
}

// accounts are the users whose servers a group may enter, with the scope that says
// so.
func (c *Config) accounts() map[string]*Value {
	out := map[string]*Value{}
	for _, role := range c.roles {
		if len(role.get("groups").list()) == 0 {
			continue
		}
		for _, s := range role.get("scopes").list() {
			if base, by, value := scopeOf(s); by == "user" && value != "" && base == "access:servers" && s.whole() {
				out[value] = s
			}
		}
	}
	return out
}

// made are the users that the configuration creates; known is false if there may be
// others.
func (c *Config) made() (users map[string]bool, known bool) {
	users, known = map[string]bool{}, true
	add := func(v *Value) {
		if v == nil {
			return
		}
		known = known && !v.open && v.kind != unknown
		for _, u := range v.list() {
			known = known && u.whole()
			users[strings.ToLower(u.text)] = true
		}
	}
	groups := c.loadGroups()
	known = groups == nil || !groups.open && groups.kind == mapping
	groups.each(func(_ string, group *Value) { add(usersOf(group)) })
	for _, role := range c.roles {
		add(role.get("users"))
	}
	for _, trait := range []string{"allowed_users", "admin_users"} {
		c.authenticator(trait, func(_, v *Value) { add(v) })
	}
	return users, known && !c.open
}
