package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"prumo.dev/prumo/connectors/postgres"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

// authority makes a private authority and a certificate that it signs for the
// address 127.0.0.1 or for a name.
func authority(t *testing.T, names ...string) (ca, cert, key string) {
	t.Helper()
	root, rootKey := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, newKey(t)
	leaf, leafKey := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "db"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
	}, newKey(t)
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, n)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, root, root, rootKey, rootKey), sign(t, leaf, root, leafKey, rootKey), encode("PRIVATE KEY", der)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t *testing.T, c, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", der)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

const goodRules = `hostnossl all,replication all all reject
host all all 10.0.0.0/8 scram-sha-256
hostssl all all all scram-sha-256
`

// good is a server as it should be, and the authority that signed its certificate.
func good(t *testing.T, names ...string) (c *testkit.Cluster, ca string) {
	t.Helper()
	c = testkit.PostgresClusterWith(t, "password_encryption=scram-sha-256", "logging_collector=on",
		"log_connections=on", "log_disconnections=on", "ssl_min_protocol_version=TLSv1.2")
	return c, secure(t, c, names...)
}

func secure(t *testing.T, c *testkit.Cluster, names ...string) (ca string) {
	t.Helper()
	ca, cert, key := authority(t, names...)
	c.Write(t, "server.crt", cert)
	c.Write(t, "server.key", key)
	reader(t, c)
	c.Exec(t, "CREATE ROLE nobody LOGIN PASSWORD '"+password+"'", "CREATE ROLE admin LOGIN SUPERUSER PASSWORD '"+password+"'",
		"CREATE DATABASE second", "ALTER SYSTEM SET ssl = on")
	c.Write(t, "pg_hba.conf", goodRules)
	c.Exec(t, "SELECT pg_reload_conf()")
	return ca
}

func over(c *testkit.Cluster, ca, user, mode string) connector.Settings {
	s := address(c.Addr(), user, "?sslmode="+mode)
	s["ca"] = ca
	return s
}

// settle waits until the server has taken its new settings.
func settle(t *testing.T, s connector.Settings) outcome {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		o := read(t.Context(), s)
		if o.scope(t, "roles").Reading == fact.Complete {
			return o
		}
		if time.Now().After(end) {
			t.Fatalf("not read within 10 s: %+v", o.mem.Scopes())
		}
	}
}

func TestGoodServer(t *testing.T) {
	c, ca := good(t, "127.0.0.1")
	s := over(c, ca, "prumo", "verify-full")
	s["databases"] = []string{"postgres", "second"}
	o := settle(t, s)
	o.wants(t, fact.Complete, fact.Complete, fact.Complete)
	d := get[fact.Database](t, o, c.Addr())
	is(t, "tls", d.TLS, true)
	is(t, "tls_min_version", d.TLSMinVersion, "1.2")
	is(t, "tls_forced", d.TLSForced, true)
	is(t, "password_hash", d.PasswordHash, "scram-sha-256")
	lists(t, "weak_auth_rules", d.WeakAuthRules)
	lists(t, "plain_rules", d.PlainRules) // the second rule never sees a connection without TLS
	is(t, "log_connections", d.LogConnections, true)
	is(t, "hash", get[fact.DatabaseRole](t, o, "/prumo").Hash, "scram-sha-256")
	unknown(t, "assigned", get[fact.DatabaseRole](t, o, "/prumo").Assigned)
	l := get[fact.LogSource](t, o, "/log")
	is(t, "enabled", l.Enabled, true)
	if last, ok := l.LastEventAt.Get(); !ok || time.Since(last) > time.Minute {
		t.Errorf("last event at %v (said: %v), want a moment ago", last, ok)
	}
	for _, sc := range o.mem.Scopes() {
		if sc.Detail.Why != "" {
			t.Errorf("scope %s says %q of a good reading", sc.Scope.Name, sc.Detail.Why)
		}
	}
	t.Run("identity", func(t *testing.T) { identity(t, c, ca) })
	t.Run("a role with nothing", func(t *testing.T) { roleWithNothing(t, c, ca) })
	t.Run("modes", func(t *testing.T) { modes(t, c, ca) })
	t.Run("refusals", func(t *testing.T) { refusals(t, c, ca) })
	t.Run("story", func(t *testing.T) { story(t, c, ca) })
	t.Run("stopped", func(t *testing.T) { stopped(t, c, s) })
}

func identity(t *testing.T, c *testkit.Cluster, ca string) {
	ident := postgres.New().(connector.Identifier)
	var log strings.Builder
	for _, want := range []struct {
		user            string
		readOnly        bool
		missing, excess int
	}{{"prumo", true, 0, 0}, {"nobody", true, 3, 0}, {"admin", false, 0, 2}} {
		got, err := ident.Identify(t.Context(), run(over(c, ca, want.user, "verify-full"), connector.NetworkPolicy{AllowAll: true}, nil))
		if err != nil {
			t.Fatal(err)
		}
		if ro, _ := got.ReadOnly.Get(); got.Name != want.user || ro != want.readOnly || len(got.Missing) != want.missing || len(got.Excess) != want.excess {
			t.Errorf("identity of %s = %+v", want.user, got)
		}
		if !strings.Contains(got.System, "TLS 1.3") || !strings.Contains(got.System, "verify-full") {
			t.Errorf("system %q does not say what is in force", got.System)
		}
		fmt.Fprint(&log, got)
	}
	_, err := ident.Identify(t.Context(), run(connector.Settings{"url": "postgres://prumo:wrong-horse@" + c.Addr() + "/postgres"}, connector.NetworkPolicy{AllowAll: true}, nil))
	if err == nil || strings.Contains(err.Error(), "horse") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a wrong password: %v", err)
	}
	if strings.Contains(log.String(), password) {
		t.Error("an identity holds the password")
	}
}

// What the role may not see is forbidden, with the grant that is missing, and unknown.
func roleWithNothing(t *testing.T, c *testkit.Cluster, ca string) {
	o := read(t.Context(), over(c, ca, "nobody", "verify-full"))
	o.wants(t, fact.Forbidden, fact.Complete, fact.Forbidden)
	server := o.scope(t, "server").Detail
	if !strings.HasPrefix(server.Permission, "GRANT SELECT ON pg_hba_file_rules") || server.Why == "" {
		t.Errorf("the server's scope says %+v", server)
	}
	if p := o.scope(t, "log").Detail.Permission; p != "GRANT pg_monitor TO prumo" {
		t.Errorf("the log's scope misses %q", p)
	}
	d := get[fact.Database](t, o, c.Addr())
	is(t, "tls", d.TLS, true)
	unknown(t, "tls_forced", d.TLSForced)
	unknown(t, "weak_auth_rules", d.WeakAuthRules)
	unknown(t, "plain_rules", d.PlainRules)
	unknown(t, "audit", d.Audit)
	unknown(t, "data_directory", d.DataDirectory)
	unknown(t, "hash", get[fact.DatabaseRole](t, o, "/admin").Hash)
	is(t, "superuser", get[fact.DatabaseRole](t, o, "/admin").Superuser, true)
	if why := o.scope(t, "roles").Detail.Why; !strings.Contains(why, "prumo.role_hash") {
		t.Errorf("the roles' scope says %q", why)
	}
}

func modes(t *testing.T, c *testkit.Cluster, ca string) {
	for mode, want := range map[string]string{"verify-full": "", "verify-ca": "name", "require": "name", "prefer": "not checked", "": "not checked", "allow": "not checked"} {
		s := over(c, ca, "prumo", mode)
		if mode == "" {
			s = address(c.Addr(), "prumo", "")
		}
		o := read(t.Context(), s)
		o.wants(t, fact.Complete, fact.Complete, fact.Complete)
		if why := o.scope(t, "server").Detail.Why; !strings.Contains(why, want) || want == "" && why != "" {
			t.Errorf("sslmode %q says %q, want %q", mode, why, want)
		}
	}
	form := strings.ReplaceAll(ca, "\n", " ") // as a form may send it
	read(t.Context(), over(c, form, "prumo", "verify-full")).wants(t, fact.Complete, fact.Complete, fact.Complete)
	o := read(t.Context(), over(c, ca, "prumo", "disable"))
	o.wants(t, fact.Forbidden, fact.Forbidden, fact.Forbidden) // the first rule rejects it
	other, _, _ := authority(t, "127.0.0.1")
	for _, mode := range []string{"verify-full", "verify-ca", "require"} {
		o := read(t.Context(), over(c, other, "prumo", mode))
		o.wants(t, fact.Partial, fact.Partial, fact.Partial)
		if why := o.scope(t, "server").Detail.Why; !strings.Contains(why, "certificate") {
			t.Errorf("another authority in mode %s: %q", mode, why)
		}
	}
}

func refusals(t *testing.T, c *testkit.Cluster, ca string) {
	wrong := connector.Settings{"ca": ca, "url": "postgres://prumo:wrong-horse@" + c.Addr() + "/postgres?sslmode=verify-full"}
	missing := connector.Settings{"ca": ca, "url": "postgres://prumo:" + password + "@" + c.Addr() + "/nothing?sslmode=verify-full"}
	otherDB := over(c, ca, "prumo", "verify-full")
	otherDB["databases"] = []string{"nothing"}
	do(t, c, "ALTER ROLE nobody CONNECTION LIMIT 0")
	for _, k := range []struct {
		name     string
		settings connector.Settings
		want     fact.Reading
		why      string
	}{
		{"password", wrong, fact.Forbidden, "password"},
		{"role", over(c, ca, "ghost", "verify-full"), fact.Forbidden, "password"},
		{"database", missing, fact.Partial, "does not exist"},
		{"another database", otherDB, fact.Partial, "does not exist"},
		{"connections", over(c, ca, "nobody", "verify-full"), fact.Partial, "no connection left"},
	} {
		o := read(t.Context(), k.settings)
		s := o.scope(t, "server")
		if o.err != nil || s.Reading != k.want || !strings.Contains(s.Detail.Why, k.why) {
			t.Errorf("%s: %s, %q, %v; want %s, %q", k.name, s.Reading, s.Detail.Why, o.err, k.want, k.why)
		}
		quiet(t, k.name, o)
	}
	o := readWith(t.Context(), over(c, ca, "prumo", "verify-full"), connector.NetworkPolicy{})
	o.wants(t, fact.Partial, fact.Partial, fact.Partial)
	if why := o.scope(t, "server").Detail.Why; !strings.Contains(why, "may not reach") || len(o.mem.Facts()) > 0 {
		t.Errorf("a forbidden network: %q with %d facts", why, len(o.mem.Facts()))
	}
}

// quiet reports a secret anywhere in what a reading gave.
func quiet(t *testing.T, what string, o outcome) {
	t.Helper()
	text := fmt.Sprintf("%+v %v %s", o.mem.Scopes(), o.err, o.log)
	for _, f := range o.mem.Facts() {
		text += f.ID + string(f.Data)
	}
	for _, secret := range []string{"horse", "SCRAM-SHA-256$", "postgres://"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s: a secret got out: %s", what, text)
		}
	}
}

// do runs statements as a superuser over TLS, since the server takes nothing else.
func do(t *testing.T, c *testkit.Cluster, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), "postgres://admin:"+password+"@"+c.Addr()+"/postgres?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// story: somebody makes a superuser and loosens an access rule. The tripwire
// moves only where something changed, the reading tells it, and mending it mends it.
func story(t *testing.T, c *testkit.Cluster, ca string) {
	s := over(c, ca, "prumo", "verify-full")
	calm := trip(t, s)
	if again := trip(t, s); !maps.Equal(calm, again) || len(calm) != 3 {
		t.Fatalf("nothing changed and the tripwire says %v, then %v", calm, again)
	}
	do(t, c, "CREATE ROLE mallory LOGIN SUPERUSER")
	broken := trip(t, s)
	if got := moved(calm, broken); !slices.Equal(got, []string{"roles"}) {
		t.Fatalf("a new superuser moved %v, want roles", got)
	}
	o := reread(t, s, "roles")
	if len(o.mem.Scopes()) != 1 {
		t.Errorf("%d scopes were read again, want one", len(o.mem.Scopes()))
	}
	is(t, "superuser", get[fact.DatabaseRole](t, o, "/mallory").Superuser, true)
	hba := "COPY (SELECT unnest(string_to_array($$%s$$, E'\\n'))) TO '" + get[fact.Database](t, read(t.Context(), s), c.Addr()).DataDirectory.Or("") + "/pg_hba.conf'"
	do(t, c, fmt.Sprintf(hba, "hostssl all all 0.0.0.0/0 trust\n"+goodRules), "SELECT pg_reload_conf()")
	loose := trip(t, s)
	if got := moved(broken, loose); !slices.Equal(got, []string{"log", "server"}) {
		t.Fatalf("a loosened rule moved %v, want log and server", got)
	}
	lists(t, "weak_auth_rules", get[fact.Database](t, reread(t, s, "server"), c.Addr()).WeakAuthRules, "line 1: hostssl all all 0.0.0.0/0 trust")
	do(t, c, fmt.Sprintf(hba, goodRules), "SELECT pg_reload_conf()", "DROP ROLE mallory")
	if mended := trip(t, s); !maps.Equal(mended, calm) {
		t.Errorf("mended, the tripwire says %v, want %v", mended, calm)
	}
	lists(t, "weak_auth_rules", get[fact.Database](t, reread(t, s, "server"), c.Addr()).WeakAuthRules)
	for _, f := range reread(t, s, "roles").mem.Facts() {
		if strings.HasSuffix(f.ID, "/mallory") {
			t.Error("the superuser is still there")
		}
	}
}

func trip(t *testing.T, s connector.Settings) map[string]string {
	t.Helper()
	h, err := postgres.New().(connector.Tripwirer).Tripwire(t.Context(), run(s, connector.NetworkPolicy{AllowAll: true}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func moved(a, b map[string]string) []string {
	var out []string
	for k := range b {
		if a[k] != b[k] {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func reread(t *testing.T, s connector.Settings, targets ...string) outcome {
	t.Helper()
	o := outcome{mem: connector.Record()}
	o.mem.Source, o.mem.Origin, o.mem.At = "db", fact.OriginAPI, clock()
	o.err = postgres.New().(connector.Rereader).Reread(t.Context(), run(s, connector.NetworkPolicy{AllowAll: true}, nil), targets, o.mem)
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o
}

// stopped is a server that ends: before a reading, which then says so everywhere.
func stopped(t *testing.T, c *testkit.Cluster, s connector.Settings) {
	c.Stop(t)
	time.Sleep(300 * time.Millisecond)
	o := read(t.Context(), s)
	o.wants(t, fact.Partial, fact.Partial, fact.Partial)
	if len(o.mem.Facts()) > 0 || o.scope(t, "server").Detail.Why == "" {
		t.Errorf("a stopped server gave %d facts, %+v", len(o.mem.Facts()), o.scope(t, "server").Detail)
	}
}

func TestNameOfCertificate(t *testing.T) {
	c, ca := good(t, "db.example.com")
	settle(t, over(c, ca, "prumo", "verify-ca"))
	o := read(t.Context(), over(c, ca, "prumo", "verify-full"))
	o.wants(t, fact.Partial, fact.Partial, fact.Partial)
	if why := o.scope(t, "server").Detail.Why; !strings.Contains(why, "certificate") {
		t.Errorf("another name in the certificate: %q", why)
	}
}
