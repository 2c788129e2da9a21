package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A unixUser is one line of /etc/passwd with what the shadow file and the
// groups say of it.
type unixUser struct {
	name, gecos, shell string
	uid, gid           int64
	password           fact.Opt[string] // the hashed field; it never leaves the connector
	changed, expires   int64            // days since 1970; 0: not set
	groups             []string
}

type users struct {
	list   []unixUser
	known  bool // /etc/passwd was read
	shadow bool // /etc/shadow was read
	shells []string
	uidMin int64
}

func (l *look) readUsers(ctx context.Context) users {
	u := users{uidMin: 1000}
	b, err := l.sys.read("/etc/passwd")
	if err != nil {
		return u
	}
	u.list, u.known = parsePasswd(string(b)), true
	if b, err := l.file(ctx, "empty_passwords", "/etc/shadow"); err == nil {
		u.shadow = true
		addShadow(u.list, string(b))
	} else if errors.Is(err, fs.ErrNotExist) {
		u.shadow = true // the hashes are in /etc/passwd itself
	}
	if b, err := l.sys.read("/etc/group"); err == nil {
		addGroups(u.list, string(b))
	}
	for _, line := range strings.Split(l.sys.text("/etc/shells"), "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
			u.shells = append(u.shells, line)
		}
	}
	for _, line := range strings.Split(l.sys.text("/etc/login.defs"), "\n") {
		if w := strings.Fields(line); len(w) == 2 && w[0] == "UID_MIN" {
			if n, err := strconv.ParseInt(w[1], 10, 64); err == nil {
				u.uidMin = n
			}
		}
	}
	return u
}

// emitAccounts emits the machine's local accounts.
func (l *look) emitAccounts(ctx context.Context, emit connector.Emit) error {
	const scope = "accounts"
	if err := emit.Open(connector.Scope{Name: scope, Kinds: []string{"account"}}); err != nil {
		return fmt.Errorf("open scope %s: %w", scope, err)
	}
	if !l.users.known {
		return emit.Close(scope, fact.Partial, connector.Detail{Why: "/etc/passwd could not be read"})
	}
	for i := range l.users.list {
		if err := emit.Fact(scope, l.id()+"/"+l.users.list[i].name, *l.account(&l.users.list[i])); err != nil {
			return fmt.Errorf("emit an account: %w", err)
		}
	}
	d := connector.Detail{Of: len(l.users.list)}
	if ctx.Err() != nil {
		d.Why = "the reading was cut short"
		return emit.Close(scope, fact.Partial, d)
	}
	if !l.users.shadow {
		d.Forbidden, d.Why = 1, "this account may not read /etc/shadow; the host's not_seen_command lets it"
	}
	return emit.Close(scope, fact.Complete, d)
}

func (l *look) account(u *unixUser) *fact.Account {
	interactive := l.users.interactive(u.shell)
	a := &fact.Account{
		Login: fact.Some(u.name), System: fact.Some("linux"), UID: fact.Some(u.uid),
		Interactive: fact.Some(interactive), Groups: fact.Some(u.groups), Host: fact.Some(fact.Ref(l.id())),
		Type: fact.Some(accountType(u, interactive, l.users.uidMin)),
	}
	if full, _, _ := strings.Cut(u.gecos, ","); full != "" {
		a.Name = fact.Some(full)
	}
	a.Admin = l.grants.admin(u)
	l.lastSignIn(u, a)
	if !interactive {
		a.Active = fact.Some(false)
	}
	hash, ok := u.password.Get()
	if !ok {
		return a
	}
	a.PasswordEmpty = fact.Some(hash == "")
	a.Locked = fact.Some(strings.HasPrefix(hash, "!") || strings.HasPrefix(hash, "*"))
	if name := hashName(hash); name != "" {
		a.PasswordHash = fact.Some(name)
	}
	if u.changed > 0 {
		a.PasswordChangedAt = fact.Some(day(u.changed))
	}
	if u.expires > 0 {
		a.ExpiresAt = fact.Some(day(u.expires))
	}
	a.Active = fact.Some(interactive && (u.expires == 0 || l.now().Before(day(u.expires))))
	return a
}

// accountType follows the machine's own ranges: system accounts lie below UID_MIN.
func accountType(u *unixUser, interactive bool, uidMin int64) string {
	switch {
	case u.uid == 0:
		return "shared"
	case u.uid < uidMin || u.uid == 65534 || !interactive:
		return "service"
	default:
		return "human"
	}
}

// interactive reports a shell that a person can work in.
func (u users) interactive(shell string) bool {
	switch path.Base(shell) {
	case "nologin", "false", "true", "sync", "shutdown", "halt", "git-shell":
		return false
	}
	return shell == "" || len(u.shells) == 0 || slices.Contains(u.shells, shell) || strings.HasSuffix(shell, "sh")
}

func day(days int64) time.Time { return time.Unix(days*24*60*60, 0).UTC() }

// lastSignIn reads the classic lastlog: one record of 292 bytes for each user
// id. An empty record is no proof that an account was never used.
func (l *look) lastSignIn(u *unixUser, a *fact.Account) {
	if t, ok := l.sys.lastlog(u.uid); ok {
		a.LastSignIn, a.NeverSignedIn = fact.Some(t), fact.Some(false)
	}
}

// parsePasswd reads /etc/passwd. A line with too few fields is passed over, as
// the system's own programs do.
func parsePasswd(text string) []unixUser {
	var out []unixUser
	seen := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		f := strings.Split(strings.ToValidUTF8(strings.TrimRight(line, "\r"), "\uFFFD"), ":")
		if len(f) < 7 || f[0] == "" || strings.HasPrefix(f[0], "+") || strings.HasPrefix(f[0], "-") || strings.HasPrefix(f[0], "#") {
			continue
		}
		uid, err := strconv.ParseInt(f[2], 10, 64)
		gid, gerr := strconv.ParseInt(f[3], 10, 64)
		if err != nil || gerr != nil || seen[f[0]] {
			continue
		}
		seen[f[0]] = true
		u := unixUser{name: f[0], uid: uid, gid: gid, gecos: f[4], shell: f[6], groups: []string{}}
		if f[1] != "x" {
			u.password = fact.Some(f[1])
		}
		out = append(out, u)
	}
	return out
}

// addShadow adds what /etc/shadow says to the users whose password field points there.
func addShadow(list []unixUser, text string) {
	lines := map[string][]string{}
	for _, line := range strings.Split(text, "\n") {
		f := strings.Split(strings.TrimRight(line, "\r"), ":")
		if _, ok := lines[f[0]]; len(f) >= 2 && !ok {
			lines[f[0]] = f
		}
	}
	for i := range list {
		u := &list[i]
		f, ok := lines[u.name]
		if !ok || u.password.Known() {
			continue
		}
		u.password = fact.Some(f[1])
		if len(f) > 2 {
			u.changed, _ = strconv.ParseInt(f[2], 10, 32)
		}
		if len(f) > 7 {
			u.expires, _ = strconv.ParseInt(f[7], 10, 32)
		}
	}
}

func addGroups(list []unixUser, text string) {
	for _, line := range strings.Split(text, "\n") {
		f := strings.Split(strings.ToValidUTF8(strings.TrimSpace(line), "\uFFFD"), ":")
		if len(f) < 4 {
			continue
		}
		members := strings.Split(f[3], ",")
		for i := range list {
			u := &list[i]
			if f[2] == strconv.FormatInt(u.gid, 10) || slices.Contains(members, u.name) {
				u.groups = append(u.groups, f[0])
			}
		}
	}
	for i := range list {
		slices.Sort(list[i].groups)
		list[i].groups = slices.Compact(list[i].groups)
	}
}

// hashName names the kind of a crypt(5) hash; the hash itself is never kept.
func hashName(hash string) string {
	hash = strings.TrimLeft(hash, "!*")
	if hash == "" {
		return ""
	}
	if hash[0] == '$' {
		id, _, ok := strings.Cut(hash[1:], "$")
		id, _, _ = strings.Cut(id, ",")
		name, known := map[string]string{
			"1": "md5", "2a": "bcrypt", "2b": "bcrypt", "2x": "bcrypt", "2y": "bcrypt", "5": "sha256", "6": "sha512",
			"7": "scrypt", "y": "yescrypt", "gy": "gost-yescrypt", "sha1": "sha1", "md5": "sunmd5", "3": "nt",
		}[id]
		switch {
		case known:
			return name
		case ok && strings.HasPrefix(id, "argon2"):
			return "argon2"
		}
		return "unknown"
	}
	if len(hash) == 13 || hash[0] == '_' && len(hash) == 20 {
		return "des"
	}
	return ""
}
