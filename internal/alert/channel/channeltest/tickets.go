package channeltest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/alert/channel"
)

// An Issue is one at the other side.
type Issue struct {
	Title, Body string
	Open        bool
	Comments    []string
}

// A Tracker is the other side of a channel that opens issues.
type Tracker struct {
	Client *http.Client
	Words  string         // of a route that leads there
	Issues func() []Issue // all, oldest first
	Lose   func()         // the answer to the next request that opens an issue is lost; nil: it cannot be
}

// Tickets tells a channel's whole story: one issue a case, whatever is
// repeated or lost, commented and closed, opened again, and tested.
func Tickets(t *testing.T, fresh func(*http.Client) channel.Channel, k Tracker) {
	notes := &Notes{}
	ch := fresh(k.Client)
	to := Receiver(t, ch, k.Words)
	send := func(kind string, left int, change func(*channel.Dispatch)) error {
		d := Dispatch(to, kind, left, notes)
		if change != nil {
			change(&d)
		}
		return fresh(k.Client).Send(context.Background(), d) // as a process that has just started
	}
	only := func(when string, open bool, comments int) Issue {
		t.Helper()
		list := k.Issues()
		if len(list) != 1 {
			t.Fatalf("%s: %d issues, want 1: %+v", when, len(list), list)
		}
		if list[0].Open != open || len(list[0].Comments) != comments {
			t.Fatalf("%s: open %v with %d comments, want %v with %d: %q", when, list[0].Open, len(list[0].Comments), open, comments, list[0].Comments)
		}
		return list[0]
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			words, _ := channel.Plain(err)
			t.Fatalf("%s: %v", words, errors.Unwrap(err))
		}
	}
	if k.Lose != nil {
		k.Lose()
		if err := send(channel.KindFailing, 3, nil); err == nil {
			t.Fatal("a lost answer counts as accepted")
		}
	}
	notes.Fail = errors.New("the database is gone")
	if err := send(channel.KindFailing, 3, nil); err == nil {
		t.Fatal("the number is not remembered, and nobody says so")
	}
	notes.Fail = nil
	must(send(channel.KindFailing, 3, nil))
	opened := only("opened, though nothing was remembered", true, 0)
	for _, want := range Said() {
		if !strings.Contains(strings.ReplaceAll(opened.Body, `\`, ""), want) {
			t.Errorf("the issue does not say %q:\n%s", want, opened.Body)
		}
	}
	must(send(channel.KindFailing, 3, nil))
	only("repeated", true, 0)
	must(send(channel.KindRecovered, 1, nil))
	must(send(channel.KindRecovered, 1, nil))
	lost := notes.Note("alert_case")
	must(send(channel.KindRecovered, 1, func(d *channel.Dispatch) { d.Cases[0].Note = "" }))
	if notes.Note("alert_case") != lost {
		t.Errorf("found %q, remembered %q", notes.Note("alert_case"), lost)
	}
	only("a part recovered, told three times", true, 1)
	must(send(channel.KindRecovered, 0, func(d *channel.Dispatch) { d.ID = "alert_last" }))
	only("recovered", false, 2)
	must(send(channel.KindExcepted, 1, nil))
	only("fails again", true, 3)
	must(send(channel.KindRecovered, 0, func(d *channel.Dispatch) { d.ID, d.Cases[0].Note = "alert_lost", "" }))
	only("recovered, found by its mark", false, 4)
	must(send(channel.KindRecovered, 0, func(d *channel.Dispatch) { d.Cases[0].Key, d.Cases[0].Note = "alert_never_told", "" }))
	only("what was never told has nothing to close", false, 4)
	must(send(channel.KindTest, 0, func(d *channel.Dispatch) { d.Cases[0].Key, d.Cases[0].Note = "alert_test", "" }))
	if list := k.Issues(); len(list) != 2 || list[1].Open {
		t.Errorf("a test: got %+v", list)
	}
	hostile(t, fresh, k, notes)
}

// hostile opens an issue of names that want to be more.
func hostile(t *testing.T, fresh func(*http.Client) channel.Channel, k Tracker, notes *Notes) {
	ch := fresh(k.Client)
	d := Dispatch(Receiver(t, ch, k.Words), channel.KindFailing, 1, notes)
	d.ID = "alert_hostile"
	d.Cases[0].Key, d.Cases[0].Note = "alert_hostile", ""
	d.Message.Card = Many(Hostile(), 1000, 1)
	if err := ch.Send(context.Background(), d); err != nil {
		words, _ := channel.Plain(err)
		t.Fatal(words)
	}
	list := k.Issues()
	last := list[len(list)-1]
	if len(list) != 3 || !strings.Contains(last.Body, "more") {
		t.Errorf("hostile names: %d issues, the last:\n%s", len(list), last.Body)
	}
}
