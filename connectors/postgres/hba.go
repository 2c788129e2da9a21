package postgres

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"prumo.dev/prumo/internal/fact"
)

// queryRules leaves the options out: they may hold passwords of a directory.
// The server gives the rules in the order in which it tries them.
const queryRules = `SELECT coalesce(line_number, 0)::int, coalesce(type, ''), coalesce(database, '{}'), coalesce(user_name, '{}'),
 coalesce(address, ''), coalesce(netmask, ''), coalesce(auth_method, ''), error IS NOT NULL AND type IS NULL,
 error IS NOT NULL AND type IS NOT NULL FROM pg_hba_file_rules`

// A rule is one line of pg_hba.conf. The first that matches decides.
type rule struct {
	line             int
	kind             string // local, host, hostssl, hostnossl, hostgssenc, hostnogssenc
	databases, users []string
	address, netmask string
	method           string
	bad              bool // the server cannot read it
	idle             bool // it can never match, such as hostssl where TLS is off
}

type rules []rule

func (r *reader) rules(ctx context.Context) (rules, error) {
	out := rules{}
	err := r.s.ask(ctx, queryRules, func(rows pgx.Rows) error {
		var u rule
		err := rows.Scan(&u.line, &u.kind, &u.databases, &u.users, &u.address, &u.netmask, &u.method, &u.bad, &u.idle)
		out = append(out, u)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// broken reports that the file would be refused as a whole.
func (all rules) broken() bool { return slices.ContainsFunc(all, func(u rule) bool { return u.bad }) }

// judge writes what the rules say into the database.
func (all rules) judge(f *fact.Database, c config) {
	weak, plain := []string{}, []string{}
	all = slices.DeleteFunc(slices.Clone(all), func(u rule) bool { return u.idle })
	for i, u := range all {
		before := all[:i]
		if u.weak() && !before.rejectsAll(u, u.kind) {
			weak = append(weak, u.String())
		}
		if u.plain() && !before.rejectsAll(u, "hostnossl") {
			plain = append(plain, u.String())
		}
	}
	f.WeakAuthRules, f.PlainRules = fact.Some(weak), fact.Some(plain)
	f.TLSForced = fact.Some(len(plain) == 0 || local(c))
}

// weak reports a method that trusts without proof or proves too little: trust
// anywhere, what another machine says of itself, a password in the clear over
// the network, and MD5.
func (u rule) weak() bool {
	switch u.method {
	case "trust", "md5":
		return true
	case "password", "ident":
		return u.kind != "local"
	}
	return false
}

// plain reports that the rule lets in connections from elsewhere without encryption.
func (u rule) plain() bool {
	switch u.kind {
	case "host", "hostnossl", "hostnogssenc":
		return u.method != "reject" && !u.loopback()
	}
	return false
}

func (u rule) loopback() bool {
	if u.address == "samehost" || u.address == "localhost" {
		return true
	}
	p, ok := u.prefix()
	return ok && p.Addr().IsLoopback() && (p.Addr().Is4() && p.Bits() >= 8 || p.Bits() == 128)
}

// prefix is the range of addresses, where the rule names one by number.
func (u rule) prefix() (netip.Prefix, bool) {
	a, err := netip.ParseAddr(u.address)
	if err != nil {
		return netip.Prefix{}, false
	}
	m, err := netip.ParseAddr(u.netmask)
	if err != nil || m.BitLen() != a.BitLen() {
		return netip.Prefix{}, false
	}
	ones, bits := net.IPMask(m.AsSlice()).Size()
	if bits == 0 {
		return netip.Prefix{}, false // no run of ones
	}
	return netip.PrefixFrom(a, ones).Masked(), true
}

// rejectsAll reports that an earlier rule turns away everybody whom the rule
// would let in over connections of the kind, so that it never decides.
func (all rules) rejectsAll(u rule, kind string) bool {
	return slices.ContainsFunc(all, func(r rule) bool {
		return r.method == "reject" && coversKind(r.kind, kind) && coversNames(r.databases, u.databases, "replication") &&
			coversNames(r.users, u.users, "") && r.coversAddress(u)
	})
}

func coversKind(by, kind string) bool {
	return by == kind || by == "host" && kind != "local"
}

// coversNames reports that every name is among those of the other list. The
// word all does not mean replication.
func coversNames(by, names []string, except string) bool {
	for _, n := range names {
		if !slices.Contains(by, n) && !(slices.Contains(by, "all") && n != except) {
			return false
		}
	}
	return len(names) > 0
}

func (u rule) coversAddress(other rule) bool {
	if u.kind == "local" || u.address == "all" || u.address == other.address && u.netmask == other.netmask {
		return true
	}
	a, ok := u.prefix()
	if !ok {
		return false
	}
	b, ok := other.prefix()
	return ok && a.Bits() <= b.Bits() && a.Contains(b.Addr())
}

// String writes the rule as people know it from the file.
func (u rule) String() string {
	address := u.address
	if p, ok := u.prefix(); ok {
		address = p.String()
	}
	words := []string{u.kind, strings.Join(u.databases, ","), strings.Join(u.users, ","), address, u.method}
	text := strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
	return clean(fmt.Sprintf("line %d: %s", u.line, text))
}
