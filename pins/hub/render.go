package hub

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/driftpin/driftpin/pins"
)

// RenderOptions say what a course's values are for.
type RenderOptions struct {
	Hub   string // JupyterHub's version
	Image string // reference of the course's image, with its digest; empty: none is named
	Under string // key that the values stand below, as where the chart is another's dependency; empty: at the top
}

var (
	hubVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:(?:a|b|rc)[0-9]+)?$`)
	byDigest   = regexp.MustCompile(`^(.+@sha256):([0-9a-f]{64})$`)
)

// oldestHub has the scope admin-ui, and roles as they are today.
const oldestHub = "3.0.0"

// CheckHub checks a hub's version: one that driftpin renders for.
func CheckHub(version string) error {
	if !hubVersion.MatchString(version) {
		return fmt.Errorf("%q is not a version of JupyterHub, such as 5.4.2 (the version of its Helm chart is "+
			"another)", version)
	}
	if pins.Pip.Scheme().Compare(version, oldestHub) < 0 {
		return fmt.Errorf("JupyterHub %s is older than %s, and lacks scopes that shared accounts need", version,
			oldestHub)
	}
	return nil
}

// Render writes a course's values for Zero to JupyterHub (its values.schema.yaml):
// how the image is launched, and the shared accounts with their groups and roles.
// Who is in the groups is not in them.
func Render(m *pins.Manifest, o RenderOptions) ([]byte, error) {
	if err := CheckHub(o.Hub); err != nil {
		return nil, err
	}
	if err := checkNames(m); err != nil {
		return nil, err
	}
	w := &valuesWriter{hub: o.Hub}
	if o.Under != "" {
		w.line("%s:", scalar(o.Under))
		w.depth++
	}
	if len(m.Accounts.Groups) > 0 {
		w.accounts(m.Accounts)
	}
	if err := w.singleuser(m.Launch, o.Image); err != nil {
		return nil, err
	}
	return []byte(w.header(m, o) + w.out.String()), nil
}

// checkNames finds groups that would share an account or a role.
func checkNames(m *pins.Manifest) error {
	var errs []error
	made := map[string]pins.Group{}
	for _, g := range m.Accounts.Groups {
		for what, name := range map[string]string{"account": Account(g), "role": Role(g)} {
			other, again := made[what+name]
			if made[what+name] = g; again {
				errs = append(errs, fmt.Errorf("%s: group %q has the %s %s, as group %q at %s has: give one "+
					"of them another account: or another name",
					g.Name.At, g.Name.Value, what, name, other.Name.Value, other.Name.At))
			}
		}
		if g.Name.Value == accountsName {
			const taken = "%s: group %q: a group of that name creates the accounts, and all of them are in it: " +
				"give this group another name"
			errs = append(errs, fmt.Errorf(taken, g.Name.At, g.Name.Value))
		}
		if !roleName.MatchString(Role(g)) {
			errs = append(errs, fmt.Errorf("%s: group %q: its role %s is not a valid name: give the group another "+
				"name", g.Name.At,
				g.Name.Value, Role(g)))
		}
	}
	return errors.Join(errs...)
}

// A valuesWriter writes values, so that a person reads them with ease.
type valuesWriter struct {
	out   strings.Builder
	depth int
	hub   string
}

func (w *valuesWriter) line(format string, args ...any) {
	fmt.Fprintf(&w.out, "%s%s\n", strings.Repeat("  ", w.depth), fmt.Sprintf(format, args...))
}

// below writes a key, and what is below it.
func (w *valuesWriter) below(key string, write func()) {
	w.under(scalar(key)+":", write)
}

func (w *valuesWriter) under(line string, write func()) {
	w.line("%s", line)
	w.depth++
	write()
	w.depth--
}

// block writes a text of several lines.
func (w *valuesWriter) block(key, text string) {
	w.under(scalar(key)+": |", func() {
		for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			if l == "" {
				w.out.WriteString("\n")
				continue
			}
			w.line("%s", l)
		}
	})
}

// since reports whether the hub is of a version, or later.
func (w *valuesWriter) since(version string) bool {
	return pins.Pip.Scheme().Compare(w.hub, version) >= 0
}

var plainScalar = regexp.MustCompile(`^(?:-{0,2}[A-Za-z_/]|` +
	`[0-9]+-[A-Za-z])[A-Za-z0-9_./@+-]*(?:[:=!][A-Za-z0-9_./@+-]+)*$`)

// scalar writes a text as YAML: plain where nothing else can be read in it.
func scalar(text string) string {
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
	default:
		if plainScalar.MatchString(text) {
			return text
		}
	}
	return quoted(text)
}

// quoted writes a text in double quotes, as YAML and Python both read it.
func quoted(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			out.WriteRune('\\')
			out.WriteRune(c)
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\t':
			out.WriteString(`\t`)
		case unicode.IsPrint(c):
			out.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(&out, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, c)
		default:
			fmt.Fprintf(&out, `\U%08x`, c)
		}
	}
	out.WriteByte('"')
	return out.String()
}

func scalars(texts []string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = scalar(t)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// header says what the values are, and where the rest is.
func (w *valuesWriter) header(m *pins.Manifest, o RenderOptions) string {
	text := fmt.Sprintf("# %s on JupyterHub %s with Zero to JupyterHub; written by driftpin hub render.\n", m.Course,
		o.Hub)
	if len(m.Accounts.Groups) == 0 || m.Accounts.ManageGroups {
		return text
	}
	first := m.Accounts.Groups[0].Name.Value
	members := scalar(first) + ": [NAME, …]"
	if w.since("4.0.0") {
		members = scalar(first) + ": {users: [NAME, …]}"
	}
	path := "hub: {config: {JupyterHub: {load_groups: {" + members + ", …}}}}"
	if o.Under != "" {
		path = scalar(o.Under) + ": {" + path + "}"
	}
	return text + "# Who is in the groups belongs in a file of secrets:\n#   " + path + "\n"
}

// accounts writes the groups, the accounts and the roles.
func (w *valuesWriter) accounts(a pins.Accounts) {
	limits := slices.ContainsFunc(a.Groups, limited)
	w.below("hub", func() {
		w.below("config", func() {
			w.below("Authenticator", func() { w.line("manage_groups: %t", a.ManageGroups) })
			if !a.ManageGroups {
				w.below("JupyterHub", func() { w.below("load_groups", func() { w.groups(a.Groups) }) })
			}
		})
		w.below("loadRoles", func() { w.roles(a) })
		if limits {
			w.below("extraConfig", func() { w.block("90-limits-of-groups", w.hook(a)) })
		}
	})
}

func limited(g pins.Group) bool { return g.Memory != "" || g.CPU > 0 }

// groups writes the group that makes the accounts, and the groups' properties.
func (w *valuesWriter) groups(groups []pins.Group) {
	accounts := accountsOf(groups)
	if !w.since("4.0.0") {
		w.line("%s: %s # makes the accounts", accountsName, scalars(accounts))
		return
	}
	w.line("%s: {users: %s} # makes the accounts", accountsName, scalars(accounts))
	for _, g := range groups {
		if limited(g) {
			w.below(g.Name.Value, func() { w.line("properties: {%s}", limitsOf(g, ": ", "")) })
		}
	}
}

func accountsOf(groups []pins.Group) (names []string) {
	for _, g := range groups {
		names = append(names, Account(g))
	}
	return names
}

// limitsOf are a group's limits, as properties: bytes, and CPUs.
func limitsOf(g pins.Group, colon, quote string) string {
	var limits []string
	if g.Memory != "" {
		limits = append(limits, fmt.Sprintf("%smem_limit%s%s%d", quote, quote, colon, bytesOf(g.Memory)))
	}
	if g.CPU > 0 {
		limits = append(limits, fmt.Sprintf("%scpu_limit%s%s%s", quote, quote, colon, strconv.FormatFloat(g.CPU,
			'f', -1, 64)))
	}
	return strings.Join(limits, ", ")
}

// bytesOf is a size that was looked at when it was read, in bytes.
func bytesOf(size string) int64 {
	n, _ := strconv.ParseFloat(size[:len(size)-1], 64) // only digits
	return int64(n * float64(int64(1)<<(10*(1+strings.IndexByte("KMGT", size[len(size)-1])))))
}

// roles writes a role for each group. Where the authenticator manages the groups,
// the accounts are made by a role of no scopes.
func (w *valuesWriter) roles(a pins.Accounts) {
	if a.ManageGroups {
		w.line("%s: {users: %s, scopes: []} # makes the accounts", accountsName, scalars(accountsOf(a.Groups)))
	}
	for _, g := range a.Groups {
		w.below(Role(g), func() {
			w.line("groups: %s", scalars([]string{g.Name.Value}))
			w.below("scopes", func() {
				for _, s := range Scopes(Account(g)) {
					w.line("- %s", scalar(s))
				}
			})
		})
	}
}

// hook is what reads the limits when a server is started. Its key sorts behind those
// of others, whose own hook is run too.
func (w *valuesWriter) hook(a pins.Accounts) string {
	var accounts, limits []string
	for _, g := range a.Groups {
		if limited(g) {
			name := quoted(g.Name.Value)
			accounts = append(accounts, fmt.Sprintf("%q: %s", Account(g), name))
			limits = append(limits, fmt.Sprintf("    %s: {%s},\n", name, limitsOf(g, ": ", `"`)))
		}
	}
	text := "# A server has the limits of its owner's groups, a shared account's those of its group; of several " +
		"the largest.\n" +
		"account_groups = {" + strings.Join(accounts, ", ") + "}\n"
	properties := "{g.name: g.properties or {} for g in spawner.db.query(Group).filter(Group.name.in_(names))}"
	if a.ManageGroups || !w.since("4.0.0") {
		text += "group_limits = {\n" + strings.Join(limits, "") + "}\n"
		properties = "{n: group_limits.get(n, {}) for n in names}"
	} else {
		text = "from jupyterhub.orm import Group\n\n" + text
	}
	return text + `
def with_limits(before):
    async def limits_of_groups(spawner):
        names = [g.name for g in spawner.user.groups] + [account_groups.get(spawner.user.name, "")]
        properties = ` + properties + `
        for what in ("mem", "cpu"):
            limits = [p[what + "_limit"] for p in properties.values() if what + "_limit" in p]
            if limits:
                limit, guarantee = max(limits), getattr(spawner, what + "_guarantee")
                setattr(spawner, what + "_limit", limit)
                if guarantee and guarantee > limit:
                    setattr(spawner, what + "_guarantee", limit)
        if before:
            done = before(spawner)
            if hasattr(done, "__await__"):
                await done

    return limits_of_groups

# A hook that stands at a class of spawners goes before that of all: each runs behind the limits.
for spawners in {"Spawner", *(name for name in c if "pre_spawn_hook" in c[name])}:
    c[spawners].pre_spawn_hook = with_limits(c[spawners].get("pre_spawn_hook"))
`
}

// singleuser writes the image and how it is launched.
func (w *valuesWriter) singleuser(l pins.Launch, image string) error {
	var errs []error
	if image == "" && len(l.Cmd) == 0 && len(l.Env) == 0 && len(l.Files) == 0 {
		return nil
	}
	w.below("singleuser", func() {
		if image != "" {
			name, tag, err := splitImage(image)
			errs = append(errs, err)
			w.below("image", func() {
				w.line("name: %s", scalar(name))
				w.line("tag: %s", strconv.Quote(tag))
			})
		}
		if len(l.Cmd) > 0 {
			w.below("cmd", func() {
				for _, arg := range l.Cmd {
					w.line("- %s", scalar(arg.Value))
				}
			})
		}
		if len(l.Env) > 0 {
			w.below("extraEnv", func() {
				for _, name := range slices.Sorted(maps.Keys(l.Env)) {
					w.line("%s: %s", scalar(name), scalar(l.Env[name]))
				}
			})
		}
		if len(l.Files) > 0 {
			w.below("extraFiles", func() { w.files(l.Files) })
		}
	})
	return errors.Join(errs...)
}

// unkept are the characters that the key of a Kubernetes Secret does not have.
var unkept = regexp.MustCompile(`[^-._a-zA-Z0-9]+`)

// files writes the files of a launch. A key is a file's name, with its folders where
// two are called the same.
func (w *valuesWriter) files(files []pins.LaunchFile) {
	used := map[string]bool{}
	for _, f := range files {
		key := unkept.ReplaceAllString(path.Base(f.Path), "-")
		if used[key] {
			key = unkept.ReplaceAllString(strings.Trim(f.Path, "/"), "-")
		}
		for n := 2; used[key]; n++ {
			key = fmt.Sprintf("%d-%s", n, unkept.ReplaceAllString(path.Base(f.Path), "-"))
		}
		used[key] = true
		w.below(key, func() {
			w.line("mountPath: %s", scalar(f.Path))
			if content := string(f.Content); isBlock(content) {
				w.block("stringData", content)
			} else {
				w.line("stringData: %s", scalar(content))
			}
		})
	}
}

// isBlock reports whether a text comes back as it is from a block of YAML: its lines
// end as lines do, and nothing is in it that a reader takes for something else.
func isBlock(text string) bool {
	odd := func(c rune) bool { return c != '\n' && c != '\t' && !unicode.IsPrint(c) }
	ends := strings.HasSuffix(text, "\n") && !strings.HasSuffix(text, "\n\n")
	return ends && !strings.ContainsAny(text[:1], " \t\n") && strings.IndexFunc(text, odd) < 0
}

// splitImage splits a reference as the chart wants it: name and tag, which it joins
// by a colon. So of NAME@sha256:HEX the tag is HEX.
func splitImage(ref string) (name, tag string, err error) {
	m := byDigest.FindStringSubmatch(ref)
	if m == nil {
		return "", "", fmt.Errorf("image %q: write it with its digest, REPOSITORY@sha256:…, so that what is "+
			"launched is what was checked", ref)
	}
	repository := strings.TrimSuffix(m[1], "@sha256")
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository = repository[:i] // the digest says more than the tag
	}
	return repository + "@sha256", m[2], nil
}
