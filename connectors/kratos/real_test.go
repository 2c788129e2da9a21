package kratos

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

const password = "correct-horse-7"

// A world is a real Kratos with people in it.
type world struct {
	*testkit.KratosServer
	t     *testing.T
	set   *check.Set
	ids   map[string]string
	hooks chan hook
}

type hook struct {
	header http.Header
	body   []byte
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ids: map[string]string{}, hooks: make(chan hook, 20)}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.hooks <- hook{r.Header, b}
	}))
	t.Cleanup(receiver.Close)
	w.KratosServer = testkit.Kratos(t, &testkit.KratosHook{URL: receiver.URL, Secret: fakeHook})
	var problems []check.Problem
	if w.set, problems = check.LoadAll(check.NamedFS{Name: "checks", FS: checks.Files()}); problems != nil {
		t.Fatal(problems)
	}
	for _, name := range []string{"ana", "bob", "carol"} {
		w.ids[name] = w.person(name)
	}
	return w
}

func (w *world) person(name string) string {
	w.t.Helper()
	out := w.Must("POST", "/admin/identities", object{
		"schema_id": "person", "metadata_admin": object{"role": map[bool]string{true: "owner", false: "member"}[name == "ana"]},
		"traits":      object{"email": name + "@acme.test", "name": object{"first": strings.ToUpper(name[:1]) + name[1:], "last": "Lima"}},
		"credentials": object{"password": object{"config": object{"password": password}}},
	})
	id, _ := out["id"].(string)
	return id
}

func (w *world) runAt(address string) connector.Run {
	dial := connector.NewDialer(connector.NetworkPolicy{AllowAll: true})
	c := connector.NewClient(connector.ClientConfig{Hosts: []string{address}, Dial: dial, Rate: -1, Attempts: 1, Attempt: 2 * time.Second, Secrets: []string{fakeHook}})
	w.t.Cleanup(c.CloseIdleConnections)
	s, err := connector.Check(New().Info(), map[string]any{"url": address, "webhook_secret": fakeHook, "admins": []string{"role=owner"}}, connector.FromConsole)
	if err != nil {
		w.t.Fatal(err)
	}
	return connector.Run{Source: "people", HTTP: c, Dial: dial, Now: time.Now, Settings: s, Memo: connector.NewMemo(1<<20, time.Now)}
}

func (w *world) run() connector.Run { return w.runAt(w.Admin) }

func (w *world) tripwire() map[string]string {
	w.t.Helper()
	h, err := (Connector{}).Tripwire(w.t.Context(), w.run())
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// changed is what the tripwire sees now that it did not see before.
func (w *world) changed(before map[string]string) []string {
	w.t.Helper()
	var out []string
	for k, v := range w.tripwire() {
		if old, seen := before[k]; seen && old != v {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) reread(targets ...string) *connector.Memory {
	w.t.Helper()
	m := connector.Record()
	if err := (Connector{}).Reread(w.t.Context(), w.run(), targets, m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// says judges an account as the engine would.
func (w *world) says(id string, m *connector.Memory, name string) check.Outcome {
	w.t.Helper()
	c, ok := w.set.ByID(id)
	if !ok {
		w.t.Fatalf("no check %s", id)
	}
	for _, f := range m.Facts() {
		if f.ID == "kratos/"+w.ids[name] {
			return c.Judge(check.Input{Fact: &f, Now: time.Now()}).Outcome
		}
	}
	w.t.Fatalf("%s was not read", name)
	return check.Unknown
}

// TestRealKratos is one story: break, see, mend.
func TestRealKratos(t *testing.T) {
	w := newWorld(t)
	t.Run("as it begins", w.begins)
	t.Run("a person enrols and removes a factor", w.factor)
	t.Run("an administrator removes a factor", w.removedByAdmin)
	t.Run("deactivated", w.deactivated)
	t.Run("made and deleted", w.deleted)
	t.Run("fake against the server", w.describes)
	t.Run("slow, cut and down", w.troubled)
}

func (w *world) begins(t *testing.T) {
	m := collect(t, w.run())
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("scope %s is %s: %s", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
	a := account(t, m, w.ids["ana"])
	checkJSON(t, "ana", []any{a.Login, a.Name, a.Email, a.Type, a.Active, a.Admin, a.MFA, a.MFAMethods, a.LastSignIn},
		`["ana@acme.test", "Ana Lima", "ana@acme.test", "human", true, true, false, [], null]`)
	if got := w.says("account-has-mfa", m, "ana"); got != check.Fail {
		t.Errorf("account-has-mfa of ana: %s, want fail", got)
	}
	id, err := (Connector{}).Identify(t.Context(), w.run())
	if err != nil || len(id.Missing) != 0 {
		t.Errorf("identity: %+v, %v", id, err)
	}
}

func (w *world) factor(t *testing.T) {
	before := w.tripwire()
	if d := w.changed(before); len(d) != 0 {
		t.Fatalf("nothing changed, and yet %v differ", d)
	}
	was := w.get(t, "ana")
	session := w.SignIn("ana@acme.test", password)
	w.EnrolTOTP(session)
	if now := w.get(t, "ana"); was["updated_at"] != now["updated_at"] {
		t.Error("Kratos now moves updated_at when a factor is enrolled: the documentation says that it does not")
	}
	ev := w.announced()
	d := w.changed(before)
	if want := []string{"identity:" + w.ids["ana"]}; !slices.Equal(d, want) || !slices.Equal(ev.Targets, want) {
		t.Fatalf("the tripwire saw %v, the hook told %v; want %v", d, ev.Targets, want)
	}
	m := w.reread(d...)
	if got := w.says("account-has-mfa", m, "ana"); got != check.Pass {
		t.Errorf("account-has-mfa of ana with a factor: %s, want pass", got)
	}
	a := account(t, m, w.ids["ana"])
	if at, ok := a.LastSignIn.Get(); !ok || time.Since(at) > time.Minute {
		t.Errorf("ana signed in now; got %v (known %v)", at, ok)
	}
	checkJSON(t, "methods", a.MFAMethods, `["totp"]`)
	before = w.tripwire()
	w.RemoveTOTP(session)
	m = w.reread(w.changed(before)...)
	if got := w.says("account-has-mfa", m, "ana"); got != check.Fail {
		t.Errorf("account-has-mfa of ana without the factor: %s, want fail", got)
	}
}

func (w *world) get(t *testing.T, name string) map[string]any {
	t.Helper()
	return w.Must("GET", "/admin/identities/"+w.ids[name], nil)
}

// announced waits for the web_hook action.
func (w *world) announced() connector.Event {
	w.t.Helper()
	select {
	case h := <-w.hooks:
		if _, err := (Connector{}).Webhook(w.t.Context(), w.run(), http.Header{"Prumo-Secret": {"wrong"}}, h.body); err == nil {
			w.t.Error("a wrong secret was taken")
		}
		ev, err := (Connector{}).Webhook(w.t.Context(), w.run(), h.header, h.body)
		if err != nil {
			w.t.Fatal(err)
		}
		return ev
	case <-time.After(10 * time.Second):
		w.t.Fatal("Kratos called nobody")
		return connector.Event{}
	}
}

func (w *world) removedByAdmin(t *testing.T) {
	w.EnrolTOTP(w.SignIn("bob@acme.test", password))
	before := w.tripwire()
	if got := w.says("account-has-mfa", collect(t, w.run()), "bob"); got != check.Pass {
		t.Errorf("account-has-mfa of bob: %s, want pass", got)
	}
	w.Must("DELETE", "/admin/identities/"+w.ids["bob"]+"/credentials/totp", nil)
	d := w.changed(before)
	if got := w.says("account-has-mfa", w.reread(d...), "bob"); got != check.Fail {
		t.Errorf("account-has-mfa of bob after the removal (%v): %s, want fail", d, got)
	}
}

func (w *world) deactivated(t *testing.T) {
	before := w.tripwire()
	w.Must("PATCH", "/admin/identities/"+w.ids["carol"], []object{{"op": "replace", "path": "/state", "value": "inactive"}})
	d := w.changed(before)
	m := w.reread(d...)
	if active, known := account(t, m, w.ids["carol"]).Active.Get(); active || !known {
		t.Errorf("carol is active %v (known %v), want known to be inactive", active, known)
	}
	if got := w.says("account-has-mfa", m, "carol"); got != check.NotApplicable {
		t.Errorf("account-has-mfa of carol: %s, want not applicable", got)
	}
	for _, s := range m.Scopes() {
		if s.Reading == fact.Complete || !s.Detail.Targeted {
			t.Errorf("scope %s of a targeted reading: %s", s.Scope.Name, s.Reading)
		}
	}
}

func (w *world) deleted(t *testing.T) {
	before := w.tripwire()
	w.ids["dora"] = w.person("dora")
	d := w.changed(before)
	if !slices.Equal(d, []string{"accounts"}) {
		t.Fatalf("a new identity: the tripwire saw %v, want the set", d)
	}
	if got := len(w.reread(d...).Facts()); got != 5 {
		t.Errorf("%d facts, want four identities and the tenant", got)
	}
	before = w.tripwire()
	w.Must("DELETE", "/admin/identities/"+w.ids["dora"], nil)
	m := w.reread(w.changed(before)...)
	if got := len(m.Facts()); got != 4 || m.Scopes()[0].Reading != fact.Complete {
		t.Errorf("%d facts, scope %s; want three identities and the tenant in a complete scope", got, m.Scopes()[0].Reading)
	}
	m = w.reread("identity:" + w.ids["dora"])
	if s := m.Scopes()[0]; s.Reading == fact.Complete || len(m.Facts()) != 0 {
		t.Errorf("an identity that is gone, asked for alone: %s with %d facts", s.Reading, len(m.Facts()))
	}
}

// describes holds the fake to the server: the fields that it gives are the server's.
func (w *world) describes(t *testing.T) {
	w.EnrolTOTP(w.SignIn("ana@acme.test", password))
	f := httptest.NewServer(newFake())
	t.Cleanup(f.Close)
	for _, path := range []string{"/admin/identities?" + withFactors, "/admin/identities?page_size=1", "/admin/sessions?expand=identity"} {
		var real, fake []map[string]any
		read := func(run connector.Run, v *[]map[string]any) {
			a, err := newAPI(run)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.get(t.Context(), path, v); err != nil {
				t.Fatal(err)
			}
		}
		read(w.run(), &real)
		read(testRun(t, newFake(), nil), &fake)
		for _, k := range keys(fake[0]) {
			if _, ok := real[0][k]; !ok && k != "credentials" {
				t.Errorf("%s: the fake has %s, the server does not", path, k)
			}
		}
		_, shown := real[0]["credentials"]
		if want := strings.Contains(path, withFactors); shown != want {
			t.Errorf("%s: credentials shown %v, want %v", path, shown, want)
		}
		if text := fmt.Sprint(real); strings.Contains(text, "otpauth") || strings.Contains(text, "$2a$") {
			t.Errorf("%s: a seed or a hash came over the wire", path)
		}
	}
}

func keys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

func (w *world) troubled(t *testing.T) {
	proxy := testkit.Toxiproxy(t).Proxy(strings.TrimPrefix(w.Admin, "http://"))
	look := func() *connector.Memory { return collect(t, w.runAt("http://"+proxy.Addr)) }
	for _, s := range look().Scopes() {
		if s.Reading != fact.Complete {
			t.Fatalf("through the proxy: scope %s is %s", s.Scope.Name, s.Reading)
		}
	}
	for name, trouble := range map[string]func(){"cut": func() { proxy.Cut(700) }, "reset": proxy.Reset, "hang": proxy.Hang, "slow": func() { proxy.Slow(5 * time.Second) }, "down": proxy.Down} {
		trouble()
		for _, s := range look().Scopes() {
			if s.Reading == fact.Complete || s.Detail.Why == "" {
				t.Errorf("%s: scope %s is %s (%q), want it partial with a reason", name, s.Scope.Name, s.Reading, s.Detail.Why)
			}
		}
		if h, err := (Connector{}).Tripwire(t.Context(), w.runAt("http://"+proxy.Addr)); err == nil {
			t.Errorf("%s: the tripwire gave %d hashes and no error", name, len(h))
		}
		proxy.Up()
		proxy.Mend()
	}
	for _, s := range look().Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("mended: scope %s is %s", s.Scope.Name, s.Reading)
		}
	}
}
