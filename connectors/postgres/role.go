package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

const queryRoles = `SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
 CASE WHEN isfinite(rolvaliduntil) THEN extract(epoch FROM rolvaliduntil)::bigint WHEN rolvaliduntil = '-infinity' THEN 0 END
 FROM pg_roles ORDER BY rolname`

// queryMembers asks through JSON for what release 16 added: whether the member
// may take the role on, and whether it has its rights without doing so.
const queryMembers = `SELECT r.rolname, m.rolname, coalesce((to_jsonb(a) ->> 'set_option')::bool, true),
 coalesce((to_jsonb(a) ->> 'inherit_option')::bool, true)
 FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member ORDER BY 1, 2`

// queryView finds our view if a superuser owns it: anybody else's may say, and
// run, what its owner likes.
const queryView = `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
 JOIN pg_roles s ON s.oid = n.nspowner
 WHERE n.nspname = 'prumo' AND c.relname = 'role_hash' AND c.relkind = 'v' AND o.rolsuper AND s.rolsuper
 AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`

const queryAuthID = `SELECT count(*) FROM (SELECT 1 WHERE has_column_privilege('pg_authid', 'rolpassword', 'SELECT')) x`

const (
	queryHashes    = `SELECT rolname, hash FROM prumo.role_hash`
	queryOwnHashes = `SELECT rolname, CASE WHEN rolpassword IS NULL THEN 'none' WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram-sha-256' ELSE 'md5' END FROM pg_authid`
)

// A role is one row of pg_roles.
type role struct {
	name                                                       string
	login, super, bypassRLS, createRole, createDB, replication bool
	until                                                      *int64 // seconds; nil: for ever
}

// A membership says that member is in role.
type membership struct {
	role, member string
	set, inherit bool
}

func (r *reader) roleRows(ctx context.Context) ([]role, error) {
	var out []role
	err := r.s.ask(ctx, queryRoles, func(rows pgx.Rows) error {
		var o role
		err := rows.Scan(&o.name, &o.login, &o.super, &o.bypassRLS, &o.createRole, &o.createDB, &o.replication, &o.until)
		out = append(out, o)
		return err
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("no roles: %w", connector.ErrFormat)
	}
	return out, err
}

func (r *reader) memberships(ctx context.Context) ([]membership, error) {
	out := []membership{}
	err := r.s.ask(ctx, queryMembers, func(rows pgx.Rows) error {
		var m membership
		err := rows.Scan(&m.role, &m.member, &m.set, &m.inherit)
		out = append(out, m)
		return err
	})
	return out, err
}

// hashes returns the kind of each role's password hash, or nil where the role
// may not know. The hash itself stays on the server.
func (r *reader) hashes(ctx context.Context) (map[string]string, error) {
	for _, way := range []struct{ may, query string }{{queryView, queryHashes}, {queryAuthID, queryOwnHashes}} {
		var may int64
		err := r.s.ask(ctx, way.may, func(rows pgx.Rows) error { return rows.Scan(&may) })
		if err != nil {
			return nil, err
		}
		if may == 0 {
			continue
		}
		out := map[string]string{}
		err = r.s.ask(ctx, way.query, func(rows pgx.Rows) error {
			var name, hash string
			err := rows.Scan(&name, &hash)
			if hash == "scram-sha-256" || hash == "md5" || hash == "none" {
				out[name] = hash
			}
			return err
		})
		return out, err
	}
	return nil, nil
}

// roles emits every role but those that PostgreSQL brings along, and an account
// for each role that is a person's.
func (r *reader) roles(ctx context.Context, y *tally) error {
	all, err := r.roleRows(ctx)
	if y.add(err, "") {
		return nil
	}
	members, err := r.memberships(ctx)
	if y.add(err, "") && passing(err) {
		return nil
	}
	known := err == nil
	hashes, err := r.hashes(ctx)
	if y.add(err, grantHash) && passing(err) {
		return nil
	}
	if err == nil && hashes == nil {
		y.note("how passwords are kept is not shown: " + grantHash)
	}
	p := powers{roles: map[string]role{}, members: members}
	for _, o := range all {
		p.roles[o.name] = o
	}
	for _, o := range all {
		if strings.HasPrefix(o.name, "pg_") {
			continue
		}
		f := r.roleFact(o)
		hash, ok := hashes[o.name]
		f.Hash = fact.SomeIf(hash, ok)
		if known {
			up, down := p.around(o.name)
			f.MemberOf, f.Members, f.BecomesRoot = fact.Some(up), fact.Some(down), fact.Some(p.root(o.name))
		}
		if err := r.emit.Fact(scopeRoles, r.roleID(o.name), f); err != nil {
			return err
		}
		if err := r.account(o, f, hash); err != nil {
			return err
		}
	}
	return nil
}

// roleID writes what an id cannot hold so that two names never become one.
func (r *reader) roleID(name string) string {
	var b strings.Builder
	for i, c := range name {
		_, width := utf8.DecodeRuneInString(name[i:])
		switch {
		case c == utf8.RuneError && width == 1:
			fmt.Fprintf(&b, `\x%02x`, name[i])
		case unicode.IsControl(c), c == '\\', unicode.Is(unicode.Cf, c):
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return r.target.ID() + "/" + b.String()
}

func (r *reader) roleFact(o role) fact.DatabaseRole {
	f := fact.DatabaseRole{
		Name:        fact.Some(clean(o.name)),
		Database:    fact.Some(fact.Ref(r.target.ID())),
		CanLogin:    fact.Some(o.login),
		Superuser:   fact.Some(o.super),
		BypassRLS:   fact.Some(o.bypassRLS),
		CreateRole:  fact.Some(o.createRole),
		CreateDB:    fact.Some(o.createDB),
		Replication: fact.Some(o.replication),
		NoExpiry:    fact.Some(o.until == nil),
	}
	if o.until != nil {
		f.ExpiresAt = fact.Some(time.Unix(*o.until, 0).UTC())
	}
	people, services := r.run.Settings.Map("people"), r.run.Settings.List("services")
	if len(people) == 0 && len(services) == 0 {
		return f // nobody said anything about anybody
	}
	person := people[o.name]
	service := slices.Contains(services, o.name)
	f.Service = fact.Some(service)
	f.Assigned = fact.Some(service || len(person) > 0)
	if len(person) > 0 {
		f.Person = fact.Some(fact.Ref(person[0]))
	}
	return f
}

// account emits the account of a role that is a person's, for reviews and for
// whoever leaves. Programs' roles are judged as roles. PostgreSQL knows no
// second factor and no last sign-in: both stay unknown.
func (r *reader) account(o role, f fact.DatabaseRole, hash string) error {
	if !o.login || !f.Person.Known() {
		return nil
	}
	a := fact.Account{
		Login:        f.Name,
		System:       fact.Some("postgresql"),
		Type:         fact.Some("human"),
		Active:       fact.Some(o.until == nil || r.run.Now().Before(time.Unix(*o.until, 0))),
		Admin:        fact.SomeIf(o.super || o.createRole || len(f.BecomesRoot.Or(nil)) > 0, o.super || o.createRole || f.BecomesRoot.Known()),
		Groups:       f.MemberOf,
		Person:       f.Person,
		ExpiresAt:    f.ExpiresAt,
		PasswordHash: fact.SomeIf(hash, hash != "" && hash != "none"),
	}
	return r.emit.Fact(scopeRoles, r.roleID(o.name), a)
}

// powers follows memberships.
type powers struct {
	roles   map[string]role
	members []membership
}

// around lists the roles that a role is directly in, and those directly in it.
func (p powers) around(name string) (up, down []string) {
	up, down = []string{}, []string{}
	for _, m := range p.members {
		if m.member == name {
			up = append(up, clean(m.role))
		}
		if m.role == name {
			down = append(down, clean(m.member))
		}
	}
	slices.Sort(up)
	slices.Sort(down)
	return slices.Compact(up), slices.Compact(down)
}

// root lists the roles with every right over the server that a role reaches
// through any number of memberships: superusers, which must be taken on, and
// those that run programs or touch files as the server, by which anything can
// be had.
func (p powers) root(name string) []string {
	out := []string{}
	for r := range p.reach(name, func(m membership) bool { return m.set }) {
		if p.roles[r].super {
			out = append(out, clean(r))
		}
	}
	for r := range p.reach(name, func(m membership) bool { return m.set || m.inherit }) {
		switch r {
		case "pg_execute_server_program", "pg_write_server_files", "pg_read_server_files":
			out = append(out, r)
		}
	}
	slices.Sort(out)
	return out
}

func (p powers) reach(name string, by func(membership) bool) map[string]bool {
	seen := map[string]bool{}
	for todo := []string{name}; len(todo) > 0; todo = todo[1:] {
		for _, m := range p.members {
			if m.member == todo[0] && m.role != name && !seen[m.role] && by(m) {
				seen[m.role] = true
				todo = append(todo, m.role)
			}
		}
	}
	return seen
}
