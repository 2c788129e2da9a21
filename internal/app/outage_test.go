package app_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/testkit"
)

// A picture is all that the product holds of one source.
type picture struct {
	Verdicts map[string]seen // by check and fact
	Facts    map[string]string
	Findings map[string]string
}

type seen struct{ Status, Outcome, Since string }

// all reads a whole list of the API, page by page.
func all[T any](h *house, path string) []T {
	h.t.Helper()
	var out []T
	for cursor := ""; ; {
		var page struct {
			Items []T
			Next  string
		}
		if code := h.call(http.MethodGet, path+"&limit=1000&cursor="+url.QueryEscape(cursor), nil, &page); code != http.StatusOK {
			h.t.Fatalf("%s: status %d", path, code)
		}
		out = append(out, page.Items...)
		if cursor = page.Next; cursor == "" {
			return out
		}
	}
}

func (h *house) picture(source string) picture {
	h.t.Helper()
	p := picture{map[string]seen{}, map[string]string{}, map[string]string{}}
	for _, v := range all[struct{ Check, Fact, Status, Outcome, Since string }](h, "/api/v1/verdicts?source="+source) {
		p.Verdicts[v.Check+" "+v.Fact] = seen{v.Status, v.Outcome, v.Since}
	}
	for _, f := range all[struct {
		ID     string
		Digest string
		Gone   *time.Time `json:"gone_at"`
	}](h, "/api/v1/facts?gone=true&source="+source) {
		p.Facts[f.ID] = fmt.Sprintf("%s gone %v", f.Digest, f.Gone != nil)
	}
	for _, f := range all[struct {
		ID, Check, Fact string
		Closed          *time.Time `json:"closed_at"`
	}](h, "/api/v1/findings?source="+source) {
		p.Findings[f.ID] = fmt.Sprintf("%s on %s closed %v", f.Check, f.Fact, f.Closed != nil)
	}
	return p
}

// brief is a check of the house whose limit passes while the test looks on.
const briefCheck = "repository-was-seen-lately"

const briefYAML = `
id: ` + briefCheck + `
version: 1
kind: repository
severity: low
title: {en: The repository was seen lately}
pass: repository.name != ""
message: {en: "{{repository.name}}"}
fix: {en: Look again}
controls: [continuous-control-monitoring]
fresh: 15s
examples:
  - {name: named, want: pass, repository: {name: a}}
  - {name: without a name, want: fail, repository: {name: ""}}
  - {name: silent, want: unknown, repository: {}}
`

// acme is an organisation in which some things are as they should be and some are not.
func acme(git *testkit.GiteaServer) {
	git.Must("POST", "/orgs", map[string]any{"username": "acme"})
	for _, name := range []string{"web", "api"} {
		git.Must("POST", "/orgs/acme/repos", map[string]any{"name": name, "auto_init": true, "default_branch": "main"})
	}
	change := map[string]any{"message": "past review", "content": "eA==", "branch": "main"}
	git.Must("POST", "/repos/acme/web/contents/direct.txt", change)
	change["new_branch"] = "feature"
	git.Must("POST", "/repos/acme/web/contents/change.txt", change)
	git.Must("POST", "/repos/acme/web/pulls", map[string]any{"head": "feature", "base": "main", "title": "a change"})
	for range 50 {
		if code, _ := git.API("POST", "/repos/acme/web/pulls/1/merge", map[string]any{"Do": "merge"}); code < 300 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	git.Must("POST", "/repos/acme/web/branch_protections", map[string]any{
		"rule_name": "main", "enable_push": false, "required_approvals": 1, "dismiss_stale_approvals": true,
		"block_on_rejected_reviews": true, "enable_status_check": true, "status_check_contexts": []string{"test"}, "block_admin_merge_override": true,
	})
	git.User("bob")
	git.Must("PUT", "/repos/acme/api/collaborators/bob", map[string]any{"permission": "write"})
}

// TestOutagesChangeNothing lives through every trouble that an upstream can
// have. Through all of them nothing turns to pass or to fail, nothing is gone,
// no finding opens or closes; people are told that a source cannot be read, and
// why; and afterwards everything is as before.
func TestOutagesChangeNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Gitea and waits for limits to pass")
	}
	git, mail := testkit.Gitea(t), testkit.Mailpit(t)
	acme(git)
	doors := gates(t, git)
	h := outageHouse(t, git, mail, doors)
	began := time.Now()
	stage := func(what string) { t.Logf("%4.1f s: %s", time.Since(began).Seconds(), what) }
	before := map[string]picture{}
	t.Cleanup(func() {
		if t.Failed() {
			h.logSources()
		}
	})
	h.until("complete first readings", 2*time.Minute, func() bool { return h.readWhole(doors) })
	for _, g := range doors {
		before[g.name] = h.picture(g.name)
	}
	checkBaseline(t, before)

	stage("read")
	for _, g := range doors {
		g.fail()
	}
	h.readUntil(t, doors, "fail")
	stage("found to be in trouble")
	h.until("what was not seen for longer than a check's limit to be unknown", 30*time.Second, func() bool {
		h.readOn(doors)
		return !slices.ContainsFunc(doors, func(g *gate) bool {
			return g.why != "" && g.why != "." && slices.ContainsFunc(h.verdicts("check="+briefCheck+"&source="+g.name), func(v verdict) bool { return v.Status != "unknown" })
		})
	})
	for _, g := range doors {
		t.Run(g.name, func(t *testing.T) { during(t, h, g, before[g.name]) })
	}
	stage("compared")
	told := toldOf(t, h, mail, doors, git.AdminToken)

	stage("told")
	for _, g := range doors {
		g.mend()
	}
	h.readUntil(t, doors, "pass")
	stage("mended")
	h.seenAgain(doors)
	for _, g := range doors {
		t.Run(g.name+" afterwards", func(t *testing.T) { afterwards(t, h, g, before[g.name]) })
	}
	recovered(t, h, mail, doors, told)
	stage("told of the recovery")
}

func outageHouse(t *testing.T, git *testkit.GiteaServer, mail *testkit.Mail, doors []*gate) *house {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, briefCheck+".yaml"), []byte(briefYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "organisation: {name: Acme, languages: [en], owner: lead@acme.test}\nchecks: [%s]\nparams: {collector-is-read-completely: {readings: 1}}\n", dir)
	fmt.Fprint(&yaml, "routes:\n  - {name: security, to: {email: [security@acme.test]}}\nsources:\n")
	for _, g := range doors {
		every := "10m" // what is in trouble is read when the test asks
		if g.why == "" {
			every = "10s"
		}
		fmt.Fprintf(&yaml, "  - {name: %s, connector: gitea, every: %s, settings: {url: \"http://%s\", token: {env: GITEA_TOKEN}, organisations: [acme]}}\n", g.name, every, g.proxy.Addr)
	}
	limits := connector.ClientConfig{Rate: -1, Attempt: 4 * time.Second, Deadline: 4500 * time.Millisecond, Attempts: 2}
	return openLimited(t, yaml.String(), map[string]string{"GITEA_TOKEN": git.AdminToken, "PRUMO_SMTP_URL": mail.SMTPURL}, limits)
}

// logSources says how each source fares.
func (h *house) logSources() {
	h.t.Helper()
	var list struct {
		Items []struct {
			Name   string
			Result string `json:"last_result"`
			Why    string `json:"last_why"`
		}
	}
	h.call(http.MethodGet, "/api/v1/sources", nil, &list)
	for _, s := range list.Items {
		h.t.Logf("%s: %s %s", s.Name, s.Result, s.Why)
	}
}

// readWhole reports whether every source was read completely, and asks again
// where the burst of the start was too much for the machine.
func (h *house) readWhole(doors []*gate) bool {
	h.t.Helper()
	var list struct {
		Items []struct {
			Name   string
			Result string `json:"last_result"`
		}
	}
	h.call(http.MethodGet, "/api/v1/sources", nil, &list)
	whole, again := 0, ""
	for _, s := range list.Items {
		switch {
		case !slices.ContainsFunc(doors, func(g *gate) bool { return g.name == s.Name }):
		case s.Result == "complete":
			whole++
		case s.Result != "":
			again = s.Name // one after another, or they would be too much again
		}
	}
	if again != "" {
		h.call(http.MethodPost, "/api/v1/sources/"+again+"/read", nil, nil)
		time.Sleep(300 * time.Millisecond)
	}
	return whole == len(doors)
}

// readUntil asks for readings until each troubled source's own fact says so.
func (h *house) readUntil(t *testing.T, doors []*gate, want string) {
	t.Helper()
	h.until("the sources' own facts "+want, time.Minute, func() bool {
		done := true
		now := map[string]string{}
		for _, v := range h.verdicts("check=collector-is-read-completely") {
			now[strings.TrimPrefix(v.Fact, "self/source/")] = v.Outcome
		}
		for _, g := range doors {
			if g.why != "" && now[g.name] != want {
				done = false
				g.round.Add(1)
				h.call(http.MethodPost, "/api/v1/sources/"+g.name+"/read", nil, nil)
			}
		}
		if !done {
			time.Sleep(200 * time.Millisecond)
		}
		return done
	})
}

// seenAgain reads each source until what had passed its limit is shown again.
func (h *house) seenAgain(doors []*gate) {
	h.t.Helper()
	back := map[string]bool{}
	h.until("everything is seen again", time.Minute, func() bool {
		for _, g := range doors {
			shown := h.verdicts("check=" + briefCheck + "&source=" + g.name)
			back[g.name] = back[g.name] || !slices.ContainsFunc(shown, func(v verdict) bool { return v.Status != "pass" })
			if !back[g.name] {
				h.call(http.MethodPost, "/api/v1/sources/"+g.name+"/read", nil, nil)
			}
		}
		return !slices.ContainsFunc(doors, func(g *gate) bool { return !back[g.name] })
	})
}

// readOn reads the erratic ones again, to break off elsewhere.
func (h *house) readOn(doors []*gate) {
	h.t.Helper()
	for _, g := range doors {
		if g.why == "." {
			g.round.Add(1)
			h.call(http.MethodPost, "/api/v1/sources/"+g.name+"/read", nil, nil)
		}
	}
	time.Sleep(200 * time.Millisecond)
}

func checkBaseline(t *testing.T, before map[string]picture) {
	t.Helper()
	first := before["well"]
	count := map[string]int{}
	for _, v := range first.Verdicts {
		count[v.Outcome]++
	}
	if count["pass"] < 5 || count["fail"] < 5 || len(first.Facts) < 6 || len(first.Findings) != count["fail"] {
		t.Fatalf("the baseline proves nothing: outcomes %v, %d facts, %d findings", count, len(first.Facts), len(first.Findings))
	}
	for name, p := range before {
		if d := cmp.Diff(outcomes(first), outcomes(p)); d != "" {
			t.Errorf("%s begins with other outcomes than a source without trouble\n%s", name, d)
		}
	}
	t.Logf("%d verdicts (%v), %d facts and %d findings a source", len(first.Verdicts), count, len(first.Facts), len(first.Findings))
}

func outcomes(p picture) map[string]string {
	out := map[string]string{}
	for k, v := range p.Verdicts {
		out[k] = v.Outcome
	}
	return out
}

// during compares what is held in the trouble with what was held before it.
func during(t *testing.T, h *house, g *gate, before picture) {
	now := h.picture(g.name)
	for key, old := range before.Verdicts {
		v, ok := now.Verdicts[key]
		switch {
		case !ok:
			t.Errorf("%s: the verdict is gone", key)
		case v.Outcome != old.Outcome && (!g.refused || v.Outcome != "unknown"):
			t.Errorf("%s: %s became %s", key, old.Outcome, v.Outcome)
		case v.Outcome == old.Outcome && v.Since != old.Since && !g.refused:
			t.Errorf("%s: %s since %s began anew at %s", key, old.Outcome, old.Since, v.Since)
		case strings.HasPrefix(key, briefCheck): // what it shows was waited for
		case v.Status != v.Outcome:
			t.Errorf("%s: %s is shown as %s before its limit", key, v.Outcome, v.Status)
		}
	}
	if len(now.Verdicts) != len(before.Verdicts) {
		t.Errorf("%d verdicts, before %d", len(now.Verdicts), len(before.Verdicts))
	}
	sameThings(t, g, before, now)
}

// sameThings holds facts and findings to what they were.
func sameThings(t *testing.T, g *gate, before, now picture) {
	t.Helper()
	if d := cmp.Diff(before.Findings, now.Findings); d != "" {
		t.Errorf("findings opened or closed\n%s", d)
	}
	if !g.refused {
		if d := cmp.Diff(before.Facts, now.Facts); d != "" {
			t.Errorf("facts changed\n%s", d)
		}
		return
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(before.Facts)), slices.Sorted(maps.Keys(now.Facts))); d != "" {
		t.Errorf("facts came or went\n%s", d)
	}
	for id, f := range now.Facts {
		if strings.HasSuffix(f, "true") {
			t.Errorf("%s is gone", id)
		}
	}
}

func afterwards(t *testing.T, h *house, g *gate, before picture) {
	now := h.picture(g.name)
	if d := cmp.Diff(outcomes(before), outcomes(now)); d != "" {
		t.Errorf("outcomes\n%s", d)
	}
	if d := cmp.Diff(before.Facts, now.Facts); d != "" {
		t.Errorf("facts\n%s", d)
	}
	if d := cmp.Diff(before.Findings, now.Findings); d != "" {
		t.Errorf("findings\n%s", d)
	}
	for key, v := range now.Verdicts {
		if v.Status != v.Outcome && !strings.HasPrefix(key, briefCheck) {
			t.Errorf("%s: %s is shown as %s", key, v.Outcome, v.Status)
		}
	}
}

// internals must stand in no message: a secret, an address, Go's own words.
func internals(token string) *regexp.Regexp {
	return regexp.MustCompile(regexp.QuoteMeta(token) + `|dial tcp|EOF|context deadline|10\.0\.0\.7|boom|goroutine|read: connection|/api/v1/`)
}

// toldOf waits until a mail told of each troubled source, and holds it to words
// that a person understands. It returns the messages' ids by source.
func toldOf(t *testing.T, h *house, mail *testkit.Mail, doors []*gate, token string) map[string]string {
	t.Helper()
	told := map[string]string{}
	line := func(g *gate, m testkit.Message) string {
		for l := range strings.Lines(m.Text) {
			if strings.Contains(l, "Source "+g.name+" was not read completely") {
				return l
			}
		}
		return ""
	}
	h.until("mails about the sources", 30*time.Second, func() bool {
		messages := mail.Messages()
		for _, g := range doors {
			for _, m := range messages {
				if l := line(g, m); l != "" && told[g.name] == "" {
					told[g.name] = m.MessageID
					if !regexp.MustCompile(g.why).MatchString(l) {
						t.Errorf("%s: the mail says %q, want a reason like %q", g.name, l, g.why)
					}
				}
			}
			if g.why != "" && told[g.name] == "" {
				return false
			}
		}
		return true
	})
	for _, m := range mail.Messages() {
		if bad := internals(token).FindString(m.Text + m.Subject); bad != "" {
			t.Errorf("a mail says %q:\n%s", bad, m.Text)
		}
	}
	for _, g := range doors {
		if g.why == "" && told[g.name] != "" {
			t.Errorf("%s: a mail told of trouble where there was none", g.name)
		}
	}
	return told
}

// recovered waits until the end of each trouble is told in its thread.
func recovered(t *testing.T, h *house, mail *testkit.Mail, doors []*gate, told map[string]string) {
	t.Helper()
	h.until("mails about the recovery", 30*time.Second, func() bool {
		messages := mail.Messages()
		return !slices.ContainsFunc(doors, func(g *gate) bool {
			return g.why != "" && !slices.ContainsFunc(messages, func(m testkit.Message) bool {
				return strings.Contains(strings.Join(m.Header["References"], " "), told[g.name]) && strings.Contains(m.Text, g.name)
			})
		})
	})
	counts := map[string]int{}
	for _, m := range mail.Messages() {
		counts[m.MessageID]++
	}
	for id, n := range counts {
		if n > 1 {
			t.Errorf("message %s arrived %d times", id, n)
		}
	}
}
