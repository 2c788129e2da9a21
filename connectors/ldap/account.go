package ldap

import (
	"path"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"prumo.dev/prumo/internal/fact"
)

// defaultUsers finds accounts of OpenLDAP's schemas and of Active Directory's,
// where computers are users too.
const defaultUsers = "(|(objectClass=posixAccount)(objectClass=inetOrgPerson)(objectClass=shadowAccount)(objectClass=simpleSecurityObject)(&(objectClass=user)(!(objectClass=computer)))(objectClass=msDS-GroupManagedServiceAccount)(objectClass=msDS-ManagedServiceAccount))"

// userAttrs are asked for by name: a password's hash never comes over the wire.
func userAttrs() []string {
	return []string{
		"objectClass", "uid", "cn", "displayName", "mail", "uidNumber", "gidNumber", "loginShell", "shadowExpire", "shadowLastChange",
		"createTimestamp", "authTimestamp", "pwdLastSuccess", "pwdChangedTime", "pwdAccountLockedTime", "pwdPolicySubentry", "pwdStartTime", "pwdEndTime",
		"sAMAccountName", "userAccountControl", "accountExpires", "lockoutTime", "pwdLastSet", "lastLogonTimestamp", "whenCreated", "primaryGroupID",
	}
}

// Bits of userAccountControl, as Microsoft publishes them.
const accountDisabled = 0x2

// factID is an account's name in the directory, written in one way.
func factID(dn string) string { return "ldap/" + dn }

func (r *reader) fact(e *goldap.Entry, dn string) fact.Account {
	now := r.run.Now()
	login := text(e, "sAMAccountName", "uid", "cn")
	if login == "" {
		login = e.DN
	}
	name, mail := text(e, "displayName", "cn"), text(e, "mail")
	a := fact.Account{
		Login: fact.Some(login), Name: fact.SomeIf(name, name != ""), Email: fact.SomeIf(mail, mail != ""), System: fact.Some("ldap"),
		Type: r.typeOf(e, dn, login),
	}
	if outside := r.run.Settings.List("outside"); len(outside) > 0 {
		a.External = fact.Some(among(outside, dn, login))
	}
	if at, ok := moment(e, "whenCreated", "createTimestamp"); ok {
		a.CreatedAt = fact.Some(at)
	}
	if uid, ok := number(e, "uidNumber"); ok {
		a.UID = fact.Some(uid)
	}
	if shell := path.Base(text(e, "loginShell")); shell != "." {
		a.Interactive = fact.Some(shell != "nologin" && shell != "false")
	}
	if text(e, "userAccountControl") != "" {
		r.microsoft(e, &a, now)
	} else {
		r.standard(e, &a, now)
	}
	r.memberships(e, dn, &a)
	return a
}

// microsoft fills in what Active Directory says.
func (r *reader) microsoft(e *goldap.Entry, a *fact.Account, now time.Time) {
	control, ok := number(e, "userAccountControl")
	if !ok {
		return
	}
	active := control&accountDisabled == 0
	if n, ok := number(e, "accountExpires"); ok {
		if at, ends := fileTime(n); ends {
			a.ExpiresAt = fact.Some(at)
			active = active && now.Before(at)
		}
	}
	a.Active = fact.Some(active)
	a.Locked = fact.Some(false)
	if n, ok := number(e, "lockoutTime"); ok && n > 0 {
		at, valid := fileTime(n)
		a.Locked = fact.Opt[bool]{}
		if valid {
			a.Locked = r.policies.holds("", at, now)
		}
	}
	if n, ok := number(e, "pwdLastSet"); ok {
		at, valid := fileTime(n)
		a.PasswordChangedAt = fact.SomeIf(at, valid)
	}
	if n, ok := number(e, "lastLogonTimestamp"); ok {
		at, used := fileTime(n)
		a.LastSignIn = fact.SomeIf(at, used)
		a.NeverSignedIn = fact.SomeIf(!used, used || n == 0)
	}
}

// standard fills in what the published schemas and OpenLDAP's overlays say.
func (r *reader) standard(e *goldap.Entry, a *fact.Account, now time.Time) {
	a.Locked, a.Active = r.lock(e, now)
	if end, ok := r.ends(e); ok {
		a.ExpiresAt = fact.Some(end)
		if !now.Before(end) {
			a.Active = fact.Some(false)
		}
	}
	if start, ok := moment(e, "pwdStartTime"); ok && now.Before(start) {
		a.Active = fact.Some(false)
	}
	if at, ok := moment(e, "pwdChangedTime"); ok {
		a.PasswordChangedAt = fact.Some(at)
	} else if n, ok := number(e, "shadowLastChange"); ok {
		at, valid := days(n)
		a.PasswordChangedAt = fact.SomeIf(at, valid)
	}
	last, signed := moment(e, "authTimestamp")
	if at, ok := moment(e, "pwdLastSuccess"); ok && at.After(last) {
		last, signed = at, true
	}
	a.LastSignIn, a.NeverSignedIn = fact.SomeIf(last, signed), fact.SomeIf(false, signed)
}

// ends is the first instant from which the account no longer works by itself.
func (r *reader) ends(e *goldap.Entry) (time.Time, bool) {
	end, ok := moment(e, "pwdEndTime")
	if n, has := number(e, "shadowExpire"); has {
		if at, valid := days(n); valid && (!ok || at.Before(end)) {
			end, ok = at, true
		}
	}
	return end, ok
}

// lock says whether an account is locked after failed sign-ins or by an
// administrator; the latter never ends by itself, and such an account is not
// active. Locks stand in an operational attribute: a credential that is shown none
// of those is not told of locks either.
func (r *reader) lock(e *goldap.Entry, now time.Time) (locked, active fact.Opt[bool]) {
	since := text(e, "pwdAccountLockedTime")
	switch {
	case strings.HasPrefix(since, "000001010000"):
		return fact.Some(true), fact.Some(false)
	case since != "":
		at, ok := parseMoment(since)
		if !ok {
			return fact.Opt[bool]{}, fact.Opt[bool]{}
		}
		return r.policies.holds(normal(text(e, "pwdPolicySubentry")), at, now), fact.Some(true)
	case r.lockless || text(e, "createTimestamp") != "":
		return fact.Some(false), fact.Some(true)
	default:
		return fact.Opt[bool]{}, fact.Opt[bool]{}
	}
}

// memberships fills in groups and administration, if every group was read.
func (r *reader) memberships(e *goldap.Entry, dn string, a *fact.Account) {
	if r.groups == nil {
		return
	}
	in := r.groups.of(member{dn: dn, uid: text(e, "uid"), gid: text(e, "gidNumber"), rid: text(e, "primaryGroupID")})
	a.Groups = fact.Some(names(in))
	named := r.run.Settings.List("admin_groups")
	admin := slices.ContainsFunc(in, func(g *group) bool { return g.isAdmin(named) })
	a.Admin = fact.SomeIf(admin, admin || r.groups.knowsAdmins(named))
}

// among reports whether an account is one that the settings list by sign-in name,
// by entry or by branch.
func among(listed []string, dn, login string) bool {
	return slices.ContainsFunc(listed, func(n string) bool {
		at := normal(n)
		return strings.EqualFold(n, login) || at != "" && (at == dn || strings.HasSuffix(dn, ","+at))
	})
}

// typeOf says whose an account is. A directory seldom tells programs from
// people; the settings can.
func (r *reader) typeOf(e *goldap.Entry, dn, login string) fact.Opt[string] {
	named := r.run.Settings.List("services")
	service := isClass(e, "msDS-GroupManagedServiceAccount", "msDS-ManagedServiceAccount") || r.services[dn] || among(named, dn, login)
	switch {
	case service:
		return fact.Some("service")
	case len(named) > 0 || r.services != nil:
		return fact.Some("human")
	default:
		return fact.Opt[string]{}
	}
}
