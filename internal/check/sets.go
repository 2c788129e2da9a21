package check

import (
	"iter"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"prumo.dev/prumo/internal/fact"
)

// A SetInput is a set of facts to judge.
type SetInput struct {
	Members iter.Seq[*fact.Fact]
	Now     time.Time
	Params  map[string]any
	Lookup  Lookup
	Size    int // how many members there are, as far as it is known
}

// maxDoubtful is how many members whose `when` is unknown are tried both in
// and out of a set, if the set's answer cannot be had from counts.
const maxDoubtful = 8

// maxScenarios bounds how often a set is evaluated for its doubtful members,
// in members.
const maxScenarios = 1 << 18

// JudgeSet says what a check of sets says of a set.
func (c *Check) JudgeSet(in SetInput) Result {
	if rule, ok := c.Countable(); ok {
		return rule.judge(in)
	}
	s, err := c.gather(in)
	defer s.done()
	if err != nil {
		return Result{Reason: err.Error(), Due: s.e.due, Refs: s.e.refs}
	}
	r := s.judge()
	r.Due, r.Refs = s.e.due, s.e.refs
	if r.Outcome == Fail {
		r.Reason = s.say("message", "en")
	}
	return r
}

// SetMessage fills a text, message or fix, of a check of sets.
func (c *Check) SetMessage(in SetInput, what, lang string) string {
	if t := c.text(what, lang); t == nil || t.plain {
		return plainText(t)
	}
	s, err := c.gather(in)
	defer s.done()
	if err != nil {
		return c.text(what, lang).fill(s.e, func(*expression) (cel.Program, error) { return nil, err })
	}
	return s.say(what, lang)
}

// A gathered set is the members that belong to it and those that may.
type gathered struct {
	c        *Check
	e        *eval
	done     func()
	members  []ref.Val
	doubtful []ref.Val
	missing  []string // why the doubtful ones are
	reasons  []string
}

func (c *Check) gather(in SetInput) (*gathered, error) {
	e, done := c.loader.eval()
	s := &gathered{c: c, e: e, done: done}
	params, err := c.params(in.Params)
	e.begin(c.Kind, in.Now, in.Lookup, params)
	e.set = c.loader.table.kinds[c.Kind].Plural
	if err != nil {
		return s, err
	}
	for f := range in.Members {
		before := e.mark()
		root, err := e.fact(f, c.whole)
		if err != nil {
			return s, err
		}
		root.static = false
		if !s.add(root.value()) {
			e.rewind(before)
		}
	}
	e.name = e.set
	return s, nil
}

// add puts a member where its `when` says, and reports whether it is kept.
func (s *gathered) add(v ref.Val) bool {
	if s.c.when == nil {
		s.members = append(s.members, v)
		return true
	}
	s.e.root = v
	o, r := s.c.three(s.e, s.c.when.program)
	switch o {
	case Pass:
		s.members = append(s.members, v)
	case Unknown:
		s.doubtful = append(s.doubtful, v)
		if len(s.missing) < maxMissing {
			s.missing = append(s.missing, r.Missing...)
		}
		if r.Missing == nil && len(s.reasons) < maxMissing {
			s.reasons = append(s.reasons, r.Reason)
		}
	}
	return o == Pass || o == Unknown
}

// judge evaluates the set with and without each doubtful member.
func (s *gathered) judge() Result {
	first := s.scenario(0)
	k := len(s.doubtful)
	if k == 0 {
		return first
	}
	if k > maxDoubtful || (len(s.members)+k)<<k > maxScenarios {
		return s.doubt(first)
	}
	for mask := 1; mask < 1<<k; mask++ {
		if r := s.scenario(mask); r.Outcome != first.Outcome || r.Outcome == Unknown {
			return s.doubt(r)
		}
	}
	return first
}

// doubt is the answer where it hangs on members that may or may not belong.
func (s *gathered) doubt(of Result) Result {
	missing := append(slices.Clone(s.missing), of.Missing...)
	slices.Sort(missing)
	missing = slices.Compact(missing)
	r := Result{Missing: missing, Reason: notSaid(missing, s.e.lost)}
	if r.Reason == "" && len(s.reasons) > 0 {
		r.Reason = s.reasons[0]
	}
	return r
}

func (s *gathered) scenario(mask int) Result {
	list := s.members
	if mask != 0 {
		list = slices.Clone(list)
		for i, v := range s.doubtful {
			if mask&(1<<i) != 0 {
				list = append(list, v)
			}
		}
	}
	if len(list) == 0 {
		return Result{Outcome: s.c.Empty}
	}
	p, err := s.c.pass.sized(len(list))
	if err != nil {
		return Result{Reason: err.Error()}
	}
	s.e.root = types.NewRefValList(adapter{types.DefaultTypeAdapter}, list)
	_, r := s.c.three(s.e, p)
	return r
}

func (s *gathered) say(what, lang string) string {
	t := s.c.text(what, lang)
	if t == nil || t.plain {
		return plainText(t)
	}
	s.e.root = types.NewRefValList(adapter{types.DefaultTypeAdapter}, s.members)
	return t.fill(s.e, func(x *expression) (cel.Program, error) { return x.sized(len(s.members)) })
}
