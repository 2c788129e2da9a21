package self_test

import (
	"context"
	"errors"
	"testing"

	"prumo.dev/prumo/connectors/self"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

func TestReadingIsPartialWhenPrumoCannotLookAtItself(t *testing.T) {
	part := self.Part{ID: "self/timer", Data: fact.Collector{LagSeconds: fact.Some(int64(0))}}
	for _, c := range []struct {
		err  error
		want fact.Reading
	}{{nil, fact.Complete}, {errors.New("database is away"), fact.Partial}} {
		m := connector.Record()
		s := self.New(func(context.Context) ([]self.Part, error) { return []self.Part{part}, c.err })
		if err := s.Collect(t.Context(), connector.Run{Source: "self"}, m); err != nil {
			t.Fatal(err)
		}
		if got := m.Scopes()[0].Reading; got != c.want {
			t.Errorf("report error %v: reading %s, want %s", c.err, got, c.want)
		}
		if len(m.Facts()) != 1 {
			t.Errorf("report error %v: %d facts, want the one that was seen", c.err, len(m.Facts()))
		}
	}
}
