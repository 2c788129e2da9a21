package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"
)

// An example is a row with what it must give: `want: skip`, or fields of the
// fact, where null says that the field must stay unknown.
type example struct {
	Name string         `yaml:"name"`
	Row  map[string]any `yaml:"row"`
	ID   any            `yaml:"id"`
	Want yaml.Node      `yaml:"want"`
}

func (e example) label() string {
	if e.Name == "" {
		return ""
	}
	return " (" + e.Name + ")"
}

// try runs an example.
func (m *Map) try(e example) error {
	if e.Row == nil {
		return errors.New("row is missing")
	}
	row, err := asJSON(e.Row)
	if err != nil {
		return err
	}
	got, err := m.Fact(row)
	if err != nil {
		return err
	}
	if e.Want.Kind == yaml.ScalarNode {
		if e.Want.Value != "skip" {
			return errors.New("want must be `skip` or fields of the fact")
		}
		if !got.Skipped {
			return errors.New("the row should be left out, and `when` takes it")
		}
		return nil
	}
	if got.Skipped {
		return errors.New("`when` leaves the row out")
	}
	if e.ID != nil && fmt.Sprint(e.ID) != got.ID {
		return fmt.Errorf("the id is %q, want %q", got.ID, fmt.Sprint(e.ID))
	}
	return m.compare(got, &e.Want)
}

func (m *Map) compare(got Result, want *yaml.Node) error {
	var fields map[string]any
	if err := want.Decode(&fields); err != nil || len(fields) == 0 {
		return errors.New("want is missing; write the fields that the row must give, or `want: skip`")
	}
	fields, err := asJSON(fields)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(got.Data)
	if err != nil {
		return err
	}
	var have map[string]any
	if err := json.Unmarshal(raw, &have); err != nil {
		return err
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if _, known := m.Kind.Field(name); !known && m.Kind.Name != "item" {
			problems = append(problems, fmt.Errorf("want names %q, which kind %s does not have", name, m.Kind.Name))
			continue
		}
		if !reflect.DeepEqual(have[name], fields[name]) {
			problems = append(problems, fmt.Errorf("%s is %s, want %s", name, shown(have[name]), shown(fields[name])))
		}
	}
	for _, n := range got.Notes {
		problems = append(problems, errors.New(n))
	}
	return errors.Join(problems...)
}

func shown(v any) string {
	if v == nil {
		return "unknown"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// asJSON gives a YAML object the types that a JSON one has.
func asJSON(v map[string]any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("it cannot be written as JSON: keys must be texts")
	}
	var out map[string]any
	err = json.Unmarshal(raw, &out)
	return out, err
}
