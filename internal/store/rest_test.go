package store_test

import (
	"errors"
	"testing"

	"prumo.dev/prumo/internal/store"
)

func TestShrinkLosesNothing(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	insert := func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO ledger_hash (id, hash) VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM ledger_hash), x'00')")
		return err
	}
	before := db.Commits()
	for range 3 {
		if err := db.Write(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
		if err := db.Shrink(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("broken")
	if err := db.Write(t.Context(), func(*store.Tx) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	if got := db.Commits() - before; got != 3 {
		t.Errorf("got %d commits, want 3: what was rolled back is none", got)
	}
	var n int64
	if err := db.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(t.Context(), []any{&n}, "SELECT COUNT(*) FROM ledger_hash") }); err != nil || n != 3 {
		t.Errorf("got %d rows, %v; want 3", n, err)
	}
}
