package fact

import "time"

// Account is an identity in a system: a person's, a service's or a shared one.
type Account struct {
	Login             Opt[string]    `json:"login,omitzero" doc:"name that the account signs in with"`
	Name              Opt[string]    `json:"name,omitzero" doc:"display name"`
	Email             Opt[string]    `json:"email,omitzero" doc:"e-mail address"`
	System            Opt[string]    `json:"system,omitzero" doc:"system that the account opens, such as gitea or linux"`
	Type              Opt[string]    `json:"type,omitzero" doc:"whose it is" enum:"human,service,shared,key"`
	Active            Opt[bool]      `json:"active,omitzero" doc:"can be used now; disabled, suspended and expired accounts are not active"`
	Interactive       Opt[bool]      `json:"interactive,omitzero" doc:"can open an interactive session (a login shell, a console)"`
	Admin             Opt[bool]      `json:"admin,omitzero" doc:"holds administrative rights over the system"`
	External          Opt[bool]      `json:"external,omitzero" doc:"belongs to somebody outside the organisation (guest, outside collaborator)"`
	MFA               Opt[bool]      `json:"mfa,omitzero" doc:"a second factor is enrolled and asked for"`
	MFAMethods        Opt[[]string]  `json:"mfa_methods,omitzero" doc:"kinds of second factor, such as totp, webauthn, sms"`
	PasswordEmpty     Opt[bool]      `json:"password_empty,omitzero" doc:"opens without any password"`
	PasswordHash      Opt[string]    `json:"password_hash,omitzero" doc:"name of the password hash in use, such as yescrypt or md5"`
	PasswordChangedAt Opt[time.Time] `json:"password_changed_at,omitzero" doc:"when the password last changed"`
	UID               Opt[int64]     `json:"uid,omitzero" doc:"numeric user id on the machine"`
	Locked            Opt[bool]      `json:"locked,omitzero" doc:"locked after failed sign-ins or by an administrator"`
	Roles             Opt[[]string]  `json:"roles,omitzero" doc:"roles held"`
	Groups            Opt[[]string]  `json:"groups,omitzero" doc:"groups and teams it is in"`
	WritesTo          Opt[[]string]  `json:"writes_to,omitzero" doc:"ids of repositories or stores that it may write to"`
	Person            Opt[Ref]       `json:"person,omitzero" doc:"person it belongs to" ref:"person"`
	Owner             Opt[Ref]       `json:"owner,omitzero" doc:"person who answers for an account that is nobody's own" ref:"person"`
	Host              Opt[Ref]       `json:"host,omitzero" doc:"machine that it is an account of" ref:"host"`
	CreatedAt         Opt[time.Time] `json:"created_at,omitzero" doc:"when it was made"`
	ExpiresAt         Opt[time.Time] `json:"expires_at,omitzero" doc:"when it stops working by itself"`
	LastSignIn        Opt[time.Time] `json:"last_sign_in,omitzero" doc:"last successful sign-in"`
	NeverSignedIn     Opt[bool]      `json:"never_signed_in,omitzero" doc:"has never been used"`
}

// Kind implements Data.
func (Account) Kind() string { return "account" }

// Person is a human being who works for or with the organisation.
type Person struct {
	Name              Opt[string]    `json:"name,omitzero" doc:"full name"`
	Email             Opt[string]    `json:"email,omitzero" doc:"work e-mail address"`
	Type              Opt[string]    `json:"type,omitzero" doc:"relation to the organisation" enum:"employee,contractor,vendor"`
	Active            Opt[bool]      `json:"active,omitzero" doc:"works here now"`
	Title             Opt[string]    `json:"title,omitzero" doc:"job title"`
	Team              Opt[string]    `json:"team,omitzero" doc:"team or department"`
	Country           Opt[string]    `json:"country,omitzero" doc:"ISO 3166-1 alpha-2 country of work"`
	Manager           Opt[Ref]       `json:"manager,omitzero" doc:"person whom they report to" ref:"person"`
	StartedAt         Opt[time.Time] `json:"started_at,omitzero" doc:"first working day"`
	EndedAt           Opt[time.Time] `json:"ended_at,omitzero" doc:"last working day, once it is known"`
	TrainedAt         Opt[time.Time] `json:"trained_at,omitzero" doc:"last finished security training"`
	ScreenedAt        Opt[time.Time] `json:"screened_at,omitzero" doc:"background check finished"`
	ScreeningLawful   Opt[bool]      `json:"screening_lawful,omitzero" doc:"a background check is lawful where they work"`
	PoliciesPending   Opt[int64]     `json:"policies_pending,omitzero" doc:"policies in force that they have not acknowledged"`
	AcknowledgedAt    Opt[time.Time] `json:"acknowledged_at,omitzero" doc:"last acknowledgement of a policy"`
	ConfidentialityAt Opt[time.Time] `json:"confidentiality_at,omitzero" doc:"confidentiality agreement signed"`
}

// Kind implements Data.
func (Person) Kind() string { return "person" }

// DatabaseRole is a role of a database server.
type DatabaseRole struct {
	Name        Opt[string]    `json:"name,omitzero" doc:"name of the role"`
	Database    Opt[Ref]       `json:"database,omitzero" doc:"server that it is a role of" ref:"database"`
	CanLogin    Opt[bool]      `json:"can_login,omitzero" doc:"may open a connection"`
	Superuser   Opt[bool]      `json:"superuser,omitzero" doc:"passes every permission check"`
	BypassRLS   Opt[bool]      `json:"bypass_rls,omitzero" doc:"passes row-level security"`
	CreateRole  Opt[bool]      `json:"create_role,omitzero" doc:"may make other roles"`
	CreateDB    Opt[bool]      `json:"create_db,omitzero" doc:"may make databases"`
	Replication Opt[bool]      `json:"replication,omitzero" doc:"may stream the whole cluster"`
	MemberOf    Opt[[]string]  `json:"member_of,omitzero" doc:"roles that it is a member of"`
	BecomesRoot Opt[[]string]  `json:"becomes_root,omitzero" doc:"roles with every right over the server that it may take on"`
	Members     Opt[[]string]  `json:"members,omitzero" doc:"roles that are members of it"`
	Hash        Opt[string]    `json:"hash,omitzero" doc:"how its password is kept" enum:"scram-sha-256,md5,none"`
	ExpiresAt   Opt[time.Time] `json:"expires_at,omitzero" doc:"end of the password's validity"`
	NoExpiry    Opt[bool]      `json:"no_expiry,omitzero" doc:"the password never ends"`
	Person      Opt[Ref]       `json:"person,omitzero" doc:"person it belongs to" ref:"person"`
	Service     Opt[bool]      `json:"service,omitzero" doc:"used by a program"`
	Assigned    Opt[bool]      `json:"assigned,omitzero" doc:"the organisation said whose it is: a person's or a program's"`
}

// Kind implements Data.
func (DatabaseRole) Kind() string { return "database_role" }

// Secret is a key, token or certificate that opens something; never its value.
type Secret struct {
	Name       Opt[string]    `json:"name,omitzero" doc:"name or last characters; never the value"`
	Type       Opt[string]    `json:"type,omitzero" doc:"what it is" enum:"access-key,deploy-key,token,ssh-key,password,certificate,encryption-key,webhook-secret,other"`
	Active     Opt[bool]      `json:"active,omitzero" doc:"can be used now"`
	Write      Opt[bool]      `json:"write,omitzero" doc:"may change what it opens"`
	Scopes     Opt[[]string]  `json:"scopes,omitzero" doc:"what it may do"`
	CreatedAt  Opt[time.Time] `json:"created_at,omitzero" doc:"when it was made"`
	RotatedAt  Opt[time.Time] `json:"rotated_at,omitzero" doc:"when its value last changed"`
	LastUsedAt Opt[time.Time] `json:"last_used_at,omitzero" doc:"last use"`
	ExpiresAt  Opt[time.Time] `json:"expires_at,omitzero" doc:"when it ends"`
	NeverEnds  Opt[bool]      `json:"never_ends,omitzero" doc:"has no end date"`
	Rotates    Opt[bool]      `json:"rotates,omitzero" doc:"rotated by the system itself"`
	Repository Opt[Ref]       `json:"repository,omitzero" doc:"repository that it opens" ref:"repository"`
	Account    Opt[Ref]       `json:"account,omitzero" doc:"account that it belongs to" ref:"account"`
	Owner      Opt[Ref]       `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
	Exposed    Opt[bool]      `json:"exposed,omitzero" doc:"seen where it must not be, such as in a commit"`
	ExposedAt  Opt[string]    `json:"exposed_at,omitzero" doc:"where it was seen: file, line and commit"`
}

// Kind implements Data.
func (Secret) Kind() string { return "secret" }
