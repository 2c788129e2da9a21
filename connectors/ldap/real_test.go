package ldap

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

const (
	prumoDN  = "cn=prumo,ou=services,dc=acme,dc=test"
	password = "reads-for-one-test"
)

const people = `dn: dc=acme,dc=test
objectClass: domain
dc: acme

dn: ou=people,dc=acme,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=services,dc=acme,dc=test
objectClass: organizationalUnit
ou: services

dn: ou=groups,dc=acme,dc=test
objectClass: organizationalUnit
ou: groups

dn: cn=default,ou=groups,dc=acme,dc=test
objectClass: pwdPolicy
objectClass: device
cn: default
pwdAttribute: userPassword
pwdMinLength: 12
pwdLockout: TRUE
pwdMaxFailure: 3
pwdLockoutDuration: 600

dn: cn=prumo,ou=services,dc=acme,dc=test
objectClass: simpleSecurityObject
objectClass: organizationalRole
cn: prumo
userPassword: ` + password + `

`

func person(uid string, n int, more ...string) string {
	return fmt.Sprintf(`dn: uid=%s,ou=people,dc=acme,dc=test
objectClass: inetOrgPerson
objectClass: posixAccount
objectClass: shadowAccount
uid: %s
cn: %s Lima
sn: Lima
mail: %s@acme.test
uidNumber: %d
gidNumber: 100
homeDirectory: /home/%s
userPassword: right-%s
%s
`, uid, uid, strings.ToUpper(uid[:1])+uid[1:], uid, 1000+n, uid, uid, strings.Join(append(more, ""), "\n"))
}

func groupOf(name string, members ...string) string {
	s := "dn: cn=" + name + ",ou=groups,dc=acme,dc=test\nobjectClass: groupOfNames\ncn: " + name + "\n"
	for _, m := range members {
		s += "member: " + m + "\n"
	}
	return s + "\n"
}

func uid(name string) string { return "uid=" + name + ",ou=people,dc=acme,dc=test" }

func inGroups(name string) string { return "cn=" + name + ",ou=groups,dc=acme,dc=test" }

// A world is a real OpenLDAP with people in it.
type world struct {
	*testkit.LDAPServer
	t   *testing.T
	set *check.Set
}

func newWorld(t *testing.T, cfg testkit.LDAPConfig) *world {
	t.Helper()
	w := &world{t: t}
	cfg.Database = append(cfg.Database, "lastbind on", "access to attrs=userPassword by self write by anonymous auth by * none", "access to * by * read",
		"overlay ppolicy", `ppolicy_default "cn=default,ou=groups,dc=acme,dc=test"`)
	w.LDAPServer = testkit.LDAP(t, cfg)
	var problems []check.Problem
	if w.set, problems = check.LoadAll(check.NamedFS{Name: "checks", FS: checks.Files()}); problems != nil {
		t.Fatal(problems)
	}
	w.Change(people + person("ana", 1) + person("bob", 2, "loginShell: /usr/sbin/nologin") + person("carol", 3, "shadowExpire: 40000") +
		groupOf("admins", inGroups("leads")) + groupOf("leads", uid("bob"), inGroups("admins")) +
		"dn: cn=devs,ou=groups,dc=acme,dc=test\nobjectClass: posixGroup\ncn: devs\ngidNumber: 100\n\n" +
		"dn: cn=ops,ou=groups,dc=acme,dc=test\nobjectClass: posixGroup\ncn: ops\ngidNumber: 101\nmemberUid: ana\n")
	return w
}

func (w *world) run(change func(map[string]any)) connector.Run {
	w.t.Helper()
	raw := map[string]any{
		"url": "ldaps://" + w.TLSAddr, "ca": w.CA, "bind_dn": prumoDN, "password": password, "base": w.Base,
		"services": []string{"ou=services," + w.Base}, "admin_groups": []string{"admins"},
	}
	if change != nil {
		change(raw)
	}
	s, err := connector.Check(New().Info(), raw, connector.FromConsole)
	if err != nil {
		w.t.Fatal(err)
	}
	return connector.Run{Source: "directory", Settings: s, Dial: connector.NewDialer(connector.NetworkPolicy{AllowAll: true}), Now: time.Now}
}

func (w *world) collect(change func(map[string]any)) *connector.Memory {
	w.t.Helper()
	m := connector.Record()
	if err := New().Collect(w.t.Context(), w.run(change), m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) tripwire() map[string]string {
	w.t.Helper()
	h, err := (Connector{}).Tripwire(w.t.Context(), w.run(nil))
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// seen reads again what the tripwire sees now that it did not see before.
func (w *world) seen(before map[string]string, want ...string) *connector.Memory {
	w.t.Helper()
	var targets []string
	for k, v := range w.tripwire() {
		if old, was := before[k]; was && old != v {
			targets = append(targets, k)
		}
	}
	slices.Sort(targets)
	if !slices.Equal(targets, want) {
		w.t.Errorf("the tripwire saw %v, want %v", targets, want)
	}
	m := connector.Record()
	if err := (Connector{}).Reread(w.t.Context(), w.run(nil), targets, m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) says(id string, m *connector.Memory, factID string) check.Outcome {
	w.t.Helper()
	c, ok := w.set.ByID(id)
	if !ok {
		w.t.Fatalf("no check %s", id)
	}
	for _, f := range m.Facts() {
		if f.ID == factID {
			return c.Judge(check.Input{Fact: &f, Now: time.Now()}).Outcome
		}
	}
	w.t.Fatalf("%s was not read", factID)
	return check.Unknown
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

func account(t *testing.T, m *connector.Memory, name string) fact.Account {
	t.Helper()
	return data[fact.Account](t, m, "ldap/"+uid(name))
}

func tenant(t *testing.T, m *connector.Memory) fact.Tenant {
	t.Helper()
	return data[fact.Tenant](t, m, "ldap/dc=acme,dc=test")
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

func complete(t *testing.T, m *connector.Memory) {
	t.Helper()
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("scope %s is %s: %s", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
}

// TestRealOpenLDAP is one story: break, see, mend.
func TestRealOpenLDAP(t *testing.T) {
	w := newWorld(t, testkit.LDAPConfig{})
	t.Run("as it begins", w.begins)
	t.Run("locked by failed sign-ins", w.lockedOut)
	t.Run("locked by an administrator", w.disabled)
	t.Run("expired", w.expired)
	t.Run("made an administrator", w.promoted)
	t.Run("made and deleted", w.deleted)
	t.Run("sign-ins do not trip", w.signIn)
	t.Run("refused", w.refused)
	t.Run("plain and StartTLS", w.plain)
	t.Run("slow, cut and down", w.troubled)
}

func (w *world) begins(t *testing.T) {
	m := w.collect(nil)
	complete(t, m)
	a := account(t, m, "ana")
	checkJSON(t, "ana", []any{a.Login, a.Name, a.Email, a.System, a.Type, a.Active, a.Locked, a.Admin, a.UID, a.Groups, a.MFA, a.ExpiresAt, a.LastSignIn},
		`["ana", "Ana Lima", "ana@acme.test", "ldap", "human", true, false, false, 1001, ["devs", "ops"], null, null, null]`)
	b := account(t, m, "bob")
	checkJSON(t, "bob", []any{b.Admin, b.Interactive, b.Groups}, `[true, false, ["admins", "devs", "leads"]]`)
	c := account(t, m, "carol")
	checkJSON(t, "carol", []any{c.Active, c.ExpiresAt}, `[true, "2079-07-08T00:00:00Z"]`)
	s := data[fact.Account](t, m, "ldap/"+prumoDN)
	checkJSON(t, "prumo", []any{s.Login, s.Type}, `["prumo", "service"]`)
	checkJSON(t, "tenant", tenant(t, m), `{
		"name": "dc=acme,dc=test", "system": "ldap", "members": 4, "password_min_length": 12, "lockout_attempts": 3, "anonymous_access": true
	}`)
	for id, want := range map[string]check.Outcome{
		"tenant-needs-long-passwords": check.Unknown, "tenant-limits-guessing": check.Pass, "tenant-refuses-strangers": check.Fail, "tenant-asks-second-factor": check.Unknown,
	} {
		if got := w.says(id, m, "ldap/dc=acme,dc=test"); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if d := w.collect(func(s map[string]any) { s["base"] = "" }); len(d.Facts()) != len(m.Facts()) {
		t.Errorf("without a base: %d facts, with it %d", len(d.Facts()), len(m.Facts()))
	}
	if a := account(t, w.collect(func(s map[string]any) { s["admin_groups"] = []string{"admins", "admnis"} }), "ana"); a.Admin.Known() {
		t.Error("a group of administrators is misspelt and ana is known to be none")
	}
	typed := w.collect(func(s map[string]any) {
		delete(s, "services")
		s["service_filter"] = "(objectClass=simpleSecurityObject)"
	})
	checkJSON(t, "types by filter", []any{account(t, typed, "ana").Type, data[fact.Account](t, typed, "ldap/"+prumoDN).Type}, `["human", "service"]`)
	outside := w.collect(func(s map[string]any) { s["outside"] = []string{"CAROL", "ou=guests," + w.Base} })
	checkJSON(t, "from outside", []any{account(t, outside, "ana").External, account(t, outside, "carol").External, account(t, m, "ana").External}, `[false, true, null]`)
	if a := account(t, w.collect(func(s map[string]any) { delete(s, "services") }), "ana"); a.Type.Known() {
		t.Error("nobody said who is a program, and yet it is known")
	}
	id, err := (Connector{}).Identify(t.Context(), w.run(nil))
	if err != nil || id.System != "OpenLDAP" || id.Name != prumoDN || len(id.Missing) != 0 || id.ReadOnly.Known() {
		t.Errorf("identity %+v, %v", id, err)
	}
}

func (w *world) lockedOut(t *testing.T) {
	before := w.tripwire()
	for range 3 {
		if w.Binds(uid("ana"), "wrong") {
			t.Fatal("a wrong password was taken")
		}
	}
	if w.Binds(uid("ana"), "right-ana") {
		t.Fatal("ana is not locked out: the policy does not work")
	}
	m := w.seen(before, "account:"+uid("ana"))
	a := account(t, m, "ana")
	checkJSON(t, "ana, locked out", []any{a.Locked, a.Active}, `[true, true]`)
	run := w.run(nil)
	run.Now = func() time.Time { return time.Now().Add(11 * time.Minute) }
	later := connector.Record()
	if err := New().Collect(t.Context(), run, later); err != nil {
		t.Fatal(err)
	}
	checkJSON(t, "ana, after the lock's ten minutes", account(t, later, "ana").Locked, `false`)
	before = w.tripwire()
	w.Change("dn: " + uid("ana") + "\nchangetype: modify\ndelete: pwdAccountLockedTime\n")
	checkJSON(t, "ana, unlocked", account(t, w.seen(before, "account:"+uid("ana")), "ana").Locked, `false`)
}

func (w *world) disabled(t *testing.T) {
	before := w.tripwire()
	w.Change("dn: " + uid("ana") + "\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n")
	if w.Binds(uid("ana"), "right-ana") {
		t.Fatal("ana is let in")
	}
	m := w.seen(before, "account:"+uid("ana"))
	a := account(t, m, "ana")
	checkJSON(t, "ana, disabled", []any{a.Locked, a.Active}, `[true, false]`)
	if got := w.says("account-has-mfa", m, "ldap/"+uid("ana")); got != check.NotApplicable {
		t.Errorf("account-has-mfa: %s, want not applicable", got)
	}
	before = w.tripwire()
	w.Change("dn: " + uid("ana") + "\nchangetype: modify\ndelete: pwdAccountLockedTime\n")
	m = w.seen(before, "account:"+uid("ana"))
	if got := w.says("account-has-mfa", m, "ldap/"+uid("ana")); got != check.Unknown {
		t.Errorf("account-has-mfa: %s, want unknown: a directory shows no second factor", got)
	}
}

func (w *world) expired(t *testing.T) {
	before := w.tripwire()
	w.Change("dn: " + uid("carol") + "\nchangetype: modify\nreplace: shadowExpire\nshadowExpire: 19000\n")
	a := account(t, w.seen(before, "account:"+uid("carol")), "carol")
	checkJSON(t, "carol, expired", []any{a.Active, a.ExpiresAt}, `[false, "2022-01-08T00:00:00Z"]`)
}

func (w *world) promoted(t *testing.T) {
	before := w.tripwire()
	w.Change("dn: " + inGroups("leads") + "\nchangetype: modify\nadd: member\nmember: UID=Ana, OU=people,dc=acme,dc=test\n")
	m := w.seen(before, "accounts")
	complete(t, m)
	a := account(t, m, "ana")
	checkJSON(t, "ana, promoted", []any{a.Admin, a.Groups}, `[true, ["admins", "devs", "leads", "ops"]]`)
	before = w.tripwire()
	w.Change("dn: " + inGroups("leads") + "\nchangetype: modify\ndelete: member\nmember: " + uid("ana") + "\n")
	checkJSON(t, "ana, demoted", account(t, w.seen(before, "accounts"), "ana").Admin, `false`)
}

func (w *world) deleted(t *testing.T) {
	before := w.tripwire()
	w.Change(strings.ReplaceAll(person("eve", 9), "uid=eve,", `uid=eve\, the \22new\22,`) + "\n")
	m := w.seen(before, "accounts")
	if got := len(m.Facts()); got != 6 {
		t.Errorf("%d facts, want five accounts and the tenant", got)
	}
	before = w.tripwire()
	w.Change(`dn: uid=eve\, the \22new\22,ou=people,dc=acme,dc=test` + "\nchangetype: delete\n")
	m = w.seen(before, "accounts")
	complete(t, m)
	if got := len(m.Facts()); got != 5 {
		t.Errorf("%d facts, want four accounts and the tenant", got)
	}
}

func (w *world) signIn(t *testing.T) {
	before := w.tripwire()
	if !w.Binds(uid("ana"), "right-ana") {
		t.Fatal("ana is refused")
	}
	w.seen(before)
	w.ChangeAs(uid("ana"), "right-ana", "dn: "+uid("ana")+"\nchangetype: modify\nreplace: userPassword\nuserPassword: much-longer-ana\n")
	if !w.Binds(uid("ana"), "much-longer-ana") { // the policy forgets the last sign-in with the old password
		t.Fatal("ana's new password is refused")
	}
	a := account(t, w.collect(nil), "ana")
	if at, ok := a.PasswordChangedAt.Get(); !ok || time.Since(at) > time.Minute {
		t.Errorf("ana's password changed at %v (known %v), want now", at, ok)
	}
	if at, ok := a.LastSignIn.Get(); !ok || time.Since(at) > time.Minute {
		t.Errorf("ana's last sign-in is %v (known %v), want now", at, ok)
	}
}

func (w *world) refused(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"a wrong password": func(s map[string]any) { s["password"] = "wrong-password-1" },
		"nobody":           func(s map[string]any) { s["bind_dn"] = "cn=nobody,dc=acme,dc=test" },
		"another base":     func(s map[string]any) { s["base"] = "dc=other,dc=test" },
	} {
		m := w.collect(change)
		for _, s := range m.Scopes() {
			if s.Reading != fact.Forbidden || s.Detail.Why == "" || s.Detail.Status != 0 || strings.Contains(fmt.Sprint(s), "wrong-password") {
				t.Errorf("%s: scope %+v, want it forbidden", name, s)
			}
		}
		_, err := (Connector{}).Tripwire(t.Context(), w.run(change))
		if err == nil || strings.Contains(err.Error(), "wrong-password") {
			t.Errorf("%s: tripwire %v, want an error without the password", name, err)
		}
	}
	run := w.run(nil)
	run.Dial = connector.NewDialer(connector.NetworkPolicy{})
	m := connector.Record()
	if err := New().Collect(t.Context(), run, m); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Scopes() {
		if s.Reading != fact.Partial || !strings.Contains(s.Detail.Why, "network") {
			t.Errorf("a forbidden network: scope %+v", s)
		}
	}
	for _, url := range []string{"ldaps://" + w.TLSAddr, "ldap://" + w.Addr} {
		m = w.collect(func(s map[string]any) { delete(s, "ca"); s["url"] = url })
		for _, s := range m.Scopes() {
			if s.Reading != fact.Partial || !strings.Contains(s.Detail.Why, "certificate") {
				t.Errorf("an unknown authority at %s: scope %+v", url, s)
			}
		}
	}
}

func (w *world) plain(t *testing.T) {
	m := w.collect(func(s map[string]any) { s["url"] = "ldap://" + w.Addr })
	complete(t, m)
	checkJSON(t, "with StartTLS", tenant(t, m).EncryptedTransport, `false`)
	complete(t, w.collect(func(s map[string]any) { s["url"], s["plain"] = "ldap://"+w.Addr, true }))
}

func (w *world) troubled(t *testing.T) {
	proxy := testkit.Toxiproxy(t).Proxy(w.Addr)
	look := func() *connector.Memory {
		run := w.run(func(s map[string]any) { s["url"], s["plain"] = "ldap://"+proxy.Addr, true })
		run.Settings["patience"] = int64(1)
		m := connector.Record()
		if err := New().Collect(t.Context(), run, m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	whole := look()
	complete(t, whole)
	for at := 40; at < 4000; at += 220 {
		proxy.Cut(at)
		m := look()
		for _, s := range m.Scopes() {
			if s.Reading == fact.Complete && len(m.Facts()) < len(whole.Facts()) {
				t.Errorf("cut after %d bytes: scope %s is complete with %d facts, want %d", at, s.Scope.Name, len(m.Facts()), len(whole.Facts()))
			}
		}
		if at == 40 && len(m.Facts()) != 0 {
			t.Errorf("cut at once: %d facts", len(m.Facts()))
		}
		proxy.Mend()
	}
	for name, trouble := range map[string]func(){
		"cut": func() { proxy.Cut(100) }, "reset": proxy.Reset, "hang": proxy.Hang, "slow": func() { proxy.Slow(3 * time.Second) }, "down": proxy.Down,
	} {
		trouble()
		for _, s := range look().Scopes() {
			if s.Reading != fact.Partial || s.Detail.Why == "" || s.Detail.Why == "the reading failed" {
				t.Errorf("%s: scope %s is %s (%q), want it partial with a reason", name, s.Scope.Name, s.Reading, s.Detail.Why)
			}
		}
		proxy.Up()
		proxy.Mend()
	}
	complete(t, look())
}
