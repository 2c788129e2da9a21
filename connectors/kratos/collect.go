package kratos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Names of scopes.
const (
	scopeAccounts = "accounts"
	scopeTenant   = "tenant"
)

// maxAlone bounds the identities that are asked for one by one in a reading,
// which happens where the list does not show credentials.
const maxAlone = 5000

// A reader is one reading.
type reader struct {
	run   connector.Run
	emit  connector.Emit
	api   api
	rules rules
	alone int
	// rulesErr is why the configuration file could not be read.
	rulesErr error
}

func newReader(run connector.Run, emit connector.Emit) (*reader, error) {
	a, err := newAPI(run)
	if err != nil {
		return nil, err
	}
	r := &reader{run: run, emit: emit, api: a}
	r.rules, r.rulesErr = readRules(run.Settings)
	return r, nil
}

// Collect implements connector.Connector.
func (Connector) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	return r.everything(ctx)
}

func (r *reader) everything(ctx context.Context) error {
	var met connector.Tally
	count := 0
	err := r.scoped(scopeAccounts, []string{"account"}, func(y *connector.Tally) error {
		last, err := r.lastSignIns(ctx)
		y.Missing(err, "GET /admin/sessions")
		_, err = each(ctx, r.api, "/admin/identities?"+withFactors, "", func(p page[apiIdentity]) (bool, error) {
			for _, i := range p.items {
				if err := r.account(ctx, i, last, y); err != nil {
					return false, err
				}
				count++
			}
			return true, nil
		})
		var stop stopped
		if errors.As(err, &stop) {
			return stop.cause
		}
		met.Missing(err, "GET /admin/identities")
		if !y.Missing(err, "GET /admin/identities") {
			y.Of(count)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.tenant(met, count); err != nil {
		return err
	}
	return ctx.Err()
}

// scoped opens a scope, lets f fill it and closes it with what f met.
func (r *reader) scoped(name string, kinds []string, f func(*connector.Tally) error) error {
	if err := r.emit.Open(connector.Scope{Name: name, Kinds: kinds}); err != nil {
		return err
	}
	var y connector.Tally
	if err := f(&y); err != nil {
		return err
	}
	reading, d := y.Result()
	return r.emit.Close(name, reading, d)
}

// stopped is an error of ours, not of the system: the reading ends with it.
type stopped struct{ cause error }

func (s stopped) Error() string { return s.cause.Error() }

// account emits one identity.
func (r *reader) account(ctx context.Context, i apiIdentity, last map[string]time.Time, y *connector.Tally) error {
	if y.Add(i.check()) {
		return nil // one that cannot be understood must not hide the others
	}
	if i.Credentials == nil {
		// Nothing is enrolled, or the list does not tell: asked alone, Kratos does.
		alone, err := r.oneAlone(ctx, i.ID)
		if y.Add(err) && !connector.Refused(err) {
			return nil // it stays as it was last seen
		}
		if err == nil {
			i = alone
		}
	}
	if err := r.emit.Fact(scopeAccounts, factID(i.ID), r.fact(i, last)); err != nil {
		return stopped{err}
	}
	return nil
}

func (r *reader) oneAlone(ctx context.Context, id string) (apiIdentity, error) {
	if r.alone++; r.alone > maxAlone {
		return apiIdentity{}, fmt.Errorf("more than %d identities whose credentials the list does not show: %w", maxAlone, connector.ErrCapped)
	}
	return r.api.identity(ctx, id)
}

func factID(id string) string { return "kratos/" + strings.ToLower(id) }

func (r *reader) fact(i apiIdentity, last map[string]time.Time) fact.Account {
	s := r.run.Settings
	t := parseTraits(i.Traits)
	email := t.text(s.Text("email_trait"), "email")
	login := t.text(s.Text("login_trait"), "username", "email")
	if login == "" {
		login = identifier(i.Credentials)
	}
	if login == "" {
		login = i.ID
	}
	names := s.List("name_traits")
	if len(names) == 0 {
		names = []string{"name"}
	}
	name := t.joined(names)
	f := judge(i.Credentials, r.rules)
	at, signedIn := last[i.ID]
	a := fact.Account{
		Login: fact.Some(login), Name: fact.SomeIf(name, name != ""), Email: fact.SomeIf(email, email != ""), System: fact.Some("kratos"),
		Type: fact.Some("human"), Active: fact.Some(i.State == "active"), MFA: f.mfa, MFAMethods: f.methods,
		CreatedAt:  fact.SomeIf(i.CreatedAt.UTC(), i.CreatedAt.Year() > 1970),
		LastSignIn: fact.SomeIf(at.UTC(), signedIn), NeverSignedIn: fact.SomeIf(false, signedIn),
		Admin: isAdmin(s.List("admins"), i),
	}
	if among(s.List("services"), i, login) {
		a.Type = fact.Some("service")
	}
	if outside := s.List("outside"); len(outside) > 0 {
		a.External = fact.Some(among(outside, i, login))
	}
	return a
}

// among reports whether the settings list an identity by its id, sign-in name or schema.
func among(listed []string, i apiIdentity, login string) bool {
	return slices.ContainsFunc(listed, func(w string) bool {
		return strings.EqualFold(w, login) || strings.EqualFold(w, i.ID) || w == "schema:"+i.SchemaID
	})
}

// identifier is the sign-in name that Kratos itself keeps.
func identifier(creds map[string]apiCredential) string {
	for _, name := range []string{credPassword, credCode} {
		if ids := creds[name].Identifiers; len(ids) > 0 {
			return ids[0]
		}
	}
	return ""
}

// tenant emits what the server demands of everybody.
func (r *reader) tenant(met connector.Tally, count int) error {
	return r.scoped(scopeTenant, []string{"tenant"}, func(y *connector.Tally) error {
		*y = met
		whole, _ := met.Result()
		y.Missing(r.rulesErr, "")
		u, err := url.Parse(r.api.base)
		if err != nil {
			return fmt.Errorf("%w: url", connector.ErrSettings)
		}
		name := r.run.Settings.Text("name")
		if name == "" {
			name = u.Host
		}
		_, said := r.run.Settings["mfa_required"]
		t := fact.Tenant{
			Name: fact.Some(name), System: fact.Some("kratos"),
			MFARequired: fact.SomeIf(r.run.Settings.Bool("mfa_required"), said),
			MFAMethods:  r.rules.methods, PasswordMinLength: r.rules.minLength, PasswordBreachedRefused: r.rules.breached,
			SessionSeconds: r.rules.session, SelfRegistration: r.rules.registration,
			Members: fact.SomeIf(int64(count), whole == fact.Complete),
		}
		return r.emit.Fact(scopeTenant, "kratos/"+u.Host, t)
	})
}

// Traits are an identity's own fields, in whatever shape its schema gives them.
type traits map[string]any

func parseTraits(b json.RawMessage) traits {
	var t traits
	if json.Unmarshal(b, &t) != nil {
		return nil
	}
	return t
}

// at follows a path such as name.first.
func (t traits) at(path string) any {
	var v any = map[string]any(t)
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// text returns the trait at the path, or without a path the first of the usual ones.
func (t traits) text(path string, usual ...string) string {
	if path != "" {
		usual = []string{path}
	}
	for _, p := range usual {
		if s, ok := t.at(p).(string); ok && s != "" {
			return s
		}
	}
	return ""
}

// joined joins names; a name that is an object gives its first and last part.
func (t traits) joined(paths []string) string {
	var parts []string
	for _, p := range paths {
		switch v := t.at(p).(type) {
		case string:
			parts = append(parts, v)
		case map[string]any:
			for _, k := range []string{"first", "given", "middle", "last", "family"} {
				if s, ok := v[k].(string); ok {
					parts = append(parts, s)
				}
			}
		}
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// isAdmin says whether the settings' rules make the identity an administrator.
func isAdmin(rules []string, i apiIdentity) fact.Opt[bool] {
	if len(rules) == 0 {
		return fact.Opt[bool]{}
	}
	admin, known := false, true
	for _, rule := range rules {
		if schema, ok := strings.CutPrefix(rule, "schema:"); ok {
			admin = admin || schema == i.SchemaID
			continue
		}
		if i.MetadataAdmin == nil {
			known = false // not shown, which is other than null
			continue
		}
		path, want, valued := strings.Cut(rule, "=")
		admin = admin || holds(parseTraits(i.MetadataAdmin).at(path), want, valued)
	}
	return fact.SomeIf(admin, admin || known)
}

func holds(v any, want string, valued bool) bool {
	switch v := v.(type) {
	case bool:
		return v && !valued || valued && fmt.Sprint(v) == want
	case string:
		return valued && v == want
	case []any:
		return valued && slices.ContainsFunc(v, func(e any) bool { return e == want })
	default:
		return false
	}
}
