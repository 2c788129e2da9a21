package monitor

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/ledger"
)

// Changes is what a transaction is about to write. Rows to be added have an id
// of 0 where nobody refers to them; the ids of the others are the store's to give.
type Changes struct {
	At  int64
	Run int64

	NewFacts  []*FactRow
	Facts     []*FactRow // changed; Data is nil where it stays
	Versions  []VersionRow
	Unref     []int64 // facts whose rows in the reverse index go
	Refs      []RefRow
	Flagged   []int64 // facts that have rows in the reverse index from now on
	Closed    []int64 // verdicts that end
	Opened    []*VerdictRow
	Moved     []*VerdictRow // verdicts whose interval goes on with another reason, instant, scope or clock
	Opening   []*FindingRow
	Closing   []*FindingRow
	Stale     []OverlayKey // begins
	Fresh     []OverlayKey // ends
	Members   []MemberRow
	MemberSum map[[2]int64]int64 // check and cell → difference
	Tally     map[TallyKey]int64 // differences

	contents    []Content
	transitions []Transition
}

func newChanges(at, run int64) *Changes {
	return &Changes{At: at, Run: run, Tally: map[TallyKey]int64{}, MemberSum: map[[2]int64]int64{}}
}

// Empty reports that there is nothing to write.
func (c *Changes) Empty() bool {
	return len(c.NewFacts)+len(c.Facts)+len(c.Versions)+len(c.Unref)+len(c.Refs)+len(c.Closed)+len(c.Opened)+len(c.Moved)+
		len(c.Opening)+len(c.Closing)+len(c.Stale)+len(c.Fresh)+len(c.Members) == 0
}

// TallyKeys lists the numbers that differ, in order.
func (c *Changes) TallyKeys() []TallyKey {
	keys := slices.Collect(maps.Keys(c.Tally))
	keys = slices.DeleteFunc(keys, func(k TallyKey) bool { return c.Tally[k] == 0 })
	slices.SortFunc(keys, compareTally)
	return keys
}

func compareTally(a, b TallyKey) int {
	for _, d := range [4]int64{a.Check - b.Check, a.Scope - b.Scope, int64(a.Own - b.Own), int64(a.Outcome - b.Outcome)} {
		if d != 0 {
			return int(max(-1, min(1, d)))
		}
	}
	return 0
}

func (c *Changes) count(v *VerdictRow, by int64) {
	c.Tally[TallyKey{Check: v.Check, Scope: v.Scope, Own: v.Own, Outcome: v.Outcome}] += by
}

// content notes something for the ledger: a JSON list that begins with what it is.
func (c *Changes) content(s ledger.Sort, parts ...any) {
	b, err := json.Marshal(parts)
	if err != nil { // texts and numbers always can
		b = []byte(err.Error())
	}
	c.contents = append(c.contents, Content{Sort: s, Bytes: b})
}

func (c *Changes) observation(f *FactRow, scope string) {
	c.content(ledger.Observation, "fact", f.Key.Source, f.Key.Kind, f.Key.ID, scope, f.Origin, f.ObservedAt, hex.EncodeToString(f.Hash[:]))
}

func (c *Changes) absence(f *FactRow) {
	c.content(ledger.Absence, "gone", f.Key.Source, f.Key.Kind, f.Key.ID, c.At)
}

func (c *Changes) transition(t Transition) {
	from := "none"
	if !t.First {
		from = t.From.String()
	}
	c.content(ledger.Transition, "verdict", t.Check, t.Version, t.Fact.Source, t.Fact.Kind, t.Fact.ID, from, t.To.String(), c.At, t.Reason)
	if t.First || t.From != t.To {
		c.transitions = append(c.transitions, t)
	}
}

func (c *Changes) ended(name string, f *FactRow, of check.Outcome, why string) {
	c.content(ledger.Transition, "verdict ended", name, f.Key.Source, f.Key.Kind, f.Key.ID, of.String(), c.At, why)
}
