package fact

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"
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
	var v T
	if err := unmarshal(b, &v); err != nil {
		return err
	}
	*o = Some(v)
	return nil
}

// unmarshal reads one value strictly. What has no names needs no decoder of its
// own, and most values need no decoding at all.
func unmarshal(b []byte, v any) error {
	switch p := v.(type) {
	case *bool:
		if string(b) == "true" || string(b) == "false" {
			*p = b[0] == 't'
			return nil
		}
	case *string:
		if n := len(b); n >= 2 && b[0] == '"' && bytes.IndexByte(b[1:], '"') == n-2 && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b) {
			*p = string(b[1 : n-1])
			return nil
		}
	case *int64, *float64, *[]string, *time.Time, *Ref:
	default:
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		return d.Decode(v)
	}
	return json.Unmarshal(b, v)
}
