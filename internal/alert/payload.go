package alert

import (
	"encoding/json"
	"slices"
	"time"
)

// A payload is what programs receive. Its fields are documented in
// docs/alerts.md; they are added to, never renamed.
type payload struct {
	Type      string      `json:"type"`      // prumo.finding.failing and so on
	Timestamp time.Time   `json:"timestamp"` // when Prumo saw it
	Data      payloadData `json:"data"`
}

type payloadData struct {
	Cause        string         `json:"cause"`
	Organisation string         `json:"organisation,omitempty"`
	Route        string         `json:"route"`
	Drill        bool           `json:"drill"`
	Count        int            `json:"count"`
	Link         string         `json:"link"`
	Language     string         `json:"language"`
	Summary      string         `json:"summary"`
	First        bool           `json:"first,omitempty"`
	Severity     string         `json:"severity,omitempty"`
	Source       string         `json:"source,omitempty"`
	Owner        string         `json:"owner,omitempty"`
	Due          time.Time      `json:"due,omitzero"`
	ChangedAt    time.Time      `json:"changed_at,omitzero"`
	LastReadAt   time.Time      `json:"last_read_at,omitzero"`
	About        string         `json:"about,omitempty"` // of a reminder: the cause
	Reminder     int            `json:"reminder,omitempty"`
	Acknowledge  string         `json:"acknowledge,omitempty"`
	Messages     []Held         `json:"messages,omitempty"` // of a digest
	Week         *Week          `json:"week,omitempty"`
	Answers      []string       `json:"answers,omitempty"` // of a recovery: the causes that told of these findings before
	Checks       []payloadCheck `json:"checks,omitempty"`
}

type payloadCheck struct {
	ID       string           `json:"id"`
	Version  int              `json:"version,omitempty"`
	Title    string           `json:"title"`
	Severity string           `json:"severity"`
	Kind     string           `json:"kind,omitempty"`
	Owner    string           `json:"owner,omitempty"` // where they differ
	Fix      string           `json:"fix,omitempty"`
	Controls []payloadControl `json:"controls,omitempty"`
	Count    int              `json:"count"`
	Things   []payloadThing   `json:"things"` // the first; count has the number of all
}

type payloadControl struct {
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
}

type payloadThing struct {
	Finding    string            `json:"finding,omitempty"`
	Fact       string            `json:"fact"`
	Name       string            `json:"name,omitempty"`
	Message    string            `json:"message,omitempty"`
	Fix        string            `json:"fix,omitempty"`
	Evidence   map[string]string `json:"evidence,omitempty"`
	ObservedAt time.Time         `json:"observed_at,omitzero"`
	OpenedAt   time.Time         `json:"opened_at,omitzero"`
	Due        time.Time         `json:"due,omitzero"`
	ClosedAt   time.Time         `json:"closed_at,omitzero"`
	Closed     string            `json:"closed,omitempty"`
	ChangedBy  string            `json:"changed_by,omitempty"`
	Leaf       int64             `json:"ledger_leaf,omitempty"`
	Link       string            `json:"link,omitempty"`
}

// PayloadType is the type of an event's webhook.
func PayloadType(e Event) string {
	if e.Kind == CauseTest {
		return "prumo.test"
	}
	switch {
	case e.Kind == "stale":
		return "prumo.source.stale"
	case e.Kind == KindReminder && e.Of == "stale":
		return "prumo.source.reminder"
	case e.Kind == KindDigest, e.Kind == KindWeekly:
		return "prumo." + string(e.Kind)
	}
	return "prumo.finding." + string(e.Kind)
}

func (w writer) payload() (json.RawMessage, error) {
	e, o := w.event, w.options
	p := payload{Type: PayloadType(e), Timestamp: e.At.UTC(), Data: payloadData{
		Cause: e.ID, Route: tidy(o.Route, maxShort), Drill: o.Drill, Count: w.total(), Link: w.link(), Language: w.lang,
		About: e.About, Reminder: e.Times,
	}}
	if e.Acts() {
		p.Data.Acknowledge = o.Act
	}
	if o.Detail == DetailLink {
		p.Data.Summary = w.linkSubject()
		return json.Marshal(p)
	}
	d := &p.Data
	d.Organisation, d.Summary = tidy(o.Organisation, maxShort), tidy(w.ownSubject(), maxLong)
	d.Messages, d.Week = e.Digest, e.Week
	d.First, d.Source = e.First, tidy(e.Source, maxShort)
	owner, same := w.owner()
	d.Owner = tidy(owner, maxShort)
	d.Due, d.ChangedAt, d.LastReadAt = dueFirst(w.groups), e.EventAt, e.Since
	if s := w.worst(); s > 0 {
		d.Severity = s.String()
	}
	for _, g := range w.groups {
		for _, cause := range g.Answers {
			if !slices.Contains(d.Answers, cause) {
				d.Answers = append(d.Answers, cause)
			}
		}
	}
	room := MaxItems
	for _, g := range w.groups {
		if g.Check == "" {
			continue
		}
		c := w.payloadCheck(g, &room)
		if !same {
			c.Owner = tidy(g.Owner, maxShort)
		}
		d.Checks = append(d.Checks, c)
	}
	return json.Marshal(p)
}

func (w writer) payloadCheck(g Group, room *int) payloadCheck {
	c := payloadCheck{
		ID: g.Check, Version: g.Version, Title: tidy(g.Title.In(w.lang), maxLong), Severity: g.Severity.String(),
		Kind: g.Kind, Count: g.Count, Fix: tidy(g.Fix.In(w.lang), maxLong), Things: []payloadThing{},
	}
	for _, k := range g.Controls {
		c.Controls = append(c.Controls, payloadControl{ID: k.ID, Title: tidy(k.Title.In(w.lang), maxShort)})
	}
	shown := min(len(g.Items), *room)
	*room -= shown
	for _, i := range g.Items[:shown] {
		t := payloadThing{
			Finding: i.Finding, Fact: tidy(i.Fact, maxLong), Name: tidy(i.Name, maxShort), Message: tidy(i.Message.In(w.lang), maxLong),
			Fix: tidy(i.Fix.In(w.lang), maxLong), ObservedAt: i.ObservedAt, OpenedAt: i.OpenedAt, Due: i.DueAt, ClosedAt: i.ClosedAt,
			Closed: i.ClosedWhy, ChangedBy: tidy(i.Actor, maxShort), Leaf: i.Ledger,
		}
		if i.Finding != "" {
			t.Link = w.findingLink(i.Finding)
		}
		for _, f := range i.Fields {
			if t.Evidence == nil {
				t.Evidence = map[string]string{}
			}
			t.Evidence[tidy(f.Path, maxShort)] = tidy(f.Value, maxLong)
		}
		c.Things = append(c.Things, t)
	}
	return c
}
