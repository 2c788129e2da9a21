package alertstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// A testHeart does for the tests what the monitor's store does: it seals
// causes and knows whether a run goes on.
type testHeart struct {
	db    *store.DB
	fails func() bool // Delivered does
}

func (h testHeart) RunOpen(ctx context.Context, run int64) (open bool, err error) {
	var ended sql.NullInt64
	err = h.db.Read(ctx, func(t *store.Tx) error {
		return t.Row(ctx, []any{&ended}, "SELECT ended_at FROM run WHERE id = $1", run)
	})
	return err == nil && !ended.Valid, nil
}

func (h testHeart) Seal(ctx context.Context, t *store.Tx, id string) (monitor.Cause, error) {
	c := monitor.Cause{ID: id}
	if _, err := t.Exec(ctx, "UPDATE cause SET sealed_at = $1 WHERE ext = $2 AND sealed_at IS NULL", store.Micros(t.Now()), id); err != nil {
		return c, err
	}
	var kind string
	var first, opened, severity int64
	var event sql.NullInt64
	err := t.Row(ctx, []any{&kind, &first, &c.Check, &c.Source, &c.Owner, &severity, &c.Run, &opened, &event, &c.Count},
		`SELECT c.kind, c.first, COALESCE(k.name, ''), s.name, c.owner, c.severity, c.run, c.opened_at, c.event_at, c.n
		FROM cause c LEFT JOIN chk k ON k.id = c.chk JOIN source s ON s.id = c.source WHERE c.ext = $1`, id)
	c.Kind, c.First, c.Severity, c.OpenedAt = monitor.CauseKind(kind), first == 1, check.Severity(severity), store.Time(opened)
	if event.Valid {
		c.EventAt = store.Time(event.Int64)
	}
	return c, err
}

func (h testHeart) Delivered(ctx context.Context, t *store.Tx, id string, at time.Time) error {
	if h.fails != nil && h.fails() {
		return errors.New("the heart is busy")
	}
	_, err := t.Exec(ctx, `UPDATE finding SET alerted_at = $1 WHERE alerted_at IS NULL AND cause = (SELECT id FROM cause WHERE ext = $2)`,
		store.Micros(at), id)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "INSERT INTO latency (id, kind, source, at, us) SELECT COALESCE(MAX(id), 0) + 1, 'alert', 0, $1, 0 FROM latency", store.Micros(at))
	return err
}

// A seed writes findings as the monitor would.
type seed struct {
	db *store.DB
	s  *Store
}

const (
	checkMFA  = "account-has-mfa"
	checkDisk = "host-disk-encrypted"
)

func testChecks(t testing.TB) *check.Set {
	t.Helper()
	set, problems := check.Load(fstest.MapFS{
		"mfa.yaml": {Data: []byte(`id: account-has-mfa
version: 1
kind: account
severity: high
title: {en: Every account has a second factor, pt-BR: Toda conta tem um segundo fator, es: Cada cuenta tiene un segundo factor}
when: account.active
pass: account.mfa
message: {en: "{{account.name}} signs in with a password alone", pt-BR: "{{account.name}} entra só com senha", es: "{{account.name}} entra solo con contraseña"}
fix: {en: "Ask {{account.name}} to enrol a second factor.", pt-BR: "Peça a {{account.name}} que ative um segundo fator.", es: "Pida a {{account.name}} que active un segundo factor."}
controls: [mfa]
fresh: 72h
examples:
  - {name: on, want: pass, account: {name: a, active: true, mfa: true}}
  - {name: off, want: fail, account: {name: b, active: true, mfa: false}}
  - {name: silent, want: unknown, account: {name: c, active: true}}
`)},
	})
	for _, p := range problems {
		t.Fatalf("load the test's check: %v", p)
	}
	return set
}

// begin makes the source, the check and one open run.
func (f *seed) begin(t testing.TB, run int64) {
	t.Helper()
	f.write(t, func(ctx context.Context, tx *store.Tx) error {
		now := store.Micros(tx.Now())
		for _, q := range []struct {
			text string
			args []any
		}{
			{"INSERT INTO source (id, name, created_at) VALUES (1, 'code', $1) ON CONFLICT DO NOTHING", []any{now}},
			{"INSERT INTO scope (id, source, name) VALUES (1, 1, 'members') ON CONFLICT DO NOTHING", nil},
			{"INSERT INTO chk (id, name, version, digest, kind, severity, each_fact, fresh_us) VALUES (1, 'account-has-mfa', 1, 'd', 'account', 3, 1, 0) ON CONFLICT DO NOTHING", nil},
			{"INSERT INTO run (id, source, cause, started_at) VALUES ($1, 1, 'schedule', $2) ON CONFLICT DO NOTHING", []any{run, now}},
		} {
			if _, err := tx.Exec(ctx, q.text, q.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *seed) end(t testing.TB, run int64) {
	t.Helper()
	f.write(t, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE run SET ended_at = $1 WHERE id = $2", store.Micros(tx.Now()), run)
		return err
	})
}

func (f *seed) write(t testing.TB, fn func(context.Context, *store.Tx) error) {
	t.Helper()
	ctx := context.Background()
	if err := f.db.Write(ctx, func(tx *store.Tx) error { return fn(ctx, tx) }); err != nil {
		t.Fatalf("seed: %v", err)
	}
}

// fail opens n findings of one new cause and queues it.
func (f *seed) fail(t testing.TB, cause string, run int64, owner string, n int) {
	t.Helper()
	f.write(t, func(ctx context.Context, tx *store.Tx) error { return f.failTx(ctx, tx, cause, run, owner, n) })
}

func (f *seed) failTx(ctx context.Context, tx *store.Tx, cause string, run int64, owner string, n int) error {
	now := tx.Now()
	id, err := f.causeTx(ctx, tx, cause, "failing", run, owner, n)
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("%s-%d", cause, i)
		data, err := json.Marshal(map[string]any{"name": name, "active": true, "mfa": false})
		if err != nil {
			return err
		}
		key := id*100000 + int64(i)
		for _, q := range []struct {
			text string
			args []any
		}{
			{
				"INSERT INTO fact (id, kind, fid, source, scope, name, origin, observed_at, first_seen, changed_at, hash) VALUES ($1, 'account', $2, 1, 1, $3, 'api', $4, $4, $4, $5)",
				[]any{key, "code/" + name, name, store.Micros(now), []byte{1}},
			},
			{"INSERT INTO fact_data (fact, data) VALUES ($1, $2)", []any{key, data}},
			{
				`INSERT INTO finding (id, ext, chk, fact, scope, source, version, severity, owner, message, actor, run, opened_at, due_at, cause)
				VALUES ($1, $2, 1, $1, 1, 1, 1, 3, $3, $4, 'mallory', $5, $6, $7, $8)`,
				[]any{key, "f-" + name, owner, name + " signs in with a password alone", run, store.Micros(now), store.Micros(now.AddDate(0, 0, 30)), id},
			},
		} {
			if _, err := tx.Exec(ctx, q.text, q.args...); err != nil {
				return err
			}
		}
	}
	return f.s.Enqueue(ctx, tx, monitor.Cause{ID: cause, Kind: monitor.CauseFailing, Check: checkMFA, Source: "code", Owner: owner, Run: run, Count: n})
}

func (f *seed) causeTx(ctx context.Context, tx *store.Tx, cause, kind string, run int64, owner string, n int) (int64, error) {
	var id int64
	if err := tx.Row(ctx, []any{&id}, "SELECT COALESCE(MAX(id), 0) + 1 FROM cause"); err != nil {
		return 0, err
	}
	_, err := tx.Exec(ctx, `INSERT INTO cause (id, ext, kind, first, chk, source, owner, severity, run, part, opened_at, n)
		VALUES ($1, $2, $3, 0, 1, 1, $4, 3, $5, $1, $6, $7)`, id, cause, kind, owner, run, store.Micros(tx.Now()), n)
	return id, err
}

// recover closes the findings of a cause and tells it by another.
func (f *seed) recover(t testing.TB, cause, of string, run int64, owner string) {
	t.Helper()
	f.write(t, func(ctx context.Context, tx *store.Tx) error {
		id, err := f.causeTx(ctx, tx, cause, "recovered", run, owner, 1)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE finding SET closed_at = $1, closed_why = 'passed', recovered = $2
			WHERE cause = (SELECT id FROM cause WHERE ext = $3)`, store.Micros(tx.Now()), id, of); err != nil {
			return err
		}
		return f.s.Enqueue(ctx, tx, monitor.Cause{ID: cause, Kind: monitor.CauseRecovered, Check: checkMFA, Source: "code", Owner: owner, Run: run, Count: 1})
	})
}
