package check

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// countingOf finds out whether a check of sets can be counted.
func countingOf(c *Check, plural string) *counting {
	b := &countBuilder{c: c, plural: plural, out: &counting{}}
	fold, ok := b.part(c.pass.ast.NativeRep().Expr())
	if !ok || len(b.out.predicates) > maxPredicates {
		return nil
	}
	b.out.fold = fold
	return b.out
}

type countBuilder struct {
	c      *Check
	plural string
	out    *counting
}

// part turns a part of the expression into a folding.
func (b *countBuilder) part(e ast.Expr) (folding, bool) {
	switch e.Kind() {
	case ast.ComprehensionKind:
		return b.quantifier(e.AsComprehension())
	case ast.CallKind:
		return b.call(e.AsCall())
	}
	return nil, false
}

func (b *countBuilder) call(c ast.CallExpr) (folding, bool) {
	args := c.Args()
	switch c.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr:
		absorbing := pick(c.FunctionName() == operators.LogicalAnd, Fail, Pass)
		parts := make([]folding, len(args))
		for i, a := range args {
			f, ok := b.part(a)
			if !ok {
				return nil, false
			}
			parts[i] = f
		}
		return func(s *scenario) Outcome { return combine(s, parts, absorbing) }, true
	case operators.LogicalNot:
		f, ok := b.part(args[0])
		return func(s *scenario) Outcome { return negate(f(s)) }, ok
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return b.compare(c.FunctionName(), args[0], args[1])
	}
	return nil, false
}

func combine(s *scenario, parts []folding, absorbing Outcome) Outcome {
	out := negate(absorbing)
	for _, p := range parts {
		switch o := p(s); o {
		case absorbing:
			return absorbing
		case Unknown:
			out = Unknown
		}
	}
	return out
}

func negate(o Outcome) Outcome {
	switch o {
	case Pass:
		return Fail
	case Fail:
		return Pass
	}
	return o
}

// quantifier recognises all and exists over the whole set.
func (b *countBuilder) quantifier(c ast.ComprehensionExpr) (folding, bool) {
	init, step := c.AccuInit(), c.LoopStep()
	if !b.overSet(c) || init.Kind() != ast.LiteralKind || step.Kind() != ast.CallKind || c.Result().Kind() != ast.IdentKind {
		return nil, false
	}
	call := step.AsCall()
	all := call.FunctionName() == operators.LogicalAnd && init.AsLiteral() == types.True
	exists := call.FunctionName() == operators.LogicalOr && init.AsLiteral() == types.False
	if !all && !exists || !isIdent(call.Args()[0], c.AccuVar()) || len(call.Args()) != 2 {
		return nil, false
	}
	i, ok := b.predicate(c, call.Args()[1])
	absorbing := pick(all, Fail, Pass)
	return func(s *scenario) Outcome {
		n := s.by(i)
		switch {
		case n[absorbing] > 0:
			return absorbing
		case n[Unknown] > 0:
			return Unknown
		}
		return negate(absorbing)
	}, ok
}

// by counts the members by a predicate's answer.
func (s *scenario) by(predicate int) (n [3]int64) {
	div := pow3(predicate)
	for cell, count := range s.counts {
		n[cell/div%3] += count
	}
	return n
}

func isIdent(e ast.Expr, name string) bool {
	return e.Kind() == ast.IdentKind && e.AsIdent() == name
}

func (b *countBuilder) overSet(c ast.ComprehensionExpr) bool {
	return isIdent(c.IterRange(), b.plural) && !c.HasIterVar2()
}

// predicate plans what a comprehension asks of each member, if it reads only that.
func (b *countBuilder) predicate(c ast.ComprehensionExpr, e ast.Expr) (int, bool) {
	if b.reads(e, b.plural) || b.reads(e, c.AccuVar()) && c.AccuVar() != "@result" {
		return 0, false
	}
	rep := b.c.pass.ast.NativeRep()
	sub := ast.NewCheckedAST(ast.NewAST(e, rep.SourceInfo()), rep.TypeMap(), rep.ReferenceMap())
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if b.c.reads.heavy {
		opts = append(opts, limitedTo(costLimit)...)
	}
	p, err := b.c.pass.env.PlanProgram(sub, opts...)
	if err != nil {
		return 0, false
	}
	b.out.predicates = append(b.out.predicates, predicate{name: c.IterVar(), program: p})
	return len(b.out.predicates) - 1, true
}

// reads reports whether an expression names a variable.
func (b *countBuilder) reads(e ast.Expr, name string) bool {
	found := false
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(x ast.Expr) {
		found = found || x.Kind() == ast.IdentKind && x.AsIdent() == name
	}))
	return found
}

// compare recognises the size of the set, or of a filter of it, beside a
// number that no member has a part in.
func (b *countBuilder) compare(op string, x, y ast.Expr) (folding, bool) {
	if size, ok := b.size(x); ok {
		limit, ok := b.number(y)
		return func(s *scenario) Outcome { return compareSize(op, size, limit, s) }, ok
	}
	if size, ok := b.size(y); ok {
		limit, ok := b.number(x)
		return func(s *scenario) Outcome { return compareSize(mirrored(op), size, limit, s) }, ok
	}
	return nil, false
}

func mirrored(op string) string {
	switch op {
	case operators.Less:
		return operators.Greater
	case operators.LessEquals:
		return operators.GreaterEquals
	case operators.Greater:
		return operators.Less
	case operators.GreaterEquals:
		return operators.LessEquals
	}
	return op
}

// A counted gives a number for a scenario, if it is known.
type counted func(s *scenario) (int64, bool)

func compareSize(op string, size, limit counted, s *scenario) Outcome {
	n, ok := size(s)
	m, ok2 := limit(s)
	if !ok || !ok2 {
		return Unknown
	}
	var holds bool
	switch op {
	case operators.Equals:
		holds = n == m
	case operators.NotEquals:
		holds = n != m
	case operators.Less:
		holds = n < m
	case operators.LessEquals:
		holds = n <= m
	case operators.Greater:
		holds = n > m
	default:
		holds = n >= m
	}
	return pick(holds, Pass, Fail)
}

func (b *countBuilder) size(e ast.Expr) (counted, bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Size {
		return nil, false
	}
	arg := e.AsCall().Target()
	if !e.AsCall().IsMemberFunction() {
		arg = e.AsCall().Args()[0]
	}
	if isIdent(arg, b.plural) {
		return func(s *scenario) (n int64, ok bool) {
			for _, x := range s.counts {
				n += x
			}
			return n, true
		}, true
	}
	if arg.Kind() != ast.ComprehensionKind {
		return nil, false
	}
	return b.filter(arg.AsComprehension())
}

// filter recognises filter over the whole set.
func (b *countBuilder) filter(c ast.ComprehensionExpr) (counted, bool) {
	step := c.LoopStep()
	if !b.overSet(c) || step.Kind() != ast.CallKind || step.AsCall().FunctionName() != operators.Conditional {
		return nil, false
	}
	args := step.AsCall().Args()
	if c.AccuInit().Kind() != ast.ListKind || c.AccuInit().AsList().Size() != 0 || !isIdent(args[2], c.AccuVar()) || !addsOnly(args[1], c) {
		return nil, false
	}
	i, ok := b.predicate(c, args[0])
	return func(s *scenario) (int64, bool) {
		n := s.by(i)
		return n[Pass], n[Unknown] == 0
	}, ok
}

// addsOnly recognises accu + [x]. What map adds instead has the same size
// only if it is known, so it does not count.
func addsOnly(e ast.Expr, c ast.ComprehensionExpr) bool {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Add {
		return false
	}
	args := e.AsCall().Args()
	if !isIdent(args[0], c.AccuVar()) || args[1].Kind() != ast.ListKind || args[1].AsList().Size() != 1 {
		return false
	}
	return isIdent(args[1].AsList().Elements()[0], c.IterVar())
}

// number recognises an integer that no member has a part in.
func (b *countBuilder) number(e ast.Expr) (counted, bool) {
	rep := b.c.pass.ast.NativeRep()
	if b.reads(e, b.plural) || rep.GetType(e.ID()).Kind() != types.IntKind {
		return nil, false
	}
	p, err := b.c.pass.env.PlanProgram(ast.NewCheckedAST(ast.NewAST(e, rep.SourceInfo()), rep.TypeMap(), rep.ReferenceMap()))
	if err != nil {
		return nil, false
	}
	return func(s *scenario) (int64, bool) {
		out, _, err := p.Eval(s.params)
		n, ok := out.(types.Int)
		return int64(n), ok && err == nil
	}, true
}
