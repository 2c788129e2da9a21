// Package fact holds the typed facts: one thing as a source said it. Everything
// that Prumo judges is a fact, whether a connector read it in another system or
// an area of Prumo wrote it down about people's work. The package imports the
// standard library only and knows no database, no network and no check.
//
// Start at Fact and Kinds; a kind's fields are the struct of its name.
package fact

import (
	"encoding/json"
	"time"
)

// MaxLine is the longest fact line that is read, in bytes.
const MaxLine = 1 << 20

// MaxFuture is how far an observation may lie ahead of our clock before it is refused.
const MaxFuture = 5 * time.Minute

// A Ref is the id of another fact. A field of type Opt[Ref] carries the tag
// `ref:"kind"`, the kind of the fact that it names.
type Ref string

// An Origin says how a fact came to be known; what an outsider may rely on
// depends on it.
type Origin string

// The classes of origin.
const (
	OriginAPI    Origin = "api"    // the vendor's own interface said it
	OriginHost   Origin = "host"   // read on the machine itself
	OriginPushed Origin = "pushed" // a remote collector or a pipeline sent it
	OriginPerson Origin = "person" // a person typed it
)

// A Key names a fact: ids are unique within a source and a kind.
type Key struct {
	Source, Kind, ID string
}

// A Fact is one thing as one source said it at one time.
type Fact struct {
	Kind       string          // a name in Kinds
	ID         string          // unique within source and kind; by convention it starts with the source's system
	Source     string          // the name of the source
	Scope      string          // the part of the source that it was read in
	Origin     Origin          // how it is known
	ObservedAt time.Time       // the source's own time of observation, UTC
	Data       json.RawMessage // canonical JSON of the kind's fields; unknown fields are absent
}

// Key returns the fact's key.
func (f *Fact) Key() Key { return Key{Source: f.Source, Kind: f.Kind, ID: f.ID} }

// New makes a fact from a kind's struct (or, for kind item, an Item).
// Its origin, scope and source are set by whoever collects it.
func New(id string, data Data) (Fact, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return Fact{}, err
	}
	return Fact{Kind: data.Kind(), ID: id, Data: raw}, nil
}

// Data is a kind's struct.
type Data interface {
	// Kind is the name of the kind, as in a fact line.
	Kind() string
}

// A Reading says what one reading covered of one scope.
type Reading string

// The results of reading a scope. Only a complete one may make a fact gone.
const (
	Complete  Reading = "complete"  // everything in the scope was seen
	Partial   Reading = "partial"   // cut short: a limit, an error, a page that did not come
	Forbidden Reading = "forbidden" // the source refused
)
