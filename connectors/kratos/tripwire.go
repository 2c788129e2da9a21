package kratos

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

const (
	whyTargeted  = "only what was announced was read again"
	identityMark = "identity:"
	tripwireKept = "kratos tripwire"
	// maxTargets is up to how many identities are read one by one.
	maxTargets = 20
)

// Tripwire implements connector.Tripwirer. It hashes each identity's state,
// schema, administrative metadata and credentials, and the set of identities.
// Kratos leaves an identity's updated_at as it is when a factor is enrolled or
// removed, so that cannot be asked for instead. Each call sends at most
// tripwire_requests requests; what does not fit has its turn in the next.
func (Connector) Tripwire(ctx context.Context, run connector.Run) (map[string]string, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return nil, err
	}
	budget := int(run.Settings.Int("tripwire_requests"))
	if budget <= 0 {
		budget = defaultTripwire
	}
	hashes := map[string]string{}
	var ids []string
	from := r.turn()
	next, err := each(ctx, r.api, "/admin/identities?"+withFactors, from, func(p page[apiIdentity]) (bool, error) {
		for _, i := range p.items {
			if i.check() != nil {
				continue
			}
			hashes[identityMark+strings.ToLower(i.ID)] = fingerprint(i)
			ids = append(ids, i.ID)
		}
		budget--
		return budget > 0, nil
	})
	if err != nil {
		r.nextTurn("") // a token that is no longer taken must not stop the watch
		return nil, fmt.Errorf("identities: %w", err)
	}
	r.nextTurn(next)
	if from == "" && next == "" {
		slices.Sort(ids)
		hashes[scopeAccounts] = hashOf(ids)
	}
	return hashes, nil
}

func (r *reader) turn() string {
	if r.run.Memo == nil {
		return ""
	}
	b, _ := r.run.Memo.Recall(tripwireKept)
	return string(b)
}

func (r *reader) nextTurn(token string) {
	if r.run.Memo != nil {
		r.run.Memo.Keep(tripwireKept, []byte(token))
	}
}

// fingerprint covers what the connector's facts follow from, without times.
func fingerprint(i apiIdentity) string {
	methods := map[string]any{}
	for name, c := range i.Credentials {
		second, first, ok := securityKeys(map[string]apiCredential{name: c})
		methods[name] = []any{c.Identifiers, second, first, ok}
	}
	return hashOf([]any{i.State, i.SchemaID, i.MetadataAdmin, i.Traits, methods})
}

func hashOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Reread implements connector.Rereader. Targets are `identity:ID` and `accounts`.
func (Connector) Reread(ctx context.Context, run connector.Run, targets []string, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	var ids []string
	all := slices.Contains(targets, scopeAccounts)
	for _, t := range targets {
		if id, ok := strings.CutPrefix(t, identityMark); ok && idPattern.MatchString(id) {
			ids = append(ids, strings.ToLower(id))
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	switch {
	case all || len(ids) > maxTargets:
		return r.everything(ctx)
	case len(ids) == 0:
		return ctx.Err()
	}
	return r.only(ctx, ids)
}

// only reads named identities.
func (r *reader) only(ctx context.Context, ids []string) error {
	err := r.scoped(scopeAccounts, []string{"account"}, func(y *connector.Tally) error {
		y.Targeted(whyTargeted)
		last, err := r.lastSignIns(ctx)
		y.Missing(err, "GET /admin/sessions")
		for _, id := range ids {
			i, err := r.api.identity(ctx, id)
			if y.Missing(err, "GET /admin/identities") {
				continue
			}
			if err := r.account(ctx, i, last, y); err != nil {
				var stop stopped
				if errors.As(err, &stop) {
					return stop.cause
				}
				y.Add(err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ctx.Err()
}

const maxHook = 64 << 10

// Webhook implements connector.Webhooker. Kratos signs nothing; a web_hook action
// can send a secret in a header, which is compared in constant time, and the
// identity's id in a body of our choice.
func (Connector) Webhook(_ context.Context, run connector.Run, h http.Header, body []byte) (connector.Event, error) {
	secret := run.Settings.Text("webhook_secret")
	given := sha256.Sum256([]byte(h.Get("Prumo-Secret")))
	want := sha256.Sum256([]byte(secret))
	if secret == "" || len(body) > maxHook || subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return connector.Event{}, fmt.Errorf("of the web_hook action: %w", connector.ErrSignature)
	}
	return parseHook(body)
}

func parseHook(body []byte) (connector.Event, error) {
	var m struct {
		Identity string `json:"identity"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return connector.Event{}, fmt.Errorf("web_hook action: %w", connector.ErrFormat)
	}
	ev := connector.Event{What: "web_hook"}
	if idPattern.MatchString(m.Identity) {
		ev.Targets = []string{identityMark + strings.ToLower(m.Identity)}
	}
	return ev, nil
}

// Identify implements connector.Identifier. Kratos' administration API knows no
// accounts and no rights: whoever reaches it may do everything, unless something
// before it lets only some requests through, which asking cannot prove.
func (Connector) Identify(ctx context.Context, run connector.Run) (connector.Identity, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return connector.Identity{}, err
	}
	id := connector.Identity{System: "Ory Kratos"}
	if _, err := fetchPage[apiIdentity](ctx, r.api, "/admin/identities?"+withFactors, ""); err != nil {
		if !connector.Refused(err) {
			return id, fmt.Errorf("identities: %w", err)
		}
		id.Missing = append(id.Missing, "GET /admin/identities")
	}
	if _, err := fetchPage[apiSession](ctx, r.api, "/admin/sessions?expand=identity", ""); connector.Refused(err) {
		id.Missing = append(id.Missing, "GET /admin/sessions")
	}
	if len(id.Missing) == 0 {
		id.Excess = []string{"everything that the address lets through: Kratos knows no read-only access"}
	}
	return id, nil
}
