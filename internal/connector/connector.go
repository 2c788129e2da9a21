// Package connector is the contract between Prumo and the systems that it
// reads. A connector turns a system's answers into facts and says honestly
// what each reading covered; it never judges. The package also holds what
// every connector is given (settings, an HTTP client, a clock) and the exam
// that every connector takes (connectortest).
//
// Start at Connector; then Emit, which says what a reading owes.
package connector

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// A Text is what people read, by language tag: en, pt-BR and es.
type Text map[string]string

// In returns the text in the language, or in English.
func (t Text) In(lang string) string {
	if s, ok := t[lang]; ok {
		return s
	}
	return t["en"]
}

// Info describes a connector. The connect form, the command line's help, the
// documentation and the least-privilege manifest follow from it.
type Info struct {
	ID          string        // as in prumo.yaml
	Title       string        // the system's own name
	Summary     Text          // what it reads, in one sentence
	Origin      fact.Origin   // class of the facts that it emits
	Kinds       []string      // fact kinds that it emits
	Fields      []Field       // settings
	Permissions []Permission  // what its credential must be allowed, each with what is lost without it
	Every       time.Duration // rhythm unless the source says another
	Tripwire    time.Duration // rhythm of the tripwire; zero: it has none
	Announces   []Text        // changes that its webhooks announce, for the page and the docs
	Local       bool          // reads this machine, or runs programs: only prumo.yaml may make such a source

	// Check holds the settings as a whole, each of them right by itself, to
	// rules between them; nil: there are none.
	Check func(Settings) error
}

// A FieldType is how a setting is entered and checked.
type FieldType string

// The types of settings.
const (
	FieldText   FieldType = "text"
	FieldURL    FieldType = "url"
	FieldSecret FieldType = "secret" // never shown again
	FieldList   FieldType = "list"   // texts
	FieldBool   FieldType = "bool"
	FieldInt    FieldType = "int"
	FieldPath   FieldType = "path" // on this machine: only prumo.yaml may set it
	FieldMap    FieldType = "map"  // text → list of texts
	// FieldCommand is a program of this machine and its arguments, as they are: only prumo.yaml may set it.
	FieldCommand FieldType = "command"
	// FieldDocument is YAML or JSON of a shape that Field.Check knows; kept as text.
	FieldDocument FieldType = "document"
)

// A Field is one setting of a connector.
type Field struct {
	Name     string
	Type     FieldType
	Label    Text
	Hint     Text
	Required bool
	Default  any
	Local    bool            // only prumo.yaml on the machine may set it
	Lines    bool            // a text of several lines, such as a certificate in PEM
	Check    func(any) error // further rules for a value of the right type; nil: none
}

// A Permission is something that a credential must be allowed.
type Permission struct {
	Name  string   // in the vendor's words
	Why   Text     // what it lets us see
	Kinds []string // kinds that are unknown without it
}

// A Connector reads one kind of system. Its value holds no state: everything
// that a reading needs is in Run, so that one value serves many sources.
type Connector interface {
	// Info describes the connector; it is cheap and constant.
	Info() Info
	// Collect reads everything that the settings name and emits it. It must
	// close each scope that it opened with what was truly covered, also when
	// the system refuses, fails or is cut. It returns an error only where no
	// scope can tell the story: settings that cannot work, or a cancelled ctx.
	Collect(ctx context.Context, run Run, emit Emit) error
}

// A Run is what a connector is given for one reading.
type Run struct {
	Source   string           // name of the source
	Settings Settings         // checked against Info.Fields
	HTTP     *http.Client     // pinned, rate limited, retrying, logged; see NewClient. Nil for connectors that speak no HTTP
	Dial     Dialer           // the only way to open another connection; refuses forbidden networks
	Now      func() time.Time // the clock
	Log      *slog.Logger
	Memo     Memo      // what earlier readings of the source learnt; nil: nothing
	Stdin    io.Reader // standard input, where a person or a pipeline reads once by hand; nil: none
}

// A Memo keeps, between the readings of one source, answers of the system that
// cannot change while their key stays the same, such as those about a pull
// request under its time of update. It may forget at any time. Whoever provides
// it forgets after a day at the latest, so that nothing is believed for ever.
type Memo interface {
	Recall(key string) ([]byte, bool)
	Keep(key string, value []byte)
}

// An Emit takes what a reading finds. It is not safe for concurrent use.
//
// Every fact belongs to a scope, the smallest part of the source that a
// reading covers as a whole ("repositories", "changes acme/web"). Open it,
// emit its facts, close it with what was covered. A scope that is closed
// Complete makes facts of it that were not emitted gone; Partial and Forbidden
// remove nothing. A scope that is never closed counts as Partial. A field that
// the source did not say stays unknown.
type Emit interface {
	Open(scope Scope) error
	Fact(scope, id string, data fact.Data) error
	Close(scope string, reading fact.Reading, detail Detail) error
}

// A Scope is a part of a source that one reading covers as a whole.
type Scope struct {
	Name  string   // stable between readings
	Kinds []string // kinds of the facts in it
}

// A Detail says what a reading of a scope met. It is shown to people: it never
// holds a secret or an internal cause.
type Detail struct {
	Seen       int    // facts emitted; filled by the runner
	Of         int    // how many the source says there are; 0: it does not say
	Forbidden  int    // things that the source refused to show
	Status     int    // HTTP status that ended it, if one did
	Why        string // short English sentence, for example "the token lacks read:repository"
	Permission string // missing permission in the vendor's words, if known
	RetryAfter time.Duration
	Targeted   bool // only announced things were read again; the rest of the scope stays as it was
}

// ErrSettings is wrapped by errors about settings that cannot work.
var ErrSettings = errors.New("settings")

// A Webhooker verifies a message that the system sent and names what it touches.
type Webhooker interface {
	// Webhook checks the signature and returns the targets to read again.
	// It returns ErrSignature if the message is not the system's.
	Webhook(ctx context.Context, run Run, h http.Header, body []byte) (Event, error)
}

// ErrSignature is returned for a message whose signature is missing or wrong.
var ErrSignature = errors.New("signature")

// An Event is a change that a system announced.
type Event struct {
	Targets []string  // for Rereader; empty: nothing of ours changed
	Actor   string    // who did it, where the message says so
	At      time.Time // when it happened at the source; zero: not said
	What    string    // the system's name of the event
	ID      string    // the delivery's id, against replays; empty: none
}

// A Rereader reads given targets again, and only them.
type Rereader interface {
	// Reread emits the scopes that the targets touch, with the same honesty as Collect.
	Reread(ctx context.Context, run Run, targets []string, emit Emit) error
}

// A Tripwirer answers a few cheap requests with a hash per target; where a
// hash differs from the last one, the target is read again.
type Tripwirer interface {
	Tripwire(ctx context.Context, run Run) (map[string]string, error)
}

// An Identifier proves whose credential it is and what it may do.
type Identifier interface {
	Identify(ctx context.Context, run Run) (Identity, error)
}

// An Identity is what a credential turned out to be.
type Identity struct {
	Name     string         // account behind the credential
	System   string         // the system and its version
	ReadOnly fact.Opt[bool] // the credential can change nothing
	Missing  []string       // permissions that it lacks
	Excess   []string       // permissions beyond what is needed
}
