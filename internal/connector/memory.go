package connector

import (
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// A ScopeResult is how a scope was closed.
type ScopeResult struct {
	Scope   Scope
	Reading fact.Reading
	Detail  Detail
	Closed  bool // it was; a scope that was not counts as partial
}

// A Memory is an Emit that keeps what it is given, and refuses what breaks
// the contract of Emit. Set Source, Origin and At before the reading.
type Memory struct {
	Source string
	Origin fact.Origin
	At     time.Time

	facts  []fact.Fact
	scopes []ScopeResult
	seen   map[fact.Key]string // scope by fact
}

// Record returns an empty Memory.
func Record() *Memory { return &Memory{seen: map[fact.Key]string{}} }

// Open implements Emit.
func (m *Memory) Open(s Scope) error {
	if s.Name == "" || len(s.Kinds) == 0 {
		return fmt.Errorf("scope %q: a scope needs a name and kinds", s.Name)
	}
	if m.scope(s.Name) != nil {
		return fmt.Errorf("scope %q was opened before", s.Name)
	}
	m.scopes = append(m.scopes, ScopeResult{Scope: s, Reading: fact.Partial})
	return nil
}

// Fact implements Emit.
func (m *Memory) Fact(scope, id string, data fact.Data) error {
	s := m.scope(scope)
	if s == nil || s.Closed {
		return fmt.Errorf("fact %q: scope %q is not open", id, scope)
	}
	f, err := fact.New(id, data)
	if err != nil {
		return fmt.Errorf("fact %q: %w", id, err)
	}
	if id == "" || !slices.Contains(s.Scope.Kinds, f.Kind) {
		return fmt.Errorf("fact %q of kind %s does not belong in scope %q", id, f.Kind, scope)
	}
	f.Source, f.Scope, f.Origin, f.ObservedAt = m.Source, scope, m.Origin, m.At
	if in, twice := m.seen[f.Key()]; twice {
		return fmt.Errorf("fact %q of kind %s was already emitted in scope %q", id, f.Kind, in)
	}
	m.seen[f.Key()] = scope
	s.Detail.Seen++
	m.facts = append(m.facts, f)
	return nil
}

// Close implements Emit.
func (m *Memory) Close(scope string, reading fact.Reading, d Detail) error {
	s := m.scope(scope)
	if s == nil || s.Closed {
		return fmt.Errorf("scope %q is not open", scope)
	}
	d.Seen = s.Detail.Seen
	s.Reading, s.Detail, s.Closed = reading, d, true
	return nil
}

func (m *Memory) scope(name string) *ScopeResult {
	for i := range m.scopes {
		if m.scopes[i].Scope.Name == name {
			return &m.scopes[i]
		}
	}
	return nil
}

// Facts returns the facts in the order in which they came.
func (m *Memory) Facts() []fact.Fact { return m.facts }

// Scopes returns the scopes in the order in which they were opened.
func (m *Memory) Scopes() []ScopeResult { return m.scopes }
