package check

import (
	"math/bits"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"prumo.dev/prumo/internal/fact"
)

// A Runner judges facts by every check of their kind, one fact after another.
// It projects each fact once and asks first what is cheap to ask. It is used
// by one goroutine at a time; a set's runners share what they need to know.
type Runner struct {
	set    *Set
	over   map[string]map[string]any
	e      *eval
	plans  map[string]*plan
	params map[*Check]map[string]ref.Val
	want   []uint64 // checks that may apply, as bits
	sure   []uint64 // those of them whose when is known to hold
	result Result
}

// Runner makes a runner. Over holds overrides of parameters by check id.
func (s *Set) Runner(over map[string]map[string]any) *Runner {
	return &Runner{set: s, over: over, e: newEval(s.loader.table), plans: map[string]*plan{}, params: map[*Check]map[string]ref.Val{}}
}

// A plan is how facts of one kind are judged.
type plan struct {
	checks []*Check // those that judge each fact, by id
	root   *trie
	whole  []uint64 // checks whose when is their guard and nothing else, as bits
	guards []guardGroup
	always []uint64 // checks without a guard, as bits
}

// A guardGroup is the checks whose when holds only if one text stands at a path.
type guardGroup struct {
	path   []string
	byText map[string][]uint64
	all    []uint64
}

// A guard is a necessary condition of a check's when: a text at a path.
type guard struct {
	path  []string
	text  string
	whole bool // when says nothing else
}

// Judge judges a fact by each check of its kind that may apply, in the order
// of their ids; the checks that it passes over do not apply. Unlike
// Check.Judge it knows staleness: an observation older than a check's limit
// makes the answer unknown. The result is valid until yield returns.
func (r *Runner) Judge(in Input, yield func(c *Check, res *Result)) {
	p := r.plan(in.Fact.Kind)
	if len(p.checks) == 0 {
		return
	}
	r.e.begin(in.Fact.Kind, in.Now, in.Lookup, nil)
	root, err := r.e.fact(in.Fact, p.root)
	if err != nil {
		for _, c := range p.checks {
			r.result = Result{Reason: err.Error()}
			yield(c, &r.result)
		}
		return
	}
	r.e.root = root.value()
	r.candidates(p, root)
	for w, word := range r.want {
		for word != 0 {
			i := w*64 + bits.TrailingZeros64(word)
			word &= word - 1
			c := p.checks[i]
			r.result = r.one(c, in, r.sure[w]>>(i%64)&1 == 1)
			yield(c, &r.result)
		}
	}
}

// Checks lists the checks that judge each fact of a kind, by id.
func (r *Runner) Checks(kind string) []*Check { return r.plan(kind).checks }

func (r *Runner) one(c *Check, in Input, applies bool) Result {
	e := r.e
	values, err := r.values(c)
	if err != nil {
		return Result{Reason: err.Error()}
	}
	e.again(values)
	res := c.judge(e, applies)
	if res.Outcome == NotApplicable {
		return res
	}
	if in.Now.Sub(in.Fact.ObservedAt) > c.Fresh {
		return Result{Reason: staleReason(in.Fact, c), Refs: res.Refs}
	}
	if res.Outcome == Fail {
		if t := c.text("message", "en"); t.plain {
			res.Reason = plainText(t)
		} else {
			res.Reason = t.fill(e, func(x *expression) (cel.Program, error) { return x.program, nil })
		}
	}
	return res
}

func staleReason(f *fact.Fact, c *Check) string {
	return "stale: observed at " + f.ObservedAt.UTC().Format("2006-01-02T15:04:05Z") + ", longer ago than " + c.Fresh.String()
}

func (r *Runner) values(c *Check) (map[string]ref.Val, error) {
	over, ok := r.over[c.ID]
	if !ok {
		return c.values, nil
	}
	if v, ok := r.params[c]; ok {
		return v, nil
	}
	v, err := paramValues(c.Params, over)
	if err == nil {
		r.params[c] = v
	}
	return v, err
}

// candidates marks the checks that may apply to the fact.
func (r *Runner) candidates(p *plan, root *val) {
	r.want = append(r.want[:0], p.always...)
	r.sure = append(r.sure[:0], make([]uint64, len(p.always))...)
	for i := range p.guards {
		g := &p.guards[i]
		marks := g.all
		if v := root.down(g.path); v != nil && v.form == formString {
			marks = g.byText[v.str()]
			for w, word := range marks {
				r.sure[w] |= word & p.whole[w]
			}
		}
		for w, word := range marks {
			r.want[w] |= word
		}
	}
}

// down walks down a path of names.
func (v *val) down(path []string) *val {
	for _, name := range path {
		if v = v.child(name); v == nil {
			return nil
		}
	}
	return v
}

func (r *Runner) plan(kind string) *plan {
	if p, ok := r.plans[kind]; ok {
		return p
	}
	p := &plan{root: &trie{}}
	for _, c := range r.set.byKind[kind] {
		if c.Each {
			p.checks = append(p.checks, c)
			p.root.merge(c.whole)
		}
	}
	p.always = make([]uint64, (len(p.checks)+63)/64)
	p.whole = make([]uint64, len(p.always))
	for i, c := range p.checks {
		if g := c.guard(); g != nil {
			p.add(i, g)
		} else {
			p.always[i/64] |= 1 << (i % 64)
		}
	}
	id := int64(0)
	p.root.name(kind, &id)
	r.plans[kind] = p
	return p
}

func (p *plan) add(i int, g *guard) {
	at := slices.IndexFunc(p.guards, func(x guardGroup) bool { return slices.Equal(x.path, g.path) })
	if at < 0 {
		at = len(p.guards)
		p.guards = append(p.guards, guardGroup{path: g.path, byText: map[string][]uint64{}, all: make([]uint64, len(p.always))})
	}
	group := &p.guards[at]
	if group.byText[g.text] == nil {
		group.byText[g.text] = make([]uint64, len(p.always))
	}
	group.byText[g.text][i/64] |= 1 << (i % 64)
	group.all[i/64] |= 1 << (i % 64)
	if g.whole {
		p.whole[i/64] |= 1 << (i % 64)
	}
}

// guard finds a condition `path == "text"` that the check's when needs: it is
// the whole of when or one side of its &&. A false side decides &&, whatever
// the other sides are.
func (c *Check) guard() *guard {
	if c.when == nil {
		return nil
	}
	g := &guard{}
	sides := conjuncts(c.when.ast.NativeRep().Expr(), nil)
	for _, e := range sides {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Equals {
			continue
		}
		x, y := e.AsCall().Args()[0], e.AsCall().Args()[1]
		if x.Kind() == ast.LiteralKind {
			x, y = y, x
		}
		path, ok := c.guardPath(x)
		text, isText := literalText(y)
		if ok && isText {
			g.path, g.text, g.whole = path, text, len(sides) == 1
			return g
		}
	}
	return nil
}

func literalText(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

func conjuncts(e ast.Expr, out []ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		for _, a := range e.AsCall().Args() {
			out = conjuncts(a, out)
		}
		return out
	}
	return append(out, e)
}

// guardPath gives the names from the fact down to what an expression reads,
// if it reads a text by plain selection and follows no reference.
func (c *Check) guardPath(e ast.Expr) ([]string, bool) {
	var path []string
	rep := c.when.ast.NativeRep()
	for e.Kind() == ast.SelectKind {
		s := e.AsSelect()
		if st := c.loader.table.byType[rep.GetType(s.Operand().ID()).TypeName()]; st != nil {
			f := st.fields[s.FieldName()]
			if f == nil || f.as == asRef || f.as == asID || f.as == asSource || f.as == asTime {
				return nil, false
			}
		}
		path = append(path, strings.Clone(s.FieldName()))
		e = s.Operand()
	}
	slices.Reverse(path)
	return path, len(path) > 0 && isIdent(e, c.Kind)
}
