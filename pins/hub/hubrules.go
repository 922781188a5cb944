package hub

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// in finds something in values; there is nothing to find where there are none.
func in(find func(*Config) []hit) func(*Facts) []hit {
	return func(f *Facts) []hit {
		if f.values == nil {
			return nil
		}
		return find(f.values)
	}
}

// app is where JupyterHub's sources say what is known.
const app = "jupyterhub/jupyterhub jupyterhub/app.py"

// valuesRules are those of a deployment's values. Numbers are those of the list of
// what breaks a hub's configuration, in the order in which it was drawn up.
var valuesRules = slices.Concat(groupRules, roleRules, loginRules, chartRules)

var groupRules = []Rule{
	{
		Name: "managed-twice", Number: 1, Severity: pins.Error,
		Wrong: "manage_groups is true, and load_groups is given at {there}: the hub does not start (Group " +
			"management has been offloaded to the authenticator)",
		Do: "set manage_groups to false, or take load_groups out", Source: app + ", init_groups",
		find: in(func(c *Config) []hit {
			at, groups := c.managesGroups(), c.loadGroups()
			if at == nil || groups == nil || len(groups.keys) == 0 && !groups.open {
				return nil
			}
			return []hit{told(at.at, "there", groups.at.String())}
		}),
	},
	{
		Name: "managed-groups", Number: 2,
		Wrong:  "managed_groups is no setting of the authenticator, and does nothing",
		Do:     "write manage_groups",
		Source: "jupyterhub/jupyterhub jupyterhub/auth.py",
		find: in(func(c *Config) (hits []hit) {
			c.authenticator("managed_groups", func(key, _ *Value) { hits = append(hits, hit{at: key.at}) })
			return hits
		}),
	},
	{
		Name: "groups-form", Number: 3, Of: []Range{{theHub, "<4.0.0a0"}}, Severity: pins.Error,
		Wrong: "group {group} is a mapping (users, properties), and {the hub} takes a list of members only: the " +
			"hub does not work as intended",
		Do: "write {group}: [NAME, …]", Source: app + ", load_groups", find: in(groupForm(mapping)),
	},
	{
		Name: "groups-form", Number: 3, Of: []Range{{theHub, ">=4.0.0a0"}},
		Wrong: "group {group} is given as a list, a form that is deprecated since JupyterHub 4.0",
		Do:    "write {group}: {users: [NAME, …]}", Source: app + ", init_groups", find: in(groupForm(list)),
	},
	{
		Name: "emptied-group", Number: 4,
		Wrong: "group {group} is given without a member: load_groups only adds, so those who were in it stay",
		Do: "take members out on the hub's admin page, or by its API; leave the group out here if nothing is to be " +
			"added",
		Source: app + ", init_groups",
		find: in(func(c *Config) (hits []hit) {
			c.loadGroups().each(func(name string, group *Value) {
				if users := usersOf(group); users != nil && users.kind == list && len(users.items) == 0 && !users.open {
					hits = append(hits, told(users.at, "group", shownKey(c.loadGroups(), name)))
				}
			})
			return hits
		}),
	},
	{
		Name: "no-account", Number: 5, Lacks: true,
		Wrong: "{account} is an account that nothing here creates: unless somebody has made it on the hub's admin " +
			"page, nobody can start its server",
		Do:     "create it by a group, such as load_groups: {collaborative: {users: [{account}]}}",
		Source: "jupyterhub/jupyterhub docs/source/tutorial/collaboration-users.md",
		find: in(func(c *Config) (hits []hit) {
			made, known := c.made()
			for account, scope := range c.accounts() {
				if known && !made[account] && account == strings.ToLower(account) {
					hits = append(hits, told(scope.at, "account", shownPart(scope, account)))
				}
			}
			return hits
		}),
	},
	{
		Name: "bare-groups", Severity: pins.Error,
		Wrong: "c.JupyterHub.load_groups gets an item before it is defined: the hub does not start (a " +
			"LazyConfigValue takes no items)",
		Do: "write c.JupyterHub.load_groups = {} first", Source: "ipython/traitlets traitlets/config/loader.py",
		find: in(func(c *Config) []hit { return at(c.bare...) }),
	},
	{
		Name: "group-names-taken-apart", Severity: pins.Error,
		Wrong: "this splits a group's name at :: into {parts} parts, and group {group} has {has}: the code around " +
			"it fails, such as the start of each server",
		Do: "check first that the name has that many parts", Source: "berkeley-dsep-infra/datahub#4267",
		find: in(takenApart),
	},
	{
		Name: "names", Number: 9, Severity: pins.Error,
		Wrong:  "{what}",
		Do:     "{do}",
		Source: "jupyterhub/jupyterhub jupyterhub/auth.py, normalize_username; jupyterhub/orm.py",
		find:   in(wrongNames),
	},
	{
		Name: "members-in-the-open", Number: 25, Severity: pins.Error,
		Wrong: "group {group} names its members here, where everybody reads them",
		Do:    "move them into the file of secrets", Source: "",
		find: in(func(c *Config) (hits []hit) {
			accounts := c.accounts()
			c.loadGroups().each(func(name string, group *Value) {
				for _, u := range usersOf(group).list() {
					isAccount := accounts[u.text] != nil || strings.HasPrefix(u.text, accountPrefix)
					if u.whole() && !u.secret && !isAccount {
						hits = append(hits, told(u.at, "group", shownKey(c.loadGroups(), name)))
						return
					}
				}
			})
			return hits
		}),
	},
}

// shownKey is a group's name for a finding.
func shownKey(groups *Value, name string) string {
	if groups.key(name).secret {
		return hidden
	}
	return strings.ReplaceAll(name, hole, "…")
}

// shownPart is a part of a scope for a finding.
func shownPart(scope *Value, part string) string {
	if scope.secret {
		return scope.shown()
	}
	return part
}

// groupForm finds groups that are given in one of two forms.
func groupForm(form kind) func(*Config) []hit {
	return func(c *Config) (hits []hit) {
		c.loadGroups().each(func(name string, group *Value) {
			if group.kind == form {
				hits = append(hits, told(group.at, "group", shownKey(c.loadGroups(), name)))
			}
		})
		return hits
	}
}

// takenApart finds group names of fewer parts than code unpacks.
func takenApart(c *Config) (hits []hit) {
	for _, s := range c.splits {
		for _, name := range c.groupNames() {
			if has := strings.Count(name.text, "::") + 1; has < s.parts && name.whole() {
				hits = append(hits, told(s.at, "parts", fmt.Sprint(s.parts), "group", name.shown(), "has",
					fmt.Sprint(has)))
				break
			}
		}
	}
	return hits
}

// groupNames are the groups that the configuration speaks of.
func (c *Config) groupNames() (names []*Value) {
	names = append(names, c.loadGroups().list()...)
	for _, role := range c.roles {
		names = append(names, role.get("groups").list()...)
	}
	return names
}

// wrongNames finds names of users and groups that the hub changes or refuses.
func wrongNames(c *Config) (hits []hit) {
	wrong := func(v *Value, what, do string) {
		hits = append(hits, told(v.at, "what", what, "do", do))
	}
	for _, role := range c.roles {
		for _, s := range role.get("scopes").list() {
			_, by, value := scopeOf(s)
			if by == "user" && value != strings.ToLower(value) {
				wrong(s, "scope "+s.shown()+
					": the hub's user names are all lower-case, and a filter is not converted: it never matches",
					"write "+strings.ToLower(s.shown()))
			}
		}
	}
	for _, g := range c.groupNames() {
		if len(g.text) > 255 {
			wrong(g, "a group's name has more than 255 bytes, which the hub's database does not take", "shorten it")
		}
	}
	c.loadGroups().each(func(_ string, group *Value) {
		for i, u := range usersOf(group).list() {
			if strings.ContainsAny(u.text, "/\n") {
				what := "member number %d of this group has a / or a line break in the name: the hub refuses it, " +
					"and does not start"
				wrong(u, fmt.Sprintf(what, i+1), "write the name as the hub's admin page shows it")
			}
		}
	})
	return hits
}

var roleRules = []Rule{
	{
		Name: "role-twice", Number: 6, Severity: pins.Error,
		Wrong:  "role {role} is defined twice, first at {there}: the hub does not start (multiply defined)",
		Do:     "keep one",
		Source: app + ", init_role_creation",
		find: in(func(c *Config) (hits []hit) {
			first := map[string]*Value{}
			for _, role := range c.roles {
				name := role.get("name")
				if role.maybe || !name.whole() {
					continue
				}
				if first[name.text] != nil {
					hits = append(hits, told(name.at, "role", name.shown(), "there", first[name.text].at.String()))
				} else {
					first[name.text] = name
				}
			}
			return hits
		}),
	},
	{
		Name: "role-of-no-service", Number: 6, Lacks: true, Severity: pins.Error,
		Wrong:  "role {role} is for the service {service}, which is not defined: the hub does not start",
		Do:     "define it in hub.services, or take it out",
		Source: app + ", init_role_assignment",
		find:   in(missingServices),
	},
	{
		Name: "role-of-no-group", Number: 6,
		Wrong: "role {role} is for group {group}, which load_groups does not have: the hub makes it silently, and " +
			"it stays empty",
		Do:     "{near}",
		Source: app + ", init_role_assignment",
		find:   in(missingGroups),
	},
	{
		Name: "user-without-self", Number: 7, Severity: pins.Error,
		Wrong:  "the role user has no scope self: users can't reach their own servers any more",
		Do:     "add self",
		Source: "jupyterhub/jupyterhub jupyterhub/roles.py",
		find: in(func(c *Config) (hits []hit) {
			for _, role := range c.roles {
				scopes := role.get("scopes")
				self := slices.ContainsFunc(scopes.list(), func(v *Value) bool { return v.is("self") || !v.whole() })
				if role.get("name").is("user") && scopes != nil && !scopes.open && !self {
					hits = append(hits, hit{at: scopes.at})
				}
			}
			return hits
		}),
	},
	{
		Name: "role-name", Number: 8, Severity: pins.Error,
		Wrong: "{role} is not a valid name of a role (3 to 255 lower-case letters, digits, - _ ~ and .): the hub " +
			"does not start",
		Do: "take the other characters out, such as :: and blanks; driftpin hub render makes such names from those " +
			"of groups",
		Source: "jupyterhub/jupyterhub jupyterhub/roles.py",
		find: in(func(c *Config) (hits []hit) {
			for _, role := range c.roles {
				if name := role.get("name"); name != nil && name.kind == text &&
					!roleName.MatchString(strings.ReplaceAll(name.text, hole, "x")) {
					hits = append(hits, told(name.at, "role", name.shown()))
				}
			}
			return hits
		}),
	},
	{
		Name: "scope", Number: 10, Severity: pins.Error,
		Wrong:  "{what}: the hub does not start (ScopeNotFound)",
		Do:     "{do}",
		Source: "jupyterhub/jupyterhub jupyterhub/scopes.py",
		find: func(f *Facts) []hit {
			if f.values == nil {
				return nil
			}
			return f.values.wrongScopes(f.hub)
		},
	},
	{
		Name: "half-access", Number: 11,
		Wrong:  "role {role} lets its groups enter the server of {account}, but not {lacks}",
		Do:     "add {scope}",
		Source: "jupyterhub/jupyterhub docs/source/tutorial/collaboration-users.md",
		find:   in(halfAccess),
	},
	{
		Name: "role-of-nobody", Number: 12,
		Wrong: "role {role} is given to nobody: a group that is made later, on the admin page, does not get it " +
			"before somebody writes it here and the hub is restarted",
		Do:     "name the group here: the hub makes it",
		Source: "jupyterhub/jupyterhub#4843",
		find: in(func(c *Config) (hits []hit) {
			for _, role := range c.roles {
				given := false
				for _, kind := range []string{"users", "groups", "services"} {
					v := role.get(kind)
					given = given || v != nil && (v.open || len(v.list()) > 0 || v.kind == unknown)
				}
				if name := role.get("name"); !given && name != nil && !slices.Contains([]string{"user", "admin",
					"server", "token"}, name.text) {
					hits = append(hits, told(name.at, "role", name.shown()))
				}
			}
			return hits
		}),
	},
	{
		Name: "share-scopes", Number: 26, Of: []Range{{theHub, ">=5.0.0a0"}},
		Wrong:  "role {role} lets users share their servers, but not find users to share with",
		Do:     "add read:users:name",
		Source: "jupyterhub/jupyterhub docs/source/reference/sharing.md",
		find: in(func(c *Config) (hits []hit) {
			for _, role := range c.roles {
				scopes := role.get("scopes").list()
				has := func(names ...string) bool {
					return slices.ContainsFunc(scopes, func(v *Value) bool {
						base, _, _ := scopeOf(v)
						return slices.Contains(names, base) || !v.whole()
					})
				}
				if has("shares") && !has("read:users:name", "read:users", "users", "admin:users", "list:users") {
					hits = append(hits, hit{role.get("scopes").at, map[string]string{"role": role.get("name").shown()}})
				}
			}
			return hits
		}),
	},
}

// missingServices finds roles of services that nothing defines.
func missingServices(c *Config) (hits []hit) {
	services := c.config.get("JupyterHub", "services")
	for _, role := range c.roles {
		for _, s := range role.get("services").list() {
			// the chart's own
			culler := s.text == "jupyterhub-idle-culler" && !c.root.get("cull", "enabled").is("false")
			known := c.root.get("hub", "services").get(s.text) != nil || culler || c.open || services.unsure() ||
				!s.whole()
			for _, defined := range services.list() {
				known = known || defined.get("name").is(s.text) || defined.kind == unknown
			}
			if !known {
				hits = append(hits, told(s.at, "role", role.get("name").shown(), "service", s.shown()))
			}
		}
	}
	return hits
}

// missingGroups finds roles of groups that load_groups does not have, where it has
// others: a slip, as of one letter.
func missingGroups(c *Config) (hits []hit) {
	groups := c.loadGroups()
	if groups == nil || groups.open || len(groups.keys) == 0 || c.open || !c.secrets {
		return nil
	}
	var known []string
	for _, k := range groups.keys {
		known = append(known, k.text)
	}
	for _, role := range c.roles {
		for _, g := range role.get("groups").list() {
			if !g.whole() || groups.get(g.text) != nil {
				continue
			}
			do := "add it to load_groups, or correct the name"
			if near := pins.Near(g.text, known); len(near) > 0 && !groups.key(near[0]).secret {
				do = "did you mean " + near[0] + "?"
			}
			hits = append(hits, told(g.at, "role", role.get("name").shown(), "group", g.shown(), "near", do))
		}
	}
	return hits
}

// sinceHub are the scopes of JupyterHub, and the version that each came with
// (scopes.py of 3.0.0 to 6.1.1).
var sinceHub = map[string][]string{
	"3.0.0": {
		"access:servers", "access:services", "admin-ui", "admin:auth_state", "admin:groups", "admin:server_state",
		"admin:servers", "admin:users", "delete:groups", "delete:servers", "delete:users", "groups", "inherit",
		"list:groups", "list:services", "list:users", "proxy", "read:groups", "read:groups:name", "read:hub",
		"read:metrics", "read:roles", "read:roles:groups", "read:roles:services", "read:roles:users", "read:servers",
		"read:services", "read:services:name", "read:tokens", "read:users", "read:users:activity", "read:users:groups",
		"read:users:name", "self", "servers", "shutdown", "tokens", "users", "users:activity",
	},
	"5.0.0": {"admin:services", "groups:shares", "read:groups:shares", "read:shares", "read:users:shares", "shares",
		"users:shares"},
	"6.0.0": {"start:servers"},
}

// filters are what a scope may be narrowed by.
var filters = []string{"", "user", "server", "group", "service"}

// wrongScopes finds scopes that a hub does not have.
func (c *Config) wrongScopes(hub string) (hits []hit) {
	since, all := map[string]string{}, []string{}
	for version, scopes := range sinceHub {
		for _, s := range scopes {
			since[s], all = version, append(all, s)
		}
	}
	for _, role := range c.roles {
		for _, s := range role.get("scopes").list() {
			base, by, value := scopeOf(s)
			version, known := since[base]
			what, do := "", ""
			switch {
			case s.kind != text || strings.Contains(base, hole) || strings.HasPrefix(base, "custom:") &&
				c.defines(base):
			case !known:
				what, do = "there is no scope "+base, "see the hub's list of scopes"
				if near := pins.Near(base, all); len(near) > 0 {
					do = "did you mean " + strings.Join(near, " or ") + "?"
				}
			case by != "" && value == "" && !slices.Contains([]string{"user", "server", "service"}, by),
				strings.HasSuffix(s.text, "="):
				what, do = "scope "+s.shown()+" has a filter without a name", "write !"+by+"=NAME"
			case !slices.Contains(filters, by):
				what, do = "scope "+s.shown()+" is narrowed by "+by, "narrow it by user=, server=, group= or service="
			case pins.Pip.Scheme().Compare(hub, version) < 0:
				what, do = "scope "+base+" came with JupyterHub "+version+", and the hub is "+hub,
					"take an older one, such as "+older[base]
			}
			if what != "" && s.secret {
				what, do = "the hub does not know one of the scopes", "see the hub's list of scopes"
			}
			if what != "" {
				hits = append(hits, told(s.at, "what", what, "do", do))
			}
		}
	}
	return hits
}

// defines reports whether a scope of the deployment's own is defined, or may be.
func (c *Config) defines(scope string) bool {
	custom := c.config.get("JupyterHub", "custom_scopes")
	return c.open || custom.get(scope) != nil || custom.unsure()
}

// older are wider scopes that stand for newer ones.
var older = map[string]string{"start:servers": "admin:servers", "shares": "none: sharing came with JupyterHub 5"}

// halfAccess finds roles that let a group enter a server, and not start it, or not
// find it on the admin page.
func halfAccess(c *Config) (hits []hit) {
	for _, role := range c.roles {
		scopes := role.get("scopes").list()
		has := func(account string, names ...string) bool {
			return slices.ContainsFunc(scopes, func(v *Value) bool {
				base, by, value := scopeOf(v)
				return slices.Contains(names, base) && (by == "" || value == account) || !v.whole()
			})
		}
		for _, s := range scopes {
			base, by, account := scopeOf(s)
			if base != "access:servers" || by != "user" || account == "" || !s.whole() ||
				len(role.get("groups").list()) == 0 {
				continue
			}
			lack := func(what, scope string) {
				who := role.get("name").shown()
				hits = append(hits, told(s.at, "role", who, "account", shownPart(s, account), "lacks", what, "scope",
					shownPart(s, scope)))
			}
			if !has(account, "admin:servers", "servers", "start:servers") {
				lack("start it", "admin:servers!user="+account)
			}
			if !has(account, "list:users", "admin:users", "users") || !has("", "admin-ui") {
				lack("find it on the admin page", "admin-ui and list:users!user="+account)
			}
		}
	}
	return hits
}

var loginRules = []Rule{
	{
		Name: "managed-groups-api", Number: 13,
		Wrong: "role {role} may change groups, but the authenticator manages them (manage_groups): a change by " +
			"hand is refused before JupyterHub 5.3, and since then undone at the member's next login",
		Do:     "change groups in the service that the authenticator reads them from",
		Source: "jupyterhub/jupyterhub#5004",
		find: in(func(c *Config) (hits []hit) {
			for _, role := range c.roles {
				for _, s := range role.get("scopes").list() {
					if base, _, _ := scopeOf(s); c.managesGroups() != nil &&
						(base == "groups" || base == "admin:groups") {
						hits = append(hits, told(s.at, "role", role.get("name").shown()))
					}
				}
			}
			return hits
		}),
	},
	{
		Name: "no-groups-to-manage", Number: 14, Of: []Range{{theHub, ">=5.0.0a0"}}, Severity: pins.Error,
		Wrong:  "manage_groups is true, and the authenticator ({class}) brings no groups: nobody can log in",
		Do:     "set it to false, or take an authenticator that brings groups",
		Source: "jupyterhub/jupyterhub jupyterhub/handlers/base.py",
		find: in(func(c *Config) []hit {
			class, at := c.config.get("JupyterHub", "authenticator_class"), c.managesGroups()
			if at == nil || !class.whole() || !slices.Contains(groupless, class.text) {
				return nil
			}
			return []hit{told(at.at, "class", class.shown())}
		}),
	},
	{
		Name: "managed-roles", Number: 15, Of: []Range{{theHub, ">=5.0.0a0"}}, Severity: pins.Error,
		Wrong:  "manage_roles is true, and role {role} is given to users or groups here: the hub does not start",
		Do:     "have the authenticator give it, or set manage_roles to false",
		Source: app + ", init_role_creation",
		find: in(func(c *Config) (hits []hit) {
			managed := false
			c.authenticator("manage_roles", func(_, v *Value) { managed = managed || v.is("true") })
			for _, role := range c.roles {
				if managed && len(role.get("users").list())+len(role.get("groups").list()) > 0 {
					hits = append(hits, hit{role.get("name").at, map[string]string{"role": role.get("name").shown()}})
				}
			}
			return hits
		}),
	},
	{
		Name: "nobody-allowed", Number: 16, Lacks: true, Of: []Range{{theHub, ">=5.0.0a0"}}, Severity: pins.Error,
		Wrong:  "nothing says who may log in, and {the hub} lets nobody in by itself",
		Do:     "set Authenticator.allow_all, allow_existing_users or allowed_users",
		Source: "jupyterhub/jupyterhub docs/source/reference/changelog.md, 5.0",
		find:   in(nobodyAllowed),
	},
	{
		Name: "user-not-allowed", Of: []Range{{theHub, "<5.0.0a0"}}, Severity: pins.Error,
		Wrong:  "role {role} is given to a user who is not in allowed_users: the hub does not start",
		Do:     "add the user there, or take allowed_users out",
		Source: app + ", init_role_assignment", find: in(notAllowed),
	},
	{
		Name: "groups-at-login-only", Number: 24,
		Wrong: "{setting}: Canvas is asked for groups when somebody logs in, and not again: this does not bring a " +
			"student's new group",
		Do:     "have students log out and in again",
		Source: "berkeley-dsep-infra/canvasauthenticator",
		find: in(func(c *Config) (hits []hit) {
			class := c.config.get("JupyterHub", "authenticator_class")
			if c.managesGroups() == nil || class == nil || !strings.Contains(strings.ToLower(class.text), "canvas") {
				return nil
			}
			for _, trait := range []string{"refresh_pre_spawn", "auth_refresh_age"} {
				c.authenticator(trait, func(key, v *Value) {
					if !v.is("false") && !v.is("0") {
						hits = append(hits, told(key.at, "setting", trait))
					}
				})
			}
			return hits
		}),
	},
}

// notAllowed finds roles of users whom a list of allowed users does not have.
func notAllowed(c *Config) (hits []hit) {
	var allowed []string
	known := !c.open
	c.authenticator("allowed_users", func(_, v *Value) {
		known = known && !v.unsure()
		for _, u := range v.list() {
			allowed = append(allowed, strings.ToLower(u.text))
		}
	})
	for _, role := range c.roles {
		for _, u := range role.get("users").list() {
			if known && len(allowed) > 0 && u.whole() && !slices.Contains(allowed, strings.ToLower(u.text)) {
				hits = append(hits, told(u.at, "role", role.get("name").shown()))
			}
		}
	}
	return hits
}

// groupless are authenticators that bring no groups.
var groupless = []string{
	"dummy", "jupyterhub.auth.DummyAuthenticator", "pam", "jupyterhub.auth.PAMAuthenticator",
	"native", "nativeauthenticator.NativeAuthenticator", "firstuse", "firstuseauthenticator.FirstUseAuthenticator",
	"tmp", "tmpauthenticator.TmpAuthenticator", "null", "jupyterhub.auth.NullAuthenticator",
	"ltiauthenticator.LTIAuthenticator", "lti11", "lti13",
}

// openByThemselves are authenticators that let everybody in.
var openByThemselves = []string{
	"dummy", "jupyterhub.auth.DummyAuthenticator", "tmp", "tmpauthenticator.TmpAuthenticator", "null",
	"jupyterhub.auth.NullAuthenticator",
}

// allowsWithin reports whether CILogon's identity providers say whom they let in.
func allowsWithin(providers *Value) (allows bool) {
	providers.each(func(_ string, p *Value) {
		p.each(func(key string, _ *Value) { allows = allows || strings.HasPrefix(key, "allow") })
		allows = allows || p.unsure()
	})
	return allows || providers.unsure()
}

// nobodyAllowed finds an authenticator of which nothing says whom it lets in.
func nobodyAllowed(c *Config) []hit {
	class := c.config.get("JupyterHub", "authenticator_class")
	if !class.whole() || c.open || slices.Contains(openByThemselves, class.text) {
		return nil
	}
	allowed := false
	c.config.each(func(section string, traits *Value) {
		if !strings.HasSuffix(section, "Authenticator") && !strings.HasSuffix(section, "Auth") {
			return
		}
		traits.each(func(trait string, v *Value) {
			says := strings.HasPrefix(trait, "allow") || strings.HasPrefix(trait, "admin_") ||
				trait == "any_allow_config"
			if trait == "allowed_idps" {
				says = allowsWithin(v)
			}
			empty := v.is("false") || v.kind == null || v.kind == list && len(v.items) == 0 && !v.open
			allowed = allowed || says && !empty
		})
		allowed = allowed || traits.open
	})
	if allowed {
		return nil
	}
	return at(class.at)
}

var chartRules = []Rule{
	{
		Name: "singleuser-extension", Number: 20, Severity: pins.Error,
		Wrong: "JUPYTERHUB_SINGLEUSER_EXTENSION asks for Jupyter's server, and JUPYTERHUB_SINGLEUSER_APP ({value}) " +
			"is the classic notebook's: no server starts",
		Do:     "set JUPYTERHUB_SINGLEUSER_APP to jupyter_server.serverapp.ServerApp, or take it out",
		Source: "jupyterhub/jupyterhub jupyterhub/singleuser/__init__.py",
		find: func(f *Facts) []hit {
			app, extension := f.launch.Env["JUPYTERHUB_SINGLEUSER_APP"], f.launch.Env["JUPYTERHUB_SINGLEUSER_EXTENSION"]
			if f.values == nil || !strings.HasPrefix(app.Value, "notebook") || extension.Value != "1" &&
				extension.Value != "true" {
				return nil
			}
			return []hit{told(extension.At, "value", app.Value)}
		},
	},
	{
		Name: "roles-replaced", Number: 22,
		Wrong:  "hub.config.JupyterHub.load_roles replaces hub.loadRoles: the roles there are lost",
		Do:     "write all of them in hub.loadRoles",
		Source: "jupyterhub/zero-to-jupyterhub-k8s jupyterhub/files/hub/jupyterhub_config.py",
		find: in(func(c *Config) []hit {
			if c.replaced == nil {
				return nil
			}
			return at(c.replaced.at)
		}),
	},
	{
		Name: "section", Number: 22, Severity: pins.Error,
		Wrong: "hub.config.{section}: a section is a class, such as JupyterHub, and begins with a capital: the hub " +
			"does not start",
		Do:     "write the class; hub.loadRoles stands beside hub.config, not in it",
		Source: "jupyterhub/zero-to-jupyterhub-k8s jupyterhub/files/hub/jupyterhub_config.py",
		find: in(func(c *Config) (hits []hit) {
			sections := c.root.get("hub", "config")
			sections.each(func(name string, _ *Value) {
				if name == "" || name[0] < 'A' || name[0] > 'Z' {
					hits = append(hits, told(sections.key(name).at, "section", shownKey(sections, name)))
				}
			})
			return hits
		}),
	},
	{
		Name: "late", Number: 22, Severity: pins.Error,
		Wrong: "hub.extraConfig runs by its keys in order, and {key} uses {name}, which {later} defines: the hub " +
			"does not start (NameError)",
		Do:     "name the keys so that {later} comes first",
		Source: "jupyterhub/zero-to-jupyterhub-k8s jupyterhub/files/hub/jupyterhub_config.py",
		find:   in(func(c *Config) []hit { return c.late }),
	},
	{
		Name: "extra-file", Number: 22, Severity: pins.Error,
		Wrong:  "{file}: {what}",
		Do:     "give mountPath, and one of data, stringData and binaryData",
		Source: "jupyterhub/zero-to-jupyterhub-k8s jupyterhub/values.schema.yaml",
		find:   in(extraFiles),
	},
	{
		Name: "unknown-key", Number: 22, Severity: pins.Error,
		Wrong:  "there is no {key}: Helm refuses the values",
		Do:     "{do}",
		Source: "jupyterhub/zero-to-jupyterhub-k8s jupyterhub/values.schema.yaml",
		find:   in(unknownKeys),
	},
	{
		Name:   "misplaced",
		Number: 22,
		Wrong:  "{what}",
		Do:     "put all of them in one place",
		Source: "helm/helm docs, subcharts",
		find:   in(func(c *Config) []hit { return c.misplaced }),
	},
	{
		Name: "command", Number: 22, Severity: pins.Error,
		Wrong: "singleuser.cmd is one text with blanks in it, and is taken for the name of one program: no server " +
			"starts",
		Do:     "write a list, an item for each word",
		Source: "jupyterhub/kubespawner kubespawner/spawner.py",
		find: in(func(c *Config) []hit {
			if cmd := c.root.get("singleuser", "cmd"); cmd != nil && cmd.kind == text &&
				strings.ContainsRune(strings.TrimSpace(cmd.text), ' ') {
				return at(cmd.at)
			}
			return nil
		}),
	},
	{
		Name: "python", Number: 22, Severity: pins.Error,
		Wrong: "this is not valid Python: a bracket or a string does not end, or a colon is missing: the hub does " +
			"not start (SyntaxError)",
		Do:     "correct the code",
		Source: "jupyterhub/zero-to-jupyterhub-k8s jupyterhub/files/hub/jupyterhub_config.py",
		find:   in(func(c *Config) []hit { return at(c.broken...) }),
	},
	{
		Name: "type", Severity: pins.Error,
		Wrong:  "{what} must be {is}, and is {has}: {then}",
		Do:     "write {is}",
		Source: app + ", load_groups, load_roles",
		find:   in(wrongTypes),
	},
	{
		Name: "hook-replaced", Number: 22,
		Wrong:  "this replaces the pre_spawn_hook of {key}, which no longer runs",
		Do:     "call the earlier hook from this one; or, if the other hook does that, make this key come first",
		Source: "jupyterhub/zero-to-jupyterhub-k8s jupyterhub/files/hub/jupyterhub_config.py",
		find:   in(func(c *Config) []hit { return c.hooks }),
	},
	{
		Name: "dropped-option", Number: 22,
		Wrong:  "this list replaces the one at {there}, and has no {flag}: lists are not merged",
		Do:     "write the whole list here, or take this one out",
		Source: "helm/helm docs, values files",
		find:   in(func(c *Config) []hit { return c.dropped }),
	},
	{
		Name: "entrypoint", Number: 23,
		Wrong:  "singleuser.cmd replaces the image's CMD, but not its ENTRYPOINT: {flag} would run twice",
		Do:     "leave it out of cmd",
		Source: "2i2c-org/infrastructure#3807",
		find: func(f *Facts) []hit {
			if f.values == nil || len(f.launch.Cmd) == 0 || !entrypoint.MatchString(f.launch.Cmd[0].Value) {
				return nil
			}
			return []hit{told(f.launch.Cmd[0].At, "flag", f.launch.Cmd[0].Value)}
		},
	},
}

// entrypoint matches what images have as their entrypoint: repo2docker's, and those
// of the Jupyter docker stacks.
var entrypoint = regexp.MustCompile(`(?:^|/)(?:repo2docker-entrypoint|tini|start|start\.sh)$`)

// extraFiles finds files that the chart can't mount.
func extraFiles(c *Config) (hits []hit) {
	for _, part := range []string{"hub", "singleuser"} {
		files := c.root.get(part, "extraFiles")
		files.each(func(name string, file *Value) {
			content := 0
			for _, key := range []string{"data", "stringData", "binaryData"} {
				if file.get(key) != nil {
					content++
				}
			}
			what := ""
			switch {
			case file.get("mountPath") == nil:
				what = "it has no mountPath"
			case content != 1:
				what = fmt.Sprintf("it has %d of data, stringData and binaryData", content)
			default:
				return
			}
			hits = append(hits, told(files.key(name).at, "file", part+".extraFiles."+shownKey(files, name),
				"what", what))
		})
	}
	return hits
}

// chartKeys are the keys that the chart's schema has, of 4.4 (values.schema.yaml).
var chartKeys = map[string]string{
	"hub": "activeServerLimit allowNamedServers annotations args authenticatePrometheus baseUrl command " +
		"concurrentSpawnLimit config consecutiveFailureLimit containerSecurityContext cookieSecret db " +
		"deploymentStrategy existingSecret extraConfig extraConfigMap extraContainers extraEnv extraFiles " +
		"extraPodSpec extraVolumeMounts extraVolumes fsGid image initContainers labels lifecycle livenessProbe " +
		"loadRoles namedServerLimitPerUser networkPolicy nodeSelector pdb podSecurityContext publicURL " +
		"readinessProbe redirectToServer resources revisionHistoryLimit service serviceAccount services " +
		"shutdownOnLogout templatePaths templateVars tolerations",
	"singleuser": "allowPrivilegeEscalation cloudMetadata cmd cpu defaultUrl events extraAnnotations extraContainers " +
		"extraEnv extraFiles extraLabels extraNodeAffinity extraPodAffinity extraPodAntiAffinity extraPodConfig " +
		"extraResource extraTolerations fsGid image initContainers lifecycleHooks memory networkPolicy " +
		"networkTools nodeSelector podNameTemplate profileList serviceAccountName startTimeout storage uid",
}

// unknownKeys finds keys that the chart does not have.
func unknownKeys(c *Config) (hits []hit) {
	for _, part := range []string{"hub", "singleuser"} {
		known := strings.Fields(chartKeys[part])
		values := c.root.get(part)
		for _, k := range values.list() {
			if values.kind == mapping && !slices.Contains(known, k.text) {
				hits = append(hits, unknownKey(k, part+".", known))
			}
		}
	}
	return append(hits, c.strays...)
}

// unknownKey is a key that the chart does not have.
func unknownKey(k *Value, part string, known []string) hit {
	do := "see the chart's reference"
	switch near := pins.Near(k.text, known); {
	case k.secret:
	case k.text == "loadGroups":
		do = "groups go into hub.config.JupyterHub.load_groups"
	case len(near) > 0:
		do = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return told(k.at, "key", part+k.shown(), "do", do)
}
