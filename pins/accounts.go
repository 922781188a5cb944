package pins

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// Accounts are the hub's shared accounts: one for each group of students, whose
// members may start its server and work in it together. Who is a member is never
// said here, but in a file of secrets: package hub has what is made of both.
type Accounts struct {
	Groups       []Group
	ManageGroups bool // the hub's authenticator brings the groups and their members
	At           Position
}

// A Group is a group of the hub.
type Group struct {
	Name    Text
	Account string // the shared account, if it is not named after the group
	// the most that a server of the group's may take, as JupyterHub writes it: 512M, 4G; empty: the hub's own limit
	Memory string
	CPU    float64  // the most CPUs, likewise; 0: the hub's own limit
	At     Position // of its entry
}

var (
	accountName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$`)
	memorySize  = regexp.MustCompile(`^[1-9][0-9]*(?:\.[0-9]+)?[KMGT]$`)
)

// maxGroupName is the most bytes that JupyterHub's database takes of a group's
// name (orm.py, Group.name).
const maxGroupName = 255

func (m *Manifest) readAccounts(r yamlReader, n *yaml.Node) {
	m.Accounts.At = r.at(n)
	r.mapping(n, "accounts",
		field{"groups", func(n *yaml.Node) {
			r.list(n, "accounts.groups", func(n *yaml.Node) { m.readGroup(r, n) })
		}},
		field{"manage_groups", func(n *yaml.Node) { m.Accounts.ManageGroups = r.boolean(n, "accounts.manage_groups") }},
		field{"managed_groups", func(n *yaml.Node) {
			r.wrong(n, "managed-groups",
				"managed_groups is not a setting of JupyterHub's Authenticator, and would be ignored: write "+
					"manage_groups")
		}},
	)
}

// readGroup reads a group: its name, or a mapping with its name, its account and
// its limits.
func (m *Manifest) readGroup(r yamlReader, n *yaml.Node) {
	g, known := Group{At: r.at(n)}, true
	if n.Kind == yaml.MappingNode {
		r.mapping(n, "a group",
			field{"group", func(n *yaml.Node) { g.Name = r.positioned(n, "group") }},
			field{"account", func(n *yaml.Node) {
				if g.Account = r.text(n, "account"); !accountName.MatchString(g.Account) ||
					len(g.Account) > maxGroupName {
					r.wrong(n, "account",
						"account %q: an account's name has lower-case letters, digits, - _ and . only", g.Account)
				}
			}},
			field{"memory", func(n *yaml.Node) {
				if g.Memory = r.text(n, "memory"); !memorySize.MatchString(g.Memory) {
					r.wrong(n, "limit", "memory %q: write a number with K, M, G or T, such as 4G", g.Memory)
				}
			}},
			field{"cpu", func(n *yaml.Node) {
				var err error
				if g.CPU, err = strconv.ParseFloat(r.text(n, "cpu"), 64); err != nil || !(g.CPU > 0 && g.CPU < 1e4) {
					r.wrong(n, "limit", "cpu %q: write the number of CPUs, such as 2 or 0.5", n.Value)
				}
			}},
			field{"users", func(n *yaml.Node) {
				r.wrong(n, "members", "users: a group's members do not belong in pins.yaml: keep them in "+
					"a file of secrets, "+
					"whose form driftpin hub render --help shows")
			}},
		)
		if known = g.Name.At.File != ""; !known {
			r.wrong(n, "group", "a group without its name: write {group: NAME, memory: 4G, cpu: 2}")
		}
	} else {
		g.Name = r.positioned(n, "a group")
	}
	switch name := g.Name.Value; {
	case !known || name == "" && n.Kind != yaml.MappingNode:
	case name == "" || len(name) > maxGroupName ||
		strings.IndexFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0:
		m.Findings.fatal(g.Name.At, "group",
			"group %q: a group's name has 1 to %d bytes, of letters, digits, signs and blanks",
			name, maxGroupName)
	default:
		for _, other := range m.Accounts.Groups {
			if other.Name.Value == name {
				m.Findings.fatal(g.Name.At, "group", "group %q is defined twice, first at %s: keep one", name,
					other.Name.At)
			}
		}
		m.Accounts.Groups = append(m.Accounts.Groups, g)
	}
}
