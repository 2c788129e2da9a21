package connectors_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"prumo.dev/prumo/connectors"
	"prumo.dev/prumo/internal/config"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

// documented are the sources of the yaml blocks of the general connectors' documents.
func documented(t *testing.T) map[string]config.Source {
	t.Helper()
	out := map[string]config.Source{}
	for _, name := range []string{"http", "sql", "exec", "mapping"} {
		file := filepath.Join("..", "docs", "connectors", name+".md")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(text), "```yaml\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			if strings.HasPrefix(block, "maps:") {
				block = "sources:\n  - name: fragment\n    connector: http\n    settings:\n      url: \"https://hr.example.com\"\n      " +
					strings.ReplaceAll(block, "\n", "\n      ")
			}
			cfg, problems, err := config.Parse(file, []byte(block), func(name string) string {
				if strings.HasSuffix(name, "_URL") {
					return "postgres://prumo:x@db.example.com/app"
				}
				return "set-to-something"
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Error(p)
			}
			for _, s := range cfg.Sources {
				out[fmt.Sprintf("%s %d %s", name, i, s.Name)] = s
			}
		}
	}
	return out
}

func byName(t *testing.T, id string) connector.Connector {
	t.Helper()
	for _, c := range connectors.All() {
		if c.Info().ID == id {
			return c
		}
	}
	t.Fatalf("there is no connector %s", id)
	return nil
}

// Every source in the documents is one that Prumo takes, and its examples hold.
func TestDocumentedSourcesHold(t *testing.T) {
	all := documented(t)
	if len(all) < 8 {
		t.Fatalf("found %d sources only", len(all))
	}
	for at, s := range all {
		if _, err := connector.Check(byName(t, s.Connector).Info(), s.Settings, connector.FromFile); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// readCase reads a worked case with some of its settings changed.
func readCase(t *testing.T, name string, change map[string]any) *connector.Memory {
	t.Helper()
	for at, s := range documented(t) {
		if !strings.HasPrefix(at, "mapping ") || s.Name != name {
			continue
		}
		for k, v := range change {
			s.Settings[k] = v
		}
		c := byName(t, s.Connector)
		settings, err := connector.Check(c.Info(), s.Settings, connector.FromFile)
		if err != nil {
			t.Fatal(err)
		}
		dial := connector.NewDialer(connector.NetworkPolicy{AllowAll: true})
		client := connector.NewClient(connector.ClientConfig{Hosts: connector.HostsOf(c.Info(), settings), Dial: dial, Rate: -1, Attempts: 1})
		defer client.CloseIdleConnections()
		m := connector.Record()
		if err := c.Collect(t.Context(), connector.Run{Source: name, Settings: settings, HTTP: client, Dial: dial, Now: time.Now}, m); err != nil {
			t.Fatal(err)
		}
		if sc := m.Scopes()[0]; sc.Reading != fact.Complete {
			t.Errorf("%s: %s %s", name, sc.Reading, sc.Detail.Why)
		}
		return m
	}
	t.Fatalf("no worked case %s", name)
	return nil
}

func want(t *testing.T, m *connector.Memory, facts ...string) {
	t.Helper()
	var got []string
	for _, f := range m.Facts() {
		got = append(got, f.ID+" "+string(f.Data))
	}
	if strings.Join(got, "\n") != strings.Join(facts, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(facts, "\n"))
	}
}

func TestWorkedCaseHR(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/api/v2/employees" || r.Header.Get("Authorization") != "Bearer set-to-something" || r.FormValue("limit") != "100":
			w.WriteHeader(http.StatusForbidden)
		case r.FormValue("cursor") == "":
			fmt.Fprint(w, `{"data":[{"work_email":"ana@acme.test","display_name":"Ana","employment_status":"active","end_date":null}],"meta":{"next_cursor":"c2"}}`)
		default:
			fmt.Fprint(w, `{"data":[{"work_email":"bob@acme.test","employment_status":"terminated","end_date":"2026-01-31"}],"meta":{"next_cursor":null}}`)
		}
	}))
	defer srv.Close()
	want(t, readCase(t, "hr", map[string]any{"url": srv.URL + "/api/v2"}),
		`hr/ana@acme.test {"name":"Ana","email":"ana@acme.test","active":true}`,
		`hr/bob@acme.test {"email":"bob@acme.test","active":false,"ended_at":"2026-01-31T00:00:00Z"}`)
}

func TestWorkedCaseMDM(t *testing.T) {
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "prumo" || secret != "set-to-something" || r.FormValue("scope") != "devices.read" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"access_token":"t-1","token_type":"Bearer"}`)
	}))
	defer login.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer t-1":
			w.WriteHeader(http.StatusUnauthorized)
		case r.FormValue("skip") == "":
			fmt.Fprintf(w, `{"value":[{"id":"7","ownership":"company","deviceName":"mac7","isEncrypted":false}],"nextLink":"http://%s/api/devices?skip=1"}`, r.Host)
		default:
			fmt.Fprint(w, `{"value":[{"id":"9","ownership":"personal"}]}`)
		}
	}))
	defer srv.Close()
	want(t, readCase(t, "mdm", map[string]any{"url": srv.URL + "/api", "token_url": login.URL + "/oauth2/token"}),
		`mdm/7 {"name":"mac7","disk_encrypted":false}`)
}

// The table has the columns of Steampipe's own.
func TestWorkedCaseAWS(t *testing.T) {
	address := testkit.Postgres(t)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `CREATE TABLE aws_s3_bucket (arn text, name text, region text, bucket_policy_is_public boolean, versioning_enabled boolean, logging jsonb, server_side_encryption_configuration jsonb);
		INSERT INTO aws_s3_bucket VALUES ('arn:aws:s3:::site', 'site', 'sa-east-1', true, false, NULL, '{"Rules":[{"ApplyServerSideEncryptionByDefault":{}}]}'), ('arn:aws:s3:::logs', 'logs', NULL, NULL, NULL, NULL, NULL)`)
	if err != nil {
		t.Fatal(err)
	}
	want(t, readCase(t, "aws", map[string]any{"url": address}),
		`arn:aws:s3:::site {"name":"site","type":"bucket","public":true,"encrypted":true,"versioned":false,"region":"sa-east-1"}`,
		`arn:aws:s3:::logs {"name":"logs","type":"bucket"}`)
}
