package accessstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/store/accessstore"
)

func keeper(t *testing.T) (access.Keeper, *time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	db, err := store.Open(t.Context(), store.Config{Dir: t.TempDir(), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return access.Keeper{Store: accessstore.New(db), Now: clock}, &now
}

func TestLinkOpensOnce(t *testing.T) {
	k, now := keeper(t)
	ctx := context.Background()
	link, err := k.Link(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.Open(ctx, link)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := k.Session(ctx, s); err != nil || p.Role != access.Owner {
		t.Errorf("Session = %+v, %v; want the owner", p, err)
	}
	if _, err := k.Open(ctx, link); !errors.Is(err, access.ErrDenied) {
		t.Errorf("second Open = %v; want ErrDenied", err)
	}
	late, err := k.Link(ctx)
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(access.LinkLife)
	if _, err := k.Open(ctx, late); !errors.Is(err, access.ErrDenied) {
		t.Errorf("Open after ten minutes = %v; want ErrDenied", err)
	}
	if err := k.End(ctx, s); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Session(ctx, s); !errors.Is(err, access.ErrDenied) {
		t.Errorf("Session after its end = %v; want ErrDenied", err)
	}
}

func TestTokenOfOneSourceWritesThatOnly(t *testing.T) {
	k, now := keeper(t)
	ctx := context.Background()
	tok, err := k.Token(ctx, "ci", access.Nobody, "push", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Bearer(ctx, tok)
	if err != nil {
		t.Fatal(err)
	}
	if !p.MayPush("push") || p.MayPush("other") || p.MayPush("") || p.May(access.Auditor) {
		t.Errorf("principal %+v may more, or less, than write source push", p)
	}
	if _, err := k.Session(ctx, tok); !errors.Is(err, access.ErrDenied) {
		t.Errorf("a token passed as a session: %v", err)
	}
	*now = now.Add(time.Hour)
	if _, err := k.Bearer(ctx, tok); !errors.Is(err, access.ErrDenied) {
		t.Errorf("Bearer after its end = %v; want ErrDenied", err)
	}
}
