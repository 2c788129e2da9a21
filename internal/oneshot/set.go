package oneshot

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// A setRun is a check of sets while the file is read. What can be counted is
// counted; else the members are held.
type setRun struct {
	c        *check.Check
	rule     check.CountRule
	counted  bool
	hold     bool
	params   map[string]any
	totals   []int64
	facts    []*fact.Fact
	oldest   time.Time // observation of a member
	missing  []string
	reasons  []string
	maxNamed int
}

// A setMember is a line's part in a set.
type setMember struct {
	set   *setRun
	count check.MemberCount
	fact  *fact.Fact // held, or nil
	at    time.Time
}

func newSetRun(c *check.Check, opts Options) *setRun {
	s := &setRun{c: c, params: opts.Params[c.ID], maxNamed: 50}
	s.rule, s.counted = c.Countable()
	s.hold = !s.counted || c.MessageReadsFacts()
	if s.counted {
		s.totals = make([]int64, s.rule.Cells())
	}
	return s
}

// member says what a fact is in the set; false means that it is not in it.
// It may be called from several goroutines.
func (s *setRun) member(in check.Input) (setMember, bool) {
	m := setMember{set: s, at: in.Fact.ObservedAt}
	if s.counted {
		in.Params = s.params
		if m.count = s.rule.Member(in); m.count.Cell < 0 {
			return m, false
		}
	}
	if s.hold {
		f := *in.Fact
		f.ID, f.Source, f.Data = strings.Clone(f.ID), strings.Clone(f.Source), bytes.Clone(f.Data)
		m.fact = &f
	}
	return m, true
}

// take adds a member, in the order of the file.
func (s *setRun) take(m setMember) {
	if m.fact != nil {
		s.facts = append(s.facts, m.fact)
	}
	if s.oldest.IsZero() || m.at.Before(s.oldest) {
		s.oldest = m.at
	}
	if !s.counted {
		return
	}
	s.totals[m.count.Cell]++
	if len(s.missing) < s.maxNamed {
		s.missing = append(s.missing, m.count.Missing...)
	}
	if m.count.Missing == nil && m.count.Reason != "" && len(s.reasons) < s.maxNamed {
		s.reasons = append(s.reasons, m.count.Reason)
	}
}

// verdict judges the set. It is unknown if its kind was not read completely.
func (s *setRun) verdict(now time.Time, lookup check.Lookup, incomplete string) verdict {
	if incomplete != "" {
		return verdict{check: s.c, fact: "set:" + s.c.Kind, status: unknown, reason: "not every fact was read: " + incomplete}
	}
	in := check.SetInput{Members: slices.Values(s.facts), Now: now, Params: s.params, Lookup: lookup, Size: len(s.facts)}
	var res check.Result
	if s.counted {
		res = s.folded(in)
	} else {
		res = s.c.JudgeSet(in)
	}
	if res.Outcome != check.NotApplicable && !s.oldest.IsZero() && now.Sub(s.oldest) > s.c.Fresh {
		res = check.Result{Reason: "stale: a fact of the set was observed at " + s.oldest.UTC().Format(time.RFC3339) + ", longer ago than " + s.c.Fresh.String()}
	}
	return verdict{check: s.c, fact: "set:" + s.c.Kind, status: statusOf(res.Outcome), reason: res.Reason}
}

func (s *setRun) folded(in check.SetInput) check.Result {
	res := s.rule.Fold(s.totals, s.params)
	switch {
	case res.Outcome == check.Fail:
		res.Reason = s.c.SetMessage(in, "message", "en")
	case res.Outcome == check.Unknown && len(s.missing) > 0:
		res.Missing = s.missing
		res.Reason = check.MissingReason(s.missing)
	case res.Outcome == check.Unknown && len(s.reasons) > 0:
		res.Reason = s.reasons[0]
	}
	return res
}
