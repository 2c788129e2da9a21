package githubtest

import (
	"strings"
	"time"
)

const root = "https://api.github.com"

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func stampOf(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

// urls adds addresses that a reply must have and nobody here reads.
func urls(o object, at, names string) object {
	for n := range strings.FieldsSeq(names) {
		o[n] = at + "/" + strings.TrimSuffix(n, "_url")
	}
	return o
}

func userObject(u *User) object {
	kind := "User"
	if u.Bot {
		kind = "Bot"
	}
	o := object{
		"login": u.Login, "id": u.ID, "node_id": oid(u.Login)[:16], "gravatar_id": "", "type": kind, "site_admin": false,
		"url": root + "/users/" + u.Login, "html_url": "https://github.com/" + u.Login,
	}
	return urls(o, root+"/users/"+u.Login, "avatar_url followers_url following_url gists_url starred_url subscriptions_url organizations_url repos_url events_url received_events_url")
}

func (o *Org) simple() object {
	x := object{"login": o.Login, "id": o.ID, "node_id": oid(o.Login)[:16], "url": root + "/orgs/" + o.Login, "description": nil}
	return urls(x, root+"/orgs/"+o.Login, "repos_url events_url hooks_url issues_url members_url public_members_url avatar_url")
}

func (o *Org) asUser() object {
	x := userObject(&User{ID: o.ID, Login: o.Login})
	x["type"] = "Organization"
	return x
}

func (o *Org) whole(owner bool) object {
	public, private := 0, 0
	for _, r := range o.Repos {
		if r.Private {
			private++
		} else {
			public++
		}
	}
	x := o.simple()
	for k, v := range (object{
		"html_url": "https://github.com/" + o.Login, "has_organization_projects": true, "has_repository_projects": true, "public_repos": public,
		"public_gists": 0, "followers": 0, "following": 0, "type": "Organization", "created_at": "2020-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "archived_at": nil,
	}) {
		x[k] = v
	}
	if !owner {
		return x
	}
	for k, v := range (object{
		"total_private_repos": private, "owned_private_repos": private, "default_repository_permission": o.BasePermission,
		"two_factor_requirement_enabled": o.TwoFactorRequired, "members_can_create_repositories": true, "members_can_create_public_repositories": o.CreatePublic,
		"members_can_delete_repositories": false, "members_can_invite_outside_collaborators": false,
		"plan": object{"name": o.Plan, "space": 1, "private_repos": 9999},
	}) {
		x[k] = v
	}
	return x
}

func (t *Team) object(o *Org) object {
	at := root + "/organizations/" + o.Login + "/team/" + t.Slug
	return object{
		"id": t.ID, "node_id": oid(t.Slug)[:16], "name": t.Slug, "slug": t.Slug, "description": nil, "privacy": "closed", "notification_setting": "notifications_enabled",
		"permission": "pull", "url": at, "html_url": "https://github.com/orgs/" + o.Login + "/teams/" + t.Slug,
		"members_url": at + "/members{/member}", "repositories_url": at + "/repos", "parent": nil, "type": "organization",
	}
}

func (i *Install) object(o *Org) object {
	at := root + "/app/installations"
	return object{
		"id": i.ID, "account": o.asUser(), "repository_selection": i.Selection, "access_tokens_url": at, "repositories_url": root + "/installation/repositories",
		"html_url": "https://github.com/organizations/" + o.Login, "app_id": i.App.ID, "app_slug": i.App.Slug, "target_id": o.ID, "target_type": "Organization",
		"permissions": i.Permissions, "events": []string{"push"}, "created_at": stamp(i.Created), "updated_at": stamp(i.Created), "single_file_name": nil,
		"suspended_by": nil, "suspended_at": stampOf(i.Suspended),
	}
}

func (a *App) object() object {
	return object{
		"id": a.ID, "slug": a.Slug, "node_id": oid(a.Slug)[:16], "owner": userObject(&User{ID: 1, Login: "acme"}), "name": a.Slug, "description": nil,
		"external_url": "https://prumo.dev", "html_url": "https://github.com/apps/" + a.Slug, "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z",
		"permissions": object{"metadata": "read"}, "events": []string{"push"},
	}
}

const repoURLs = "archive_url assignees_url blobs_url branches_url collaborators_url comments_url commits_url compare_url contents_url contributors_url deployments_url downloads_url " +
	"events_url forks_url git_commits_url git_refs_url git_tags_url hooks_url issue_comment_url issue_events_url issues_url keys_url labels_url languages_url merges_url " +
	"milestones_url notifications_url pulls_url releases_url stargazers_url statuses_url subscribers_url subscription_url tags_url teams_url trees_url url git_url ssh_url clone_url svn_url"

func (o *Org) simpleRepo(r *Repo) object {
	full := o.full(r)
	x := object{
		"id": r.ID, "node_id": oid(full)[:16], "name": r.Name, "full_name": full, "owner": o.asUser(), "private": r.Private,
		"html_url": "https://github.com/" + full, "description": nil, "fork": r.Fork,
	}
	return urls(x, root+"/repos/"+full, repoURLs)
}

func (o *Org) repo(r *Repo, admin bool) object {
	x := o.simpleRepo(r)
	on := func(b bool) object {
		if b {
			return object{"status": "enabled"}
		}
		return object{"status": "disabled"}
	}
	visibility := "public"
	if r.Private {
		visibility = "private"
	}
	for k, v := range (object{
		"mirror_url": nil, "homepage": nil, "language": nil, "forks_count": 0, "stargazers_count": 0, "watchers_count": 0, "size": 1, "default_branch": r.Branch,
		"open_issues_count": 0, "has_issues": true, "has_projects": true, "has_wiki": false, "has_pages": false, "has_downloads": true, "has_discussions": false,
		"archived": r.Archived, "disabled": false, "visibility": visibility, "pushed_at": stamp(r.Pushed), "created_at": stamp(r.Created), "updated_at": stamp(r.Pushed),
		"forks": 0, "open_issues": 0, "watchers": 0, "license": nil, "network_count": 0, "subscribers_count": 0,
		"permissions": object{"admin": admin, "maintain": admin, "push": admin, "triage": admin, "pull": true},
	}) {
		x[k] = v
	}
	if admin {
		x["security_and_analysis"] = object{"secret_scanning": on(r.SecretScanning), "secret_scanning_push_protection": on(r.PushProtection)}
	}
	return x
}

func (k *Key) object() object {
	var by any
	if k.AddedBy != "" {
		by = k.AddedBy
	}
	return object{
		"id": k.ID, "key": "ssh-ed25519 AAAA", "url": root + "/keys", "title": k.Title, "verified": true, "created_at": stamp(k.Created), "read_only": k.ReadOnly,
		"added_by": by, "last_used": stampOf(k.Used), "enabled": true,
	}
}

func (c Collaborator) object() object {
	x := userObject(c.User)
	admin, maintain, push := c.Role == "admin", c.Role == "maintain", c.Role == "write"
	x["permissions"] = object{"pull": true, "triage": admin || maintain || push, "push": admin || maintain || push, "maintain": admin || maintain, "admin": admin}
	x["role_name"] = c.Role
	return x
}

func (e *Environment) object(o *Org) object {
	rules := []object{}
	if e.Wait > 0 {
		rules = append(rules, object{"id": 1, "node_id": "w", "type": "wait_timer", "wait_timer": e.Wait})
	}
	if len(e.Reviewers) > 0 {
		who := []object{}
		for _, r := range e.Reviewers {
			switch v := r.(type) {
			case *User:
				who = append(who, object{"type": "User", "reviewer": userObject(v)})
			case *Team:
				who = append(who, object{"type": "Team", "reviewer": v.object(o)})
			}
		}
		rules = append(rules, object{"id": 2, "node_id": "r", "type": "required_reviewers", "prevent_self_review": e.NoSelf, "reviewers": who})
	}
	var policy any
	if e.Protected || len(e.Branches) > 0 {
		rules = append(rules, object{"id": 3, "node_id": "b", "type": "branch_policy"})
		policy = object{"protected_branches": e.Protected, "custom_branch_policies": !e.Protected}
	}
	return object{
		"id": e.ID, "node_id": oid(e.Name)[:16], "name": e.Name, "url": root + "/environments/" + e.Name, "html_url": "https://github.com/environments/" + e.Name,
		"created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z", "can_admins_bypass": e.AdminsPass, "protection_rules": rules, "deployment_branch_policy": policy,
	}
}

func (t *AccessToken) object() object {
	return object{
		"id": t.ID, "owner": userObject(t.Owner), "repository_selection": "all", "repositories_url": root + "/x", "permissions": object{"organization": object{}, "repository": t.Repo},
		"access_granted_at": stamp(t.Granted), "token_id": t.ID, "token_name": t.Name, "token_expired": false, "token_expires_at": stampOf(t.Ends), "token_last_used_at": stampOf(t.Used),
	}
}
