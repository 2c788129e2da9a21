package gitea

import (
	"slices"
	"strings"

	"prumo.dev/prumo/internal/fact"
)

// A rule is Gitea's branch protection. Pointers are fields that older servers
// do not have: what a server does not say stays unknown.
type rule struct {
	Name                  string   `json:"rule_name"`
	EnablePush            bool     `json:"enable_push"`
	EnablePushWhitelist   bool     `json:"enable_push_whitelist"`
	PushUsers             []string `json:"push_whitelist_usernames"`
	PushTeams             []string `json:"push_whitelist_teams"`
	PushDeployKeys        bool     `json:"push_whitelist_deploy_keys"`
	EnableForcePush       *bool    `json:"enable_force_push"`
	EnableForceAllowlist  bool     `json:"enable_force_push_allowlist"`
	ForceUsers            []string `json:"force_push_allowlist_usernames"`
	ForceTeams            []string `json:"force_push_allowlist_teams"`
	ForceDeployKeys       bool     `json:"force_push_allowlist_deploy_keys"`
	EnableMergeWhitelist  bool     `json:"enable_merge_whitelist"`
	MergeUsers            []string `json:"merge_whitelist_usernames"`
	MergeTeams            []string `json:"merge_whitelist_teams"`
	EnableStatusCheck     bool     `json:"enable_status_check"`
	StatusContexts        []string `json:"status_check_contexts"`
	RequiredApprovals     int64    `json:"required_approvals"`
	BlockOnRejected       bool     `json:"block_on_rejected_reviews"`
	BlockOnReviewRequests bool     `json:"block_on_official_review_requests"`
	BlockOnOutdated       bool     `json:"block_on_outdated_branch"`
	DismissStale          bool     `json:"dismiss_stale_approvals"`
	IgnoreStale           *bool    `json:"ignore_stale_approvals"`
	RequireSigned         bool     `json:"require_signed_commits"`
	UnprotectedFiles      string   `json:"unprotected_file_patterns"`
	BlockAdminOverride    *bool    `json:"block_admin_merge_override"`
}

// access is who may write to a repository and who administers it.
type access struct {
	writers     []string // logins
	admins      []string // logins
	adminGroups []string // teams, as "team acme/Owners"
	known       bool
}

func (a access) writersKnown() fact.Opt[[]string] { return fact.SomeIf(sorted(a.writers), a.known) }

// unprotected is what a default branch without a rule is open to. Gitea
// refuses to delete a default branch whatever the rules say.
func unprotected(a access) fact.Protection {
	return fact.Protection{
		Enabled: fact.Some(false), PullRequest: fact.Some(false), Approvals: fact.Some[int64](0),
		AuthorCanApprove: fact.Some(false), DismissStale: fact.Some(false), CodeOwners: fact.Some(false),
		RequiredChecks: fact.Some([]string{}), ChecksRequired: fact.Some(false), UpToDate: fact.Some(false),
		ForcePush: fact.Some(true), Deletion: fact.Some(false), Admins: fact.Some(false),
		PushActors: a.writersKnown(), MergeActors: a.writersKnown(), BypassActors: a.writersKnown(),
		SignedCommits: fact.Some(false), ConversationsDone: fact.Some(false),
	}
}

// outline is what somebody who does not administer the repository is told.
func outline(b apiBranch) fact.Protection {
	p := fact.Protection{
		Enabled: fact.Some(true), Approvals: fact.Some(b.RequiredApprovals), AuthorCanApprove: fact.Some(false),
		ChecksRequired: fact.Some(b.EnableStatusCheck), RequiredChecks: fact.Some([]string{}), Deletion: fact.Some(false),
	}
	if b.EnableStatusCheck {
		p.RequiredChecks = fact.Some(sorted(b.StatusContexts))
	}
	return p
}

// protection says what a rule means for the branch that it guards. Gitea never
// counts the author's own approval, and treats an approval that is ignored once
// it is stale like one that is taken back.
func (r rule) protection(org string, a access, codeOwners fact.Opt[bool]) fact.Protection {
	p := fact.Protection{
		Enabled: fact.Some(true), PullRequest: fact.Some(!r.anybodyPushes()), Approvals: fact.Some(r.RequiredApprovals),
		AuthorCanApprove: fact.Some(false), DismissStale: r.staleFalls(), RequiredChecks: fact.Some([]string{}),
		ChecksRequired: fact.Some(r.EnableStatusCheck), UpToDate: fact.Some(r.BlockOnOutdated), ForcePush: r.forcePush(),
		Deletion: fact.Some(false), PushActors: r.pushActors(org, a), MergeActors: a.writersKnown(),
		SignedCommits: fact.Some(r.RequireSigned), ConversationsDone: fact.Some(r.BlockOnRejected),
	}
	if r.EnableStatusCheck {
		p.RequiredChecks = fact.Some(sorted(r.StatusContexts))
	}
	if r.EnableMergeWhitelist {
		p.MergeActors = fact.Some(actors(org, r.MergeUsers, r.MergeTeams))
	}
	if owners, ok := codeOwners.Get(); ok || !r.BlockOnReviewRequests {
		p.CodeOwners = fact.Some(r.BlockOnReviewRequests && owners)
	}
	if r.BlockAdminOverride != nil {
		p.Admins = fact.Some(*r.BlockAdminOverride)
		p.BypassActors = r.bypassActors(p.PushActors, a)
	}
	return p
}

// anybodyPushes reports whether somebody can change the branch without a pull
// request. Files that a rule leaves unprotected may be pushed by every writer.
func (r rule) anybodyPushes() bool {
	if strings.Trim(r.UnprotectedFiles, "; ") != "" {
		return true
	}
	return r.EnablePush && (!r.EnablePushWhitelist || r.PushDeployKeys || len(r.PushUsers)+len(r.PushTeams) > 0)
}

func (r rule) staleFalls() fact.Opt[bool] {
	if r.DismissStale || r.IgnoreStale != nil && *r.IgnoreStale {
		return fact.Some(true)
	}
	return fact.SomeIf(false, r.IgnoreStale != nil)
}

// forcePush reports whether somebody may rewrite the branch: in Gitea that
// takes the right to push as well.
func (r rule) forcePush() fact.Opt[bool] {
	if !r.EnablePush {
		return fact.Some(false)
	}
	if r.EnableForcePush == nil {
		return fact.Opt[bool]{}
	}
	listed := r.ForceDeployKeys || len(r.ForceUsers)+len(r.ForceTeams) > 0
	return fact.Some(*r.EnableForcePush && (!r.EnableForceAllowlist || listed))
}

// pushActors lists who may push directly.
func (r rule) pushActors(org string, a access) fact.Opt[[]string] {
	if r.EnablePush && !r.EnablePushWhitelist {
		return a.writersKnown()
	}
	var out []string
	if r.EnablePush {
		out = actors(org, r.PushUsers, r.PushTeams)
		if r.PushDeployKeys {
			out = append(out, "deploy keys")
		}
	}
	if files := strings.Trim(r.UnprotectedFiles, "; "); files != "" {
		out = append(out, "every writer, for "+files)
	}
	return fact.Some(sorted(out))
}

// bypassActors lists who may pass the rule: those who push past it and,
// unless it binds them, the administrators, who may merge in spite of it.
func (r rule) bypassActors(push fact.Opt[[]string], a access) fact.Opt[[]string] {
	who, ok := push.Get()
	if !ok {
		return fact.Opt[[]string]{}
	}
	out := slices.Clone(who)
	if !*r.BlockAdminOverride {
		if !a.known {
			return fact.Opt[[]string]{}
		}
		out = append(append(out, a.admins...), a.adminGroups...)
	}
	return fact.Some(sorted(out))
}

func actors(org string, users, teams []string) []string {
	out := slices.Clone(users)
	for _, t := range teams {
		out = append(out, teamName(org, t))
	}
	return sorted(out)
}

func teamName(org, team string) string { return "team " + org + "/" + team }

// sorted returns the texts in order, each once; never nil, since nobody is an answer too.
func sorted(s []string) []string {
	out := slices.Clone(s)
	slices.Sort(out)
	out = slices.Compact(out)
	if out == nil {
		return []string{}
	}
	return out
}
