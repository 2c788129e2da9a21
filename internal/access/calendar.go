package access

import "context"

// A Feed is what the secret of a calendar feed opens: a list, as somebody
// filtered it, and nothing else.
type Feed struct {
	Name  string // whose it is
	Query string // the filters of the list, as an address writes them
}

// Calendar makes the secret of a calendar feed. It is returned once, and ends
// the one that the same person had before.
func (k Keeper) Calendar(ctx context.Context, f Feed) (string, error) {
	if err := k.EndCalendar(ctx, f.Name); err != nil {
		return "", err
	}
	return k.make(ctx, Grant{Use: "calendar", Name: f.Name, Role: Nobody, Source: f.Query}, 0, "")
}

// EndCalendar ends a person's feed; it is no error if there is none.
func (k Keeper) EndCalendar(ctx context.Context, name string) error {
	return k.Store.RemoveOf(ctx, "calendar", name)
}

// CalendarOf returns what a secret opens, or ErrDenied.
func (k Keeper) CalendarOf(ctx context.Context, secret string) (Feed, error) {
	if secret == "" {
		return Feed{}, ErrDenied
	}
	g, err := k.Store.Find(ctx, "calendar", hash(secret))
	if err != nil {
		return Feed{}, err
	}
	return Feed{Name: g.Name, Query: g.Source}, nil
}
