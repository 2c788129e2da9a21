// Package accessstore keeps tokens, sessions and sign-in links, each by the
// hash of its secret only.
package accessstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/store"
)

// A Store implements access.Store.
type Store struct{ db *store.DB }

// New keeps grants in db.
func New(db *store.DB) *Store { return &Store{db} }

// Put keeps a grant and drops those that are over.
func (s *Store) Put(ctx context.Context, g access.Grant) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		var expires any
		if !g.Expires.IsZero() {
			expires = store.Micros(g.Expires)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM access_grant WHERE expires_at <= $1", store.Micros(tx.Now())); err != nil {
			return fmt.Errorf("drop old grants: %w", err)
		}
		_, err := tx.Exec(ctx, `INSERT INTO access_grant (id, usage, hash, name, role, source, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, g.ID, g.Use, g.Hash, g.Name, int64(g.Role), g.Source, store.Micros(g.Created), expires)
		return err
	})
}

// Find returns the grant with the hash.
func (s *Store) Find(ctx context.Context, use string, hash []byte) (g access.Grant, err error) {
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		g, err = find(ctx, tx, use, hash)
		return err
	})
	return g, err
}

// Take returns the grant with the hash and removes it, so that it opens once.
func (s *Store) Take(ctx context.Context, use string, hash []byte) (g access.Grant, err error) {
	err = s.db.Write(ctx, func(tx *store.Tx) error {
		if g, err = find(ctx, tx, use, hash); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "DELETE FROM access_grant WHERE usage = $1 AND hash = $2", use, hash)
		if err == nil && n != 1 {
			return access.ErrDenied
		}
		return err
	})
	return g, err
}

// Remove ends a grant; it is no error if there is none.
func (s *Store) Remove(ctx context.Context, use string, hash []byte) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM access_grant WHERE usage = $1 AND hash = $2", use, hash)
		return err
	})
}

// RemoveOf ends the grants of one use that somebody holds.
func (s *Store) RemoveOf(ctx context.Context, use, name string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM access_grant WHERE usage = $1 AND name = $2", use, name)
		return err
	})
}

func find(ctx context.Context, tx *store.Tx, use string, hash []byte) (access.Grant, error) {
	g := access.Grant{Use: use, Hash: hash}
	var role, created int64
	var expires sql.NullInt64
	err := tx.Row(ctx, []any{&g.ID, &g.Name, &role, &g.Source, &created, &expires},
		"SELECT id, name, role, source, created_at, expires_at FROM access_grant WHERE usage = $1 AND hash = $2", use, hash)
	if errors.Is(err, store.ErrNotFound) {
		return g, access.ErrDenied
	}
	g.Role, g.Created = access.Role(role), store.Time(created)
	if t := store.TimePtr(expires); t != nil {
		g.Expires = *t
	}
	return g, err
}
