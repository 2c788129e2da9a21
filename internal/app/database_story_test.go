package app_test

import (
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/connectors/postgres"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/testkit"
)

// TestNewSuperuserIsTold is the story of a database, on a real one and a real
// mail server: somebody makes a superuser, the tripwire sees it, a mail arrives,
// the role is dropped, the finding goes with it.
func TestNewSuperuserIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("starts PostgreSQL and waits for its tripwire")
	}
	const rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
	db, mail := testkit.PostgresClusterWith(t, "password_encryption=scram-sha-256"), testkit.Mailpit(t)
	m := connector.ManifestOf(postgres.New(), []string{"database", "database_role", "log_source"})
	db.Exec(t, m.Text, "ALTER ROLE prumo PASSWORD 'story-horse-9'")
	db.Write(t, "pg_hba.conf", rules)
	db.Exec(t, "SELECT pg_reload_conf()")
	h := open(t, `
organisation: {name: Acme, languages: [en], owner: lead@acme.test}
sources:
  - {name: db, connector: postgres, every: 10m, settings: {url: {env: DB_URL}, services: [prumo, postgres]}}
routes:
  - {name: security, to: {email: [security@acme.test]}}
`, map[string]string{"DB_URL": "postgres://prumo:story-horse-9@" + db.Addr() + "/postgres", "PRUMO_SMTP_URL": mail.SMTPURL})
	find := func(check, suffix string) string {
		for _, v := range h.verdicts("source=db&check=" + check) {
			if strings.HasSuffix(v.Fact, suffix) {
				return v.Status
			}
		}
		return ""
	}
	h.until("the first reading", time.Minute, func() bool { return find("database-superuser-is-listed", "/prumo") == "pass" })
	if got := find("database-password-hash-is-strong", db.Addr()); got != "pass" {
		t.Errorf("the password hash is %q, want pass", got)
	}
	if got := find("database-tls-is-modern", db.Addr()); got != "fail" {
		t.Errorf("a server without TLS is %q, want fail", got)
	}
	if got := find("database-disk-encrypted", db.Addr()); got != "unknown" {
		t.Errorf("a disk that nobody saw is %q, want unknown", got)
	}
	mail.Wait(1, 20*time.Second) // what the new source found failing at first sight

	db.Exec(t, "CREATE ROLE mallory LOGIN SUPERUSER")
	broke := time.Now()
	h.until("the new superuser is judged", 45*time.Second, func() bool { return find("database-superuser-is-listed", "/mallory") == "fail" })
	h.until("the mail", 15*time.Second, func() bool {
		for _, m := range mail.Messages() {
			if strings.Contains(m.Text, "mallory") && m.Created.After(broke) {
				t.Logf("mail %s after the change", m.Created.Sub(broke).Round(time.Millisecond))
				return true
			}
		}
		return false
	})
	db.Exec(t, "DROP ROLE mallory")
	h.until("the finding goes with the role", 45*time.Second, func() bool { return find("database-superuser-is-listed", "/mallory") == "" })
	for _, m := range mail.Messages() {
		if strings.Contains(m.Text, "story-horse") {
			t.Error("a mail holds the password")
		}
	}
	if strings.Contains(h.out.String(), "story-horse") {
		t.Error("the output holds the password")
	}
}
