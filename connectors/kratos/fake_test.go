package kratos

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

type object = map[string]any

const (
	fakeToken = "ory_pat_0123456789abcdef"
	fakeHook  = "hook-secret-0123456789"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fakeID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// A fakeKratos answers like Ory Kratos 1.3, as real_test.go holds it to. Pages
// hold two things, so that everything is paged.
type fakeKratos struct {
	mu       sync.Mutex // guards what follows
	people   []object
	sessions []object
	shy      bool // the list shows no credentials, as before 1.1
	asked    []string
}

func newFake() *fakeKratos {
	password := object{"type": "password", "identifiers": []string{"x@acme.test"}, "version": 0, "created_at": testNow, "updated_at": testNow}
	plain := func(kind string) object {
		return object{"type": kind, "identifiers": []string{"x"}, "version": 0, "created_at": testNow, "updated_at": testNow}
	}
	key := plain("webauthn")
	key["config"] = object{"credentials": []object{{"id": "AA", "public_key": "AA", "is_passwordless": false}}}
	return &fakeKratos{
		people: []object{
			fakePerson(1, "ana", object{"password": password, "totp": plain("totp"), "lookup_secret": plain("lookup_secret")}),
			fakePerson(2, "bob", object{"password": password}),
			fakePerson(3, "carol", object{"password": password, "webauthn": key}),
			fakePerson(4, "dora", object{"password": password, "oidc": plain("oidc")}),
			fakePerson(5, "robot", nil),
		},
		sessions: []object{fakeSession(1, 1, 1), fakeSession(2, 2, 3), fakeSession(3, 1, 30)},
	}
}

func fakePerson(n int, name string, creds object) object {
	p := object{
		"id": fakeID(n), "schema_id": "person", "schema_url": "http://k/schemas/x", "state": "active", "state_changed_at": testNow,
		"traits":          object{"email": name + "@acme.test", "name": object{"first": strings.ToUpper(name[:1]) + name[1:], "last": "Lima"}},
		"metadata_public": nil, "metadata_admin": object{"role": "member"}, "created_at": testNow.AddDate(-1, 0, 0), "updated_at": testNow.AddDate(-1, 0, 0), "organization_id": nil,
	}
	if creds != nil {
		p["credentials"] = creds
	}
	return p
}

func fakeSession(n, person, days int) object {
	at := testNow.AddDate(0, 0, -days)
	return object{
		"id": fakeID(100 + n), "active": true, "issued_at": at, "authenticated_at": at, "expires_at": at.Add(24 * time.Hour),
		"authenticator_assurance_level": "aal1", "identity": object{"id": fakeID(person), "state": "active"}, "devices": nil,
	}
}

// ServeHTTP implements http.Handler.
func (f *fakeKratos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.URL.String())
	q := r.URL.Query()
	switch {
	case r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+fakeToken:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/admin/sessions":
		w.Header().Set("X-Total-Count", strconv.Itoa(len(f.sessions)))
		f.page(w, r, f.sessions)
	case r.URL.Path == "/admin/identities":
		list := f.people
		if f.shy || q.Get("include_credential") == "" {
			list = nil
			for _, p := range f.people {
				list = append(list, without(p))
			}
		}
		f.page(w, r, list)
	case strings.HasPrefix(r.URL.Path, "/admin/identities/"):
		i := slices.IndexFunc(f.people, func(p object) bool { return p["id"] == strings.TrimPrefix(r.URL.Path, "/admin/identities/") })
		if i < 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		reply(w, f.people[i])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func without(p object) object {
	out := object{}
	for k, v := range p {
		if k != "credentials" {
			out[k] = v
		}
	}
	return out
}

func (f *fakeKratos) page(w http.ResponseWriter, r *http.Request, list []object) {
	q := r.URL.Query()
	from, _ := strconv.Atoi(q.Get("page_token"))
	till := min(from+2, len(list))
	if till < len(list) {
		q.Set("page_token", strconv.Itoa(till))
		w.Header().Add("Link", fmt.Sprintf(`<%s?page_size=2&page_token=0>; rel="first",<%s?%s>; rel="next"`, r.URL.Path, r.URL.Path, q.Encode()))
	}
	reply(w, list[min(from, len(list)):till])
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(b)
}
