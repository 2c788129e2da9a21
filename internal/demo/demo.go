// Package demo invents an organisation: a software company of about 120
// people with its accounts, code, machines, domains and duties, as facts of a
// dozen sources over the last 90 days. Most of it is in order, a realistic
// part leans, and some is not known. It names nobody and nothing that exists:
// domains end in .example or .test, people are made of unrelated names.
//
// The same instant always gives the same organisation. It must never be
// offered as evidence of anything; whoever loads it marks the instance as a
// drill. Start at Facts and Readings.
package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// Organisation is the name of the invented company.
const Organisation = "Quillwort Software"

// Days is how far back the history goes.
const Days = 90

// A Reading is what one source said of one scope at one time.
type Reading struct {
	At       time.Time
	Source   string
	Scope    string
	Kinds    []string // kinds of the scope's facts
	Facts    []fact.Fact
	Complete bool // false: it was cut short, and what is missing is not gone
}

// A Source is one of the organisation's systems.
type Source struct {
	Name      string
	Connector string // what would read it; push where nothing of ours does
	Every     time.Duration
}

// Sources lists the organisation's systems by name.
func Sources() []Source {
	var out []Source
	for name, s := range systems() {
		out = append(out, Source{Name: name, Connector: "push", Every: s.every})
	}
	slices.SortFunc(out, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Facts returns everything that is held at the instant: each thing once, as
// its source last said it.
func Facts(now time.Time) []fact.Fact {
	w := build(now)
	var out []fact.Fact
	for name, s := range systems() {
		at := w.lastRead(name, s)
		for _, sc := range w.scopes(name) {
			out = append(out, w.at(name, sc, at)...)
		}
	}
	slices.SortFunc(out, func(a, b fact.Fact) int {
		if c := strings.Compare(a.Source, b.Source); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Readings yields what the sources said over the last 90 days, oldest first.
// Each source is read in its rhythm and whenever something of it turned.
func Readings(now time.Time) iter.Seq[Reading] {
	w := build(now)
	type visit struct {
		at     time.Time
		source string
	}
	var visits []visit
	for name, s := range systems() {
		for _, at := range w.visits(name, s) {
			visits = append(visits, visit{at, name})
		}
	}
	slices.SortFunc(visits, func(a, b visit) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.source, b.source)
	})
	return func(yield func(Reading) bool) {
		for _, v := range visits {
			for _, sc := range w.scopes(v.source) {
				r := Reading{At: v.at, Source: v.source, Scope: sc.name, Kinds: sc.kinds, Facts: w.at(v.source, sc, v.at), Complete: true}
				if w.cut(v.source, v.at) {
					r.Complete, r.Facts = false, r.Facts[:len(r.Facts)/2]
				}
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Write writes facts as lines, as a remote collector would send them.
func Write(out io.Writer, facts []fact.Fact) error {
	b := bufio.NewWriter(out)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	for i := range facts {
		f := &facts[i]
		line := struct {
			Kind       string          `json:"kind"`
			ID         string          `json:"id"`
			Source     string          `json:"source"`
			ObservedAt time.Time       `json:"observed_at"`
			Data       json.RawMessage `json:"data"`
		}{f.Kind, f.ID, f.Source, f.ObservedAt, f.Data}
		if err := e.Encode(line); err != nil {
			return fmt.Errorf("write fact %s: %w", f.ID, err)
		}
	}
	return b.Flush()
}
