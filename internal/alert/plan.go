package alert

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"sort"
	"strings"

	"prumo.dev/prumo/internal/alert/channel"
)

// A Letter is one message to one receiver, before it is written.
type Letter struct {
	ID       string // the same for the same cause, receiver and detail: a repeat carries it again
	Route    string
	Channel  string
	Receiver channel.Receiver
	Lang     string
	Detail   Detail
	Groups   []Group
}

// A Recipient is where the owner of a finding is told, and in which language ("" not known).
type Recipient struct {
	Channel  string
	Receiver channel.Receiver
	Lang     string
}

// Plan says which letters an event makes: the routes in their order, one
// letter a receiver. A receiver that two routes name is told each thing once,
// by the first route that tells it. owner answers nil where an owner cannot be
// reached. lang is the organisation's.
func Plan(e Event, routes []Route, owner func(name string) *Recipient, lang string) []Letter {
	var letters []Letter
	at := map[string]int{}
	told := map[string]map[[2]string]bool{} // receiver → check and owner
	add := func(r Route, channelName string, to channel.Receiver, groups []Group, theirs string) {
		who := channelName + "\x00" + to.Key
		if told[who] == nil {
			told[who] = map[[2]string]bool{}
		}
		var fresh []Group
		for _, g := range groups {
			if key := [2]string{g.Check, g.Owner}; !told[who][key] {
				told[who][key] = true
				fresh = append(fresh, g)
			}
		}
		if len(fresh) == 0 {
			return
		}
		id := LetterID(e.ID, channelName, to.Key, r.Detail)
		if i, ok := at[id]; ok {
			letters[i].Groups = append(letters[i].Groups, fresh...)
			return
		}
		at[id] = len(letters)
		letters = append(letters, Letter{
			ID: id, Route: r.Name, Channel: channelName, Receiver: to,
			Lang: Language(r.Language, theirs, lang), Detail: r.Detail, Groups: fresh,
		})
	}
	for _, r := range routes {
		groups := r.Match(e)
		if len(groups) == 0 {
			continue
		}
		for _, name := range channelNames(r) {
			target := r.To[name]
			for _, to := range target.Receivers {
				add(r, name, to, groups, "")
			}
			if !target.Owner || owner == nil {
				continue
			}
			for _, g := range groups {
				if who := owner(g.Owner); who != nil && who.Channel == name {
					add(r, name, who.Receiver, []Group{g}, who.Lang)
				}
			}
		}
	}
	return letters
}

func channelNames(r Route) []string {
	names := make([]string, 0, len(r.To))
	for name := range r.To {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// LetterID is the id of the message about a cause to a receiver.
func LetterID(cause, channelName, key string, detail Detail) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{"prumo alert", cause, channelName, key, string(detail)}, "\x00")))
	return "alert_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// MessageID is the id of a mail, without angle brackets.
func MessageID(letter, domain string) string { return letter + "@" + domain }

// SortGroups puts the worst first, then the largest, then by name: the order of a message.
func SortGroups(groups []Group) {
	sort.SliceStable(groups, func(i, j int) bool {
		a, b := groups[i], groups[j]
		if a.Severity != b.Severity {
			return a.Severity > b.Severity
		}
		if a.Count != b.Count {
			return a.Count > b.Count
		}
		return a.Check < b.Check
	})
}
