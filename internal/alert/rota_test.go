package alert

import (
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

func rotas(t testing.TB, text string) ([]Rota, []error) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
		return nil, []error{err}
	}
	return ParseRotas(doc.Content[0])
}

// TestOnCallHandsOverAtItsHour walks turns over changes of clocks and stand-ins.
func TestOnCallHandsOverAtItsHour(t *testing.T) {
	list, errs := rotas(t, `
- {name: primary, time_zone: Europe/Berlin, start: 2026-03-16T09:00, every: 168h, people: [ana@a.test, bob@a.test], overrides: [
    {from: 2026-03-24T00:00, to: 2026-03-26T00:00, who: eve@a.test}, {from: 2026-03-25T00:00, to: 2026-03-25T12:00, who: kim@a.test}]}
- {name: nights, start: 2026-01-01T00:00, every: 24h, people: [ana@a.test, ana@a.test, bob@a.test]}
`)
	if len(errs) > 0 || len(list) != 2 {
		t.Fatalf("got %d lists, %v", len(list), errs)
	}
	for _, c := range []struct {
		list     int
		at, want string
	}{
		{0, "2026-03-16T07:59:59Z", ""},
		{0, "2026-03-16T08:00:00Z", "ana@a.test"},
		{0, "2026-03-23T07:59:59Z", "ana@a.test"},
		{0, "2026-03-23T08:00:00Z", "bob@a.test"},
		{0, "2026-03-24T12:00:00Z", "eve@a.test"},
		{0, "2026-03-25T10:00:00Z", "kim@a.test"},
		{0, "2026-03-25T11:00:00Z", "eve@a.test"},
		{0, "2026-03-25T23:00:00Z", "bob@a.test"},
		{0, "2026-03-30T06:59:59Z", "bob@a.test"}, // clocks went forward on the 29th
		{0, "2026-03-30T07:00:00Z", "ana@a.test"},
		{0, "2026-10-26T07:59:59Z", "bob@a.test"}, // and back on 25 October
		{0, "2026-10-26T08:00:00Z", "ana@a.test"},
		{1, "2026-01-02T23:59:59Z", "ana@a.test"},
		{1, "2026-01-03T00:00:00Z", "bob@a.test"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := list[c.list].OnCall(at)
		if got.Who != c.want || ok != (c.want != "") {
			t.Errorf("%s at %s: got %q, want %q", list[c.list].Name, c.at, got.Who, c.want)
		}
		if ok && (at.Before(got.From) || !at.Before(got.To)) {
			t.Errorf("%s at %s: the turn is from %s to %s", list[c.list].Name, c.at, got.From, got.To)
		}
	}
}

// TestBadRotasSayWhatToDo holds that each mistake names its line and its remedy.
func TestBadRotasSayWhatToDo(t *testing.T) {
	for text, want := range map[string]string{
		`- {name: a, start: 2026-01-05T09:00, every: 168h}`:                                                                                      "people",
		`- {name: a, start: 2026-01-05, every: 168h, people: [a@b.test]}`:                                                                        "2026-01-05T09:00",
		`- {name: a, start: 2026-01-05T09:00, every: 1m, people: [a@b.test]}`:                                                                    "every",
		`- {name: a, start: 2026-01-05T09:00, every: 24h, people: [ana]}`:                                                                        "mail address",
		`- {name: a, time_zone: Mars, start: 2026-01-05T09:00, every: 24h, people: [a@b.test]}`:                                                  "time zone",
		`- {name: "A B", start: 2026-01-05T09:00, every: 24h, people: [a@b.test]}`:                                                               "cannot name",
		`- {name: a, start: 2026-01-05T09:00, every: 24h, people: [a@b.test], overrides: [{who: b@b.test}]}`:                                     "overrides",
		`- {name: a, start: 2026-01-05T09:00, every: 24h, people: [a@b.test], poeple: []}`:                                                       "is not known",
		"- {name: a, start: 2026-01-05T09:00, every: 24h, people: a@b.test}\n- {name: a, start: 2026-01-05T09:00, every: 24h, people: a@b.test}": "twice",
	} {
		_, errs := rotas(t, text)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) || !strings.HasPrefix(errs[0].Error(), "line ") || !strings.Contains(errs[0].Error(), "on-call list") {
			t.Errorf("%s: got %v, want %q", text, errs, want)
		}
	}
}

// FuzzRota holds that a list that is accepted always answers, and truly.
func FuzzRota(f *testing.F) {
	f.Add(`- {name: a, time_zone: Europe/Berlin, start: 2026-03-29T02:30, every: 1h, people: [a@b.test, c@b.test]}`, int64(1774746000))
	f.Add(`- {name: a, time_zone: Pacific/Apia, start: 2011-12-30T12:00, every: 90m, people: [a@b.test]}`, int64(1325239200))
	f.Fuzz(func(t *testing.T, text string, sec int64) {
		list, _ := rotas(t, text)
		at := time.Unix(sec%(1<<32), 0)
		for _, r := range list {
			s, ok := r.OnCall(at)
			if !ok && !at.Before(r.Start) || ok && (s.Who == "" || at.Before(s.From) || !at.Before(s.To)) {
				t.Errorf("%q at %s: %+v, %v", text, at, s, ok)
			}
		}
	})
}
