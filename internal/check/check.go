// Package check loads, compiles and evaluates checks: what must be true of a
// fact, or of the set of all facts of a kind. It is pure: no clock, no
// network, no database; time, facts and references are given to it.
//
// Start at Load, then Check.Judge and Check.JudgeSet. The format that people
// write is docs/checks.md.
package check

import (
	"time"

	"prumo.dev/prumo/internal/fact"
)

// An Outcome is what a check says of one fact or one set. Its zero value is
// Unknown: nothing but a proof passes.
type Outcome int8

// The outcomes. Their numbers are stored; they never change.
const (
	Unknown       Outcome = 0
	Pass          Outcome = 1
	Fail          Outcome = 2
	NotApplicable Outcome = 3
)

// String returns the outcome's name as the API writes it.
func (o Outcome) String() string {
	switch o {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	case NotApplicable:
		return "not_applicable"
	default:
		return "unknown"
	}
}

// A Severity says how bad a failure is.
type Severity int8

// The severities, in order. Their numbers are stored; they never change.
const (
	Low      Severity = 1
	Medium   Severity = 2
	High     Severity = 3
	Critical Severity = 4
)

// String returns the severity's name as a check file writes it.
func (s Severity) String() string {
	return [...]string{"", "low", "medium", "high", "critical"}[s]
}

// Text is what people read, by language tag; "en" is always there in a loaded check.
type Text map[string]string

// In returns the text in the language, or in English where it is missing.
func (t Text) In(lang string) string {
	if s, ok := t[lang]; ok {
		return s
	}
	return t["en"]
}

// A Def is a check as its file says it.
type Def struct {
	ID       string
	Version  int
	Kind     string
	Severity Severity
	Title    Text
	Message  Text
	Fix      Text
	Pass     string
	When     string
	Each     bool                // false: it judges the set
	Params   map[string]any      // defaults
	Controls []string            // ids of controls
	Empty    Outcome             // of a set without a member: Pass or NotApplicable
	Fresh    time.Duration       // an older observation says nothing; the kind's default unless the file says it
	Needs    map[string][]string // connector → permissions without which the answer is unknown
	Examples []Example
	File     string // where it was read, for errors and pages
	Source   []byte // the file's text
	Digest   string // hex SHA-256 of the file's text
}

// An Example is a fact, or a list of facts for a set, with the outcome that the check must give.
type Example struct {
	Name    string
	Want    Outcome
	At      time.Time      // the instant of judgement; zero: any
	Params  map[string]any // over the check's defaults
	Facts   []fact.Fact    // one, or the members of the set
	Related []fact.Fact    // facts that the first ones name, given under `related:`
	Number  int            // in its file, from 1
	Line    int
}

// A Lookup finds the fact of a kind that a fact names. from is the source of
// the fact that holds the name: a thing of the same source is preferred to one
// of another. It returns false where the name leads nowhere.
type Lookup func(kind string, id fact.Ref, from string) (*fact.Fact, bool)

// An Input is one fact to judge.
type Input struct {
	Fact   *fact.Fact
	Now    time.Time
	Params map[string]any // overrides of the check's defaults; nil for none
	Lookup Lookup         // nil: every reference leads nowhere
}

// A Result is what a check says.
type Result struct {
	Outcome Outcome
	Reason  string    // of an unknown: the names of the missing fields, or the error; of a failure: the message in English
	Missing []string  // of an unknown: fields that nobody said, such as account.mfa
	Due     time.Time // when the answer flips without a new reading; zero: never
	Refs    []RefUse  // facts that were read through a name, found or not, for the reverse index
}

// A RefUse is a name that an evaluation followed.
type RefUse struct {
	Kind string
	ID   fact.Ref
}
