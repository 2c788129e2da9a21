package mapping

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// maxExpression is the longest expression, in bytes.
const maxExpression = 4 << 10

// newEnv declares variables of any shape, CEL's own functions, those over
// texts, and two that read times: date(text), unix(number).
func newEnv(variables ...string) (*cel.Env, error) {
	var declared []cel.EnvOption
	for _, v := range variables {
		declared = append(declared, cel.Variable(v, cel.DynType))
	}
	return cel.NewEnv(append(declared,
		cel.OptionalTypes(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		ext.Strings(ext.StringsVersion(4)),
		ext.Lists(),
		cel.Function("date", cel.Overload("date_string", []*cel.Type{cel.DynType}, cel.TimestampType, cel.UnaryBinding(date))),
		cel.Function("unix", cel.Overload("unix_number", []*cel.Type{cel.DynType}, cel.TimestampType, cel.UnaryBinding(unix))),
	)...)
}

// dates are the forms of a time that systems write without saying which.
func dates() []string {
	return []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", time.DateOnly, time.RFC1123Z, time.RFC1123}
}

// date reads a time in one of the usual forms; without a zone it is UTC.
func date(v ref.Val) ref.Val {
	if t, ok := v.(types.Timestamp); ok {
		return t
	}
	s, ok := v.(types.String)
	if !ok {
		return types.NewErr("date() takes a text")
	}
	for _, form := range dates() {
		if t, err := time.Parse(form, strings.TrimSpace(string(s))); err == nil {
			return types.Timestamp{Time: t.UTC()}
		}
	}
	return types.NewErr("date() knows forms such as 2026-01-31 and 2026-01-31T10:00:00Z, and the text has none of them")
}

// unix reads seconds since 1970, or milliseconds where the number is too large for seconds.
func unix(v ref.Val) ref.Val {
	n, ok := v.ConvertToType(types.IntType).(types.Int)
	if !ok {
		return types.NewErr("unix() takes a number of seconds or milliseconds")
	}
	const firstMillisecond = 100_000_000_000 // seconds until the year 5138
	if n >= firstMillisecond || n <= -firstMillisecond {
		return types.Timestamp{Time: time.UnixMilli(int64(n)).UTC()}
	}
	return types.Timestamp{Time: time.Unix(int64(n), 0).UTC()}
}

func compile(env *cel.Env, expression string, cost uint64) (cel.Program, error) {
	if strings.TrimSpace(expression) == "" {
		return nil, errors.New("the expression is missing; write one such as row.id")
	}
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("the expression is longer than %d bytes", maxExpression)
	}
	tree, issues := env.Compile(expression)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, fmt.Errorf("%s (at character %d of `%s`)", first.Message, first.Location.Column()+1, expression)
	}
	return env.Program(tree, cel.CostLimit(cost), cel.EvalOptions(cel.OptOptimize))
}

// absent says whether an evaluation failed for a key that the row does not have.
func absent(err error) bool {
	return strings.HasPrefix(err.Error(), "no such key") || strings.HasPrefix(err.Error(), "no such attribute")
}

// plainError words an evaluation's error without the row's values.
func plainError(err error) error {
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "date()"), strings.HasPrefix(text, "unix()"):
		return errors.New(text)
	case strings.Contains(text, "no such overload"):
		return errors.New("the row holds a value of another type than the expression expects")
	case strings.Contains(text, "cost limit"):
		return errors.New("the expression does too much work for one row")
	default:
		return errors.New("the expression cannot be worked out for this row")
	}
}

// unwrap opens optionals and tells null and nothing as absent.
func unwrap(v ref.Val) (ref.Val, bool, error) {
	if o, ok := v.(*types.Optional); ok {
		if !o.HasValue() {
			return nil, false, nil
		}
		v = o.GetValue()
	}
	if v == nil || v == types.NullValue {
		return nil, false, nil
	}
	if types.IsUnknownOrError(v) {
		return nil, false, errors.New("the expression cannot be worked out for this row")
	}
	return v, true, nil
}
