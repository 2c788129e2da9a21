package fact

import (
	"encoding/json"
	"testing"
)

// FuzzExactly: where the quick pass says yes, the slow ones find nothing wrong.
func FuzzExactly(f *testing.F) {
	for _, s := range []string{
		`{}`, ` {"login":"a","roles":["x","y"]} `, `{"login":"a","login":"b"}`, `{"Login":"a"}`, `{"l\u006fgin":"a"}`, `{"login":"a"}{}`, `{"login":"a",}`,
		`{"protection":{"enabled":true}}`, `{"protection":{"enabled":true,"Enabled":false}}`, `{"protection":[{"enabled":true}]}`, `{"protection":null}`,
		`{"checks":[{"name":"t","status":"success"},{"nam":"t"}]}`, `[]`, `[{}]`, `"x"`, `{"name":{"any":1}}`, `{"name":[1,{"a":2}]`, "{\"name\":\"\xff\"}", ``,
	} {
		f.Add([]byte(s))
	}
	kinds := Kinds()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, k := range kinds {
			if k.Fields == nil || !exactly(raw, k.Fields) {
				continue
			}
			if !json.Valid(raw) {
				t.Fatalf("%s: %q is no JSON", k.Name, raw)
			}
			if err := checkTwice(raw); err != nil {
				t.Fatalf("%s: %q: %v", k.Name, raw, err)
			}
			if err := checkNames(raw, k.Fields, ""); err != nil {
				t.Fatalf("%s: %q: %v", k.Name, raw, err)
			}
		}
	})
}

func TestExactlyTakesWhatIsRight(t *testing.T) {
	for kind, data := range map[string]string{
		"account":    `{"login":"a","active":true,"roles":["x"],"person":"p"}`,
		"repository": `{ "name": "acme/web", "protection": {"enabled": true, "approvals": 2, "required_checks": []} }`,
		"change":     `{"checks":[{"name":"t","status":"success"},{"name":"u","status":"failure"}]}`,
	} {
		k, ok := KindNamed(kind)
		if !ok || !exactly([]byte(data), k.Fields) {
			t.Errorf("%s %s: the quick pass does not take it", kind, data)
		}
		if exactly([]byte(`{"nothing":1}`), k.Fields) {
			t.Errorf("%s: the quick pass takes a field that is none", kind)
		}
	}
}
