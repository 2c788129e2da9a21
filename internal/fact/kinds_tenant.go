package fact

import "time"

// Tenant is a space of accounts with rules of its own: an organisation on a
// code host, a directory, an identity provider.
type Tenant struct {
	Name                    Opt[string]   `json:"name,omitzero" doc:"its name in the system"`
	System                  Opt[string]   `json:"system,omitzero" doc:"system that it is in, such as github or kratos"`
	URL                     Opt[string]   `json:"url,omitzero" doc:"address of its page"`
	MFARequired             Opt[bool]     `json:"mfa_required,omitzero" doc:"nobody gets in without a second factor"`
	MFAMethods              Opt[[]string] `json:"mfa_methods,omitzero" doc:"kinds of second factor that it accepts, such as totp, webauthn, sms"`
	PasswordMinLength       Opt[int64]    `json:"password_min_length,omitzero" doc:"shortest password that it accepts"`
	PasswordBreachedRefused Opt[bool]     `json:"password_breached_refused,omitzero" doc:"refuses passwords known from breaches or from a list of common ones"`
	LockoutAttempts         Opt[int64]    `json:"lockout_attempts,omitzero" doc:"failed sign-ins after which an account is locked; 0: never"`
	SessionSeconds          Opt[int64]    `json:"session_seconds,omitzero" doc:"longest life of a session in seconds"`
	SessionIdleSeconds      Opt[int64]    `json:"session_idle_seconds,omitzero" doc:"idle seconds after which a session ends"`
	SelfRegistration        Opt[bool]     `json:"self_registration,omitzero" doc:"anybody may make an account"`
	BasePermission          Opt[string]   `json:"base_permission,omitzero" doc:"what every member may do with every repository" enum:"none,read,write,admin"`
	MembersCreatePublic     Opt[bool]     `json:"members_create_public,omitzero" doc:"members may make public repositories"`
	MembersCreate           Opt[bool]     `json:"members_create,omitzero" doc:"members may make repositories"`
	MembersDelete           Opt[bool]     `json:"members_delete,omitzero" doc:"members may delete or give away repositories that they administer"`
	MembersInviteOutside    Opt[bool]     `json:"members_invite_outside,omitzero" doc:"members may invite people from outside"`
	Members                 Opt[int64]    `json:"members,omitzero" doc:"how many members it has"`
	Admins                  Opt[[]string] `json:"admins,omitzero" doc:"accounts that administer it"`
	Outside                 Opt[[]string] `json:"outside,omitzero" doc:"accounts from outside that may see a part of it"`
	Apps                    Opt[[]string] `json:"apps,omitzero" doc:"programs that are installed in it"`
	ActionsAllowed          Opt[string]   `json:"actions_allowed,omitzero" doc:"whose automations may run" enum:"all,local_only,selected,none"`
	ActionsPinned           Opt[bool]     `json:"actions_pinned,omitzero" doc:"automations must be pinned to a commit"`
	TokenReadOnly           Opt[bool]     `json:"token_read_only,omitzero" doc:"an automation's token may only read unless a job asks for more"`
	ActionsApprove          Opt[bool]     `json:"actions_approve,omitzero" doc:"automations may approve pull requests"`
	EncryptedTransport      Opt[bool]     `json:"encrypted_transport,omitzero" doc:"refuses connections without encryption"`
	AnonymousAccess         Opt[bool]     `json:"anonymous_access,omitzero" doc:"answers questions of who did not sign in"`
	AuditLog                Opt[Ref]      `json:"audit_log,omitzero" doc:"log of what happens in it" ref:"log_source"`
	Owner                   Opt[Ref]      `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
}

// Kind implements Data.
func (Tenant) Kind() string { return "tenant" }

// Grant is a right that somebody holds: a role bound to a subject over a scope.
type Grant struct {
	Name        Opt[string]    `json:"name,omitzero" doc:"name of the binding"`
	System      Opt[string]    `json:"system,omitzero" doc:"system in which it holds, such as kubernetes"`
	Subject     Opt[string]    `json:"subject,omitzero" doc:"who holds it"`
	SubjectType Opt[string]    `json:"subject_type,omitzero" doc:"what the subject is" enum:"user,group,service,everybody"`
	Role        Opt[string]    `json:"role,omitzero" doc:"role that it gives"`
	Scope       Opt[string]    `json:"scope,omitzero" doc:"where it holds: a namespace, a project; cluster or everything where it holds all over"`
	Everywhere  Opt[bool]      `json:"everywhere,omitzero" doc:"it holds all over the system"`
	Admin       Opt[bool]      `json:"admin,omitzero" doc:"it gives full administration of its scope"`
	Wildcard    Opt[bool]      `json:"wildcard,omitzero" doc:"the role allows any act or any kind of resource"`
	ReadSecrets Opt[bool]      `json:"read_secrets,omitzero" doc:"the role may read secrets"`
	Builtin     Opt[bool]      `json:"builtin,omitzero" doc:"it came with the system itself"`
	CreatedAt   Opt[time.Time] `json:"created_at,omitzero" doc:"when it was given"`
	ExpiresAt   Opt[time.Time] `json:"expires_at,omitzero" doc:"when it ends by itself"`
	Account     Opt[Ref]       `json:"account,omitzero" doc:"account that holds it" ref:"account"`
	Cluster     Opt[Ref]       `json:"cluster,omitzero" doc:"cluster in which it holds" ref:"cluster"`
}

// Kind implements Data.
func (Grant) Kind() string { return "grant" }

// Environment is a place that code is deployed to, with what guards the way there.
type Environment struct {
	Name             Opt[string]   `json:"name,omitzero" doc:"its name, such as production"`
	Repository       Opt[Ref]      `json:"repository,omitzero" doc:"repository that deploys to it" ref:"repository"`
	URL              Opt[string]   `json:"url,omitzero" doc:"address of its page"`
	Production       Opt[bool]     `json:"production,omitzero" doc:"it serves real users"`
	NeedsReviewer    Opt[bool]     `json:"needs_reviewer,omitzero" doc:"a deployment waits for somebody's approval"`
	SelfReview       Opt[bool]     `json:"self_review,omitzero" doc:"who started a deployment may approve it"`
	Reviewers        Opt[[]string] `json:"reviewers,omitzero" doc:"accounts and teams that may approve"`
	ProtectedBranch  Opt[bool]     `json:"protected_branch,omitzero" doc:"only protected branches, or branches named for it, may deploy"`
	AdminsPass       Opt[bool]     `json:"admins_pass,omitzero" doc:"administrators may pass its rules"`
	WaitMinutes      Opt[int64]    `json:"wait_minutes,omitzero" doc:"minutes that a deployment waits"`
	DeploymentBranch Opt[[]string] `json:"deployment_branches,omitzero" doc:"patterns of branches and tags that may deploy"`
}

// Kind implements Data.
func (Environment) Kind() string { return "environment" }
