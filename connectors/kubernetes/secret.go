package kubernetes

import (
	"context"
	"encoding/json"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// secrets emits the Secrets by name and dates; their values are not asked for.
// Metadata does not tell a Secret's type, but a selector does.
func (r *reader) secrets(ctx context.Context, y *connector.Tally) error {
	types := map[string]string{}
	for _, t := range []struct{ vendor, ours string }{
		{"kubernetes.io/service-account-token", "token"},
		{"kubernetes.io/tls", "certificate"},
		{"kubernetes.io/basic-auth", "password"},
		{"kubernetes.io/ssh-auth", "ssh-key"},
		{"kubernetes.io/dockerconfigjson", "password"},
	} {
		found, err := r.listSecrets(ctx, "?fieldSelector=type%3D"+queryEscape(t.vendor))
		if y.Missing(err, "list secrets") {
			return nil
		}
		for _, s := range found {
			types[s.Meta.full()] = t.ours
		}
	}
	all, err := r.listSecrets(ctx, "")
	if y.Missing(err, "list secrets") {
		return nil
	}
	for _, s := range all {
		kind, typed := types[s.Meta.full()]
		if !typed {
			kind = "other"
		}
		at, known := rotated(s.Meta)
		f := fact.Secret{
			Name: fact.Some(s.Meta.full()), Type: fact.Some(kind), Active: fact.Some(true), CreatedAt: fact.SomeIf(s.Meta.Created, !s.Meta.Created.IsZero()),
			RotatedAt: fact.SomeIf(at, known), NeverEnds: fact.SomeIf(true, kind == "token"), Rotates: fact.SomeIf(false, kind == "token"),
		}
		if err := r.put(y, scopeSecrets, r.id("secret", s.Meta.full()), f); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) listSecrets(ctx context.Context, query string) ([]apiObject, error) {
	return list(ctx, r.api, listing[apiObject, apiObject]{
		path: "/api/v1/secrets" + query, accept: asMetadata, take: same(func(o apiObject) error { return o.Meta.check(true) }),
	})
}

// rotated is when the values last changed. The server keeps when each writer last
// wrote what he owns. Who owns values and other things may have written only the
// others, so that only a time at the making, or of values alone, is proof.
func rotated(m apiMeta) (time.Time, bool) {
	if m.untouched() {
		return m.Created, true
	}
	last := m.Created
	for _, w := range m.Managed {
		var owns map[string]json.RawMessage
		if json.Unmarshal(w.Fields, &owns) != nil {
			return time.Time{}, false
		}
		_, values := owns["f:data"]
		_, all := owns["."]
		if !values && !all {
			continue
		}
		if _, others := owns["f:metadata"]; others && w.Time.Sub(m.Created) > 2*time.Second {
			return time.Time{}, false
		}
		if w.Time.After(last) {
			last = w.Time
		}
	}
	return last, len(m.Managed) > 0 && !last.IsZero()
}
