package webtest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/monitor"
)

// part cuts a list as the store would: a cursor is where the next page begins.
func part[T any](items []T, f monitor.Filter) monitor.Page[T] {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	from, err := strconv.Atoi(f.Cursor)
	if err != nil || from < 0 || from > len(items) {
		from = 0
	}
	p := monitor.Page[T]{Total: int64(len(items)), Items: items[from:min(from+limit, len(items))]}
	if from+limit < len(items) {
		p.Next = strconv.Itoa(from + limit)
	}
	return p
}

func anyOf[T comparable](want []T, v T) bool { return len(want) == 0 || slices.Contains(want, v) }

func holds(text string, in ...string) bool {
	return text == "" || strings.Contains(strings.ToLower(strings.Join(in, "\n")), strings.ToLower(text))
}

// sorted orders by the key of the filter's column.
func sorted[T any](items []T, by string, keys map[string]func(T) string) []T {
	name := strings.TrimPrefix(by, "-")
	key, ok := keys[name]
	if !ok {
		return items
	}
	slices.SortStableFunc(items, func(a, b T) int {
		if name != by {
			a, b = b, a
		}
		return cmp.Compare(key(a), key(b))
	})
	return items
}

// Facts lists facts.
func (s *Store) Facts(_ context.Context, f monitor.Filter) (monitor.Page[monitor.FactView], error) {
	var out []monitor.FactView
	for _, x := range s.facts {
		if anyOf(f.Kind, x.Kind) && anyOf(f.Source, x.Source) && (f.Fact == "" || f.Fact == x.ID) &&
			holds(f.Text, x.ID, x.Name, x.Owner) && (f.Gone || x.GoneAt == nil) {
			x.Data = nil // as in the store, a list carries no data
			out = append(out, x)
		}
	}
	return part(sorted(out, f.Sort, map[string]func(monitor.FactView) string{
		"name": func(x monitor.FactView) string { return x.Name }, "kind": func(x monitor.FactView) string { return x.Kind },
		"source":  func(x monitor.FactView) string { return x.Source },
		"changed": func(x monitor.FactView) string { return x.ChangedAt.Format("20060102150405") },
	}), f), nil
}

// Fact returns one fact with its data.
func (s *Store) Fact(_ context.Context, source, kind, id string) (monitor.FactView, bool, error) {
	i := slices.IndexFunc(s.facts, func(f monitor.FactView) bool {
		return f.Source == source && f.ID == id && (kind == "" || f.Kind == kind)
	})
	if i < 0 {
		return monitor.FactView{}, false, nil
	}
	return s.facts[i], true, nil
}

// Verdicts lists verdicts.
func (s *Store) Verdicts(_ context.Context, f monitor.Filter) (monitor.Page[monitor.Verdict], error) {
	var out []monitor.Verdict
	for _, v := range s.verdicts {
		if anyOf(f.Check, v.Check) && anyOf(f.Status, v.Status) && anyOf(f.Kind, v.Kind) && anyOf(f.Source, v.Source) &&
			(f.Fact == "" || f.Fact == v.Fact) && holds(f.Text, v.Fact, v.Name, v.Owner, v.Check) {
			out = append(out, v)
		}
	}
	rank := map[monitor.Status]string{monitor.StatusFail: "0", monitor.StatusUnknown: "1", monitor.StatusExcepted: "2", monitor.StatusPass: "3", monitor.StatusNotApplicable: "4"}
	return part(sorted(out, f.Sort, map[string]func(monitor.Verdict) string{
		"status": func(v monitor.Verdict) string { return rank[v.Status] }, "fact": func(v monitor.Verdict) string { return v.Name },
		"source": func(v monitor.Verdict) string { return v.Source }, "since": func(v monitor.Verdict) string { return v.Since.Format("20060102150405") },
	}), f), nil
}

// Findings lists findings.
func (s *Store) Findings(_ context.Context, f monitor.Filter) (monitor.Page[monitor.Finding], error) {
	var out []monitor.Finding
	for _, x := range s.findings {
		if (f.OpenOnly && x.ClosedAt != nil) || (f.ClosedOnly && x.ClosedAt == nil) || !s.controlled(f.Control, x.Check) {
			continue
		}
		if anyOf(f.Check, x.Check) && anyOf(f.Status, x.Status) && anyOf(f.Kind, x.Kind) && anyOf(f.Source, x.Source) &&
			anyOf(f.Severity, x.Severity) && anyOf(f.Owner, x.Owner) && holds(f.Text, x.Fact, x.Name, x.Owner, x.Check) {
			out = append(out, x)
		}
	}
	return part(sorted(out, f.Sort, map[string]func(monitor.Finding) string{
		"severity": func(x monitor.Finding) string { return strconv.Itoa(int(x.Severity)) }, "due": func(x monitor.Finding) string { return x.DueAt.Format("20060102150405") },
		"check": func(x monitor.Finding) string { return x.Check }, "name": func(x monitor.Finding) string { return x.Name },
		"owner": func(x monitor.Finding) string { return x.Owner }, "opened": func(x monitor.Finding) string { return x.OpenedAt.Format("20060102150405") },
	}), f), nil
}

func (s *Store) controlled(want []string, id string) bool {
	k, ok := s.Set.ByID(id)
	return len(want) == 0 || ok && slices.ContainsFunc(k.Controls, func(c string) bool { return slices.Contains(want, c) })
}

// Finding returns one finding.
func (s *Store) Finding(_ context.Context, id string) (monitor.Finding, bool, error) {
	i := slices.IndexFunc(s.findings, func(f monitor.Finding) bool { return f.ID == id })
	if i < 0 {
		return monitor.Finding{}, false, nil
	}
	return s.findings[i], true, nil
}

// Exceptions lists exceptions.
func (s *Store) Exceptions(_ context.Context, f monitor.Filter) (monitor.Page[monitor.Exception], error) {
	var out []monitor.Exception
	for _, x := range s.exceptions {
		if anyOf(f.Check, x.Check) && anyOf(f.Source, x.Source) && holds(f.Text, x.Check, x.Fact, x.Reason, x.Requester, x.Approver) {
			out = append(out, x)
		}
	}
	return part(out, f), nil
}

// Obligations lists the open findings by their day, and what passes as if it
// ended some weeks from now.
func (s *Store) Obligations(ctx context.Context, f monitor.ObligationFilter) (monitor.Page[monitor.Obligation], error) {
	open := f.Filter
	open.OpenOnly, open.Sort, open.Cursor, open.Limit = true, "due", "", 1000
	page, err := s.Findings(ctx, open)
	if err != nil {
		return monitor.Page[monitor.Obligation]{}, err
	}
	var out []monitor.Obligation
	for _, x := range page.Items {
		out = append(out, monitor.Obligation{
			Key: x.ID, Duty: monitor.DutyMend, Due: x.DueAt, Late: x.Late, Check: x.Check, Fact: x.Fact, Name: x.Name, Kind: x.Kind,
			Source: x.Source, Owner: x.Owner, Severity: x.Severity, Finding: x.ID,
		})
	}
	for i, x := range s.verdicts {
		if x.Status == monitor.StatusPass && i%9 == 0 && anyOf(f.Check, x.Check) && anyOf(f.Kind, x.Kind) && holds(f.Text, x.Fact, x.Name, x.Check) {
			out = append(out, monitor.Obligation{
				Key: x.Check + x.Fact, Duty: monitor.DutyLean, Due: Now().Add(time.Duration(i) * time.Hour), Check: x.Check, Fact: x.Fact, Name: x.Name,
				Kind: x.Kind, Source: x.Source, Owner: x.Owner, Severity: x.Severity,
			})
		}
	}
	out = slices.DeleteFunc(out, func(o monitor.Obligation) bool {
		return !anyOf(f.Duty, o.Duty) || !f.From.IsZero() && o.Due.Before(f.From) || !f.To.IsZero() && !o.Due.Before(f.To)
	})
	slices.SortStableFunc(out, func(a, b monitor.Obligation) int { return a.Due.Compare(b.Due) })
	return part(out, f.Filter), nil
}
