package pages_test

import (
	"encoding/csv"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
)

// post sends a form and returns the answer.
func post(h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: "prumo-lang", Value: "en"})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestActions(t *testing.T) {
	s := stores(t)["full"]
	h := serve(t, s, access.Owner)
	for _, c := range []struct {
		path, form, to, did string
	}{
		{"/sources/code/read", "", "/sources/code", "read code"},
		{
			"/sources", "connector=gitea&name=code2&s-url=https://git.example&s-token=t&s-organisations=a%0Ab&s-archived=true&s-days=30&s-jobs=unit:test,scan&every=10m", "/sources/code2",
			"save source Ana Beatriz Figueiredo code2 gitea map[archived:true days:30 jobs:map[unit:[test scan]] organisations:[a b] token:t url:https://git.example]",
		},
		{"/sources/code/delete", "", "/sources", "delete source Ana Beatriz Figueiredo code"},
		{"/exceptions", "check=account-has-mfa&fact=gitea/u02&source=code&reason=why&ends=2026-12-01&approver=Rafael", "/exceptions", "request exception Ana Beatriz Figueiredo account-has-mfa gitea/u02 2026-12-02"},
		{"/exceptions/x2/approve", "", "/exceptions", "approve Ana Beatriz Figueiredo x2"},
		{"/exceptions/x1/revoke", "", "/exceptions", "revoke Ana Beatriz Figueiredo x1"},
		{
			"/alerts/routes", "name=r&email=a@b.example&owner=true&detail=full&when-severity=high&recoveries=true", "/alerts",
			"save route Ana Beatriz Figueiredo map[detail:full name:r recoveries:true to:map[email:[a@b.example owner]] when:map[severity:[high]]]",
		},
		{"/alerts/routes/security/test", "", "/alerts?done=test#deliveries", "test security en"},
		{"/alerts/routes/security/delete", "", "/alerts", "delete route Ana Beatriz Figueiredo security"},
		{"/alerts/deliveries/d3/resend", "", "/alerts?done=resend#deliveries", "resend d3"},
		{"/owners", "source=code&fact=gitea/u02&owner=Larissa&back=/findings/f0001", "/findings/f0001", "owner Ana Beatriz Figueiredo code gitea/u02 Larissa"},
		{"/owners", "source=code&fact=gitea/u02&owner=&back=//evil.example", "/things/code/gitea%2Fu02", "owner Ana Beatriz Figueiredo code gitea/u02 "},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		before := len(s.Done)
		w := post(h, c.path, form)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != c.to {
			t.Errorf("POST %s: got %d to %q, want %q", c.path, w.Code, w.Header().Get("Location"), c.to)
			continue
		}
		if len(s.Done) != before+1 || s.Done[before] != c.did {
			t.Errorf("POST %s did %q, want %q", c.path, s.Done[before:], c.did)
		}
	}
}

// TestActsOnMany does one thing with several findings by a plain form.
func TestActsOnMany(t *testing.T) {
	s := stores(t)["full"]
	h := serve(t, s, access.Owner)
	page, err := s.Findings(t.Context(), monitor.Filter{OpenOnly: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var open []monitor.Finding
	for _, f := range page.Items {
		if f.Source != "" && len(open) < 2 {
			open = append(open, f)
		}
	}
	who := "Ana Beatriz Figueiredo"
	for _, c := range []struct {
		form string
		did  func(f monitor.Finding) string
	}{
		{"do=owner&owner=Larissa", func(f monitor.Finding) string { return "owner " + who + " " + f.Source + " " + f.Fact + " Larissa" }},
		{"do=due&due=2026-12-24", func(f monitor.Finding) string { return "due " + who + " " + f.ID + " 2026-12-24T23:59:59Z" }},
		{"do=except&reason=why&approver=Rafael&ends=2026-12-01", func(f monitor.Finding) string {
			return "request exception " + who + " " + f.Check + " " + f.Fact + " 2026-12-02"
		}},
		{"do=acknowledge", func(f monitor.Finding) string { return "acknowledge " + who + " " + f.ID + " " }},
		{"do=mute&why=release+day&until=2026-11-30", func(f monitor.Finding) string { return "mute " + who + " " + f.ID + " release day" }},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		form.Set("back", "/findings?severity=high&sort=due")
		want := map[string]bool{}
		for _, f := range open {
			form.Add("finding", f.ID)
			form.Add("finding", f.ID) // twice is once
			want[c.did(f)] = true
		}
		before := len(s.Done)
		w := post(h, "/findings/act", form)
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/findings?done=2&severity=high&sort=due" {
			t.Errorf("%s: got %d to %q", c.form, w.Code, to)
		}
		if len(s.Done) != before+2 {
			t.Fatalf("%s did %q", c.form, s.Done[before:])
		}
		for _, d := range s.Done[before:] {
			if !want[d] {
				t.Errorf("%s did %q, want one of %v", c.form, d, want)
			}
		}
	}
	for _, form := range []string{
		"do=owner&owner=a", "do=due&due=2001-01-01&finding=" + open[0].ID, "do=due&due=soon&finding=" + open[0].ID, "do=nothing&finding=" + open[0].ID,
		"do=except&approver=x&ends=2026-12-01&finding=" + open[0].ID, "do=except&reason=x&ends=2026-12-01&finding=" + open[0].ID,
		"do=except&reason=x&approver=y&ends=2030-12-01&finding=" + open[0].ID, "do=owner&owner=a&finding=nothing",
		"do=mute&until=2026-11-30&finding=" + open[0].ID, "do=mute&why=x&until=2027-11-30&finding=" + open[0].ID, "do=mute&why=x&until=2026-01-01&finding=" + open[0].ID,
	} {
		before := len(s.Done)
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		if w := post(h, "/findings/act", values); w.Code != http.StatusUnprocessableEntity || len(s.Done) != before {
			t.Errorf("%s: got %d, did %q", form, w.Code, s.Done[before:])
		}
	}
	if w := post(serve(t, s, access.Member), "/findings/act", url.Values{"do": {"owner"}, "finding": {open[0].ID}}); w.Code != http.StatusForbidden {
		t.Errorf("as a member: got %d, want 403", w.Code)
	}
	if w := post(h, "/findings/act", url.Values{"do": {"owner"}, "finding": {open[0].ID}, "back": {"//evil.example/findings"}}); w.Header().Get("Location") != "/findings?done=1" {
		t.Errorf("a foreign way back: got %q", w.Header().Get("Location"))
	}
}

// TestExportIsTheFilteredList reads the table of a list back, also of hostile
// data: each row a finding, no cell a formula.
func TestExportIsTheFilteredList(t *testing.T) {
	for name, s := range stores(t) {
		for query, f := range map[string]monitor.Filter{
			"": {OpenOnly: true}, "?view=closed": {ClosedOnly: true}, "?severity=high": {OpenOnly: true, Severity: []check.Severity{check.High}},
			"?q=zzzz": {OpenOnly: true, Text: "zzzz"}, "?sort=due&rows=50": {OpenOnly: true, Sort: "due"},
		} {
			f.Limit = 1000
			page, err := s.Findings(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			w := get(serve(t, s, access.Auditor), "/findings.csv"+query, "pt-BR")
			if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment; filename=\"prumo-findings-") {
				t.Fatalf("%s%s: got %d %v", name, query, w.Code, w.Header())
			}
			rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(w.Body.String(), "\ufeff"))).ReadAll()
			if err != nil || len(rows) != len(page.Items)+1 {
				t.Errorf("%s%s: %d rows, %v, want %d and a head", name, query, len(rows), err, len(page.Items))
				continue
			}
			for i, row := range rows[1:] {
				if f.Sort == "due" && row[0] != page.Items[i].ID {
					t.Errorf("%s%s: row %d is %s, want %s", name, query, i, row[0], page.Items[i].ID)
				}
				for _, cell := range row {
					if c := strings.TrimLeft(cell, " "); c != "" && strings.ContainsAny(c[:1], "=+-@\t\r") {
						t.Errorf("%s: the cell %q is a formula", name, cell)
					}
				}
			}
		}
	}
	if w := get(serve(t, stores(t)["full"], access.Nobody), "/findings.csv", "en"); w.Code != http.StatusSeeOther {
		t.Errorf("without a session: got %d", w.Code)
	}
}

func TestFormsSayWhatIsWrong(t *testing.T) {
	s := stores(t)["full"]
	h := serve(t, s, access.Owner)
	for path, c := range map[string]struct {
		form url.Values
		want []string
	}{
		"/sources":       {url.Values{"connector": {"gitea"}, "every": {"soon"}, "s-days": {"many"}, "s-url": {"https://kept.example"}}, []string{"f-name-why", "f-every-why", "f-s-token-why", "f-s-days-why", "https://kept.example"}},
		"/exceptions":    {url.Values{"check": {"account-has-mfa"}, "reason": {""}, "ends": {"2020-01-01"}}, []string{"f-reason-why", "f-ends-why", "f-approver-why"}},
		"/alerts/routes": {url.Values{"name": {""}}, []string{"f-name-why", "f-email-why"}},
	} {
		w := post(h, path, c.form)
		if w.Code != http.StatusUnprocessableEntity {
			t.Errorf("POST %s: got %d, want 422", path, w.Code)
		}
		for _, want := range c.want {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("POST %s: %q is not in the page", path, want)
			}
		}
		examine(t, w, "en")
	}
	if len(s.Done) != 0 {
		t.Errorf("a wrong form did %v", s.Done)
	}
}

func TestARefusalIsShownBesideItsField(t *testing.T) {
	s := stores(t)["full"]
	h := serve(t, s, access.Owner)
	s.Refuse = &web.Invalid{Field: "url", Text: "That address is private."}
	w := post(h, "/sources", url.Values{"connector": {"gitea"}, "name": {"n"}, "s-url": {"https://10.0.0.1"}, "s-token": {"secret-value"}})
	body := w.Body.String()
	if w.Code != 422 || !strings.Contains(body, "That address is private.") || !strings.Contains(body, "f-s-url-why") {
		t.Errorf("got %d without the reason beside the field", w.Code)
	}
	if strings.Contains(body, "secret-value") {
		t.Error("a secret came back in the page")
	}
	s.Refuse = errors.New("internal cause")
	if w := post(h, "/exceptions/x2/approve", nil); w.Code != 500 || strings.Contains(w.Body.String(), "internal cause") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	s.Refuse = &web.Invalid{Text: "You asked for it yourself."}
	if w := post(h, "/exceptions/x2/approve", nil); w.Code != 422 || !strings.Contains(w.Body.String(), "You asked for it yourself.") {
		t.Errorf("got %d", w.Code)
	}
}

func TestActionsNeedTheirRole(t *testing.T) {
	s := stores(t)["full"]
	for path, least := range map[string]access.Role{
		"/sources": access.Manager, "/sources/code/read": access.Manager, "/sources/code/delete": access.Manager,
		"/exceptions": access.ControlOwner, "/exceptions/x2/approve": access.Manager, "/exceptions/x1/revoke": access.Manager,
		"/alerts/routes": access.Manager, "/alerts/routes/security/test": access.Manager, "/alerts/routes/security/delete": access.Manager,
		"/alerts/deliveries/d3/resend": access.Manager, "/owners": access.ControlOwner,
	} {
		if w := post(serve(t, s, least-1), path, nil); w.Code != http.StatusForbidden {
			t.Errorf("POST %s as %s: got %d, want 403", path, least-1, w.Code)
		}
		if w := post(serve(t, s, access.Nobody), path, nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login" {
			t.Errorf("POST %s as nobody: got %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
	if len(s.Done) != 0 {
		t.Errorf("without the role: %v", s.Done)
	}
	w := post(serve(t, s, access.Owner), "/sources/people/delete", nil)
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("a source of the file was deleted: %d", w.Code)
	}
	if w := post(serve(t, s, access.Owner), "/sources", url.Values{"connector": {"host"}, "name": {"h"}}); w.Code != http.StatusNotFound {
		t.Errorf("a source that only the file may make: got %d", w.Code)
	}
}

func TestPreferences(t *testing.T) {
	h := serve(t, stores(t)["empty"], access.Nobody)
	w := post(h, "/preferences", url.Values{"lang": {"es"}, "theme": {"prumo-dark"}, "back": {"/login"}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login" || len(w.Result().Cookies()) != 2 {
		t.Errorf("got %d to %q with %v", w.Code, w.Header().Get("Location"), w.Result().Cookies())
	}
	w = post(h, "/preferences", url.Values{"lang": {"xx"}, "theme": {"<script>"}, "back": {"//evil.example"}})
	if w.Header().Get("Location") != "/" || len(w.Result().Cookies()) != 0 {
		t.Errorf("got %q with %v", w.Header().Get("Location"), w.Result().Cookies())
	}
}

func TestAssets(t *testing.T) {
	h := serve(t, stores(t)["empty"], access.Nobody)
	body := get(h, "/login", "en").Body.String()
	_, rest, _ := strings.Cut(body, `rel="stylesheet" href="`)
	href, _, _ := strings.Cut(rest, `"`)
	w := get(h, href, "en")
	if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || !strings.Contains(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("%s: %d %v", href, w.Code, w.Header())
	}
	for _, path := range []string{"/assets/", "/assets/x", "/assets/old/none.css", "/assets/old/../../go.mod", "/assets/old/"} {
		if w := get(h, path, "en"); w.Code == 200 {
			t.Errorf("%s: got 200", path)
		}
	}
	if w := get(h, "/assets/old/app.css", "en"); w.Code != 200 || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("an old address: %d %v", w.Code, w.Header())
	}
}

// A finding shows the fields that its check reads, and a thing all of them: a
// list of facts carries no data, so both must read the fact itself.
func TestEvidenceIsShown(t *testing.T) {
	s := stores(t)["full"]
	h := serve(t, s, access.Viewer)
	for path, want := range map[string][]string{
		"/findings/f0001":                              {"mfa</dt>", "u02 opens gitea with one factor", "Ask u02 to enrol"},
		"/things/code/gitea%2Fu02":                     {"mfa</dt>", "last_sign_in</dt>", "not said", "people/u02</a>"},
		"/things/code/gitea%2Fu02?at=2026-11-01T10:00": {"mfa</dt>"},
	} {
		body := get(h, path, "en").Body.String()
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("GET %s: %q is not in the page", path, w)
			}
		}
	}
}
