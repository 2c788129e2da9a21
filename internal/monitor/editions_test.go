package monitor_test

import (
	"strings"
	"testing"

	"prumo.dev/prumo/internal/check"
)

const expiryCheck = `id: account-in-time
version: 1
kind: account
severity: low
title: {en: No account has expired}
pass: '!account.expires_at.passed()'
message: {en: "{{account.login}} has expired"}
fix: {en: "Remove it."}
controls: [expiry]
fresh: 24h
examples:
  - {name: a, want: pass, at: "2026-01-01T00:00:00Z", account: {login: a, expires_at: "2026-02-01T00:00:00Z"}}
  - {name: b, want: fail, at: "2026-03-01T00:00:00Z", account: {login: b, expires_at: "2026-02-01T00:00:00Z"}}
  - {name: c, want: unknown, account: {login: c}}
`

// leastCheck counts its set and has a parameter.
const leastCheck = `id: enough-admins
version: 1
kind: account
each: false
severity: low
params: {n: 2}
title: {en: There are enough administrators}
when: account.active
pass: 'accounts.filter(a, a.admin).size() >= params.n'
message: {en: "{{accounts.size()}}"}
fix: {en: "Name more."}
controls: [admins]
fresh: 48h
empty: pass
examples:
  - {name: a, want: pass, params: {n: 0}, accounts: [{login: a, active: true, admin: true}]}
  - {name: b, want: fail, accounts: [{login: a, active: true, admin: true}]}
  - {name: c, want: unknown, accounts: [{login: a, active: true}, {login: b, active: true}]}
`

// linkedCheck counts its set, reads through a name and depends on time.
const linkedCheck = `id: no-leavers
version: 1
kind: account
each: false
severity: low
title: {en: Nobody who left has an account}
pass: 'accounts.all(a, !a.active || !a.person.ended_at.passed())'
message: {en: "left"}
fix: {en: "Disable it."}
controls: [leavers]
fresh: 30h
examples:
  - {name: a, want: pass, accounts: [{login: a, active: false}]}
  - {name: b, want: fail, at: "2026-02-01T00:00:00Z", accounts: [{login: a, active: true, person: p}], related: [{kind: person, id: p, data: {ended_at: "2026-01-01T00:00:00Z"}}]}
  - {name: c, want: unknown, accounts: [{login: a, active: true}]}
`

// listedCheck cannot be counted: it asks each member about the others.
const listedCheck = `id: logins-differ
version: 1
kind: account
each: false
severity: medium
params: {n: 1}
title: {en: No two administrators share a login}
when: account.active
pass: '!accounts.exists(a, a.admin && !a.expires_at.passed() && accounts.filter(b, b.login == a.login).size() > params.n)'
message: {en: "{{accounts.size()}} share"}
fix: {en: "Part them."}
controls: [admins]
fresh: 60h
empty: pass
examples:
  - {name: a, want: pass, accounts: [{login: a, active: true, admin: false}]}
  - {name: b, want: fail, accounts: [{login: a, active: true, admin: true, expires_at: "2027-01-01T00:00:00Z"}, {login: a, active: true, admin: false}]}
  - {name: c, want: unknown, accounts: [{login: a, active: true}, {login: a, active: true}]}
`

// namesCheck cannot be counted and reads through names.
const namesCheck = `id: somebody-answers
version: 1
kind: account
each: false
severity: medium
title: {en: Somebody called p answers for an account}
pass: 'accounts.map(a, a.person.name).exists(n, n == "p")'
message: {en: "nobody"}
fix: {en: "Name one."}
controls: [admins]
examples:
  - {name: a, want: pass, accounts: [{login: a, person: p}], related: [{kind: person, id: p, data: {name: p}}]}
  - {name: b, want: fail, accounts: [{login: a, person: p}], related: [{kind: person, id: p, data: {name: q}}]}
  - {name: c, want: unknown, accounts: [{login: a}]}
`

// staffCheck judges a kind of which there may be nothing.
const staffCheck = `id: staff-stays
version: 1
kind: person
each: false
severity: low
title: {en: Nobody leaves}
pass: 'people.all(p, !p.ended_at.passed())'
message: {en: "somebody left"}
fix: {en: "Ask them to stay."}
controls: [leavers]
fresh: 40h
empty: pass
examples:
  - {name: a, want: pass, at: "2026-01-01T00:00:00Z", people: [{name: a, ended_at: "2026-02-01T00:00:00Z"}]}
  - {name: b, want: fail, at: "2026-03-01T00:00:00Z", people: [{name: a, ended_at: "2026-02-01T00:00:00Z"}]}
  - {name: c, want: unknown, people: [{name: a}]}
`

// eachStaffCheck is what staffCheck may become: it judges single people.
const eachStaffCheck = `id: staff-stays
version: 2
kind: person
severity: low
title: {en: Nobody leaves}
pass: '!person.ended_at.passed()'
message: {en: "somebody left"}
fix: {en: "Ask them to stay."}
controls: [leavers]
fresh: 20h
examples:
  - {name: a, want: pass, at: "2026-01-01T00:00:00Z", person: {name: a, ended_at: "2026-02-01T00:00:00Z"}}
  - {name: b, want: fail, at: "2026-03-01T00:00:00Z", person: {name: a, ended_at: "2026-02-01T00:00:00Z"}}
  - {name: c, want: unknown, person: {name: a}}
`

// editions are the checks at different times: edited, left out, judging sets or single things.
func editions(t *testing.T) []*check.Set {
	var out []*check.Set
	for _, texts := range editionTexts() {
		out = append(out, checks(t, texts...))
	}
	return out
}

func editionTexts() [][]string {
	second := strings.Replace(strings.Replace(mfaCheck, "version: 1", "version: 2", 1), "pass: account.mfa", "pass: account.mfa || account.admin", 1)
	quiet := strings.Replace(listedCheck, "fresh: 60h", "fresh: 20h", 1)
	other := strings.Replace(strings.Replace(leastCheck, ">= params.n", "<= params.n", 1), "want: pass, params: {n: 0}", "want: pass, params: {n: 3}", 1)
	other = strings.Replace(other, "want: fail,", "want: fail, params: {n: 0},", 1)
	other = strings.Replace(other, "want: unknown,", "want: unknown, params: {n: 1},", 1)
	return [][]string{
		{mfaCheck, leaverCheck, expiryCheck, leastCheck, linkedCheck, listedCheck, namesCheck, staffCheck},
		{second, leaverCheck, expiryCheck, other, linkedCheck, quiet, namesCheck, eachStaffCheck},
		{leaverCheck, expiryCheck, listedCheck, staffCheck},
		{mfaCheck, leastCheck, linkedCheck, namesCheck, eachStaffCheck},
	}
}
