package sql

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

// A server is a real one with a role that may read and nothing else.
type server struct {
	admin  *pgx.Conn
	reader string // address of the role that reads
}

func newServer(t *testing.T) server {
	t.Helper()
	address := testkit.Postgres(t)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	role := "reader_" + strings.TrimPrefix(u.Path, "/")
	s := server{admin: conn}
	s.exec(t, `CREATE ROLE `+role+` LOGIN`)
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), `DROP OWNED BY `+role+`; DROP ROLE `+role)
		if err != nil {
			t.Error(err)
		}
	})
	s.exec(t, `CREATE TABLE buckets (name text PRIMARY KEY, public boolean, size numeric, made timestamptz, tags jsonb, owners text[], uid uuid, odd inet, nope float8, day date, life interval);
		INSERT INTO buckets VALUES
			('logs', false, 12345678901234567, '2026-01-31 10:00:00-03', '{"team":"core","n":7,"gone":null}', '{ana,NULL,bob}', '5f4dcc3b-5aa7-4d61-9d83-27deb882cf99', '10.0.0.0/8', 'NaN', '2026-02-01', '2 days'),
			('site', true, 1.5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
		CREATE TABLE hidden (x int);
		GRANT SELECT ON buckets TO `+role)
	u.User = url.User(role)
	s.reader = u.String()
	return s
}

func (s server) exec(t *testing.T, text string) {
	t.Helper()
	if _, err := s.admin.Exec(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

const storages = `
- scope: buckets
  kind: storage
  query: select name, public from buckets
  id: '"s3/" + row.name'
  fields: {name: row.name, public: row.public}
  examples:
    - {row: {name: logs, public: false}, id: s3/logs, want: {name: logs, public: false}}
`

// asking makes a map of a query whose rows are kept whole.
func asking(query string) string {
	raw, err := yaml.Marshal([]map[string]any{{
		"scope": "rows", "kind": "item", "query": query, "id": `has(row.id) ? string(row.id) : "x"`,
		"examples": []any{map[string]any{"row": map[string]any{"id": 1}, "want": map[string]any{"id": 1}}},
	}})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func (s server) read(t *testing.T, maps string) *connector.Memory {
	t.Helper()
	return collect(t, connector.Settings{"url": s.reader, "maps": maps, "timeout": int64(2)})
}

func collect(t *testing.T, settings connector.Settings) *connector.Memory {
	t.Helper()
	m := connector.Record()
	run := connector.Run{Source: "db", Settings: settings, Dial: connector.NewDialer(connector.NetworkPolicy{AllowAll: true}), Now: time.Now}
	if err := New().Collect(t.Context(), run, m); err != nil {
		t.Fatal(err)
	}
	for _, sc := range m.Scopes() {
		if !sc.Closed || sc.Reading != fact.Complete && sc.Detail.Why == "" {
			t.Errorf("scope %s is left open, or %s without a reason", sc.Scope.Name, sc.Reading)
		}
	}
	return m
}

// Columns keep their types; NULL says nothing.
func TestTypes(t *testing.T) {
	s := newServer(t)
	m := s.read(t, asking(`select name as id, * from (select name, public, size, made, tags, owners, uid, odd, nope, day, life from buckets) b order by name`))
	want := []string{
		`{"day":"2026-02-01T00:00:00Z","id":"logs","life":172800,"made":"2026-01-31T13:00:00Z","name":"logs","odd":"10.0.0.0/8","owners":["ana","bob"],"public":false,"size":12345678901234567,"tags":{"n":7,"team":"core"},"uid":"5f4dcc3b-5aa7-4d61-9d83-27deb882cf99"}`,
		`{"id":"site","name":"site","public":true,"size":1.5}`,
	}
	if len(m.Facts()) != 2 || m.Scopes()[0].Reading != fact.Complete {
		t.Fatalf("%d facts, %s %s", len(m.Facts()), m.Scopes()[0].Reading, m.Scopes()[0].Detail.Why)
	}
	for i, f := range m.Facts() {
		if string(f.Data) != want[i] {
			t.Errorf("got  %s\nwant %s", f.Data, want[i])
		}
	}
}

// What breaks is seen and what is mended too; a row that goes is gone only by a whole reading.
func TestBreakDetectMend(t *testing.T) {
	s := newServer(t)
	say := func() string {
		var b strings.Builder
		m := s.read(t, storages)
		for _, f := range m.Facts() {
			b.WriteString(f.ID + string(f.Data) + " ")
		}
		return b.String() + string(m.Scopes()[0].Reading)
	}
	if got := say(); got != `s3/logs{"name":"logs","public":false} s3/site{"name":"site","public":true} complete` {
		t.Fatalf("at first: %s", got)
	}
	s.exec(t, `UPDATE buckets SET public = true WHERE name = 'logs'; DELETE FROM buckets WHERE name = 'site'`)
	if got := say(); got != `s3/logs{"name":"logs","public":true} complete` {
		t.Errorf("broken: %s", got)
	}
	s.exec(t, `UPDATE buckets SET public = NULL`)
	if got := say(); got != `s3/logs{"name":"logs"} complete` {
		t.Errorf("silent: %s", got)
	}
	s.exec(t, `REVOKE SELECT ON buckets FROM PUBLIC; ALTER TABLE buckets RENAME TO drawers`)
	if got := say(); got != `partial` {
		t.Errorf("no table: %s", got)
	}
}

// Whatever a query does, it cannot write, and it ends with the reason.
func TestQueriesCannotWrite(t *testing.T) {
	s := newServer(t)
	u, err := url.Parse(s.reader)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("postgres") // one who might
	for query, want := range map[string]string{
		"insert into hidden values (1) returning 1 as id":                             "only read",
		"with w as (insert into hidden values (1) returning 1 as id) select * from w": "only read",
		"create table evil (x int)":                                                   "only read",
		"select 1 as id; commit; insert into hidden values (1)":                       "more than one statement",
		"commit; insert into hidden values (1)":                                       "more than one statement",
		"select set_config('transaction_read_only', 'off', false)":                    "code",
		"do $$ begin commit; insert into hidden values (1); end $$":                   "code",
		"select nextval('s')":                                                         "only read",
		"select pg_sleep(30)":                                                         "longer than its limit",
		"select 1 as id, 2 as id":                                                     "same name",
		"select nothing from buckets":                                                 "not there",
		"selec":                                                                       "not valid SQL",
		"select generate_series(1, 300000) as id":                                     "more than 200000 rows",
		"select repeat('x', 300000000) as id":                                         "longer than the limit",
	} {
		s.exec(t, `CREATE SEQUENCE IF NOT EXISTS s`)
		m := collect(t, connector.Settings{"url": u.String(), "maps": asking(query), "timeout": int64(2)})
		if sc := m.Scopes()[0]; sc.Reading != fact.Partial || !strings.Contains(sc.Detail.Why, want) {
			t.Errorf("%s: %s %q, want partial with %q", query, sc.Reading, sc.Detail.Why, want)
		}
	}
	var n int
	if err := s.admin.QueryRow(t.Context(), "select count(*) from hidden").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows were written (%v)", n, err)
	}
}

// What the role may not read is forbidden and names the grant; other maps go on.
func TestGrants(t *testing.T) {
	s := newServer(t)
	maps := strings.Replace(asking("select x as id from hidden"), "scope: rows", "scope: secret", 1) + storages
	m := s.read(t, maps)
	if a, b := m.Scopes()[0], m.Scopes()[1]; a.Reading != fact.Forbidden || a.Detail.Permission == "" || b.Reading != fact.Complete || b.Detail.Seen != 2 {
		t.Errorf("got %+v and %+v, want forbidden and complete", a, b)
	}
}

// A server that cannot be reached, or breaks off, takes nothing away.
func TestTroubles(t *testing.T) {
	s := newServer(t)
	u, err := url.Parse(s.reader)
	if err != nil {
		t.Fatal(err)
	}
	proxy := testkit.Toxiproxy(t).Proxy(u.Host)
	u.Host = proxy.Addr
	settings := connector.Settings{"url": u.String(), "maps": asking("select generate_series(1, 50000) as id, repeat('x', 50) as pad"), "timeout": int64(3)}
	if m := collect(t, settings); m.Scopes()[0].Reading != fact.Complete || len(m.Facts()) != 50000 {
		t.Fatalf("%d facts, %s %s", len(m.Facts()), m.Scopes()[0].Reading, m.Scopes()[0].Detail.Why)
	}
	for name, trouble := range map[string]func(){
		"cut": func() { proxy.Cut(100_000) }, "cut early": func() { proxy.Cut(20) }, "down": proxy.Down, "reset": proxy.Reset, "hang": proxy.Hang,
	} {
		trouble()
		start := time.Now()
		m := collect(t, settings)
		if sc := m.Scopes()[0]; sc.Reading != fact.Partial || time.Since(start) > 20*time.Second {
			t.Errorf("%s: %s %q after %v", name, sc.Reading, sc.Detail.Why, time.Since(start))
		}
		proxy.Mend()
	}
	m := connector.Record()
	err = New().Collect(t.Context(), connector.Run{Settings: settings, Dial: connector.NewDialer(connector.NetworkPolicy{}), Now: time.Now}, m)
	if err != nil || m.Scopes()[0].Reading != fact.Partial {
		t.Errorf("a forbidden network: %v, %+v", err, m.Scopes())
	}
}

func TestSettings(t *testing.T) {
	for want, raw := range map[string]map[string]any{
		"url: is missing":          {"maps": storages},
		"url: must be an address":  {"url": "db", "maps": storages},
		"maps: is missing":         {"url": "postgres://u:p@h/d"},
		"query is missing":         {"url": "postgres://u:p@h/d", "maps": strings.Replace(storages, "  query: select name, public from buckets\n", "", 1)},
		"public is false, want tr": {"url": "postgres://u:p@h/d", "maps": strings.Replace(storages, "want: {name: logs, public: false}", "want: {name: logs, public: true}", 1)},
		"timeout: must be from 1":  {"url": "postgres://u:p@h/d", "maps": storages, "timeout": 9999},
		"ca: must hold a cert":     {"url": "postgres://u:p@h/d", "maps": storages, "ca": "x"},
	} {
		if _, err := connector.Check(New().Info(), raw, connector.FromConsole); !errors.Is(err, connector.ErrSettings) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
