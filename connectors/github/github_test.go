package github

import (
	"testing"

	"prumo.dev/prumo/internal/fact"
)

func TestCollectIsComplete(t *testing.T) {
	m := collect(t, testRun(t, newWorld(), nil))
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("scope %s is %s (%s, %s), want complete", s.Scope.Name, s.Reading, s.Detail.Why, s.Detail.Permission)
		}
	}
}
