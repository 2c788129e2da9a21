package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/pg"
)

// Tripwire implements connector.Tripwirer: over one connection it asks for
// settings, access rules and roles, which are small, and hashes each. What the
// role may not see has no part in it.
func (Connector) Tripwire(ctx context.Context, run connector.Run) (map[string]string, error) {
	t, err := pg.TargetOf(run.Settings)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pg.ConnectLimit)
	defer cancel()
	r := &reader{run: run, target: t}
	if r.s, err = connect(ctx, run, t); err != nil {
		return nil, told(err)
	}
	defer r.s.Close(ctx)
	hashes := map[string]string{}
	if h, err := r.serverHash(ctx); err == nil {
		hashes[scopeServer] = h
		hashes[scopeLog] = h
	}
	if h, err := r.rolesHash(ctx); err == nil {
		hashes[scopeRoles] = h
	}
	return hashes, ctx.Err()
}

func (r *reader) serverHash(ctx context.Context) (string, error) {
	c, err := r.config(ctx)
	if err != nil {
		return "", err
	}
	all, err := r.rules(ctx)
	if err != nil && !refused(err) {
		return "", err
	}
	return sum(map[string]string(c), all), nil
}

func (r *reader) rolesHash(ctx context.Context) (string, error) {
	all, err := r.roleRows(ctx)
	if err != nil {
		return "", err
	}
	members, err := r.memberships(ctx)
	if err != nil {
		return "", err
	}
	hashes, err := r.hashes(ctx)
	if err != nil {
		return "", err
	}
	var flat []string
	for _, o := range all {
		until := int64(-1)
		if o.until != nil {
			until = *o.until
		}
		o.until = nil
		flat = append(flat, fmt.Sprintf("%+v %d", o, until))
	}
	return sum(flat, members, hashes), nil
}

// sum hashes values; maps are written in the order of their keys.
func sum(values ...any) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q", fmt.Sprintf("%+v", values)))
	return hex.EncodeToString(h[:8])
}

// A toldError says what went wrong in words that hold nothing of the server's
// and no secret.
type toldError struct {
	why   string
	cause error
}

func (e *toldError) Error() string { return e.why }
func (e *toldError) Unwrap() error { return e.cause }

func told(err error) error {
	_, d := honest(err)
	return &toldError{why: d.Why, cause: err}
}
