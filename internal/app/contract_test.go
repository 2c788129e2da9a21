package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// as is the same house, asked by another token.
func (h *house) as(args ...string) *house {
	h.t.Helper()
	out, errw, code := h.command(append([]string{"token", "create"}, args...)...)
	if code != 0 {
		h.t.Fatalf("token create: %d %s", code, errw)
	}
	return &house{t: h.t, url: h.url, env: h.env, token: strings.TrimSpace(out)}
}

func hostLine(id string, encrypted bool, at time.Time) string {
	return fmt.Sprintf(`{"kind":"host","id":%q,"source":"fleet","observed_at":%q,"data":{"name":%q,"container":false,"disk_encrypted":%v}}`,
		id, at.UTC().Format(time.RFC3339Nano), id, encrypted) + "\n"
}

const fleet = "sources:\n  - {name: fleet, connector: push}\nroutes:\n  - {name: ours, to: {email: [a@acme.test]}}\n"

func TestContractOfTheInterface(t *testing.T) {
	h := open(t, fleet, nil)
	now := time.Now()
	h.call(http.MethodPost, "/ingest/v1/facts?source=fleet", hostLine("a", true, now)+hostLine("b", false, now), nil)
	h.until("verdicts", 10*time.Second, func() bool { return h.status("host-disk-encrypted", "b") == "fail" })

	t.Run("lists", func(t *testing.T) { listContract(t, h) })
	t.Run("refusals", func(t *testing.T) { refusalContract(t, h) })
	t.Run("obligations", func(t *testing.T) { obligationContract(t, h) })
	t.Run("silences", func(t *testing.T) { silenceContract(t, h) })
	t.Run("exceptions", func(t *testing.T) { exceptionContract(t, h) })
	t.Run("an older observation judges nothing", func(t *testing.T) {
		var a struct{ Accepted int }
		if code := h.call(http.MethodPost, "/ingest/v1/facts?source=fleet", hostLine("a", false, now.Add(-time.Hour)), &a); code != 200 || a.Accepted != 1 {
			t.Errorf("status %d, accepted %d", code, a.Accepted)
		}
		if got := h.status("host-disk-encrypted", "a"); got != "pass" {
			t.Errorf("a is %q, want pass", got)
		}
	})
	t.Run("a turned clock", func(t *testing.T) {
		h.env["PRUMO_CLOCK_OFFSET"] = "0s"
		defer delete(h.env, "PRUMO_CLOCK_OFFSET")
		for _, args := range [][]string{{"token", "create", "--role", "viewer"}, {"login-link"}, {"serve"}} {
			if _, errw, code := h.command(args...); code != 2 || !strings.Contains(errw, "is no drill") {
				t.Errorf("%v: %d %s", args, code, errw)
			}
		}
	})
}

func listContract(t *testing.T, h *house) {
	const check = "check=host-disk-encrypted&source=fleet&"
	for query, want := range map[string]int{
		"status=fail": 1, "status=pass,fail": 2, "status=pass&status=fail": 2, "status=excepted": 0, "fact=a": 1, "kind=host": 2, "kind=account": 0,
	} {
		if got := h.verdicts(check + query); len(got) != want {
			t.Errorf("%s: %d verdicts, want %d: %+v", query, len(got), want, got)
		}
	}
	seen, cursor := map[string]int{}, ""
	for range 1000 {
		var page struct {
			Items []verdict
			Next  string
		}
		h.call(http.MethodGet, "/api/v1/verdicts?limit=1&source=fleet&cursor="+url.QueryEscape(cursor), nil, &page)
		for _, v := range page.Items {
			seen[v.Check+" "+v.Fact]++
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	all := h.verdicts("source=fleet")
	if len(seen) != len(all) {
		t.Errorf("pages gave %d verdicts, the whole list %d", len(seen), len(all))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
}

func refusalContract(t *testing.T, h *house) {
	email := map[string]any{"to": map[string]any{"email": []string{"b@acme.test"}}}
	for _, c := range []struct {
		method, path string
		body         any
		want         int
	}{
		{"GET", "/api/v1/verdicts?status=green", nil, 422},
		{"GET", "/api/v1/verdicts?staus=fail", nil, 422},
		{"GET", "/api/v1/verdicts?cursor=zzz", nil, 422},
		{"GET", "/api/v1/facts?cursor=zzz", nil, 422},
		{"GET", "/api/v1/deliveries?cursor=zzz", nil, 422},
		{"GET", "/api/v1/obligations?duty=wash", nil, 422},
		{"GET", "/api/v1/obligations?cursor=zzz", nil, 422},
		{"GET", "/api/v1/silences?sort=who", nil, 400},
		{"GET", "/api/v1/posture?at=2999-01-01T00:00:00Z", nil, 422},
		{"GET", "/api/v1/verdicts?at=2999-01-01T00:00:00Z", nil, 422},
		{"GET", "/api/v1/verdicts?sort=colour", nil, 400},
		{"GET", "/api/v1/verdicts?sort=-since", nil, 200},
		{"GET", "/api/v1/facts?sort=due", nil, 400},
		{"GET", "/api/v1/findings?sort=-due", nil, 200},
		{"GET", "/api/v1/exceptions?sort=opened", nil, 400},
		{"GET", "/api/v1/deliveries?sort=created", nil, 400},
		{"POST", "/api/v1/exceptions/nothing/approve", nil, 404},
		{"POST", "/api/v1/exceptions/nothing/revoke", nil, 404},
		{"PUT", "/api/v1/routes/On%20Call", email, 422},
		{"GET", "/api/v1/nothing", nil, 404},
		{"PATCH", "/api/v1/verdicts", nil, 405},
		{"PUT", "/api/v1/routes/ours", email, 422},
		{"DELETE", "/api/v1/routes/ours", nil, 422},
		{"PUT", "/api/v1/routes/theirs", email, 204},
		{"DELETE", "/api/v1/routes/theirs", nil, 204},
		{"DELETE", "/api/v1/routes/theirs", nil, 404},
		{"DELETE", "/api/v1/sources/fleet", nil, 422},
		{"POST", "/api/v1/sources/fleet/read", nil, 422},
		{"POST", "/api/v1/sources/host/read", nil, 202},
		{"POST", "/api/v1/sources/nothing/read", nil, 404},
	} {
		if got := h.call(c.method, c.path, c.body, nil); got != c.want {
			t.Errorf("%s %s: status %d, want %d", c.method, c.path, got, c.want)
		}
	}
}

func exceptionContract(t *testing.T, h *house) {
	ann, bob, eve := h.as("--role", "control-owner", "--name", "ann@acme.test"),
		h.as("--role", "manager", "--name", "bob@acme.test"), h.as("--role", "manager", "--name", "eve@acme.test")
	ask := func(approver string) (id string, code int) {
		var x struct{ ID string }
		code = ann.call(http.MethodPost, "/api/v1/exceptions", map[string]any{
			"check": "host-disk-encrypted", "fact": "b", "reason": "replaced on Friday", "approver": approver,
			"ends": time.Now().UTC().Add(48 * time.Hour).Format(time.RFC3339),
		}, &x)
		return x.ID, code
	}
	decide := func(who *house, id, what string, want int) {
		t.Helper()
		if got := who.call(http.MethodPost, "/api/v1/exceptions/"+id+"/"+what, nil, nil); got != want {
			t.Errorf("%s: status %d, want %d", what, got, want)
		}
	}
	for _, approver := range []string{"", "  ", "ann@acme.test"} {
		if _, code := ask(approver); code != http.StatusUnprocessableEntity {
			t.Errorf("approver %q: status %d, want 422", approver, code)
		}
	}
	id, _ := ask("bob@acme.test")
	decide(ann, id, "approve", 403)
	decide(eve, id, "approve", 422)
	if got := h.status("host-disk-encrypted", "b"); got != "fail" {
		t.Errorf("b is %q before the approval, want fail", got)
	}
	decide(bob, id, "approve", 204)
	if got := h.status("host-disk-encrypted", "b"); got != "excepted" {
		t.Errorf("b is %q, want excepted", got)
	}
	decide(ann, id, "revoke", 204)
	if got := h.status("host-disk-encrypted", "b"); got != "fail" {
		t.Errorf("b is %q after the end, want fail", got)
	}
	id, _ = ask("bob@acme.test")
	decide(h.as("--role", "owner", "--name", "ann@acme.test"), id, "approve", 422) // she asked herself
	decide(h, id, "approve", 204)                                                  // an owner, in bob's stead
	if got := h.status("host-disk-encrypted", "b"); got != "excepted" {
		t.Errorf("b is %q after an owner approved, want excepted", got)
	}
	decide(h, id, "revoke", 204)
}

func TestCheckOnceExitStatus(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	h, now := &house{t: t}, time.Now()
	good, bad := hostLine("a", true, now), hostLine("b", false, now)
	silent := strings.Replace(hostLine("c", true, now), `,"disk_encrypted":true`, "", 1)
	only := filepath.Join(dir, "checks")
	if err := os.Mkdir(only, 0o700); err != nil {
		t.Fatal(err)
	}
	write("checks/c.yaml", `id: encrypted
version: 1
kind: host
severity: high
title: {en: Encrypted}
message: {en: "{{host.name}} is not encrypted"}
fix: {en: Encrypt it}
pass: host.disk_encrypted
controls: [encryption-at-rest]
examples:
  - {want: pass, host: {disk_encrypted: true}}
  - {want: fail, host: {disk_encrypted: false}}
  - {want: unknown, host: {}}
`)
	for _, c := range []struct {
		name, lines string
		args        []string
		want        int
		says        string
	}{
		{"all pass", good, nil, 0, ""},
		{"one fails", good + bad, nil, 1, ""},
		{"unknown is no failure", silent, nil, 0, ""},
		{"unless asked", silent, []string{"--unknown-fails"}, 1, ""},
		{"refused wins", bad + "{\n", nil, 2, ":2: "},
		{"not UTF-8", "\xff\n" + good, nil, 2, ":1: "},
		{"twice", good + "\n" + good, nil, 2, ":3: "},
		{"future", hostLine("a", true, now.Add(6*time.Minute)), nil, 2, ":1: "},
		{"long", strings.Replace(good, `"a"`, `"`+strings.Repeat("a", 1<<20)+`"`, 1) + bad, nil, 2, ":1: "},
		{"no such format", good, []string{"--format", "xml"}, 2, "xml"},
	} {
		file := write("facts.jsonl", c.lines)
		_, errw, code := h.command(append([]string{"check", "--facts", file, "--checks", only}, c.args...)...)
		if code != c.want || !strings.Contains(errw, c.says) {
			t.Errorf("%s: exit %d, want %d; said %q", c.name, code, c.want, errw)
		}
	}
}

// Alerts can be acknowledged and muted, which changes no verdict, and taken back.
func silenceContract(t *testing.T, h *house) {
	type silence struct{ ID, Kind, By, Via, Reason string }
	finding := func() (id string, held []silence) {
		var page struct {
			Items []struct {
				ID, Fact string
				Silences []silence
			}
		}
		h.call(http.MethodGet, "/api/v1/findings?check=host-disk-encrypted", nil, &page)
		for _, f := range page.Items {
			if f.Fact == "b" {
				return f.ID, f.Silences
			}
		}
		t.Fatal("there is no finding about b")
		return "", nil
	}
	id, _ := finding()
	soon := time.Now().UTC().Add(48 * time.Hour).Format(time.RFC3339)
	for name, body := range map[string]map[string]any{
		"no reason":  {"kind": "mute", "finding": id, "until": soon},
		"no end":     {"kind": "mute", "finding": id, "reason": "release day"},
		"too long":   {"kind": "mute", "finding": id, "reason": "release day", "until": time.Now().UTC().Add(31 * 24 * time.Hour).Format(time.RFC3339)},
		"nothing":    {"kind": "acknowledge"},
		"no kind":    {"kind": "forget", "finding": id},
		"a stranger": {"kind": "acknowledge", "finding": "nothing"},
	} {
		if code := h.call(http.MethodPost, "/api/v1/silences", body, nil); code < 400 || code >= 500 {
			t.Errorf("%s: status %d, want a refusal", name, code)
		}
	}
	if code := h.as("--role", "viewer").call(http.MethodPost, "/api/v1/silences", map[string]any{"kind": "acknowledge", "finding": id}, nil); code != 403 {
		t.Errorf("a viewer: status %d, want 403", code)
	}
	var made struct{ IDs []string }
	if code := h.call(http.MethodPost, "/api/v1/silences", map[string]any{"kind": "mute", "finding": id, "reason": "release day", "until": soon}, &made); code != 201 || len(made.IDs) != 1 {
		t.Fatalf("status %d, %v", code, made.IDs)
	}
	if _, held := finding(); len(held) != 1 || held[0].Kind != "mute" || held[0].Via != "api" || held[0].Reason != "release day" {
		t.Errorf("the finding shows %+v", held)
	}
	if got := h.status("host-disk-encrypted", "b"); got != "fail" {
		t.Errorf("b is %q while it is muted, want fail", got)
	}
	for _, want := range []int{204, 422} {
		if code := h.call(http.MethodDelete, "/api/v1/silences/"+made.IDs[0], nil, nil); code != want {
			t.Errorf("take it back: status %d, want %d", code, want)
		}
	}
	if _, held := finding(); len(held) != 0 {
		t.Errorf("taken back, and still %+v", held)
	}
}

// What fails is due on its day, with who answers for it and where to go on.
func obligationContract(t *testing.T, h *house) {
	var page struct {
		Items []struct {
			Key, Duty, Check, Fact, Finding string
			Due                             time.Time
			Late                            bool
		}
	}
	h.call(http.MethodGet, "/api/v1/obligations?duty=mend&check=host-disk-encrypted", nil, &page)
	if len(page.Items) != 1 || page.Items[0].Fact != "b" || page.Items[0].Finding == "" || page.Items[0].Late || !page.Items[0].Due.After(time.Now()) {
		t.Errorf("got %+v, want the finding about b", page.Items)
	}
	page.Items = nil
	h.call(http.MethodGet, "/api/v1/obligations?duty=exception&check=host-disk-encrypted", nil, &page)
	if len(page.Items) != 0 {
		t.Errorf("no exception is in force, and %+v ends", page.Items)
	}
}
