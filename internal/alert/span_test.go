package alert

import (
	"encoding/json"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

func quietRoute(t testing.TB, zone, text string) Route {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal([]byte("{name: r, time_zone: "+zone+", to: {email: a@acme.test}, "+text+"}"), &n); err != nil {
		t.Fatal(err)
	}
	r, err := testParser(t).route("1", n.Content[0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestQuietHours holds the ends of quiet hours through the nights in which
// clocks change. "" is told at once.
func TestQuietHours(t *testing.T) {
	night := `quiet: {from: "22:00", to: "07:00"}`
	week := `quiet: [{from: "20:00", to: "08:00"}, {days: [saturday, sunday], from: "00:00", to: "24:00"}]`
	for _, c := range []struct{ zone, quiet, at, want string }{
		{"UTC", night, "2026-03-10T21:59:59Z", ""},
		{"UTC", night, "2026-03-10T22:00:00Z", "2026-03-11T07:00:00Z"},
		{"UTC", night, "2026-03-11T06:59:59Z", "2026-03-11T07:00:00Z"},
		{"UTC", night, "2026-03-11T07:00:00Z", ""},
		{"America/Sao_Paulo", night, "2026-03-11T00:59:00Z", ""}, // 21:59 there
		{"America/Sao_Paulo", night, "2026-03-11T01:00:00Z", "2026-03-11T10:00:00Z"},
		{"America/Sao_Paulo", night, "2018-11-04T02:00:00Z", "2018-11-04T09:00:00Z"},                                // midnight was left out that night
		{"America/Sao_Paulo", night, "2018-02-18T02:30:00Z", "2018-02-18T10:00:00Z"},                                // 23:30 came twice
		{"Europe/Lisbon", night, "2026-03-28T23:00:00Z", "2026-03-29T06:00:00Z"},                                    // an hour shorter
		{"Europe/Lisbon", night, "2026-10-24T22:00:00Z", "2026-10-25T07:00:00Z"},                                    // an hour longer
		{"America/New_York", `quiet: {from: "02:30", to: "05:00"}`, "2026-03-08T07:00:00Z", "2026-03-08T09:00:00Z"}, // 02:30 is left out: from 03:00
		{"America/New_York", `quiet: {from: "02:30", to: "05:00"}`, "2026-03-08T06:59:59Z", ""},
		{"America/New_York", `quiet: {from: "23:00", to: "01:30"}`, "2026-11-01T05:29:00Z", "2026-11-01T05:30:00Z"}, // until the first 01:30
		{"America/New_York", `quiet: {from: "23:00", to: "01:30"}`, "2026-11-01T05:30:00Z", ""},
		{"Europe/Lisbon", week, "2026-06-05T19:30:00Z", "2026-06-08T07:00:00Z"}, // Friday evening: until Monday
		{"Europe/Lisbon", week, "2026-06-05T18:30:00Z", ""},
		{"UTC", `quiet: {from: "09:00", to: "10:00", days: [monday]}`, "2026-06-09T09:30:00Z", ""},
		{"UTC", `quiet: {from: "22:00", to: "06:00", days: [monday]}`, "2026-06-09T05:00:00Z", "2026-06-09T06:00:00Z"}, // began on Monday
	} {
		got := quietRoute(t, c.zone, c.quiet).QuietUntil(instant(t, c.at), false)
		if c.want == "" && !got.IsZero() || c.want != "" && !got.Equal(instant(t, c.want)) {
			t.Errorf("%s %s at %s: until %s, want %s", c.zone, c.quiet, c.at, got, c.want)
		}
	}
	at := instant(t, "2026-03-10T23:00:00Z")
	if !quietRoute(t, "UTC", night).QuietUntil(at, true).IsZero() {
		t.Error("what is critical was held")
	}
	if quietRoute(t, "UTC", `quiet: {from: "22:00", to: "07:00", critical: false}`).QuietUntil(at, true).IsZero() {
		t.Error("what is critical was told though the route says no")
	}
}

func TestRouteTimesSurviveJSON(t *testing.T) {
	r := quietRoute(t, "Europe/Lisbon", `repeat: 4h, escalate: [{after: 30m, severity: [critical], to: {email: boss@acme.test}}], quiet: {from: "22:00", to: "07:00"}`)
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Route
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	if time.Duration(back.Repeat) != 4*time.Hour || len(back.Escalate) != 1 || time.Duration(back.Escalate[0].After) != 30*time.Minute || len(back.Quiet) != 1 {
		t.Errorf("got %+v from %s", back, raw)
	}
}

func TestTimesThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"repeat: soon":                         "repeat",
		"repeat: 1s":                           "repeat",
		"escalate: []":                         "escalate",
		"escalate: {after: 30m}":               "escalate",
		"escalate: {to: {email: a@acme.test}}": "escalate",
		"escalate: {after: 30m, to: {}}":       "escalate",
		"escalate: {after: 30m, severity: [bad], to: {email: a@acme.test}}": "escalate.severity",
		"time_zone: Mars/Olympus":                              "time_zone",
		"time_zone: Local":                                     "time_zone",
		"time_zone: ../../etc/passwd":                          "time_zone",
		`quiet: {from: "25:00", to: "07:00"}`:                  "quiet.from",
		`quiet: {from: "24:00", to: "07:00"}`:                  "quiet.from",
		`quiet: {from: "22:00"}`:                               "quiet",
		`quiet: {from: "22:00", to: "7"}`:                      "quiet.to",
		`quiet: {from: "22:00", to: "07:00", days: [someday]}`: "quiet.days",
		`quiet: {from: "00:00", to: "24:00"}`:                  "quiet",
		`quiet: {from: "08:00", to: "08:00"}`:                  "quiet",
	} {
		var n yaml.Node
		doc := "{name: r, to: {email: a@acme.test}, " + text + "}"
		if err := yaml.Unmarshal([]byte(doc), &n); err != nil {
			t.Fatal(err)
		}
		_, err := testParser(t).route("1", n.Content[0])
		p, ok := err.(*Problem) //nolint:errorlint // exactly this
		if !ok || p.Field != want || p.Line == 0 || p.What == "" {
			t.Errorf("%s: got %v, want a problem of %s with its line", text, err, want)
		}
	}
}
