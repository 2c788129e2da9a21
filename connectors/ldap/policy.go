package ldap

import (
	"fmt"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// ppolicyControl is what a server announces that enforces password policies.
const ppolicyControl = "1.3.6.1.4.1.42.2.27.8.5.1"

// A policy is a rule about passwords: an entry of class pwdPolicy, or what the
// domain of an Active Directory says.
type policy struct {
	minLength fact.Opt[int64]
	attempts  fact.Opt[int64]
	locked    time.Duration // how long a lock lasts
	forGood   bool          // until an administrator takes it away
}

// Policies are those that were read; what could not be leaves def unknown.
type policies struct {
	byDN map[string]policy
	def  fact.Opt[policy]
}

func policyAttrs() []string {
	return []string{"objectClass", "pwdMinLength", "pwdLockout", "pwdMaxFailure", "pwdLockoutDuration", "minPwdLength", "lockoutThreshold", "lockoutDuration"}
}

// readPolicies finds the policy that holds for whoever has none of their own.
// OpenLDAP's default is named in its configuration only, so among several
// entries the settings must say which it is.
func (r *reader) readPolicies() (policies, error) {
	p := policies{byDN: map[string]policy{}}
	domain, err := r.conn.one(query{base: r.base, attrs: policyAttrs()})
	if err != nil {
		return p, fmt.Errorf("the entry of the base: %w", err)
	}
	if domain != nil && text(domain, "minPwdLength") != "" {
		p.def = fact.Some(domainPolicy(domain))
		return p, nil
	}
	_, err = r.conn.search(query{base: r.base, filter: "(objectClass=pwdPolicy)", attrs: policyAttrs()}, func(e *goldap.Entry) error {
		dn := normal(e.DN)
		if dn == "" {
			return fmt.Errorf("a policy without a name: %w", connector.ErrFormat)
		}
		p.byDN[dn] = entryPolicy(e)
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("policies of passwords: %w", err)
	}
	if named := normal(r.run.Settings.Text("policy")); named != "" {
		one, ok := p.byDN[named]
		p.def = fact.SomeIf(one, ok)
		return p, nil
	}
	for _, one := range p.byDN {
		p.def = fact.SomeIf(one, len(p.byDN) == 1)
	}
	return p, nil
}

// entryPolicy reads an entry of class pwdPolicy. By its standard an attribute
// that is absent sets no limit; one that is hidden looks the same, but only
// who may read nothing else is refused these.
func entryPolicy(e *goldap.Entry) policy {
	shortest, _ := number(e, "pwdMinLength")
	p := policy{minLength: fact.Some(max(shortest, 0)), attempts: fact.Some(int64(0))}
	if failures, ok := number(e, "pwdMaxFailure"); ok && text(e, "pwdLockout") == "TRUE" {
		p.attempts = fact.Some(max(failures, 0))
	}
	seconds, _ := number(e, "pwdLockoutDuration")
	p.locked, p.forGood = time.Duration(min(seconds, 1e9))*time.Second, seconds <= 0
	return p
}

// domainPolicy reads what an Active Directory's domain demands.
func domainPolicy(e *goldap.Entry) policy {
	var p policy
	length, ok := number(e, "minPwdLength")
	p.minLength = fact.SomeIf(length, ok)
	attempts, ok := number(e, "lockoutThreshold")
	p.attempts = fact.SomeIf(attempts, ok)
	if span, ok := number(e, "lockoutDuration"); ok {
		p.locked, p.forGood = interval(span)
	} else {
		p.forGood = true
	}
	return p
}

// holds reports whether a lock of that time still holds; not known without the policy.
func (p policies) holds(own string, since, now time.Time) fact.Opt[bool] {
	rule, known := p.def.Get()
	if own != "" {
		rule, known = p.byDN[own]
	}
	if !known {
		return fact.Opt[bool]{}
	}
	return fact.Some(rule.forGood || now.Before(since.Add(rule.locked)))
}
