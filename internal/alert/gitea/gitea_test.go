package gitea

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
	"prumo.dev/prumo/internal/alert/ticket/tickettest"
	"prumo.dev/prumo/internal/testkit"
)

const token = "topsecret-token"

func fresh(c *http.Client) channel.Channel { return New(Config{HTTP: c}) }

func words(url, token string) string {
	return fmt.Sprintf(`{url: %q, repository: acme/security, token: %s}`, url, token)
}

func forge() *tickettest.Forge {
	return &tickettest.Forge{Prefix: "/api/v1", Auth: "token " + token, Page: "limit", MaxTitle: maxTitle, MaxBody: maxBody}
}

func TestExam(t *testing.T) {
	channeltest.Run(t, channeltest.Exam{
		New: fresh, Words: func(url string) string { return words(url, token) }, Secrets: []string{token}, Accept: forge().ServeHTTP,
	})
}

func TestStory(t *testing.T) {
	f := forge()
	v := channeltest.NewVendor(t, f.ServeHTTP)
	f.Fill(70)
	channeltest.Tickets(t, fresh, channeltest.Tracker{
		Client: v.Client, Words: words(v.URL, token), Issues: func() []channeltest.Issue { return f.All()[70:] }, Lose: f.Lose,
	})
}

// TestReal tells the same story to a Gitea that runs.
func TestReal(t *testing.T) {
	g := testkit.Gitea(t)
	g.Must("POST", "/orgs", map[string]any{"username": "acme"})
	g.Must("POST", "/orgs/acme/repos", map[string]any{"name": "security"})
	channeltest.Tickets(t, fresh, channeltest.Tracker{
		Client: http.DefaultClient, Words: words(g.URL, least(t, g)), Issues: func() []channeltest.Issue { return issues(t, g) },
	})
	ch := fresh(http.DefaultClient)
	d := channeltest.Dispatch(channeltest.Receiver(t, ch, words(g.URL, "0000000000000000000000000000000000000000")), channel.KindFailing, 1, &channeltest.Notes{})
	if plain, temporary := channel.Plain(ch.Send(t.Context(), d)); !temporary || plain == "" {
		t.Errorf("a wrong token: got %q", plain)
	} else {
		t.Log(plain)
	}
}

// least makes an account that may write in the repository, and a token of it
// with the scope that the documentation names.
func least(t *testing.T, g *testkit.GiteaServer) string {
	t.Helper()
	g.Must("POST", "/admin/users", map[string]any{"username": "bot", "email": "bot@acme.test", "password": "p-" + g.AdminToken, "must_change_password": false})
	g.Must("PUT", "/repos/acme/security/collaborators/bot", map[string]any{"permission": "write"})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/api/v1/users/bot/tokens", strings.NewReader(`{"name": "issues", "scopes": ["write:issue"]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("bot", "p-"+g.AdminToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var token struct {
		SHA1 string `json:"sha1"`
	}
	if err := json.NewDecoder(res.Body).Decode(&token); err != nil || token.SHA1 == "" {
		t.Fatalf("make a token: %d, %v", res.StatusCode, err)
	}
	return token.SHA1
}

// issues reads all issues of acme/security by the API, oldest first.
func issues(t *testing.T, g *testkit.GiteaServer) []channeltest.Issue {
	t.Helper()
	read := func(path string, into any) {
		status, raw := g.API("GET", path, nil)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, raw)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	var list []struct {
		Number      int
		Title, Body string
		State       string
	}
	read("/repos/acme/security/issues?state=all&type=issues&limit=50", &list)
	out := make([]channeltest.Issue, 0, len(list))
	for i := range list {
		one := list[len(list)-1-i]
		var comments []struct{ Body string }
		read(fmt.Sprintf("/repos/acme/security/issues/%d/comments", one.Number), &comments)
		issue := channeltest.Issue{Title: one.Title, Body: one.Body, Open: one.State == "open"}
		for _, c := range comments {
			issue.Comments = append(issue.Comments, c.Body)
		}
		out = append(out, issue)
	}
	return out
}
