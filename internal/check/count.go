package check

import (
	"fmt"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
)

// maxPredicates is how many predicates a counted set may have.
const maxPredicates = 4

// maxCounted bounds how many ways of taking doubtful members in are tried.
const maxCounted = 4096

// A CountRule says how the answer about a set follows from counts, so that
// one changed fact costs one evaluation of each predicate. Every member falls
// into one cell; the answer is a function of how many are in each.
type CountRule struct{ c *Check }

// counting is what a CountRule knows.
type counting struct {
	predicates []predicate
	fold       folding
}

type predicate struct {
	name    string // of the variable that it reads
	program cel.Program
}

// A folding gives the value of one part of the expression for a scenario:
// how many members are in each cell.
type folding func(s *scenario) Outcome

type scenario struct {
	counts []int64 // by cell, those taken in
	params *eval
}

// A MemberCount is what one fact adds to a set.
type MemberCount struct {
	Cell    int // -1: it is not in the set
	Due     time.Time
	Missing []string // fields that nobody said and that the cell hangs on
	Reason  string
	Refs    []RefUse
}

// Countable gives the rule by which the set's answer follows from counts, if
// pass is made of all, exists and filter(…).size() over predicates of one fact.
func (c *Check) Countable() (CountRule, bool) { return CountRule{c}, c.count != nil }

// Cells is how many cells there are.
func (r CountRule) Cells() int { return 2 * pow3(len(r.c.count.predicates)) }

func pow3(n int) int {
	p := 1
	for range n {
		p *= 3
	}
	return p
}

// A cell's number is 3^k × (0 if it surely belongs, 1 if it may) plus the
// predicates' answers as ternary digits: 0 unknown, 1 true, 2 false.

// Member says into which cell a fact falls.
func (r CountRule) Member(in Input) MemberCount {
	e, done := r.c.loader.eval()
	defer done()
	params, err := r.c.params(in.Params)
	e.begin(r.c.Kind, in.Now, in.Lookup, params)
	e.set = r.c.loader.table.kinds[r.c.Kind].Plural
	m := MemberCount{Cell: 0}
	if err == nil {
		var root *val
		if root, err = e.fact(in.Fact, r.c.reads.root); err == nil {
			root.static = false
			e.root = root.value()
			m = r.member(e)
		}
	}
	if err != nil {
		m.Cell, m.Reason = pow3(len(r.c.count.predicates)), err.Error()
	}
	return m
}

// member evaluates when and the predicates on what e sees.
func (r CountRule) member(e *eval) MemberCount {
	c, m := r.c, MemberCount{}
	note := func(res Result) {
		m.Missing = append(m.Missing, res.Missing...)
		if m.Reason == "" {
			m.Reason = res.Reason
		}
	}
	base := 0
	if c.when != nil {
		e.name = c.Kind
		o, res := c.three(e, c.when.program)
		if o == Fail {
			return MemberCount{Cell: -1, Due: e.due, Refs: e.refs}
		}
		if o == Unknown {
			base = pow3(len(c.count.predicates))
			note(res)
		}
	}
	digit := 1
	for _, p := range c.count.predicates {
		e.name = p.name
		o, res := c.three(e, p.program)
		if o == Unknown {
			note(res)
		}
		m.Cell += digit * int(o)
		digit *= 3
	}
	m.Cell += base
	m.Due, m.Refs = e.due, e.refs
	return m
}

// Fold gives the set's answer from how many members are in each cell. Its
// Due and Refs are left to the caller, who has the members'.
func (r CountRule) Fold(totals []int64, over map[string]any) Result {
	e, done := r.c.loader.eval()
	defer done()
	params, err := r.c.params(over)
	if err != nil {
		return Result{Reason: err.Error()}
	}
	e.begin("", time.Time{}, nil, params)
	sure := len(totals) / 2
	ways := int64(1)
	for _, n := range totals[sure:] {
		if ways *= n + 1; ways > maxCounted {
			return Result{Reason: r.doubt(totals)}
		}
	}
	taken := make([]int64, sure)
	first := r.outcome(&scenario{counts: totals[:sure], params: e})
	for {
		if !next(taken, totals[sure:]) {
			break
		}
		counts := slices.Clone(totals[:sure])
		for i, n := range taken {
			counts[i] += n
		}
		if r.outcome(&scenario{counts: counts, params: e}) != first {
			return Result{Reason: r.doubt(totals)}
		}
	}
	if first == Unknown {
		return Result{Reason: r.doubt(totals)}
	}
	return Result{Outcome: first}
}

// next counts through every way of taking up to most[i] of each cell.
func next(taken, most []int64) bool {
	for i := range taken {
		if taken[i] < most[i] {
			taken[i]++
			return true
		}
		taken[i] = 0
	}
	return false
}

func (r CountRule) outcome(s *scenario) Outcome {
	n := int64(0)
	for _, x := range s.counts {
		n += x
	}
	if n == 0 {
		return r.c.Empty
	}
	return r.c.count.fold(s)
}

// doubt says how many members leave the answer open.
func (r CountRule) doubt(totals []int64) string {
	open, sure := int64(0), len(totals)/2
	for i, n := range totals {
		if i >= sure || hasUnknown(i, len(r.c.count.predicates)) {
			open += n
		}
	}
	return fmt.Sprintf("it hangs on %d %s of which too little is known", open, r.c.loader.table.kinds[r.c.Kind].Plural)
}

func hasUnknown(cell, predicates int) bool {
	for range predicates {
		if cell%3 == 0 {
			return true
		}
		cell /= 3
	}
	return false
}

// judge judges a whole set by counting it.
func (r CountRule) judge(in SetInput) Result {
	totals := make([]int64, r.Cells())
	var out Result
	var reason string
	refs := map[RefUse]bool{}
	for f := range in.Members {
		m := r.Member(Input{Fact: f, Now: in.Now, Params: in.Params, Lookup: in.Lookup})
		if !m.Due.IsZero() && (out.Due.IsZero() || m.Due.Before(out.Due)) {
			out.Due = m.Due
		}
		for _, x := range m.Refs {
			if !refs[x] {
				refs[x] = true
				out.Refs = append(out.Refs, x)
			}
		}
		if m.Cell < 0 {
			continue
		}
		totals[m.Cell]++
		if len(out.Missing) < maxMissing {
			out.Missing = append(out.Missing, m.Missing...)
		}
		if reason == "" && m.Missing == nil {
			reason = m.Reason
		}
	}
	folded := r.Fold(totals, in.Params)
	out.Outcome, out.Reason = folded.Outcome, folded.Reason
	switch out.Outcome {
	case Unknown:
		slices.Sort(out.Missing)
		out.Missing = slices.Compact(out.Missing)
		if out.Missing != nil {
			out.Reason = notSaid(out.Missing, nil)
		} else if reason != "" {
			out.Reason = reason
		}
	case Fail:
		out.Missing, out.Reason = nil, r.c.SetMessage(in, "message", "en")
	default:
		out.Missing = nil
	}
	return out
}
