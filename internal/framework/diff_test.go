package framework_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/framework"
)

func TestDiff(t *testing.T) {
	older, newer := sample(), sample()
	if c := framework.Diff(older, newer); !c.None() {
		t.Errorf("the same content differs: %+v", c)
	}
	newer.Version, newer.Edition = 2, "2"
	rs := newer.Requirements
	rs[1].Title = framework.Text{"en": "One", "es": "Uno"}
	rs[1].Mappings = []framework.Mapping{
		{Control: "b", Source: framework.Crosswalk, ReviewedBy: "Ana"}, // still the same link
		{Control: "d", Source: framework.Judgement},
	}
	rs[2].Parent, rs[2].Designation = "g", "addressable"
	rs[4].Kind = "criterion"
	rs[5] = framework.Requirement{ID: "n", Kind: "control", Title: framework.Text{"en": "New"}, Mappings: []framework.Mapping{{Control: "a"}}}
	got := framework.Diff(older, newer)
	want := framework.Changes{
		Framework: "x", From: 1, To: 2, OldEdition: "1", NewEdition: "2",
		Added:    []framework.Requirement{rs[5]},
		Removed:  []framework.Requirement{older.Requirements[5]},
		Moved:    []framework.Move{{ID: "g.1.1", From: "g.1", To: "g"}},
		Retitled: []framework.Retitle{{ID: "g.1", Old: framework.Text{"en": "One"}, New: framework.Text{"en": "One", "es": "Uno"}}},
		Reclassed: []framework.Reclass{
			{ID: "g.1.1", Old: "spec, required", New: "spec, addressable"},
			{ID: "i", Old: "obligation", New: "criterion"},
		},
		Linked:   []framework.Pair{{Requirement: "g.1", Control: "d"}},
		Unlinked: []framework.Pair{{Requirement: "g.1", Control: "a"}},
	}
	if d := cmp.Diff(want, got); d != "" || got.None() {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	back := framework.Diff(newer, older)
	if len(back.Added) != 1 || back.Added[0].ID != "r" || len(back.Removed) != 1 || back.Removed[0].ID != "n" {
		t.Errorf("backwards: added %v, removed %v", back.Added, back.Removed)
	}
}

func TestTree(t *testing.T) {
	var shape func(nodes []framework.Node) string
	shape = func(nodes []framework.Node) (s string) {
		for _, n := range nodes {
			s += n.Requirement.ID + "(" + shape(n.Children) + ")"
		}
		return s
	}
	if got, want := shape(sample().Tree()), "g(g.1(g.1.1()))h()i()r()"; got != want {
		t.Errorf("tree %s, want %s", got, want)
	}
}

func TestText(t *testing.T) {
	text := framework.Text{"en": "door", "pt-BR": "porta", "es": "puerta"}
	for _, c := range []struct {
		text     framework.Text
		lang     string
		want, in string
	}{
		{text, "es", "puerta", "es"},
		{text, "es-MX", "puerta", "es"},
		{text, "ES", "puerta", "es"},
		{text, "pt", "porta", "pt-BR"},
		{text, "pt-PT", "porta", "pt-BR"},
		{text, "pt-br", "porta", "pt-BR"},
		{text, "de", "door", "en"},
		{text, "", "door", "en"},
		{framework.Text{"en": "door", "es": ""}, "es", "door", "en"},
		{framework.Text{"de": "Tür"}, "es", "Tür", "de"},
		{nil, "es", "", ""},
	} {
		got, in := c.text.Lookup(c.lang)
		if got != c.want || in != c.in || c.text.In(c.lang) != c.want {
			t.Errorf("%v in %q: %q in %q, want %q in %q", c.text, c.lang, got, in, c.want, c.in)
		}
	}
}

func TestLookups(t *testing.T) {
	lib := load(t)
	c, ok := lib.Control("mfa-everywhere")
	if !ok || c.Title.In("es") != "MFA en todas las cuentas del personal" {
		t.Errorf("mfa-everywhere: %v, %q", ok, c.Title.In("es"))
	}
	if _, ok := lib.Control("no-such"); ok {
		t.Error("a control that is not there was found")
	}
	var claims bool
	for _, l := range lib.RequirementsOf("mfa-everywhere") {
		claims = claims || l.Framework == "soc2" && l.Requirement.ID == "CC6.1" && l.Mapping.Control == "mfa-everywhere"
	}
	var back bool
	for _, c := range lib.ControlsOf("soc2", "CC6.1") {
		back = back || c.ID == "mfa-everywhere"
	}
	if !claims || !back {
		t.Errorf("mfa-everywhere and soc2 CC6.1: seen from the control %v, from the requirement %v", claims, back)
	}
	if got := lib.ControlsOf("soc2", "no-such"); got != nil {
		t.Errorf("controls of nothing: %v", got)
	}
	if got := lib.ControlsOf("no-such", "CC6.1"); got != nil {
		t.Errorf("controls of nothing: %v", got)
	}
	if got := lib.Term("cadences", "annual").In("pt-BR"); got != "Anual" {
		t.Errorf("annual in pt-BR is %q", got)
	}
	if got := lib.Term("cadences", "never").In("es"); got != "never" {
		t.Errorf("a word without a label reads %q", got)
	}
	if lib.ControlsVersion() != 1 {
		t.Errorf("version of the controls is %d", lib.ControlsVersion())
	}
	soc2, _ := lib.Framework("soc2")
	if soc2.Version != 1 || soc2.Edition == "" {
		t.Errorf("soc2 version %d, edition %q", soc2.Version, soc2.Edition)
	}
}
