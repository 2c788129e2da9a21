package alertstore

import (
	"context"
	"database/sql"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// tables reads causes from the tables of the heart. It writes nothing there.
type tables struct{}

// ofCause selects the findings of a cause: those that it opened, or those
// whose recovery it tells.
const ofCause = "(f.cause = c.id OR f.recovered = c.id)"

// Groups counts the findings of a cause by check.
func (tables) Groups(ctx context.Context, t *store.Tx, cause string) ([]CauseGroup, error) {
	var rows []struct {
		Check    string `db:"name"`
		Version  int    `db:"version"`
		Kind     string `db:"kind"`
		Severity int    `db:"severity"`
		N        int    `db:"n"`
	}
	err := t.Select(ctx, &rows, `SELECT k.name, MAX(f.version) AS version, k.kind, MAX(f.severity) AS severity, COUNT(*) AS n
		FROM cause c JOIN finding f ON `+ofCause+` JOIN chk k ON k.id = f.chk
		WHERE c.ext = $1 GROUP BY k.name, k.kind ORDER BY k.name`, cause)
	out := make([]CauseGroup, 0, len(rows))
	for _, r := range rows {
		out = append(out, CauseGroup{Check: r.Check, Version: r.Version, Kind: r.Kind, Severity: check.Severity(r.Severity), Count: r.N})
	}
	return out, err
}

// Items reads the first findings of a check in a cause, with their facts.
func (tables) Items(ctx context.Context, t *store.Tx, cause, checkID string, limit int) ([]CauseItem, error) {
	var rows []itemRow
	err := t.Select(ctx, &rows, `SELECT f.ext, f.message, f.actor, f.owner, f.opened_at, f.due_at, f.closed_at, f.closed_why, f.severity,
			x.kind, x.fid, x.name, x.origin, x.observed_at, x.gone_at, s.name AS source, d.data,
			(SELECT MAX(v.leaf) FROM verdict v WHERE v.fact = f.fact AND v.chk = f.chk AND v.finding = f.id) AS leaf
		FROM cause c JOIN finding f ON `+ofCause+` JOIN chk k ON k.id = f.chk JOIN fact x ON x.id = f.fact
		JOIN source s ON s.id = f.source LEFT JOIN fact_data d ON d.fact = x.id
		WHERE c.ext = $1 AND k.name = $2 ORDER BY f.id LIMIT $3`, cause, checkID, limit)
	out := make([]CauseItem, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.item(checkID))
	}
	return out, err
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
