package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"prumo.dev/prumo/internal/fact"
)

// A Check is a loaded check: its definition and its compiled expressions. It
// is safe for concurrent use.
type Check struct {
	Def
	loader *loader
	when   *expression // nil: everybody
	pass   *expression
	texts  map[string]*template // by "message/en" and so on
	reads  *reading             // of when and pass
	says   *reading             // of every text
	whole  *trie                // of both
	values map[string]ref.Val   // of the parameters' defaults
	count  *counting            // how a set's answer follows from counts, if it does
}

// Refs lists the references that the check reads through.
func (c *Check) Refs() []RefPath {
	out := slices.Clone(c.reads.refs)
	for _, r := range c.says.refs {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// UsesTime reports whether the check's answer may flip without a new reading.
func (c *Check) UsesTime() bool { return c.reads.time }

// Judge says what the check says of one fact. A check of sets judges the set
// of that one fact.
func (c *Check) Judge(in Input) Result {
	if !c.Each {
		return c.JudgeSet(SetInput{Members: one(in.Fact), Now: in.Now, Params: in.Params, Lookup: in.Lookup, Size: 1})
	}
	params, err := c.params(in.Params)
	if err != nil {
		return Result{Reason: err.Error()}
	}
	e, done := c.loader.eval()
	defer done()
	e.begin(c.Kind, in.Now, in.Lookup, params)
	root, err := e.fact(in.Fact, c.reads.root)
	if err != nil {
		return Result{Reason: err.Error()}
	}
	e.root = root.value()
	r := c.judge(e, false)
	if r.Outcome == Fail {
		r.Reason = c.say(in, "message", "en")
	}
	return r
}

// judge evaluates when, unless it is known to hold, and pass on what e sees; a
// failure's reason is left to the caller.
func (c *Check) judge(e *eval, applies bool) Result {
	if c.when != nil && !applies {
		switch o, r := c.three(e, c.when.program); o {
		case Pass:
		case Fail:
			return Result{Outcome: NotApplicable, Due: e.due, Refs: e.refs}
		default:
			return r
		}
	}
	_, r := c.three(e, c.pass.program)
	return r
}

// three evaluates a boolean expression: Pass is true, Fail is false.
func (c *Check) three(e *eval, p cel.Program) (Outcome, Result) {
	out, _, err := p.Eval(e)
	r := Result{Due: e.due, Refs: e.refs}
	switch v := out.(type) {
	case types.Bool:
		if err == nil && bool(v) {
			r.Outcome = Pass
		} else if err == nil {
			r.Outcome = Fail
		}
	case *types.Unknown:
		r.Missing = missingNames(v)
		r.Reason = notSaid(r.Missing, e.lost)
		return Unknown, r
	}
	if r.Outcome == Unknown {
		r.Reason = evalError(out, err)
	}
	return r.Outcome, r
}

func evalError(out ref.Val, err error) string {
	switch {
	case err != nil && strings.Contains(err.Error(), "cost limit exceeded"):
		return "the expression exceeded its cost limit"
	case err != nil:
		return clip("the expression could not be evaluated: "+err.Error(), 500)
	default:
		return fmt.Sprintf("the expression gave %s, not true or false", typeName(out))
	}
}

func typeName(v ref.Val) string {
	if v == nil {
		return "nothing"
	}
	return "a value of type " + v.Type().TypeName()
}

// missingNames lists the fields that an unknown stands for, sorted.
func missingNames(u *types.Unknown) []string {
	var out []string
	for _, id := range u.IDs() {
		trails, _ := u.GetAttributeTrails(id)
		for _, t := range trails {
			out = append(out, t.Variable())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// notSaid is the reason of an unknown: which fields nobody said, and which
// names led nowhere.
func notSaid(missing, lost []string) string {
	var unsaid, nowhere []string
	for _, m := range missing {
		if slices.Contains(lost, m) {
			nowhere = append(nowhere, m)
		} else {
			unsaid = append(unsaid, m)
		}
	}
	var parts []string
	if unsaid != nil {
		parts = append(parts, strings.Join(unsaid, ", ")+pick(len(unsaid) == 1, " was not said", " were not said"))
	}
	if nowhere != nil {
		parts = append(parts, strings.Join(nowhere, ", ")+pick(len(nowhere) == 1, " leads nowhere", " lead nowhere"))
	}
	return strings.Join(parts, "; ")
}

func pick[T any](b bool, yes, no T) T {
	if b {
		return yes
	}
	return no
}

// params gives the values of the parameters under overrides.
func (c *Check) params(over map[string]any) (map[string]ref.Val, error) {
	if len(over) == 0 {
		return c.values, nil
	}
	return paramValues(c.Params, over)
}

// CheckParams reports what is wrong with overrides of the check's parameters.
func (c *Check) CheckParams(over map[string]any) error {
	for _, name := range sortedKeys(over) {
		if _, ok := c.Params[name]; !ok {
			return fmt.Errorf("check %s has no parameter %s", c.ID, name)
		}
	}
	_, err := paramValues(c.Params, over)
	return err
}

// maxPooled is how many slabs an eval keeps between uses.
const maxPooled = 64

// eval takes an evaluation's state; done gives it back.
func (l *loader) eval() (e *eval, done func()) {
	e, ok := l.evals.Get().(*eval)
	if !ok {
		e = newEval(l.table)
	}
	return e, func() {
		if len(e.slabs) > maxPooled {
			return // a large set's memory is not kept for the next fact
		}
		e.begin("", time.Time{}, nil, nil)
		l.evals.Put(e)
	}
}

func one(f *fact.Fact) func(func(*fact.Fact) bool) {
	return func(yield func(*fact.Fact) bool) { yield(f) }
}
