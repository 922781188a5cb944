package hub

import (
	"slices"
	"strings"
)

// kinds are what values are called in findings.
var kinds = map[kind]string{
	boolean: "true or false", number: "a number", text: "a text", list: "a list", mapping: "a mapping", null: "nothing",
}

// A typeCheck collects values that are not what the hub takes.
type typeCheck struct{ hits []hit }

// is holds a value against kinds; what names it, then is what comes of another.
func (t *typeCheck) is(v *Value, what, then string, want ...kind) bool {
	if v == nil || v.kind == unknown || slices.Contains(want, v.kind) {
		return true
	}
	names := make([]string, len(want))
	for i, k := range want {
		names[i] = kinds[k]
	}
	t.hits = append(t.hits, told(v.at, "what", what, "is", strings.Join(names, " or "), "has", kinds[v.kind],
		"then", then))
	return false
}

const noStart = "the hub does not start"

// wrongTypes finds groups, roles and settings that are not of the type that the hub
// takes: it fails, or takes a text for its letters.
func wrongTypes(c *Config) []hit {
	t := &typeCheck{}
	hub := c.root.get("hub")
	t.is(hub, "hub", "Helm refuses the values", mapping, null)
	for _, part := range []string{"config", "extraConfig", "loadRoles", "services"} {
		t.is(hub.get(part), "hub."+part, noStart, mapping, null)
	}
	hub.get("config").each(func(section string, traits *Value) {
		t.is(traits, "hub.config."+shownKey(hub.get("config"), section), noStart, mapping, null)
	})
	hub.get("loadRoles").each(func(name string, role *Value) {
		t.is(role, "role "+shownKey(hub.get("loadRoles"), name), noStart, mapping)
	})
	groups := c.loadGroups()
	if t.is(groups, "load_groups", noStart, mapping) {
		groups.each(func(name string, group *Value) { t.group(shownKey(groups, name), group) })
	}
	t.is(c.config.get("JupyterHub", "load_roles"), "load_roles", noStart, list)
	for _, role := range c.roles {
		t.role(role)
	}
	for _, trait := range []string{"manage_groups", "manage_roles", "allow_all", "allow_existing_users"} {
		c.authenticator(trait, func(_, v *Value) { t.is(v, trait, noStart, boolean) })
	}
	return t.hits
}

// group holds one group of load_groups.
func (t *typeCheck) group(name string, group *Value) {
	if !t.is(group, "group "+name, noStart, mapping, list, null) {
		return
	}
	if group.kind == mapping {
		for _, k := range group.keys {
			if k.text != "users" && k.text != "properties" {
				t.key(k, "group "+name, "users or properties",
					"the key is ignored, and the users in it are in no group")
			}
		}
		t.is(group.get("properties"), "properties of group "+name, noStart, mapping)
	}
	users := usersOf(group)
	if t.is(users, "users of group "+name, "its letters are taken for users", list) {
		t.names(users, "a user of group "+name)
	}
}

// key is a key that the hub does not look at.
func (t *typeCheck) key(k *Value, of, known, then string) {
	t.hits = append(t.hits, told(k.at, "what", "the key "+k.shown()+" of "+of, "is", known, "has", "unknown",
		"then", then))
}

// roleKeys are what a role may hold.
var roleKeys = strings.Fields("name description scopes users groups services managed_by_auth")

// names holds the items of a list: texts.
func (t *typeCheck) names(names *Value, what string) {
	for _, n := range names.list() {
		t.is(n, what, noStart+" (a number must be in quotes)", text)
	}
}

// role holds one role.
func (t *typeCheck) role(role *Value) {
	if !t.is(role, "a role", noStart, mapping) || role.kind != mapping {
		return
	}
	name := role.get("name")
	who := "a role"
	if name != nil {
		who = "role " + name.shown()
	} else if !role.open {
		t.hits = append(t.hits, told(role.at, "what", "a role", "is", "a mapping with its name", "has", "without one",
			"then", noStart))
	}
	for _, k := range role.keys {
		if !slices.Contains(roleKeys, k.text) && !strings.Contains(k.text, hole) {
			t.key(k, who, "name, description, scopes, users, groups or services", "the key is ignored")
		}
	}
	for _, part := range []string{"scopes", "users", "groups", "services"} {
		if v := role.get(part); t.is(v, part+" of "+who, "its letters are taken one by one", list) {
			t.names(v, part+" of "+who)
		}
	}
	if scopes := role.get("scopes"); name.is("admin") && scopes != nil {
		then := noStart + " (RoleValueError)"
		t.hits = append(t.hits, told(scopes.at, "what", "the role admin", "is", "left with its own scopes", "has",
			"given others", "then", then))
	}
}
