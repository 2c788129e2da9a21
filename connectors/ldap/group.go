package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"prumo.dev/prumo/internal/connector"
)

const groupFilter = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group)(objectClass=organizationalRole))"

// maxMembers bounds the members of all groups together.
const maxMembers = 5_000_000

func groupAttrs() []string {
	return []string{"objectClass", "cn", "member", "uniqueMember", "roleOccupant", "memberUid", "gidNumber", "objectSid"}
}

// A group is one group, by its normal name.
type group struct {
	name string // cn
	dn   string
	gid  string
	sid  string
}

// Groups know who is in which group, directly and through other groups.
type groups struct {
	byDN    map[string]*group
	byName  map[string][]*group // normal name of a member → groups
	byUID   map[string][]*group // memberUid → groups
	byGID   map[string]*group
	byRID   map[string]*group
	members int
}

func newGroups() *groups {
	return &groups{byDN: map[string]*group{}, byName: map[string][]*group{}, byUID: map[string][]*group{}, byGID: map[string]*group{}, byRID: map[string]*group{}}
}

// readGroups reads every group, each with all its members.
func (r *reader) readGroups() (*groups, error) {
	g := newGroups()
	var ranged []*goldap.Entry
	_, err := r.conn.search(query{base: r.base, filter: groupFilter, attrs: groupAttrs()}, func(e *goldap.Entry) error {
		if _, _, more := rangeOf(e); more {
			ranged = append(ranged, e)
		}
		return g.add(e)
	})
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	for _, e := range ranged {
		if err := r.rest(g, e); err != nil {
			return nil, fmt.Errorf("members of a group: %w", err)
		}
	}
	return g, nil
}

func (g *groups) add(e *goldap.Entry) error {
	dn := normal(e.DN)
	if dn == "" {
		return fmt.Errorf("a group without a name: %w", connector.ErrFormat)
	}
	x := &group{name: text(e, "cn"), dn: dn, gid: text(e, "gidNumber"), sid: sidText(e.GetEqualFoldRawAttributeValue("objectSid"))}
	if x.name == "" {
		x.name = e.DN
	}
	g.byDN[dn] = x
	if x.gid != "" {
		g.byGID[x.gid] = x
	}
	if strings.HasPrefix(x.sid, "S-1-5-21-") {
		g.byRID[relative(x.sid)] = x
	}
	for _, uid := range e.GetEqualFoldAttributeValues("memberUid") {
		g.byUID[uid] = append(g.byUID[uid], x)
		g.members++
	}
	return g.join(x, e)
}

// join adds the members that an entry names, with or without a range.
func (g *groups) join(x *group, e *goldap.Entry) error {
	for _, a := range e.Attributes {
		name, _, _ := strings.Cut(strings.ToLower(a.Name), ";")
		if name != "member" && name != "uniquemember" && name != "roleoccupant" {
			continue
		}
		for _, v := range a.Values {
			m := normal(v)
			if m == "" {
				m = normal(strings.Split(v, "#")[0]) // uniqueMember may end with a bit string
			}
			if m != "" {
				g.byName[m] = append(g.byName[m], x)
				g.members++
			}
		}
	}
	if g.members > maxMembers {
		return fmt.Errorf("more than %d memberships: %w", maxMembers, connector.ErrTooLarge)
	}
	return nil
}

// rangeOf finds an attribute such as member;range=0-1499, with which Active
// Directory gives a part of many values.
func rangeOf(e *goldap.Entry) (attr string, till int, more bool) {
	for _, a := range e.Attributes {
		name, option, ok := strings.Cut(a.Name, ";")
		low, high, found := strings.Cut(strings.TrimPrefix(strings.ToLower(option), "range="), "-")
		if !ok || !found || !strings.HasPrefix(strings.ToLower(option), "range=") {
			continue
		}
		if high == "*" {
			return name, 0, false
		}
		from, err := strconv.Atoi(low)
		n, err2 := strconv.Atoi(high)
		if errors.Join(err, err2) == nil && n >= from && n < 1<<31-1 {
			return name, n, true
		}
	}
	return "", 0, false
}

// rest reads the members that did not come with the group itself.
func (r *reader) rest(g *groups, e *goldap.Entry) error {
	x := g.byDN[normal(e.DN)]
	attr, till, more := rangeOf(e)
	for more {
		q := query{base: e.DN, attrs: []string{fmt.Sprintf("%s;range=%d-*", attr, till+1)}}
		part, err := r.conn.one(q)
		if err != nil {
			return err
		}
		if part == nil {
			return fmt.Errorf("a group that was there: %w", connector.ErrCut)
		}
		if err := g.join(x, part); err != nil {
			return err
		}
		_, next, again := rangeOf(part)
		if again && next <= till {
			return fmt.Errorf("a range that does not grow: %w", connector.ErrFormat)
		}
		till, more = next, again
	}
	return nil
}

// A member is what groups know somebody by.
type member struct{ dn, uid, gid, rid string }

// of lists every group that somebody is in, directly or through another group.
func (g *groups) of(m member) []*group {
	next := slices.Concat(g.byName[m.dn], g.byUID[m.uid], []*group{g.byGID[m.gid], g.byRID[m.rid]})
	seen := map[*group]bool{nil: true}
	var out []*group
	for len(next) > 0 {
		x := next[0]
		next = next[1:]
		if seen[x] {
			continue // groups may hold each other in a circle
		}
		seen[x] = true
		out = append(out, x)
		next = append(next, g.byName[x.dn]...)
	}
	return out
}

func names(gs []*group) []string {
	out := []string{}
	for _, g := range gs {
		out = append(out, g.name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// isAdmin reports whether a group is one of administrators: one that the
// settings name or, where they name none, one of Active Directory's own, known by
// their numbers in every language of Windows.
func (x *group) isAdmin(named []string) bool {
	if len(named) > 0 {
		return slices.ContainsFunc(named, func(n string) bool { return strings.EqualFold(n, x.name) || normal(n) == x.dn && x.dn != "" })
	}
	if x.sid == "S-1-5-32-544" {
		return true
	}
	return strings.HasPrefix(x.sid, "S-1-5-21-") && slices.Contains([]string{"512", "518", "519"}, relative(x.sid))
}

// knowsAdmins reports whether every group of administrators is there that the
// settings name, or one of Active Directory's own: a name that is misspelt must
// not make everybody an ordinary user.
func (g *groups) knowsAdmins(named []string) bool {
	known := func(named []string) bool {
		for _, x := range g.byDN {
			if x.isAdmin(named) {
				return true
			}
		}
		return false
	}
	if len(named) == 0 {
		return known(nil)
	}
	return !slices.ContainsFunc(named, func(n string) bool { return !known([]string{n}) })
}
