package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/pg"
	"prumo.dev/prumo/internal/fact"
)

func r(kind, databases, users, address, netmask, method string) rule {
	return rule{kind: kind, databases: strings.Split(databases, ","), users: strings.Split(users, ","), address: address, netmask: netmask, method: method}
}

func TestRules(t *testing.T) {
	all := r("host", "all", "all", "all", "", "scram-sha-256")
	reject := r("hostnossl", "all", "all", "all", "", "reject")
	for _, k := range []struct {
		name        string
		rules       rules
		weak, plain int
	}{
		{"plain to all", rules{all}, 0, 1},
		{"plain is rejected first", rules{reject, all}, 0, 0},
		{"rejected too late", rules{all, reject}, 0, 1},
		{"rejected for one database only", rules{r("hostnossl", "app", "all", "all", "", "reject"), all}, 0, 1},
		{"rejected for one user only", rules{r("hostnossl", "all", "ana", "all", "", "reject"), all}, 0, 1},
		{"rejected for a part of the range", rules{r("hostnossl", "all", "all", "10.0.0.0", "255.0.0.0", "reject"), all}, 0, 1},
		{"rejected for a wider range", rules{r("hostnossl", "all", "all", "10.0.0.0", "255.0.0.0", "reject"), r("host", "all", "all", "10.1.0.0", "255.255.0.0", "md5")}, 1, 0},
		{"all is not replication", rules{reject, r("host", "replication", "all", "all", "", "scram-sha-256")}, 0, 1},
		{"IPv6 is not IPv4", rules{r("hostnossl", "all", "all", "0.0.0.0", "0.0.0.0", "reject"), r("host", "all", "all", "::", "::", "scram-sha-256")}, 0, 1},
		{"loopback", rules{r("host", "all", "all", "127.0.0.1", "255.255.255.255", "scram-sha-256"), r("host", "all", "all", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "scram-sha-256"), r("host", "all", "all", "samehost", "", "scram-sha-256")}, 0, 0},
		{"around loopback", rules{r("host", "all", "all", "127.0.0.0", "254.0.0.0", "scram-sha-256")}, 0, 1},
		{"a name", rules{r("host", "all", "all", ".example.com", "", "scram-sha-256")}, 0, 1},
		{"a mask with a hole", rules{r("host", "all", "all", "127.0.0.1", "255.0.255.0", "scram-sha-256")}, 0, 1},
		{"peer", rules{r("local", "all", "all", "", "", "peer")}, 0, 0},
		{"a socket for everybody", rules{r("local", "all", "all", "", "", "trust")}, 1, 0},
		{"rejected before it is trusted", rules{r("host", "all", "all", "all", "", "reject"), r("hostssl", "all", "all", "10.0.0.0", "255.0.0.0", "trust")}, 0, 0},
		{"reject does not hold for sockets", rules{r("host", "all", "all", "all", "", "reject"), r("local", "all", "all", "", "", "trust")}, 1, 0},
		{"plain rejected, weak over TLS", rules{reject, r("host", "all", "all", "all", "", "md5")}, 1, 0},
		{"certificates", rules{r("hostssl", "all", "all", "all", "", "cert")}, 0, 0},
		{"GSS", rules{r("hostgssenc", "all", "all", "all", "", "gss"), r("hostnogssenc", "all", "all", "all", "", "ldap")}, 0, 1},
	} {
		var f fact.Database
		k.rules.judge(&f, config{"listen_addresses": "*"})
		if w, p := f.WeakAuthRules.Or(nil), f.PlainRules.Or(nil); len(w) != k.weak || len(p) != k.plain || f.TLSForced.Or(true) != (k.plain == 0) {
			t.Errorf("%s: weak %q, plain %q, forced %v; want %d and %d", k.name, w, p, f.TLSForced, k.weak, k.plain)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add("host", "all", "10.0.0.0", "255.0.0.0", "md5")
	f.Fuzz(func(t *testing.T, kind, names, address, netmask, method string) {
		var d fact.Database
		u := r(kind, names, names, address, netmask, method)
		rules{u, u, r("host", "all", "all", "all", "", "reject"), u}.judge(&d, config{})
		for _, s := range d.WeakAuthRules.Or(nil) {
			if strings.ToValidUTF8(s, "") != s {
				t.Errorf("%q is not UTF-8", s)
			}
		}
	})
}

func TestSettings(t *testing.T) {
	yes, no, silent := fact.Some(true), fact.Some(false), fact.Opt[bool]{}
	for _, k := range []struct {
		name      string
		got, want fact.Opt[bool]
	}{
		{"audit hidden", audit(config{}, 0), silent},
		{"audit not loaded", audit(config{"shared_preload_libraries": "pg_stat_statements", "pgaudit.log": "all"}, 0), no},
		{"audit loaded and silent", audit(config{"shared_preload_libraries": "pgaudit", "pgaudit.log": "none"}, 0), no},
		{"audit", audit(config{"shared_preload_libraries": `pg_stat_statements, "$libdir/pgaudit"`, "pgaudit.log": "ddl"}, 0), yes},
		{"audit of one role", audit(config{"shared_preload_libraries": "pgaudit", "pgaudit.log": "none"}, 1), yes},
		{"connections of release 18", logsConnections(config{"log_connections": "receipt,authorization"}), yes},
		{"connections received only", logsConnections(config{"log_connections": "receipt"}), no},
		{"connections off", logsConnections(config{"log_connections": ""}), no},
		{"connections not said", logsConnections(config{}), silent},
		{"false and unknown", both(no, silent), no},
		{"true and unknown", both(yes, silent), silent},
		{"log to syslog", enabled(config{"log_destination": "stderr,syslog", "logging_collector": "off"}), yes},
		{"log to nobody knows", enabled(config{"log_destination": "stderr", "logging_collector": "off"}), silent},
		{"log to nowhere", enabled(config{"log_destination": "", "logging_collector": "on"}), no},
		{"log collected", enabled(config{"log_destination": "jsonlog", "logging_collector": "on"}), yes},
		{"checksums", config{"data_checksums": "on"}.on("data_checksums"), yes},
	} {
		if k.got != k.want {
			t.Errorf("%s = %v, want %v", k.name, k.got, k.want)
		}
	}
	for v, want := range map[string]string{"": "1.0", "TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.3": "1.3", "TLSv9": ""} {
		if got := minVersion(config{"ssl_min_protocol_version": v}).Or(""); got != want {
			t.Errorf("ssl_min_protocol_version %q = %q, want %q", v, got, want)
		}
	}
	for list, want := range map[string]bool{"localhost": true, "": true, "127.0.0.1, ::1": true, "*": false, "localhost,10.0.0.1": false} {
		if got := local(config{"listen_addresses": list}); got != want {
			t.Errorf("listening on %q is local: %v", list, got)
		}
	}
	if local(config{}) {
		t.Error("a server that does not say where it listens is taken for local")
	}
}

func TestReleases(t *testing.T) {
	for version, want := range map[string]string{
		"15.14 (Debian 15.14-0+deb12u1)": "2027-11-11", "9.6.24": "2021-11-11", "10.1": "2022-11-10", "18": "2030-11-14", "99.1": "", "": "",
	} {
		end, ok := supportEnd(releases, major(version))
		if ok != (want != "") || ok && end.Format(time.DateOnly) != want {
			t.Errorf("support of %q ends %v (known: %v), want %q", version, end, ok, want)
		}
	}
	last := time.Time{}
	for line := range strings.Lines(releases) {
		if name, _, ok := strings.Cut(line, ","); ok && !strings.HasPrefix(line, "#") {
			end, known := supportEnd(releases, name)
			if !known || !end.After(last) {
				t.Errorf("release %s ends %v, not after the one before", name, end)
			}
			last = end
		}
	}
}

func TestHonestCodes(t *testing.T) {
	for code, want := range map[string]fact.Reading{
		"28P01": fact.Forbidden, "28000": fact.Forbidden, "42501": fact.Forbidden, "53300": fact.Partial, "57014": fact.Partial,
		"57P01": fact.Partial, "57P03": fact.Partial, "3D000": fact.Partial, "42P01": fact.Partial, "XX000": fact.Partial, "<b>": fact.Partial,
	} {
		got, d := honest(fmt.Errorf("ask: %w", &pgconn.PgError{Code: code, Message: "SECRET"}))
		if got != want || d.Why == "" || strings.Contains(d.Why, "SECRET") || strings.Contains(d.Why, "<") {
			t.Errorf("code %s = %s %q, want %s", code, got, d.Why, want)
		}
	}
	if got, d := honest(errors.Join(connector.ErrNetwork)); got != fact.Partial || !strings.Contains(d.Why, "may not reach") {
		t.Errorf("a forbidden network = %s %q", got, d.Why)
	}
}

func FuzzRoleID(f *testing.F) {
	f.Add("a\nb", `a\u000ab`)
	f.Add("a\xff", "a\uFFFD")
	f.Fuzz(func(t *testing.T, a, b string) {
		r := &reader{target: pg.Target{Host: "db", Port: 5432}}
		if a != b && r.roleID(a) == r.roleID(b) {
			t.Errorf("%q and %q are both %q", a, b, r.roleID(a))
		}
		if strings.ContainsAny(r.roleID(a), "\n\r\x00") {
			t.Errorf("%q became %q", a, r.roleID(a))
		}
	})
}

func TestPowers(t *testing.T) {
	p := powers{
		roles: map[string]role{"root": {super: true}, "a": {}, "b": {}, "c": {}},
		members: []membership{
			{"root", "a", true, true}, {"a", "b", true, true}, {"b", "a", true, true}, // a circle
			{"root", "c", false, true}, {"pg_read_server_files", "c", false, true}, {"pg_write_server_files", "d", false, false},
		},
	}
	for name, want := range map[string][]string{
		"a": {"root"}, "b": {"root"}, "c": {"pg_read_server_files"}, "d": {}, "root": {},
	} {
		if got := p.root(name); !slices.Equal(got, want) {
			t.Errorf("%s becomes %q, want %q", name, got, want)
		}
	}
}
