package connector

import (
	"sync"
	"time"
)

// memoLife is how long a Memo believes what it was told.
const memoLife = 24 * time.Hour

// NewMemo returns a Memo in memory that holds at most max bytes of keys and
// values; beyond that it forgets what it was told first. It is safe for
// concurrent use.
func NewMemo(max int, now func() time.Time) Memo {
	return &memo{max: max, now: now, entries: map[string]memoEntry{}}
}

type memoEntry struct {
	value []byte
	at    time.Time
}

type memo struct {
	max int
	now func() time.Time

	mu      sync.Mutex // guards what follows
	size    int
	order   []string // keys, oldest first; some may be gone
	entries map[string]memoEntry
}

func (m *memo) Recall(key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok || m.now().Sub(e.at) > memoLife {
		return nil, false
	}
	return e.value, true
}

func (m *memo) Keep(key string, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(key)
	m.entries[key] = memoEntry{value: value, at: m.now()}
	m.order = append(m.order, key)
	m.size += len(key) + len(value)
	for m.size > m.max && len(m.order) > 0 {
		m.forget(m.order[0])
	}
}

// forget drops a key; the caller holds mu.
func (m *memo) forget(key string) {
	e, ok := m.entries[key]
	if !ok {
		return
	}
	delete(m.entries, key)
	m.size -= len(key) + len(e.value)
	for i, k := range m.order {
		if k == key {
			m.order = append(m.order[:i], m.order[i+1:]...)
			return
		}
	}
}
