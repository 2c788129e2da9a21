package connector

import (
	"strings"
	"testing"
	"time"
)

func TestMemo(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := NewMemo(100, func() time.Time { return now })
	m.Keep("a", []byte("1"))
	m.Keep("a", []byte("2"))
	if v, ok := m.Recall("a"); !ok || string(v) != "2" {
		t.Errorf("a is %q, %v; want 2", v, ok)
	}
	m.Keep("b", []byte(strings.Repeat("x", 60)))
	m.Keep("c", []byte(strings.Repeat("x", 60)))
	if _, ok := m.Recall("b"); ok {
		t.Error("b is remembered beyond the limit")
	}
	if _, ok := m.Recall("c"); !ok {
		t.Error("c, the newest, was forgotten")
	}
	m.Keep("d", []byte(strings.Repeat("x", 200)))
	if _, ok := m.Recall("d"); ok {
		t.Error("d is larger than the whole memory")
	}
	m.Keep("e", nil)
	now = now.Add(25 * time.Hour)
	if _, ok := m.Recall("e"); ok {
		t.Error("e is believed after a day")
	}
}
