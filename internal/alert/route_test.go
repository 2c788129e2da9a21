package alert

import (
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

func group(id, kind string, s check.Severity, n int, controls ...string) Group {
	g := Group{Check: id, Kind: kind, Severity: s, Count: n}
	for _, c := range controls {
		g.Controls = append(g.Controls, Control{ID: c})
	}
	return g
}

func TestMatch(t *testing.T) {
	mfa := group("account-has-mfa", "account", check.High, 3, "mfa", "access")
	mfa.Owner = "ana"
	tls := group("endpoint-tls", "endpoint", check.Critical, 1, "encryption")
	tls.Owner = "ana"
	failing := Event{Kind: monitor.CauseFailing, Source: "code", Owner: "ana", Groups: []Group{tls, mfa}}
	recovered := Event{Kind: monitor.CauseRecovered, Source: "code", Owner: "ana", Groups: []Group{mfa}}
	stale := Event{Kind: monitor.CauseStale, Source: "code", Groups: []Group{{Count: 1}}}
	cases := []struct {
		name  string
		when  When
		quiet bool // recoveries off
		event Event
		want  string // checks that are told, in order; "-": a cause without a check
	}{
		{"everything", When{}, false, failing, "endpoint-tls account-has-mfa"},
		{"severity picks its part", When{Severity: []string{"critical"}}, false, failing, "endpoint-tls"},
		{"any of a list", When{Severity: []string{"critical", "high"}}, false, failing, "endpoint-tls account-has-mfa"},
		{"all of the lists", When{Severity: []string{"critical"}, Kind: []string{"account"}}, false, failing, ""},
		{"any control", When{Control: []string{"nothing", "access"}}, false, failing, "account-has-mfa"},
		{"control misses", When{Control: []string{"backup"}}, false, failing, ""},
		{"check", When{Check: []string{"endpoint-tls"}}, false, failing, "endpoint-tls"},
		{"source", When{Source: []string{"code"}}, false, failing, "endpoint-tls account-has-mfa"},
		{"other source", When{Source: []string{"db"}}, false, failing, ""},
		{"any owner", When{Owner: []string{"ana", "bob"}}, false, failing, "endpoint-tls account-has-mfa"},
		{"other owner", When{Owner: []string{"bob"}}, false, failing, ""},
		{"cause", When{Cause: []string{"failing"}}, false, failing, "endpoint-tls account-has-mfa"},
		{"other cause", When{Cause: []string{"stale"}}, false, failing, ""},
		{"recovery", When{}, false, recovered, "account-has-mfa"},
		{"recoveries off", When{}, true, recovered, ""},
		{"recoveries off does not silence failures", When{}, true, failing, "endpoint-tls account-has-mfa"},
		{"silence is told whatever the severity", When{Severity: []string{"critical"}, Kind: []string{"account"}}, false, stale, "-"},
		{"silence of another source", When{Source: []string{"db"}}, false, stale, ""},
		{"a check was asked for by name", When{Check: []string{"endpoint-tls"}}, false, stale, ""},
	}
	for _, c := range cases {
		var got []string
		for _, g := range (Route{When: c.when, Recoveries: !c.quiet}).Match(c.event) {
			if g.Check == "" {
				g.Check = "-"
			}
			got = append(got, g.Check)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %q, want %q", c.name, s, c.want)
		}
	}
}

func to(addresses ...string) map[string]channel.Target {
	var target channel.Target
	for _, a := range addresses {
		if a == "owner" {
			target.Owner = true
			continue
		}
		target.Receivers = append(target.Receivers, channel.Receiver{Key: a, Label: a})
	}
	return map[string]channel.Target{"email": target}
}

func TestPlan(t *testing.T) {
	mfa := group("account-has-mfa", "account", check.High, 3, "mfa")
	tls := group("endpoint-tls", "endpoint", check.Critical, 1)
	e := Event{ID: "c", Kind: monitor.CauseFailing, Source: "code", Owner: "ana", Groups: []Group{tls, mfa}}
	routes := []Route{
		{Name: "worst", When: When{Severity: []string{"critical"}}, To: to("sec@x", "ops@x"), Detail: DetailFull, Language: "es"},
		{Name: "all", To: to("ops@x", "owner"), Detail: DetailFull},
		{Name: "short", To: to("board@x", "sec@x"), Detail: DetailLink},
	}
	owner := func(name string) *Recipient {
		if name != "ana" {
			return nil
		}
		return &Recipient{Channel: "email", Receiver: channel.Receiver{Key: "ana@x", Label: "ana@x"}, Lang: "pt"}
	}
	mfa.Owner, tls.Owner = "ana", "bob" // at the first look at a source, a cause has many owners
	e.Groups = []Group{tls, mfa}
	var got []string
	ids := map[string]bool{}
	for _, l := range Plan(e, routes, owner, "en") {
		got = append(got, l.Route+":"+l.Receiver.Key+":"+l.Lang+":"+string(l.Detail)+":"+strings.Join(checksOf(l.Groups), "+"))
		ids[l.ID] = true
	}
	want := []string{
		"worst:sec@x:es:full:endpoint-tls",
		"worst:ops@x:es:full:account-has-mfa+endpoint-tls", // told once of each, in one letter
		"all:ana@x:pt-BR:full:account-has-mfa",             // hers only
		"short:board@x:en:link:account-has-mfa+endpoint-tls",
		"short:sec@x:en:link:account-has-mfa", // the rest, as its route says
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(ids) != len(want) {
		t.Errorf("%d ids for %d letters", len(ids), len(want))
	}
	if again := Plan(e, routes, owner, "en"); again[0].ID != Plan(e, routes, owner, "en")[0].ID || !ids[again[0].ID] {
		t.Error("the same plan has other ids")
	}
	if n := len(Plan(e, routes[1:2], nil, "en")); n != 1 {
		t.Errorf("an owner who cannot be reached: got %d letters, want 1", n)
	}
}

func testParser(t testing.TB) Parser {
	t.Helper()
	channels, err := Channels(ChannelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return Parser{Channels: channels}
}

func TestParse(t *testing.T) {
	r, err := testParser(t).Parse([]byte(`
name: security
when: {severity: [high, critical], kind: account, source: [code]}
to:
  email: [Security@ACME.test, owner]
  webhook: {url: "https://hooks.acme.test/a?t=1", secret: whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}
detail: link
language: pt-BR
recoveries: false
`))
	if err != nil {
		t.Fatal(err)
	}
	mail, hook := r.To["email"], r.To["webhook"]
	if !mail.Owner || len(mail.Receivers) != 1 || mail.Receivers[0].Key != "Security@acme.test" {
		t.Errorf("email: got %+v", mail)
	}
	if len(hook.Receivers) != 1 || hook.Receivers[0].Label != "https://hooks.acme.test" || len(hook.Receivers[0].Config) == 0 {
		t.Errorf("webhook: got %+v", hook)
	}
	if r.Detail != DetailLink || r.Language != "pt-BR" || r.Recoveries || len(r.When.Severity) != 2 || r.When.Kind[0] != "account" {
		t.Errorf("got %+v", r)
	}
	short, err := testParser(t).Parse([]byte(`{"name":"a","to":{"email":"owner"}}`))
	if err != nil || !short.Recoveries || short.Detail != DetailFull || !short.To["email"].Owner {
		t.Errorf("JSON: got %+v, %v", short, err)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	cases := map[string]string{
		``:                                    "empty",
		`{to: {email: [a@b.test]}}`:           "name: is missing",
		`{name: a}`:                           `route "a", to: is missing`,
		`{name: "", to: {email: [a@b.test]}}`: "name: is empty",
		`{name: a, to: {email: [a@b.test]}, wen: {}}`:                                   "wen: is not known; use one of name, when",
		`{name: a, name: b, to: {email: [a@b.test]}}`:                                   "name: is written twice",
		`{name: a, when: {severity: [hihg]}, to: {email: [a@b.test]}}`:                  `when.severity: "hihg" is not known; use one of low, medium, high, critical`,
		`{name: a, when: {severity: []}, to: {email: [a@b.test]}}`:                      "when.severity: is an empty list",
		`{name: a, when: {kind: [acount]}, to: {email: [a@b.test]}}`:                    `when.kind: "acount" is not known`,
		`{name: a, when: {cause: [late]}, to: {email: [a@b.test]}}`:                     `when.cause: "late" is not known`,
		`{name: a, when: {controls: [x]}, to: {email: [a@b.test]}}`:                     "when.controls: is not known; use one of owner, severity, control",
		`{name: a, when: [x], to: {email: [a@b.test]}}`:                                 "when: is not a mapping",
		`{name: a, to: {mail: [a@b.test]}}`:                                             "to.mail: is not known; use one of email, webhook",
		`{name: a, to: {email: []}}`:                                                    "to.email: names nobody",
		`{name: a, to: {email: [nobody]}}`:                                              `to.email: "nobody" is not a mail address`,
		`{name: a, to: {email: ["A <a@b.test>"]}}`:                                      "is not a mail address",
		"{name: a, to: {email: [\"a@b.test\\r\\nBcc: x@y.test\"]}}":                     "is not a mail address",
		`{name: a, to: {webhook: {url: "https://x.test"}}}`:                             "to.webhook: secret is not a signing secret",
		`{name: a, to: {webhook: {url: "ftp://x.test", secret: ` + secret + `}}}`:       "url is not an address",
		`{name: a, to: {webhook: {url: "https://u:p@x.test", secret: ` + secret + `}}}`: "leave them out",
		`{name: a, to: {webhook: {url: "https://x.test", secret: {env: HOOK}}}}`:        "read from prumo.yaml only",
		`{name: a, to: {webhook: {uri: "https://x.test"}}}`:                             "use url and secret",
		`{name: a, to: {email: [a@b.test]}, detail: none}`:                              `detail: "none" is not known; use one of full, link`,
		`{name: a, to: {email: [a@b.test]}, language: fr}`:                              `language: "fr" is not known`,
		`{name: a, to: {email: [a@b.test]}, recoveries: maybe}`:                         "recoveries: is not true or false",
		"{name: a, to: {email: [a@b.test]}}\n---\n{}":                                   "second document",
		`[`: "is not YAML",
	}
	for text, want := range cases {
		_, err := testParser(t).Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s: the error is not one line: %q", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{name: a, when: {severity: [high]}, to: {email: [a@b.test]}}`))
	f.Add([]byte("name: a\nto: &x {webhook: {url: http://x, secret: *x}}"))
	f.Add([]byte("- &a [*a]"))
	f.Add([]byte("{name: &n a, when: {owner: [*n]}, to: {email: owner}}"))
	channels, err := Channels(ChannelConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parser{Channels: channels}.Parse(text)
		if err != nil {
			return
		}
		if r.Name == "" || len(r.To) == 0 || strings.ContainsAny(r.Name, "\r\n") {
			t.Fatalf("accepted %+v", r)
		}
		for _, to := range r.To["email"].Receivers {
			if strings.ContainsAny(to.Key, "\r\n<> ") {
				t.Fatalf("accepted the address %q", to.Key)
			}
		}
		Plan(Event{ID: "x", Kind: monitor.CauseFailing, At: time.Unix(0, 0), Groups: []Group{{Check: "a", Count: 1}}}, []Route{r}, nil, "en")
	})
}
