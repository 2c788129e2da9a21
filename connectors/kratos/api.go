package kratos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
)

const (
	pageSize  = 500 // Kratos gives up to 1,000
	smallPage = 20  // where identities carry so much that a page is too long
	maxPages  = 4000
)

// withFactors makes Kratos' lists show which credentials each identity has. It
// reveals the configuration of the named type only, which for WebAuthn is public
// keys and whether they stand in for the password; hashes, seeds and codes stay
// in Kratos.
const withFactors = "include_credential=webauthn"

// An api asks Kratos' administration API.
type api struct {
	http *http.Client
	base string
	auth http.Header
}

func newAPI(run connector.Run) (api, error) {
	base := run.Settings.Text("url")
	if base == "" || run.HTTP == nil {
		return api{}, fmt.Errorf("%w: url is missing; set the address of the administration API", connector.ErrSettings)
	}
	h := http.Header{"Accept": {"application/json"}}
	if t := run.Settings.Text("token"); t != "" {
		h.Set("Authorization", "Bearer "+t)
	}
	return api{http: run.HTTP, base: strings.TrimSuffix(base, "/"), auth: h}, nil
}

func (a api) get(ctx context.Context, path string, v any) (connector.Reply, error) {
	r, err := connector.Fetch(ctx, a.http, a.base+path, a.auth)
	if err != nil {
		return r, err
	}
	return r, r.Decode(v)
}

// A page is a part of a list. total is how many things the whole list holds, or
// -1; next is the token of the page after it, or "".
type page[T any] struct {
	items []T
	next  string
	total int
}

func fetchPage[T any](ctx context.Context, a api, path, token string) (page[T], error) {
	p, err := fetchSized[T](ctx, a, path, token, pageSize)
	if errors.Is(err, connector.ErrTooLarge) {
		return fetchSized[T](ctx, a, path, token, smallPage)
	}
	return p, err
}

func fetchSized[T any](ctx context.Context, a api, path, token string, size int) (page[T], error) {
	p := page[T]{total: -1}
	address := path + "&page_size=" + strconv.Itoa(size)
	if token != "" {
		address += "&page_token=" + url.QueryEscape(token)
	}
	r, err := a.get(ctx, address, &p.items)
	if err != nil {
		return p, err
	}
	if s := r.Header.Get("X-Total-Count"); s != "" {
		if p.total, err = strconv.Atoi(s); err != nil {
			return p, fmt.Errorf("total: %w", connector.ErrFormat)
		}
	}
	next, err := r.Next()
	if err != nil || next == "" {
		return p, err
	}
	// The link carries Kratos' own idea of its address, which need not be the one
	// that Prumo uses, so only the token is taken on.
	u, err := url.Parse(next)
	if err != nil {
		return p, fmt.Errorf("next page: %w", connector.ErrFormat)
	}
	p.next = u.Query().Get("page_token")
	if p.next == "" || p.next == token {
		return p, fmt.Errorf("next page: %w", connector.ErrFormat)
	}
	return p, nil
}

// each reads a list page by page from a token on, until take has had enough; it
// returns the token of the first page that was not read, or "".
func each[T any](ctx context.Context, a api, path, token string, take func(page[T]) (more bool, err error)) (string, error) {
	got := 0
	for range maxPages {
		p, err := fetchPage[T](ctx, a, path, token)
		if err != nil {
			return token, err
		}
		got += len(p.items)
		more, err := take(p)
		switch {
		case err != nil:
			return token, err
		case p.next == "" && got < p.total:
			return "", fmt.Errorf("%s: %d of %d: %w", path, got, p.total, connector.ErrCapped)
		case p.next == "" || !more:
			return p.next, nil
		}
		token = p.next
	}
	return token, fmt.Errorf("%s: more than %d pages: %w", path, maxPages, connector.ErrCapped)
}

// What Kratos says, as far as it is read.
type (
	apiIdentity struct {
		ID            string                   `json:"id"`
		SchemaID      string                   `json:"schema_id"`
		State         string                   `json:"state"`
		Traits        json.RawMessage          `json:"traits"`
		MetadataAdmin json.RawMessage          `json:"metadata_admin"`
		CreatedAt     time.Time                `json:"created_at"`
		Credentials   map[string]apiCredential `json:"credentials"`
	}
	apiCredential struct {
		Identifiers []string        `json:"identifiers"`
		Config      json.RawMessage `json:"config"`
	}
	apiSession struct {
		IssuedAt        time.Time `json:"issued_at"`
		AuthenticatedAt time.Time `json:"authenticated_at"`
		Identity        *struct {
			ID string `json:"id"`
		} `json:"identity"`
	}
)

var idPattern = regexp.MustCompile(`^[0-9a-fA-F-]{36}$`)

// check refuses what is no identity.
func (i apiIdentity) check() error {
	if !idPattern.MatchString(i.ID) || i.State != "active" && i.State != "inactive" {
		return fmt.Errorf("an identity without an id or a state: %w", connector.ErrFormat)
	}
	return nil
}

// identity reads one identity. It tells of credentials even where there are none.
func (a api) identity(ctx context.Context, id string) (apiIdentity, error) {
	var i apiIdentity
	if _, err := a.get(ctx, "/admin/identities/"+url.PathEscape(id)+"?"+withFactors, &i); err != nil {
		return i, fmt.Errorf("identity: %w", err)
	}
	if err := i.check(); err != nil {
		return i, err
	}
	if i.ID != id {
		return i, fmt.Errorf("another identity than the one asked for: %w", connector.ErrFormat)
	}
	if i.Credentials == nil {
		i.Credentials = map[string]apiCredential{}
	}
	return i, nil
}
