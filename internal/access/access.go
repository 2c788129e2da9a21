// Package access decides who may do what: the roles, tokens for programs and
// the one-time links that open a session. It keeps nothing; a Store does.
// A token or a link is never stored, only its hash.
//
// Start at Role and Keeper.
package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Role is what somebody may do; a higher one may do all that a lower one may.
type Role int8

// The roles, from the least.
const (
	Nobody       Role = iota
	Auditor           // reads what an audit needs
	Viewer            // reads
	Member            // reads, and does their own work
	ControlOwner      // also answers for controls: exceptions, owners
	Manager           // also runs the programme: sources, routes, approvals, facts
	Owner             // everything
)

var roleNames = [...]string{"nobody", "auditor", "viewer", "member", "control-owner", "manager", "owner"}

// String returns the role's name as the command line writes it.
func (r Role) String() string {
	if r < 0 || int(r) >= len(roleNames) {
		return roleNames[0]
	}
	return roleNames[r]
}

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	for i, n := range roleNames {
		if n == s && i > 0 {
			return Role(i), nil
		}
	}
	return Nobody, fmt.Errorf("role %q does not exist; use one of %s", s, strings.Join(roleNames[1:], ", "))
}

// A Principal is whoever asks.
type Principal struct {
	Name   string
	Role   Role
	Source string // a token for one source may write its facts and nothing else
	Token  bool   // a program, by token
}

// May reports whether the principal has at least the role.
func (p Principal) May(r Role) bool { return p.Source == "" && p.Role >= r }

// MayPush reports whether the principal may send facts as the source.
func (p Principal) MayPush(source string) bool {
	return p.Source == source && source != "" || p.Source == "" && p.Role >= Manager
}

// How long things last.
const (
	LinkLife    = 10 * time.Minute
	SessionLife = 7 * 24 * time.Hour
)

// ErrDenied is returned for a token, link or session that is unknown, used or over.
var ErrDenied = errors.New("not valid")

// A Grant is a token, session or link as kept.
type Grant struct {
	ID      string
	Use     string // token, session, link, calendar
	Hash    []byte
	Name    string
	Role    Role
	Source  string
	Created time.Time
	Expires time.Time // zero: never
}

// A Store keeps grants. Take returns the grant with the hash and removes it in
// one step, so that a link opens once; Find leaves it. Both return ErrDenied
// if there is none.
type Store interface {
	Put(ctx context.Context, g Grant) error
	Find(ctx context.Context, use string, hash []byte) (Grant, error)
	Take(ctx context.Context, use string, hash []byte) (Grant, error)
	Remove(ctx context.Context, use string, hash []byte) error
	RemoveOf(ctx context.Context, use, name string) error // all of a name
}

// A Keeper makes and checks grants.
type Keeper struct {
	Store Store
	Now   func() time.Time
}

// Token makes a token for a program; it is returned once.
func (k Keeper) Token(ctx context.Context, name string, role Role, source string, life time.Duration) (string, error) {
	return k.make(ctx, Grant{Use: "token", Name: name, Role: role, Source: source}, life, "prumo_")
}

// TokenName makes up a name for a token that was given none: what it may do,
// and a word of its own, so that what two programs did can be told apart.
func TokenName(role Role, source string) string {
	what := role.String()
	if source != "" {
		what = source[:min(len(source), 50)]
	}
	return what + "-" + random(5)
}

// Link makes a one-time sign-in secret for the owner of the machine.
func (k Keeper) Link(ctx context.Context) (string, error) {
	return k.make(ctx, Grant{Use: "link", Name: "owner", Role: Owner}, LinkLife, "")
}

// Open turns a link into a session.
func (k Keeper) Open(ctx context.Context, link string) (session string, err error) {
	g, err := k.Store.Take(ctx, "link", hash(link))
	if err != nil {
		return "", err
	}
	if k.over(g) {
		return "", ErrDenied
	}
	return k.make(ctx, Grant{Use: "session", Name: g.Name, Role: g.Role}, SessionLife, "")
}

// Session returns whose session it is.
func (k Keeper) Session(ctx context.Context, session string) (Principal, error) {
	return k.principal(ctx, "session", session)
}

// Bearer returns whose token it is.
func (k Keeper) Bearer(ctx context.Context, token string) (Principal, error) {
	return k.principal(ctx, "token", token)
}

// End ends a session.
func (k Keeper) End(ctx context.Context, session string) error {
	return k.Store.Remove(ctx, "session", hash(session))
}

func (k Keeper) principal(ctx context.Context, use, secret string) (Principal, error) {
	if secret == "" {
		return Principal{}, ErrDenied
	}
	g, err := k.Store.Find(ctx, use, hash(secret))
	if err != nil {
		return Principal{}, err
	}
	if k.over(g) {
		return Principal{}, ErrDenied
	}
	return Principal{Name: g.Name, Role: g.Role, Source: g.Source, Token: use == "token"}, nil
}

func (k Keeper) over(g Grant) bool { return !g.Expires.IsZero() && !k.Now().Before(g.Expires) }

func (k Keeper) make(ctx context.Context, g Grant, life time.Duration, prefix string) (string, error) {
	secret := prefix + random(32)
	g.ID, g.Hash, g.Created = random(10), hash(secret), k.Now()
	if life > 0 {
		g.Expires = g.Created.Add(life)
	}
	if err := k.Store.Put(ctx, g); err != nil {
		return "", fmt.Errorf("keep %s: %w", g.Use, err)
	}
	return secret, nil
}

func hash(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

type principalKey struct{}

// With puts the principal into the context of a request.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns the principal of a request; its zero value may do nothing.
func From(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
