package gitea

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

type object = map[string]any

// A fakeGitea answers like Gitea 1.26 for one organisation, read-only. Its
// answers are checked against Gitea's published description in swagger_test.go.
// Pages hold two things, so that everything is paged.
type fakeGitea struct {
	mu                 sync.Mutex // guards what follows
	self               object
	scopes             []string // of the token; nil: all
	isOwner            bool
	repos              []object
	rules              map[string][]object
	branches           map[string]object
	members            []object
	teams              []object
	inTeam             map[int][]object
	people             map[string][]object
	perms              map[string]string // repo/login
	keys               map[string][]object
	files              map[string]string // repo:path
	pulls              map[string][]object
	reviews            map[string][]object // repo#n
	prCommit           map[string][]object
	statuses           map[string][]object // sha
	commits            map[string][]object
	asked              []string
	hooks, feeds, runs map[string][]object
}

const (
	fakeToken = "tok-0123456789abcdef"
	fakeHook  = "hook-secret-0123456789"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ago(days int) string { return testNow.AddDate(0, 0, -days).Format(time.RFC3339) }

func fakeUser(id int, login string) object {
	return object{
		"id": id, "login": login, "full_name": "", "email": login + "@acme.test", "is_admin": false, "active": false,
		"prohibit_login": false, "last_login": "0001-01-01T00:00:00Z", "created": ago(400),
	}
}

func fakeRepo(id int, name string) object {
	return object{
		"id": id, "name": name, "full_name": "acme/" + name, "html_url": "https://git.acme.test/acme/" + name, "private": true, "internal": false,
		"fork": false, "mirror": false, "empty": false, "archived": false, "default_branch": "main",
		"created_at": ago(300), "updated_at": ago(1), "has_pull_requests": true, "has_actions": true, "has_code": true,
	}
}

func fakeCommit(sha, message, login string, days int, parents ...string) object {
	ps := []object{}
	for _, p := range parents {
		ps = append(ps, object{"sha": p})
	}
	who := object{"name": login, "email": login + "@acme.test", "date": ago(days)}
	return object{
		"sha": sha, "html_url": "https://git.acme.test/c/" + sha, "parents": ps,
		"commit": object{"message": message, "author": who, "committer": who, "verification": object{"verified": false, "signature": "", "reason": "x", "payload": ""}},
		"author": fakeUser(userID(login), login), "committer": fakeUser(userID(login), login),
	}
}

func userID(login string) int {
	return 1 + slices.Index([]string{"alice", "bob", "carol", "eve", "prumo"}, login)
}

func fakeRule(name string) object {
	return object{
		"rule_name": name, "enable_push": true, "enable_push_whitelist": true, "push_whitelist_usernames": []string{}, "push_whitelist_teams": []string{},
		"push_whitelist_deploy_keys": false, "enable_force_push": false, "enable_force_push_allowlist": false,
		"force_push_allowlist_usernames": []string{}, "force_push_allowlist_teams": []string{}, "force_push_allowlist_deploy_keys": false,
		"enable_merge_whitelist": false, "merge_whitelist_usernames": []string{}, "merge_whitelist_teams": []string{},
		"enable_status_check": true, "status_check_contexts": []string{"ci/*"}, "required_approvals": 1,
		"block_on_rejected_reviews": true, "block_on_official_review_requests": false, "block_on_outdated_branch": false,
		"dismiss_stale_approvals": true, "ignore_stale_approvals": false, "require_signed_commits": false,
		"unprotected_file_patterns": "", "protected_file_patterns": "", "block_admin_merge_override": true,
	}
}

const fakeWorkflow = `name: CI
on: {pull_request: {}, push: {branches: [main]}}
jobs:
  unit:
    name: Unit tests
    steps:
      - uses: actions/checkout@v4
      - uses: acme/tool@0123456789012345678901234567890123456789
  scan:
    steps: [{run: ./scan}]
`

func newFake() *fakeGitea {
	alice, bob, carol, eve, self := fakeUser(1, "alice"), fakeUser(2, "bob"), fakeUser(3, "carol"), fakeUser(4, "eve"), fakeUser(5, "prumo")
	f := &fakeGitea{
		self: self, isOwner: true,
		repos:   []object{fakeRepo(1, "api"), fakeRepo(2, "web"), fakeRepo(3, "docs")},
		members: []object{alice, bob, carol, self},
		teams: []object{
			{"id": 1, "name": "Owners", "permission": "owner", "includes_all_repositories": true, "units_map": object{"repo.code": "owner"}, "organization": object{"name": "acme"}},
			{"id": 2, "name": "devs", "permission": "none", "includes_all_repositories": false, "units_map": object{"repo.code": "write"}, "organization": object{"name": "acme"}},
			{"id": 3, "name": "readers", "permission": "read", "includes_all_repositories": false, "units_map": object{"repo.code": "read"}, "organization": object{"name": "acme"}},
		},
		inTeam:   map[int][]object{1: {alice, self}, 2: {alice, bob}, 3: {carol}},
		people:   map[string][]object{"acme/web": {eve}},
		perms:    map[string]string{"acme/web/eve": "write"},
		keys:     map[string][]object{"acme/web": {fakeKey(7, "deployer", false), fakeKey(8, "reader", true)}},
		rules:    map[string][]object{"acme/web": {fakeRule("release/*"), fakeRule("main")}},
		branches: map[string]object{},
		files: map[string]string{
			"acme/web:.gitea/workflows/ci.yaml": fakeWorkflow, "acme/web:CODEOWNERS": "* @acme/devs", "acme/web:docs/SECURITY.md": "write to us",
			"acme/api:main.go": "package main",
		},
		pulls: map[string][]object{}, reviews: map[string][]object{}, prCommit: map[string][]object{},
		statuses: map[string][]object{}, commits: map[string][]object{},
	}
	f.repos[2]["empty"] = true
	f.hooks = map[string][]object{"acme/web": {
		{"id": 1, "type": "gitea", "active": true, "events": []string{"push"}, "branch_filter": "*", "config": object{"url": "https://prumo.acme.test/hooks/code", "content_type": "json"}},
	}}
	f.feeds = map[string][]object{"acme/web": {
		fakePush("eve", "refs/heads/other", "m4"), fakePush("eve", "refs/heads/main", "m9"), fakePush("mallory", "refs/heads/main", "m4"),
	}}
	f.runs = map[string][]object{"acme/web": {
		{"id": 12, "path": "ci.yaml@refs/heads/main", "status": "completed", "conclusion": "failure", "started_at": ago(1), "head_branch": "main"},
		{"id": 11, "path": "ci.yaml@refs/heads/main", "status": "completed", "conclusion": "success", "started_at": ago(2), "head_branch": "main"},
		{"id": 13, "path": "ci.yaml@refs/tags/main", "status": "completed", "conclusion": "success", "started_at": ago(0), "head_branch": "main"},
	}}
	f.branches["acme/api"] = object{"name": "main", "protected": false, "commit": object{"id": "a1", "timestamp": ago(2)}, "required_approvals": 0, "enable_status_check": false, "status_check_contexts": []string{}, "effective_branch_protection_name": ""}
	f.branches["acme/web"] = object{"name": "main", "protected": true, "commit": object{"id": "m4", "timestamp": ago(1)}, "required_approvals": 1, "enable_status_check": true, "status_check_contexts": []string{"ci/*"}, "effective_branch_protection_name": "main"}
	f.seedHistory()
	return f
}

func fakePush(login, ref string, shas ...string) object {
	var commits []object
	for _, s := range shas {
		commits = append(commits, object{"Sha1": s})
	}
	b, _ := json.Marshal(object{"Commits": commits, "Len": len(commits)})
	return object{"id": 1, "op_type": "commit_repo", "act_user": fakeUser(userID(login), login), "ref_name": ref, "content": string(b), "created": ago(1)}
}

func fakeKey(id int, title string, readOnly bool) object {
	return object{"id": id, "key_id": id, "title": title, "fingerprint": fmt.Sprintf("SHA256:%d", id), "created_at": ago(200), "read_only": readOnly, "key": "ssh-ed25519 AAAA"}
}

// seedHistory gives acme/web a reviewed merge, a squash, a rebase and a direct
// push, and an old commit before the period.
func (f *fakeGitea) seedHistory() {
	f.commits["acme/web"] = []object{
		fakeCommit("m4", "direct", "bob", 1, "m3"),
		fakeCommit("m3", "two", "bob", 2, "m2"),
		fakeCommit("m2", "one", "bob", 2, "m1"),
		fakeCommit("m1", "squashed (#2)", "alice", 3, "m0"),
		fakeCommit("m0", "Merge pull request #1", "alice", 4, "old", "f1"),
		fakeCommit("f1", "feature", "bob", 5, "old"),
		fakeCommit("old", "before", "bob", 200),
		fakeCommit("older", "before that", "bob", 201),
		fakeCommit("oldest", "first", "bob", 202),
	}
	f.commits["acme/api"] = []object{fakeCommit("a1", "push", "bob", 2, "a0"), fakeCommit("a0", "initial", "bob", 299)}
	f.pull(3, "rebase", "bob", 2, "m3", "r2", fakeCommit("r2", "two", "bob", 2, "r1"), fakeCommit("r1", "one", "bob", 2, "m1"))
	f.pull(2, "squash", "bob", 3, "m1", "s1", fakeCommit("s1", "part", "bob", 3, "m0"))
	f.pull(1, "feature", "bob", 4, "m0", "f1", fakeCommit("f1", "feature", "bob", 5, "old"))
	f.pull(9, "long ago", "bob", 150, "old", "old", fakeCommit("old", "before", "bob", 200))
	f.pulls["acme/web"] = append(f.pulls["acme/web"], object{
		"number": 8, "title": "closed", "user": fakeUser(2, "bob"), "merged": false, "base": object{"ref": "main", "sha": "x"},
		"head": object{"ref": "x", "sha": "x"}, "created_at": ago(160), "updated_at": ago(160),
	})
	f.reviews["acme/web#1"] = []object{
		fakeReview(1, "carol", "APPROVED", 4), fakeReview(2, "alice", "REQUEST_CHANGES", 4), fakeReview(3, "alice", "APPROVED", 4),
	}
	f.reviews["acme/web#2"] = []object{fakeReview(4, "bob", "APPROVED", 3)}
	stale := fakeReview(5, "carol", "APPROVED", 2)
	stale["stale"] = true
	f.reviews["acme/web#3"] = []object{stale}
	f.statuses["f1"] = []object{{"context": "ci/unit", "status": "success"}, {"context": "lint", "status": "skipped"}, {"context": "style", "status": "warning"}}
	f.statuses["s1"] = []object{{"context": "ci/unit", "status": "failure"}}
}

func fakeReview(id int, login, state string, days int) object {
	at := testNow.AddDate(0, 0, -days).Add(time.Duration(id-60) * time.Minute).Format(time.RFC3339)
	return object{
		"id": id, "user": fakeUser(userID(login), login), "state": state, "stale": false, "official": true, "dismissed": false,
		"submitted_at": at, "updated_at": at,
	}
}

func (f *fakeGitea) pull(n int, title, login string, days int, merge, head string, commits ...object) {
	p := object{
		"number": n, "title": title, "html_url": fmt.Sprintf("https://git.acme.test/acme/web/pulls/%d", n), "user": fakeUser(userID(login), login),
		"merged": true, "merged_at": ago(days), "merged_by": fakeUser(1, "alice"), "merge_commit_sha": merge,
		"base": object{"ref": "main", "sha": "b"}, "head": object{"ref": title, "sha": head}, "created_at": ago(days + 1), "updated_at": ago(days),
	}
	f.pulls["acme/web"] = append(f.pulls["acme/web"], p)
	f.prCommit[fmt.Sprintf("acme/web#%d", n)] = commits
}

// ServeHTTP implements http.Handler.
func (f *fakeGitea) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v1")
	if r.Method != http.MethodGet || !ok {
		reply(w, http.StatusMethodNotAllowed, object{"message": "not here"})
		return
	}
	if path == "/version" {
		reply(w, 200, object{"version": "1.26.0"})
		return
	}
	if r.Header.Get("Authorization") != "token "+fakeToken {
		reply(w, http.StatusUnauthorized, object{"message": "user does not exist [uid: 0, name: ]"})
		return
	}
	if need := scopeOf(path); f.scopes != nil && !slices.Contains(f.scopes, need) {
		reply(w, http.StatusForbidden, object{"message": fmt.Sprintf("token does not have at least one of required scope(s), required=[%s], token scope=%s", need, strings.Join(f.scopes, ","))})
		return
	}
	f.route(w, r, path)
}

func scopeOf(path string) string {
	switch {
	case strings.HasPrefix(path, "/repos/"):
		return "read:repository"
	case strings.HasPrefix(path, "/orgs/"), strings.HasPrefix(path, "/teams/"), path == "/user/orgs":
		return "read:organization"
	case strings.HasPrefix(path, "/notifications"):
		return "read:notification"
	case strings.HasPrefix(path, "/admin"):
		return "read:admin"
	default:
		return "read:user"
	}
}

func (f *fakeGitea) route(w http.ResponseWriter, r *http.Request, path string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case path == "/user":
		reply(w, 200, f.self)
	case path == "/user/orgs":
		pageOf(w, r, []object{{"id": 9, "name": "acme", "username": "acme"}})
	case path == "/user/teams":
		if f.isOwner {
			pageOf(w, r, f.teams[:1])
		} else {
			pageOf(w, r, f.teams[2:])
		}
	case path == "/orgs/acme/repos":
		pageOf(w, r, f.repos)
	case path == "/orgs/acme/hooks":
		pageOf(w, r, f.hooks["acme"])
	case path == "/orgs/acme/members":
		pageOf(w, r, f.members)
	case path == "/orgs/acme/teams":
		pageOf(w, r, f.teams)
	case parts[0] == "teams" && len(parts) == 3:
		id, _ := strconv.Atoi(parts[1])
		if parts[2] == "repos" {
			pageOf(w, r, f.repos)
		} else {
			pageOf(w, r, f.inTeam[id])
		}
	case parts[0] == "repos" && len(parts) >= 3:
		f.repo(w, r, parts[1]+"/"+parts[2], parts[3:])
	default:
		missing(w)
	}
}

func (f *fakeGitea) repo(w http.ResponseWriter, r *http.Request, name string, rest []string) {
	i := slices.IndexFunc(f.repos, func(o object) bool { return o["full_name"] == name })
	if i < 0 {
		missing(w)
		return
	}
	if len(rest) == 0 {
		reply(w, 200, f.repos[i])
		return
	}
	admin := rest[0] == "branch_protections" || rest[0] == "keys" || rest[0] == "hooks"
	if admin && !f.isOwner {
		reply(w, http.StatusForbidden, object{"message": "user should be an owner or a collaborator with admin write of a repository"})
		return
	}
	switch {
	case rest[0] == "branches" && f.branches[name] != nil:
		reply(w, 200, f.branches[name])
	case rest[0] == "branch_protections":
		reply(w, 200, orEmpty(f.rules[name]))
	case rest[0] == "teams":
		reply(w, 200, f.teams)
	case rest[0] == "collaborators" && len(rest) == 1:
		pageOf(w, r, f.people[name])
	case rest[0] == "collaborators":
		reply(w, 200, object{"permission": f.perms[name+"/"+rest[1]], "role_name": f.perms[name+"/"+rest[1]], "user": fakeUser(userID(rest[1]), rest[1])})
	case rest[0] == "hooks":
		pageOf(w, r, f.hooks[name])
	case rest[0] == "activities":
		from, to := window(r, len(f.feeds[name]))
		w.Header().Set("X-Total-Count", strconv.Itoa(len(f.feeds[name]))) // and no links, as Gitea does
		reply(w, 200, orEmpty(f.feeds[name][from:to]))
	case rest[0] == "actions":
		reply(w, 200, object{"total_count": len(f.runs[name]), "workflow_runs": orEmpty(f.runs[name])})
	case rest[0] == "keys":
		pageOf(w, r, f.keys[name])
	case rest[0] == "contents":
		f.contents(w, name, strings.Join(rest[1:], "/"))
	case rest[0] == "pulls":
		f.pullRoutes(w, r, name, rest[1:])
	case rest[0] == "commits" && len(rest) == 1:
		pageOf(w, r, f.commits[name])
	case rest[0] == "commits" && rest[2] == "status":
		f.status(w, r, rest[1])
	default:
		missing(w)
	}
}

func (f *fakeGitea) pullRoutes(w http.ResponseWriter, r *http.Request, name string, rest []string) {
	if len(rest) == 0 {
		all := []object{}
		for _, p := range f.pulls[name] {
			copied := object{}
			for k, v := range p {
				copied[k] = v
			}
			copied["merged_by"] = nil // as Gitea does
			all = append(all, copied)
		}
		slices.SortFunc(all, func(a, b object) int { return strings.Compare(b["updated_at"].(string), a["updated_at"].(string)) })
		pageOf(w, r, all)
		return
	}
	i := slices.IndexFunc(f.pulls[name], func(p object) bool { return fmt.Sprint(p["number"]) == rest[0] })
	switch {
	case i < 0:
		missing(w)
	case len(rest) == 1:
		reply(w, 200, f.pulls[name][i])
	case rest[1] == "reviews":
		pageOf(w, r, f.reviews[name+"#"+rest[0]])
	case rest[1] == "commits":
		pageOf(w, r, f.prCommit[name+"#"+rest[0]])
	default:
		missing(w)
	}
}

func (f *fakeGitea) status(w http.ResponseWriter, r *http.Request, sha string) {
	all := f.statuses[sha]
	from, to := window(r, len(all))
	w.Header().Set("X-Total-Count", strconv.Itoa(len(all)))
	reply(w, 200, object{"sha": sha, "state": "pending", "total_count": to - from, "statuses": orEmpty(all[from:to])})
}

func (f *fakeGitea) contents(w http.ResponseWriter, name, path string) {
	if text, ok := f.files[name+":"+path]; ok {
		reply(w, 200, object{
			"name": path[strings.LastIndexByte(path, '/')+1:], "path": path, "type": "file", "size": len(text), "encoding": "base64",
			"content": base64.StdEncoding.EncodeToString([]byte(text)),
		})
		return
	}
	seen := map[string]bool{}
	entries := []object{}
	for key := range f.files {
		p, ok := strings.CutPrefix(key, name+":")
		if path != "" && ok {
			p, ok = strings.CutPrefix(p, path+"/")
		}
		if !ok {
			continue
		}
		first, _, isDir := strings.Cut(p, "/")
		if !seen[first] {
			seen[first] = true
			kind := "file"
			if isDir {
				kind = "dir"
			}
			entries = append(entries, object{"name": first, "path": strings.Trim(path+"/"+first, "/"), "type": kind, "size": 1})
		}
	}
	if len(entries) == 0 {
		missing(w)
		return
	}
	slices.SortFunc(entries, func(a, b object) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	reply(w, 200, entries)
}

const fakePage = 2

func window(r *http.Request, n int) (from, to int) {
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	from = min((max(page, 1)-1)*fakePage, n)
	return from, min(from+fakePage, n)
}

// pageOf answers with a page. The links carry the server's own address, which
// is not the one that it was asked by.
func pageOf(w http.ResponseWriter, r *http.Request, all []object) {
	from, to := window(r, len(all))
	if to < len(all) {
		q, _ := url.ParseQuery(r.URL.RawQuery)
		q.Set("page", strconv.Itoa(to/fakePage+1))
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next",<http://%s/last>; rel="last"`, r.Host, r.URL.Path, q.Encode(), r.Host))
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(len(all)))
	reply(w, 200, orEmpty(all[from:to]))
}

func orEmpty(s []object) []object {
	if s == nil {
		return []object{}
	}
	return s
}

func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func missing(w http.ResponseWriter) {
	reply(w, http.StatusNotFound, object{"message": "The target couldn't be found."})
}
