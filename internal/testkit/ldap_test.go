package testkit

import "testing"

func TestLDAP(t *testing.T) {
	for name, cfg := range map[string]LDAPConfig{"open": {}, "microsoft": {Microsoft: true}} {
		t.Run(name, func(t *testing.T) {
			s := LDAP(t, cfg)
			s.Change("dn: dc=acme,dc=test\nobjectClass: domain\ndc: acme\n")
			if !s.Binds(s.Admin, s.Password) || s.Binds(s.Admin, "wrong") {
				t.Error("the right password is refused, or a wrong one taken")
			}
			if err := s.is("another"); err == nil {
				t.Error("a server passed for another one")
			}
		})
	}
}
