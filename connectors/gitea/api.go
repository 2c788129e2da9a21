package gitea

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

// pageSize is Gitea's default for MAX_RESPONSE_ITEMS; a server may give fewer.
const pageSize = 50

const maxPages = 2000

// An api asks Gitea's API v1.
type api struct {
	http *http.Client
	base string // address of the server
	auth http.Header
}

func newAPI(run connector.Run) api {
	h := http.Header{"Accept": {"application/json"}}
	if t := run.Settings.Text("token"); t != "" {
		h.Set("Authorization", "token "+t)
	}
	return api{http: run.HTTP, base: strings.TrimSuffix(run.Settings.Text("url"), "/"), auth: h}
}

func (a api) fetch(ctx context.Context, path string) (connector.Reply, error) {
	return connector.Fetch(ctx, a.http, a.base+"/api/v1"+path, a.auth)
}

// get reads one object.
func (a api) get(ctx context.Context, path string, v any) error {
	r, err := a.fetch(ctx, path)
	if err != nil {
		return err
	}
	return r.Decode(v)
}

// each reads a list page by page until take has had enough. Gitea's page links
// carry the server's own idea of its address, which need not be the one that
// Prumo uses, so only the number of the page is taken on. A list that ends
// before the count that came with it is ErrCapped.
func each[T any](ctx context.Context, a api, path string, take func([]T) (more bool, err error)) error {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	got := 0
	for page := 1; page <= maxPages; page++ {
		r, err := a.fetch(ctx, path+sep+"limit="+strconv.Itoa(pageSize)+"&page="+strconv.Itoa(page))
		if err != nil {
			return err
		}
		var items []T
		if err := r.Decode(&items); err != nil {
			return err
		}
		got += len(items)
		if more, err := take(items); err != nil || !more {
			return err
		}
		next, err := r.Next()
		if err != nil {
			return err
		}
		if next == "" || len(items) == 0 {
			return checkTotal(r, got)
		}
	}
	return fmt.Errorf("%s: more than %d pages: %w", path, maxPages, connector.ErrCapped)
}

func checkTotal(r connector.Reply, got int) error {
	s := r.Header.Get("X-Total-Count")
	if s == "" {
		return nil
	}
	total, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("total: %w", connector.ErrFormat)
	}
	if got < total {
		return fmt.Errorf("%d of %d: %w", got, total, connector.ErrCapped)
	}
	return nil
}

// list reads a whole list.
func list[T any](ctx context.Context, a api, path string) ([]T, error) {
	var all []T
	err := each(ctx, a, path, func(page []T) (bool, error) {
		all = append(all, page...)
		return true, nil
	})
	return all, err
}

// whole reads a list that Gitea gives without pages.
func whole[T any](ctx context.Context, a api, path string) ([]T, error) {
	var all []T
	err := a.get(ctx, path, &all)
	return all, err
}

// repoPath is the API path of a repository.
func repoPath(full string) string {
	owner, name, _ := strings.Cut(full, "/")
	return "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)
}

var scopePattern = regexp.MustCompile(`required=\[([a-z:, ]+)\]`)

// missingScope reads from a refusal which scope the token lacks, or "".
func missingScope(err error) string {
	var se *connector.StatusError
	var m struct{ Message string }
	if !errors.As(err, &se) || json.Unmarshal(se.Body, &m) != nil {
		return ""
	}
	switch found := scopePattern.FindStringSubmatch(m.Message); {
	case found != nil:
		return found[1]
	case strings.Contains(m.Message, "user should be an owner or a collaborator with admin"):
		return "owner of the organisation"
	default:
		return ""
	}
}

// What Gitea says, as far as it is read. Its own names are in the tags; a
// pointer is a field that older servers do not have.
type (
	apiUser struct {
		ID            int64     `json:"id"`
		Login         string    `json:"login"`
		FullName      string    `json:"full_name"`
		Email         string    `json:"email"`
		IsAdmin       bool      `json:"is_admin"`
		Active        bool      `json:"active"`
		ProhibitLogin bool      `json:"prohibit_login"`
		LastLogin     time.Time `json:"last_login"`
		Created       time.Time `json:"created"`
	}
	apiOrg struct {
		Name string `json:"name"`
	}
	apiTeam struct {
		ID           int64             `json:"id"`
		Name         string            `json:"name"`
		Permission   string            `json:"permission"`
		AllRepos     bool              `json:"includes_all_repositories"`
		UnitsMap     map[string]string `json:"units_map"`
		Organization *apiOrg           `json:"organization"`
	}
	apiRepo struct {
		ID            int64     `json:"id"`
		FullName      string    `json:"full_name"`
		HTMLURL       string    `json:"html_url"`
		Private       bool      `json:"private"`
		Internal      bool      `json:"internal"`
		Fork          bool      `json:"fork"`
		Mirror        bool      `json:"mirror"`
		Empty         bool      `json:"empty"`
		Archived      bool      `json:"archived"`
		DefaultBranch string    `json:"default_branch"`
		CreatedAt     time.Time `json:"created_at"`
		UpdatedAt     time.Time `json:"updated_at"`
		HasPulls      *bool     `json:"has_pull_requests"`
		HasActions    *bool     `json:"has_actions"`
		HasCode       *bool     `json:"has_code"`
	}
	apiBranch struct {
		Name   string `json:"name"`
		Commit *struct {
			ID        string    `json:"id"`
			Timestamp time.Time `json:"timestamp"`
		} `json:"commit"`
		Protected         *bool    `json:"protected"`
		RequiredApprovals int64    `json:"required_approvals"`
		EnableStatusCheck bool     `json:"enable_status_check"`
		StatusContexts    []string `json:"status_check_contexts"`
		Rule              string   `json:"effective_branch_protection_name"`
	}
	apiKey struct {
		ID          int64     `json:"id"`
		Title       string    `json:"title"`
		Fingerprint string    `json:"fingerprint"`
		Created     time.Time `json:"created_at"`
		ReadOnly    *bool     `json:"read_only"`
	}
	apiPermission struct {
		Permission string   `json:"permission"`
		User       *apiUser `json:"user"`
	}
	apiEntry struct {
		Name     string  `json:"name"`
		Path     string  `json:"path"`
		Type     string  `json:"type"`
		Size     int64   `json:"size"`
		Encoding *string `json:"encoding"`
		Content  *string `json:"content"`
	}
	apiRef struct {
		Ref string `json:"ref"`
		Sha string `json:"sha"`
	}
	apiPull struct {
		Number   int64      `json:"number"`
		Title    string     `json:"title"`
		HTMLURL  string     `json:"html_url"`
		User     *apiUser   `json:"user"`
		Merged   bool       `json:"merged"`
		MergedAt *time.Time `json:"merged_at"`
		MergedBy *apiUser   `json:"merged_by"`
		MergeSHA string     `json:"merge_commit_sha"`
		Base     *apiRef    `json:"base"`
		Head     *apiRef    `json:"head"`
		Created  *time.Time `json:"created_at"`
		Updated  *time.Time `json:"updated_at"`
	}
	apiReview struct {
		ID        int64     `json:"id"`
		User      *apiUser  `json:"user"`
		State     string    `json:"state"`
		Stale     bool      `json:"stale"`
		Official  bool      `json:"official"`
		Dismissed bool      `json:"dismissed"`
		Submitted time.Time `json:"submitted_at"`
		Updated   time.Time `json:"updated_at"`
	}
	apiStatuses struct {
		SHA      string `json:"sha"`
		Statuses []struct {
			Context string `json:"context"`
			Status  string `json:"status"`
		} `json:"statuses"`
	}
	apiPerson struct {
		Name  string `json:"name"`
		Email string `json:"email"`
		Date  string `json:"date"`
	}
	apiCommit struct {
		SHA     string `json:"sha"`
		HTMLURL string `json:"html_url"`
		Commit  *struct {
			Message      string    `json:"message"`
			Author       apiPerson `json:"author"`
			Committer    apiPerson `json:"committer"`
			Verification *struct {
				Signature string `json:"signature"`
			} `json:"verification"`
		} `json:"commit"`
		Author    *apiUser `json:"author"`
		Committer *apiUser `json:"committer"`
		Parents   []struct {
			SHA string `json:"sha"`
		} `json:"parents"`
	}
)
