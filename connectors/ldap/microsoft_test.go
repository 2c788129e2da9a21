package ldap

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

// sid writes a security identifier as Active Directory keeps it, in base64.
func sid(parts ...uint32) string {
	b := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, 5} //nolint:gosec // at most five parts
	for _, p := range parts {
		b = binary.LittleEndian.AppendUint32(b, p)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func domainSID(rid uint32) string { return sid(21, 1, 2, 3, rid) }

func fileTimeOf(t time.Time) int64 { return (t.Unix() + 11644473600) * 1e7 }

const msCommon = "instanceType: 4\nnTSecurityDescriptor:: AQ==\nobjectCategory: cn=x\n"

func msUser(name string, rid uint32, control int, more ...string) string {
	return fmt.Sprintf("dn: cn=%s,cn=Users,dc=acme,dc=test\nobjectClass: user\nobjectClass: securityPrincipal\ncn: %s\nsn: Lima\nsAMAccountName: %s\nmail: %s@acme.test\nuserAccountControl: %d\nprimaryGroupID: 513\nobjectSid:: %s\n%s%s\n\n",
		name, name, name, name, control, domainSID(rid), msCommon, strings.Join(more, "\n"))
}

func msGroup(name, binarySID string, members ...string) string {
	s := fmt.Sprintf("dn: cn=%s,cn=Users,dc=acme,dc=test\nobjectClass: group\nobjectClass: securityPrincipal\ncn: %s\ngroupType: 2\nobjectSid:: %s\n%s", name, name, binarySID, msCommon)
	for _, m := range members {
		s += "member: cn=" + m + ",cn=Users,dc=acme,dc=test\n"
	}
	return s + "\n"
}

// TestMicrosoftSchema reads Active Directory's classes and attributes from a
// server that is none: whether their meaning is right follows from what Microsoft
// publishes, not from this test.
func TestMicrosoftSchema(t *testing.T) {
	s := testkit.LDAP(t, testkit.LDAPConfig{Microsoft: true})
	now := time.Now()
	s.Change("dn: dc=acme,dc=test\nobjectClass: domain\nobjectClass: domainDNS\ndc: acme\nminPwdLength: 14\nlockoutThreshold: 5\nlockoutDuration: -6000000000\n\n" +
		"dn: cn=Users,dc=acme,dc=test\nobjectClass: organizationalRole\ncn: Users\n\n" +
		msUser("ana", 1101, 512, fmt.Sprintf("pwdLastSet: %d", fileTimeOf(now.AddDate(0, -1, 0))), fmt.Sprintf("lastLogonTimestamp: %d", fileTimeOf(now.AddDate(0, 0, -2))), "accountExpires: 9223372036854775807", "lockoutTime: 0", "whenCreated: 20250301100000.0Z") +
		msUser("bob", 1102, 514, "lastLogonTimestamp: 0") +
		msUser("carol", 1103, 512, fmt.Sprintf("accountExpires: %d", fileTimeOf(now.AddDate(0, 0, -1)))) +
		msUser("dora", 1104, 512, fmt.Sprintf("accountExpires: %d", fileTimeOf(now.AddDate(0, 0, 30))), fmt.Sprintf("lockoutTime: %d", fileTimeOf(now.Add(-5*time.Minute)))) +
		msUser("eve", 1105, 66048, fmt.Sprintf("lockoutTime: %d", fileTimeOf(now.Add(-11*time.Minute)))) +
		"dn: cn=PC1,cn=Users,dc=acme,dc=test\nobjectClass: computer\nobjectClass: securityPrincipal\ncn: PC1\nsn: x\nsAMAccountName: PC1$\nuserAccountControl: 4096\n" + msCommon + "\n" +
		"dn: cn=backup,cn=Users,dc=acme,dc=test\nobjectClass: msDS-GroupManagedServiceAccount\nobjectClass: securityPrincipal\ncn: backup\nsn: x\nsAMAccountName: backup$\nuserAccountControl: 4096\n" + msCommon + "\n" +
		msGroup("Domänen-Admins", domainSID(512), "Chefs") + msGroup("Chefs", domainSID(1201), "ana") + msGroup("Administratoren", sid(32, 544), "dora") +
		msGroup("Domain Users", domainSID(513)))
	w := &world{LDAPServer: s, t: t}
	m := w.collect(func(s map[string]any) {
		s["bind_dn"], s["password"] = w.Admin, w.Password
		delete(s, "services")
		delete(s, "admin_groups")
	})
	complete(t, m)
	if got := len(m.Facts()); got != 7 {
		t.Errorf("%d facts, want six accounts and the domain: a computer is no account", got)
	}
	of := func(name string) fact.Account {
		return data[fact.Account](t, m, "ldap/cn="+name+",cn=users,dc=acme,dc=test")
	}
	a := of("ana")
	checkJSON(t, "ana", []any{a.Login, a.Email, a.Active, a.Locked, a.Admin, a.Groups, a.NeverSignedIn, a.CreatedAt, a.ExpiresAt, a.Type, a.MFA},
		`["ana", "ana@acme.test", true, false, true, ["Chefs", "Domain Users", "Domänen-Admins"], false, "2025-03-01T10:00:00Z", null, null, null]`)
	if at, _ := a.LastSignIn.Get(); at.Unix() != now.AddDate(0, 0, -2).Unix() {
		t.Errorf("ana's last sign-in is %v, want two days ago", at)
	}
	if at, _ := a.PasswordChangedAt.Get(); at.Unix() != now.AddDate(0, -1, 0).Unix() {
		t.Errorf("ana's password changed at %v, want a month ago", at)
	}
	checkJSON(t, "bob, disabled", []any{of("bob").Active, of("bob").NeverSignedIn, of("bob").Admin}, `[false, true, false]`)
	checkJSON(t, "carol, expired", of("carol").Active, `false`)
	d := of("dora")
	checkJSON(t, "dora, locked", []any{d.Active, d.Locked, d.Admin, d.ExpiresAt.Known()}, `[true, true, true, true]`)
	checkJSON(t, "eve, locked eleven minutes ago", of("eve").Locked, `false`)
	checkJSON(t, "a managed service account", of("backup").Type, `"service"`)
	tn := tenant(t, m)
	checkJSON(t, "domain", []any{tn.PasswordMinLength, tn.LockoutAttempts, tn.Members}, `[14, 5, 6]`)
}

func entry(dn string, attrs map[string][]string) *goldap.Entry { return goldap.NewEntry(dn, attrs) }

// Active Directory gives many members in parts.
func TestRangesOfMembers(t *testing.T) {
	for _, c := range []struct {
		attr string
		name string
		till int
		more bool
	}{
		{"member;range=0-1499", "member", 1499, true},
		{"member;Range=1500-*", "member", 0, false},
		{"member", "", 0, false},
		{"member;binary", "", 0, false},
		{"member;range=9-3", "", 0, false},
		{"member;range=x-3", "", 0, false},
	} {
		name, till, more := rangeOf(entry("cn=x", map[string][]string{c.attr: {"cn=y"}}))
		if more != c.more || more && (name != c.name || till != c.till) {
			t.Errorf("%s: %q until %d, more %v", c.attr, name, till, more)
		}
	}
	g := newGroups()
	e := entry("CN=All,DC=acme", map[string][]string{"objectClass": {"group"}, "cn": {"All"}, "member": {}, "member;range=0-1": {"CN=a,DC=acme", "CN=b\\, c,DC=acme"}})
	if err := g.add(e); err != nil {
		t.Fatal(err)
	}
	if err := g.join(g.byDN["cn=all,dc=acme"], entry("CN=All,DC=acme", map[string][]string{"member;range=2-*": {"cn=d,dc=ACME"}})); err != nil {
		t.Fatal(err)
	}
	for _, dn := range []string{"cn=a,dc=acme", `CN=b\2c c,DC=acme`, "CN=D, DC=acme"} {
		if got := names(g.of(member{dn: normal(dn)})); !slices.Equal(got, []string{"All"}) {
			t.Errorf("%s is in %v, want All", dn, got)
		}
	}
}

// Groups that hold each other end, however many.
func TestCirclesOfGroups(t *testing.T) {
	g := newGroups()
	const n = 5000
	for i := range n {
		e := entry(fmt.Sprintf("cn=g%d", i), map[string][]string{"cn": {fmt.Sprintf("g%d", i)}, "member": {fmt.Sprintf("cn=g%d", (i+n-1)%n), "cn=g1"}})
		if err := g.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(g.of(member{dn: "cn=g7"})); got != n {
		t.Errorf("in %d groups, want %d", got, n)
	}
	if !g.knowsAdmins([]string{"G7", "cn=g8"}) || g.knowsAdmins([]string{"g7", "absent"}) || g.knowsAdmins(nil) {
		t.Error("groups of administrators: want both names known, an absent one unknown, and none by default")
	}
}

func TestReferencesThatHideAccounts(t *testing.T) {
	if hidesAccounts([]string{"ldap://DomainDnsZones.acme.test/DC=DomainDnsZones,DC=acme,DC=test", "ldap://acme.test/CN=Configuration,DC=acme,DC=test"}) {
		t.Error("the partitions without accounts count as hidden accounts")
	}
	for _, r := range []string{"ldap://other.test/ou=people,dc=acme,dc=test", "ldap://other.test", "::"} {
		if !hidesAccounts([]string{r}) {
			t.Errorf("%s hides no accounts", r)
		}
	}
}

func TestTimes(t *testing.T) {
	for s, want := range map[string]string{
		"20260131100000Z": "2026-01-31T10:00:00Z", "20260131100000.5Z": "2026-01-31T10:00:00.5Z", "20260131100000+0200": "2026-01-31T08:00:00Z",
		"": "", "x": "", "00000101000000Z": "", "20261331100000Z": "",
	} {
		got := ""
		if at, ok := parseMoment(s); ok {
			got = at.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
	for n, want := range map[int64]bool{0: false, -1: false, forever: false, forever - 1: false, 133500000000000000: true} {
		if at, ok := fileTime(n); ok != want {
			t.Errorf("%d is %v (%v)", n, at, ok)
		}
	}
	if d, never := interval(-6000000000); d != 10*time.Minute || never {
		t.Errorf("ten minutes are %v (%v)", d, never)
	}
	if _, never := interval(-1 << 63); !never {
		t.Error("a span without end ends")
	}
}

func FuzzValues(f *testing.F) {
	f.Add("uid=ana,dc=acme", "20260131100000Z", "9223372036854775807", []byte{1, 1, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0}, "member;range=0-1499")
	f.Add(`cn=a\2cb+uid=x,dc=é`, "000001010000Z", "-9223372036854775808", []byte{1, 255}, "member;range=1-0")
	f.Fuzz(func(t *testing.T, dn, at, n string, id []byte, attr string) {
		if x := normal(dn); x != "" && normal(x) != x {
			t.Errorf("%q is %q, and that %q", dn, x, normal(x))
		}
		sidText(id)
		e := entry(dn, map[string][]string{
			"userAccountControl": {n}, "accountExpires": {n}, "lockoutTime": {n}, "pwdLastSet": {n}, "lastLogonTimestamp": {n}, "whenCreated": {at}, "shadowExpire": {n}, attr: {dn},
		})
		r := &reader{run: connector.Run{Now: time.Now, Settings: connector.Settings{}}, policies: policies{def: fact.Some(domainPolicy(e))}, groups: newGroups()}
		_ = r.groups.add(e)
		for _, drop := range []bool{false, true} {
			if drop {
				e = entry(dn, map[string][]string{"pwdAccountLockedTime": {at}, "pwdEndTime": {at}, "shadowExpire": {n}, "createTimestamp": {at}})
			}
			m := connector.Record()
			_ = m.Open(connector.Scope{Name: scopeAccounts, Kinds: []string{"account"}})
			if err := m.Fact(scopeAccounts, factID(normal(dn)), r.fact(e, normal(dn))); err != nil {
				t.Errorf("%q: %v", dn, err)
			}
			values(e)
			rangeOf(e)
		}
	})
}
