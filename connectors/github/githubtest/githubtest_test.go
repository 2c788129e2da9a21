package githubtest_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-github/v88/github"

	"prumo.dev/prumo/connectors/github/githubtest"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const token = "ghp_0123456789"

// serve starts a GitHub with an organisation, watched by the description.
func serve(t *testing.T, org string) (*githubtest.GitHub, *githubtest.Org, string) {
	t.Helper()
	g := githubtest.New(func() time.Time { return testNow })
	owner := g.User("octokit-fixture-user-a")
	o := g.Org(org, owner)
	o.Teams = []*githubtest.Team{{ID: g.ID(), Slug: "a-team"}}
	g.Tokens[token] = &githubtest.Credential{User: owner}
	d, err := githubtest.Describe()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d.Watch(g))
	t.Cleanup(func() {
		srv.Close()
		for _, p := range d.Problems() {
			t.Error(p)
		}
	})
	return g, o, srv.URL
}

//go:embed testdata/branch-protection.json
var scenario []byte

// The recorded scenario of GitHub itself is replayed: statuses, and the names of
// what the answers hold, must be the same.
func TestRecordedBranchProtection(t *testing.T) {
	var steps []struct {
		Method, Path string
		Status       int
		Body         json.RawMessage
		Response     json.RawMessage
	}
	if err := json.Unmarshal(scenario, &steps); err != nil || len(steps) < 4 {
		t.Fatalf("%d steps: %v", len(steps), err)
	}
	g, o, at := serve(t, "octokit-fixture-org")
	g.Repo(o, "branch-protection")
	for i, s := range steps {
		var body *bytes.Reader
		if bytes.HasPrefix(s.Body, []byte("{")) {
			body = bytes.NewReader(s.Body)
		} else {
			body = bytes.NewReader(nil)
		}
		req, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(s.Method), at+s.Path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "token "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		_ = json.NewDecoder(res.Body).Decode(&got)
		_ = res.Body.Close()
		_ = json.Unmarshal(s.Response, &want)
		if res.StatusCode != s.Status {
			t.Errorf("step %d, %s %s: status %d, GitHub said %d", i, s.Method, s.Path, res.StatusCode, s.Status)
		}
		for _, name := range missing("", want, got) {
			t.Errorf("step %d, %s %s: no %s, which GitHub said", i, s.Method, s.Path, name)
		}
	}
}

// missing lists what is in the recorded answer and not in ours. What newer
// versions of the API renamed or left out is not asked for.
func missing(at string, want, got any) []string {
	w, ok := want.(map[string]any)
	if !ok {
		return nil
	}
	g, _ := got.(map[string]any)
	var out []string
	for k, v := range w {
		if k == "dismissal_restrictions" || at == ".restrictions" && strings.HasSuffix(k, "s") {
			continue // the model keeps no list of who may dismiss, and fills lists with what it knows
		}
		if x, is := g[k]; !is {
			out = append(out, at+"."+k)
		} else {
			out = append(out, missing(at+"."+k, v, x)...)
		}
	}
	slices.Sort(out)
	return out
}

// A client that is not ours drives the model too.
func TestGoGitHub(t *testing.T) {
	g, o, at := serve(t, "acme")
	for i := range 120 {
		o.Members = append(o.Members, g.User(fmt.Sprintf("user%03d", i)))
	}
	o.Members[5].TwoFactor = false
	c, err := github.NewClient(github.WithAuthToken(token), github.WithURLs(github.Ptr(at+"/"), nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	org, _, err := c.Organizations.Get(ctx, "acme")
	must(err)
	if !org.GetTwoFactorRequirementEnabled() || org.GetLogin() != "acme" {
		t.Errorf("organisation %v", org)
	}
	n := 0
	opts := &github.ListMembersOptions{ListOptions: github.ListOptions{PerPage: 50}}
	for {
		users, res, err := c.Organizations.ListMembers(ctx, "acme", opts)
		must(err)
		n += len(users)
		if res.NextPage == 0 {
			break
		}
		opts.Page = res.NextPage
	}
	if n != 121 {
		t.Errorf("%d members over all pages, want 121", n)
	}
	without, _, err := c.Organizations.ListMembers(ctx, "acme", &github.ListMembersOptions{Filter: "2fa_disabled"})
	must(err)
	if len(without) != 1 {
		t.Errorf("%d members without a second factor, want 1", len(without))
	}
	driveRepository(t, c)
}

func driveRepository(t *testing.T, c *github.Client) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := c.Repositories.Create(ctx, "acme", &github.Repository{Name: github.Ptr("web"), Private: github.Ptr(true)})
	must(err)
	if _, _, err := c.Repositories.GetBranchProtection(ctx, "acme", "web", "main"); err == nil {
		t.Error("an empty repository has a protected branch")
	}
	_, _, err = c.Repositories.CreateFile(ctx, "acme", "web", "README.md", &github.RepositoryContentFileOptions{Message: github.Ptr("initial"), Content: []byte("# web")})
	must(err)
	if _, _, err := c.Repositories.GetBranchProtection(ctx, "acme", "web", "main"); err != github.ErrBranchNotProtected { //nolint:errorlint // the client returns the value itself
		t.Errorf("got %v, want ErrBranchNotProtected", err)
	}
	p, _, err := c.Repositories.UpdateBranchProtection(ctx, "acme", "web", "main", &github.ProtectionRequest{
		RequiredPullRequestReviews: &github.PullRequestReviewsEnforcementRequest{RequiredApprovingReviewCount: 2, DismissStaleReviews: true}, EnforceAdmins: true,
	})
	must(err)
	if p.GetRequiredPullRequestReviews().RequiredApprovingReviewCount != 2 || !p.GetEnforceAdmins().Enabled || p.GetAllowForcePushes().Enabled {
		t.Errorf("protection %v", p)
	}
	for _, e := range []github.RulesetEnforcement{github.RulesetEnforcementActive, github.RulesetEnforcementEvaluate} {
		made, _, err := c.Repositories.CreateRuleset(ctx, "acme", "web", github.RepositoryRuleset{
			Name: "r", Enforcement: e, Conditions: &github.RepositoryRulesetConditions{RefName: &github.RepositoryRulesetRefConditionParameters{Include: []string{"refs/heads/ma*"}, Exclude: []string{}}},
			Rules: &github.RepositoryRulesetRules{PullRequest: &github.PullRequestRuleParameters{RequiredApprovingReviewCount: 3}, Deletion: &github.EmptyRuleParameters{}},
		})
		must(err)
		again, _, err := c.Repositories.GetRuleset(ctx, "acme", "web", made.GetID(), false)
		must(err)
		if again.GetRules().GetPullRequest().RequiredApprovingReviewCount != 3 {
			t.Errorf("ruleset %v", again)
		}
	}
	rules, _, err := c.Repositories.ListRulesForBranch(ctx, "acme", "web", "main", nil)
	must(err)
	if len(rules.PullRequest) != 1 || len(rules.Deletion) != 1 {
		t.Errorf("%d rules of pull requests, %d of deletion in force; one ruleset is only evaluated", len(rules.PullRequest), len(rules.Deletion))
	}
	if rules, _, err = c.Repositories.ListRulesForBranch(ctx, "acme", "web", "other", nil); err != nil || len(rules.PullRequest) != 0 {
		t.Errorf("%v, %d rules on a branch that no condition names", err, len(rules.PullRequest))
	}
	_, _, err = c.Repositories.CreateKey(ctx, "acme", "web", &github.Key{Title: github.Ptr("k"), Key: github.Ptr("ssh-ed25519 AAAA"), ReadOnly: github.Ptr(true)})
	must(err)
	keys, _, err := c.Repositories.ListKeys(ctx, "acme", "web", nil)
	must(err)
	if len(keys) != 1 || !keys[0].GetReadOnly() {
		t.Errorf("keys %v", keys)
	}
	_, err = c.Repositories.RemoveBranchProtection(ctx, "acme", "web", "main")
	must(err)
	if _, _, err := c.Repositories.GetBranchProtection(ctx, "acme", "web", "main"); err != github.ErrBranchNotProtected { //nolint:errorlint // as above
		t.Errorf("got %v after removal", err)
	}
}

func TestNobodyIsToldWhatIsHidden(t *testing.T) {
	g, o, at := serve(t, "acme")
	g.Repo(o, "web")
	outsider := g.User("outsider")
	g.Tokens["ghp_other"] = &githubtest.Credential{User: outsider}
	c, err := github.NewClient(github.WithAuthToken("ghp_other"), github.WithURLs(github.Ptr(at+"/"), nil))
	if err != nil {
		t.Fatal(err)
	}
	_, res, err := c.Repositories.Get(t.Context(), "acme", "web")
	if err == nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("a private repository is told to an outsider: %v", err)
	}
	members, _, err := c.Organizations.ListMembers(t.Context(), "acme", nil)
	if err != nil || len(members) != 0 {
		t.Errorf("%d members are told to an outsider: %v", len(members), err)
	}
}

//go:embed testdata/examples.json
var examples []byte

var update = flag.Bool("update", false, "write the list of GitHub's own mistakes anew")

// GitHub's own examples do not all fit its own description. Those that do not
// are a list that may only shrink: it keeps our schemas as strict as they are.
func TestGitHubsOwnExamples(t *testing.T) {
	var all map[string]map[string]json.RawMessage
	if err := json.Unmarshal(examples, &all); err != nil || len(all) < 30 {
		t.Fatalf("%d operations: %v", len(all), err)
	}
	d, err := githubtest.Describe()
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	right := 0
	for op, list := range all {
		f := strings.Fields(op)
		for name, body := range list {
			if d.Check(f[0], f[1], f[2], body) != nil {
				wrong = append(wrong, op+" "+name)
			} else {
				right++
			}
		}
	}
	slices.Sort(wrong)
	const file = "testdata/examples-that-do-not-fit.txt"
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(wrong, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Fields(strings.ReplaceAll(string(known), " ", "_")), strings.Fields(strings.ReplaceAll(strings.Join(wrong, "\n"), " ", "_"))); diff != "" {
		t.Errorf("examples that do not fit GitHub's own description (-known +found):\n%s", diff)
	}
	if right < len(wrong) {
		t.Errorf("%d examples fit and %d do not: the description is read wrongly", right, len(wrong))
	}
}

// The watch bites: a path, a parameter and an answer that are not described.
func TestTheDescriptionBites(t *testing.T) {
	for _, tt := range []struct {
		address, answer, want string
	}{
		{"/orgs/acme/unheard-of", `{}`, "is not described"},
		{"/orgs/acme/members?filter=unheard_of", `[]`, "does not fit"},
		{"/orgs/acme/members?unheard=1", `[]`, "no parameter unheard"},
		{"/orgs/acme/members", `[{"login": 1}]`, "answer to GET /orgs/{org}/members"},
		{"/orgs/acme", `{"login": "acme"}`, "missing properties"},
	} {
		d, err := githubtest.Describe()
		if err != nil {
			t.Fatal(err)
		}
		h := d.Watch(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tt.answer)) }))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.address, nil))
		if p := strings.Join(d.Problems(), "\n"); !strings.Contains(p, tt.want) {
			t.Errorf("%s: problems %q, want %q", tt.address, p, tt.want)
		}
	}
}

// A query that does not fit the published schema is told.
func TestTheSchemaBites(t *testing.T) {
	g, _, _ := serve(t, "acme")
	for query, fits := range map[string]bool{
		`query { repository(owner: "a", name: "b") { databaseId } }`:    true,
		`query { repository(owner: "a", name: "b") { unheardOf } }`:     false,
		`query { repository(owner: "a") { databaseId } }`:               false,
		`query($x: Int!) { organization(login: $x) { unheardOf: id } }`: false,
	} {
		d, err := githubtest.Describe()
		if err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(map[string]string{"query": query})
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		d.Watch(g).ServeHTTP(httptest.NewRecorder(), req)
		if (len(d.Problems()) == 0) != fits {
			t.Errorf("%s: problems %v", query, d.Problems())
		}
	}
}
