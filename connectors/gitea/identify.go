package gitea

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Identify implements connector.Identifier. Gitea tells a token's scopes in
// one place only, a refusal: asking for what none of the needed scopes allows
// makes it list those that the token has. Only GET requests are sent; a token
// with all scopes is answered and told by that.
func (Connector) Identify(ctx context.Context, run connector.Run) (connector.Identity, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return connector.Identity{}, err
	}
	var id connector.Identity
	var v struct{ Version string }
	if err := r.api.get(ctx, "/version", &v); err == nil && v.Version != "" {
		id.System = "Gitea " + v.Version
	}
	var user apiUser
	err = r.api.get(ctx, "/user", &user)
	switch {
	case err == nil:
		id.Name = user.Login
	case missingScope(err) == "":
		return id, fmt.Errorf("account of the token: %w", err)
	}
	scopes, err := r.scopes(ctx)
	if err != nil {
		return id, err
	}
	id.ReadOnly, id.Missing, id.Excess = judgeScopes(scopes)
	return id, nil
}

var tokenScopes = regexp.MustCompile(`token scope=([a-z:,]*)`)

// scopes asks for things that need scopes which no source needs, until one is
// refused; nil: none was, or the refusal did not say.
func (r *reader) scopes(ctx context.Context) ([]string, error) {
	for _, path := range []string{"/notifications/new", "/admin/cron?limit=1"} {
		_, err := r.api.fetch(ctx, path)
		var se *connector.StatusError
		if err == nil {
			continue
		}
		if !errors.As(err, &se) {
			return nil, fmt.Errorf("scopes of the token: %w", err)
		}
		var m struct{ Message string }
		if json.Unmarshal(se.Body, &m) == nil {
			if found := tokenScopes.FindStringSubmatch(m.Message); found != nil {
				return strings.Split(found[1], ","), nil
			}
		}
	}
	return nil, nil
}

// judgeScopes compares a token's scopes with the needed ones. A token proves
// that it can change nothing if each of its scopes is one of reading.
func judgeScopes(scopes []string) (readOnly fact.Opt[bool], missing, excess []string) {
	if len(scopes) == 0 || len(scopes) == 1 && scopes[0] == "" {
		return fact.Opt[bool]{}, nil, nil
	}
	needed := []string{"read:organization", "read:repository", "read:user"}
	only := true
	for _, s := range scopes {
		if s == "public-only" {
			missing = append(missing, "private repositories and organisations")
			continue
		}
		only = only && strings.HasPrefix(s, "read:")
		if !slices.Contains(needed, s) {
			excess = append(excess, s)
		}
	}
	for _, n := range needed {
		write := "write:" + strings.TrimPrefix(n, "read:")
		if !slices.Contains(scopes, n) && !slices.Contains(scopes, write) && !slices.Contains(scopes, "all") {
			missing = append(missing, n)
		}
	}
	return fact.Some(only), missing, excess
}
