package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"prumo.dev/prumo/internal/testkit"
)

// A gate stands between Gitea and Prumo and notes when a message arrived.
type gate struct {
	mu sync.Mutex
	at time.Time // guarded by mu
}

func (g *gate) last() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.at
}

func (g *gate) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.at = time.Now()
		g.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// told pushes past review in a real Gitea, which announces each push, until a
// real mail server has accepted the mail about it.
func (h *house) told(t *kit) error {
	if h.plan.events == 0 {
		h.out.note("webhook to accepted mail: not measured", "", 0)
		return nil
	}
	git, mail := testkit.Gitea(t), testkit.Mailpit(t)
	git.Must("POST", "/orgs", map[string]any{"username": "acme"})
	git.Must("POST", "/orgs/acme/repos", map[string]any{"name": "web", "auto_init": true, "default_branch": "main"})
	if err := h.stop(); err != nil {
		return err
	}
	h.env = []string{"PRUMO_SMTP_URL=" + mail.SMTPURL, "GITEA_TOKEN=" + git.AdminToken}
	source := fmt.Sprintf("  - {name: code, connector: gitea, every: 1h, settings: {url: %q, token: {env: GITEA_TOKEN}, webhook_secret: hush, organisations: [acme]}}\n", git.URL)
	route := "routes:\n  - {name: commits, when: {source: [code]}, to: {email: [security@acme.test]}}\n"
	if err := h.configure(quietSources+source, route); err != nil {
		return err
	}
	if _, err := h.start(); err != nil {
		return err
	}
	prumo, err := url.Parse(h.url())
	if err != nil {
		return err
	}
	g := &gate{}
	door := httptest.NewServer(g.before(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(prumo) }}))
	defer door.Close()
	if err := h.readOnce(); err != nil {
		return err
	}
	git.Must("POST", "/repos/acme/web/hooks", map[string]any{
		"type": "gitea", "active": true, "events": []string{"push"}, "config": map[string]any{"url": door.URL + "/hooks/code", "content_type": "json", "secret": "hush"},
	})
	var took []time.Duration
	for i := range h.plan.events {
		d, err := pushed(git, mail, g, i)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, h.said)
		}
		took = append(took, d)
	}
	h.out.most(fmt.Sprintf("webhook's arrival to mail accepted, p95 of %d", len(took)), "ms", 2000, ms(p95(took)))
	h.out.note("  median of them", "ms", ms(median(took)))
	return nil
}

// readOnce waits until the source was read for the first time.
func (h *house) readOnce() error {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		req, err := http.NewRequestWithContext(h.ctx, http.MethodGet, h.url()+"/api/v1/verdicts?source=code&kind=repository", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+h.token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		var got struct{ Items []json.RawMessage }
		err = json.NewDecoder(res.Body).Decode(&got)
		res.Body.Close()
		if err == nil && len(got.Items) > 0 {
			time.Sleep(2 * time.Second) // what its first sight tells goes out before
			return nil
		}
	}
	return fmt.Errorf("the Gitea was not read within two minutes:\n%s", h.said)
}

// pushed makes one push and returns how long its mail took from the arrival of
// the announcement.
func pushed(git *testkit.GiteaServer, mail *testkit.Mail, g *gate, i int) (time.Duration, error) {
	name := fmt.Sprintf("past-review-%04d", i)
	before := g.last()
	git.Must("POST", "/repos/acme/web/contents/"+name+".txt", map[string]any{
		"branch": "main", "message": name, "content": base64.StdEncoding.EncodeToString([]byte(name)),
	})
	m := mail.WaitFor(`"`+name+`"`, 30*time.Second)
	arrived := g.last()
	if !arrived.After(before) || !strings.Contains(m.Text, name) {
		return 0, fmt.Errorf("the mail about %s came without its announcement, or says something else:\n%s", name, m.Text)
	}
	return max(0, m.Created.Sub(arrived)), nil
}
