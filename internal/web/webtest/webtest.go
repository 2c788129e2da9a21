// Package webtest is a small working store in memory for the pages: an
// invented organisation whose facts are judged by the checks that ship, an
// instance before its first source, and one whose every text is hostile. It
// serves the exam of the pages and the screenshots; nothing of it is in the
// product.
package webtest

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/content"
	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/framework"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web/alerts"
	"prumo.dev/prumo/internal/web/exceptions"
	"prumo.dev/prumo/internal/web/sources"
)

// Now is the instant at which the invented organisation stands.
func Now() time.Time { return time.Date(2026, 11, 23, 17, 32, 0, 0, time.UTC) }

// A Store answers pages out of memory.
type Store struct {
	Set        *check.Set
	Library    *framework.Library
	facts      []monitor.FactView
	verdicts   []monitor.Verdict
	findings   []monitor.Finding
	exceptions []monitor.Exception
	sources    []monitor.Source
	deliveries []alerts.Delivery
	routes     []alert.Route
	Done       []string // actions that pages set going, in order
	Refuse     error    // what the next action answers
}

// New makes a store without any data.
func New() (*Store, error) {
	set, problems := check.LoadAll(check.NamedFS{Name: "checks", FS: checks.Files()})
	if len(problems) > 0 {
		return nil, fmt.Errorf("load checks: %w", problems[0])
	}
	library, err := framework.Load(content.Files())
	if err != nil {
		return nil, fmt.Errorf("load frameworks: %w", err)
	}
	return &Store{Set: set, Library: library}, nil
}

// judge gives every fact its verdicts and findings.
func (s *Store) judge() {
	for i := range s.facts {
		f := &s.facts[i]
		for _, k := range s.Set.ByKind(f.Kind) {
			if !k.Each {
				continue
			}
			r := k.Judge(check.Input{Fact: Fact(*f), Now: Now(), Lookup: s.lookup})
			s.add(f, k, r)
		}
	}
	for _, k := range s.Set.All() {
		if k.Each {
			continue
		}
		members := func(yield func(*fact.Fact) bool) {
			for _, f := range s.facts {
				if f.Kind == k.Kind && !yield(Fact(f)) {
					return
				}
			}
		}
		r := k.JudgeSet(check.SetInput{Members: members, Now: Now(), Lookup: s.lookup})
		set := monitor.FactView{ID: "set:" + k.Kind, Kind: k.Kind, ReadAt: Now().Add(-3 * time.Minute)}
		s.add(&set, k, r)
	}
}

func (s *Store) lookup(kind string, id fact.Ref, _ string) (*fact.Fact, bool) {
	i := slices.IndexFunc(s.facts, func(f monitor.FactView) bool { return f.Kind == kind && f.ID == string(id) })
	if i < 0 {
		return nil, false
	}
	return Fact(s.facts[i]), true
}

// Fact turns a stored fact into a judged one.
func Fact(f monitor.FactView) *fact.Fact {
	return &fact.Fact{Kind: f.Kind, ID: f.ID, Source: f.Source, Scope: f.Scope, Origin: f.Origin, ObservedAt: f.ObservedAt, Data: f.Data}
}

// dice is a number that belongs to some words, below n.
func dice(n int, words ...string) int {
	h := fnv.New32a()
	h.Write([]byte(strings.Join(words, "/")))
	return int(h.Sum32() % uint32(n)) //nolint:gosec // n is small and positive
}

func (s *Store) add(f *monitor.FactView, k *check.Check, r check.Result) {
	v := monitor.Verdict{
		Check: k.ID, Version: k.Version, Fact: f.ID, Name: f.Name, Kind: f.Kind, Source: f.Source, Outcome: r.Outcome,
		Status: monitor.Status(r.Outcome.String()), Reason: r.Reason, Severity: k.Severity, ReadAt: f.ReadAt,
		Since: Now().Add(-time.Duration(1+dice(60*24, k.ID, f.ID)) * time.Hour),
	}
	if f.Source == "aws" {
		v.Status, v.Stale = monitor.StatusUnknown, true
	}
	if r.Outcome == check.Fail && v.Status == monitor.StatusFail {
		v = s.find(f, k, v)
	}
	s.verdicts = append(s.verdicts, v)
	count(&f.Counts, v)
}

// find opens a finding for a failing verdict.
func (s *Store) find(f *monitor.FactView, k *check.Check, v monitor.Verdict) monitor.Verdict {
	days := map[check.Severity]int{check.Critical: 7, check.High: 30, check.Medium: 90, check.Low: 180}[k.Severity]
	v.Since = Now().Add(-time.Duration(1+dice(24*(days+4), k.ID, f.ID)) * time.Hour)
	due := v.Since.AddDate(0, 0, days)
	owners := []string{"Ana Beatriz Figueiredo", "Rafael Moreira", "Tomás Echeverría", "Jin-ah Seo", ""}
	x := monitor.Finding{
		ID: fmt.Sprintf("f%04d", len(s.findings)+1), Check: k.ID, Fact: f.ID, Name: f.Name, Kind: f.Kind, Source: f.Source,
		Severity: k.Severity, Owner: owners[dice(len(owners), k.ID)], Status: monitor.StatusFail, Reason: v.Reason, Message: v.Reason,
		OpenedAt: v.Since, DueAt: due, Late: due.Before(Now()), Cause: "c-" + k.ID, Deliveries: 1,
	}
	alerted := v.Since.Add(1300 * time.Millisecond)
	x.AlertedAt = &alerted
	if dice(3, f.ID) == 0 {
		event := v.Since.Add(-800 * time.Millisecond)
		x.EventAt, x.Actor = &event, "rafael-moreira"
	}
	if k.ID == "repository-has-code-owners" && dice(2, f.ID) == 0 {
		x.Status, v.Status, v.Excepted = monitor.StatusExcepted, monitor.StatusExcepted, "x1"
	}
	v.Finding, v.Due, v.Owner = x.ID, &x.DueAt, x.Owner
	s.findings = append(s.findings, x)
	return v
}

func count(c *monitor.Counts, v monitor.Verdict) {
	switch v.Status {
	case monitor.StatusPass:
		c.Pass++
	case monitor.StatusFail:
		c.Fail++
	case monitor.StatusExcepted:
		c.Excepted++
	case monitor.StatusNotApplicable:
		c.NotApplicable++
	default:
		c.Unknown++
		if v.Stale {
			c.Stale++
		}
	}
}

// Posture sums everything up.
func (s *Store) Posture(ctx context.Context, _ time.Time) (monitor.Posture, error) {
	p := monitor.Posture{At: Now(), Sources: s.sources}
	for _, v := range s.verdicts {
		count(&p.Counts, v)
	}
	var err error
	if p.ByCheck, err = s.CheckCounts(ctx, time.Time{}); err != nil {
		return p, err
	}
	for _, f := range s.findings {
		if f.ClosedAt == nil {
			p.Open++
		}
		if f.Late {
			p.Late++
		}
	}
	if len(s.verdicts) == 0 {
		return p, nil
	}
	p.Latency = monitor.Latency{
		DetectP50: 1800 * time.Millisecond, DetectP95: 580 * time.Second, AlertP50: 600 * time.Millisecond,
		AlertP95: 2100 * time.Millisecond, FixP50: 34 * time.Hour, FixP95: 9 * 24 * time.Hour, Samples: 214,
	}
	p.Trend = s.days(p.Counts, "all", "")
	return p, nil
}

// days invents the past of some counts: the share of failures wanders towards today's.
func (s *Store) days(now monitor.Counts, key string, worst monitor.Status) []monitor.Day {
	var out []monitor.Day
	for i := range 90 {
		d := monitor.Day{Date: Now().AddDate(0, 0, i-89).Format(time.DateOnly), Counts: now, Worst: monitor.StatusPass}
		back := 89 - i
		shift := int64(dice(int(now.Fail/6)+2, key, fmt.Sprint(back/9))) - int64(back)*now.Fail/260
		fail := max(now.Fail+shift*int64(min(back, 1)), 0)
		d.Counts.Pass += now.Fail - fail
		d.Counts.Fail = fail
		if back > 54 && back < 60 {
			d.Counts.Unknown += d.Counts.Pass / 30
			d.Counts.Pass -= d.Counts.Pass / 30
		}
		since := dice(24, key)
		switch {
		case worst != "" && back <= since:
			d.Worst = worst
		case worst == monitor.StatusNotApplicable:
			d.Worst = worst
		case dice(40, key, d.Date) == 0:
			d.Worst = monitor.StatusFail
		case back > 54 && back < 58 && dice(2, key) == 0:
			d.Worst = monitor.StatusUnknown
		}
		out = append(out, d)
	}
	return out
}

// CheckCounts counts verdicts by check and source.
func (s *Store) CheckCounts(context.Context, time.Time) ([]monitor.CheckCount, error) {
	var out []monitor.CheckCount
	at := map[string]int{}
	for _, v := range s.verdicts {
		key := v.Check + "\x00" + v.Source
		if _, ok := at[key]; !ok {
			at[key] = len(out)
			out = append(out, monitor.CheckCount{Check: v.Check, Source: v.Source})
		}
		count(&out[at[key]].Counts, v)
	}
	return out, nil
}

// Strip invents the last days of checks.
func (s *Store) Strip(_ context.Context, ids []string, source, id string, _ int) (map[string][]monitor.Day, error) {
	out := map[string][]monitor.Day{}
	for _, c := range ids {
		var n monitor.Counts
		for _, v := range s.verdicts {
			if v.Check == c && (source == "" || v.Source == source) && (id == "" || v.Fact == id) {
				count(&n, v)
			}
		}
		if n.Total() > 0 {
			out[c] = s.days(n, c+id, worst(n))
		}
	}
	return out, nil
}

func worst(c monitor.Counts) monitor.Status {
	switch {
	case c.Fail > 0:
		return monitor.StatusFail
	case c.Unknown > 0:
		return monitor.StatusUnknown
	case c.Excepted > 0:
		return monitor.StatusExcepted
	case c.Pass > 0:
		return monitor.StatusPass
	}
	return monitor.StatusNotApplicable
}

// Changes are the verdicts that turned since an instant.
func (s *Store) Changes(_ context.Context, since time.Time, limit int) ([]monitor.Change, error) {
	var out []monitor.Change
	for _, v := range s.verdicts {
		if v.Since.After(since) && v.Status != monitor.StatusNotApplicable {
			c := monitor.Change{Name: v.Name, Severity: v.Severity}
			c.Transition = monitor.Transition{Check: v.Check, Fact: fact.Key{Source: v.Source, Kind: v.Kind, ID: v.Fact}, To: v.Outcome, At: v.Since, Reason: v.Reason}
			if v.Outcome == check.Fail && dice(2, v.Fact) == 0 {
				c.Actor = "rafael-moreira"
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b monitor.Change) int { return b.At.Compare(a.At) })
	return out[:min(len(out), limit)], nil
}

// Sources lists the sources.
func (s *Store) Sources(context.Context) ([]monitor.Source, error) { return s.sources, nil }

// FactHistory invents one change of a fact.
func (s *Store) FactHistory(_ context.Context, source, kind, id string) ([]monitor.FactVersion, error) {
	i := slices.IndexFunc(s.facts, func(f monitor.FactView) bool {
		return f.Source == source && f.ID == id && (kind == "" || f.Kind == kind)
	})
	if i < 0 {
		return nil, nil
	}
	before := map[string]json.RawMessage{}
	if err := json.Unmarshal(s.facts[i].Data, &before); err != nil {
		return nil, err
	}
	for _, k := range []string{"mfa", "code_owners", "firewall"} {
		if _, ok := before[k]; ok {
			before[k] = json.RawMessage("true")
		}
	}
	before["roles"] = json.RawMessage(`["member"]`)
	old, err := json.Marshal(before)
	if err != nil {
		return nil, err
	}
	first, then := Now().AddDate(0, -4, -3), Now().AddDate(0, 0, -2)
	return []monitor.FactVersion{{From: first, To: &then, Data: old}, {From: then, Data: s.facts[i].Data}}, nil
}

// Intervals invents a past for the verdicts that fit.
func (s *Store) Intervals(_ context.Context, f monitor.Filter) ([]monitor.Interval, error) {
	var out []monitor.Interval
	for _, v := range s.verdicts {
		if v.Fact != f.Fact || len(f.Check) > 0 && !slices.Contains(f.Check, v.Check) {
			continue
		}
		first := Now().AddDate(0, -4, -3)
		out = append(out,
			monitor.Interval{Check: v.Check, Fact: v.Fact, Outcome: check.Pass, From: first, To: &v.Since},
			monitor.Interval{Check: v.Check, Fact: v.Fact, Outcome: v.Outcome, Reason: v.Reason, From: v.Since})
	}
	return out, nil
}

// Deliveries lists messages.
func (s *Store) Deliveries(_ context.Context, f monitor.Filter) (monitor.Page[alerts.Delivery], error) {
	var out []alerts.Delivery
	for _, d := range s.deliveries {
		if (f.Text == "" || strings.Contains(d.Cause+d.Receiver+d.Route, f.Text)) && (len(f.Status) == 0 || slices.Contains(f.Status, monitor.Status(d.State))) {
			out = append(out, d)
		}
	}
	return monitor.Page[alerts.Delivery]{Items: out, Total: int64(len(out))}, nil
}

func (s *Store) do(what string) error {
	s.Done = append(s.Done, what)
	err := s.Refuse
	s.Refuse = nil
	return err
}

// ReadSource notes that a source was asked for.
func (s *Store) ReadSource(_ context.Context, name string) error { return s.do("read " + name) }

// SaveSource notes that a source was saved.
func (s *Store) SaveSource(_ context.Context, by string, d sources.Draft) error {
	return s.do(fmt.Sprintf("save source %s %s %s %v", by, d.Name, d.Connector, d.Settings))
}

// DeleteSource notes that a source was removed.
func (s *Store) DeleteSource(_ context.Context, by, name string) error {
	return s.do("delete source " + by + " " + name)
}

// RequestException notes that an exception was asked for.
func (s *Store) RequestException(_ context.Context, by string, r exceptions.Request) error {
	return s.do(fmt.Sprintf("request exception %s %s %s %s", by, r.Check, r.Fact, r.Ends.Format(time.DateOnly)))
}

// ApproveException notes that an exception was approved.
func (s *Store) ApproveException(_ context.Context, by, id string) error {
	return s.do("approve " + by + " " + id)
}

// RevokeException notes that an exception was revoked.
func (s *Store) RevokeException(_ context.Context, by, id string) error {
	return s.do("revoke " + by + " " + id)
}

// Routes lists the routes.
func (s *Store) Routes(context.Context) ([]alert.Route, error) { return s.routes, nil }

// SaveRoute notes that a route was saved.
func (s *Store) SaveRoute(_ context.Context, by string, body map[string]any) error {
	return s.do(fmt.Sprintf("save route %s %v", by, body))
}

// DeleteRoute notes that a route was removed.
func (s *Store) DeleteRoute(_ context.Context, by, name string) error {
	return s.do("delete route " + by + " " + name)
}

// TestRoute notes that a test message was asked for.
func (s *Store) TestRoute(_ context.Context, name, lang string) error {
	return s.do("test " + name + " " + lang)
}

// Resend notes that a message was sent again.
func (s *Store) Resend(_ context.Context, id string) error { return s.do("resend " + id) }

// SetDue does it.
func (s *Store) SetDue(_ context.Context, by, finding string, due time.Time) error {
	return s.do("due " + by + " " + finding + " " + due.Format(time.RFC3339))
}

// Silence does it.
func (s *Store) Silence(_ context.Context, q monitor.SilenceRequest) error {
	return s.do(string(q.Kind) + " " + q.By + " " + q.Finding + " " + q.Reason)
}

// Speak does it.
func (s *Store) Speak(_ context.Context, by, id string) error { return s.do("speak " + by + " " + id) }

// MakeFeed does it.
func (s *Store) MakeFeed(_ context.Context, by, query string) (string, error) {
	return "https://prumo.example/calendar/secret.ics", s.do("feed " + by + " " + query)
}

// EndFeed does it.
func (s *Store) EndFeed(_ context.Context, by string) error { return s.do("end feed " + by) }

// NamedBy lists a few facts, as if they named the one that is asked for.
func (s *Store) NamedBy(_ context.Context, _, _, id string, limit int) ([]monitor.FactView, error) {
	var out []monitor.FactView
	for i, f := range s.facts {
		if len(out) < limit && dice(40, id, f.ID) == 0 && i > 0 {
			out = append(out, monitor.FactView{Kind: f.Kind, ID: f.ID, Source: f.Source, Name: f.Name})
		}
	}
	return out, nil
}

// SetOwner notes that an owner was named.
func (s *Store) SetOwner(_ context.Context, by, source, id, owner string) error {
	return s.do("owner " + by + " " + source + " " + id + " " + owner)
}
