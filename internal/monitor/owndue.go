package monitor

import (
	"encoding/json"
	"strings"
	"time"
)

// ownDue is the date that a thing itself says by when what the check demands
// must be done; 0: it says none. A test that was due last week is late since
// then, not a month after we saw it.
func ownDue(lc *liveCheck, data json.RawMessage) int64 {
	if lc.Kind != "record" && lc.Kind != "vulnerability" {
		return 0
	}
	var said struct {
		Due  time.Time `json:"due_at"`
		Ends time.Time `json:"ends_at"`
	}
	if json.Unmarshal(data, &said) != nil {
		return 0 // what is stored was checked when it came; a date that we cannot read decides nothing
	}
	switch {
	case !said.Due.IsZero() && strings.Contains(lc.Pass, lc.Kind+".due_at"):
		return micros(said.Due)
	case !said.Ends.IsZero() && strings.Contains(lc.Pass, lc.Kind+".ends_at"):
		return micros(said.Ends)
	}
	return 0
}
