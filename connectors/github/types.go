package github

import (
	"encoding/json"
	"fmt"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// What GitHub says, as far as it is read. Its own names are in the tags; a
// pointer is a field that GitHub leaves out for whom may not see it.
type (
	user struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Type  string `json:"type,omitempty"` // User, Bot or Organization
	}
	organisation struct {
		ID                 int64   `json:"id"`
		Login              string  `json:"login"`
		HTMLURL            string  `json:"html_url"`
		PublicRepos        *int64  `json:"public_repos"`
		PrivateRepos       *int64  `json:"total_private_repos,omitempty"`
		BasePermission     *string `json:"default_repository_permission,omitempty"`
		TwoFactor          *bool   `json:"two_factor_requirement_enabled,omitempty"`
		CreateRepos        *bool   `json:"members_can_create_repositories,omitempty"`
		CreatePublic       *bool   `json:"members_can_create_public_repositories,omitempty"`
		DeleteRepos        *bool   `json:"members_can_delete_repositories,omitempty"`
		InviteOutside      *bool   `json:"members_can_invite_outside_collaborators,omitempty"`
		Plan               *plan   `json:"plan,omitempty"`
		DeployKeysAllowed  *bool   `json:"deploy_keys_enabled_for_repositories,omitempty"`
		WebSignoffRequired *bool   `json:"web_commit_signoff_required,omitempty"`
	}
	plan struct {
		Name string `json:"name"`
	}
	membership struct {
		Role  string `json:"role"`
		State string `json:"state"`
		Org   user   `json:"organization"`
	}
	installation struct {
		ID          int64             `json:"id"`
		AppID       int64             `json:"app_id"`
		AppSlug     string            `json:"app_slug"`
		TargetType  string            `json:"target_type"`
		Account     user              `json:"account"`
		Selection   string            `json:"repository_selection"`
		Permissions map[string]string `json:"permissions"`
		CreatedAt   time.Time         `json:"created_at"`
		SuspendedAt *time.Time        `json:"suspended_at"`
	}
	installations struct {
		Total *int           `json:"total_count"`
		Items []installation `json:"installations"`
	}
	team struct {
		ID   int64  `json:"id"`
		Slug string `json:"slug"`
		Name string `json:"name"`
	}
	repo struct {
		ID            int64      `json:"id"`
		FullName      string     `json:"full_name"`
		HTMLURL       string     `json:"html_url"`
		Private       bool       `json:"private"`
		Visibility    string     `json:"visibility,omitempty"`
		Fork          bool       `json:"fork"`
		Archived      *bool      `json:"archived"`
		MirrorURL     *string    `json:"mirror_url,omitempty"`
		DefaultBranch string     `json:"default_branch"`
		PushedAt      *time.Time `json:"pushed_at"`
		CreatedAt     *time.Time `json:"created_at"`
		Security      *security  `json:"security_and_analysis,omitempty"`
	}
	security struct {
		SecretScanning *status `json:"secret_scanning,omitempty"`
		PushProtection *status `json:"secret_scanning_push_protection,omitempty"`
	}
	status struct {
		Status string `json:"status"`
	}
	collaborator struct {
		user
		Permissions *struct {
			Push     bool `json:"push"`
			Maintain bool `json:"maintain"`
			Admin    bool `json:"admin"`
		} `json:"permissions"`
		RoleName string `json:"role_name"`
	}
	deployKey struct {
		ID        int64      `json:"id"`
		Title     string     `json:"title"`
		ReadOnly  *bool      `json:"read_only"`
		Verified  *bool      `json:"verified"`
		CreatedAt time.Time  `json:"created_at"`
		LastUsed  *time.Time `json:"last_used,omitempty"`
		AddedBy   *string    `json:"added_by,omitempty"`
		Enabled   *bool      `json:"enabled,omitempty"`
	}
	actionsPermissions struct {
		Enabled *bool   `json:"enabled,omitempty"`              // of a repository
		Repos   *string `json:"enabled_repositories,omitempty"` // of an organisation
		Allowed *string `json:"allowed_actions,omitempty"`
		Pinned  *bool   `json:"sha_pinning_required,omitempty"`
	}
	workflowPermissions struct {
		Default *string `json:"default_workflow_permissions"`
		Approve *bool   `json:"can_approve_pull_request_reviews"`
	}
	privateReporting struct {
		Enabled *bool `json:"enabled"`
	}
	analysis struct {
		CreatedAt *time.Time `json:"created_at"`
	}
	auditEvent struct {
		Timestamp *int64 `json:"@timestamp"`
		CreatedAt *int64 `json:"created_at,omitempty"`
	}
	accessGrant struct {
		ID          int64           `json:"id"`
		Owner       user            `json:"owner"`
		Name        string          `json:"token_name"`
		Expired     bool            `json:"token_expired"`
		ExpiresAt   *string         `json:"token_expires_at"`
		LastUsedAt  *string         `json:"token_last_used_at"`
		GrantedAt   string          `json:"access_granted_at"`
		Selection   string          `json:"repository_selection"`
		Permissions accessGrantPerm `json:"permissions"`
	}
	accessGrantPerm struct {
		Organization map[string]string `json:"organization,omitempty"`
		Repository   map[string]string `json:"repository,omitempty"`
	}
	environment struct {
		ID         int64           `json:"id"`
		Name       string          `json:"name"`
		HTMLURL    string          `json:"html_url"`
		AdminsPass *bool           `json:"can_admins_bypass,omitempty"`
		Rules      []environRule   `json:"protection_rules"`
		Branches   *branchPolicies `json:"deployment_branch_policy"`
	}
	environments struct {
		Total *int          `json:"total_count"`
		Items []environment `json:"environments"`
	}
	environRule struct {
		Type      string `json:"type"`
		Wait      int64  `json:"wait_timer,omitempty"`
		NoSelf    bool   `json:"prevent_self_review,omitempty"`
		Reviewers []struct {
			Type     string   `json:"type"`
			Reviewer reviewer `json:"reviewer"`
		} `json:"reviewers,omitempty"`
	}
	reviewer struct {
		Login string `json:"login,omitempty"`
		Slug  string `json:"slug,omitempty"`
	}
	branchPolicies struct {
		Protected bool `json:"protected_branches"`
		Custom    bool `json:"custom_branch_policies"`
	}
	branchPolicyList struct {
		Total *int `json:"total_count"`
		Items []struct {
			Name string `json:"name"`
			Type string `json:"type,omitempty"`
		} `json:"branch_policies"`
	}
)

// What classic branch protection and rulesets say.
type (
	classic struct {
		Checks *struct {
			Strict   bool     `json:"strict"`
			Contexts []string `json:"contexts"`
		} `json:"required_status_checks,omitempty"`
		Reviews *struct {
			Approvals  int64   `json:"required_approving_review_count"`
			Stale      bool    `json:"dismiss_stale_reviews"`
			CodeOwners bool    `json:"require_code_owner_reviews"`
			Bypass     *actors `json:"bypass_pull_request_allowances,omitempty"`
		} `json:"required_pull_request_reviews,omitempty"`
		Restrictions *actors  `json:"restrictions,omitempty"`
		Admins       *enabled `json:"enforce_admins"`
		ForcePush    *enabled `json:"allow_force_pushes"`
		Deletion     *enabled `json:"allow_deletions"`
		Conversation *enabled `json:"required_conversation_resolution,omitempty"`
		Signatures   *enabled `json:"required_signatures,omitempty"`
		Lock         *enabled `json:"lock_branch,omitempty"`
	}
	enabled struct {
		Enabled bool `json:"enabled"`
	}
	actors struct {
		Users []user `json:"users"`
		Teams []team `json:"teams"`
		Apps  []struct {
			Slug string `json:"slug"`
		} `json:"apps"`
	}
	rule struct {
		Type       string          `json:"type"`
		RulesetID  int64           `json:"ruleset_id"`
		Source     string          `json:"ruleset_source"`
		SourceType string          `json:"ruleset_source_type"`
		Parameters json.RawMessage `json:"parameters,omitempty"`
	}
	ruleset struct {
		ID          int64     `json:"id"`
		Name        string    `json:"name"`
		Enforcement string    `json:"enforcement"`
		UpdatedAt   time.Time `json:"updated_at"`
		Bypass      *[]bypass `json:"bypass_actors,omitempty"` // absent for whom may not change it
	}
	bypass struct {
		ActorID *int64 `json:"actor_id"`
		Type    string `json:"actor_type"`
		Mode    string `json:"bypass_mode"`
	}
)

func (r repo) check(org string) error {
	owner, name, ok := cutName(r.FullName)
	if !ok || r.ID == 0 || r.Archived == nil || r.DefaultBranch == "" || !sameName(owner, org) || !validName(name) {
		return fmt.Errorf("repository of %s: %w", org, connector.ErrFormat)
	}
	return nil
}

func (r repo) archived() bool { return r.Archived != nil && *r.Archived }
func (r repo) mirror() bool   { return r.MirrorURL != nil && *r.MirrorURL != "" }
