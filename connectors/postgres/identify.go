package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/pg"
	"prumo.dev/prumo/internal/fact"
)

// queryIdentity asks who we are and what we could change in this database.
const queryIdentity = `SELECT current_user, current_setting('server_version'), r.rolsuper,
 r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls OR r.rolreplication,
 has_database_privilege(current_database(), 'CREATE')
  OR EXISTS (SELECT FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND has_schema_privilege(n.oid, 'CREATE'))
  OR EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm')
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')),
 pg_has_role('pg_monitor', 'USAGE'),
 has_table_privilege('pg_hba_file_rules', 'SELECT') AND has_function_privilege('pg_hba_file_rules()', 'EXECUTE')
 FROM pg_roles r WHERE r.rolname = current_user`

// Identify implements connector.Identifier.
func (Connector) Identify(ctx context.Context, run connector.Run) (connector.Identity, error) {
	t, err := pg.TargetOf(run.Settings)
	if err != nil {
		return connector.Identity{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	s, err := connect(ctx, run, t)
	if err != nil {
		return connector.Identity{}, told(err)
	}
	defer s.Close(ctx)
	r := &reader{run: run, target: t, s: s}
	var name, version string
	var super, strong, writes, monitor, hba bool
	err = s.ask(ctx, queryIdentity, func(rows pgx.Rows) error {
		return rows.Scan(&name, &version, &super, &strong, &writes, &monitor, &hba)
	})
	if err != nil {
		return connector.Identity{}, told(err)
	}
	hashes, err := r.hashes(ctx)
	if err != nil {
		return connector.Identity{}, told(err)
	}
	id := connector.Identity{Name: clean(name), System: s.describe(version), ReadOnly: fact.Some(!super && !strong && !writes)}
	for _, g := range []struct {
		has   bool
		grant string
	}{{monitor, grantMonitor}, {hba, grantHBA}, {hashes != nil, grantHash}} {
		if !g.has {
			id.Missing = append(id.Missing, g.grant)
		}
	}
	for _, x := range []struct {
		has  bool
		what string
	}{{super, "SUPERUSER"}, {strong, "CREATEROLE, CREATEDB, BYPASSRLS or REPLICATION"}, {writes, "rights to write in this database"}} {
		if x.has {
			id.Excess = append(id.Excess, x.what)
		}
	}
	return id, nil
}

// describe names the system and how our connection to it is protected.
func (s *session) describe(version string) string {
	over := "not encrypted"
	switch {
	case s.Target.Socket():
		over = "over a local socket"
	case s.TLS != "":
		over = s.TLS + ", sslmode " + string(s.Target.Mode)
	}
	return strings.TrimSpace(fmt.Sprintf("PostgreSQL %s (%s)", number(version), over))
}
