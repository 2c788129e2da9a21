package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/parser"

	"prumo.dev/prumo/internal/fact"
)

// costLimit bounds one evaluation; a set's grows by costPerMember.
const (
	costLimit     = 1_000_000
	costPerMember = 1_000
)

// maxPattern is the longest constant pattern of matches, in characters.
const maxPattern = 500

// A loader compiles checks; those that it compiled share its environments.
type loader struct {
	table *typeTable
	mu    sync.Mutex
	envs  map[string]*cel.Env // by variable; guarded by mu
	evals sync.Pool           // of *eval
}

func newLoader() (*loader, error) {
	table, err := newTypeTable()
	if err != nil {
		return nil, err
	}
	l := &loader{table: table, envs: map[string]*cel.Env{}}
	l.evals.New = func() any { return newEval(table) }
	return l, nil
}

// celEnv is CEL's environment, so named here because a loader has envs of its own.
type celEnv = cel.Env

// mayBeBool reports whether a value of the type can be true or false.
func mayBeBool(t *types.Type) bool { return t.Kind() == types.BoolKind || t.Kind() == types.DynKind }

// An expression is a compiled CEL expression.
type expression struct {
	text    string
	ast     *cel.Ast
	env     *cel.Env
	program cel.Program
	reads   *reading
	mu      sync.Mutex
	limited map[uint64]cel.Program // for sets, by cost limit; guarded by mu
}

// env gives the environment in which a kind's fact, or its plural, is declared.
func (l *loader) env(k fact.Kind, plural bool) (*cel.Env, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name, typ := k.Name, l.table.structs[k.Name].cel
	if plural {
		name, typ = k.Plural, types.NewListType(typ)
	}
	if e, ok := l.envs[name]; ok {
		return e, nil
	}
	e, err := cel.NewEnv(append(l.options(), cel.Variable(name, typ))...)
	if err != nil {
		return nil, fmt.Errorf("make the environment of %s: %w", name, err)
	}
	l.envs[name] = e
	return e, nil
}

func (l *loader) options() []cel.EnvOption {
	late := cel.LateFunctionBinding()
	stamp, length := cel.TimestampType, cel.DurationType
	return []cel.EnvOption{
		cel.CustomTypeProvider(l.table),
		cel.CustomTypeAdapter(adapter{types.DefaultTypeAdapter}),
		cel.StrictTimestampParsing(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.ClearMacros(),
		cel.Macros(parser.NewGlobalMacro(operators.Has, 1, expandHas), parser.AllMacro, parser.ExistsMacro,
			parser.ExistsOneMacro, parser.MapMacro, parser.MapFilterMacro, parser.FilterMacro),
		cel.Function(hasFunction, cel.Overload("has_string", []*cel.Type{cel.DynType, cel.StringType}, cel.BoolType, cel.BinaryBinding(has))),
		cel.Function(fnDays, cel.Overload("days_int", []*cel.Type{cel.IntType}, length, cel.UnaryBinding(days))),
		cel.Function(fnOlderThan, cel.MemberOverload("timestamp_older_than_duration", []*cel.Type{stamp, length}, cel.BoolType, late)),
		cel.Function(fnWithin, cel.MemberOverload("timestamp_within_duration", []*cel.Type{stamp, length}, cel.BoolType, late)),
		cel.Function(fnPassed, cel.MemberOverload("timestamp_passed", []*cel.Type{stamp}, cel.BoolType, late)),
	}
}

// expandHas turns has(x.f) into a call: CEL's own presence test would ask a
// map for its value and so see an unknown where the answer is false.
func expandHas(eh parser.ExprHelper, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	if args[0].Kind() != ast.SelectKind {
		return nil, eh.NewError(args[0].ID(), "has() asks for a field, as in has(item.data.color)")
	}
	s := args[0].AsSelect()
	return eh.NewCall(hasFunction, s.Operand(), eh.NewLiteral(types.String(s.FieldName()))), nil
}

// A fault is a problem within an expression: line from 1, column from 0, in characters.
type fault struct {
	line, column int
	what, do     string
}

// compile compiles one expression. Its faults are in the expression's own lines.
func (l *loader) compile(env *cel.Env, name string, d *Def, text string) (*expression, []fault) {
	a, issues := env.Compile(text)
	if issues.Err() != nil {
		var fs []fault
		for _, e := range issues.Errors() {
			fs = append(fs, l.explain(e, name, d))
		}
		return nil, fs
	}
	if fs := l.inspect(a, d); fs != nil {
		return nil, fs
	}
	x := &expression{text: text, ast: a, env: env, reads: readingOf(a.NativeRep(), name, l.table), limited: map[uint64]cel.Program{}}
	p, err := x.plan(costLimit, x.reads.heavy)
	if err != nil {
		return nil, []fault{{line: 1, what: "the expression cannot be planned: " + err.Error(), do: "simplify it"}}
	}
	x.program = p
	return x, nil
}

func (x *expression) plan(limit uint64, limited bool) (cel.Program, error) {
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if limited {
		opts = append(opts, limitedTo(limit)...)
	}
	return x.env.Program(x.ast, opts...)
}

// limitedTo stops an evaluation that costs more.
func limitedTo(limit uint64) []cel.ProgramOption {
	return []cel.ProgramOption{cel.CostTracking(costs{}), cel.CostLimit(limit)}
}

// sized gives the program whose cost limit suits a set of n members.
func (x *expression) sized(n int) (cel.Program, error) {
	step := 1
	for step < n {
		step *= 2
	}
	limit := costLimit + costPerMember*uint64(step)
	x.mu.Lock()
	defer x.mu.Unlock()
	if p, ok := x.limited[limit]; ok {
		return p, nil
	}
	p, err := x.plan(limit, true)
	if err == nil {
		x.limited[limit] = p
	}
	return p, err
}

// inspect refuses what CEL would allow and a check must not do.
func (l *loader) inspect(a *cel.Ast, d *Def) []fault {
	var fs []fault
	rep := a.NativeRep()
	at := func(e ast.Expr, what, do string) {
		f := fault{line: 1, what: what, do: do}
		if r, ok := rep.SourceInfo().GetOffsetRange(e.ID()); ok {
			loc := rep.SourceInfo().GetLocationByOffset(r.Start)
			f.line, f.column = loc.Line(), loc.Column()
		}
		fs = append(fs, f)
	}
	ast.PreOrderVisit(rep.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.StructKind:
			at(e, "an expression cannot make a "+e.AsStruct().TypeName(), "compare its fields one by one")
		case ast.CallKind:
			if what, do := l.refuseCall(rep, e.AsCall(), d); what != "" {
				at(e, what, do)
			}
		}
	}))
	return fs
}

func (l *loader) refuseCall(rep *ast.AST, c ast.CallExpr, d *Def) (what, do string) {
	args := c.Args()
	switch c.FunctionName() {
	case hasFunction:
		t := rep.GetType(args[0].ID())
		if d.Kind != "item" || t.Kind() != types.DynKind && t.Kind() != types.MapKind {
			return "has() is for data of an item only: it would let pass what nobody said",
				"read the field itself; a field that the source did not say makes the answer unknown"
		}
	case operators.Equals, operators.NotEquals, operators.In:
		for _, x := range args {
			if t := l.plainStruct(rep.GetType(x.ID())); t != "" {
				return "a " + t + " cannot be compared as a whole: fields that nobody said would be passed over", "compare its fields one by one"
			}
		}
	case overloads.Matches:
		return refusePattern(args[len(args)-1])
	}
	return "", ""
}

// plainStruct names the type if it is, or lists, a struct that is not a fact.
func (l *loader) plainStruct(t *types.Type) string {
	for t.Kind() == types.ListKind && len(t.Parameters()) == 1 {
		t = t.Parameters()[0]
	}
	if t.Kind() != types.StructKind {
		return ""
	}
	if s := l.table.byType[t.TypeName()]; s != nil && s.kind {
		return ""
	}
	return t.TypeName()
}

func refusePattern(e ast.Expr) (what, do string) {
	if e.Kind() != ast.LiteralKind {
		return "", ""
	}
	p := stringLiteral(e)
	if n := utf8.RuneCountInString(p); n > maxPattern {
		return fmt.Sprintf("the pattern has %d characters; at most %d are allowed", n, maxPattern), "split it into several matches"
	}
	if _, err := regexp.Compile(p); err != nil {
		return "the pattern is not valid: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "), "write it in RE2 syntax"
	}
	return "", ""
}

var (
	undefinedField = regexp.MustCompile(`^undefined field '(.*)'$`)
	undeclared     = regexp.MustCompile(`^undeclared reference to '(.*?)'`)
	noOverload     = regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`)
)

// explain says CEL's error in our words.
func (l *loader) explain(e *common.Error, name string, d *Def) fault {
	f := fault{line: e.Location.Line(), column: max(e.Location.Column(), 0), what: e.Message, do: "see docs/checks.md for what an expression may say"}
	if m := undefinedField.FindStringSubmatch(e.Message); m != nil {
		f.what, f.do = "field "+m[1]+" does not exist", l.suggest(m[1], d.Kind)
	}
	if what, found := strings.CutPrefix(e.Message, "Syntax error: "); found {
		what, _, _ = strings.Cut(what, " expecting ")
		f.what, f.do = "the expression is not CEL: "+what, "mend the syntax"
	}
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		f.what, f.do = m[1]+" is not declared", "the fact is called "+name+" here"
		param := m[1] == "params" || strings.HasPrefix(m[1], paramPrefix)
		switch {
		case param && len(d.Params) == 0:
			f.what, f.do = "the check declares no parameters", "add the parameter under params"
		case param:
			f.what, f.do = "the parameter is not declared", "declared are "+strings.Join(sortedKeys(d.Params), ", ")
		case m[1] == "now":
			f.do = "use olderThan, within or passed, which report when their answer flips"
		}
	}
	if m := noOverload.FindStringSubmatch(e.Message); m != nil {
		f.what, f.do = strings.Trim(m[1], "_@!")+" cannot be applied to "+m[2], "give it values of the types that it takes"
	}
	return f
}

// suggest names the field that was probably meant.
func (l *loader) suggest(field, kind string) string {
	if kind == "item" {
		return "the keys of an item stand under item.data"
	}
	best, least := "", 3
	for _, s := range l.table.byType {
		if s.name != kind && !strings.HasPrefix(s.name, kind+" ") {
			continue
		}
		for _, n := range s.names {
			if d := fact.Distance(field, n); d < least || d == least && best != "" && n < best {
				best, least = n, d
			}
		}
	}
	if best != "" {
		return "did you mean " + best + "? `prumo kinds` lists the fields"
	}
	return "`prumo kinds` lists the fields of each kind"
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// withParams declares a check's parameters as variables of their own, so that
// a misspelt one fails at load.
func withParams(env *cel.Env, d *Def) (*cel.Env, error) {
	if len(d.Params) == 0 {
		return env, nil
	}
	var opts []cel.EnvOption
	for _, name := range sortedKeys(d.Params) {
		opts = append(opts, cel.Variable(paramPrefix+name, paramType(d.Params[name])))
	}
	e, err := env.Extend(opts...)
	if err != nil {
		return nil, fmt.Errorf("declare the parameters: %w", err)
	}
	return e, nil
}

func paramType(v any) *cel.Type {
	switch v := v.(type) {
	case bool:
		return cel.BoolType
	case int64:
		return cel.IntType
	case float64:
		return cel.DoubleType
	case string:
		return cel.StringType
	case []any:
		elem := cel.DynType
		for i, x := range v {
			if t := paramType(x); i == 0 {
				elem = t
			} else if !elem.IsExactType(t) {
				return cel.ListType(cel.DynType)
			}
		}
		return cel.ListType(elem)
	default:
		return cel.MapType(cel.StringType, cel.DynType)
	}
}

// paramValues gives the parameters' values as expressions see them: the
// defaults, overridden. An override of another type than its default is an error.
func paramValues(defaults, over map[string]any) (map[string]ref.Val, error) {
	out := make(map[string]ref.Val, len(defaults))
	for name, def := range defaults {
		v := def
		if o, ok := over[name]; ok {
			fitted, ok := fit(o, def)
			if !ok {
				return nil, fmt.Errorf("parameter %s must be like its default %v, not %v", name, def, o)
			}
			v = fitted
		}
		out[paramPrefix+name] = types.DefaultTypeAdapter.NativeToValue(v)
	}
	return out, nil
}

// fit turns a value that came from JSON or Go into the type of the default.
func fit(v, def any) (any, bool) {
	switch def := def.(type) {
	case bool:
		b, ok := v.(bool)
		return b, ok
	case string:
		s, ok := v.(string)
		return s, ok
	case int64:
		return fitInt(v)
	case float64:
		return fitDouble(v)
	case []any:
		return fitList(v, def)
	default:
		m, ok := v.(map[string]any)
		return m, ok
	}
}

func fitInt(v any) (any, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		return int64(v), v == float64(int64(v))
	}
	return nil, false
}

func fitDouble(v any) (any, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return nil, false
}

func fitList(v any, def []any) (any, bool) {
	var in []any
	switch v := v.(type) {
	case []any:
		in = v
	case []string:
		for _, s := range v {
			in = append(in, s)
		}
	default:
		return nil, false
	}
	out := make([]any, len(in))
	for i, x := range in {
		if len(def) > 0 && !paramType(def).IsExactType(cel.ListType(cel.DynType)) {
			y, ok := fit(x, def[0])
			if !ok {
				return nil, false
			}
			x = y
		}
		out[i] = x
	}
	return out, true
}
