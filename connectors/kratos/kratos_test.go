package kratos

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/connectortest"
	"prumo.dev/prumo/internal/fact"
)

func testSettings(address string) connector.Settings {
	return connector.Settings{
		"url": address, "token": fakeToken, "webhook_secret": fakeHook, "email_trait": "email", "name_traits": []string{"name"}, "sessions": true,
		"services": []string{"robot@acme.test"}, "admins": []string{"role=owner"}, "outside": []string{fakeID(4)}, "name": "Employees",
	}
}

func TestExam(t *testing.T) {
	connectortest.Run(t, New(), connectortest.Case{
		Upstream: func() http.Handler { return newFake() },
		Settings: testSettings,
		Targets:  []string{"identity:" + fakeID(1), "identity:" + fakeID(5)},
		Now:      func() time.Time { return testNow },
	})
}

func TestExamWholeAgain(t *testing.T) {
	connectortest.Run(t, New(), connectortest.Case{
		Upstream: func() http.Handler { f := newFake(); f.shy = true; return f },
		Settings: testSettings,
		Targets:  []string{"accounts"},
		Now:      func() time.Time { return testNow },
	})
}

func testRun(t *testing.T, f http.Handler, change func(connector.Settings)) connector.Run {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	s := testSettings(srv.URL)
	if change != nil {
		change(s)
	}
	dial := connector.NewDialer(connector.NetworkPolicy{AllowAll: true})
	now := func() time.Time { return testNow }
	client := connector.NewClient(connector.ClientConfig{Hosts: []string{srv.URL}, Dial: dial, Rate: -1, Attempts: 1, Now: now, Secrets: []string{fakeToken, fakeHook}})
	return connector.Run{Source: "people", Settings: s, HTTP: client, Dial: dial, Now: now, Memo: connector.NewMemo(1<<20, now)}
}

func collect(t *testing.T, run connector.Run) *connector.Memory {
	t.Helper()
	m := connector.Record()
	if err := New().Collect(t.Context(), run, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func account(t *testing.T, m *connector.Memory, id string) fact.Account {
	t.Helper()
	return data[fact.Account](t, m, "kratos/"+id)
}

func data[T any](t *testing.T, m *connector.Memory, id string) T {
	t.Helper()
	var v T
	for _, f := range m.Facts() {
		if f.ID == id {
			if err := json.Unmarshal(f.Data, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no %s among %d facts", id, len(m.Facts()))
	return v
}

// checkJSON compares a value as JSON, so that unknown fields are left out.
func checkJSON(t *testing.T, what string, got any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var g, w any
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestCollect(t *testing.T) {
	m := collect(t, testRun(t, newFake(), nil))
	checkJSON(t, "ana", account(t, m, fakeID(1)), `{
		"login": "ana@acme.test", "name": "Ana Lima", "email": "ana@acme.test", "system": "kratos", "type": "human", "active": true, "admin": false, "external": false,
		"mfa": true, "mfa_methods": ["lookup_secret", "totp"], "created_at": "2025-03-01T12:00:00Z", "last_sign_in": "2026-02-28T12:00:00Z", "never_signed_in": false
	}`)
	checkJSON(t, "bob", account(t, m, fakeID(2)), `{
		"login": "bob@acme.test", "name": "Bob Lima", "email": "bob@acme.test", "system": "kratos", "type": "human", "active": true, "admin": false, "external": false,
		"mfa": false, "mfa_methods": [], "created_at": "2025-03-01T12:00:00Z", "last_sign_in": "2026-02-26T12:00:00Z", "never_signed_in": false
	}`)
	if a := account(t, m, fakeID(4)); a.MFA.Known() || a.LastSignIn.Known() || a.NeverSignedIn.Known() {
		t.Errorf("dora signs in elsewhere and has no session; got %+v, want second factor and sign-in unknown", a)
	}
	checkJSON(t, "dora, from outside", account(t, m, fakeID(4)).External, `true`)
	checkJSON(t, "robot", account(t, m, fakeID(5)), `{
		"login": "robot@acme.test", "name": "Robot Lima", "email": "robot@acme.test", "system": "kratos", "type": "service", "active": true, "admin": false, "external": false,
		"mfa": false, "mfa_methods": [], "created_at": "2025-03-01T12:00:00Z"
	}`)
	host := strings.TrimPrefix(m.Facts()[len(m.Facts())-1].ID, "kratos/")
	checkJSON(t, "tenant", data[fact.Tenant](t, m, "kratos/"+host), `{"name": "Employees", "system": "kratos", "members": 5}`)
}

// An identity that cannot be understood hides no other, and the reading says that
// it is not whole.
func TestOddIdentity(t *testing.T) {
	f := newFake()
	f.people[1]["state"] = "frozen"
	m := collect(t, testRun(t, f, nil))
	if s := m.Scopes()[0]; s.Reading != fact.Partial || len(m.Facts()) != 5 {
		t.Errorf("%s with %d facts, want it partial with four identities and the tenant", s.Reading, len(m.Facts()))
	}
	h, err := (Connector{}).Tripwire(t.Context(), testRun(t, f, nil))
	if err != nil || len(h) != 5 {
		t.Errorf("the tripwire saw %d, %v; want four identities and the set", len(h), err)
	}
}

// Identities that carry much are read in smaller pages.
func TestLongPages(t *testing.T) {
	f := newFake()
	run := testRun(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page_size") == "500" {
			_, _ = w.Write([]byte("[" + strings.Repeat(" ", 17<<20) + "]"))
			return
		}
		f.ServeHTTP(w, r)
	}), nil)
	m := collect(t, run)
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete || len(m.Facts()) != 6 {
			t.Errorf("scope %s is %s (%s) with %d facts", s.Scope.Name, s.Reading, s.Detail.Why, len(m.Facts()))
		}
	}
}

// The rules of aal2, and what Kratos does not know.
func TestJudge(t *testing.T) {
	key := func(passwordless bool) apiCredential {
		return apiCredential{Config: json.RawMessage(fmt.Sprintf(`{"credentials":[{"is_passwordless":%v}]}`, passwordless))}
	}
	no := apiCredential{}
	yes, off := fact.Some(true), fact.Some(false)
	for name, c := range map[string]struct {
		creds map[string]apiCredential
		rules rules
		want  string
	}{
		"not told":                      {nil, rules{}, `[null,null]`},
		"nothing":                       {map[string]apiCredential{}, rules{}, `[false,[]]`},
		"totp":                          {map[string]apiCredential{"password": no, "totp": no}, rules{}, `[true,["totp"]]`},
		"totp, which nobody asks for":   {map[string]apiCredential{"password": no, "totp": no}, rules{asked: off}, `[false,["totp"]]`},
		"security key":                  {map[string]apiCredential{"password": no, "webauthn": key(false)}, rules{}, `[true,["webauthn"]]`},
		"key in place of the password":  {map[string]apiCredential{"password": no, "webauthn": key(true)}, rules{}, `[null,[]]`},
		"key without its configuration": {map[string]apiCredential{"password": no, "webauthn": no}, rules{}, `[null,null]`},
		"the last key was removed":      {map[string]apiCredential{"password": no, "webauthn": {Config: json.RawMessage(`{"credentials":[]}`)}}, rules{}, `[false,[]]`},
		"passkey":                       {map[string]apiCredential{"password": no, "passkey": no}, rules{}, `[null,[]]`},
		"another provider":              {map[string]apiCredential{"password": no, "oidc": no}, rules{}, `[null,[]]`},
		"another provider, and totp":    {map[string]apiCredential{"oidc": no, "totp": no}, rules{}, `[true,["totp"]]`},
		"code, unknown for what":        {map[string]apiCredential{"password": no, "code": no}, rules{}, `[null,null]`},
		"code to sign in":               {map[string]apiCredential{"code": no}, rules{codeMFA: off}, `[false,[]]`},
		"code as the second factor":     {map[string]apiCredential{"password": no, "code": no}, rules{codeMFA: yes}, `[true,["code"]]`},
	} {
		f := judge(c.creds, c.rules)
		checkJSON(t, name, []any{f.mfa, f.methods}, c.want)
	}
}

func TestRulesFile(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "kratos.yml")
	text := "secrets: {cookie: [very-secret-cookie]}\nsession: {lifespan: 8h, whoami: {required_aal: aal1}}\nselfservice:\n  methods:\n    password: {config: {min_password_length: 12, haveibeenpwned_enabled: false}}\n    totp: {enabled: true}\n    webauthn: {enabled: true, config: {passwordless: true}}\n    code: {mfa_enabled: true}\n  flows: {registration: {enabled: false}}\n"
	if err := os.WriteFile(good, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m := collect(t, testRun(t, newFake(), func(s connector.Settings) { s["config"], s["mfa_required"] = good, true }))
	last := m.Facts()[len(m.Facts())-1]
	checkJSON(t, "tenant", data[fact.Tenant](t, m, last.ID), `{
		"name": "Employees", "system": "kratos", "members": 5, "mfa_required": true, "mfa_methods": ["code", "totp"], "password_min_length": 12,
		"password_breached_refused": false, "session_seconds": 28800, "self_registration": false
	}`)
	if mfa, known := account(t, m, fakeID(1)).MFA.Get(); mfa || !known {
		t.Errorf("ana's second factor, for which nobody asks: %v (known %v), want false", mfa, known)
	}
	bad := filepath.Join(dir, "bad.yml")
	if err := os.WriteFile(bad, []byte("secrets: {cookie: [very-secret-cookie\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, filepath.Join(dir, "absent.yml"), dir} {
		m := collect(t, testRun(t, newFake(), func(s connector.Settings) { s["config"] = path }))
		for _, s := range m.Scopes() {
			if s.Scope.Name == scopeTenant && s.Reading != fact.Partial || strings.Contains(fmt.Sprint(s), "very-secret") {
				t.Errorf("%s: scope %+v, want it partial without a word of the file", path, s)
			}
		}
	}
}

func TestAdmins(t *testing.T) {
	meta := func(s string) apiIdentity { return apiIdentity{SchemaID: "staff", MetadataAdmin: json.RawMessage(s)} }
	for _, c := range []struct {
		rules []string
		i     apiIdentity
		want  string
	}{
		{nil, meta(`{"admin":true}`), "null"},
		{[]string{"admin"}, meta(`{"admin":true}`), "true"},
		{[]string{"admin"}, meta(`{"admin":"yes"}`), "false"},
		{[]string{"admin"}, meta(`null`), "false"},
		{[]string{"admin"}, apiIdentity{}, "null"},
		{[]string{"a.roles=owner"}, meta(`{"a":{"roles":["reader","owner"]}}`), "true"},
		{[]string{"schema:staff", "x"}, apiIdentity{SchemaID: "staff"}, "true"},
		{[]string{"schema:other"}, meta(`[]`), "false"},
	} {
		checkJSON(t, fmt.Sprint(c.rules), isAdmin(c.rules, c.i), c.want)
	}
}

// A second reading goes through the sessions only as far as it has not been.
func TestSessionsAreRemembered(t *testing.T) {
	f := newFake()
	for n := range 40 {
		f.sessions = append(f.sessions, fakeSession(10+n, 2, 40+n))
	}
	run := testRun(t, f, nil)
	first := collect(t, run)
	before := len(f.asked)
	f.sessions = append([]object{fakeSession(90, 3, 0)}, f.sessions...)
	f.asked = nil
	second := collect(t, run)
	if n := len(f.asked); n*3 > before {
		t.Errorf("the second reading sent %d requests, the first %d", n, before)
	}
	for _, id := range []int{1, 2} {
		if d := cmp.Diff(account(t, first, fakeID(id)).LastSignIn, account(t, second, fakeID(id)).LastSignIn, cmp.AllowUnexported(fact.Opt[time.Time]{})); d != "" {
			t.Error(d)
		}
	}
	if at, _ := account(t, second, fakeID(3)).LastSignIn.Get(); !at.Equal(testNow) {
		t.Errorf("carol signed in now, got %v", at)
	}
}

// With more identities than requests, the tripwire stays within its bound and gets
// round to every one.
func TestTripwireTakesTurns(t *testing.T) {
	f := newFake()
	run := testRun(t, f, func(s connector.Settings) { s["tripwire_requests"] = int64(1) })
	seen := map[string]string{}
	for range 3 {
		f.asked = nil
		hashes, err := (Connector{}).Tripwire(t.Context(), run)
		if err != nil || len(f.asked) != 1 {
			t.Fatalf("%d requests, %v; want one", len(f.asked), err)
		}
		for k, v := range hashes {
			seen[k] = v
		}
	}
	if len(seen) != 5 || seen[scopeAccounts] != "" {
		t.Errorf("three turns saw %d of 5 identities: %v", len(seen), seen)
	}
	run = testRun(t, f, nil)
	a, err := (Connector{}).Tripwire(t.Context(), run)
	if err != nil || len(a) != 6 {
		t.Fatalf("%d hashes, %v; want five identities and the set", len(a), err)
	}
	f.people = f.people[:4]
	b, err := (Connector{}).Tripwire(t.Context(), run)
	if err != nil || a[scopeAccounts] == b[scopeAccounts] {
		t.Errorf("a deleted identity went unseen (%v)", err)
	}
}

func TestWebhook(t *testing.T) {
	run := testRun(t, newFake(), nil)
	body := []byte(`{"identity":"` + fakeID(1) + `"}`)
	ev, err := (Connector{}).Webhook(t.Context(), run, http.Header{"Prumo-Secret": {fakeHook}}, body)
	if err != nil || !slices.Equal(ev.Targets, []string{"identity:" + fakeID(1)}) {
		t.Errorf("got %+v, %v", ev, err)
	}
	for name, h := range map[string]http.Header{"none": {}, "wrong": {"Prumo-Secret": {"x"}}, "empty": {"Prumo-Secret": {""}}} {
		if _, err := (Connector{}).Webhook(t.Context(), run, h, body); !errors.Is(err, connector.ErrSignature) {
			t.Errorf("%s secret: %v, want it refused", name, err)
		}
	}
	run.Settings["webhook_secret"] = ""
	if _, err := (Connector{}).Webhook(t.Context(), run, http.Header{"Prumo-Secret": {""}}, body); !errors.Is(err, connector.ErrSignature) {
		t.Errorf("without a secret of ours: %v, want it refused", err)
	}
}

func TestIdentify(t *testing.T) {
	run := testRun(t, newFake(), nil)
	id, err := (Connector{}).Identify(t.Context(), run)
	if err != nil || len(id.Missing) != 0 || len(id.Excess) != 1 || id.ReadOnly.Known() {
		t.Errorf("got %+v, %v; want nothing missing and read-only unknown", id, err)
	}
	run.Settings["token"] = "wrong-token-1234"
	if id, err = (Connector{}).Identify(t.Context(), run); err != nil || len(id.Missing) != 2 {
		t.Errorf("a wrong key: %+v, %v; want both permissions missing", id, err)
	}
}

func FuzzHook(f *testing.F) {
	f.Add([]byte(`{"identity":"` + fakeID(1) + `"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ev, err := parseHook(b)
		for _, target := range ev.Targets {
			if err != nil || len(target) != len(identityMark)+36 {
				t.Errorf("%q gave %q, %v", b, target, err)
			}
		}
	})
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("session: {lifespan: 8h}\nselfservice: {methods: {password: {config: {min_password_length: 12}}}}"))
	f.Add([]byte(`{"selfservice":{"methods":{"totp":{"enabled":true}}}}`))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseRules(b) })
}

// FuzzIdentity makes facts of what a system may answer: none may break the kind.
func FuzzIdentity(f *testing.F) {
	for _, p := range newFake().people {
		b, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var i apiIdentity
		if json.Unmarshal(b, &i) != nil || i.check() != nil {
			return
		}
		r := &reader{run: connector.Run{Settings: testSettings("http://k")}}
		data, err := json.Marshal(r.fact(i, nil))
		if err != nil {
			return // a year beyond 9999
		}
		k, _ := fact.KindNamed("account")
		if _, err := fact.Decode(k, data); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		fingerprint(i)
	})
}
