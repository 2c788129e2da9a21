package githubtest

import (
	"slices"
	"strings"
	"time"
)

// query is what a query starts from.
func (c *call) query() object {
	return object{
		"organization": func(args map[string]any) any {
			for _, o := range c.Orgs {
				if strings.EqualFold(o.Login, args["login"].(string)) {
					return c.graphOrg(o)
				}
			}
			return denied("NOT_FOUND")
		},
		"repository": func(args map[string]any) any {
			for _, o := range c.Orgs {
				for _, r := range o.Repos {
					if strings.EqualFold(o.Login, args["owner"].(string)) && strings.EqualFold(r.Name, args["name"].(string)) && o.sees(c.cred, r) {
						return c.graphRepo(o, r)
					}
				}
			}
			return denied("NOT_FOUND")
		},
	}
}

func (c *call) graphOrg(o *Org) object {
	owner := o.isOwner(c.cred.User)
	return object{"membersWithRole": edges(o.Members, func(u *User) object {
		verified := []string{}
		if u.Email != "" {
			verified = append(verified, u.Email)
		}
		return object{
			"login": u.Login, "databaseId": u.ID, "name": u.Name, "email": "", "createdAt": stamp(u.Created),
			"organizationVerifiedDomainEmails": func(map[string]any) any { return verified },
		}
	}, func(u *User) object {
		role := "MEMBER"
		if o.isOwner(u) {
			role = "ADMIN"
		}
		var factor any
		if owner {
			factor = u.TwoFactor
		}
		return object{"role": role, "hasTwoFactorEnabled": factor}
	})}
}

func (c *call) graphRepo(o *Org, r *Repo) object {
	x := object{
		"__typename": "Repository", "databaseId": r.ID, "nameWithOwner": o.full(r), "isEmpty": len(r.Commits) == 0, "hasVulnerabilityAlertsEnabled": r.VulnerabilityAlerts,
		"object": func(args map[string]any) any { return r.tree(args["expression"].(string)) },
		"pullRequests": func(args map[string]any) any {
			if r.NoPullAccess || c.cred.Permissions != nil && c.cred.Permissions["pull_requests"] == "" {
				return denied("FORBIDDEN")
			}
			all := slices.Clone(r.Pulls)
			if base, ok := args["baseRefName"].(string); ok {
				all = slices.DeleteFunc(all, func(p *Pull) bool { return p.Base != base })
			}
			slices.SortStableFunc(all, func(a, b *Pull) int { return b.Updated.Compare(a.Updated) })
			return connection(all, func(p *Pull) object { return c.graphPull(o, r, p) })(args)
		},
		"rulesets": connection(r.Rulesets, func(s *Ruleset) object {
			return object{"databaseId": s.ID, "enforcement": strings.ToUpper(s.Enforcement), "updatedAt": stamp(s.Updated)}
		}),
		"deployKeys": connection(r.Keys, func(k *Key) object { return object{"id": k.Title, "readOnly": k.ReadOnly} }),
	}
	if len(r.Commits) > 0 {
		x["defaultBranchRef"] = object{"name": r.Branch, "target": c.graphCommit(o, r, r.Commits[0]), "branchProtectionRule": r.graphRule(r.Branch)}
	}
	return x
}

// graphRule is classic protection as GraphQL tells it.
func (r *Repo) graphRule(branch string) any {
	p, ok := r.Classic[branch]
	if !ok {
		return nil
	}
	ids := func(n int) field { return connection(make([]int, n), func(int) object { return object{"id": "x"} }) }
	return object{
		"pattern": branch, "isAdminEnforced": p.Admins, "requiresApprovingReviews": p.Reviews, "requiredApprovingReviewCount": p.Approvals,
		"requiresCodeOwnerReviews": p.CodeOwners, "dismissesStaleReviews": p.Stale, "requiresStatusChecks": p.Checks != nil, "requiresStrictStatusChecks": p.Strict,
		"requiredStatusCheckContexts": list(p.Checks), "allowsForcePushes": p.ForcePush, "allowsDeletions": p.Deletion, "requiresCommitSignatures": p.Signatures,
		"restrictsPushes": p.Restricted, "requiresConversationResolution": p.Conversation, "lockBranch": false, "restrictsReviewDismissals": false, "requireLastPushApproval": false,
		"bypassPullRequestAllowances": ids(len(p.BypassUsers) + len(p.BypassTeams)), "pushAllowances": ids(len(p.Users) + len(p.Teams)),
	}
}

// tree lists a folder, as HEAD:folder names it; nil if there is none.
func (r *Repo) tree(expression string) any {
	dir := strings.TrimPrefix(expression, "HEAD:")
	seen := map[string]object{}
	for path, text := range r.Files {
		rest := path
		if dir != "" {
			var in bool
			if rest, in = strings.CutPrefix(path, dir+"/"); !in {
				continue
			}
		}
		name, _, deeper := strings.Cut(rest, "/")
		e := object{"name": name, "type": "blob", "object": object{"__typename": "Blob", "text": text, "isTruncated": false, "byteSize": len(text)}}
		if deeper {
			e = object{"name": name, "type": "tree", "object": object{"__typename": "Tree"}}
		}
		seen[name] = e
	}
	if len(seen) == 0 || len(r.Commits) == 0 {
		return nil
	}
	var entries []object
	for _, e := range seen {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b object) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	return object{"__typename": "Tree", "entries": entries}
}

func graphActor(u *User) any {
	if u == nil {
		return nil
	}
	kind := "User"
	if u.Bot {
		kind = "Bot"
	}
	return object{"__typename": kind, "login": u.Login}
}

func (c *call) graphPull(o *Org, r *Repo, p *Pull) object {
	x := object{
		"__typename": "PullRequest", "number": p.Number, "title": p.Title, "url": "https://github.com/" + o.full(r) + "/pull/" + jsonText(p.Number),
		"createdAt": stamp(p.Created), "updatedAt": stamp(p.Updated), "mergedAt": stamp(p.MergedAt), "baseRefName": p.Base, "author": graphActor(p.Author),
		"mergedBy": graphActor(p.MergedBy), "mergeCommit": object{"oid": p.Merge}, "baseRepository": object{"nameWithOwner": o.full(r)},
		"reviews": connection(p.Reviews, func(v Review) object {
			updated := v.Updated
			if updated.IsZero() {
				updated = v.At
			}
			return object{"state": v.State, "submittedAt": stamp(v.At), "updatedAt": stamp(updated), "authorCanPushToRepository": !v.NoPush, "author": graphActor(v.By)}
		}),
		"commits": connection(p.Commits, func(s *Commit) object { return object{"commit": c.graphCommit(o, r, s)} }),
	}
	switch {
	case r.NoCheckPerm || c.cred.Permissions != nil && c.cred.Permissions["checks"] == "":
		x["statusCheckRollup"] = denied("FORBIDDEN")
	case len(p.Checks) > 0:
		x["statusCheckRollup"] = object{"contexts": connection(p.Checks, func(k Check) object {
			if k.Status {
				return object{"__typename": "StatusContext", "context": k.Name, "state": k.Result}
			}
			return object{"__typename": "CheckRun", "name": k.Name, "conclusion": k.Result, "status": "COMPLETED"}
		})}
	}
	return x
}

func (c *call) graphCommit(o *Org, r *Repo, s *Commit) object {
	headline, _, _ := strings.Cut(s.Message, "\n")
	author := object{"name": "somebody", "user": nil}
	if s.Author != nil {
		author = object{"name": s.Author.Login, "user": object{"__typename": "User", "login": s.Author.Login}}
	}
	parents := 1
	if s.Root {
		parents = 0
	}
	x := object{
		"__typename": "Commit", "oid": s.OID, "messageHeadline": headline, "committedDate": stamp(s.At), "url": "https://github.com/" + o.full(r) + "/commit/" + s.OID, "author": author,
		"parents": connection(make([]int, parents), func(int) object { return object{} }),
		"associatedPullRequests": connection(s.Pulls, func(p *Pull) object {
			return object{"number": p.Number, "mergedAt": mergedAt(p), "baseRefName": p.Base, "baseRepository": object{"nameWithOwner": o.full(r)}}
		}),
		"history": func(args map[string]any) any {
			return connection(r.Commits, func(y *Commit) object { return c.graphCommit(o, r, y) })(args)
		},
	}
	switch {
	case c.cred.Permissions != nil && c.cred.Permissions["checks"] == "":
		x["checkSuites"] = denied("FORBIDDEN")
	case len(r.Commits) > 0 && r.Commits[0] == s:
		x["checkSuites"] = connection(r.Runs, func(v Run) object {
			return object{"status": "COMPLETED", "conclusion": v.Result, "updatedAt": stamp(v.At), "workflowRun": object{"event": v.Event, "file": object{"path": v.Path}}}
		})
	default:
		x["checkSuites"] = connection([]Run{}, nil)
	}
	if s.Signed {
		x["signature"] = object{"isValid": true}
	}
	return x
}

func mergedAt(p *Pull) any {
	if p.MergedAt.IsZero() {
		return nil
	}
	return p.MergedAt.UTC().Format(time.RFC3339)
}
