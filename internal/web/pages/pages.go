// Package pages lists every page of the console: one line each.
package pages

import (
	"context"
	"time"

	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/alerts"
	"prumo.dev/prumo/internal/web/checks"
	"prumo.dev/prumo/internal/web/controls"
	"prumo.dev/prumo/internal/web/exceptions"
	"prumo.dev/prumo/internal/web/findings"
	"prumo.dev/prumo/internal/web/frameworks"
	"prumo.dev/prumo/internal/web/obligations"
	"prumo.dev/prumo/internal/web/posture"
	"prumo.dev/prumo/internal/web/sources"
	"prumo.dev/prumo/internal/web/things"
)

// A Store answers what any page shows.
type Store interface {
	posture.Store
	controls.Store
	checks.Store
	things.Store
	findings.Store
	obligations.Store
}

// Config is what the pages are given.
type Config struct {
	Store      Store
	Log        alerts.Log
	Sources    sources.Actions
	Exceptions exceptions.Actions
	Alerts     alerts.Actions
	SetOwner   func(ctx context.Context, by, source, id, owner string) error
	SetDue     func(ctx context.Context, by, finding string, due time.Time) error
	Silence    func(ctx context.Context, q monitor.SilenceRequest) error
	Speak      func(ctx context.Context, by, id string) error
	Feeds      obligations.Feeds
	Catalogue  web.Catalogue
}

// All returns every page.
func All(c Config) []web.Page {
	found := findings.Area{
		Store: c.Store, Finder: c.Store, Deliveries: c.Log, Catalogue: c.Catalogue,
		Acts: findings.Acts{SetOwner: c.SetOwner, SetDue: c.SetDue, Except: c.Exceptions.RequestException, Silence: c.Silence, Speak: c.Speak},
	}
	one := []web.Page{
		posture.Area{Store: c.Store, Catalogue: c.Catalogue}.Page(),
		found.List(), found.One(), found.Act(), found.Speak(), found.Export(),
		controls.Area{Store: c.Store, Catalogue: c.Catalogue}.List(),
		controls.Area{Store: c.Store, Catalogue: c.Catalogue}.One(),
		frameworks.Area{Store: c.Store, Catalogue: c.Catalogue}.List(),
		frameworks.Area{Store: c.Store, Catalogue: c.Catalogue}.One(),
		checks.Area{Store: c.Store, Catalogue: c.Catalogue}.List(),
		checks.Area{Store: c.Store, Catalogue: c.Catalogue}.One(),
		things.Area{Store: c.Store, Frame: c.Store, Catalogue: c.Catalogue, SetOwner: c.SetOwner}.List(),
		things.Area{Store: c.Store, Frame: c.Store, Catalogue: c.Catalogue, SetOwner: c.SetOwner}.One(),
		things.Area{Store: c.Store, Frame: c.Store, Catalogue: c.Catalogue, SetOwner: c.SetOwner}.Owner(),
	}
	one = append(one, obligations.Area{Store: c.Store, Feeds: c.Feeds, Catalogue: c.Catalogue}.Pages()...)
	one = append(one, exceptions.Area{Store: c.Store, Actions: c.Exceptions, Catalogue: c.Catalogue}.Pages()...)
	one = append(one, sources.Area{Store: c.Store, Actions: c.Sources, Catalogue: c.Catalogue}.Pages()...)
	return append(one, alerts.Area{Log: c.Log, Actions: c.Alerts, Sources: c.Store.Sources, Catalogue: c.Catalogue}.Pages()...)
}

// Counts are the numbers beside the navigation.
func Counts(s Store) func(ctx context.Context) (map[string]int64, error) {
	return func(ctx context.Context) (map[string]int64, error) {
		open, err := s.Findings(ctx, monitor.Filter{OpenOnly: true, Limit: 1})
		if err != nil {
			return nil, err
		}
		return map[string]int64{"findings": open.Total}, nil
	}
}
