package http

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/connectortest"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

const testToken = "hr-token-0123456789"

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// peopleMap declares people, with further keys for the way of paging.
func peopleMap(keys string) string {
	return `
- scope: people
  kind: person
  path: /people
` + keys + `
  id: '"hr/" + string(row.id)'
  fields: {name: row.name, email: row.email, active: row.status == "active"}
  examples:
    - {row: {id: 1, name: Ana, email: ana@acme.test, status: active}, want: {name: Ana, active: true}}
`
}

// A fakeHR serves seven people, two a page, in every way of paging.
type fakeHR struct {
	mu    sync.Mutex
	asked []string // guarded by mu
	token string
	etag  bool
	hits  int // answers of 304; guarded by mu
}

const people = 7

func person(n int) map[string]any {
	return map[string]any{"id": n, "name": "P" + strconv.Itoa(n), "email": fmt.Sprintf("p%d@acme.test", n), "status": "active"}
}

func slice(from, n int) []any {
	out := []any{}
	for i := from; i < min(from+n, people); i++ {
		out = append(out, person(i+1))
	}
	return out
}

func (f *fakeHR) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI())
	f.mu.Unlock()
	if r.URL.Path == "/token" {
		f.serveToken(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+f.token {
		http.Error(w, `{"message":"who are you"}`, http.StatusUnauthorized)
		return
	}
	n := func(name string, def int) int {
		if v, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
			return v
		}
		return def
	}
	self := "http://" + r.Host + "/api" + strings.TrimPrefix(r.URL.Path, "/api")
	size := 2
	var body any
	switch strings.TrimPrefix(r.URL.Path, "/api") {
	case "/all":
		body = map[string]any{"data": slice(0, people)}
	case "/link":
		from := n("from", 0)
		if from+size < people {
			w.Header().Set("Link", fmt.Sprintf(`<%s?from=%d>; rel="next"`, self, from+size))
		}
		w.Header().Set("X-Total-Count", strconv.Itoa(people))
		body = slice(from, size)
	case "/page":
		body = map[string]any{"data": slice((n("page", 1)-1)*size, size), "total": people}
	case "/offset":
		body = map[string]any{"data": slice(n("offset", 0), size)}
	case "/cursor":
		from := n("cursor", 0)
		meta := map[string]any{"next": nil, "has_more": from+size < people}
		if from+size < people {
			meta["next"] = strconv.Itoa(from + size)
		}
		body = map[string]any{"data": slice(from, size), "meta": meta}
	case "/next":
		from := n("from", 0)
		b := map[string]any{"data": slice(from, size)}
		if from+size < people {
			b["next"] = fmt.Sprintf("%s?from=%d", self, from+size)
		}
		body = b
	default:
		http.NotFound(w, r)
		return
	}
	raw, _ := json.Marshal(body)
	w.Header().Set("Content-Type", "application/json")
	if f.etag {
		tag := fmt.Sprintf(`"%x"`, len(raw))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			f.mu.Lock()
			f.hits++
			f.mu.Unlock()
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Write(raw)
}

// serveToken takes the client's secret in the header only if it is asked to.
func (f *fakeHR) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if r.Method != http.MethodPost || r.FormValue("grant_type") != "client_credentials" || id != "prumo" || secret != "client-secret-987" ||
		r.FormValue("scope") != "read:all devices" || r.FormValue("audience") != "mdm" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client"}`)
		return
	}
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, f.token)
}

// ways are the declarations of each way of paging.
func ways() map[string]string {
	return map[string]string{
		"all":    "  path: /all\n  items: page.data\n  paging: none",
		"link":   "  path: /link\n  of: int(header[\"x-total-count\"])",
		"page":   "  path: /page\n  items: page.data\n  paging: page\n  of: page.total",
		"offset": "  path: /offset\n  items: page.data\n  paging: offset\n  size: \"2\"",
		"cursor": "  path: /cursor\n  items: page.data\n  cursor: page.meta.next\n  more: page.meta.has_more",
		"next":   "  path: /next\n  items: page.data\n  next: page.next",
	}
}

func declared(way string) string {
	return strings.Replace(peopleMap(ways()[way]), "  path: /people\n", "", 1)
}

func TestExam(t *testing.T) {
	for _, way := range slices.Sorted(maps.Keys(ways())) {
		t.Run(way, func(t *testing.T) {
			connectortest.Run(t, New(), connectortest.Case{
				Upstream: func() http.Handler { return &fakeHR{token: testToken} },
				Settings: func(address string) connector.Settings {
					return connector.Settings{"url": address + "/api", "token": testToken, "maps": declared(way)}
				},
			})
		})
	}
}

// The token of OAuth2 is held to the same exam as the answers.
func TestExamOfTokens(t *testing.T) {
	connectortest.Run(t, New(), connectortest.Case{
		Upstream: func() http.Handler { return &fakeHR{token: testToken} },
		Settings: func(address string) connector.Settings {
			return connector.Settings{
				"url": address + "/api", "maps": declared("all"), "token_url": address + "/token", "client_id": "prumo", "client_secret": "client-secret-987",
				"scopes": []string{"read:all", "devices"}, "token_parameters": map[string][]string{"audience": {"mdm"}},
			}
		},
		Secrets: []string{testToken},
	})
}

// read makes one reading of a handler.
func read(t *testing.T, h http.Handler, change func(connector.Settings)) *connector.Memory {
	t.Helper()
	return readAgain(t, runOf(t, h, change))
}

func runOf(t *testing.T, h http.Handler, change func(connector.Settings)) connector.Run {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := connector.Settings{"url": srv.URL + "/api", "token": testToken, "maps": declared("all")}
	if change != nil {
		change(s)
	}
	now := func() time.Time { return testNow }
	client := connector.NewClient(connector.ClientConfig{
		Hosts: connector.HostsOf(New().Info(), s), Dial: connector.NewDialer(connector.NetworkPolicy{AllowAll: true}), Rate: -1, Attempts: 1, Now: now,
	})
	t.Cleanup(client.CloseIdleConnections)
	return connector.Run{Source: "hr", Settings: s, HTTP: client, Now: now, Memo: connector.NewMemo(8<<20, now)}
}

func readAgain(t *testing.T, run connector.Run) *connector.Memory {
	t.Helper()
	m := connector.Record()
	if err := New().Collect(t.Context(), run, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// answers serves one body to every request.
func answers(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
}

func TestEveryWayOfPagingReadsAll(t *testing.T) {
	for way := range ways() {
		f := &fakeHR{token: testToken}
		m := read(t, f, func(s connector.Settings) { s["maps"] = declared(way) })
		s := m.Scopes()[0]
		if len(m.Facts()) != people || s.Reading != fact.Complete {
			t.Errorf("%s: %d facts, %s %q, want %d complete; asked %v", way, len(m.Facts()), s.Reading, s.Detail.Why, people, f.asked)
		}
	}
}

// What success wraps is never an empty list.
func TestWhatIsNoListIsPartial(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "space": " \n", "null": "null", "page": "<!doctype html><title>Sign in</title>", "cut": `{"data":[{"id":1`, "two": `{"data":[]}{"data":[]}`,
		"error": `{"error":"expired"}`, "error beside a list": `{"data":[],"error":{"code":7}}`, "errors": `{"data":[],"errors":[{"message":"x"}]}`,
		"not ok": `{"ok":false,"data":[]}`, "no success": `{"success":false,"data":[]}`, "other member": `{"items":[]}`, "object": `{"data":{}}`,
		"null list": `{"data":null}`, "texts": `{"data":["a"]}`, "text": `"hello"`, "number": "7", "lines": "{\"data\":[]}\n{\"data\":[]}\n",
		"deep": strings.Repeat("[", 20000) + strings.Repeat("]", 20000), "NUL": "\x00", "no id": `{"data":[{"name":"x"}]}`,
		"id with NUL": `{"data":[{"id":"a\u0000b","name":"x"}]}`, "twice": `{"data":[{"id":1},{"id":1}]}`, "long id": `{"data":[{"id":"` + strings.Repeat("x", 3000) + `"}]}`,
	} {
		m := read(t, answers(body), nil)
		if s := m.Scopes()[0]; s.Reading != fact.Partial || s.Detail.Why == "" {
			t.Errorf("%s: %s %q, want partial with a reason", name, s.Reading, s.Detail.Why)
		}
	}
	for name, body := range map[string]string{"empty list": `{"data":[]}`, "no error": `{"data":[],"error":null,"errors":[],"ok":true}`, "mark of order": "\xef\xbb\xbf{\"data\":[]}"} {
		if s := read(t, answers(body), nil).Scopes()[0]; s.Reading != fact.Complete {
			t.Errorf("%s: %s %q, want complete", name, s.Reading, s.Detail.Why)
		}
	}
}

// Lists that never end, lead in circles or contradict themselves are cut with the reason.
func TestPagingThatLies(t *testing.T) {
	for name, c := range map[string]struct {
		keys string
		h    http.HandlerFunc
		why  string
	}{
		"circle": {"next: page.next", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"data":[],"next":"%s?a=1"}`, r.URL.Path)
		}, "back to one that was read"},
		"ignored":  {"paging: page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"id":1}]}`) }, "does not know the parameter page"},
		"short":    {"paging: none\n  of: page.total", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"id":1}],"total":9}`) }, "less than it says"},
		"no total": {"of: page.total", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[]}`) }, "how many"},
		"more without a mark": {"cursor: page.cursor\n  more: page.more", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"data":[{"id":1}],"more":true}`)
		}, "does not say where"},
		"one of several": {"paging: none", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "<"+r.URL.Path+"?page=2>; rel=next")
			fmt.Fprint(w, `{"data":[]}`)
		}, "set `paging: link`"},
		"elsewhere": {"next: page.next", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"data":[],"next":"https://evil.test/steal"}`)
		}, "another host"},
		"name in the address": {"next: page.next", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"data":[],"next":"http://x@%s/api"}`, r.Host)
		}, "another host"},
		"half": {"paging: none", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, `{"data":[]}`)
		}, "less than it says"},
		"no content": {"paging: none", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "empty"},
	} {
		maps := strings.Replace(peopleMap("  items: page.data\n  "+c.keys), "/people", "/x", 1)
		m := read(t, c.h, func(s connector.Settings) { s["maps"] = maps })
		if s := m.Scopes()[0]; s.Reading != fact.Partial || !strings.Contains(s.Detail.Why, c.why) {
			t.Errorf("%s: %s %q, want partial with %q", name, s.Reading, s.Detail.Why, c.why)
		}
	}
}

// A list that did not change costs no second answer.
func TestEntityTags(t *testing.T) {
	f := &fakeHR{token: testToken, etag: true}
	run := runOf(t, f, func(s connector.Settings) { s["maps"] = declared("link") })
	first := readAgain(t, run)
	second := readAgain(t, run)
	if f.hits != 4 || len(second.Facts()) != len(first.Facts()) || second.Scopes()[0].Reading != fact.Complete {
		t.Errorf("%d answers of 304 and %d facts, want 4 and %d (%s)", f.hits, len(second.Facts()), len(first.Facts()), second.Scopes()[0].Detail.Why)
	}
}

// A token that was refused meanwhile is asked for anew, once.
func TestTokenIsRenewedOnce(t *testing.T) {
	f := &fakeHR{token: testToken}
	var made, refused int
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			made++
			fmt.Fprintf(w, `{"access_token":"t%d"}`, made)
			return
		}
		if r.Header.Get("Authorization") != "Bearer t2" {
			refused++
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.Header.Set("Authorization", "Bearer "+testToken)
		f.ServeHTTP(w, r)
	})
	m := read(t, h, func(s connector.Settings) {
		delete(s, "token")
		s["token_url"], s["client_id"], s["client_secret"] = strings.TrimSuffix(s.Text("url"), "/api")+"/token", "prumo", "s3cret"
	})
	if s := m.Scopes()[0]; s.Reading != fact.Complete || made != 2 || refused != 1 {
		t.Errorf("%s %q after %d tokens and %d refusals, want complete after 2 and 1", s.Reading, s.Detail.Why, made, refused)
	}
}

// A server that takes the client's secret in the body only is understood.
func TestClientSecretInTheBody(t *testing.T) {
	f := &fakeHR{token: testToken}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			f.ServeHTTP(w, r)
			return
		}
		if _, _, header := r.BasicAuth(); header || r.FormValue("client_secret") != "s3cret" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer"}`, testToken)
	})
	change := func(secret string) func(connector.Settings) {
		return func(s connector.Settings) {
			delete(s, "token")
			s["token_url"], s["client_id"], s["client_secret"] = strings.TrimSuffix(s.Text("url"), "/api")+"/token", "prumo", secret
		}
	}
	if s := read(t, h, change("s3cret")).Scopes()[0]; s.Reading != fact.Complete {
		t.Errorf("%s %q, want complete", s.Reading, s.Detail.Why)
	}
	if s := read(t, h, change("wrong")).Scopes()[0]; s.Reading != fact.Forbidden {
		t.Errorf("a wrong secret: %s %q, want forbidden", s.Reading, s.Detail.Why)
	}
}

// A network that cuts, hangs or resets takes nothing away.
func TestTroubles(t *testing.T) {
	srv := httptest.NewServer(&fakeHR{token: testToken})
	defer srv.Close()
	proxy := testkit.Toxiproxy(t).Proxy(strings.TrimPrefix(srv.URL, "http://"))
	address := "http://" + proxy.Addr
	for name, trouble := range map[string]func(){
		"none": func() {}, "cut": func() { proxy.Cut(300) }, "cut early": func() { proxy.Cut(5) }, "down": proxy.Down, "reset": proxy.Reset, "hang": proxy.Hang,
	} {
		trouble()
		client := connector.NewClient(connector.ClientConfig{
			Hosts: []string{address}, Dial: connector.NewDialer(connector.NetworkPolicy{AllowAll: true}), Rate: -1, Attempts: 1, Attempt: time.Second,
		})
		s := connector.Settings{"url": address + "/api", "token": testToken, "maps": declared("link")}
		m := readAgain(t, connector.Run{Source: "hr", Settings: s, HTTP: client, Now: time.Now})
		client.CloseIdleConnections()
		want := fact.Partial
		if name == "none" {
			want = fact.Complete
		}
		if sc := m.Scopes()[0]; sc.Reading != want || want == fact.Partial && sc.Detail.Why == "" {
			t.Errorf("%s: %s %q, want %s", name, sc.Reading, sc.Detail.Why, want)
		}
		proxy.Mend()
	}
}

// What cannot work is told when the settings are read.
func TestSettings(t *testing.T) {
	ok := map[string]any{"url": "https://hr.acme.test", "maps": declared("page")}
	if _, err := connector.Check(New().Info(), ok, connector.FromConsole); err != nil {
		t.Fatal(err)
	}
	for want, more := range map[string]map[string]any{
		"url is missing":              {"url": ""},
		"exclude each other":          {"file": "/x.json"},
		"ways to sign in":             {"token": "abc", "user": "u", "password": "p"},
		"belong together":             {"client_id": "x"},
		"without token":               {"token_header": "X-Key"},
		"is a credential":             {"headers": map[string]any{"authorization": "x"}},
		"cannot stand in a header":    {"headers": map[string]any{"X-A": "a\nb: c"}},
		"must start with /":           {"maps": strings.Replace(declared("page"), "/page", `"@evil.test/"`, 1)},
		"no way of paging":            {"maps": strings.Replace(declared("page"), "paging: page", "paging: pages", 1)},
		"belongs to `paging: cursor`": {"maps": strings.Replace(declared("all"), "paging: none", "paging: cursor", 1)},
		"items: Syntax error":         {"maps": strings.Replace(declared("all"), "items: page.data", "items: page.(", 1)},
		"must be one line":            {"token": "a\r\nX-Evil: 1"},
		"has no path and no pages":    {"url": "", "file": "/x.json"},
		"two maps are called people":  {"maps": declared("page") + declared("all")},
		"must be an address such as":  {"url": "hr.acme.test"},
		"must hold no user, password": {"url": "https://u:p@hr.acme.test"},
		"did you mean person":         {"maps": strings.Replace(declared("page"), "kind: person", "kind: persn", 1)},
	} {
		raw := maps.Clone(ok)
		maps.Copy(raw, more)
		if _, err := connector.Check(New().Info(), raw, connector.FromFile); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", more, err, want)
		}
	}
	if _, err := connector.Check(New().Info(), map[string]any{"file": "/etc/passwd", "maps": declared("all")}, connector.FromConsole); err == nil {
		t.Error("the console may name a file")
	}
}
