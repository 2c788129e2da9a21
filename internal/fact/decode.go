package fact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Decode reads a kind's data strictly: an unknown field, a wrong type or a
// value outside its enumeration is an error that names the field.
func Decode(k Kind, raw []byte) (Data, error) {
	if k.Name == "item" {
		return decodeItem(raw)
	}
	if t := bytes.TrimSpace(raw); len(t) == 0 || t[0] != '{' {
		return nil, errors.New("data must be a JSON object")
	}
	v := reflect.New(k.Type)
	if err := decodeInto(v.Interface(), k, raw); err != nil {
		return nil, err
	}
	if err := checkValues(v.Elem(), k.Fields, ""); err != nil {
		return nil, err
	}
	data, ok := v.Elem().Interface().(Data)
	if !ok {
		return nil, fmt.Errorf("kind %s has no data", k.Name)
	}
	return data, nil
}

// decodeInto reads data whose names are exactly those of the kind's fields.
func decodeInto(v any, k Kind, raw []byte) error {
	if exactly(raw, k.Fields) {
		if err := json.Unmarshal(raw, v); err != nil {
			return decodeError(err)
		}
		return nil
	}
	if err := checkTwice(raw); err != nil {
		return err
	}
	if err := checkNames(raw, k.Fields, ""); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return decodeError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// Canonical decodes a kind's data and writes them again: fields in the order
// of the kind, unknown ones left out, so that equal facts have equal bytes.
// An item keeps its text but for white space.
func Canonical(k Kind, raw []byte) (json.RawMessage, error) {
	d, err := Decode(k, raw)
	if err != nil {
		return nil, err
	}
	return json.Marshal(d)
}

func decodeItem(raw []byte) (Data, error) {
	if t := bytes.TrimSpace(raw); len(t) == 0 || t[0] != '{' {
		return nil, errors.New("data of an item must be a JSON object")
	}
	if err := checkTwice(raw); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, decodeError(err)
	}
	return Item{Object: b.Bytes()}, nil
}

// decodeError turns encoding/json's words into ours, which name no Go type.
func decodeError(err error) error {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) {
		if te.Field == "" {
			return fmt.Errorf("data has a value of the wrong type: a JSON %s where %s is expected", te.Value, jsonType(te.Type))
		}
		return fmt.Errorf("field %s has the wrong type: a JSON %s where %s is expected", te.Field, te.Value, jsonType(te.Type))
	}
	if s, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("field %s does not exist in this kind", s)
	}
	var pe *time.ParseError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s is not an RFC 3339 time", pe.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "an object"
	default:
		return "a text"
	}
}

// checkValues checks enumerations.
func checkValues(v reflect.Value, fields []Field, at string) error {
	for _, f := range fields {
		x := v.Field(f.Index)
		if f.Opt {
			if !x.Field(1).Bool() {
				continue
			}
			x = x.Field(0)
		}
		if f.Enum != nil && !slices.Contains(f.Enum, x.String()) {
			return fmt.Errorf("field %s%s is %q; it must be one of %s", at, f.Name, x.String(), strings.Join(f.Enum, ", "))
		}
		if err := checkSub(x, f, at+f.Name); err != nil {
			return err
		}
	}
	return nil
}

func checkSub(x reflect.Value, f Field, at string) error {
	if f.Sub == nil {
		return nil
	}
	if x.Kind() != reflect.Slice {
		return checkValues(x, f.Sub, at+".")
	}
	for i := range x.Len() {
		if err := checkValues(x.Index(i), f.Sub, fmt.Sprintf("%s[%d].", at, i)); err != nil {
			return err
		}
	}
	return nil
}
