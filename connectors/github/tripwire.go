package github

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// wireSize is how many repositories one query of the tripwire looks at.
const wireSize = 50

// Tripwire implements connector.Tripwirer. What an organisation is and who is in
// it is asked with REST and an ETag, which costs nothing while nothing changes.
// The protection of repositories is asked with GraphQL, at most
// tripwire_requests queries a round; what does not fit takes turns, by the
// clock, so that no state is kept.
func (Connector) Tripwire(ctx context.Context, run connector.Run) (map[string]string, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return nil, err
	}
	orgs := sorted(run.Settings.List("organisations"))
	if len(orgs) == 0 {
		if orgs, err = r.ownOrganisations(ctx); err != nil {
			return nil, fmt.Errorf("organisations: %w", err)
		}
	}
	w := wire{reader: r, hashes: map[string]string{}}
	type part struct {
		org   string
		repos []repo
	}
	var parts []part
	for _, org := range sorted(orgs) {
		w.organisation(ctx, org)
		for c := range slices.Chunk(w.repos(ctx, org), wireSize) {
			parts = append(parts, part{org, c})
		}
	}
	budget := int(run.Settings.Int("tripwire_requests"))
	if budget <= 0 {
		budget = defaultTripwire
	}
	for _, p := range turn(parts, budget, run.Now()) {
		w.guards(ctx, p.org, p.repos)
	}
	if len(w.hashes) == 0 && w.err != nil {
		return nil, w.err
	}
	return w.hashes, ctx.Err()
}

// A wire is one look. A target whose answer did not come has no hash, and is
// compared the next time.
type wire struct {
	*reader
	hashes map[string]string
	err    error
}

func (w *wire) put(target string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		return
	}
	sum := sha256.Sum256(b)
	w.hashes[target] = hex.EncodeToString(sum[:8])
}

// hash asks for something and hashes what is read of it.
func hash[T any](w *wire, target string, v T, err error) {
	if err == nil {
		w.put(target, v)
	} else if w.err == nil {
		w.err = err
	}
}

// organisation hashes its settings, who is in it, who has no second factor, its
// Apps and its rulesets.
func (w *wire) organisation(ctx context.Context, org string) {
	o, err := get[organisation](ctx, w.api, org, orgPath(org))
	o.PublicRepos, o.PrivateRepos = nil, nil
	hash(w, "tenant:"+org+":settings", o, err)
	for _, x := range []struct{ target, path string }{
		{"accounts:" + org + " members", "/members"},
		{"accounts:" + org + " owners", "/members?role=admin"},
		{"accounts:" + org + " members without a second factor", "/members?filter=2fa_disabled"},
		{"accounts:" + org + " outside collaborators", "/outside_collaborators"},
		{"accounts:" + org + " outsiders without a second factor", "/outside_collaborators?filter=2fa_disabled"},
	} {
		users, err := w.users(ctx, org, orgPath(org)+x.path)
		slices.SortFunc(users, func(a, b user) int { return int(a.ID - b.ID) })
		hash(w, x.target, users, err)
		if strings.HasSuffix(x.target, " owners") {
			hash(w, "tenant:"+org+":owners", users, err)
		}
	}
	teams, err := w.teamList(ctx, org)
	hash(w, "accounts:"+org+" teams", teams, err)
	actions, err := get[actionsPermissions](ctx, w.api, org, orgPath(org)+"/actions/permissions")
	hash(w, "tenant:"+org+":actions", actions, err)
	flow, err := get[workflowPermissions](ctx, w.api, org, orgPath(org)+"/actions/permissions/workflow")
	hash(w, "tenant:"+org+":workflows", flow, err)
	var found installations
	apps, err := w.installations(ctx, org, &found)
	hash(w, "tenant:"+org+":apps", apps, err)
	hash(w, "accounts:"+org+" apps", apps, err)
	rules, err := list[ruleset](ctx, w.api, org, orgPath(org)+"/rulesets")
	hash(w, "repositories:"+org+":rulesets", rules, err)
}

// repos hashes which repositories there are, and returns those that take changes.
func (w *wire) repos(ctx context.Context, org string) []repo {
	repos, err := w.listRepos(ctx, org)
	names := []string{}
	for _, x := range repos {
		names = append(names, x.FullName)
	}
	hash(w, "repositories:"+org+":names", names, err)
	if err != nil {
		return nil
	}
	for _, x := range repos {
		w.put("repo:"+x.FullName+":settings", []any{x.DefaultBranch, x.Private, x.archived(), x.Security})
	}
	return slices.DeleteFunc(repos, repo.archived)
}

const wireFields = `
fragment guard on Repository {
  databaseId
  defaultBranchRef {
    name
    branchProtectionRule {
      pattern isAdminEnforced requiresApprovingReviews requiredApprovingReviewCount requiresCodeOwnerReviews
      dismissesStaleReviews requiresStatusChecks requiresStrictStatusChecks requiredStatusCheckContexts
      allowsForcePushes allowsDeletions requiresCommitSignatures restrictsPushes requiresConversationResolution
      lockBranch restrictsReviewDismissals requireLastPushApproval
      bypassPullRequestAllowances(first: 20) { totalCount nodes { id } }
      pushAllowances(first: 20) { totalCount nodes { id } }
    }
  }
  rulesets(first: 20, includeParents: false) { totalCount nodes { databaseId enforcement updatedAt } }
  deployKeys(first: 20) { totalCount nodes { id readOnly } }
}`

// guards hashes the protection of some repositories.
func (w *wire) guards(ctx context.Context, org string, repos []repo) {
	var heads, body strings.Builder
	vars := map[string]any{}
	for i, x := range repos {
		owner, name, _ := cutName(x.FullName)
		fmt.Fprintf(&heads, "$o%d: String!, $n%d: String!, ", i, i)
		fmt.Fprintf(&body, "  r%d: repository(owner: $o%d, name: $n%d) { ...guard }\n", i, i, i)
		vars[fmt.Sprintf("o%d", i)], vars[fmt.Sprintf("n%d", i)] = owner, name
	}
	text := "query(" + strings.TrimSuffix(heads.String(), ", ") + ") {\n" + body.String() + "}" + wireFields
	var answers map[string]*struct {
		ID       int64           `json:"databaseId"`
		Branch   json.RawMessage `json:"defaultBranchRef"`
		Rulesets json.RawMessage `json:"rulesets"`
		Keys     json.RawMessage `json:"deployKeys"`
	}
	denied, err := w.api.query(ctx, org, text, vars, &answers)
	if err != nil {
		w.err = firstOf(w.err, err)
		return
	}
	for i, x := range repos {
		alias := fmt.Sprintf("r%d", i)
		a := answers[alias]
		if a == nil || a.ID != x.ID || denied.of(alias, "") != nil {
			continue
		}
		parts := []any{}
		for field, raw := range map[string]json.RawMessage{"defaultBranchRef": a.Branch, "rulesets": a.Rulesets, "deployKeys": a.Keys} {
			if denied.of(alias, field) == nil {
				w.put("repo:"+x.FullName+":"+field, compact(raw))
			}
			parts = append(parts, field)
		}
		_ = parts
	}
}

// compact makes one text of JSON that only differs in space and order.
func compact(raw json.RawMessage) any {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	return v
}

// turn picks at most n of the things, the next ones with each interval of the tripwire.
func turn[T any](all []T, n int, now time.Time) []T {
	if len(all) <= n {
		return all
	}
	if n <= 0 {
		return nil
	}
	rounds := (len(all) + n - 1) / n
	k := int(now.Unix()/int64(tripwireEvery/time.Second)) % rounds
	return all[k*n : min((k+1)*n, len(all))]
}

var _ connector.Tripwirer = Connector{}
