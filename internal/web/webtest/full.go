package webtest

import (
	"fmt"
	"time"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web/alerts"
)

// Full makes the invented organisation.
func Full() (*Store, error) {
	s, err := New()
	if err != nil {
		return nil, err
	}
	if err := s.people(); err != nil {
		return nil, err
	}
	if err := s.code(); err != nil {
		return nil, err
	}
	if err := s.machines(); err != nil {
		return nil, err
	}
	s.judge()
	s.connected()
	s.accepted()
	s.told()
	closed := Now().Add(-30 * time.Hour)
	for i := range s.findings {
		if i%17 == 3 {
			s.findings[i].ClosedAt, s.findings[i].ClosedWhy, s.findings[i].Status = &closed, "passed", monitor.StatusPass
		}
	}
	return s, nil
}

// put stores a fact as a source would have said it.
func (s *Store) put(source, scope, id, name string, data fact.Data) error {
	f, err := fact.New(id, data)
	if err != nil {
		return fmt.Errorf("invent %s: %w", id, err)
	}
	seen := Now().Add(-time.Duration(20+dice(400, id)) * time.Second)
	s.facts = append(s.facts, monitor.FactView{
		ID: id, Kind: f.Kind, Source: source, Scope: scope, Name: name, Origin: fact.OriginAPI, ObservedAt: seen, ReadAt: seen,
		ChangedAt: Now().Add(-time.Duration(1+dice(900, id)) * time.Hour), FirstSeen: Now().AddDate(0, -4, -3),
		Data: f.Data, Digest: fmt.Sprintf("%08x%08x", dice(1<<30, id), dice(1<<30, name)),
	})
	return nil
}

func names() []string {
	return []string{
		"Ana Beatriz Figueiredo", "Rafael Moreira", "Tomás Echeverría", "Jin-ah Seo", "Larissa Nogueira", "Ivo Steiner", "Marcin Wójcik",
		"Priyanka Raghunathan", "João Pedro Vasconcelos de Albuquerque", "Lena Hoffmann-Schwarzenbach", "Mateo Rivas", "Danielle Prévost",
		"Emre Yıldız", "Gonzalo Iturbe", "Henrike Vogt", "Kavya Menon", "Aaron Whitfield", "Beatriz Salgueiro", "Chidi Okonkwo", "Mei Tanaka",
	}
}

func (s *Store) people() error {
	for i, name := range names() {
		login := fmt.Sprintf("u%02d", i+1)
		p := fact.Person{Name: fact.Some(name), Active: fact.Some(i != 6), Email: fact.Some(login + "@aurora.example")}
		if i == 6 {
			p.EndedAt = fact.Some(Now().AddDate(0, 0, -3))
		}
		if err := s.put("people", "people", "people/"+login, name, p); err != nil {
			return err
		}
		a := fact.Account{
			Login: fact.Some(login), Name: fact.Some(name), System: fact.Some("gitea"), Type: fact.Some("human"), Active: fact.Some(true),
			Admin: fact.Some(i < 3), Person: fact.Some(fact.Ref("people/" + login)), CreatedAt: fact.Some(Now().AddDate(-2, 0, -i)),
		}
		if i%7 != 5 {
			a.MFA = fact.Some(i%6 != 1)
		}
		if i%4 != 3 {
			a.LastSignIn = fact.Some(Now().AddDate(0, 0, -i*7))
		}
		if err := s.put("code", "members", "gitea/"+login, login, a); err != nil {
			return err
		}
	}
	for _, bot := range []string{"ci-bot", "renovate", "calendar-sync"} {
		a := fact.Account{Login: fact.Some(bot), System: fact.Some("gitea"), Type: fact.Some("service"), Active: fact.Some(true), WritesTo: fact.Some([]string{"agenda-web"})}
		if err := s.put("code", "members", "gitea/"+bot, bot, a); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) code() error {
	for i, name := range []string{"agenda-web", "agenda-api", "billing-worker", "infra-terraform", "sdk-python", "sdk-php", "docs-site", "design-tokens", "status-page", "hack-week-2025", "metrics-export", "sftp-bridge"} {
		p := fact.Protection{Enabled: fact.Some(i != 3), PullRequest: fact.Some(i%5 != 3), Approvals: fact.Some(int64(1 - i%4/3))}
		r := fact.Repository{
			Name: fact.Some("aurora/" + name), Archived: fact.Some(i == 9), Production: fact.Some(i < 4), Protection: fact.Some(p),
			CodeOwners: fact.Some(i%3 == 0), LockFiles: fact.Some(i%4 != 2), SecurityPolicy: fact.Some(i < 5), DefaultBranch: fact.Some("main"),
			Public: fact.Some(false), Empty: fact.Some(false), PushedAt: fact.Some(Now().Add(-time.Duration(i*31) * time.Hour)),
		}
		if i < 6 {
			r.RunsTests, r.RunsSecretScan = fact.Some(true), fact.Some(i != 4)
		}
		if err := s.put("code", "repositories", "gitea/aurora/"+name, "aurora/"+name, r); err != nil {
			return err
		}
		for n := range 4 {
			c := fact.Change{
				Repository: fact.Some(fact.Ref("gitea/aurora/" + name)), Number: fact.Some(int64(1180 + n)), Title: fact.Some("Change " + fmt.Sprint(n)),
				Author: fact.Some("u02"), OtherApprovers: fact.Some([]string{"u03"}[:min(1, dice(8, name, fmt.Sprint(n)))]),
				MergedAt: fact.Some(Now().AddDate(0, 0, -n)), ChecksPassed: fact.Some(dice(9, name, fmt.Sprint(n)) != 0),
			}
			id := fmt.Sprintf("gitea/aurora/%s#%d", name, 1180+n)
			if err := s.put("code", "changes "+name, id, fmt.Sprintf("%s#%d", name, 1180+n), c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) machines() error {
	for i, name := range []string{"app-gru-1", "app-gru-2", "db-gru-1"} {
		h := fact.Host{Name: fact.Some(name)}
		if i < 2 {
			h.Firewall = fact.Some(i == 0)
		}
		if err := s.put("host", "host", "host/"+name, name, h); err != nil {
			return err
		}
	}
	for i, name := range []string{"app.aurora.example:443", "status.aurora.example:443", "sftp.aurora.example:443"} {
		e := fact.Endpoint{
			Host: fact.Some(name), Reachable: fact.Some(true), TLS: fact.Some(true), LegacyTLS: fact.Some(i == 2), TLS13: fact.Some(i < 2),
			CertTrusted: fact.Some(true), CertName: fact.Some(true), CertNotAfter: fact.Some(Now().AddDate(0, 0, 12+40*i)),
		}
		if err := s.put("outside", "endpoints", "edge/"+name, name, e); err != nil {
			return err
		}
	}
	for i := range 9 {
		id := fmt.Sprintf("aws/AKIA%d", i)
		k := fact.Secret{Name: fact.Some(fmt.Sprintf("AKIA…%dXZP", i)), Type: fact.Some("access-key"), Active: fact.Some(true), CreatedAt: fact.Some(Now().AddDate(0, -i, 0))}
		if err := s.put("aws", "keys", id, fmt.Sprintf("AKIA…%dXZP", i), k); err != nil {
			return err
		}
	}
	return nil
}

func at(d time.Duration) *time.Time {
	t := Now().Add(d)
	return &t
}

// connected gives each source its behaviour.
func (s *Store) connected() {
	scope := func(name string, n, of, forbidden int64, r fact.Reading, why, permission string, kinds ...string) monitor.ScopeState {
		c := monitor.ScopeState{Name: name, Kinds: kinds, LastAt: Now().Add(-2 * time.Minute), LastResult: r, Seen: n, Of: of, Forbidden: forbidden, Why: why, Permission: permission}
		if r == fact.Complete {
			c.LastCompleteAt = at(-2 * time.Minute)
		} else {
			c.LastCompleteAt = at(-29 * time.Hour)
		}
		return c
	}
	fast := monitor.Latency{AlertP50: 1200 * time.Millisecond, AlertP95: 3800 * time.Millisecond, DetectP50: 900 * time.Millisecond, DetectP95: 3100 * time.Millisecond, Samples: 88}
	created := Now().AddDate(0, -4, -3)
	s.sources = []monitor.Source{
		{Name: "code", Connector: "gitea", Every: 5 * time.Minute, Enabled: true, CreatedAt: created, LastReadAt: at(-2 * time.Minute), LastResult: "complete", NextReadAt: at(3 * time.Minute), Latency: fast, Scopes: []monitor.ScopeState{
			scope("members", 23, 23, 0, fact.Complete, "", "", "account"), scope("repositories", 12, 12, 0, fact.Complete, "", "", "repository"),
			scope("changes agenda-web", 4, 0, 0, fact.Complete, "", "", "change"),
		}},
		{Name: "aws", Connector: "aws", Every: 15 * time.Minute, Enabled: true, CreatedAt: created, LastReadAt: at(-5*time.Hour - 20*time.Minute), LastResult: "forbidden", LastWhy: "the role lost a permission", NextReadAt: at(9 * time.Minute), Scopes: []monitor.ScopeState{
			scope("keys", 9, 14, 5, fact.Forbidden, "the role may not list keys", "iam:ListAccessKeys", "secret"),
		}},
		{Name: "people", Connector: "sql", Every: time.Hour, Enabled: true, FromFile: true, Owner: "Larissa Nogueira", CreatedAt: created, LastReadAt: at(-32 * time.Minute), LastResult: "complete", NextReadAt: at(28 * time.Minute), Scopes: []monitor.ScopeState{scope("people", 20, 20, 0, fact.Complete, "", "", "person")}},
		{Name: "host", Connector: "host", Every: 5 * time.Minute, Enabled: true, FromFile: true, CreatedAt: created, LastReadAt: at(-48 * time.Second), LastResult: "partial", LastWhy: "what only root may read was left out", NextReadAt: at(4 * time.Minute), Scopes: []monitor.ScopeState{scope("host", 3, 0, 0, fact.Partial, "reading the disks needs root", "sudo prumo host-facts", "host")}},
		{Name: "outside", Connector: "edge", Every: time.Hour, Enabled: true, CreatedAt: created, LastReadAt: at(-20 * time.Minute), LastResult: "complete", NextReadAt: at(40 * time.Minute), Latency: monitor.Latency{AlertP50: 41 * time.Second, AlertP95: 118 * time.Second, Samples: 12}, Scopes: []monitor.ScopeState{scope("endpoints", 3, 3, 0, fact.Complete, "", "", "endpoint")}},
		{Name: "crm", Connector: "push", Enabled: true, CreatedAt: Now().Add(-time.Hour)},
	}
	for i := range s.sources {
		for _, f := range s.facts {
			if f.Source == s.sources[i].Name {
				s.sources[i].Facts++
				s.sources[i].Counts = s.sources[i].Counts.Add(f.Counts)
			}
		}
	}
}

// accepted invents exceptions in each state.
func (s *Store) accepted() {
	x := monitor.Exception{
		ID: "x1", Check: "repository-has-code-owners", Source: "code", Reason: "Small repositories with one team; owners are set when the second team joins.",
		Requester: "Rafael Moreira", Approver: "Ana Beatriz Figueiredo", CreatedAt: Now().AddDate(0, 0, -20), ApprovedAt: at(-19 * 24 * time.Hour),
		Ends: Now().AddDate(0, 2, 8), Guard: "repository-needs-approval", GuardOK: true, Active: true, Covers: 4,
	}
	s.exceptions = append(s.exceptions, x)
	x.ID, x.Check, x.ApprovedAt, x.Active, x.Guard, x.Covers, x.Fact = "x2", "account-has-mfa", nil, false, "", 1, "gitea/u02"
	x.Reason = "His phone is in repair until Friday; sign-in is limited to the office network."
	s.exceptions = append(s.exceptions, x)
	x.ID, x.ApprovedAt, x.Guard, x.GuardOK, x.Solo = "x3", at(-9*24*time.Hour), "host-firewall-on", false, true
	s.exceptions = append(s.exceptions, x)
	x.ID, x.RevokedAt = "x4", at(-time.Hour)
	s.exceptions = append(s.exceptions, x)
	x.ID, x.RevokedAt, x.Ends = "x5", nil, Now().AddDate(0, 0, -1)
	s.exceptions = append(s.exceptions, x)
}

// told invents routes and messages.
func (s *Store) told() {
	s.routes = []alert.Route{
		{Name: "security", Detail: alert.DetailFull, Recoveries: true, When: alert.When{Severity: []string{"high", "critical"}}, To: map[string]channel.Target{"email": {Receivers: []channel.Receiver{{Key: "a", Label: "security@aurora.example"}}, Owner: true}}},
		{Name: "bus", Detail: alert.DetailLink, FromFile: true, Language: "pt-BR", To: map[string]channel.Target{"webhook": {Receivers: []channel.Receiver{{Key: "b", Label: "hooks.aurora.example/prumo"}}}}},
	}
	states := []string{"sent", "sent", "pending", "dead", "sent"}
	for i := range 14 {
		d := alerts.Delivery{
			ID: fmt.Sprintf("d%d", i), Cause: "c-account-has-mfa", Route: "security", Channel: "email", Receiver: "security@aurora.example",
			State: states[i%len(states)], Attempts: 1 + i%3, CreatedAt: Now().Add(-time.Duration(i*7+1) * time.Hour),
		}
		switch d.State {
		case "sent":
			sent := d.CreatedAt.Add(time.Duration(400+i*90) * time.Millisecond)
			d.SentAt = &sent
		case "dead":
			d.Channel, d.Receiver, d.Route, d.LastError, d.Attempts = "webhook", "hooks.aurora.example/prumo", "bus", "the receiver answered 410 Gone", 9
		}
		s.deliveries = append(s.deliveries, d)
	}
}
