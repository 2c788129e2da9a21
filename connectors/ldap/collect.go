package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Names of scopes.
const (
	scopeAccounts = "accounts"
	scopeTenant   = "tenant"
)

// A reader is one reading over one connection.
type reader struct {
	run  connector.Run
	emit connector.Emit
	to   target
	conn *conn
	base string

	system   string
	why      string // why nothing can be read, where the usual words do not tell
	policies policies
	groups   *groups         // nil: not read whole
	services map[string]bool // normal names that the filter of services found; nil: no filter, or not read
	lockless bool            // the server knows no locks
}

func newReader(run connector.Run, emit connector.Emit) (*reader, error) {
	t, err := newTarget(run)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"user_filter", "service_filter"} {
		if f := run.Settings.Text(name); f != "" {
			if _, err := goldap.CompileFilter(f); err != nil {
				return nil, fmt.Errorf("%w: %s is no LDAP filter; write it such as (objectClass=person)", connector.ErrSettings, name)
			}
		}
	}
	return &reader{run: run, emit: emit, to: t, base: t.base}, nil
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
	connected := r.connect(ctx)
	defer r.close()
	if errors.Is(connected, connector.ErrSettings) {
		return connected
	}
	var prepared connector.Tally
	if connected == nil {
		r.prepare(&prepared)
	}
	count, whole := 0, false
	err := r.scoped(scopeAccounts, func(y *connector.Tally) error {
		if y.Add(connected) {
			return nil
		}
		*y = prepared
		_, err := r.conn.search(query{base: r.base, filter: r.users(), attrs: userAttrs()}, func(e *goldap.Entry) error {
			count++
			return r.account(e, y)
		})
		if stop, ok := err.(stopped); ok { //nolint:errorlint // it is never wrapped
			return stop.cause
		}
		prepared.Add(err)
		if !y.Add(err) {
			y.Of(count)
			whole = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = r.scoped(scopeTenant, func(y *connector.Tally) error {
		if y.Add(connected) {
			return nil
		}
		*y = prepared
		return r.tenant(ctx, fact.SomeIf(int64(count), whole), y)
	})
	if err != nil {
		return err
	}
	return ctx.Err()
}

// connect signs in and finds the base.
func (r *reader) connect(ctx context.Context) error {
	c, err := r.to.open(ctx, r.run.Dial)
	if errors.Is(err, errNoTLS) {
		r.why = errNoTLS.Error()
	}
	if err != nil {
		return err
	}
	r.conn = c
	root, err := c.one(query{attrs: []string{"defaultNamingContext", "namingContexts", "supportedControl", "vendorName", "objectClass", "supportedCapabilities"}})
	if err != nil {
		return fmt.Errorf("root of the directory: %w", err)
	}
	if root == nil {
		return fmt.Errorf("root of the directory: %w", connector.ErrFormat)
	}
	r.system = systemOf(root)
	r.lockless = !slices.Contains(root.GetEqualFoldAttributeValues("supportedControl"), ppolicyControl)
	if r.base == "" {
		contexts := root.GetEqualFoldAttributeValues("namingContexts")
		if r.base = text(root, "defaultNamingContext"); r.base == "" && len(contexts) == 1 {
			r.base = contexts[0]
		}
	}
	if normal(r.base) == "" {
		return fmt.Errorf("%w: base is missing, and the directory names none or several; set it", connector.ErrSettings)
	}
	return nil
}

func systemOf(root *goldap.Entry) string {
	switch {
	case slices.Contains(root.GetEqualFoldAttributeValues("supportedCapabilities"), "1.2.840.113556.1.4.800"):
		return "Active Directory"
	case isClass(root, "OpenLDAProotDSE"):
		return "OpenLDAP"
	default:
		return "LDAP"
	}
}

func (r *reader) close() {
	if r.conn != nil {
		r.conn.close()
	}
}

func (r *reader) users() string {
	if f := r.run.Settings.Text("user_filter"); f != "" {
		return f
	}
	return defaultUsers
}

// prepare reads what every account is held against.
func (r *reader) prepare(y *connector.Tally) {
	var err error
	r.policies, err = r.readPolicies()
	y.Add(err)
	if r.groups, err = r.readGroups(); y.Add(err) {
		r.groups = nil
	}
	if f := r.run.Settings.Text("service_filter"); f != "" {
		found := map[string]bool{}
		_, err := r.conn.search(query{base: r.base, filter: f, attrs: []string{"1.1"}}, func(e *goldap.Entry) error {
			found[normal(e.DN)] = true
			return nil
		})
		if !y.Add(err) {
			r.services = found
		}
	}
}

// stopped is an error of ours, not of the directory: the reading ends with it.
type stopped struct{ cause error }

func (s stopped) Error() string { return s.cause.Error() }

// account emits one account. An entry whose name cannot be kept is left out, and
// the reading is not whole.
func (r *reader) account(e *goldap.Entry, y *connector.Tally) error {
	dn := normal(e.DN)
	if dn == "" || fact.CheckID(factID(dn)) != nil {
		y.Add(fmt.Errorf("the name of an account: %w", connector.ErrFormat))
		return nil
	}
	if err := r.emit.Fact(scopeAccounts, factID(dn), r.fact(e, dn)); err != nil {
		return stopped{err}
	}
	return nil
}

// scoped opens a scope, lets f fill it and closes it with what f met. The
// statuses by which a tally knows refusals are HTTP's and say nothing here.
func (r *reader) scoped(name string, f func(*connector.Tally) error) error {
	kinds := map[string][]string{scopeAccounts: {"account"}, scopeTenant: {"tenant"}}
	if err := r.emit.Open(connector.Scope{Name: name, Kinds: kinds[name]}); err != nil {
		return err
	}
	var y connector.Tally
	if err := f(&y); err != nil {
		return err
	}
	reading, d := y.Result()
	d.Status = 0
	if r.why != "" {
		d.Why = r.why
	}
	return r.emit.Close(name, reading, d)
}

// tenant emits what the directory demands of everybody.
func (r *reader) tenant(ctx context.Context, members fact.Opt[int64], y *connector.Tally) error {
	p, _ := r.policies.def.Get()
	t := fact.Tenant{
		Name: fact.Some(r.base), System: fact.Some("ldap"), Members: members,
		PasswordMinLength: p.minLength, LockoutAttempts: p.attempts,
	}
	var err error
	t.AnonymousAccess, err = r.answersStrangers(ctx, r.to)
	y.Add(err)
	if !r.to.overTLS {
		plain := r.to
		plain.startTLS = false
		open, err := r.answersStrangers(ctx, plain)
		y.Add(err)
		if answers, known := open.Get(); known && answers {
			t.EncryptedTransport = fact.Some(false)
		}
		if err == nil && r.refusesPlain(ctx, plain) {
			t.EncryptedTransport = fact.Some(true)
		}
	}
	return r.emit.Fact(scopeTenant, factID(strings.ToLower(normal(r.base))), t)
}

// answersStrangers asks over a connection of its own, without signing in, whether
// there is anything in the directory. A refusal is an answer.
func (r *reader) answersStrangers(ctx context.Context, to target) (fact.Opt[bool], error) {
	c, err := to.dial(ctx, r.run.Dial)
	if err != nil {
		return fact.Opt[bool]{}, err
	}
	defer c.close()
	found := false
	_, err = c.search(query{base: r.base, attrs: []string{"1.1"}, pages: 1}, func(*goldap.Entry) error { found = true; return nil })
	switch {
	case found:
		return fact.Some(true), nil
	case err == nil, connector.Refused(err):
		return fact.Some(false), nil
	default:
		return fact.Opt[bool]{}, err
	}
}

// refusesPlain reports whether the directory says that it wants encryption before
// anything else.
func (r *reader) refusesPlain(ctx context.Context, plain target) bool {
	c, err := plain.dial(ctx, r.run.Dial)
	if err != nil {
		return false
	}
	defer c.close()
	c.link.allow(c.wait)
	_, err = c.ldap.Search(&goldap.SearchRequest{BaseDN: r.base, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	return code(err) == goldap.LDAPResultConfidentialityRequired || code(err) == goldap.LDAPResultStrongAuthRequired
}
