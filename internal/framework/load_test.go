package framework_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"prumo.dev/prumo/content"
	"prumo.dev/prumo/internal/framework"
)

const (
	goodTerms = `domains: {access: {en: Access}}
headings: {mfa: {en: MFA}}
roles: {it: {en: IT}}
evidence_kinds: {record: {en: Record}}
cadences: {annual: {en: Yearly}}
requirement_kinds: {group: {en: Group}, control: {en: Control}}
designations: {required: {en: Required}}
mapping_sources: {judgement: {en: Own}, crosswalk: {en: Public}, derived: {en: Derived}}
`
	goodControls = `version: 1
controls:
- id: door
  domain: access
  heading: mfa
  title: {en: Door}
  objective: {en: It is shut}
  evidence_kind: record
  cadence: annual
  owner_role: it
`
	goodHead = `id: own
version: 3
edition: "1"
name: {en: Own rules}
issuer: Us
licence: ours
provenance: written here
`
	goodFramework = goodHead + `requirements:
- id: g
  kind: group
  title: {en: Group}
- id: "1.10"
  kind: control
  parent: g
  designation: required
  title: {en: Shut doors}
  parts: ["1.10.1"]
  controls:
    crosswalk: [{id: door, reviewed_by: Ana Souza, reviewed_on: 2026-11-23}]
`
)

// files is content in memory; a changed file replaces the good one.
func files(changed map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range map[string]string{
		"terms.yaml": goodTerms, "controls.yaml": goodControls, "frameworks/own.yaml": goodFramework,
	} {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for name, text := range changed {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestLoadOwnFramework(t *testing.T) {
	lib, err := framework.Load(files(nil))
	if err != nil {
		t.Fatal(err)
	}
	f, ok := lib.Framework("own")
	if !ok || f.Version != 3 || len(f.Requirements) != 2 {
		t.Fatalf("framework own: %v, %+v", ok, f)
	}
	r, _ := f.Requirement("1.10")
	want := framework.Mapping{Control: "door", Source: framework.Crosswalk, ReviewedBy: "Ana Souza", ReviewedOn: "2026-11-23"}
	if len(r.Mappings) != 1 || r.Mappings[0] != want || r.Parts[0] != "1.10.1" || r.Designation != "required" {
		t.Errorf("requirement 1.10 is %+v", r)
	}
	if s := f.Fold(map[string]framework.Status{"door": framework.Pass}); !s.MappingReviewed() || s.Status != framework.Pass {
		t.Errorf("status %+v", s)
	}
}

func TestLoadProblems(t *testing.T) {
	const own = "frameworks/own.yaml"
	swap := func(text, old, with string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the good file", old)
		}
		return strings.Replace(text, old, with, 1)
	}
	for _, c := range []struct {
		name, file, text string
		want             string // a line of the error
	}{
		{"not YAML", own, "id: [", "frameworks/own.yaml:1: did not find"},
		{"empty", own, "", "frameworks/own.yaml:1: the file is empty; write the file or remove it"},
		{"a list", own, "- a", "frameworks/own.yaml:1: the file is not a mapping; write key: value lines"},
		{"two documents", own, goodFramework + "---\na: b\n", "there is more than one document; keep one document a file"},
		{"an alias", own, goodHead + "requirements: &r [*r]\n", "frameworks/own.yaml:8: aliases and anchors are not read; write the value out"},
		{"too large", own, goodFramework + strings.Repeat("#", 1<<20), "frameworks/own.yaml:1: the file is larger than 1 MB; split the file"},
		{"unknown key", own, swap(goodFramework, "edition", "edtion"), "frameworks/own.yaml:3: key edtion is not known here; remove it or correct its spelling"},
		{"missing key", own, swap(goodFramework, "issuer: Us\n", ""), "frameworks/own.yaml:1: issuer is missing; add it"},
		{"key twice", own, goodFramework + "issuer: Them\n", "frameworks/own.yaml:20: key issuer stands twice; keep one of them"},
		{"version 0", own, swap(goodFramework, "version: 3", "version: 0"), "frameworks/own.yaml:2: version is not a positive whole number; write 1, 2, 3, …"},
		{"version as text", own, swap(goodFramework, "version: 3", `version: "3"`), "frameworks/own.yaml:2: version is not a positive whole number; write 1, 2, 3, …"},
		{"other file name", own, swap(goodFramework, "id: own", "id: other"), "frameworks/own.yaml:1: id other is not the name of the file; give both the same name"},
		{"no requirements", own, goodHead + "requirements: []\n", "frameworks/own.yaml:1: the framework has no requirements; list them under requirements"},
		{"id twice", own, swap(goodFramework, `"1.10"`, "g"), "frameworks/own.yaml:12: requirement g stands twice; rename or remove one"},
		{"no such parent", own, swap(goodFramework, "parent: g", "parent: h"), "frameworks/own.yaml:12: parent h of 1.10 is not above it; list the parent before it, or correct the id"},
		{"own parent", own, swap(goodFramework, "parent: g", `parent: "1.10"`), "frameworks/own.yaml:12: parent 1.10 of 1.10 is not above it; list the parent before it, or correct the id"},
		{"unknown kind", own, swap(goodFramework, "kind: control", "kind: wish"), "frameworks/own.yaml:13: kind wish is not known; use a word of requirement_kinds in terms.yaml, or add it there"},
		{"no English", own, swap(goodFramework, "{en: Shut doors}", "{es: Cerrar}"), "frameworks/own.yaml:16: title has no English text; add en: …"},
		{"no language", own, swap(goodFramework, "{en: Shut doors}", "{en: Shut, spanish: Cerrar}"), "frameworks/own.yaml:16: spanish in title is not a language; use a tag such as en, pt-BR or es"},
		{"plain title", own, swap(goodFramework, "{en: Shut doors}", "Shut doors"), "frameworks/own.yaml:16: title is not a mapping; write key: value lines"},
		{"empty title", own, swap(goodFramework, "{en: Shut doors}", `{en: " "}`), "frameworks/own.yaml:16: title in en is not a text; write a text"},
		{"unknown control", own, swap(goodFramework, "id: door", "id: window"), "frameworks/own.yaml:19: control window is not known; use an id of controls.yaml, or add it there"},
		{"control twice", own, goodFramework + "    judgement: [door]\n", "frameworks/own.yaml:20: control door stands twice in one requirement; keep one of them"},
		{"unknown source", own, swap(goodFramework, "crosswalk:", "rumour:"), "frameworks/own.yaml:19: key rumour is not known here; remove it or correct its spelling"},
		{"review without name", own, swap(goodFramework, "reviewed_by: Ana Souza, ", ""), "frameworks/own.yaml:19: reviewed_by is missing; add it"},
		{"review on no day", own, swap(goodFramework, "2026-11-23", "yesterday"), "frameworks/own.yaml:19: reviewed_on yesterday is not a date; write it as 2026-01-31"},
		{"mapped group", own, swap(goodFramework, "title: {en: Group}", "title: {en: Group}\n  controls: {judgement: [door]}"), "frameworks/own.yaml:12: g is a group, which only holds others; map the requirements below it"},
		{"control id", "controls.yaml", swap(goodControls, "id: door", "id: Front Door"), "controls.yaml:3: id Front Door is not fit for a control; use small letters, digits and hyphens"},
		{"cadence", "controls.yaml", swap(goodControls, "annual", "hourly"), "controls.yaml:9: cadence hourly is not known; use a word of cadences in terms.yaml, or add it there"},
		{"evidence", "controls.yaml", swap(goodControls, "evidence_kind: record", "evidence_kind: rumour"), "controls.yaml:8: evidence_kind rumour is not known; use a word of evidence_kinds in terms.yaml, or add it there"},
		{"controls twice", "controls.yaml", goodControls + strings.TrimPrefix(goodControls, "version: 1\ncontrols:\n"), "controls.yaml:11: control door stands twice; rename or remove one"},
		{"terms without roles", "terms.yaml", swap(goodTerms, "roles: {it: {en: IT}}\n", ""), "terms.yaml:1: roles is missing; add it"},
	} {
		lib, err := framework.Load(files(map[string]string{c.file: c.text}))
		var problems framework.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: error %v, want problems", c.name, err)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
		if _, ok := lib.Framework("own"); ok {
			t.Errorf("%s: the broken framework stands in the library", c.name)
		}
	}
}

// One broken file takes no other one with it, and all problems are told.
func TestLoadGoesOn(t *testing.T) {
	lib, err := framework.Load(files(map[string]string{
		"frameworks/bad.yaml":   "id: bad\nversion: x\n",
		"frameworks/worse.yaml": "{",
	}))
	var problems framework.Problems
	if !errors.As(err, &problems) || len(problems) < 8 {
		t.Errorf("problems: %v", err)
	}
	if _, ok := lib.Framework("own"); !ok || len(lib.Frameworks()) != 1 {
		t.Errorf("frameworks: %v", lib.Frameworks())
	}
	if _, err := framework.Load(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "controls.yaml:1: the file cannot be read") {
		t.Errorf("an empty folder: %v", err)
	}
}

// A title without a language is read only where the framework says that its
// titles stay in one.
func TestUntranslated(t *testing.T) {
	text := strings.Replace(goodFramework, "issuer: Us", "issuer: Us\nuntranslated: de", 1)
	text = strings.Replace(text, "{en: Shut doors}", "Türen schließen", 1)
	lib, err := framework.Load(files(map[string]string{"frameworks/own.yaml": text}))
	if err != nil {
		t.Fatal(err)
	}
	f, _ := lib.Framework("own")
	if got, in := f.Requirements[1].Title.Lookup("pt-BR"); got != "Türen schließen" || in != "de" {
		t.Errorf("title %q in %q", got, in)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(goodTerms, goodControls, goodFramework)
	f.Add("a: &a [*a]", "- ", "requirements: {a: b}")
	f.Add(goodTerms, "controls: [[], {id: {}}, null]", goodHead+"requirements: [null, {id: a, controls: {crosswalk: [null, {}, [x]]}}]")
	f.Add("domains: ? {a: b}", "version: 1\n? [a]\n: b", "!!binary x")
	if raw, err := fs.ReadFile(content.Files(), "frameworks/cis-8.1.yaml"); err == nil {
		f.Add(goodTerms, goodControls, string(raw))
	}
	f.Fuzz(func(t *testing.T, terms, controls, own string) {
		lib, err := framework.Load(files(map[string]string{"terms.yaml": terms, "controls.yaml": controls, "frameworks/own.yaml": own}))
		var problems framework.Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("an error that is no problem: %v", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.What == "" || p.Do == "" || p.File == "" {
				t.Fatalf("a problem without a place or advice: %+v", p)
			}
		}
		for _, f := range lib.Frameworks() {
			f.Tree()
			f.Fold(nil)
			if !framework.Diff(f, f).None() {
				t.Fatal("a framework differs from itself")
			}
			for _, r := range f.Requirements {
				if len(lib.ControlsOf(f.ID, r.ID)) != len(r.Mappings) {
					t.Fatalf("%s is mapped to a control that is not there", r.ID)
				}
			}
		}
	})
}
