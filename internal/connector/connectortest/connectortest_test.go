package connectortest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

const token = "tok-123456789"

// upstream lists accounts in two pages, and says of each whether it has a second factor.
func upstream() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Total-Count", "3")
		if r.URL.Query().Get("page") == "2" {
			fmt.Fprint(w, `["c"]`)
			return
		}
		w.Header().Set("Link", fmt.Sprintf(`<http://%s/accounts?page=2>; rel="next"`, r.Host))
		fmt.Fprint(w, `["a","b"]`)
	})
	mux.HandleFunc("GET /accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"mfa":%v}`, r.PathValue("id") != "b")
	})
	return mux
}

func testCase() Case {
	return Case{
		Upstream: upstream,
		Settings: func(address string) connector.Settings { return connector.Settings{"url": address, "token": token} },
	}
}

// honest is a connector that does as it should; each switch makes it lie.
type honest struct {
	ignoreErrors, ignoreTotals, falseForUnknown, leaksError, leavesOpen, returnsError, panics, plainHTTP, logsToken bool
}

func (h honest) Info() connector.Info {
	return connector.Info{ID: "honest", Kinds: []string{"account"}, Fields: []connector.Field{
		{Name: "url", Type: connector.FieldURL}, {Name: "token", Type: connector.FieldSecret},
	}}
}

func (h honest) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	if err := emit.Open(connector.Scope{Name: "accounts", Kinds: []string{"account"}}); err != nil {
		return err
	}
	var y connector.Tally
	names, err := h.names(ctx, run)
	y.Add(err)
	if err != nil && h.panics {
		panic(err)
	}
	if err != nil && h.returnsError {
		return err
	}
	if err != nil && h.leavesOpen {
		return nil
	}
	for _, n := range names {
		a := fact.Account{Login: fact.Some(n)}
		var v struct{ MFA bool }
		err := h.get(ctx, run, run.Settings.Text("url")+"/accounts/"+n, &v)
		y.Add(err)
		a.MFA = fact.SomeIf(v.MFA, err == nil || h.falseForUnknown)
		if err := emit.Fact("accounts", n, a); err != nil {
			return err
		}
	}
	reading, d := y.Result()
	if h.ignoreErrors {
		reading = fact.Complete
	}
	if h.leaksError && err != nil {
		d.Why = err.Error()
	}
	if h.logsToken {
		run.Log.Info("reading", "token", run.Settings.Text("token"))
	}
	return emit.Close("accounts", reading, d)
}

func (h honest) names(ctx context.Context, run connector.Run) ([]string, error) {
	var all []string
	next := run.Settings.Text("url") + "/accounts"
	for next != "" {
		r, err := h.fetch(ctx, run, next)
		if err != nil {
			return all, err
		}
		var page []string
		if err := r.Decode(&page); err != nil {
			return all, err
		}
		all = append(all, page...)
		if next, err = r.Next(); err != nil {
			return all, err
		}
		if next == "" && !h.ignoreTotals && r.Header.Get("X-Total-Count") != fmt.Sprint(len(all)) {
			return all, connector.ErrCapped
		}
	}
	return all, nil
}

func (h honest) fetch(ctx context.Context, run connector.Run, address string) (connector.Reply, error) {
	if !h.plainHTTP && !h.leaksError {
		return connector.Fetch(ctx, run.HTTP, address, http.Header{"Authorization": {"token " + token}})
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, address, nil)
	if err != nil {
		return connector.Reply{}, err
	}
	client := run.HTTP
	if h.plainHTTP {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return connector.Reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	return connector.Reply{Body: body, Header: res.Header, URL: req.URL}, err
}

func (h honest) get(ctx context.Context, run connector.Run, address string, v any) error {
	r, err := h.fetch(ctx, run, address)
	if err != nil {
		return err
	}
	return json.Unmarshal(r.Body, v)
}

func TestAnHonestConnectorPasses(t *testing.T) { Run(t, strict{honest{}}, testCase()) }

// strict decodes with Reply.Decode, which refuses null.
type strict struct{ honest }

func (s strict) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	return strictCollect(ctx, s.honest, run, emit)
}

func strictCollect(ctx context.Context, h honest, run connector.Run, emit connector.Emit) error {
	if err := emit.Open(connector.Scope{Name: "accounts", Kinds: []string{"account"}}); err != nil {
		return err
	}
	var y connector.Tally
	names, err := h.names(ctx, run)
	y.Add(err)
	for _, n := range names {
		a := fact.Account{Login: fact.Some(n)}
		var v struct{ MFA *bool }
		r, err := h.fetch(ctx, run, run.Settings.Text("url")+"/accounts/"+n)
		if err == nil {
			err = r.Decode(&v)
		}
		if err == nil && v.MFA == nil {
			err = connector.ErrFormat
		}
		if !y.Add(err) {
			a.MFA = fact.Some(*v.MFA)
		}
		if err := emit.Fact("accounts", n, a); err != nil {
			return err
		}
	}
	reading, d := y.Result()
	return emit.Close("accounts", reading, d)
}

func TestTheExamBites(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    honest
		want string
	}{
		{"closes as complete what failed", honest{ignoreErrors: true}, "is complete without account c"},
		{"trusts a short page", honest{ignoreTotals: true}, "a page with less than it says at GET /accounts?page=2: scope"},
		{"says false for unknown", honest{falseForUnknown: true}, "says mfa = false, the good reading true"},
		{"takes null for an answer", honest{}, "null at GET /accounts/a: account a says mfa = false"},
		{"tells the cause", honest{leaksError: true}, "a secret got out"},
		{"leaves its scope open", honest{leavesOpen: true}, "was left open"},
		{"loses its scopes to an error", honest{returnsError: true}, "an error in place of scopes"},
		{"panics", honest{panics: true}, "panic:"},
		{"uses a client of its own", honest{plainHTTP: true}, "reached another host"},
		{"goes past the client", honest{plainHTTP: true}, "0 through the client that was given"},
		{"does not stop", honest{plainHTTP: true}, "cancelled at GET /accounts: took"},
		{"logs its token", honest{logsToken: true}, "a secret got out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := testCase()
			k.Limit = time.Second / 10
			problems := Examine(t.Context(), tt.c, k)
			if !strings.Contains(strings.Join(problems, "\n"), tt.want) {
				t.Errorf("the exam found %d problems, none with %q:\n%s", len(problems), tt.want, strings.Join(problems, "\n"))
			}
		})
	}
}
