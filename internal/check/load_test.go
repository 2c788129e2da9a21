package check

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const whole = `id: account-has-mfa
version: 1
kind: account
severity: high
title: {en: Every account has a second factor, pt-BR: Toda conta tem um segundo fator, es: Cada cuenta tiene un segundo factor}
when: account.active
pass: account.mfa
message:
  en: "{{account.login}} has no second factor"
  pt-BR: "{{account.login}} não tem segundo fator"
fix: {en: Enrol one.}
controls: [strong-authentication]
fresh: 72h
needs: {gitea: ["read:organization"]}
examples:
  - {name: with, want: pass, account: {login: a, active: true, mfa: true}}
  - {name: without, want: fail, account: {login: a, active: true, mfa: false}}
  - {name: silent, want: unknown, account: {login: a, active: true}}
  - {name: off, want: not_applicable, account: {login: a, active: false}}
`

func TestParseWhole(t *testing.T) {
	c := parse(t, whole)
	for _, p := range c.RunExamples() {
		t.Error(p)
	}
	if c.ID != "account-has-mfa" || c.Version != 1 || c.Severity != High || c.Fresh.Hours() != 72 || !c.Each || c.Digest == "" {
		t.Errorf("got %+v", c.Def)
	}
	in := Input{Fact: newFact("account", "x", `{"login":"ana","active":true,"mfa":false}`), Now: clock}
	if r := c.Judge(in); r.Outcome != Fail || r.Reason != "ana has no second factor" {
		t.Errorf("got %v %q", r.Outcome, r.Reason)
	}
	if got := c.Message(in, "pt-BR"); got != "ana não tem segundo fator" {
		t.Errorf("got %q", got)
	}
	if got := c.Message(in, "es"); got != "ana has no second factor" {
		t.Errorf("got %q", got)
	}
	in.Fact = newFact("account", "x", `{"active":true,"mfa":false}`)
	if got := c.Message(in, "en"); got != "? has no second factor" {
		t.Errorf("got %q", got)
	}
}

// TestProblems holds one broken file a case; every wanted text must be in the
// problems, and nothing may be loaded.
func TestProblems(t *testing.T) {
	replace := func(old, with string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("no %q to replace", old)
		}
		return strings.Replace(whole, old, with, 1)
	}
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"unknown key", whole + "colour: red\n", []string{"c.yaml:20: key colour is not known; "}},
		{"near key", whole + "frech: red\n", []string{"did you mean fresh?"}},
		{"duplicate key", whole + "id: other\n", []string{"c.yaml:20: key id was already given in line 1; "}},
		{"nested duplicate key", replace("account: {login: a, active: true, mfa: true}", "account: {login: a, login: b}"), []string{"c.yaml:16: key login was already given in line 16"}},
		{"second document", whole + "---\nid: x\n", []string{"second document"}},
		{"empty second document", whole + "---\n", []string{"second document"}},
		{"tab", replace("  en: \"{{account.login}} has", "\ten: \"{{account.login}} has"), []string{"c.yaml:9: a tab is used as indentation"}},
		{"tab in flow", replace("fix: {en: Enrol one.}", "fix: {\n\ten: Enrol one.}"), []string{"c.yaml:12: a tab is used as indentation"}},
		{"not UTF-8", whole + "#\xff\n", []string{"c.yaml:20: the file is not UTF-8"}},
		{"too large", whole + strings.Repeat("# padding\n", 110_000), []string{"larger than 1 MB"}},
		{"not YAML", "id: [\n", []string{"c.yaml:", "not YAML"}},
		{"empty", "", []string{"c.yaml:1: the file is empty"}},
		{"list", "- a\n", []string{"c.yaml:1: a check is not a mapping"}},
		{"scalar", "a\n", []string{"c.yaml:1: a check is not a mapping"}},
		{"null", "~\n", []string{"c.yaml:1: a check is not a mapping"}},
		{"id", replace("id: account-has-mfa", "id: Account_MFA"), []string{"c.yaml:1: id \"Account_MFA\""}},
		{"version zero", replace("version: 1", "version: 0"), []string{"c.yaml:2: version is not a positive integer"}},
		{"version text", replace("version: 1", "version: \"1\""), []string{"c.yaml:2: version"}},
		{"version fraction", replace("version: 1", "version: 1.0"), []string{"c.yaml:2: version"}},
		{"severity", replace("severity: high", "severity: urgent"), []string{"c.yaml:4: severity"}},
		{"kind", replace("kind: account", "kind: acount"), []string{"c.yaml:3: kind \"acount\" does not exist"}},
		{"no English", replace("fix: {en: Enrol one.}", "fix: {es: Uno.}"), []string{"c.yaml:11: fix has no English text"}},
		{"text not by language", replace("fix: {en: Enrol one.}", "fix: Enrol one."), []string{"c.yaml:11: fix is not a mapping"}},
		{"language", replace("fix: {en: Enrol one.}", "fix: {en: a, 5: b}"), []string{"is not a language"}},
		{"fresh", replace("fresh: 72h", "fresh: 3d"), []string{"c.yaml:13: fresh"}},
		{"fresh negative", replace("fresh: 72h", "fresh: -72h"), []string{"c.yaml:13: fresh"}},
		{"fresh zero", replace("fresh: 72h", "fresh: 0s"), []string{"c.yaml:13: fresh"}},
		{"empty on each", replace("fresh: 72h", "empty: pass"), []string{"c.yaml:13: empty is for a check that judges the set"}},
		{"missing keys", "id: a\n", []string{"key kind is missing", "key pass is missing", "key examples is missing", "key controls is missing"}},
		{"misspelt field", replace("pass: account.mfa", "pass: account.mfaa"), []string{"c.yaml:7: column 14: field mfaa does not exist; did you mean mfa?"}},
		{"undeclared", replace("pass: account.mfa", "pass: acount.mfa"), []string{"c.yaml:7: column 7: acount is not declared"}},
		{"type", replace("pass: account.mfa", "pass: account.mfa == 'x'"), []string{"c.yaml:7: column "}},
		{"not bool", replace("pass: account.mfa", "pass: account.login"), []string{"c.yaml:7: column 7: pass is a value of type string"}},
		{"when not bool", replace("when: account.active", "when: account.login"), []string{"c.yaml:6: column 7: when is a value of type string"}},
		{"syntax", replace("pass: account.mfa", "pass: account.mfa &&"), []string{"c.yaml:7: column "}},
		{"has", replace("pass: account.mfa", "pass: has(account.mfa)"), []string{"c.yaml:7: column 10: has() is for data of an item only"}},
		{"has through reference", replace("pass: account.mfa", "pass: has(account.person.name)"), []string{"has() is for data of an item only"}},
		{"now", replace("pass: account.mfa", "pass: account.created_at < now"), []string{"c.yaml:7: column 28: now is not declared"}},
		{"quoted", replace("pass: account.mfa", "pass: 'account.login == ''x'' && account.mfaa'"), []string{"c.yaml:7: column 41: field mfaa"}},
		{"double quoted", replace("pass: account.mfa", `pass: "account.login == \"x\" && account.mfaa"`), []string{"c.yaml:7: column 41: field mfaa"}},
		{"block", replace("pass: account.mfa", "pass: |\n  account.mfa\n  && account.mfaa"), []string{"c.yaml:9: column 13: field mfaa"}},
		{"folded", replace("pass: account.mfa", "pass: >-\n  account.mfa\n  && account.mfaa"), []string{"c.yaml:9: column 13: field mfaa"}},
		{"plain over lines", replace("pass: account.mfa", "pass: account.mfa\n  && account.mfaa"), []string{"c.yaml:8: column 13: field mfaa"}},
		{"two errors", replace("pass: account.mfa", "pass: account.mfaa && account.logn == 'x'"), []string{"column 14: field mfaa", "column 30: field logn"}},
		{"text", replace("{{account.login}} has", "{{account.logn}} has"), []string{"c.yaml:9: column 17: field logn does not exist"}},
		{"text open", replace("{{account.login}} has", "{{account.login has"), []string{"c.yaml:9: column 8: {{ is never closed"}},
		{"text struct", replace("{{account.login}} has", "{{account.person}} has"), []string{"cannot be printed"}},
		{"title", replace("title: {en: Every", "title: {en: '{{x}} Every"), []string{"not YAML"}},
		{"title expression", replace("title: {en: Every account has a second factor", "title: {en: 'Every {{x}}'"), []string{"c.yaml:5: column 22: x is not declared"}},
		{"pattern length", replace("pass: account.mfa", "pass: account.login.matches('"+strings.Repeat("a", 501)+"')"), []string{"the pattern has 501 characters"}},
		{"pattern", replace("pass: account.mfa", "pass: account.login.matches('(')"), []string{"the pattern is not valid"}},
		{"no fail example", replace("want: fail", "want: pass"), []string{"no example has want: fail"}},
		{"want", replace("want: fail", "want: failure"), []string{"c.yaml:17: want \"failure\" is not an outcome", "no example has want: fail"}},
		{"no want", replace("want: fail, ", ""), []string{"c.yaml:17: the example does not say what it wants"}},
		{"example field", replace("login: a, active: true, mfa: true", "login: a, activ: true"), []string{"c.yaml:16: the example does not fit kind account: field \"activ\" does not exist"}},
		{"example type", replace("login: a, active: true, mfa: true", "login: a, active: 1"), []string{"c.yaml:16: the example does not fit kind account: field active has the wrong type"}},
		{"example key", replace("name: with, want: pass, account:", "name: with, want: pass, acount:"), []string{"key acount is not known in an example"}},
		{"example plural", replace("name: with, want: pass, account:", "name: with, want: pass, accounts:"), []string{"key accounts is not known in an example; the fact stands under account"}},
		{"example at", replace("name: with, ", "name: with, at: yesterday, "), []string{"at \"yesterday\" is not an instant"}},
		{"example params", replace("name: with, ", "name: with, params: {x: 1}, "), []string{"the check has no parameter x"}},
		{"params undeclared", replace("pass: account.mfa", "pass: account.uid > params.low"), []string{"the check declares no parameters"}},
		{"params misspelt", replace("pass: account.mfa", "params: {low: 1}\npass: account.uid > params.lw"), []string{"c.yaml:8: column 27: the parameter is not declared; declared are low"}},
		{"params null", replace("pass: account.mfa", "params: {low: ~}\npass: account.mfa"), []string{"c.yaml:7: parameter low has no value"}},
		{"params name", replace("pass: account.mfa", "params: {a-b: 1}\npass: account.mfa"), []string{"c.yaml:7: parameter \"a-b\" is not a name"}},
		{"kind near", replace("kind: account", "kind: acount"), []string{"kind \"acount\" does not exist; did you mean account?"}},
		{"kind plural", replace("kind: account", "kind: accounts"), []string{"kind \"accounts\" does not exist; did you mean account?"}},
		{"example twice", replace("login: a, active: true, mfa: true", "login: a, ACTIVE: true"), []string{"field \"ACTIVE\" does not exist in this kind; did you mean active?"}},
		{"make", replace("pass: account.mfa", "pass: account == account"), nil},
		{"bomb", bomb(), []string{"aliases expand beyond 1 MB"}},
		{"cycle", "a: &a [*a]\n", []string{"c.yaml:1: "}},
		{"struct compared", strings.Replace(file("repository", "pass: repository.protection == repository.protection\n"), "t.yaml", "c.yaml", 1), []string{"cannot be compared as a whole"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, problems := Parse("c.yaml", []byte(tt.text))
			var all []string
			for _, p := range problems {
				all = append(all, p.Error())
			}
			got := strings.Join(all, "\n")
			if (c == nil) != (tt.want != nil) {
				t.Errorf("loaded %v with problems:\n%s", c != nil, got)
			}
			for _, w := range tt.want {
				if !strings.Contains(got, w) {
					t.Errorf("got:\n%s\nwant %q in it", got, w)
				}
			}
		})
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [" + strings.Repeat("x,", 50) + "x]\n")
	for i := 1; i < 8; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9)+"1")
	}
	return b.String()
}

func TestSmallAliases(t *testing.T) {
	text := strings.Replace(whole, "pass, account: {login: a, active: true, mfa: true}", "pass, account: &x {login: a, active: true, mfa: true}", 1)
	text = strings.Replace(text, "want: not_applicable, account: {login: a, active: false}", "want: pass, account: *x", 1)
	c := parse(t, text)
	if p := c.RunExamples(); p != nil {
		t.Error(p)
	}
}

func TestTabsInBlockText(t *testing.T) {
	parse(t, strings.Replace(whole, "fix: {en: Enrol one.}", "fix:\n  en: |\n    First:\n    \tdo this\n\n    done", 1))
}

func TestLoad(t *testing.T) {
	folder := fstest.MapFS{
		"a.yaml":        {Data: []byte(whole)},
		"sub/b.yml":     {Data: []byte(strings.Replace(whole, "id: account-has-mfa", "id: b", 1))},
		"sub/c.yaml":    {Data: []byte(strings.Replace(whole, "pass: account.mfa", "pass: account.x", 1))},
		"sub/same.yaml": {Data: []byte(whole)},
		"README.md":     {Data: []byte("no check")},
	}
	s, problems := Load(folder)
	if len(s.All()) != 2 || s.All()[0].ID != "account-has-mfa" || s.All()[1].ID != "b" || len(s.ByKind("account")) != 2 {
		t.Errorf("loaded %d", len(s.All()))
	}
	if len(problems) != 2 || problems[0].File != "sub/c.yaml" || problems[1].File != "sub/same.yaml" || problems[1].Line != 1 {
		t.Errorf("got %v", problems)
	}
	if _, ok := s.ByID("b"); !ok {
		t.Error("no check b")
	}
	_, problems = LoadAll(NamedFS{Name: "ours", FS: folder}, NamedFS{Name: "theirs", FS: fstest.MapFS{"x.yaml": {Data: []byte(whole)}}})
	if p := problems[len(problems)-1]; p.File != "theirs/x.yaml" || !strings.Contains(p.What, "already taken by ours/a.yaml") {
		t.Errorf("got %v", p)
	}
}

func TestAnExampleWithoutANameIsToldByItsNumber(t *testing.T) {
	text := strings.Replace(file("account", "pass: account.mfa\n"), "name: ", "at: \"2026-01-01T00:00:00Z\", name: ", 1)
	c := parse(t, text)
	for i := range c.Examples {
		c.Examples[i].Name = ""
		c.Examples[i].Want = NotApplicable
	}
	problems := c.RunExamples()
	if len(problems) != len(c.Examples) {
		t.Fatalf("got %d problems, want %d", len(problems), len(c.Examples))
	}
	for i, p := range problems {
		if want := "example " + strconv.Itoa(i+1) + " gives "; !strings.HasPrefix(p.What, want) {
			t.Errorf("got %q, want it to begin with %q", p.What, want)
		}
	}
}
