package app

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os"
	"time"

	"prumo.dev/prumo/connectors/self"
	"prumo.dev/prumo/internal/collect"
	"prumo.dev/prumo/internal/fact"
)

// silence is how many intervals a source may miss before it counts as silent.
const silence = 3

// overdueMail is how long a message may be on its way before it counts as waiting.
const overdueMail = 5 * time.Minute

// report says how every part of Prumo fares, as facts. Figures that move all
// the time are left coarse, so that a part that is well writes nothing new.
func (e *engine) report(ctx context.Context) ([]self.Part, error) {
	parts := e.sourceParts(ctx)
	parts = append(parts, self.Part{ID: "self/timer", Data: fact.Collector{
		Name: fact.Some("timer"), Type: fact.Some("timer"), Enabled: fact.Some(true), LagSeconds: fact.Some(e.lag.Load() / 1e6 / 5 * 5),
	}})
	alerts, aerr := e.alertPart(ctx)
	exceptions, xerr := e.exceptionPart(ctx)
	if aerr == nil {
		parts = append(parts, alerts)
	}
	if xerr == nil {
		parts = append(parts, exceptions)
	}
	return append(parts, e.settingParts()...), errors.Join(aerr, xerr)
}

func (e *engine) sourceParts(ctx context.Context) []self.Part {
	var parts []self.Part
	for _, s := range e.col.States() {
		if s.Connector == "self" {
			continue
		}
		id := "self/source/" + s.Name
		if s.Last.IsZero() {
			if c, ok := e.remembered(ctx, id); ok {
				parts = append(parts, self.Part{ID: id, Data: c})
				continue
			}
		}
		parts = append(parts, self.Part{ID: id, Data: e.sourcePart(s)})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range names(e.bad) {
		parts = append(parts, self.Part{ID: "self/source/" + name, Data: fact.Collector{
			Name: fact.Some(name), Type: fact.Some("source"), Enabled: fact.Some(true), LastResult: fact.Some("failed"),
			Failures: fact.Some(int64(10)), Detail: fact.Some("its settings cannot work"),
		}})
	}
	return parts
}

// remembered is what was last said of a source. It stands until this process
// has read the source: a restart is no news about it.
func (e *engine) remembered(ctx context.Context, id string) (fact.Collector, bool) {
	v, ok, err := e.in.db.Fact(ctx, "self", "collector", id)
	if err != nil || !ok || v.GoneAt != nil {
		return fact.Collector{}, false
	}
	var c fact.Collector
	err = json.Unmarshal(v.Data, &c)
	return c, err == nil
}

func (e *engine) sourcePart(s collect.State) fact.Collector {
	c := fact.Collector{
		Name: fact.Some(s.Name), Type: fact.Some("source"), Connector: fact.Some(s.Connector), Enabled: fact.Some(s.Enabled),
		EverySeconds: fact.Some(int64(s.Every.Seconds())),
	}
	if s.LastResult != "" { // before the first reading has ended nobody knows how it fares
		c.Failures, c.ForbiddenScopes = fact.Some(int64(min(s.Failures, 10))), fact.Some(int64(s.Forbidden))
		c.LastResult, c.Detail = fact.Some(s.LastResult), fact.SomeIf(s.LastWhy, s.LastWhy != "")
	}
	if s.Every > 0 && !s.Last.IsZero() {
		at := e.silentAt(s)
		c.SilentAt, c.Overdue = fact.Some(at), fact.Some(!e.in.now().Before(at))
	}
	if !s.Completed.IsZero() {
		c.Facts = fact.Some(int64(s.Facts))
		c.FactsBefore = fact.Some(int64(max(s.Before, s.Facts)))
		lost := s.Before - s.Facts
		c.Shrunk = fact.Some(lost > 10 && lost*3 > s.Before)
	}
	return c
}

// silentAt is when a source counts as silent. It moves on only when it has
// come nearer than silence intervals, so that not every reading writes a new
// fact; it is never nearer than that many intervals after a reading.
func (e *engine) silentAt(s collect.State) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at := e.silent[s.Name]; at.After(s.Last.Add(silence * s.Every)) {
		return at
	}
	at := s.Last.Add(silence * 2 * s.Every).Truncate(time.Second)
	e.silent[s.Name] = at
	return at
}

func (e *engine) alertPart(ctx context.Context) (self.Part, error) {
	n, err := e.alerts.Numbers(ctx)
	if err != nil {
		return self.Part{}, err
	}
	late := int64(0)
	if !n.OldestPending.IsZero() && e.in.now().Sub(n.OldestPending) > overdueMail {
		late = n.Pending
	}
	return self.Part{ID: "self/alerts", Data: fact.Collector{
		Name: fact.Some("alerts"), Type: fact.Some("alerts"), Enabled: fact.Some(n.Routes > 0),
		Pending: fact.Some(late), Dead: fact.Some(n.Dead),
	}}, nil
}

func (e *engine) exceptionPart(ctx context.Context) (self.Part, error) {
	n, err := e.in.db.PendingExceptions(ctx)
	if err != nil {
		return self.Part{}, err
	}
	return self.Part{ID: "self/exceptions", Data: fact.Collector{
		Name: fact.Some("exceptions"), Type: fact.Some("exceptions"), Enabled: fact.Some(true), Pending: fact.Some(n),
	}}, nil
}

// settingParts says whether the operator's settings are safe.
func (e *engine) settingParts() []self.Part {
	env := e.in.env
	var parts []self.Part
	add := func(name string, safe bool, detail string) {
		parts = append(parts, self.Part{ID: "self/setting/" + name, Data: fact.Collector{
			Name: fact.Some(name), Type: fact.Some("settings"), Setting: fact.Some(name), Safe: fact.Some(safe), Detail: fact.Some(detail),
		}})
	}
	host, _, err := net.SplitHostPort(env.Addr)
	loopback := err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
	u, err := url.Parse(env.PublicURL)
	https := err == nil && u.Scheme == "https"
	add("PRUMO_ADDR", loopback || https, "listens on "+env.Addr)
	if env.PublicURL != "" {
		add("PRUMO_PUBLIC_URL", https, env.PublicURL)
	}
	st, err := os.Stat(env.Data)
	add("PRUMO_DATA", err == nil && st.Mode().Perm()&0o077 == 0, "others on this machine can look into the data folder, unless this is safe")
	if env.SMTPURL != "" {
		m, err := url.Parse(env.SMTPURL)
		add("PRUMO_SMTP_URL", err == nil && m.Hostname() != "", "mail leaves by a mail server")
	}
	return parts
}
