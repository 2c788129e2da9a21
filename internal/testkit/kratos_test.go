package testkit

import "testing"

// Two servers at once are two: each is asked for its own mark.
func TestKratos(t *testing.T) {
	a, b := Kratos(t, nil), Kratos(t, nil)
	a.Must("POST", "/admin/identities", object{
		"schema_id": "person", "traits": object{"email": "ana@acme.test"}, "credentials": object{"password": object{"config": object{"password": "correct-horse-7"}}},
	})
	a.SignIn("ana@acme.test", "correct-horse-7")
	var people []any
	if err := getJSON(b.Admin+"/admin/identities", &people); err != nil || len(people) != 0 {
		t.Errorf("the other server has %d identities, %v; want none", len(people), err)
	}
	if err := b.is("another"); err == nil {
		t.Error("a server passed for another one")
	}
}
