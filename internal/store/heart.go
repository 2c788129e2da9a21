package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"

	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/ledger"
)

// A heart is the monitor's side of a transaction.
type heart struct {
	*Tx
	leaf   int64            // number of the leaf that this transaction appends, from 1; 0: not asked yet
	ids    map[string]int64 // last id of a table
	source map[int64]string // names of sources
	turned bool             // another process wrote since this one did
	told   bool             // verdicts changed, which open pages show
}

var _ monitor.Store = (*DB)(nil)

// Heart implements monitor.Store: one transaction of the monitor at a time,
// over all replicas.
func (db *DB) Heart(ctx context.Context, fn func(monitor.Tx) error) error {
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.Lock(ctx, LockHeart); err != nil {
			return err
		}
		h := newHeart(tx)
		if err := h.turn(ctx); err != nil {
			return err
		}
		if err := fn(h); err != nil || !h.told {
			return err
		}
		return tx.Notify(ctx, TopicTurned)
	})
}

// View implements monitor.Store.
func (db *DB) View(ctx context.Context, fn func(monitor.Tx) error) error {
	return db.Read(ctx, func(tx *Tx) error { return fn(newHeart(tx)) })
}

func newHeart(tx *Tx) *heart {
	return &heart{Tx: tx, ids: map[string]int64{}, source: map[int64]string{}}
}

// TxOf gives the transaction behind the monitor's side of it, or nil. Whoever
// takes a cause (monitor.Outbox) writes its message in that transaction.
func TxOf(tx monitor.Tx) *Tx {
	if h, ok := tx.(*heart); ok {
		return h.Tx
	}
	return nil
}

// nextID gives the next id of a table. Only the monitor adds rows to these
// tables, one transaction at a time.
func (h *heart) nextID(ctx context.Context, table string) (int64, error) {
	last, ok := h.ids[table]
	if !ok {
		column := "id"
		if err := h.Row(ctx, []any{&last}, "SELECT COALESCE(MAX("+column+"), 0) FROM "+table); err != nil {
			return 0, fmt.Errorf("last id of %s: %w", table, err)
		}
		last = max(last, 0)
	}
	h.ids[table] = last + 1
	return last + 1, nil
}

// nextLeaf is the number of the leaf that this transaction appends.
func (h *heart) nextLeaf(ctx context.Context) (int64, error) {
	if h.leaf == 0 {
		var size int64
		if err := h.Row(ctx, []any{&size}, "SELECT size FROM ledger_head WHERE id = 1"); err != nil {
			return 0, fmt.Errorf("size of the ledger: %w", err)
		}
		h.leaf = size + 1
	}
	return h.leaf, nil
}

// Log implements monitor.Tx: it appends one leaf, its nonce beside it, and the
// hashes of the tree; the head comes last.
func (h *heart) Log(ctx context.Context, at int64, contents []monitor.Content) (int64, error) {
	seq, err := h.nextLeaf(ctx)
	if err != nil {
		return 0, err
	}
	nonce := make([]byte, ledger.NonceSize)
	rand.Read(nonce)
	leaf := ledger.Leaf{At: Time(at), Entries: make([]ledger.Entry, len(contents))}
	for i, c := range contents {
		leaf.Entries[i] = ledger.Seal(nonce, i, c.Sort, c.Bytes)
	}
	data := leaf.Bytes()
	added, err := ledger.Append(seq-1, data, hashReader{ctx, h.Tx})
	if err != nil {
		return 0, err
	}
	if _, err := h.Exec(ctx, "INSERT INTO ledger_leaf (seq, at, nonce, data) VALUES ($1, $2, $3, $4)", seq, at, nonce, data); err != nil {
		return 0, fmt.Errorf("store leaf %d: %w", seq, err)
	}
	rows := make([][]any, len(added.Hashes))
	for i, x := range added.Hashes {
		rows[i] = []any{added.First + int64(i) + 1, append([]byte(nil), x[:]...)}
	}
	if err := h.Insert(ctx, "INSERT INTO ledger_hash (id, hash)", "", rows); err != nil {
		return 0, fmt.Errorf("store hashes of leaf %d: %w", seq, err)
	}
	if _, err := h.Exec(ctx, "UPDATE ledger_head SET size = $1 WHERE id = 1", seq); err != nil {
		return 0, fmt.Errorf("move the ledger's head: %w", err)
	}
	h.leaf = 0
	return seq, nil
}

// A hashReader reads the tree's hashes; they are stored from id 1.
type hashReader struct {
	ctx context.Context //nolint:containedctx // tlog's interface has none
	tx  *Tx
}

// ReadHashes implements ledger.Hashes.
func (r hashReader) ReadHashes(indexes []int64) ([]ledger.Hash, error) {
	out := make([]ledger.Hash, len(indexes))
	for i, x := range indexes {
		var b []byte
		if err := r.tx.Row(r.ctx, []any{&b}, "SELECT hash FROM ledger_hash WHERE id = $1", x+1); err != nil {
			return nil, fmt.Errorf("read hash %d of the ledger: %w", x, err)
		}
		copy(out[i][:], b)
	}
	return out, nil
}

// LedgerHead is the ledger's size and root now.
func (db *DB) LedgerHead(ctx context.Context) (head ledger.Head, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		var size int64
		if err := tx.Row(ctx, []any{&size}, "SELECT size FROM ledger_head WHERE id = 1"); err != nil {
			return err
		}
		head, err = ledger.HeadOf(size, hashReader{ctx, tx})
		return err
	})
	return head, err
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// anys turns keys into arguments behind others.
func anys[T any](before []any, keys []T) []any {
	out := make([]any, 0, len(before)+len(keys))
	out = append(out, before...)
	for _, k := range keys {
		out = append(out, k)
	}
	return out
}

// gather runs a query over pieces of keys and collects what it finds. text is
// given the IN list.
func gather[K, T any](ctx context.Context, tx *Tx, before []any, keys []K, text func(in string) string, scan func(*sql.Rows) (T, error)) ([]T, error) {
	var out []T
	err := inChunks(keys, func(part []K) error {
		rows, err := tx.Query(ctx, text(List(len(part), len(before)+1)), anys(before, part)...)
		found, err := scanAll(rows, err, scan)
		out = append(out, found...)
		return err
	})
	return out, err
}
