package postgres

import (
	"context"
	"slices"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/pg"
	"prumo.dev/prumo/internal/fact"
)

// The scopes of a server.
const (
	scopeServer = "server"
	scopeRoles  = "roles"
	scopeLog    = "log"
)

// A part reads one scope.
type part struct {
	scope string
	kinds []string
	read  func(*reader, context.Context, *tally) error
}

func parts() []part {
	return []part{
		{scopeServer, []string{"database"}, (*reader).server},
		{scopeRoles, []string{"database_role", "account"}, (*reader).roles},
		{scopeLog, []string{"log_source"}, (*reader).log},
	}
}

// A reader is one reading.
type reader struct {
	run    connector.Run
	emit   connector.Emit
	target pg.Target
	s      *session
}

// Collect implements connector.Connector.
func (c Connector) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	return collect(ctx, run, emit, parts())
}

// Reread implements connector.Rereader: the scopes whose tripwire moved, each whole.
func (c Connector) Reread(ctx context.Context, run connector.Run, targets []string, emit connector.Emit) error {
	wanted := slices.DeleteFunc(parts(), func(p part) bool { return !slices.Contains(targets, p.scope) })
	if len(wanted) == 0 {
		return ctx.Err()
	}
	return collect(ctx, run, emit, wanted)
}

func collect(ctx context.Context, run connector.Run, emit connector.Emit, wanted []part) error {
	t, err := pg.TargetOf(run.Settings)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	r := &reader{run: run, emit: emit, target: t}
	var refusal error
	r.s, refusal = connect(within, run, t)
	if r.s != nil {
		defer r.s.Close(ctx)
	}
	for _, p := range wanted {
		if err := r.part(within, p, refusal); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (r *reader) part(ctx context.Context, p part, refusal error) error {
	if err := r.emit.Open(connector.Scope{Name: p.scope, Kinds: p.kinds}); err != nil {
		return err
	}
	var y tally
	if !y.add(refusal, "") {
		if err := p.read(r, ctx, &y); err != nil {
			return err
		}
		y.note(r.s.InForce())
	}
	reading, detail := y.result()
	return r.emit.Close(p.scope, reading, detail)
}

// known is SomeIf for a text that is never empty when said.
func known(s string) fact.Opt[string] { return fact.SomeIf(clean(s), s != "") }
