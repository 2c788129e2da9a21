package alertstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// tables reads causes from the tables of the heart. It writes nothing there.
type tables struct{}

// unmutedOnly leaves out findings f of a cause c that are muted at $2. A
// recovery is left out only where its failure was never told: it began under
// the mute.
const unmutedOnly = ` AND NOT EXISTS (SELECT 1 FROM silence s WHERE s.kind = 'mute' AND s.ended_at IS NULL AND s.until_at > $2
	AND (COALESCE(f.recovered, 0) <> c.id OR s.created_at <= f.opened_at) AND ` + store.SilenceCovers + `)`

// Groups counts the findings of a cause by check and owner: those that it
// opened, or those whose recovery it tells. A cause that tells of an ended
// exception has none of its own; its check and count stand in the cause.
func (tables) Groups(ctx context.Context, t *store.Tx, cause string) ([]CauseGroup, error) {
	var rows []struct {
		Check    string `db:"name"`
		Owner    string `db:"owner"`
		Version  int    `db:"version"`
		Kind     string `db:"kind"`
		Severity int    `db:"severity"`
		N        int    `db:"n"`
	}
	err := t.Select(ctx, &rows, `SELECT k.name, f.owner, MAX(f.version) AS version, k.kind, MAX(f.severity) AS severity, COUNT(*) AS n
		FROM cause c JOIN finding f ON (f.cause = c.id OR f.recovered = c.id) JOIN chk k ON k.id = f.chk
		WHERE c.ext = $1`+unmutedOnly+` GROUP BY k.name, f.owner, k.kind ORDER BY k.name, f.owner`, cause, store.Micros(t.Now()))
	out := make([]CauseGroup, 0, len(rows))
	for _, r := range rows {
		out = append(out, CauseGroup{Check: r.Check, Owner: r.Owner, Version: r.Version, Kind: r.Kind, Severity: check.Severity(r.Severity), Count: r.N})
	}
	return out, err
}

// itemSelect reads findings with their facts; what follows says which. The open
// verdict and the past ones are asked apart, since each has an index of its own.
const itemSelect = `SELECT f.ext, f.message, f.actor, f.owner, f.opened_at, f.due_at, f.closed_at, f.closed_why, f.severity,
	x.kind, x.fid, x.name, x.origin, x.observed_at, x.gone_at, (SELECT o.name FROM source o WHERE o.id = f.source) AS source, d.data,
	COALESCE((SELECT v.leaf FROM verdict v WHERE v.fact = f.fact AND v.chk = f.chk AND v.to_at IS NULL AND v.finding = f.id),
		(SELECT MAX(v.leaf) FROM verdict v WHERE v.fact = f.fact AND v.chk = f.chk AND v.to_at IS NOT NULL AND v.finding = f.id)) AS leaf`

const itemQuery = itemSelect + ` FROM cause c JOIN finding f ON `

const itemTables = ` JOIN chk k ON k.id = f.chk JOIN fact x ON x.id = f.fact JOIN source s ON s.id = f.source
	LEFT JOIN fact_data d ON d.fact = x.id WHERE c.ext = $1 AND k.name = $2 AND f.owner = $3`

const itemOrder = ` ORDER BY f.id LIMIT $4`

// ended finds the failures that show again: those that an exception covered
// whose cover ended in this cause.
const ended = `f.chk = c.chk AND f.source = c.source AND f.closed_at IS NULL AND f.opened_at <= c.opened_at`

const endedCover = ` AND EXISTS (SELECT 1 FROM exception e JOIN exception_span p ON p.exception = e.id AND p.to_at >= c.opened_at
	WHERE e.chk = k.name AND (e.fid = '' OR e.fid = x.fid) AND (e.source = '' OR e.source = s.name))`

// Items reads the first findings of a check and an owner in a cause, with
// their facts. Where an exception ended, those are the failures that it covered.
func (tables) Items(ctx context.Context, t *store.Tx, c monitor.Cause, checkID, owner string, limit int) ([]CauseItem, error) {
	which, cover := "(f.cause = c.id OR f.recovered = c.id)", strings.Replace(unmutedOnly, "$2", "$5", 1)
	if c.Kind == monitor.CauseExcepted {
		which, cover = ended, endedCover+` AND CAST($5 AS BIGINT) > 0`
	}
	var rows []itemRow
	if err := t.Select(ctx, &rows, itemQuery+which+itemTables+cover+itemOrder, c.ID, checkID, owner, limit, store.Micros(t.Now())); err != nil {
		return nil, err
	}
	out := make([]CauseItem, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.item(checkID))
	}
	return out, nil
}

// Silence reads how old what fell silent is, and why.
func (tables) Silence(ctx context.Context, t *store.Tx, cause string) (last time.Time, why string, err error) {
	var us int64
	err = t.Row(ctx, []any{&us, &why}, `SELECT COALESCE((SELECT MIN(p.last_complete_at) FROM scope p JOIN overlay o ON o.scope = p.id AND o.fact = 0 AND o.to_at IS NULL
		WHERE p.source = s.id), s.last_read_at, 0), s.last_why FROM cause c JOIN source s ON s.id = c.source WHERE c.ext = $1`, cause)
	if errors.Is(err, store.ErrNotFound) || err == nil && us == 0 {
		return time.Time{}, why, nil
	}
	return store.Time(us), why, err
}

// Answers names the causes that told of a recovering cause's findings before.
func (tables) Answers(ctx context.Context, t *store.Tx, cause, checkID string) ([]string, error) {
	var rows []struct {
		Ext string `db:"ext"`
	}
	err := t.Select(ctx, &rows, `SELECT o.ext FROM cause o WHERE o.id IN (SELECT f.cause FROM cause c JOIN finding f ON f.recovered = c.id
		JOIN chk k ON k.id = f.chk WHERE c.ext = $1 AND k.name = $2 AND f.cause <> c.id) ORDER BY o.id LIMIT 50`, cause, checkID)
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.Ext)
	}
	return out, err
}

// An itemRow is a finding with its fact.
type itemRow struct {
	Ext        string        `db:"ext"`
	Message    string        `db:"message"`
	Actor      string        `db:"actor"`
	Owner      string        `db:"owner"`
	OpenedAt   int64         `db:"opened_at"`
	DueAt      int64         `db:"due_at"`
	ClosedAt   sql.NullInt64 `db:"closed_at"`
	ClosedWhy  string        `db:"closed_why"`
	Severity   int           `db:"severity"`
	Kind       string        `db:"kind"`
	FID        string        `db:"fid"`
	Name       string        `db:"name"`
	Origin     string        `db:"origin"`
	ObservedAt int64         `db:"observed_at"`
	GoneAt     sql.NullInt64 `db:"gone_at"`
	Source     string        `db:"source"`
	Data       []byte        `db:"data"`
	Leaf       sql.NullInt64 `db:"leaf"`
}

func (r itemRow) item(checkID string) CauseItem {
	i := CauseItem{
		Finding: monitor.Finding{
			ID: r.Ext, Check: checkID, Fact: r.FID, Name: r.Name, Kind: r.Kind, Source: r.Source, Severity: check.Severity(r.Severity),
			Owner: r.Owner, Message: r.Message, OpenedAt: store.Time(r.OpenedAt), DueAt: store.Time(r.DueAt),
			ClosedAt: store.TimePtr(r.ClosedAt), ClosedWhy: r.ClosedWhy, Actor: r.Actor,
		},
		Leaf: r.Leaf.Int64,
	}
	if len(r.Data) > 0 && !r.GoneAt.Valid {
		i.Fact = fact.Fact{
			Kind: r.Kind, ID: r.FID, Source: r.Source, Origin: fact.Origin(r.Origin), ObservedAt: store.Time(r.ObservedAt), Data: r.Data,
		}
	}
	if r.ObservedAt > 0 {
		i.ReadAt = store.Time(r.ObservedAt)
	}
	return i
}
