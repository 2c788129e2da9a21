package alertstore

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// A Delivery is one message to one receiver: who was told what, and when.
type Delivery struct {
	ID        string
	Cause     string
	Kind      monitor.CauseKind
	Route     string
	Channel   string
	Receiver  string
	Language  string
	Detail    string
	Checks    []string
	Things    int64
	Source    string
	Owner     string
	Severity  check.Severity
	Subject   string
	MessageID string
	State     State
	Attempts  int
	LastError string // plain words
	CreatedAt time.Time
	NextAt    *time.Time // of a pending one that failed before
	SentAt    *time.Time
}

// A Filter narrows the list of deliveries. Of monitor.Filter it knows Status (a
// state, as text), Source, Owner, Severity, Check, Text (a cause, or part of the
// subject, the receiver or the route), Limit and Cursor.
type Filter struct {
	monitor.Filter
	ID      string
	State   []State
	Route   []string
	Channel []string
	Cause   string
}

// ErrCursor is returned for a cursor that no list gave out.
var ErrCursor = errors.New("the cursor is not one of ours; start the list again")

// where collects conditions and their values.
type where struct {
	parts []string
	args  []any
}

func (w *where) add(condition string, args ...any) {
	for range args {
		w.args = append(w.args, nil)
	}
	n := len(w.args) - len(args)
	for i, a := range args {
		w.args[n+i] = a
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(n+i+1), 1)
	}
	w.parts = append(w.parts, condition)
}

func in[T ~string](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	args := make([]any, 0, len(values))
	for _, v := range values {
		args = append(args, string(v))
	}
	w.add(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

// Deliveries lists messages, newest first.
func (s *Store) Deliveries(ctx context.Context, f Filter) (monitor.Page[Delivery], error) {
	page := monitor.Page[Delivery]{Total: -1}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 1000)
	w, err := conditions(f)
	if err != nil {
		return page, err
	}
	var rows []row
	query := `SELECT id, cause, kind, route, channel, receiver, lang, detail, checks, things, source, owner, severity, subject,
		message_id, state, attempts, last_error, created_at, next_at, sent_at FROM alert_delivery`
	if len(w.parts) > 0 {
		query += " WHERE " + strings.Join(w.parts, " AND ")
	}
	w.args = append(w.args, limit+1)
	query += " ORDER BY created_at DESC, id DESC LIMIT $" + strconv.Itoa(len(w.args))
	if err := s.db.Read(ctx, func(t *store.Tx) error { return t.Select(ctx, &rows, query, w.args...) }); err != nil {
		return page, err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last.CreatedAt, 10) + ":" + last.ID))
	}
	for _, r := range rows {
		d, err := r.delivery()
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, d)
	}
	return page, nil
}

func conditions(f Filter) (*where, error) {
	w := &where{}
	in(w, "state", f.State)
	in(w, "state", f.Status)
	in(w, "route", f.Route)
	in(w, "channel", f.Channel)
	in(w, "source", f.Source)
	in(w, "owner", f.Owner)
	if f.ID != "" {
		w.add("id = ?", f.ID)
	}
	if f.Cause != "" {
		w.add("about = ?", f.Cause)
	}
	if len(f.Severity) > 0 {
		args := make([]any, 0, len(f.Severity))
		for _, v := range f.Severity {
			args = append(args, int(v))
		}
		w.add("severity IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	}
	if len(f.Check) > 0 {
		args := make([]any, 0, len(f.Check))
		for _, v := range f.Check {
			args = append(args, pattern(`"`+v+`"`))
		}
		w.add("("+strings.TrimSuffix(strings.Repeat("checks LIKE ? ESCAPE '!' OR ", len(args)), " OR ")+")", args...)
	}
	if f.Text != "" {
		p := pattern(strings.ToLower(f.Text))
		w.add("(about = ? OR LOWER(subject) LIKE ? ESCAPE '!' OR LOWER(receiver) LIKE ? ESCAPE '!' OR LOWER(route) LIKE ? ESCAPE '!')", f.Text, p, p, p)
	}
	if f.Cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(f.Cursor)
		at, id, ok := strings.Cut(string(raw), ":")
		us, err2 := strconv.ParseInt(at, 10, 64)
		if err != nil || err2 != nil || !ok {
			return nil, ErrCursor
		}
		w.add("(created_at < ? OR (created_at = ? AND id < ?))", us, us, id)
	}
	return w, nil
}

// pattern finds a text anywhere; it goes with ESCAPE '!'.
func pattern(text string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
}

// A row is a delivery as stored.
type row struct {
	ID        string `db:"id"`
	Cause     string `db:"cause"`
	Kind      string `db:"kind"`
	Route     string `db:"route"`
	Channel   string `db:"channel"`
	Receiver  string `db:"receiver"`
	Lang      string `db:"lang"`
	Detail    string `db:"detail"`
	Checks    string `db:"checks"`
	Things    int64  `db:"things"`
	Source    string `db:"source"`
	Owner     string `db:"owner"`
	Severity  int    `db:"severity"`
	Subject   string `db:"subject"`
	MessageID string `db:"message_id"`
	State     string `db:"state"`
	Attempts  int64  `db:"attempts"`
	LastError string `db:"last_error"`
	CreatedAt int64  `db:"created_at"`
	NextAt    int64  `db:"next_at"`
	SentAt    int64  `db:"sent_at"`
}

func (r row) delivery() (Delivery, error) {
	checks, err := unlist(r.Checks)
	return Delivery{
		ID: r.ID, Cause: r.Cause, Kind: monitor.CauseKind(r.Kind), Route: r.Route, Channel: r.Channel, Receiver: r.Receiver,
		Language: r.Lang, Detail: r.Detail, Checks: checks, Things: r.Things, Source: r.Source, Owner: r.Owner,
		Severity: check.Severity(r.Severity), Subject: r.Subject, MessageID: r.MessageID, State: State(r.State),
		Attempts: int(r.Attempts), LastError: r.LastError, CreatedAt: store.Time(r.CreatedAt), NextAt: maybe(r.NextAt), SentAt: maybe(r.SentAt),
	}, err
}

func maybe(us int64) *time.Time {
	if us == 0 {
		return nil
	}
	t := store.Time(us)
	return &t
}
