package github

import (
	"encoding/json"
	"testing"

	"prumo.dev/prumo/internal/fact"
)

type optBool = fact.Opt[bool]

// Classic protection and rulesets combine rule by rule: the stricter wins, and
// the lists of who may pass unite.
func TestProtect(t *testing.T) {
	a := access{writers: []string{"bob", "root"}, admins: []string{"root"}, known: true}
	const pull2 = `[{"type":"pull_request","ruleset_id":1,"parameters":{"required_approving_review_count":2,"require_code_owner_review":true}},
		{"type":"non_fast_forward","ruleset_id":1}, {"type":"deletion","ruleset_id":2}]`
	const strict = `{"required_pull_request_reviews":{"required_approving_review_count":1,"dismiss_stale_reviews":true},"enforce_admins":{"enabled":true},
		"allow_force_pushes":{"enabled":false},"allow_deletions":{"enabled":true},"required_status_checks":{"strict":true,"contexts":["a"]}}`
	const loose = `{"enforce_admins":{"enabled":false},"allow_force_pushes":{"enabled":true},"allow_deletions":{"enabled":true}}`
	nobody := map[int64]passers{1: {all: fact.Some([]string{}), push: fact.Some([]string{}), admins: fact.Some(true)}, 2: {all: fact.Some([]string{"team acme/ops"}), push: fact.Some([]string{}), admins: fact.Some(true)}}
	for _, tt := range []struct {
		name, classic, rules string
		who                  map[int64]passers
		want                 string
	}{
		{"nothing", "", "[]", nobody, `[false, 0, false, false, [], true, true, false, ["bob", "root"], ["bob", "root"]]`},
		{"classic alone", strict, "[]", nobody, `[true, 1, true, false, ["a"], false, true, true, [], []]`},
		{"rulesets alone", "", pull2, nobody, `[true, 2, false, true, [], false, false, true, ["team acme/ops"], []]`},
		{"both", strict, pull2, nobody, `[true, 2, true, true, ["a"], false, false, true, ["team acme/ops"], []]`},
		{"classic that binds no administrator", loose, pull2, nobody, `[true, 2, false, true, [], false, false, false, ["root", "team acme/ops"], ["root"]]`},
		{"classic without reviews", loose, "[]", nobody, `[false, 0, false, false, [], true, true, false, ["root"], ["bob", "root"]]`},
		{"hidden bypasses", strict, pull2, nil, `[true, 2, true, true, ["a"], false, false, null, null, null]`},
	} {
		var rules []rule
		if err := json.Unmarshal([]byte(tt.rules), &rules); err != nil {
			t.Fatal(err)
		}
		layers, err := rulesLayers(rules, tt.who)
		if err != nil {
			t.Fatal(err)
		}
		if tt.classic != "" {
			var c classic
			if err := json.Unmarshal([]byte(tt.classic), &c); err != nil {
				t.Fatal(err)
			}
			layers = append(layers, c.layer("acme", a))
		}
		p := protect(layers, fact.Some(len(layers) > 0), a)
		checkJSON(t, tt.name, []any{
			p.PullRequest, p.Approvals, p.DismissStale, p.CodeOwners, p.RequiredChecks, p.ForcePush, p.Deletion, p.Admins, p.BypassActors, p.PushActors,
		}, tt.want)
	}
}

// A layer that was refused makes unknown what the others do not decide alone.
func TestARefusedLayerIsUnknown(t *testing.T) {
	var rules []rule
	if err := json.Unmarshal([]byte(`[{"type":"pull_request","ruleset_id":1,"parameters":{"required_approving_review_count":2}}]`), &rules); err != nil {
		t.Fatal(err)
	}
	layers, err := rulesLayers(rules, map[int64]passers{1: {all: fact.Some([]string{}), push: fact.Some([]string{}), admins: fact.Some(false)}})
	if err != nil {
		t.Fatal(err)
	}
	p := protect(append(layers, layer{}), fact.Some(true), access{})
	checkJSON(t, "with a refused layer", p, `{"enabled": true, "pull_request": true, "author_can_approve": false, "admins": false}`)
}

func TestRulesThatCannotBeRead(t *testing.T) {
	for _, text := range []string{`{"type":"pull_request"}`, `{"type":"required_status_checks","parameters":{}}`, `{"type":"workflows","parameters":[]}`} {
		var x rule
		if err := json.Unmarshal([]byte(text), &x); err != nil {
			t.Fatal(err)
		}
		if _, err := rulesLayers([]rule{x}, nil); err == nil {
			t.Errorf("%s was understood", text)
		}
	}
}
