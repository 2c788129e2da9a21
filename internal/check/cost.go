package check

import (
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// costs charges for what CEL's own cost model takes to be free: calls whose
// overload is only known while evaluating, since data of an item have no type,
// and values within values.
type costs struct{}

// CallCost implements cost.ActualCostEstimator; nil leaves the call to CEL's own model.
func (costs) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	var n uint64
	switch function {
	case operators.In, operators.OldIn:
		n = weight(args[1]) + weight(args[0])
	case operators.Add:
		n = weight(args[0]) + weight(args[1])
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		n = min(weight(args[0]), weight(args[1]))
	case overloads.Size:
		if s, ok := args[0].(types.String); ok {
			n = weight(s)
		}
	default:
		return nil
	}
	n++
	return &n
}

// weight is about how many steps it takes to go over a value.
func weight(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v)) / 10
	case types.Bytes:
		return uint64(len(v)) / 10
	case *listVal:
		return (*val)(v).weight()
	case *mapVal:
		return (*val)(v).weight()
	case traits.Lister:
		n := uint64(0)
		for it := v.Iterator(); it.HasNext() == types.True; {
			n += 1 + weight(it.Next())
		}
		return n
	case traits.Sizer:
		if n, ok := v.Size().(types.Int); ok {
			return uint64(n)
		}
	}
	return 0
}

func (v *val) weight() uint64 {
	n := uint64(len(v.text)) / 10
	for c := v.first; c != nil; c = c.next {
		n += 1 + c.weight()
	}
	return n
}
