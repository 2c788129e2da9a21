package demo

import (
	"encoding/json"
	"fmt"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// databases invents the database servers and their roles.
func (w *world) databases() {
	for i, name := range []string{"booking", "ledger", "identity", "reports", "search", "archive"} {
		id := fact.Ref("databases/" + name)
		plainLink := span{}
		if i == 3 {
			plainLink = w.trouble("databases", 14, 0)
		}
		w.vary("databases", "servers", string(id), func(at time.Time) fact.Data {
			f := fact.Database{
				Name: some(name), Engine: some("postgresql"), Version: some([]string{"17.6", "16.10", "13.22"}[i/3+i/5]), Supported: some(i != 5),
				SupportEndsAt: some(w.now.Add(time.Duration(700-i*145) * day)), Encrypted: unless(i == 4, true), TLS: some(true), TLSForced: some(!plainLink.holds(at)),
				TLSMinVersion: some("1.2"), PasswordHash: some("scram-sha-256"), WeakAuthRules: some([]string{}), PlainRules: some([]string{}),
				LogConnections: some(i != 5), Audit: some(i < 3), Checksums: some(true), Replicas: some(int64(2 - i/3)), Public: some(false),
				Extensions: some([]string{"pg_stat_statements"}), BackupDays: some(int64(35 - i*5)), BackedUpAt: some(at.Truncate(2 * day).Add(-3 * time.Hour)),
				RestoreTestedAt: some(w.ago(time.Duration(20+i*31) * day)), Host: some(fact.Ref(fmt.Sprintf("servers/db-%d", 1+i%2))), Owner: some(w.staff[i*3].id),
			}
			if plainLink.holds(at) {
				f.PlainRules = some([]string{"host all reporting 10.20.0.0/16 scram-sha-256"})
			}
			return f
		})
		for j, role := range []string{"owner", "app", "migrate", "readonly", "replicator", w.staff[i+20].login} {
			r := fact.DatabaseRole{
				Name: some(role), Database: some(id), CanLogin: some(j != 0), Superuser: some(j == 0 || i == 5 && j == 2), BypassRLS: some(j == 0),
				CreateRole: some(j == 0), CreateDB: some(j == 2), Replication: some(j == 4), MemberOf: some([]string{}), Members: some([]string{}),
				Hash: some([]string{"scram-sha-256", "scram-sha-256", "scram-sha-256", "md5"}[i*j%4]), NoExpiry: some(j != 5), Service: some(j != 5),
			}
			if j == 5 {
				r.Person, r.ExpiresAt = some(w.staff[i+20].id), some(w.now.Add(time.Duration(i*12-10)*day))
			}
			w.add("databases", "roles", string(id)+"/"+role, r)
		}
	}
}

// weaknesses invents what scanners found: most of it is fixed within days.
func (w *world) weaknesses() {
	severities := []string{"low", "medium", "medium", "high", "medium", "high", "low", "critical"}
	types := []string{"dependency", "dependency", "code", "infrastructure"}
	for i := range 70 {
		found := w.when(Days+20, 1)
		severity := severities[i%8]
		limit := map[string]time.Duration{"critical": 7, "high": 30, "medium": 90, "low": 180}[severity] * day
		fixed := found.Add(time.Duration(float64(limit) * float64(10+w.rng.IntN(110)) / 100))
		r := w.repos[w.rng.IntN(30)]
		host := fact.Ref("servers/web-" + fmt.Sprint(1+i%3))
		t := w.vary("scanner", "weaknesses", fmt.Sprintf("scanner/QW-%03d", i+1), func(at time.Time) fact.Data {
			f := fact.Vulnerability{
				Advisory: some(fmt.Sprintf("DEMO-2026-%04d", 100+i*13)), Title: some("Invented weakness no. " + fmt.Sprint(i+1)), Severity: some(severity),
				Type: some(types[i%4]), Open: some(at.Before(fixed)), State: some("open"), Package: some(fmt.Sprintf("lib-%c%c", 'a'+rune(i%26), 'k'+rune(i%9))),
				Version: some(fmt.Sprintf("1.%d.0", i%12)), FixedIn: some(fmt.Sprintf("1.%d.3", i%12)), FoundAt: some(found), DueAt: some(found.Add(limit)),
			}
			if i%4 == 3 {
				f.Host = some(host)
			} else {
				f.Repository = some(r.id)
			}
			if !at.Before(fixed) {
				f.State, f.FixedAt = some("fixed"), some(fixed)
			}
			return f
		})
		t.born = found
	}
	w.alerts()
}

// alerts invents what the forge itself found and was told: a secret in the
// code, and reports of which one waits.
func (w *world) alerts() {
	exposed := w.ago(30 * time.Hour)
	w.vary("forge", "alerts", "forge/quillwort/scratch/secret/1", func(at time.Time) fact.Data {
		return fact.Vulnerability{
			Title: some("Invented access key in config.example"), Type: some("secret"), Severity: some("critical"), Open: some(true), State: some("open"),
			Repository: some(w.repos[len(w.repos)-1].id), FoundAt: some(exposed),
		}
	}).born = exposed
	for i, days := range []int{2, 9, 40} {
		w.add("forge", "alerts", fmt.Sprintf("forge/quillwort/public-sdk/report/%d", i+1), fact.Vulnerability{
			Advisory: some(fmt.Sprintf("REPORT-%d", i+1)), Title: some("Invented report no. " + fmt.Sprint(i+1)), Type: some("report"), Open: some(true),
			State: some([]string{"triage", "triage", "draft"}[i]), Severity: some("medium"), Repository: some(w.repos[24].id), FoundAt: some(w.ago(time.Duration(days) * day)),
		})
	}
}

// watchers invents log sources and sensors; one sensor stopped yesterday.
func (w *world) watchers() {
	stopped, quiet := w.trouble("watch", 1, 0), w.trouble("watch", 48, 5)
	for i, s := range []string{"web-1", "web-2", "api-1", "api-2", "db-1", "db-2", "vpn-1", "bastion-1", "mail-1", "build-1", "legacy-1", "kiosk-1"} {
		w.vary("watch", "logs", "watch/log/"+s, func(at time.Time) fact.Data {
			last := at.Truncate(2 * day).Add(-10 * time.Minute)
			if i == 3 && quiet.holds(at) {
				last = quiet.from
			}
			return fact.LogSource{
				Name: some(s), System: some("linux"), Enabled: some(i != 11), Monitored: unless(i == 9, i < 10), Immutable: some(i%3 != 2),
				KeptDays: some(int64(400 - i*20)), LastEventAt: some(last), Host: some(fact.Ref("servers/" + s)),
			}
		})
		if i%2 == 1 {
			continue
		}
		w.vary("watch", "sensors", "watch/sensor/"+s, func(at time.Time) fact.Data {
			f := fact.Sensor{
				Name: some("sensor " + s), Type: some([]string{"host", "network", "file"}[i/2%3]), Active: some(true), Rules: some(int64(1800 + i)),
				UpdatedAt: some(at.Truncate(4 * day)), LastSeenAt: some(at.Add(-10 * time.Minute)), Host: some(fact.Ref("servers/" + s)),
			}
			if i == 6 && stopped.holds(at) {
				f.Active, f.LastSeenAt = some(false), some(stopped.from)
			}
			return f
		})
	}
}

// duties invents what people keep: tests, reviews, policies, and processors as items.
func (w *world) duties() {
	for i, r := range []struct {
		title, kind, control string
		every                int // days
		external             bool
	}{
		{"Penetration test of the application", "pentest", "pentest-external", 365, true},
		{"Internal penetration test", "pentest", "pentest-internal", 180, false},
		{"Restore test of the ledger", "restore-test", "recovery-test", 90, false},
		{"Restore test of bookings", "restore-test", "recovery-test", 90, false},
		{"Access review of the forge", "review", "quarterly-access-review", 90, false},
		{"Access review of the cloud", "review", "quarterly-access-review", 90, false},
		{"Incident exercise", "exercise", "incident-response-plan", 365, false},
		{"Security policy", "policy", "security-policy-set", 365, false},
		{"Acceptable use policy", "policy", "security-policy-set", 365, false},
		{"Risk assessment", "assessment", "risk-assessment", 365, false},
		{"SOC 2 Type II audit", "audit", "external-audit", 365, true},
		{"Management review", "review", "management-review", 365, false},
	} {
		owner := w.staff[(i*9+70)%110].id
		w.vary("duties", "records", fmt.Sprintf("duties/%02d", i+1), func(at time.Time) fact.Data {
			done := w.now.Add(-time.Duration(r.every*(i%5)*25/100+i*3) * day)
			for done.After(at) {
				done = done.Add(-time.Duration(r.every) * day)
			}
			due := done.Add(time.Duration(r.every) * day)
			f := fact.Record{
				Title: some(r.title), Type: some(r.kind), State: some("done"), Control: some(r.control), Owner: some(owner), ApprovedBy: some(w.staff[0].login),
				StartsAt: some(done), EndsAt: some(due), DueAt: some(due), DoneAt: some(done), External: some(r.external),
			}
			if i == 5 { // nobody did this quarter's
				f.State, f.DoneAt, f.ApprovedBy = some("open"), fact.Opt[time.Time]{}, fact.Opt[string]{}
			}
			return f
		})
	}
	for i, name := range []string{"Nimbrel Hosting", "Postwillow Mail", "Cardamune Payments", "Deskfern Support", "Glasswing Analytics", "Hollowtree Backups"} {
		raw, err := json.Marshal(map[string]any{
			"name": name, "purpose": []string{"hosting", "mail", "payments", "support", "analytics", "backup"}[i], "agreement": i != 4,
			"country": []string{"BR", "DE", "US", "ES", "US", "PT"}[i], "reviewed_on": w.ago(time.Duration(40+i*80) * day).Format(time.DateOnly),
		})
		if err != nil {
			panic(fmt.Sprintf("demo: processor %s: %v", name, err)) // texts and truths always have a JSON form
		}
		w.add("duties", "processors", fmt.Sprintf("duties/processor-%d", i+1), fact.Item{Object: raw})
	}
}

// plant is a second Prumo, at the factory, that sends how it fares itself.
func (w *world) plant() {
	failing := w.trouble("plant", 0.6, 0)
	for i, name := range []string{"doors", "controllers", "badge-office", "cameras", "plant-hosts"} {
		w.vary("plant", "prumo", "plant/source/"+name, func(at time.Time) fact.Data {
			f := fact.Collector{
				Name: some(name), Type: some("source"), Connector: some("exec"), Enabled: some(i != 3), EverySeconds: some[int64](3600), Failures: some[int64](0),
				ForbiddenScopes: some(int64(i / 4)), LastResult: some("complete"), LastReadAt: some(at), Facts: some(int64(40 + i)), FactsBefore: some(int64(40 + i)),
				Shrunk: some(false), SilentAt: some(at.Add(26 * time.Hour)), Overdue: some(false),
			}
			if i == 1 && failing.holds(at) {
				f.Failures, f.LastResult, f.Detail = some[int64](6), some("failed"), some("the system did not answer")
			}
			if i == 2 {
				f.SilentAt = some(w.ago(9 * day))
			}
			return f
		})
	}
	for _, c := range []fact.Collector{
		{Name: some("timer"), Type: some("timer"), Enabled: some(true), LagSeconds: some[int64](0)},
		{Name: some("alerts"), Type: some("alerts"), Enabled: some(true), Pending: some[int64](0), Dead: some[int64](1)},
		{Name: some("exceptions"), Type: some("exceptions"), Enabled: some(true), Pending: some[int64](1)},
		{Name: some("PRUMO_ADDR"), Type: some("settings"), Setting: some("PRUMO_ADDR"), Safe: some(true), Detail: some("listens on 127.0.0.1:8420")},
	} {
		w.add("plant", "prumo", "plant/"+c.Name.Or(""), c)
	}
}
