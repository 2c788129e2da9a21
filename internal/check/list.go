package check

import (
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// ConvertToNative implements ref.Val.
func (l *listVal) ConvertToNative(reflect.Type) (any, error) { return nil, errNative }

// ConvertToType implements ref.Val.
func (l *listVal) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.ListType:
		return l
	case types.TypeType:
		return types.ListType
	}
	return types.NewErr("a list cannot become %s", t.TypeName())
}

// Equal implements ref.Val.
func (l *listVal) Equal(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	if !ok || o.Size() != types.Int(l.n) {
		return types.False
	}
	it := o.Iterator()
	for c := l.first; c != nil; c = c.next {
		if types.Equal(l.elem(c), it.Next()) != types.True {
			return types.False
		}
	}
	return types.True
}

// Type implements ref.Val.
func (l *listVal) Type() ref.Type { return types.ListType }

// Value implements ref.Val.
func (l *listVal) Value() any { return l }

// Size implements traits.Sizer.
func (l *listVal) Size() ref.Val { return types.Int(l.n) }

// Add implements traits.Adder: it joins two lists.
func (l *listVal) Add(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	var all []ref.Val
	for c := l.first; c != nil; c = c.next {
		all = append(all, l.elem(c))
	}
	for it := o.Iterator(); it.HasNext() == types.True; {
		all = append(all, it.Next())
	}
	return types.NewRefValList(types.DefaultTypeAdapter, all)
}

// Contains implements traits.Container.
func (l *listVal) Contains(x ref.Val) ref.Val {
	if types.IsUnknownOrError(x) {
		return x
	}
	for c := l.first; c != nil; c = c.next {
		if types.Equal(x, l.elem(c)) == types.True {
			return types.True
		}
	}
	return types.False
}

// Get implements traits.Indexer.
func (l *listVal) Get(index ref.Val) ref.Val {
	i, err := types.GetOrError(index)
	if err != nil {
		return types.WrapErr(err)
	}
	if i < 0 || i >= int(l.n) {
		return types.NewErr("index out of bounds: %d", i)
	}
	if l.n > indexFrom {
		return l.elem(l.ev.listed((*val)(l))[i])
	}
	c := l.first
	for range i {
		c = c.next
	}
	return l.elem(c)
}

// Iterator implements traits.Iterable.
func (l *listVal) Iterator() traits.Iterator { return &iterator{next: l.first, list: l} }

// Fold implements traits.Foldable.
func (l *listVal) Fold(f traits.Folder) {
	i := 0
	for c := l.first; c != nil; c = c.next {
		if !f.FoldEntry(types.Int(i), l.elem(c)) {
			return
		}
		i++
	}
}

func (l *listVal) elem(c *val) ref.Val {
	if l.st != nil {
		c.st = l.st
	}
	return c.value()
}

// An iterator goes over the keys of a map or the elements of a list.
type iterator struct {
	next *val
	list *listVal
	keys bool
}

// ConvertToNative implements ref.Val.
func (it *iterator) ConvertToNative(reflect.Type) (any, error) { return nil, errNative }

// ConvertToType implements ref.Val.
func (it *iterator) ConvertToType(ref.Type) ref.Val { return types.NewErr("an iterator has no type") }

// Equal implements ref.Val.
func (it *iterator) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(it) == other) }

// Type implements ref.Val.
func (it *iterator) Type() ref.Type { return types.IteratorType }

// Value implements ref.Val.
func (it *iterator) Value() any { return it }

// HasNext implements traits.Iterator.
func (it *iterator) HasNext() ref.Val { return types.Bool(it.next != nil) }

// Next implements traits.Iterator.
func (it *iterator) Next() ref.Val {
	c := it.next
	it.next = c.next
	if it.keys {
		return types.String(c.key)
	}
	return it.list.elem(c)
}
