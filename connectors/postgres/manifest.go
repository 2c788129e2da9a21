package postgres

import (
	"strings"

	"prumo.dev/prumo/internal/connector"
)

const (
	makeRole = `-- Give it a password with \password prumo, so that it stands in no log.
CREATE ROLE prumo LOGIN CONNECTION LIMIT 5;
ALTER ROLE prumo SET default_transaction_read_only = on;
`
	makeView = `-- Shows how a password is kept, never the hash itself. Make it in the database of the source's address.
CREATE SCHEMA prumo;
CREATE VIEW prumo.role_hash AS
  SELECT rolname, CASE WHEN rolpassword IS NULL THEN 'none'
    WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram-sha-256' ELSE 'md5' END AS hash
  FROM pg_catalog.pg_authid;
REVOKE ALL ON prumo.role_hash FROM PUBLIC;
GRANT USAGE ON SCHEMA prumo TO prumo;
`
)

// Manifest implements connector.Manifester: a script for psql.
func (c Connector) Manifest(kinds []string) connector.Manifest {
	var b strings.Builder
	b.WriteString(makeRole)
	for _, p := range c.Info().Needed(kinds) {
		if p.Name == grantHash {
			b.WriteString(makeView)
		}
		b.WriteString(strings.ReplaceAll(p.Name, "; ", ";\n") + ";\n")
	}
	return connector.Manifest{
		File: "prumo-reader.sql", Text: b.String(),
		How: connector.Text{
			"en":    "Run it with psql as a superuser, in the database that the source's address names.",
			"pt-BR": "Execute com psql como superusuário, no banco que o endereço da fonte nomeia.",
			"es":    "Ejecútelo con psql como superusuario, en la base que nombra la dirección de la fuente.",
		},
	}
}
