package framework_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"prumo.dev/prumo/content"
	"prumo.dev/prumo/internal/framework"
)

func load(t testing.TB) *framework.Library {
	t.Helper()
	lib, err := framework.Load(content.Files())
	if err != nil {
		t.Fatalf("content:\n%v", err)
	}
	return lib
}

// The numbers were taken once from the data that the content was made from;
// they change only together with a mapping.
func TestCoverage(t *testing.T) {
	lib := load(t)
	if got := len(lib.Controls()); got != 110 {
		t.Errorf("%d controls, want 110", got)
	}
	want := []string{
		"ccpa 61 requirements, 54/54 claimed, 0/96 corroborated, missing: -",
		"cis-8.1 18 requirements, 0/18 claimed, 0/0 corroborated, missing: *",
		"dora 22 requirements, 0/22 claimed, 0/0 corroborated, missing: *",
		"gdpr 68 requirements, 59/59 claimed, 0/165 corroborated, missing: -",
		"hipaa 96 requirements, 87/88 claimed, 114/168 corroborated, missing: 164.400",
		"iso27001 138 requirements, 123/123 claimed, 249/278 corroborated, missing: -",
		"lgpd 46 requirements, 34/34 claimed, 0/145 corroborated, missing: -",
		"nis2 18 requirements, 0/18 claimed, 0/0 corroborated, missing: *",
		"nist-800-53r5-baselines 444 requirements, 0/424 claimed, 0/0 corroborated, missing: *",
		"nist-csf-2.0 134 requirements, 106/106 claimed, 220/229 corroborated, missing: -",
		"pci-dss-4.0.1 75 requirements, 0/63 claimed, 0/0 corroborated, missing: *",
		"soc2 86 requirements, 61/61 claimed, 212/247 corroborated, missing: -",
	}
	var got []string
	for _, f := range lib.Frameworks() {
		got = append(got, coverage(f))
	}
	// A further framework may be added without touching this test.
	for _, w := range want {
		if !slices.Contains(got, w) {
			id, _, _ := strings.Cut(w, " ")
			i := slices.IndexFunc(got, func(g string) bool { return strings.HasPrefix(g, id+" ") })
			t.Errorf("want %s", w)
			if i >= 0 {
				t.Errorf("got  %s", got[i])
			}
		}
	}
}

func coverage(f framework.Framework) string {
	status := f.Fold(nil)
	claimed, missing := 0, []string{}
	for _, r := range f.Requirements {
		if !r.Assessed() {
			continue
		}
		if len(r.Mappings) > 0 {
			claimed++
		} else {
			missing = append(missing, r.ID)
		}
	}
	assessed := status.Requirements.Total()
	shown := strings.Join(missing, " ")
	switch {
	case claimed == assessed:
		shown = "-"
	case claimed == 0:
		shown = "*"
	}
	return fmt.Sprintf("%s %d requirements, %d/%d claimed, %d/%d corroborated, missing: %s",
		f.ID, len(f.Requirements), claimed, assessed, status.Corroborated, status.Links, shown)
}

// Every control claims something, and what nobody confirmed says so.
func TestMappingsOfContent(t *testing.T) {
	lib := load(t)
	for _, c := range lib.Controls() {
		if len(lib.RequirementsOf(c.ID)) == 0 {
			t.Errorf("control %s claims no requirement", c.ID)
		}
	}
	for _, f := range lib.Frameworks() {
		if f.Fold(nil).MappingReviewed() {
			t.Errorf("the mapping of %s is called reviewed; name who did it in the change that says so, then change this test", f.ID)
		}
		for _, r := range f.Requirements {
			for _, m := range r.Mappings {
				if f.ID == "lgpd" && m.Source != framework.Derived {
					t.Errorf("lgpd %s %s: source %s, want derived", r.ID, m.Control, m.Source)
				}
			}
		}
	}
}

// What people read is there in all three languages, and is no copy of the
// English nor one of the Portuguese. One word may well be the same (malware),
// and so may a standard's own name.
func TestTextsOfContent(t *testing.T) {
	alike := map[string]bool{"Salvaguardas administrativas": true} // one text in both languages
	check := func(where string, text framework.Text) {
		for _, lang := range []string{"en", "pt-BR", "es"} {
			s := text[lang]
			switch {
			case s == "":
				t.Errorf("%s: no text in %s", where, lang)
			case strings.TrimSpace(s) != s || strings.Contains(s, "  "):
				t.Errorf("%s: stray white space in %s: %q", where, lang, s)
			case lang != "en" && s == text["en"] && strings.Contains(s, " ") && !strings.HasSuffix(where, " name"):
				t.Errorf("%s: the %s text is the English one: %q", where, lang, s)
			}
		}
		if len(text["es"]) > 25 && text["es"] == text["pt-BR"] && !alike[text["es"]] {
			t.Errorf("%s: the Spanish text is the Portuguese one: %q", where, text["es"])
		}
		if strings.ContainsAny(text["es"], "ãõâêôç") {
			t.Errorf("%s: the Spanish text has Portuguese letters: %q", where, text["es"])
		}
		if strings.ContainsAny(text["pt-BR"], "ñ¿¡") || strings.Contains(text["pt-BR"], "ción") {
			t.Errorf("%s: the Portuguese text has Spanish letters: %q", where, text["pt-BR"])
		}
	}
	lib := load(t)
	for _, s := range framework.Sources() {
		check("source "+string(s), lib.Term("mapping_sources", string(s)))
	}
	for _, c := range lib.Controls() {
		check(c.ID+" title", c.Title)
		check(c.ID+" objective", c.Objective)
		for group, id := range map[string]string{
			"domains": c.Domain, "headings": c.Heading, "roles": c.OwnerRole,
			"evidence_kinds": c.EvidenceKind, "cadences": c.Cadence,
		} {
			if id != "" {
				check(group+" "+id, lib.Term(group, id))
			}
		}
	}
	for _, f := range lib.Frameworks() {
		check(f.ID+" name", f.Name)
		check(f.ID+" about", f.About)
		for _, r := range f.Requirements {
			if f.Untranslated == "" {
				check(f.ID+" "+r.ID, r.Title)
			} else if got, in := r.Title.Lookup("es"); got == "" || in != f.Untranslated {
				t.Errorf("%s %s: Lookup(es) = %q in %q, want a title in %s", f.ID, r.ID, got, in, f.Untranslated)
			}
			check("kind "+r.Kind, lib.Term("requirement_kinds", r.Kind))
		}
	}
}
