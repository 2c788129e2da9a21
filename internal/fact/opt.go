package fact

import (
	"bytes"
	"encoding/json"
)

// An Opt is a value that a source may or may not have said. Its zero value
// means "not said", which is neither false nor empty: 0, false and "" are
// things that a source said.
type Opt[T any] struct {
	v  T
	ok bool
}

// Some returns an Opt that holds v, as said by the source.
func Some[T any](v T) Opt[T] { return Opt[T]{v: v, ok: true} }

// SomeIf returns an Opt that holds v if said is true, and an unknown one otherwise.
func SomeIf[T any](v T, said bool) Opt[T] {
	if !said {
		return Opt[T]{}
	}
	return Some(v)
}

// Get returns the value and whether the source said it.
func (o Opt[T]) Get() (T, bool) { return o.v, o.ok }

// Known reports whether the source said the value.
func (o Opt[T]) Known() bool { return o.ok }

// Or returns the value, or d where the source did not say it.
func (o Opt[T]) Or(d T) T {
	if o.ok {
		return o.v
	}
	return d
}

// Any returns the value without its type and whether it is known; it serves
// readers that walk a kind's fields.
func (o Opt[T]) Any() (any, bool) { return o.v, o.ok }

// IsZero reports that the value is unknown, so that `omitzero` leaves it out.
func (o Opt[T]) IsZero() bool { return !o.ok }

// MarshalJSON writes the value; an unknown one is null, and left out by `omitzero`.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if !o.ok {
		return []byte("null"), nil
	}
	return json.Marshal(o.v)
}

// UnmarshalJSON reads the value strictly; null means that nobody said it.
func (o *Opt[T]) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*o = Opt[T]{}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var v T
	if err := d.Decode(&v); err != nil {
		return err
	}
	*o = Some(v)
	return nil
}
