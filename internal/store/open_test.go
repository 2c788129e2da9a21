package store

import (
	"context"
	"errors"
	"testing"
	"time"
)

func openTest(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Dir: t.TempDir(), Now: func() time.Time { return time.Unix(1800000000, 0) }})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestWriteRollsBackAndReadCannotWrite(t *testing.T) {
	db, ctx := openTest(t), context.Background()
	put := func(tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO meta (name, value) VALUES ($1, $2)", "a", "b")
		return err
	}
	boom := errors.New("boom")
	if err := db.Write(ctx, func(tx *Tx) error { return errors.Join(put(tx), boom) }); !errors.Is(err, boom) {
		t.Fatalf("got %v, want boom", err)
	}
	var v string
	get := func(tx *Tx) error {
		return tx.Row(ctx, []any{&v}, "SELECT value FROM meta WHERE name = $1", "a")
	}
	if err := db.Read(ctx, get); !errors.Is(err, ErrNotFound) {
		t.Fatalf("after a rollback: got %v, want ErrNotFound", err)
	}
	for range 3 { // the second time the statement is prepared
		if err := db.Write(ctx, func(tx *Tx) error {
			if _, err := tx.Exec(ctx, "DELETE FROM meta WHERE name = $1", "a"); err != nil {
				return err
			}
			return put(tx)
		}); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	if err := db.Read(ctx, get); err != nil || v != "b" {
		t.Fatalf("got %q, %v, want b", v, err)
	}
	if err := db.Read(ctx, put); err == nil {
		t.Fatal("a read could write")
	}
}

func TestPlaceholdersMayRepeatAndComeInAnyOrder(t *testing.T) {
	db, ctx := openTest(t), context.Background()
	var a, b, c int64
	err := db.Read(ctx, func(tx *Tx) error {
		return tx.Row(ctx, []any{&a, &b, &c}, "SELECT CAST($2 AS BIGINT), CAST($1 AS BIGINT), CAST($2 AS BIGINT)", 1, 2)
	})
	if err != nil || a != 2 || b != 1 || c != 2 {
		t.Fatalf("got %d %d %d, %v, want 2 1 2", a, b, c, err)
	}
}

func TestBindCountsOnlyWhereNumbersCountUp(t *testing.T) {
	for text, want := range map[string]string{
		"a = $1 AND b IN ($2,$3)": "a = ? AND b IN (?,?)",
		"a = $2 AND b = $1":       "a = $2 AND b = $1",
		"a = $1 OR b = $1":        "a = $1 OR b = $1",
		"no placeholder":          "no placeholder",
	} {
		if got := SQLite.bind(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if got := Postgres.bind(text); got != text {
			t.Errorf("PostgreSQL: got %s, want %s", got, text)
		}
	}
}
