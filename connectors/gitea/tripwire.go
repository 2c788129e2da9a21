package gitea

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// Tripwire implements connector.Tripwirer. Each call asks for what Gitea
// announces to nobody and hashes it: every repository's rules, and members,
// teams, collaborators and keys. It sends at most tripwire_requests requests
// beyond the lists of organisations, members and repositories; what does not
// fit takes turns. Rules have up to three quarters of the requests.
func (Connector) Tripwire(ctx context.Context, run connector.Run) (map[string]string, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return nil, err
	}
	w := wire{reader: r, hashes: map[string]string{}, budget: int(run.Settings.Int("tripwire_requests")), look: r.nextLook()}
	if w.budget <= 0 {
		w.budget = defaultTripwire
	}
	orgs := sorted(run.Settings.List("organisations"))
	if len(orgs) == 0 {
		found, err := list[apiOrg](ctx, r.api, "/user/orgs")
		if err != nil {
			return nil, fmt.Errorf("organisations: %w", err)
		}
		for _, o := range found {
			orgs = append(orgs, o.Name)
		}
	}
	var repos []apiRepo
	var firstErr error
	for _, org := range orgs {
		found, err := r.listRepos(ctx, org)
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		w.repositories(org, found)
		repos = append(repos, found...)
	}
	w.rules(ctx, repos)
	w.people(ctx, orgs, repos)
	if len(w.hashes) == 0 && firstErr != nil {
		return nil, firstErr
	}
	return w.hashes, ctx.Err()
}

// A wire is one look. A target whose answer did not come has no hash, and is
// compared the next time.
type wire struct {
	*reader
	hashes map[string]string
	budget int
	look   int64 // number of this look, for the turns
}

const memoLook = "tripwire look"

// nextLook counts the looks. Without a memory the clock does, which leaves turns
// out where a look takes longer than an interval.
func (r *reader) nextLook() int64 {
	look := r.run.Now().Unix() / int64(tripwireEvery/time.Second)
	if b, ok := r.recall(memoLook); ok {
		var last int64
		if json.Unmarshal(b, &last) == nil {
			look = last + 1
		}
	}
	r.keep(memoLook, look)
	return look
}

func (w *wire) put(target string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		return
	}
	sum := sha256.Sum256(b)
	w.hashes[target] = hex.EncodeToString(sum[:8])
}

// repositories hashes which repositories there are.
func (w *wire) repositories(org string, repos []apiRepo) {
	names := []string{}
	for _, repo := range repos {
		names = append(names, repo.FullName)
	}
	w.put("repositories:"+org, names)
}

// turn picks at most n of the things, the next ones with each look.
func turn[T any](all []T, n int, look int64) []T {
	if len(all) <= n {
		return all
	}
	if n <= 0 {
		return nil
	}
	rounds := (len(all) + n - 1) / n
	k := int(look % int64(rounds))
	return all[k*n : min((k+1)*n, len(all))]
}

// rules hashes each repository's rules, with what the list tells of it.
func (w *wire) rules(ctx context.Context, repos []apiRepo) {
	guarded := slices.DeleteFunc(slices.Clone(repos), func(a apiRepo) bool { return a.Archived || a.Empty })
	n := min(len(guarded), w.budget*3/4)
	w.budget -= n // the same in every round, or some of the rest would never have its turn
	for _, repo := range turn(guarded, n, w.look) {
		rules, err := whole[json.RawMessage](ctx, w.api, repoPath(repo.FullName)+"/branch_protections")
		if err != nil {
			continue
		}
		w.put("repo:"+repo.FullName, []any{rules, repo.DefaultBranch, repo.Private, repo.Archived, repo.HasPulls, repo.HasActions})
	}
}

// people hashes who is in the organisations and what each may do.
func (w *wire) people(ctx context.Context, orgs []string, repos []apiRepo) {
	var asks []func()
	ask := func(path string, targets ...string) {
		asks = append(asks, func() {
			all, err := list[json.RawMessage](ctx, w.api, path)
			if err != nil {
				return // without an answer there is no hash
			}
			for _, t := range targets {
				w.put(t, stable(all))
			}
		})
	}
	for _, org := range orgs {
		ask("/orgs/"+escape(org)+"/members", "accounts:members "+org)
		w.budget--
		teams, err := list[apiTeam](ctx, w.api, "/orgs/"+escape(org)+"/teams")
		if err != nil {
			continue
		}
		w.put("accounts:teams "+org, teams)
		for _, t := range teams {
			ask(fmt.Sprintf("/teams/%d/members", t.ID), fmt.Sprintf("accounts:team %d", t.ID))
			ask(fmt.Sprintf("/teams/%d/repos", t.ID), fmt.Sprintf("accounts:team repositories %d", t.ID))
		}
	}
	for _, repo := range repos {
		path, name := repoPath(repo.FullName), repo.FullName
		ask(path+"/collaborators", "accounts:collaborators "+name, "repo:"+name+":collaborators")
		ask(path+"/keys", "repo:"+name+":keys")
	}
	for _, f := range turn(asks, w.budget, w.look) {
		f()
	}
}

// stable keeps of each thing what identifies it and what it may do: a person's
// last sign-in and a repository's counters change all the time.
func stable(all []json.RawMessage) []any {
	out := []any{}
	for _, raw := range all {
		var x struct {
			ID       int64  `json:"id"`
			Login    string `json:"login"`
			FullName string `json:"full_name"`
			IsAdmin  bool   `json:"is_admin"`
			Active   bool   `json:"active"`
			Prohibit bool   `json:"prohibit_login"`
			ReadOnly bool   `json:"read_only"`
		}
		if json.Unmarshal(raw, &x) == nil {
			out = append(out, x)
		}
	}
	return out
}
