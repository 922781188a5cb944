// Package hub is how a course's image is launched on a JupyterHub, and the shared
// accounts that its students work in together.
//
// What is known of that, which versions fit and what breaks since when, is one
// table: [Rules]. Three things are held against it: a course's launch and what its
// lock installs ([Check]), a course's pins alone ([CheckPins]), and the values files
// of a deployment with Zero to JupyterHub ([CheckValues]). [Render] writes the
// values of a course; [SetImage] puts an image's reference into a values file, and
// changes nothing else.
//
// No function here returns, in a finding or an error, a word of a file of secrets:
// not a member's name, and no key either. Findings name the file and the line.
package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// The names that shared accounts and their roles begin with.
const (
	accountPrefix = "collab-"
	rolePrefix    = "collab-access-"
)

// accountsName is the group, or the role, that makes the hub create the accounts.
const accountsName = "collaborative"

// Names of roles are what JupyterHub takes (roles.py, 3.1.1 to 6.1.1).
var roleName = regexp.MustCompile(`^[a-z][a-z0-9\-_~\.]{1,253}[a-z0-9]$`)

var (
	plainName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$`)
	otherRuns = regexp.MustCompile(`[^a-z0-9]+`)
)

// maxPlain and maxWords are the most bytes of a group's name that stand in an
// account's or a role's name: of a name that is taken as it is, and of one that is
// not.
const (
	maxPlain = 200
	maxWords = 48
)

// slug returns a group's name as a part of names of roles and accounts, which may
// hold less: itself where that is legal, else its words and a hash of it, so that
// no two groups become one.
func slug(group string) string {
	if plainName.MatchString(group) && len(group) <= maxPlain {
		return group
	}
	words := strings.Trim(otherRuns.ReplaceAllString(strings.ToLower(group), "-"), "-")
	if len(words) > maxWords {
		words = strings.Trim(words[:maxWords], "-")
	}
	sum := sha256.Sum256([]byte(group))
	return strings.TrimPrefix(words+"-"+hex.EncodeToString(sum[:4]), "-")
}

// Account returns the name of a group's shared account.
func Account(g pins.Group) string {
	if g.Account != "" {
		return g.Account
	}
	return accountPrefix + slug(g.Name.Value)
}

// Role returns the name of the role that lets a group's members use its account.
func Role(g pins.Group) string { return rolePrefix + slug(g.Name.Value) }

// Scopes returns what the members of a group may do with its account: see it on the
// hub's admin page, start and stop its server, and work in it. The scopes are those
// of every JupyterHub since 3.0.
func Scopes(account string) []string {
	return []string{"admin-ui", "list:users!user=" + account, "admin:servers!user=" + account,
		"access:servers!user=" + account}
}
