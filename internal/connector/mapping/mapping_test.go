package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/connector/mapping"
)

const people = `
- scope: people
  kind: person
  query: select 1
  id: row.email.lowerAscii()
  when: row.type != "room"
  fields:
    name: row.name
    email: row.email
    active: row.status == "active"
    started_at: row.hired_on
    ended_at: date(row.left_on)
    policies_pending: row.pending
  examples:
    - name: employee
      row: {email: Ana@acme.test, name: Ana, type: human, status: active, hired_on: "2024-02-01", left_on: null, pending: 2}
      id: ana@acme.test
      want: {name: Ana, active: true, started_at: "2024-02-01T00:00:00Z", ended_at: null, policies_pending: 2}
    - row: {email: room@acme.test, type: room}
      want: skip
`

func parse(t *testing.T, text string) *mapping.Map {
	t.Helper()
	maps, err := mapping.Parse(text, "query!", "path")
	if err != nil {
		t.Fatal(err)
	}
	return maps[0]
}

func row(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What a row does not say stays unknown: neither false nor empty.
func TestSilenceStaysUnknown(t *testing.T) {
	m := parse(t, people)
	for _, text := range []string{
		`{"email":"b@acme.test","type":"human","status":null,"hired_on":""}`,
		`{"email":"b@acme.test","type":"human"}`,
	} {
		r, err := m.Fact(row(t, text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(r.Data)
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"email":"b@acme.test"}`; string(got) != want || len(r.Notes) > 0 {
			t.Errorf("%s gives %s with notes %v, want %s", text, got, r.Notes, want)
		}
	}
}

// A value that does not fit leaves its field unknown and says why, without the value.
func TestMisfitIsToldWithoutTheValue(t *testing.T) {
	m := parse(t, people)
	r, err := m.Fact(row(t, `{"email":"b@acme.test","type":"human","name":"B","hired_on":"last spring","pending":"s3cr3t"}`))
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(r.Notes, "\n")
	if !strings.Contains(notes, "started_at") || !strings.Contains(notes, "policies_pending") {
		t.Errorf("notes %q name neither field", notes)
	}
	if strings.Contains(notes, "s3cr3t") || strings.Contains(notes, "last spring") {
		t.Errorf("notes hold a value of the row: %q", notes)
	}
}

// A row that does not say what it is about cannot count as read.
func TestRowWithoutID(t *testing.T) {
	m := parse(t, people)
	for _, text := range []string{`{"type":"human"}`, `{"email":" ","type":"human"}`, `{"email":"a@b.test"}`, `{"email":7,"type":"human"}`} {
		if r, err := m.Fact(row(t, text)); err == nil {
			t.Errorf("%s was taken as %+v", text, r)
		}
	}
}

// Each mistake is told with its map and what to do.
func TestMistakesAreTold(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"kind":        {"kind: person", "kind: persn", `kind "persn" does not exist`},
		"field":       {"    name: row.name\n", "    nome: row.name\n", `no field "nome"`},
		"syntax":      {"row.name\n", "row.(name\n", "field name"},
		"example":     {"want: {name: Ana,", "want: {name: Bia,", `name is "Ana", want "Bia"`},
		"skip":        {`row: {email: room@acme.test, type: room}`, `row: {email: room@acme.test, type: human}`, "should be left out"},
		"key":         {"  kind: person", "  kinds: person", `no key "kinds"`},
		"extra":       {"  query: select 1\n", "", "query is missing"},
		"example id":  {"id: ana@acme.test", "id: Ana@acme.test", "want \"Ana@acme.test\""},
		"no scope":    {"scope: people", `scope: ""`, "scope is missing"},
		"wrong want":  {"policies_pending: 2}", "policies: 2}", `want names "policies"`},
		"not a list":  {people, "scope: x", "list of maps"},
		"nothing":     {people, "", "no map"},
		"deep nested": {"row.status == \"active\"", strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300), "field active"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(people, c.from, c.to, 1)
			if text == people {
				t.Fatal("the mistake was not made")
			}
			_, err := mapping.Parse(text, "query!")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %s", err, c.want)
			}
		})
	}
}

// Rows are found in an answer, and what is no list is not an empty one.
func TestRowsOfAnAnswer(t *testing.T) {
	l, err := mapping.NewList("page.data.filter(x, x.type == 'user')")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := l.Rows(mapping.NewPage(row(t, `{"data":[{"type":"user","id":12345678901},{"type":"room","id":2}]}`)))
	if err != nil || len(rows) != 1 || rows[0]["id"] != int64(12345678901) {
		t.Errorf("rows %v, %v", rows, err)
	}
	if l, err = mapping.NewList("page.data"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{}`, `{"data":null}`, `{"data":{}}`, `{"data":"x"}`, `{"data":[1]}`} {
		if rows, err := l.Rows(mapping.NewPage(row(t, text))); err == nil {
			t.Errorf("%s was taken for %d rows", text, len(rows))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(people)
	f.Add("- {scope: a, kind: item, id: row.x, examples: [{row: {x: 1}, want: {x: 1}}]}")
	f.Fuzz(func(_ *testing.T, text string) {
		maps, err := mapping.Parse(text, "query")
		if err != nil {
			return
		}
		for _, m := range maps {
			_, _ = m.Fact(map[string]any{"email": "x", "type": "y", "n": 1.5, "l": []any{nil, map[string]any{"a": nil}}})
		}
	})
}
