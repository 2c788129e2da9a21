// Package sql asks any server that speaks PostgreSQL's protocol questions of
// yours, so also a Steampipe, and makes facts of the rows by a declaration
// (internal/connector/mapping). Each query is one statement in a transaction of
// its own that can write nothing and ends by itself; what the role may read is
// the server's business.
//
// Start at Connector.Collect; row.go says what a column becomes.
package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
	"prumo.dev/prumo/internal/connector/pg"
	"prumo.dev/prumo/internal/fact"
)

// Limits of one query.
const (
	maxRows      = 200_000
	maxBytes     = 128 << 20
	usualTimeout = 60
	mostTimeout  = 3600
)

// A Connector asks SQL. It holds no state.
type Connector struct{}

// New returns the connector.
func New() connector.Connector { return Connector{} }

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    "sql",
		Title: "SQL",
		Summary: connector.Text{
			"en":    "Asks a PostgreSQL server, or what speaks its protocol such as Steampipe, and makes facts of the rows.",
			"pt-BR": "Consulta um servidor PostgreSQL, ou o que fala seu protocolo, como o Steampipe, e faz fatos das linhas.",
			"es":    "Consulta un servidor PostgreSQL, o lo que habla su protocolo, como Steampipe, y hace hechos de las filas.",
		},
		Origin: fact.OriginAPI,
		Kinds:  mapping.Kinds(),
		Every:  15 * time.Minute,
		Fields: fields(),
	}
}

func text(en, pt, es string) connector.Text {
	return connector.Text{"en": en, "pt-BR": pt, "es": es}
}

func fields() []connector.Field {
	return []connector.Field{
		{
			Name: "url", Type: connector.FieldSecret, Required: true, Check: checkAddress, Label: text("Address", "Endereço", "Dirección"),
			Hint: text("postgres://prumo:PASSWORD@db.example.com:5432/app?sslmode=verify-full", "postgres://prumo:SENHA@db.exemplo.com:5432/app?sslmode=verify-full", "postgres://prumo:CLAVE@db.ejemplo.com:5432/app?sslmode=verify-full"),
		},
		{
			Name: "ca", Type: connector.FieldText, Lines: true, Check: checkCA, Label: text("Certificate authority", "Autoridade certificadora", "Autoridad de certificación"),
			Hint: text("Certificates in PEM; empty: those of this machine", "Certificados em PEM; vazio: os desta máquina", "Certificados en PEM; vacío: los de esta máquina"),
		},
		{
			Name: "maps", Type: connector.FieldDocument, Required: true, Check: checkMaps, Label: text("Maps", "Mapas", "Mapas"),
			Hint: text("A list in YAML: queries, and which facts their rows are, with examples", "Uma lista em YAML: consultas, e que fatos são suas linhas, com exemplos", "Una lista en YAML: consultas, y qué hechos son sus filas, con ejemplos"),
		},
		{
			Name: "timeout", Type: connector.FieldInt, Default: int64(usualTimeout), Check: checkTimeout, Label: text("Time limit in seconds", "Limite de tempo em segundos", "Límite de tiempo en segundos"),
			Hint: text("Of each query", "De cada consulta", "De cada consulta"),
		},
	}
}

func checkAddress(v any) error {
	s, _ := v.(string)
	_, err := pg.ParseAddress(s)
	return err
}

func checkCA(v any) error {
	s, _ := v.(string)
	_, err := pg.ParseRoots(s)
	return err
}

func checkMaps(v any) error {
	s, _ := v.(string)
	_, err := mapping.Parse(s, "query!")
	return err
}

func checkTimeout(v any) error {
	if n, _ := v.(int64); n < 1 || n > mostTimeout {
		return fmt.Errorf("must be from 1 to %d seconds", mostTimeout)
	}
	return nil
}

// errEmit is the failure of whoever takes the facts, not of the server.
type errEmit struct{ error }

func (e errEmit) Unwrap() error { return e.error }

// Collect implements connector.Connector. Each map is a scope of its own; one
// connection serves all.
func (Connector) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	target, err := pg.TargetOf(run.Settings)
	if err != nil {
		return err
	}
	maps, err := mapping.Parse(run.Settings.Text("maps"), "query!")
	if err != nil {
		return fmt.Errorf("%w: maps: %w", connector.ErrSettings, err)
	}
	limit := time.Duration(run.Settings.Int("timeout")) * time.Second
	if limit <= 0 {
		limit = usualTimeout * time.Second
	}
	var session *pg.Session
	var fault error
	for _, m := range maps {
		if session == nil || session.Conn.IsClosed() { // one query may cost the connection, not the others
			session, fault = pg.Connect(ctx, run, target)
			if session != nil {
				defer session.Close(ctx)
			}
		}
		if err := read(ctx, m, session, fault, limit, emit); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// read asks one query and closes its scope.
func read(ctx context.Context, m *mapping.Map, session *pg.Session, fault error, limit time.Duration, emit connector.Emit) error {
	scope, err := m.Open(emit)
	if err != nil {
		return err
	}
	if fault == nil {
		within, cancel := context.WithTimeout(ctx, limit+5*time.Second)
		fault = ask(within, session, m.Extra["query"], limit, scope)
		cancel()
	}
	if failed := (errEmit{}); errors.As(fault, &failed) {
		return failed.error
	}
	reading, detail := honest(fault)
	if session != nil && detail.Why == "" && fault == nil {
		detail.Why = scope.Note()
		if detail.Why == "" {
			detail.Why = session.InForce()
		}
	}
	return scope.Close(reading, detail)
}

// ask gives each row of a query to the scope.
func ask(ctx context.Context, session *pg.Session, query string, limit time.Duration, scope *mapping.Scope) error {
	var columns []string
	q := pg.Question{
		Text: query, One: true, MaxRows: maxRows, MaxBytes: maxBytes,
		Guard: fmt.Sprintf("SET LOCAL statement_timeout = '%dms';SET LOCAL lock_timeout = '5s';SET LOCAL TimeZone = 'UTC';SET LOCAL DateStyle = 'ISO'", limit.Milliseconds()),
	}
	return session.Ask(ctx, q, func(rows pgx.Rows) error {
		if columns == nil {
			var err error
			if columns, err = names(rows.FieldDescriptions()); err != nil {
				return err
			}
		}
		row, err := rowOf(rows, columns)
		if err != nil {
			return err
		}
		if err := scope.Row(row); err != nil {
			return errEmit{err}
		}
		return nil
	})
}

// names are the columns'. A row could not say which of two it means.
func names(fields []pgconn.FieldDescription) ([]string, error) {
	var out []string
	for _, f := range fields {
		if slices.Contains(out, f.Name) {
			return nil, &mapping.Misfit{Why: "two columns of the query have the same name; name each with AS"}
		}
		out = append(out, f.Name)
	}
	return out, nil
}

// honest says what an error means, in words for whoever wrote the query.
func honest(err error) (fact.Reading, connector.Detail) {
	reading, d := pg.Honest(err)
	var pe *pgconn.PgError
	switch misfit := (*mapping.Misfit)(nil); {
	case errors.As(err, &misfit):
		d.Why = misfit.Why
	case errors.Is(err, connector.ErrTooLarge):
		d.Why = fmt.Sprintf("the query gave more than %d rows or %d MB; make it give less", maxRows, maxBytes>>20)
	case errors.As(err, &pe) && pe.Code == "57014":
		d.Why = "the query took longer than its limit; make it cheaper or raise timeout"
	case errors.As(err, &pe) && pe.Code == "25006":
		d.Why = "the query writes, and queries may only read"
	case errors.As(err, &pe) && pe.Code == "42501":
		d.Why, d.Permission = "the role may not read what the query asks for", "SELECT on the tables of the query"
	case errors.As(err, &pe) && pe.Code == "42601":
		d.Why = "the query is not valid SQL, or is more than one statement"
	case errors.As(err, &pe) && (pe.Code == "42P01" || pe.Code == "42703" || pe.Code == "42883"):
		d.Why = "the query names a table, column or function that is not there"
	}
	return reading, d
}
