package postgres

import (
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A tally sums up what the reading of one scope met.
type tally struct {
	detail  connector.Detail
	reading fact.Reading // empty: nothing was met
}

// add takes an error and the grant that it says is missing, and reports whether
// there was an error. What was cut short outweighs what was refused.
func (y *tally) add(err error, grant string) bool {
	if err == nil {
		return false
	}
	r, d := honest(err)
	if r == fact.Forbidden {
		y.lacks(d.Why, grant)
	} else {
		if y.reading != fact.Partial {
			y.detail.Why = d.Why
		}
		y.reading = fact.Partial
		y.detail.RetryAfter = max(y.detail.RetryAfter, d.RetryAfter)
	}
	return true
}

// lacks notes that something was not shown.
func (y *tally) lacks(why, grant string) {
	y.detail.Forbidden++
	if y.reading == "" {
		y.reading, y.detail.Why = fact.Forbidden, why
	}
	if y.detail.Permission == "" {
		y.detail.Permission = grant
	}
}

// note adds a remark to a scope that was read well otherwise.
func (y *tally) note(why string) {
	if why == "" {
		return
	}
	if y.detail.Why != "" {
		why = y.detail.Why + "; " + why
	}
	y.detail.Why = why
}

func (y *tally) result() (fact.Reading, connector.Detail) {
	if y.reading == "" {
		return fact.Complete, y.detail
	}
	return y.reading, y.detail
}
