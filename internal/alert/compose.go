package alert

import (
	"bytes"
	"embed"
	"fmt"
	html "html/template"
	"strings"
	plaintext "text/template"

	"github.com/nicksnyder/go-i18n/v2/i18n"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

//go:embed templates/*
var templates embed.FS

// Limits of what a message shows of one value.
const (
	maxShort   = 120
	maxLong    = 600
	maxSubject = 180
)

// A Composer writes messages. It may be used from many goroutines.
type Composer struct {
	words *i18n.Bundle
	text  *plaintext.Template
	html  *html.Template
}

// NewComposer reads the words and the templates.
func NewComposer() (*Composer, error) {
	words, err := loadWords()
	if err != nil {
		return nil, err
	}
	plain, err := plaintext.ParseFS(templates, "templates/message.txt")
	if err != nil {
		return nil, fmt.Errorf("read the text of alerts: %w", err)
	}
	rich, err := html.ParseFS(templates, "templates/message.html")
	if err != nil {
		return nil, fmt.Errorf("read the page of alerts: %w", err)
	}
	return &Composer{words: words, text: plain, html: rich}, nil
}

// Options say for whom a message is.
type Options struct {
	Route        string
	Lang         string
	Detail       Detail
	BaseURL      string // of the console, without a slash at its end
	Organisation string
	Drill        bool
	Subject      string // of the mail that this one answers: the thread keeps it
	Act          string // address of the page where its receiver acknowledges or mutes it; empty: none
}

// Compose writes the message of the event's groups. The same arguments give
// the same bytes.
func (c *Composer) Compose(e Event, groups []Group, o Options) (channel.Message, error) {
	w := writer{speaker: newSpeaker(c.words, o.Lang), event: e, groups: groups, options: o}
	v := w.view()
	var plain, rich bytes.Buffer
	if err := c.text.Execute(&plain, v); err != nil {
		return channel.Message{}, fmt.Errorf("write the text of alert %s: %w", e.ID, err)
	}
	if err := c.html.Execute(&rich, v); err != nil {
		return channel.Message{}, fmt.Errorf("write the page of alert %s: %w", e.ID, err)
	}
	payload, err := w.payload()
	if err != nil {
		return channel.Message{}, fmt.Errorf("write the payload of alert %s: %w", e.ID, err)
	}
	return channel.Message{
		Lang: o.Lang, Subject: v.Subject, Text: strings.TrimLeft(plain.String(), "\n"), HTML: rich.String(),
		Payload: payload, Drill: o.Drill, Kind: string(e.Kind), Worst: w.worstName(), Card: w.card(v),
	}, nil
}

// A view is everything that the templates show, already in words.
type view struct {
	Lang, Subject, Organisation   string
	Drill                         string
	Status, Word, Head            string // Status is the colour: fail, pass, unknown, excepted, plain
	Facts                         []pair
	Blocks                        []block
	Acts                          []channel.Link
	MoreChecks, Link, LinkText    string
	Why, Zone                     string
	LabelEvidence, LabelFix, More string
}

// A pair is a label and its value.
type pair struct{ Label, Value string }

// A block is one check.
type block struct {
	Title string
	Facts []pair
	Fix   string
	Items []thing
	Count int // all of it
	More  string
}

// A thing is one line of a block.
type thing struct {
	Name, ID, Message, Fix string
	Facts                  []pair
	Fields                 []Field
	Link, LinkText         string
}

// A writer turns one event into words for one receiver.
type writer struct {
	speaker
	event   Event
	groups  []Group
	options Options
}

func (w writer) view() view {
	v := view{
		Lang: w.lang, Subject: w.subject(), Organisation: tidy(w.options.Organisation, maxShort),
		Status: w.status(), Word: w.word(), Head: w.head(),
		Link: w.link(), LinkText: w.say("open_all", nil),
		Why:  w.say("why_you", map[string]any{"Route": tidy(w.options.Route, maxShort)}),
		Zone: w.say("zone", nil), LabelEvidence: w.say("label_evidence", nil), LabelFix: w.say("label_fix", nil),
	}
	if w.options.Drill {
		v.Drill = w.say("drill", nil)
	}
	v.Acts = w.acts()
	if w.options.Detail == DetailLink || w.event.Kind == CauseTest {
		if w.options.Detail == DetailLink {
			v.Head = w.linkSubject()
		}
		return v
	}
	v.Facts = w.facts()
	switch w.event.Kind {
	case KindDigest:
		v.Blocks = w.held()
		return v
	case KindWeekly:
		v.Facts, v.Blocks = w.weekFacts(), w.weekBlocks()
		return v
	}
	room := MaxItems
	for i, g := range w.groups {
		if g.Check == "" {
			continue
		}
		if room == 0 && i > 0 || i >= MaxItems {
			v.MoreChecks = w.count("more_checks", len(w.groups)-i, nil)
			break
		}
		b := w.block(g, &room)
		v.Blocks = append(v.Blocks, b)
	}
	return v
}

// total is the number of findings that the message is about.
func (w writer) total() int {
	n := 0
	for _, g := range w.groups {
		n += g.Count
	}
	return n
}

// worst is the worst severity among the groups.
func (w writer) worst() check.Severity {
	s := check.Severity(0)
	for _, g := range w.groups {
		s = max(s, g.Severity)
	}
	return s
}

func (w writer) severity(s check.Severity) string {
	if s < check.Low || s > check.Critical {
		return "?"
	}
	return w.say("severity_"+s.String(), nil)
}

func (w writer) status() string {
	switch w.event.Kind {
	case monitor.CauseFailing:
		return "fail"
	case monitor.CauseExcepted:
		return "fail"
	case monitor.CauseRecovered:
		if w.allPassed() {
			return "pass"
		}
		return "plain"
	case monitor.CauseStale:
		return "unknown"
	case KindReminder:
		if w.event.Of == monitor.CauseStale {
			return "unknown"
		}
		return "fail"
	case KindUnmuted:
		return "fail"
	default:
		return "plain"
	}
}

// allPassed says whether every finding that is named closed by a pass: what is
// gone, or judged no more, is closed but proves nothing.
func (w writer) allPassed() bool {
	for _, g := range w.groups {
		for _, i := range g.Items {
			if i.ClosedWhy != "" && i.ClosedWhy != "passed" {
				return false
			}
		}
	}
	return true
}

func (w writer) word() string {
	if w.event.Kind == monitor.CauseRecovered && !w.allPassed() {
		return w.say("status_closed", nil)
	}
	return w.say("status_"+string(w.event.Kind), nil)
}

func (w writer) head() string {
	switch w.event.Kind {
	case monitor.CauseStale:
		return w.say("head_stale", w.names())
	case CauseTest:
		return w.say("head_test", w.names())
	case KindReminder:
		return w.reminderHead()
	case KindDigest:
		return w.count("head_digest", len(w.event.Digest), nil)
	case KindWeekly:
		return w.weekHead()
	case monitor.CauseFailing:
		if w.event.First {
			return w.count("head_first", w.total(), nil)
		}
	}
	return w.count("head_"+string(w.event.Kind), w.total(), nil)
}

// names are the values that subjects and heads may use.
func (w writer) names() map[string]any {
	m := map[string]any{
		"Severity": w.severity(w.worst()), "Source": tidy(w.event.Source, maxShort),
		"Route": tidy(w.options.Route, maxShort), "Title": "", "Name": "",
	}
	if len(w.groups) > 0 {
		m["Title"] = tidy(w.groups[0].Title.In(w.lang), maxShort)
		if m["Title"] == "" {
			m["Title"] = tidy(w.groups[0].Check, maxShort)
		}
		if items := w.groups[0].Items; len(items) > 0 {
			m["Name"] = itemName(items[0])
		}
	}
	return m
}

func itemName(i Item) string {
	if i.Name != "" {
		return tidy(i.Name, maxShort)
	}
	return tidy(i.Fact, maxShort)
}

func (w writer) subject() string {
	s := w.options.Subject
	switch {
	case w.options.Detail == DetailLink:
		s = w.linkSubject()
	case s != "":
		s = "Re: " + strings.TrimPrefix(s, "Re: ")
	default:
		s = w.ownSubject()
	}
	if w.options.Drill && !strings.Contains(s, w.say("drill_mark", nil)) {
		s = w.say("drill_mark", nil) + " · " + s
	}
	return tidy(s, maxSubject)
}

func (w writer) ownSubject() string {
	n, kind := w.total(), w.event.Kind
	switch {
	case kind == KindDigest:
		return w.count("subject_digest", len(w.event.Digest), w.names())
	case kind == KindWeekly:
		return w.say("subject_weekly", w.weekNames())
	case kind == KindReminder && w.event.Of == monitor.CauseStale:
		return w.say("subject_reminder_stale", w.names())
	case kind == monitor.CauseStale || kind == CauseTest:
		return w.say("subject_"+string(kind), w.names())
	case kind == monitor.CauseFailing && w.event.First:
		return w.count("subject_first", n, w.names())
	case len(w.groups) > 1 && kind == monitor.CauseFailing:
		return w.count("subject_several", n, w.names())
	case len(w.groups) > 1:
		return w.count("subject_"+string(kind)+"_several", n, w.names())
	case n == 1:
		return w.say("subject_"+string(kind)+"_one", w.names())
	default:
		return w.count("subject_"+string(kind)+"_many", n, w.names())
	}
}

// linkSubject holds counts and nothing that names a thing.
func (w writer) linkSubject() string {
	switch w.event.Kind {
	case monitor.CauseStale:
		return w.say("subject_link_stale", nil)
	case CauseTest:
		return w.say("subject_test", w.names())
	case KindDigest:
		return w.count("subject_digest", len(w.event.Digest), nil)
	case KindWeekly:
		return w.say("subject_weekly", w.weekNames())
	case KindReminder:
		if w.event.Of == monitor.CauseStale {
			return w.say("subject_link_stale", nil)
		}
		return w.count("subject_link_reminder", w.total(), nil)
	default:
		return w.count("subject_link_"+string(w.event.Kind), w.total(), nil)
	}
}

// facts are what is true of the whole message.
func (w writer) facts() []pair {
	e := w.event
	var out []pair
	add := func(label, value string) {
		if value != "" {
			out = append(out, pair{w.say(label, nil), value})
		}
	}
	add("label_source", tidy(e.Source, maxShort))
	if e.Kind == monitor.CauseStale {
		if !e.Since.IsZero() {
			add("label_since", w.exact(e.Since))
		}
		add("label_why", tidy(e.Why, maxLong))
	}
	if e.Kind == KindReminder && !e.FirstAt.IsZero() {
		add("label_first_told", w.exact(e.FirstAt))
	}
	if e.Kind == KindUnmuted {
		add("label_muted_by", tidy(e.By, maxShort))
		add("label_why", tidy(e.Why, maxLong))
	}
	if owner, same := w.owner(); same && len(w.groups) > 0 {
		add("label_owner", w.ownerWord(owner))
	}
	if !e.EventAt.IsZero() {
		add("label_changed", w.exact(e.EventAt))
	}
	if !e.At.IsZero() && e.Settles() && e.Kind != monitor.CauseStale {
		add("label_detected", w.exact(e.At))
	}
	return out
}
