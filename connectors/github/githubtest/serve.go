package githubtest

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type object = map[string]any

func oid(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:20])
}

// A call is one request as a handler sees it.
type call struct {
	*GitHub
	w    http.ResponseWriter
	r    *http.Request
	base string
	cred *Credential
	name string // of the credential, for limits
}

// ServeHTTP implements http.Handler.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // to its end: only then does the server notice that the client went away
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tally.Paths = append(g.tally.Paths, r.Method+" "+r.URL.RequestURI())
	c := &call{GitHub: g, w: w, r: r, base: "http://" + r.Host}
	bearer := strings.TrimPrefix(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "token ")
	c.name = oid(bearer)
	switch cred, known := g.Tokens[bearer]; {
	case known && (cred.Ends.IsZero() || cred.Ends.After(g.Now())):
		c.cred = cred
	case strings.Count(bearer, ".") == 2 && (strings.HasPrefix(r.URL.Path, "/app") || strings.HasSuffix(r.URL.Path, "/installation")):
	default:
		c.answer(http.StatusUnauthorized, object{"message": "Bad credentials", "documentation_url": docs, "status": "401"})
		return
	}
	if c.limited() {
		return
	}
	if r.URL.Path == "/graphql" {
		c.graphQL()
		return
	}
	_, pattern := g.mux.Handler(r)
	if pattern == "" {
		c.notFound()
		return
	}
	g.mux.ServeHTTP(w, r.WithContext(withCall(r.Context(), c)))
}

const docs = "https://docs.github.com/rest"

func (c *call) notFound() {
	c.answer(http.StatusNotFound, object{"message": "Not Found", "documentation_url": docs, "status": "404"})
}

func (c *call) forbidden() {
	c.answer(http.StatusForbidden, object{"message": "Resource not accessible by integration", "documentation_url": docs, "status": "403"})
}

// limited answers if a limit is used up.
func (c *call) limited() bool {
	now := c.Now()
	if c.Burst > 0 {
		if now.Sub(c.minute.ends) >= 0 {
			c.minute = window{ends: now.Add(time.Minute)}
		}
		c.minute.used++
		if c.minute.used > c.Burst {
			c.tally.Refused++
			c.w.Header().Set("Retry-After", strconv.Itoa(int(c.minute.ends.Sub(now).Seconds())+1))
			c.answer(http.StatusForbidden, object{"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.", "documentation_url": docs, "status": "403"})
			return true
		}
	}
	resource, limit := "core", c.Limit
	if c.r.URL.Path == "/graphql" {
		resource, limit = "graphql", c.GraphLimit
	}
	if limit == 0 {
		return false
	}
	win := c.window(resource)
	c.limitHeaders(resource, limit)
	if win.used < limit {
		return false
	}
	c.tally.Refused++
	if resource == "graphql" {
		c.answer(http.StatusOK, object{"errors": []object{{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}}})
		return true
	}
	c.answer(http.StatusForbidden, object{"message": "API rate limit exceeded for installation.", "documentation_url": docs, "status": "403"})
	return true
}

func (c *call) window(resource string) *window {
	key := c.name + " " + resource
	win, ok := c.spent[key]
	if !ok || !c.Now().Before(win.ends) {
		win = &window{ends: c.Now().Add(time.Hour).Truncate(time.Second)}
		c.spent[key] = win
	}
	return win
}

func (c *call) limitHeaders(resource string, limit int) {
	win := c.window(resource)
	h := c.w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, limit-win.used)))
	h.Set("X-RateLimit-Used", strconv.Itoa(win.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(win.ends.Unix(), 10))
	h.Set("X-RateLimit-Resource", resource)
}

// spend counts a request against its primary limit.
func (c *call) spend(resource string, n int) {
	limit := c.Limit
	if resource == "graphql" {
		limit = c.GraphLimit
	}
	c.window(resource).used += n
	if limit > 0 {
		c.limitHeaders(resource, limit)
	}
}

// answer writes a reply; what succeeds has an ETag, and is 304 for whom has it.
func (c *call) answer(status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-GitHub-Request-Id", "0000:0000")
	if status == http.StatusNoContent {
		b = nil
	}
	if status == http.StatusOK && c.r.Method == http.MethodGet {
		tag := `W/"` + oid(string(b)+h.Get("Link")) + `"`
		h.Set("ETag", tag)
		if c.r.Header.Get("If-None-Match") == tag {
			c.tally.Unchanged++
			c.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if c.r.URL.Path != "/graphql" && status != http.StatusUnauthorized && h.Get("Retry-After") == "" && !(status == http.StatusForbidden && h.Get("X-RateLimit-Remaining") == "0") {
		c.tally.REST++
		c.spend("core", 1)
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b)
}

// page answers with a part of a list and links to the next.
func page[T any](c *call, all []T, wrap func(part []T) any) {
	q := c.r.URL.Query()
	size := 30
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && n > 0 {
		size = min(n, 100)
	}
	n, _ := strconv.Atoi(q.Get("page"))
	if after := q.Get("after"); after != "" { // a cursor in place of a number
		b, _ := base64.RawURLEncoding.DecodeString(after)
		n, _ = strconv.Atoi(string(b))
	}
	n = max(n, 1)
	from := min((n-1)*size, len(all))
	part := all[from:min(from+size, len(all))]
	if from+size < len(all) {
		next := url.Values{}
		for k, v := range q {
			next[k] = v
		}
		if cursored(c.r.URL.Path) {
			next.Set("after", base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(n+1))))
		} else {
			next.Set("page", strconv.Itoa(n+1))
		}
		c.w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, c.base, c.r.URL.EscapedPath(), next.Encode()))
	}
	if part == nil {
		part = []T{}
	}
	c.answer(http.StatusOK, wrap(part))
}

func cursored(path string) bool {
	return strings.HasSuffix(path, "/dependabot/alerts") || strings.HasSuffix(path, "/security-advisories")
}

// each makes replies of a list's things; the list itself only says of which.
func each[T any](_ []T, f func(T) object) func([]T) any {
	return func(part []T) any {
		out := []object{}
		for _, x := range part {
			out = append(out, f(x))
		}
		return out
	}
}

// org finds the organisation of the request, if the credential may see it.
func (c *call) org() *Org {
	name := c.r.PathValue("org")
	if name == "" {
		name = c.r.PathValue("owner")
	}
	for _, o := range c.Orgs {
		if strings.EqualFold(o.Login, name) && (c.cred.Org == "" || strings.EqualFold(c.cred.Org, o.Login)) {
			return o
		}
	}
	c.notFound()
	return nil
}

func (o *Org) isOwner(u *User) bool  { return u != nil && slices.Contains(o.Owners, u) }
func (o *Org) isMember(u *User) bool { return u != nil && slices.Contains(o.Members, u) }

// may answers a refusal unless the credential has the permission. Owners have
// all; members have what reading code takes; an App what it was granted.
func (c *call) may(o *Org, need string) bool {
	if c.cred.Permissions != nil {
		if c.cred.Permissions[need] == "" {
			c.forbidden()
			return false
		}
		return true
	}
	if o.isOwner(c.cred.User) || o.isMember(c.cred.User) && slices.Contains([]string{"metadata", "contents", "pull_requests", "members", "actions"}, need) {
		return true
	}
	c.notFound()
	return false
}

// repo finds the repository of the request, if the credential may see it.
func (c *call) repo() (*Org, *Repo) {
	o := c.org()
	if o == nil {
		return nil, nil
	}
	for _, r := range o.Repos {
		if strings.EqualFold(r.Name, c.r.PathValue("repo")) && o.sees(c.cred, r) {
			return o, r
		}
	}
	c.notFound()
	return nil, nil
}

// sees reports whether a credential is shown a repository.
func (o *Org) sees(cred *Credential, r *Repo) bool {
	if cred.Only != nil && r.Private && !slices.Contains(cred.Only, r.Name) {
		return false
	}
	if cred.Permissions != nil || !r.Private || o.isOwner(cred.User) {
		return true
	}
	return slices.ContainsFunc(r.Collaborators, func(c Collaborator) bool { return c.User == cred.User })
}

// jwtApp returns the App that signed the request.
func (c *call) jwtApp() *App {
	parts := strings.Split(strings.TrimPrefix(c.r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return nil
	}
	var claims struct {
		Iss string `json:"iss"`
		Iat int64  `json:"iat"`
		Exp int64  `json:"exp"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	sig, err2 := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || err2 != nil || json.Unmarshal(raw, &claims) != nil {
		return nil
	}
	app := c.Apps[claims.Iss]
	now := c.Now().Unix()
	if app == nil || claims.Exp <= now || claims.Exp-now > 600 || claims.Iat > now {
		return nil
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	key, ok := app.Key.(*rsa.PublicKey)
	if !ok || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) != nil {
		return nil
	}
	return app
}
