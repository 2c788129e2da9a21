package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/api"
	"prumo.dev/prumo/internal/fact"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// A push keeps what it is given and refuses the ids that it is told to.
type push struct {
	refuse   string
	facts    []fact.Fact
	complete bool
	ended    bool
}

func (p *push) Facts(_ context.Context, facts []fact.Fact) (map[int]string, error) {
	refused := map[int]string{}
	for i, f := range facts {
		if f.ID == p.refuse {
			refused[i] = "no"
			continue
		}
		p.facts = append(p.facts, f)
	}
	return refused, nil
}

func (p *push) End(_ context.Context, complete bool) error {
	p.complete, p.ended = complete, true
	return nil
}

func line(id, source string) string {
	return `{"kind":"device","id":"` + id + `","source":"` + source + `","observed_at":"2026-11-23T11:00:00Z","data":{"name":"` + id + `"}}` + "\n"
}

type answer struct {
	Accepted int
	Refused  []fact.Refusal
}

func send(t *testing.T, p *push, who access.Principal, query string, body io.Reader) (int, answer) {
	t.Helper()
	h := api.Ingest(api.IngestConfig{
		Begin: func(context.Context, string, string) (api.Push, error) { return p, nil },
		Lines: func(r io.Reader) *fact.LineReader { return fact.NewLineReader(r, now) },
		Fail:  func(w http.ResponseWriter, _ *http.Request, err error) { api.Problem(w, 500, err.Error()) },
		Batch: 2,
	})
	r := httptest.NewRequest(http.MethodPost, "/ingest/v1/facts"+query, body)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(access.With(r.Context(), who)))
	var a answer
	if w.Code == http.StatusOK || w.Code == http.StatusUnprocessableEntity {
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatalf("answer %q: %v", w.Body, err)
		}
	}
	return w.Code, a
}

var manager = access.Principal{Name: "m", Role: access.Manager}

func TestGoodLinesOfABadFileAreKept(t *testing.T) {
	p := &push{refuse: "b"}
	body := line("a", "push") + "not json\n" + line("b", "push") + line("c", "other") + "\n" + line("d", "push")
	code, a := send(t, p, manager, "?source=push&complete=true", strings.NewReader(body))
	if code != http.StatusOK || a.Accepted != 2 || len(p.facts) != 2 {
		t.Errorf("status %d, accepted %d, kept %d; want 200, 2, 2", code, a.Accepted, len(p.facts))
	}
	lines := map[int]bool{}
	for _, r := range a.Refused {
		lines[r.Line] = true
	}
	if len(a.Refused) != 3 || !lines[2] || !lines[3] || !lines[4] {
		t.Errorf("refused %+v; want lines 2, 3 and 4", a.Refused)
	}
	if p.complete || !p.ended {
		t.Error("a push with refused lines counted as complete, which would make things gone")
	}
}

func TestOnlyAWholePushIsComplete(t *testing.T) {
	for _, c := range []struct {
		name, query string
		body        io.Reader
		want        bool
	}{
		{"asked for", "?source=push&complete=true", strings.NewReader(line("a", "push")), true},
		{"empty", "?source=push&complete=true", strings.NewReader(""), true},
		{"not asked for", "?source=push", strings.NewReader(line("a", "push")), false},
		{"broken off", "?source=push&complete=true", io.MultiReader(strings.NewReader(line("a", "push")), broken{}), false},
	} {
		p := &push{}
		if send(t, p, manager, c.query, c.body); p.complete != c.want || !p.ended {
			t.Errorf("%s: complete %v, ended %v; want %v, true", c.name, p.complete, p.ended, c.want)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestNothingAcceptedIs422(t *testing.T) {
	if code, _ := send(t, &push{}, manager, "?source=push", strings.NewReader("x\n")); code != http.StatusUnprocessableEntity {
		t.Errorf("status %d, want 422", code)
	}
}

func TestWhoMayPush(t *testing.T) {
	for _, c := range []struct {
		who  access.Principal
		want int
	}{
		{access.Principal{}, http.StatusUnauthorized},
		{access.Principal{Role: access.ControlOwner}, http.StatusForbidden},
		{access.Principal{Source: "other", Token: true}, http.StatusForbidden},
		{access.Principal{Source: "push", Token: true}, http.StatusOK},
		{manager, http.StatusOK},
	} {
		if code, _ := send(t, &push{}, c.who, "?source=push", strings.NewReader(line("a", "push"))); code != c.want {
			t.Errorf("%+v: status %d, want %d", c.who, code, c.want)
		}
	}
}

func TestAPushSaysExactlyWhatItMeans(t *testing.T) {
	for query, want := range map[string]int{
		"?source=push&complete=true": 200, "?source=push&complete=false": 200, "?source=push": 200, "?source=push&scope=": 200,
		"?source=push&complete=yes": 400, "?source=push&complete=": 400, "?source=push&complete=TRUE": 400, "?source=push&compleet=true": 400,
		"?source=push&complete=true&complete=false": 400, "?source=push&dry=1": 400, "?source=push&scope=a%00b": 400, "?source=push&scope=%ff": 400,
		"?source=push&scope=" + strings.Repeat("x", fact.MaxScope+1): 400, "?source=" + strings.Repeat("x", fact.MaxSource+1): 400, "?source=push&scope=%zz": 400,
	} {
		p := &push{}
		code, _ := send(t, p, manager, query, strings.NewReader(line("a", "push")))
		if code != want || p.ended != (want == 200) {
			t.Errorf("%.60s: got status %d, begun %v; want %d", query, code, p.ended, want)
		}
	}
}
