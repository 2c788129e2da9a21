// Package settingstore keeps settings by area and name. Their bytes are sealed
// by whoever puts them in; here they have no meaning. A version rises with
// every change, so that another process can see one cheaply.
package settingstore

import (
	"context"
	"fmt"

	"prumo.dev/prumo/internal/store"
)

// A Store keeps settings in a database.
type Store struct{ db *store.DB }

// New keeps settings in db.
func New(db *store.DB) *Store { return &Store{db} }

// List returns the settings of an area by name.
func (s *Store) List(ctx context.Context, area string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, "SELECT name, body FROM setting WHERE area = $1", area)
		if err != nil {
			return fmt.Errorf("list settings of %s: %w", area, err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var body []byte
			if err := rows.Scan(&name, &body); err != nil {
				return err
			}
			out[name] = body
		}
		return rows.Err()
	})
	return out, err
}

// Put keeps a setting.
func (s *Store) Put(ctx context.Context, area, name string, body []byte) error {
	return s.change(ctx, `INSERT INTO setting (area, name, body, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (area, name) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at`,
		area, name, body, store.Micros(s.db.Now()))
}

// Delete removes a setting; it is no error if there is none.
func (s *Store) Delete(ctx context.Context, area, name string) error {
	return s.change(ctx, "DELETE FROM setting WHERE area = $1 AND name = $2", area, name)
}

func (s *Store) change(ctx context.Context, query string, args ...any) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, query, args...)
		if err != nil || n == 0 {
			return err
		}
		if _, err = tx.Exec(ctx, "UPDATE setting_version SET version = version + 1 WHERE one = 1"); err != nil {
			return err
		}
		return tx.Notify(ctx, store.TopicSettings)
	})
}

// Version rises with every change.
func (s *Store) Version(ctx context.Context) (v int64, err error) {
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(ctx, []any{&v}, "SELECT version FROM setting_version WHERE one = 1")
	})
	return v, err
}
