package check

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// clock is the instant at which tests judge.
var clock = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// file writes a check file around what a test is about.
func file(kind, rest string) string {
	return "id: t\nversion: 1\nkind: " + kind + `
severity: high
title: {en: T}
message: {en: M}
fix: {en: F}
controls: [c]
` + rest + examplesFor(kind, strings.Contains(rest, "each: false"))
}

// examplesFor gives examples that load; tests that run them write their own.
func examplesFor(kind string, set bool) string {
	k, _ := fact.KindNamed(kind)
	name, open, shut := kind, "", ""
	if set {
		name, open, shut = k.Plural, "[", "]"
	}
	body := open + "{}" + shut
	if kind == "item" {
		body = open + "{data: {}}" + shut
	}
	return fmt.Sprintf("examples:\n  - {want: pass, %s: %s}\n  - {want: fail, %s: %s}\n  - {want: unknown, %s: %s}\n", name, body, name, body, name, body)
}

func parse(t *testing.T, text string) *Check {
	t.Helper()
	c, problems := Parse("t.yaml", []byte(text))
	for _, p := range problems {
		t.Error(p.Error())
	}
	if problems != nil {
		t.FailNow()
	}
	return c
}

func newFact(kind, id, data string) *fact.Fact {
	return &fact.Fact{Kind: kind, ID: id, Source: "s", ObservedAt: clock, Data: []byte(data)}
}

func TestJudge(t *testing.T) {
	world := map[string]*fact.Fact{
		"person/ana":  newFact("person", "ana", `{"name":"Ana","active":true,"manager":"bob"}`),
		"person/bob":  newFact("person", "bob", `{"name":"Bob","active":false,"ended_at":"2026-05-01T00:00:00Z"}`),
		"host/web":    newFact("host", "web", `{"name":"web"}`),
		"person/self": newFact("person", "self", `{"manager":"self","name":"Self"}`),
	}
	lookup := func(kind string, id fact.Ref, _ string) (*fact.Fact, bool) {
		f, ok := world[kind+"/"+string(id)]
		return f, ok
	}
	for _, tt := range []struct {
		kind, when, pass, data string
		want                   Outcome
		missing                string
	}{
		{"account", "", "account.mfa", `{"mfa":true}`, Pass, ""},
		{"account", "", "account.mfa", `{"mfa":false}`, Fail, ""},
		{"account", "", "account.mfa", `{}`, Unknown, "account.mfa"},
		{"account", "", "account.mfa", `{"mfa":null}`, Unknown, "account.mfa"},
		{"account", "account.active", "account.mfa", `{"active":false}`, NotApplicable, ""},
		{"account", "account.active", "account.mfa", `{"mfa":true}`, Unknown, "account.active"},
		{"account", "", "account.active && account.mfa", `{"active":false}`, Fail, ""},
		{"account", "", "account.active && account.mfa", `{}`, Unknown, "account.active account.mfa"},
		{"account", "", "account.active || account.mfa", `{"mfa":true}`, Pass, ""},
		{"account", "", "!account.active || account.mfa", `{"active":true}`, Unknown, "account.mfa"},
		{"account", "", "account.mfa == true", `{}`, Unknown, "account.mfa"},
		{"account", "", "account.mfa != true", `{}`, Unknown, "account.mfa"},
		{"account", "", "account.mfa ? true : false", `{}`, Unknown, "account.mfa"},
		{"account", "", "[account.mfa, true].exists(x, x)", `{}`, Unknown, "account.mfa"},
		{"account", "", "account.id == 'a' && account.source == 's'", `{}`, Pass, ""},
		{"account", "", "'totp' in account.mfa_methods", `{"mfa_methods":["sms","totp"]}`, Pass, ""},
		{"account", "", "'totp' in account.mfa_methods", `{}`, Unknown, "account.mfa_methods"},
		{"account", "", "account.mfa_methods.size() > 0", `{"mfa_methods":[]}`, Fail, ""},
		{"account", "", "account.uid == 0", `{"uid":0}`, Pass, ""},
		{"account", "", "account.person.name == 'Ana'", `{"person":"ana"}`, Pass, ""},
		{"account", "", "account.person.manager.name == 'Bob'", `{"person":"ana"}`, Pass, ""},
		{"account", "", "account.person.active", `{"person":"nobody"}`, Unknown, "account.person"},
		{"account", "", "account.person.active", `{}`, Unknown, "account.person"},
		{"account", "", "account.person.title == ''", `{"person":"ana"}`, Unknown, "account.person.title"},
		{"account", "", "account.person.manager.manager.name == ''", `{"person":"ana"}`, Unknown, "account.person.manager.manager"},
		{"account", "", "account.person.manager.manager.manager.name == 'Self'", `{"person":"self"}`, Pass, ""},
		{"account", "", "account.person == account.owner", `{"person":"ana","owner":"ana"}`, Pass, ""},
		{"account", "", "account.person == account.owner", `{"person":"ana","owner":"bob"}`, Fail, ""},
		{"account", "", "account.person.manager.ended_at < timestamp('2026-06-01T00:00:00Z')", `{"person":"ana"}`, Pass, ""},
		{"account", "", "account.host.name == 'web' && account.person.id == 'ana'", `{"person":"ana","host":"web"}`, Pass, ""},
		{"repository", "", "repository.protection.approvals >= 1", `{"protection":{"approvals":2}}`, Pass, ""},
		{"repository", "", "repository.protection.approvals >= 1", `{"protection":{}}`, Unknown, "repository.protection.approvals"},
		{"repository", "", "repository.protection.approvals >= 1", `{}`, Unknown, "repository.protection"},
		{"repository", "", "repository.signed_share >= 0.5", `{"signed_share":1}`, Pass, ""},
		{"change", "", "change.checks.all(c, c.status == 'success')", `{"checks":[{"name":"a","status":"success"}]}`, Pass, ""},
		{"change", "", "change.checks.exists(c, c.status == 'failure')", `{"checks":[{"name":"a","status":"success"}]}`, Fail, ""},
		{"endpoint", "", "endpoint.cookies.all(c, c.secure)", `{"cookies":[{"name":"a"}]}`, Unknown, "endpoint.cookies[0].secure"},

		{"item", "", "item.data.color == 'red'", `{"color":"red"}`, Pass, ""},
		{"item", "", "item.data.color == 'red'", `{}`, Unknown, "item.data.color"},
		{"item", "", "item.data.color == 'red'", `{"color":null}`, Unknown, "item.data.color"},
		{"item", "", "item.data.color != 'red'", `{"color":null}`, Unknown, "item.data.color"},
		{"item", "", "item.data.a.b.c == 1", `{"a":{"b":{}}}`, Unknown, "item.data.a.b.c"},
		{"item", "", "item.data.a.b.c == 1", `{"a":{}}`, Unknown, "item.data.a.b"},
		{"item", "", "item.data.a.b == 1", `{"a":{"b":1}}`, Pass, ""},
		{"item", "", "item.data.a.b == 1", `{"a":{"b":1.0}}`, Pass, ""},
		{"item", "", "item.data.a + 1 == 2", `{"a":1.0}`, Unknown, ""},
		{"item", "", "item.data.a + 1 == 2", `{"a":1}`, Pass, ""},
		{"item", "", "item.data.a == 9007199254740993", `{"a":9007199254740993}`, Pass, ""},
		{"item", "", "item.data.a > 9223372036854775807.0", `{"a":92233720368547758070}`, Pass, ""},
		{"item", "", "item.data['a b'] == 1", `{}`, Unknown, `item.data["a b"]`},
		{"item", "", "item.data[item.data.k] == 1", `{"k":"x"}`, Unknown, `item.data.x`},
		{"item", "", "item.data[item.data.k] == 1", `{"k":"x","x":1}`, Pass, ``},
		{"item", "", "item.data[item.data.k] == 1", `{"x":1}`, Unknown, `item.data.k`},
		{"item", "", "has(item.data.x)", `{}`, Fail, ""},
		{"item", "", "has(item.data.x)", `{"x":null}`, Fail, ""},
		{"item", "", "has(item.data.x)", `{"x":0}`, Pass, ""},
		{"item", "", "has(item.data.x.y)", `{}`, Unknown, "item.data.x"},
		{"item", "", "has(item.data.x.y)", `{"x":{"y":{}}}`, Pass, ""},
		{"item", "", "!has(item.data.x.y)", `{"x":5}`, Unknown, ""},
		{"item", "", "has(item.data.x) && item.data.x > 3", `{}`, Fail, ""},
		{"item", "", "!has(item.data.x) || item.data.x > 3", `{}`, Pass, ""},
		{"item", "", "'x' in item.data", `{"x":null}`, Fail, ""},
		{"item", "", "'x' in item.data", `{"x":1}`, Pass, ""},
		{"item", "", "size(item.data.m) == 1", `{"m":{"a":1,"b":null}}`, Pass, ""},
		{"item", "", "item.data.m.size() == 1", `{"m":{"a":1,"b":null}}`, Pass, ""},
		{"item", "", "item.data.m.all(k, item.data.m[k] == 1)", `{"m":{"a":1,"b":null}}`, Pass, ""},
		{"item", "", "item.data.m.exists(k, k == 'b')", `{"m":{"a":1,"b":null}}`, Fail, ""},
		{"item", "", "item.data.m.exists(k, true)", `{"m":{"b":null}}`, Fail, ""},
		{"item", "", "item.data.m.exists(k, true)", `{"m":{"b":1}}`, Pass, ""},
		{"item", "", "item.data.m == {'a': 1}", `{"m":{"a":1,"b":null}}`, Pass, ""},
		{"item", "", "{'a': 1} == item.data.m", `{"m":{"a":1,"b":null}}`, Pass, ""},
		{"item", "", "item.data.m == {'a': 1, 'b': 2}", `{"m":{"a":1}}`, Fail, ""},
		{"item", "", "item.data.l == [1, 'x', true, null]", `{"l":[1,"x",true,null]}`, Pass, ""},
		{"item", "", "item.data.l.size() == 2", `{"l":[null,1]}`, Pass, ""},
		{"item", "", "item.data.l[1].a == 1", `{"l":[{},{"a":1}]}`, Pass, ""},
		{"item", "", "item.data.l[0].a == 1", `{"l":[{},{"a":1}]}`, Unknown, "item.data.l[0].a"},
		{"item", "", "item.data.l[7].a == 1", `{"l":[{},{"a":1}]}`, Unknown, ""},
		{"item", "", "item.data.l.all(x, x.a == 1)", `{"l":[{},{"a":2}]}`, Fail, ""},
		{"item", "", "item.data.l.all(x, x.a == 1)", `{"l":[{},{"a":1}]}`, Unknown, "item.data.l[0].a"},
		{"item", "", "item.data.l.exists(x, x.a == 1)", `{"l":[{},{"a":1}]}`, Pass, ""},
		{"item", "", "item.data.l.exists_one(x, x.a == 1)", `{"l":[{},{"a":1}]}`, Unknown, "item.data.l[0].a"},
		{"item", "", "item.data.l.filter(x, x.a == 1).size() == 1", `{"l":[{"a":3},{"a":1}]}`, Pass, ""},
		{"item", "", "item.data.l.filter(x, x.a == 1).size() == 1", `{"l":[{},{"a":1}]}`, Unknown, "item.data.l[0].a"},
		{"item", "", "item.data.l.map(x, x.a)[1] == 1", `{"l":[{"a":3},{"a":1}]}`, Pass, ""},
		{"item", "", "(item.data.l + [9]).exists(x, x == 9)", `{"l":[1]}`, Pass, ""},
		{"item", "", "item.data.l.exists(x, x.r.exists(y, y.c == 'z'))", `{"l":[{"r":[{"c":"a"}]},{"r":[{"c":"z","d":1}],"q":1}]}`, Pass, ""},
		{"item", "", "item.data.s.size() == 3", `{"s":"a\u00e9\ud83d\ude00"}`, Pass, ""},
		{"item", "", "timestamp(item.data.t) < timestamp('2026-01-01T00:00:00Z')", `{"t":"2025-01-01T00:00:00Z"}`, Pass, ""},
		{"item", "", "timestamp(item.data.t) < timestamp('2026-01-01T00:00:00Z')", `{"t":"never"}`, Unknown, ""},
		{"item", "", "item.data.on", `{"on":"yes"}`, Unknown, ""},
		{"item", "", "item.data.s.matches('^a+$')", `{"s":"aaa"}`, Pass, ""},
		{"item", "", "item.data.s.matches(item.data.p)", `{"s":"aaa","p":"^a+$"}`, Pass, ""},
		{"item", "", "item.data.s.matches(item.data.p)", `{"s":"aaa","p":"("}`, Unknown, ""},
		{"item", "", "9223372036854775807 + item.data.n > 0", `{"n":1}`, Unknown, ""},
		{"item", "", "1 / item.data.n > 0", `{"n":0}`, Unknown, ""},
		{"item", "", "item.data.s in ['a','b']", `{"s":"b"}`, Pass, ""},
		{"item", "", "!(item.data.s in ['a','b'])", `{}`, Unknown, "item.data.s"},
		{"item", "", "item.data.a == 2", `{"a":1,"a":2}`, Pass, ""},
		{"item", "", "has(item.data.a)", `{"a":1,"a":null}`, Fail, ""},
		{"item", "", "item.id == 'a'", `{}`, Pass, ""},
		{"item", "", "item.data.size() == 0", `{}`, Pass, ""},
		{"item", "", `item.data["k\"y"] == 1`, `{"k\"y":1}`, Pass, ""},
	} {
		rest := "pass: |-\n  " + tt.pass + "\n"
		if tt.when != "" {
			rest += "when: " + tt.when + "\n"
		}
		c := parse(t, file(tt.kind, rest))
		r := c.Judge(Input{Fact: newFact(tt.kind, "a", tt.data), Now: clock, Lookup: lookup})
		if r.Outcome != tt.want || strings.Join(r.Missing, " ") != tt.missing {
			t.Errorf("%s on %s: got %v (%s) missing %q, want %v missing %q", tt.pass, tt.data, r.Outcome, r.Reason, r.Missing, tt.want, tt.missing)
		}
		if (r.Outcome == Unknown) != (r.Reason != "" && r.Reason != "M") {
			t.Errorf("%s on %s: %v with reason %q", tt.pass, tt.data, r.Outcome, r.Reason)
		}
	}
}
