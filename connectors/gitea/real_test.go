package gitea

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

// A world is a real Gitea with an organisation in it.
type world struct {
	*testkit.GiteaServer
	t      *testing.T
	tokens map[string]string
	reader string // token of the least permissions
	hooks  chan delivery
}

// A delivery is a webhook as it came.
type delivery struct {
	header http.Header
	body   []byte
}

// newWorld makes organisation acme: alice owns it, bob and carol write, reader
// owns it too but its token may only read.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{GiteaServer: testkit.Gitea(t), t: t, tokens: map[string]string{}, hooks: make(chan delivery, 200)}
	for _, name := range []string{"alice", "bob", "carol", "mallory"} {
		w.tokens[name] = w.account(name, "all")
	}
	w.reader = w.account("reader", "read:organization", "read:repository", "read:user")
	w.as("alice", "POST", "/orgs", object{"username": "acme"})
	var teams []apiTeam
	w.read("alice", "/orgs/acme/teams", &teams)
	w.as("alice", "PUT", fmt.Sprintf("/teams/%d/members/reader", teams[0].ID), nil)
	devs := w.as("alice", "POST", "/orgs/acme/teams", object{
		"name": "devs", "permission": "write", "includes_all_repositories": true, "units": []string{"repo.code", "repo.pulls", "repo.issues"},
	})
	for _, name := range []string{"bob", "carol"} {
		w.as("alice", "PUT", fmt.Sprintf("/teams/%v/members/%s", devs["id"], name), nil)
	}
	w.as("alice", "POST", "/orgs/acme/repos", object{"name": "web", "auto_init": true, "default_branch": "main", "private": true})
	w.protect()
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.hooks <- delivery{r.Header, b}
	}))
	t.Cleanup(receiver.Close)
	w.as("alice", "POST", "/orgs/acme/hooks", object{
		"type": "gitea", "active": true, "events": []string{"push", "pull_request", "repository"},
		"config": object{"url": receiver.URL, "content_type": "json", "secret": fakeHook},
	})
	return w
}

// account makes an account and returns a token of it with the scopes.
func (w *world) account(name string, scopes ...string) string {
	w.t.Helper()
	const password = "p-for-one-test"
	w.Must("POST", "/admin/users", object{"username": name, "email": name + "@acme.test", "password": password, "must_change_password": false})
	return w.token(name, password, scopes...)
}

func (w *world) token(name, password string, scopes ...string) string {
	w.t.Helper()
	b, err := json.Marshal(object{"name": strings.Join(scopes, " "), "scopes": scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL+"/api/v1/users/"+name+"/tokens", bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	req.SetBasicAuth(name, password)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct{ SHA1 string }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || out.SHA1 == "" {
		w.t.Fatalf("token of %s: status %d, %v", name, res.StatusCode, err)
	}
	return out.SHA1
}

// as makes a request that must succeed.
func (w *world) as(name, method, path string, body any) object {
	w.t.Helper()
	status, b := w.APIAs(w.tokens[name], method, path, body)
	if status >= 300 {
		w.t.Fatalf("%s: %s %s: status %d: %s", name, method, path, status, b)
	}
	var o object
	_ = json.Unmarshal(b, &o) // a list is of no use here
	return o
}

func (w *world) read(name, path string, v any) {
	w.t.Helper()
	status, b := w.APIAs(w.tokens[name], "GET", path, nil)
	if err := json.Unmarshal(b, v); err != nil || status != 200 {
		w.t.Fatalf("%s: status %d: %v", path, status, err)
	}
}

func (w *world) protect() {
	w.t.Helper()
	w.as("alice", "POST", "/repos/acme/web/branch_protections", object{
		"rule_name": "main", "enable_push": false, "required_approvals": 1, "enable_status_check": true, "status_check_contexts": []string{"ci/*"},
		"dismiss_stale_approvals": true, "block_admin_merge_override": true, "block_on_rejected_reviews": true,
	})
}

// merged takes a change of bob's through review by carol and a green check.
func (w *world) merged(n int, style string) {
	w.t.Helper()
	branch := "feature-" + style
	for i := range 2 {
		body := object{"content": base64.StdEncoding.EncodeToString([]byte(style)), "message": fmt.Sprintf("%s %d", style, i), "branch": branch}
		if i == 0 {
			body["branch"], body["new_branch"] = "main", branch
		}
		w.as("bob", "POST", fmt.Sprintf("/repos/acme/web/contents/%s-%d.txt", style, i), body)
	}
	time.Sleep(time.Second) // Gitea works a push off in the background, and takes back what was approved before it has
	pr := w.as("bob", "POST", "/repos/acme/web/pulls", object{"head": branch, "base": "main", "title": style})
	head, _ := pr["head"].(map[string]any)
	w.as("bob", "POST", fmt.Sprintf("/repos/acme/web/statuses/%s", head["sha"]), object{"state": "success", "context": "ci/unit"})
	w.as("carol", "POST", fmt.Sprintf("/repos/acme/web/pulls/%d/reviews", n), object{"event": "APPROVED", "body": "good"})
	if status, b := w.APIAs(w.tokens["bob"], "POST", fmt.Sprintf("/repos/acme/web/pulls/%d/reviews", n), object{"event": "APPROVED", "body": "mine"}); status < 400 {
		w.t.Errorf("Gitea took the author's own approval: %s", b)
	}
	var last string
	for range 50 { // Gitea works out in the background whether it can be merged
		status, b := w.APIAs(w.tokens["alice"], "POST", fmt.Sprintf("/repos/acme/web/pulls/%d/merge", n), object{"Do": style})
		if status < 300 {
			return
		}
		last = string(b)
		time.Sleep(200 * time.Millisecond)
		if strings.Contains(last, "enough approvals") { // the last push was worked off late and took the approval back
			w.as("carol", "POST", fmt.Sprintf("/repos/acme/web/pulls/%d/reviews", n), object{"event": "APPROVED", "body": "again"})
		}
	}
	w.t.Fatalf("merge %d by %s: %s", n, style, last)
}

func (w *world) run(token string) connector.Run {
	dial := connector.NewDialer(connector.NetworkPolicy{AllowAll: true})
	c := connector.NewClient(connector.ClientConfig{Hosts: []string{w.URL}, Dial: dial, Rate: -1, Secrets: []string{token}})
	w.t.Cleanup(c.CloseIdleConnections)
	return connector.Run{
		Source: "code", HTTP: c, Dial: dial, Now: time.Now,
		Settings: connector.Settings{"url": w.URL, "token": token, "webhook_secret": fakeHook, "organisations": []string{"acme"}},
	}
}

func (w *world) collect(token string) *connector.Memory {
	w.t.Helper()
	m := connector.Record()
	if err := New().Collect(w.t.Context(), w.run(token), m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) reread(targets ...string) *connector.Memory {
	w.t.Helper()
	m := connector.Record()
	if err := (Connector{}).Reread(w.t.Context(), w.run(w.reader), targets, m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) tripwire() map[string]string {
	w.t.Helper()
	h, err := (Connector{}).Tripwire(w.t.Context(), w.run(w.reader))
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func differing(a, b map[string]string) []string {
	var out []string
	for k, v := range b {
		if a[k] != v {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// announced waits for the webhook that is wanted. Others may come before it:
// Gitea delivers in the background.
func (w *world) announced(what string, wanted func(connector.Event) bool) connector.Event {
	w.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case d := <-w.hooks:
			if _, err := (Connector{}).Webhook(w.t.Context(), w.run(w.reader), http.Header{"X-Hub-Signature-256": {"sha256=00"}}, d.body); err == nil {
				w.t.Error("a wrong signature was taken")
			}
			ev, err := (Connector{}).Webhook(w.t.Context(), w.run(w.reader), d.header, d.body)
			if err != nil {
				w.t.Fatalf("webhook %s: %v", d.header.Get("X-Gitea-Event"), err)
			}
			if ev.What == what && wanted(ev) {
				return ev
			}
		case <-limit:
			w.t.Fatalf("no such webhook %s came", what)
		}
	}
}

// TestRealGitea is one story, since a server takes seconds to start.
func TestRealGitea(t *testing.T) {
	w := newWorld(t)
	for i, style := range []string{"merge", "squash", "rebase", "rebase-merge"} {
		w.merged(i+1, style)
	}
	t.Run("as it should be", w.good)
	t.Run("fake against the description", w.describes)
	t.Run("identity", w.identity)
	t.Run("removed protection", w.removedProtection)
	t.Run("direct push", w.directPush)
	t.Run("workflow", w.workflow)
	t.Run("webhook", w.webhook)
	t.Run("deploy key", w.deployKey)
	t.Run("members", w.changedMembers)
	t.Run("mended", w.mended)
	t.Run("refusals", w.refusals)
	t.Run("deleted repository", w.deleted)
}

func (w *world) good(t *testing.T) {
	m := w.collect(w.reader)
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("scope %s is %s: %s (%s)", s.Scope.Name, s.Reading, s.Detail.Why, s.Detail.Permission)
		}
	}
	p, _ := data[fact.Repository](t, m, "repository", "gitea/acme/web").Protection.Get()
	checkJSON(t, "protection", p, `{
		"enabled": true, "pull_request": true, "approvals": 1, "author_can_approve": false, "dismiss_stale": true, "code_owners": false,
		"required_checks": ["ci/*"], "checks_required": true, "up_to_date": false, "force_push": false, "deletion": false, "admins": true,
		"bypass_actors": [], "push_actors": [], "merge_actors": ["alice", "bob", "carol", "reader"], "signed_commits": false, "conversations_done": true
	}`)
	if got := ids(m, "commit"); len(got) != 0 {
		t.Errorf("commits past review: %v, want none: every one was reviewed", got)
	}
	for n := 1; n <= 4; n++ {
		c := data[fact.Change](t, m, "change", fmt.Sprintf("gitea/acme/web#%d", n))
		checkJSON(t, fmt.Sprintf("change %d", n), []any{c.Author, c.Approvers, c.OtherApprovers, c.Committers, c.ChecksPassed, c.MergedBy}, `["bob", ["carol"], ["carol"], ["bob"], true, "alice"]`)
	}
	if d := cmp.Diff([]string{"gitea/alice", "gitea/bob", "gitea/carol", "gitea/reader"}, ids(m, "account")); d != "" {
		t.Error(d)
	}
	if a := data[fact.Account](t, m, "account", "gitea/bob"); a.Active.Known() || a.NeverSignedIn.Known() || a.MFA.Known() {
		t.Errorf("bob: active, sign-in or second factor is known to whom Gitea does not tell: %+v", a)
	}
	bob := data[fact.Account](t, w.collect(w.AdminToken), "account", "gitea/bob")
	if active, _ := bob.Active.Get(); !active || !bob.NeverSignedIn.Known() {
		t.Errorf("bob, as told to a site administrator: active %v, sign-in known %v; want both", active, bob.NeverSignedIn.Known())
	}
}

func (w *world) identity(t *testing.T) {
	id, err := (Connector{}).Identify(t.Context(), w.run(w.reader))
	if err != nil {
		t.Fatal(err)
	}
	if readOnly, ok := id.ReadOnly.Get(); !readOnly || !ok || id.Name != "reader" || !strings.HasPrefix(id.System, "Gitea ") || len(id.Missing)+len(id.Excess) != 0 {
		t.Errorf("reader: %+v; want a proven reader with nothing missing and nothing to spare", id)
	}
	id, err = (Connector{}).Identify(t.Context(), w.run(w.token("alice", "p-for-one-test", "write:repository", "read:user")))
	if err != nil {
		t.Fatal(err)
	}
	if readOnly, ok := id.ReadOnly.Get(); readOnly || !ok || !slices.Equal(id.Missing, []string{"read:organization"}) || !slices.Equal(id.Excess, []string{"write:repository"}) {
		t.Errorf("a token that may write: %+v", id)
	}
	if _, err := (Connector{}).Identify(t.Context(), w.run("0123456789012345678901234567890123456789")); err == nil {
		t.Error("a bad token has an identity")
	}
}

func (w *world) removedProtection(t *testing.T) {
	before := w.tripwire()
	if d := differing(before, w.tripwire()); len(d) != 0 {
		t.Fatalf("nothing changed, and yet %v differ", d)
	}
	w.as("alice", "DELETE", "/repos/acme/web/branch_protections/main", nil)
	d := differing(before, w.tripwire())
	if !slices.Equal(d, []string{"repo:acme/web"}) {
		t.Fatalf("the tripwire saw %v, want repo:acme/web", d)
	}
	p, _ := data[fact.Repository](t, w.reread(d...), "repository", "gitea/acme/web").Protection.Get()
	if on, ok := p.Enabled.Get(); on || !ok {
		t.Errorf("protection enabled %v (known %v), want known to be off", on, ok)
	}
}

func (w *world) directPush(t *testing.T) {
	w.as("bob", "POST", "/repos/acme/web/contents/direct.txt", object{
		"content": "eA==", "message": "straight to main\n\nbody", "branch": "main", "author": object{"name": "eve", "email": "eve@elsewhere.test"},
	})
	ev := w.announced("push", func(e connector.Event) bool { return e.Actor == "bob" && len(e.Targets) > 0 })
	if ev.ID == "" || !slices.Contains(ev.Targets, "history:acme/web") {
		t.Errorf("event %+v; want bob's push to acme/web", ev)
	}
	m := w.reread(ev.Targets...)
	got := ids(m, "commit")
	if len(got) != 1 {
		t.Fatalf("commits past review: %v, want one", got)
	}
	c := data[fact.Commit](t, m, "commit", got[0])
	checkJSON(t, "commit", []any{c.Title, c.Author, c.Pusher, c.Reviewed, c.Signed}, `["straight to main", "eve", "bob", false, false]`)
}

// workflow puts a workflow file past review, which no runner takes.
func (w *world) workflow(t *testing.T) {
	w.as("bob", "POST", "/repos/acme/web/contents/.gitea/workflows/ci.yaml", object{
		"content": base64.StdEncoding.EncodeToString([]byte(fakeWorkflow)), "message": "a workflow", "branch": "main",
	})
	var p fact.Pipeline
	for range 50 { // Gitea makes the run in the background
		m := w.reread("repo:acme/web")
		if got := ids(m, "pipeline"); len(got) != 1 {
			t.Fatalf("pipelines %v, want one", got)
		}
		if p = data[fact.Pipeline](t, m, "pipeline", "gitea/acme/web/.gitea/workflows/ci.yaml"); p.LastStatus.Known() {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	checkJSON(t, "pipeline", []any{p.File, p.Jobs, p.PinnedActions, p.Unpinned, p.LastStatus}, `[".gitea/workflows/ci.yaml", ["scan", "unit"], false, ["actions/checkout@v4"], "pending"]`)
}

func (w *world) webhook(t *testing.T) {
	tells := func() fact.Opt[bool] {
		return data[fact.Repository](t, w.reread("repo:acme/web"), "repository", "gitea/acme/web").Webhook
	}
	if tells().Known() {
		t.Error("a webhook that leads elsewhere tells us, want unknown: one of the server may")
	}
	made := w.as("alice", "POST", "/repos/acme/web/hooks", object{
		"type": "gitea", "active": true, "events": []string{"push"}, "config": object{"url": "http://127.0.0.1:9/hooks/code", "content_type": "json", "secret": fakeHook},
	})
	if on, _ := tells().Get(); !on {
		t.Error("a webhook to this source does not tell us")
	}
	w.as("alice", "DELETE", fmt.Sprintf("/repos/acme/web/hooks/%v", made["id"]), nil)
}

func (w *world) deployKey(t *testing.T) {
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	before := w.tripwire()
	w.as("alice", "POST", "/repos/acme/web/keys", object{"title": "robot", "key": string(ssh.MarshalAuthorizedKey(key)), "read_only": false})
	d := differing(before, w.tripwire())
	if !slices.Equal(d, []string{"repo:acme/web:keys"}) {
		t.Fatalf("the tripwire saw %v, want the keys", d)
	}
	m := w.reread(d...)
	keys := ids(m, "secret")
	if len(keys) != 1 {
		t.Fatalf("keys %v, want one", keys)
	}
	if write, _ := data[fact.Secret](t, m, "secret", keys[0]).Write.Get(); !write {
		t.Error("the key may not write, want that it may")
	}
	repo := data[fact.Repository](t, m, "repository", "gitea/acme/web")
	checkJSON(t, "non-human writers", repo.NonHumanWriters, `["deploy key robot"]`)
}

func (w *world) changedMembers(t *testing.T) {
	before := w.tripwire()
	w.as("alice", "PUT", "/repos/acme/web/collaborators/mallory", object{"permission": "admin"})
	d := differing(before, w.tripwire())
	if !slices.Contains(d, "accounts:collaborators acme/web") || !slices.Contains(d, "repo:acme/web:collaborators") {
		t.Fatalf("the tripwire saw %v, want the collaborators", d)
	}
	m := w.reread(d...)
	mallory := data[fact.Account](t, m, "account", "gitea/mallory")
	checkJSON(t, "mallory", []any{mallory.External, mallory.WritesTo, mallory.Roles}, `[true, ["gitea/acme/web"], ["collaborator"]]`)
	if s := scopeNamed(t, m, "accounts"); s.Reading != fact.Complete {
		t.Errorf("accounts: %s (%s), want complete", s.Reading, s.Detail.Why)
	}
}

func (w *world) mended(t *testing.T) {
	before := w.tripwire()
	w.protect()
	w.as("alice", "DELETE", "/repos/acme/web/collaborators/mallory", nil)
	d := differing(before, w.tripwire())
	m := w.reread(d...)
	p, _ := data[fact.Repository](t, m, "repository", "gitea/acme/web").Protection.Get()
	if on, _ := p.Enabled.Get(); !on {
		t.Error("the protection is off, want it back")
	}
	if slices.Contains(ids(m, "account"), "gitea/mallory") {
		t.Error("mallory is still there")
	}
}

func (w *world) refusals(t *testing.T) {
	bad := w.collect("0123456789012345678901234567890123456789")
	for _, s := range bad.Scopes() {
		if s.Reading != fact.Forbidden || s.Detail.Status != 401 || len(bad.Facts()) != 0 {
			t.Errorf("bad token: scope %s is %s with status %d and %d facts", s.Scope.Name, s.Reading, s.Detail.Status, len(bad.Facts()))
		}
	}
	narrow := w.collect(w.token("alice", "p-for-one-test", "read:organization", "read:user"))
	for _, s := range narrow.Scopes() {
		if s.Reading == fact.Complete || s.Detail.Permission != "read:repository" {
			t.Errorf("token without read:repository: scope %s is %s, permission %q", s.Scope.Name, s.Reading, s.Detail.Permission)
		}
	}
	m := w.collect(w.tokens["bob"])
	repo := data[fact.Repository](t, m, "repository", "gitea/acme/web")
	p, _ := repo.Protection.Get()
	checkJSON(t, "what a writer is told", p, `{
		"enabled": true, "approvals": 1, "author_can_approve": false, "checks_required": true, "required_checks": ["ci/*"], "deletion": false
	}`)
	if s := scopeNamed(t, m, "keys acme/web"); s.Reading != fact.Forbidden || s.Detail.Permission != "owner of the organisation" {
		t.Errorf("keys as told to a writer: %s, permission %q", s.Reading, s.Detail.Permission)
	}
	outside := w.collect(w.tokens["mallory"])
	for _, s := range outside.Scopes() {
		if s.Reading == fact.Complete {
			t.Errorf("an outsider's reading of %s is complete", s.Scope.Name)
		}
	}
}

func (w *world) deleted(t *testing.T) {
	w.as("alice", "POST", "/orgs/acme/repos", object{"name": "gone", "auto_init": true, "default_branch": "main"})
	ev := w.announced("repository", func(e connector.Event) bool { return slices.Contains(e.Targets, "repo:acme/gone") })
	if !slices.Contains(ids(w.reread(ev.Targets...), "repository"), "gitea/acme/gone") {
		t.Error("a new repository was not read")
	}
	w.as("alice", "DELETE", "/repos/acme/gone", nil)
	ev = w.announced("repository", func(e connector.Event) bool { return slices.Contains(e.Targets, "repositories:acme") })
	m := w.reread(ev.Targets...)
	if s := scopeNamed(t, m, "repositories acme"); s.Reading != fact.Complete || slices.Contains(ids(m, "repository"), "gitea/acme/gone") {
		t.Errorf("after the deletion: %s with %v; want a complete reading without it", s.Reading, ids(m, "repository"))
	}
}
