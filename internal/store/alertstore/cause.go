package alertstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// causeWorker settles causes.
type causeWorker struct {
	river.WorkerDefaults[causeJob]
	store *Store
}

// Work settles one cause.
func (w *causeWorker) Work(ctx context.Context, job *river.Job[causeJob]) error {
	return w.store.settle(ctx, job)
}

// settle waits for the run, closes the cause and writes its letters. Each step
// may be cut off and done again: sealing twice changes nothing, and letters
// are written in the transaction that ends the job.
func (s *Store) settle(ctx context.Context, job *river.Job[causeJob]) error {
	if err := s.waitForRun(ctx, job.Args.Run, time.Until(job.CreatedAt.Add(s.config.Settle))); err != nil {
		return err
	}
	var cause monitor.Cause
	if err := s.db.Write(ctx, func(t *store.Tx) (err error) {
		// Between the monitor's transactions: else one that has read the cause as
		// open could still add a finding, which nobody would be told of.
		if err := t.Lock(ctx, store.LockHeart); err != nil {
			return err
		}
		cause, err = s.config.Causes.Seal(ctx, t, job.Args.Cause)
		return err
	}); err != nil {
		return fmt.Errorf("seal cause %s: %w", job.Args.Cause, err)
	}
	event, err := s.event(ctx, cause)
	if err != nil {
		return fmt.Errorf("read cause %s: %w", cause.ID, err)
	}
	return s.db.Write(ctx, func(t *store.Tx) error {
		routes, err := s.routes(ctx, t)
		if err != nil {
			return err
		}
		letters := s.letters(ctx, event, routes)
		if letters, err = s.withEscalated(ctx, t, event, routes, letters); err != nil {
			return err
		}
		if err := s.post(ctx, t, event, letters); err != nil {
			return err
		}
		if err := s.plan(ctx, t, event, routes); err != nil {
			return err
		}
		return complete(ctx, s, t, job)
	})
}

// waitForRun returns when the run has ended, or patience has. It asks on the
// reading pool, so that waiting costs the writer nothing.
func (s *Store) waitForRun(ctx context.Context, run int64, patience time.Duration) error {
	if run == 0 || patience <= 0 {
		return nil
	}
	end := time.NewTimer(min(patience, s.config.Settle))
	defer end.Stop()
	pause := 20 * time.Millisecond
	for {
		open, err := s.config.Causes.RunOpen(ctx, run)
		if err != nil {
			return fmt.Errorf("ask whether run %d goes on: %w", run, err)
		}
		if !open {
			return nil
		}
		next := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		case <-end.C:
			next.Stop()
			return nil
		case <-next.C:
			pause = min(2*pause, 160*time.Millisecond)
		}
	}
}

// letters says who is told of an event.
func (s *Store) letters(ctx context.Context, e alert.Event, routes []alert.Route) []alert.Letter {
	return alert.Plan(e, routes, func(name string) *alert.Recipient { return s.owner(ctx, name) }, s.lang)
}

// withEscalated adds to a recovery whoever was told of the failure by a step
// of an escalation.
func (s *Store) withEscalated(ctx context.Context, t *store.Tx, e alert.Event, routes []alert.Route, letters []alert.Letter) ([]alert.Letter, error) {
	if e.Kind != monitor.CauseRecovered {
		return letters, nil
	}
	var further []alert.Route
	for _, r := range routes {
		for _, step := range r.Escalate {
			told := r
			told.To = map[string]channel.Target{}
			for name, target := range step.To {
				for _, to := range target.Receivers {
					was, err := wasTold(ctx, t, e, name, to.Key)
					if err != nil {
						return nil, err
					}
					if was {
						k := told.To[name]
						k.Receivers = append(k.Receivers, to)
						told.To[name] = k
					}
				}
			}
			if len(told.To) > 0 {
				further = append(further, told)
			}
		}
	}
	for _, l := range s.letters(ctx, e, further) {
		if !slices.ContainsFunc(letters, func(o alert.Letter) bool { return o.Channel == l.Channel && o.Receiver.Key == l.Receiver.Key }) {
			letters = append(letters, l)
		}
	}
	return letters, nil
}

// wasTold says whether a receiver was told of one of the causes that an event answers.
func wasTold(ctx context.Context, t *store.Tx, e alert.Event, channelName, key string) (bool, error) {
	for _, g := range e.Groups {
		for _, cause := range g.Answers {
			var n int
			if err := t.Row(ctx, []any{&n}, "SELECT COUNT(*) FROM alert_delivery WHERE about = $1 AND channel = $2 AND receiver_key = $3",
				cause, channelName, key); err != nil || n > 0 {
				return n > 0, err
			}
		}
	}
	return false, nil
}

// owner finds where the owner of a finding is told.
func (s *Store) owner(ctx context.Context, name string) *alert.Recipient {
	if name == "" {
		return nil
	}
	address, lang, ok := s.config.Owner(ctx, name)
	if !ok {
		return nil
	}
	to, err := email.Receiver(address)
	if err != nil {
		return nil
	}
	return &alert.Recipient{Channel: email.Name, Receiver: to, Lang: lang}
}

// post writes the event, its letters and their jobs. A second call for the
// same cause writes nothing.
func (s *Store) post(ctx context.Context, t *store.Tx, e alert.Event, letters []alert.Letter) error {
	doc, err := json.Marshal(e)
	if err != nil {
		return err
	}
	n, err := t.Exec(ctx, `INSERT INTO alert_event (cause, kind, sealed_at, letters, doc, muted) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (cause) DO NOTHING`, e.ID, string(e.Kind), store.Micros(e.SealedAt), len(letters), string(doc), e.Muted)
	if err != nil || n == 0 {
		return err
	}
	routes, err := s.routes(ctx, t)
	if err != nil {
		return err
	}
	for _, l := range letters {
		if err := s.write(ctx, t, e, l, heldUntil(e, l, routes, s.config.Now())); err != nil {
			return fmt.Errorf("write letter %s: %w", l.ID, err)
		}
	}
	return nil
}

// write stores one letter as pending and queues it.
func (s *Store) write(ctx context.Context, t *store.Tx, e alert.Event, l alert.Letter, until time.Time) error {
	thread, subject, err := s.thread(ctx, t, l)
	if err != nil {
		return err
	}
	message, err := s.composer.Compose(e, l.Groups, s.options(l.Route, l.Lang, l.Detail, subject))
	if err != nil {
		return err
	}
	checks, things, severity := []string{}, 0, max(worst(l.Groups), digestWorst(e))
	for _, g := range l.Groups {
		if !slices.Contains(checks, g.Check) {
			checks = append(checks, g.Check)
		}
		things += g.Count
	}
	gone, err := isGone(ctx, t, e, l)
	if err != nil {
		return err
	}
	state, words := Pending, ""
	switch {
	case gone:
		state, words = Dead, goneWords
	case !until.IsZero():
		state = Waiting
	}
	now := store.Micros(s.config.Now())
	if _, err := t.Exec(ctx, `INSERT INTO alert_delivery (id, cause, kind, route, channel, receiver_key, receiver, lang, detail, checks, parts, things,
		source, owner, severity, subject, message_id, thread, state, last_error, created_at, tried_from, about, held_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
		l.ID, e.ID, string(e.Kind), l.Route, l.Channel, l.Receiver.Key, l.Receiver.Label, l.Lang, string(l.Detail), list(checks), parts(e, l.Groups), things,
		e.Source, e.Owner, int(severity), message.Subject, alert.MessageID(l.ID, s.domain), list(thread), string(state), words, now, now,
		about(e), store.Micros(until)); err != nil || gone {
		return err
	}
	if state == Waiting {
		return s.hold(ctx, t, l, until)
	}
	return s.insert(ctx, t, letterJob{Letter: l.ID}, 2)
}

// about is the cause that an event tells of.
func about(e alert.Event) string {
	if e.About != "" {
		return e.About
	}
	return e.ID
}

// digestWorst is the worst of what a digest tells, which has no groups.
func digestWorst(e alert.Event) check.Severity {
	if e.Kind == alert.KindDigest {
		return e.Severity
	}
	return 0
}

// thread finds the messages that told the same receiver of these findings
// before, and the subject to go on with if it was one.
func (s *Store) thread(ctx context.Context, t *store.Tx, l alert.Letter) (ids []string, subject string, err error) {
	seen := map[string]bool{}
	for _, g := range l.Groups {
		for _, cause := range g.Answers {
			if len(ids) == 20 || seen[cause] {
				continue
			}
			seen[cause] = true
			var id, text string
			err := t.Row(ctx, []any{&id, &text}, `SELECT message_id, subject FROM alert_delivery
				WHERE cause = $1 AND channel = $2 AND receiver_key = $3 AND detail = $4`, cause, l.Channel, l.Receiver.Key, string(l.Detail))
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, "", err
			}
			ids, subject = append(ids, id), text
		}
	}
	if len(ids) != 1 {
		subject = ""
	}
	return ids, subject, nil
}

func (s *Store) options(route, lang string, detail alert.Detail, subject string) alert.Options {
	return alert.Options{
		Route: route, Lang: lang, Detail: detail, Subject: subject,
		BaseURL: s.config.BaseURL, Organisation: s.config.Organisation, Drill: s.config.Drill,
	}
}

// event reads what a sealed cause is about and puts it into words.
func (s *Store) event(ctx context.Context, c monitor.Cause) (alert.Event, error) {
	e := alert.Event{
		ID: c.ID, Kind: c.Kind, First: c.First, Source: c.Source, Owner: c.Owner, Severity: c.Severity,
		At: c.OpenedAt.UTC(), EventAt: c.EventAt.UTC(), SealedAt: s.config.Now().UTC(), Count: c.Count,
	}
	if c.EventAt.IsZero() {
		e.EventAt = time.Time{}
	}
	err := s.db.Read(ctx, func(t *store.Tx) error {
		if c.Kind == monitor.CauseStale {
			var err error
			if e.Since, e.Why, err = s.reader.Silence(ctx, t, c.ID); err != nil {
				return err
			}
		}
		groups, err := s.reader.Groups(ctx, t, c.ID)
		if err != nil {
			return err
		}
		for _, g := range groups {
			e.Groups = append(e.Groups, s.group(g))
			e.Muted -= g.Count
		}
		if e.Muted += c.Count; e.Muted < 0 || c.Kind != monitor.CauseFailing && c.Kind != monitor.CauseRecovered {
			e.Muted = 0
		}
		if c.Kind == monitor.CauseExcepted && len(e.Groups) == 0 && c.Check != "" && c.Count > 0 {
			e.Groups = []alert.Group{s.group(CauseGroup{Check: c.Check, Owner: c.Owner, Severity: c.Severity, Count: c.Count})}
		}
		alert.SortGroups(e.Groups)
		e.Groups = e.Groups[:min(len(e.Groups), alert.MaxGroups)]
		for i := range e.Groups {
			limit := alert.MaxItems
			if len(e.Groups) > 10 {
				limit = 3 // a message names twenty things of all its checks together
			}
			if err := s.fill(ctx, t, c, &e.Groups[i], limit); err != nil {
				return err
			}
		}
		return nil
	})
	if c.Kind == monitor.CauseStale && len(e.Groups) == 0 {
		e.Groups = []alert.Group{{Owner: c.Owner, Count: c.Count}}
	}
	return e, err
}

// group puts a check into words.
func (s *Store) group(g CauseGroup) alert.Group {
	out := alert.Group{Check: g.Check, Owner: g.Owner, Version: g.Version, Kind: g.Kind, Severity: g.Severity, Count: g.Count}
	c, ok := s.check(g.Check)
	if !ok {
		return out
	}
	out.Title = maps.Clone(c.Title)
	if out.Kind == "" {
		out.Kind = c.Kind
	}
	for _, id := range c.Controls {
		k := alert.Control{ID: id, Title: check.Text{}}
		for _, lang := range alert.Languages() {
			if title := s.config.Control(id, lang); title != "" {
				k.Title[lang] = title
			}
		}
		out.Controls = append(out.Controls, k)
	}
	return out
}

func (s *Store) check(id string) (*check.Check, bool) {
	set := s.config.Checks()
	if set == nil {
		return nil, false
	}
	return set.ByID(id)
}

// fill adds the first things of a group.
func (s *Store) fill(ctx context.Context, t *store.Tx, cause monitor.Cause, g *alert.Group, limit int) error {
	items, err := s.reader.Items(ctx, t, cause, g.Check, g.Owner, limit)
	if err != nil {
		return err
	}
	c, known := s.check(g.Check)
	for _, i := range items {
		g.Items = append(g.Items, s.item(i, c, known, g, cause.OpenedAt))
	}
	if cause.Kind == monitor.CauseRecovered {
		g.Answers, err = s.reader.Answers(ctx, t, cause.ID, g.Check)
	}
	return err
}

// item puts one finding into words; its fix becomes the group's where that has none.
func (s *Store) item(i CauseItem, c *check.Check, known bool, g *alert.Group, now time.Time) alert.Item {
	item := alert.Item{
		Finding: i.Finding.ID, Fact: i.Finding.Fact, Name: i.Finding.Name, Message: check.Text{"en": i.Finding.Message},
		ObservedAt: i.ReadAt.UTC(), OpenedAt: i.Finding.OpenedAt.UTC(), DueAt: i.Finding.DueAt.UTC(),
		ClosedWhy: i.Finding.ClosedWhy, Actor: i.Finding.Actor, Ledger: i.Leaf,
	}
	if i.ReadAt.IsZero() {
		item.ObservedAt = time.Time{}
	}
	if i.Finding.ClosedAt != nil {
		item.ClosedAt = i.Finding.ClosedAt.UTC()
	}
	if known {
		fix := s.speak(c, i, &item, now)
		if g.Fix == nil {
			g.Fix = fix
		} else if !maps.Equal(g.Fix, fix) {
			item.Fix = fix
		}
	}
	return item
}

// speak says what is wrong and how to mend it in every language. A check of a
// set whose words name its members keeps the words of the finding: its members
// are not read again for that.
func (s *Store) speak(c *check.Check, i CauseItem, item *alert.Item, now time.Time) check.Text {
	in := check.Input{Fact: &i.Fact, Now: now}
	fix := check.Text{}
	for _, lang := range alert.Languages() {
		if c.Each && i.Fact.Kind != "" {
			item.Message[lang] = c.Message(in, lang)
			fix[lang] = c.FixText(in, lang)
		} else {
			if words := unfilled(c.Def.Message.In(lang)); words != "" {
				item.Message[lang] = words
			}
			if words := unfilled(c.Def.Fix.In(lang)); words != "" {
				fix[lang] = words
			}
		}
	}
	if i.Fact.Kind != "" {
		item.Fields = alert.Evidence(c.Def, i.Fact)
	}
	return fix
}
