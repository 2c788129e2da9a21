package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web/obligations"
)

// What a calendar holds: enough for every program that reads it.
const (
	calendarPast  = 90 * 24 * time.Hour
	calendarAhead = 400 * 24 * time.Hour
	calendarMost  = 1000
)

// MakeFeed implements obligations.Feeds.
func (c console) MakeFeed(ctx context.Context, by, query string) (string, error) {
	secret, err := c.e.in.keeper.Calendar(ctx, access.Feed{Name: by, Query: query})
	if err != nil {
		return "", err
	}
	return c.e.in.baseURL() + "/calendar/" + secret + ".ics", nil
}

// EndFeed implements obligations.Feeds.
func (c console) EndFeed(ctx context.Context, by string) error {
	return c.e.in.keeper.EndCalendar(ctx, by)
}

// calendar answers GET /calendar/{secret}: what falls due, as RFC 5545 writes
// it. The secret in the address opens this list and nothing else.
func (e *engine) calendar(w http.ResponseWriter, r *http.Request) {
	secret, _ := strings.CutSuffix(r.PathValue("secret"), ".ics")
	feed, err := e.in.keeper.CalendarOf(r.Context(), secret)
	if errors.Is(err, access.ErrDenied) {
		http.NotFound(w, r)
		return
	}
	body := ""
	if err == nil {
		body, err = e.calendarText(r.Context(), feed)
	}
	if err != nil {
		e.log.ErrorContext(r.Context(), "calendar could not be written", "error", err)
		http.Error(w, "the calendar could not be written; try again later", http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256([]byte(body))
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Content-Disposition", `inline; filename="prumo.ics"`)
	_, _ = w.Write([]byte(body)) // nobody reads: nothing to do about it
}

func (e *engine) calendarText(ctx context.Context, feed access.Feed) (string, error) {
	q, err := url.ParseQuery(feed.Query)
	if err != nil {
		return "", err
	}
	f := obligations.FilterOf(q, e.checks.Load())
	now := e.in.now()
	f.From, f.To, f.Limit = now.Add(-calendarPast), now.Add(calendarAhead), calendarMost
	page, err := e.in.db.Obligations(ctx, f)
	if err != nil {
		return "", err
	}
	c := ics.NewCalendar()
	c.SetProductId("-//Prumo//prumo.dev//EN")
	c.SetMethod(ics.MethodPublish)
	c.SetXWRCalName("Prumo")
	c.SetRefreshInterval("PT1H")
	for _, o := range page.Items {
		e.event(c, o, q.Get("lang"))
	}
	return c.Serialize(ics.WithNewLineWindows), nil
}

// event writes one obligation: an instant, not a meeting, so that nobody is busy.
func (e *engine) event(c *ics.Calendar, o monitor.Obligation, lang string) {
	title := o.Check
	if d, ok := e.checks.Load().ByID(o.Check); ok {
		title = d.Title.In(lang)
	}
	name := o.Name
	if name == "" {
		name = o.Fact
	}
	if name != "" {
		title += ": " + name
	}
	ev := c.AddEvent(o.Key + "@" + e.host())
	ev.SetDtStampTime(o.Since)
	ev.SetStartAt(o.Due)
	ev.SetSummary(title)
	ev.SetTimeTransparency(ics.TransparencyTransparent)
	ev.AddCategory(string(o.Duty))
	if o.Finding != "" {
		ev.SetURL(e.in.baseURL() + "/findings/" + o.Finding)
	} else {
		ev.SetURL(e.in.baseURL() + "/obligations?day=" + o.Due.UTC().Format(time.DateOnly))
	}
}

// host is the name of the instance, for ids that must be the world's own.
func (e *engine) host() string {
	if u, err := url.Parse(e.in.baseURL()); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "prumo"
}
