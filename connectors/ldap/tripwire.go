package ldap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"prumo.dev/prumo/internal/connector"
)

const (
	whyTargeted = "only what was announced was read again"
	accountMark = "account:"
	// maxTargets is up to how many accounts are read one by one.
	maxTargets = 20
)

// Tripwire implements connector.Tripwirer. It hashes of each account what can
// lock it in or out, and together the set of accounts, the groups and the
// policies. Where sign-ins are noted, each moves OpenLDAP's entryCSN and Active
// Directory's uSNChanged, so these are not asked for. Each call sends at most
// tripwire_requests searches beside that of groups; accounts beyond them are
// seen by readings only, since a directory gives no way to go on later.
func (Connector) Tripwire(ctx context.Context, run connector.Run) (map[string]string, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return nil, err
	}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	budget := int(run.Settings.Int("tripwire_requests"))
	if budget <= 0 {
		budget = defaultTripwire
	}
	rules := []any{}
	_, err = r.conn.search(query{base: r.base, filter: "(|" + groupFilter + "(objectClass=pwdPolicy))", attrs: append(groupAttrs(), policyAttrs()...)}, func(e *goldap.Entry) error {
		rules = append(rules, values(e))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	hashes := map[string]string{}
	var set []string
	more, err := r.conn.search(query{base: r.base, filter: r.users(), attrs: userAttrs(), pages: budget}, func(e *goldap.Entry) error {
		if dn := normal(e.DN); dn != "" {
			set = append(set, dn)
			hashes[accountMark+dn] = hashOf(values(e))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	if more {
		set = nil
	}
	slices.Sort(set)
	hashes[scopeAccounts] = hashOf([]any{set, rules})
	return hashes, nil
}

// values are an entry's attributes in one order, without those that every
// sign-in moves.
func values(e *goldap.Entry) any {
	out := map[string][]string{}
	for _, a := range e.Attributes {
		switch name := strings.ToLower(a.Name); name {
		case "authtimestamp", "pwdlastsuccess", "lastlogontimestamp", "entrycsn":
		default:
			v := slices.Clone(a.Values)
			slices.Sort(v)
			out[name] = v
		}
	}
	return []any{e.DN, out}
}

func hashOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Reread implements connector.Rereader. Targets are `account:NAME` and `accounts`.
func (Connector) Reread(ctx context.Context, run connector.Run, targets []string, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	var dns []string
	for _, t := range targets {
		if dn, ok := strings.CutPrefix(t, accountMark); ok && normal(dn) != "" {
			dns = append(dns, normal(dn))
		}
	}
	slices.Sort(dns)
	dns = slices.Compact(dns)
	switch {
	case slices.Contains(targets, scopeAccounts) || len(dns) > maxTargets:
		return r.everything(ctx)
	case len(dns) == 0:
		return ctx.Err()
	}
	return r.only(ctx, dns)
}

// only reads named accounts, with all groups.
func (r *reader) only(ctx context.Context, dns []string) error {
	connected := r.connect(ctx)
	defer r.close()
	err := r.scoped(scopeAccounts, func(y *connector.Tally) error {
		if y.Add(connected) {
			return nil
		}
		r.prepare(y)
		y.Targeted(whyTargeted)
		for _, dn := range dns {
			e, err := r.conn.one(query{base: dn, filter: r.users(), attrs: userAttrs()})
			if y.Add(err) || e == nil {
				continue
			}
			var stop stopped
			if err := r.account(e, y); errors.As(err, &stop) {
				return stop.cause
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ctx.Err()
}

// Identify implements connector.Identifier. LDAP tells nobody what a credential
// may change, so that stays unknown.
func (Connector) Identify(ctx context.Context, run connector.Run) (connector.Identity, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return connector.Identity{}, err
	}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return connector.Identity{}, err
	}
	id := connector.Identity{Name: r.to.bindDN, System: r.system}
	found := false
	_, err = r.conn.search(query{base: r.base, filter: r.users(), attrs: []string{"1.1"}, pages: 1}, func(*goldap.Entry) error { found = true; return nil })
	if err != nil && !connector.Refused(err) {
		return id, err
	}
	if !found {
		id.Missing = []string{Connector{}.Info().Permissions[0].Name}
	}
	return id, nil
}
