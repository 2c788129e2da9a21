package checks_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/connectors"
	"prumo.dev/prumo/content"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/framework"
)

func load(t *testing.T) *check.Set {
	t.Helper()
	set, problems := check.LoadAll(check.NamedFS{Name: "checks", FS: checks.Files()})
	for _, p := range problems {
		t.Error(p.Error())
	}
	if problems != nil {
		t.FailNow()
	}
	return set
}

func TestChecksKeepTheirExamples(t *testing.T) {
	for _, c := range load(t).All() {
		for _, p := range c.RunExamples() {
			t.Error(p.Error())
		}
	}
}

// A file is named after its check, so that a check is found without a search.
func TestFilesAreNamedAfterTheirCheck(t *testing.T) {
	names, err := fs.Glob(checks.Files(), "*")
	if err != nil {
		t.Fatal(err)
	}
	set := load(t)
	for _, n := range names {
		if _, ok := set.ByID(strings.TrimSuffix(n, ".yaml")); !ok {
			t.Errorf("%s holds no check of its name", n)
		}
	}
	if got := len(set.All()); got < 30 || got != len(names) {
		t.Errorf("%d checks in %d files, want at least 30 and one each", got, len(names))
	}
}

// marks are the values that a text inserts and the words that it quotes: the
// same in every language, but for placeholders in capitals and the words for
// yes and no within a value.
var (
	inserts     = regexp.MustCompile(`\{\{.*?\}\}+`)
	quotes      = regexp.MustCompile("`[^`]*`")
	placeholder = regexp.MustCompile(`\b[A-Z]{3,}\b`)
	answers     = regexp.MustCompile(`\? '\p{L}+' : '\p{L}+'`)
)

func TestTextsAreInThreeLanguages(t *testing.T) {
	for _, c := range load(t).All() {
		for what, text := range map[string]check.Text{"title": c.Def.Title, "message": c.Def.Message, "fix": c.Def.Fix} {
			for _, lang := range []string{"pt-BR", "es"} {
				got, ok := text[lang]
				switch {
				case !ok:
					t.Errorf("%s has no %s in %s", c.ID, what, lang)
				case got == text["en"]:
					t.Errorf("%s: the %s in %s is the English text", c.ID, what, lang)
				case !slices.Equal(marks(got), marks(text["en"])):
					t.Errorf("%s: the %s in %s has the marks %q, the English one %q", c.ID, what, lang, marks(got), marks(text["en"]))
				}
			}
			if len(text) != 3 {
				t.Errorf("%s: the %s is in %d languages, want 3", c.ID, what, len(text))
			}
		}
		if !strings.Contains(c.Def.Message["en"], "{{") {
			t.Errorf("%s: the message names no thing", c.ID)
		}
		if len(strings.Fields(c.Def.Fix["en"])) < 8 {
			t.Errorf("%s: the fix does not say what to do", c.ID)
		}
	}
}

// marks lists what must not differ between translations.
func marks(s string) []string {
	out := append(inserts.FindAllString(s, -1), quotes.FindAllString(s, -1)...)
	for i, m := range out {
		out[i] = answers.ReplaceAllString(placeholder.ReplaceAllString(m, "X"), "")
	}
	slices.Sort(out)
	return out
}

func TestControlsExist(t *testing.T) {
	lib, err := framework.Load(content.Files())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range load(t).All() {
		for _, id := range c.Controls {
			if _, ok := lib.Control(id); !ok {
				t.Errorf("%s names control %s, which does not exist", c.ID, id)
			}
		}
	}
}

// A needed permission is written as the connector writes it, or the console
// could not say which one a credential lacks.
func TestNeedsNamePermissionsOfConnectors(t *testing.T) {
	known := map[string][]string{}
	for _, c := range connectors.All() {
		for _, p := range c.Info().Permissions {
			known[c.Info().ID] = append(known[c.Info().ID], p.Name)
		}
	}
	for _, c := range load(t).All() {
		for id, permissions := range c.Needs {
			for _, p := range permissions {
				if !slices.Contains(known[id], p) {
					t.Errorf("%s needs %q of connector %s, which has %q", c.ID, p, id, known[id])
				}
			}
		}
	}
}

// What a check leaves out, and what can be set, is shown by an example, so that
// neither can be lost unseen.
func TestExamplesShowWhenAndParams(t *testing.T) {
	anyTime := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // of an example that names no instant
	for _, c := range load(t).All() {
		if c.When != "" && !slices.ContainsFunc(c.Examples, func(x check.Example) bool { return x.Want == check.NotApplicable }) {
			t.Errorf("%s has a when and no example that it leaves out", c.ID)
		}
		if len(c.Params) > 0 && !slices.ContainsFunc(c.Examples, func(x check.Example) bool { return len(x.Params) > 0 }) {
			t.Errorf("%s has parameters and no example that sets one", c.ID)
		}
		if c.UsesTime() && !slices.ContainsFunc(c.Examples, func(x check.Example) bool { return x.Want == check.Fail && x.At != anyTime }) {
			t.Errorf("%s follows the time and no example fails at an instant", c.ID)
		}
	}
}

// Whoever says nothing never passes: a check that holds without knowing
// anything would turn a broken source into a green page.
func TestSilenceNeverPasses(t *testing.T) {
	for _, c := range load(t).All() {
		f := &fact.Fact{Kind: c.Kind, ID: "x", Source: "s", Data: []byte("{}")}
		if r := c.Judge(check.Input{Fact: f}); r.Outcome != check.Unknown {
			t.Errorf("%s says %s of a thing of which nothing is known", c.ID, r.Outcome)
		}
	}
}

// Each language speaks of the failure as it is: no value of a failing example
// is missing from its message in one language only.
func TestMessagesAreWhole(t *testing.T) {
	for _, c := range load(t).All() {
		for _, x := range c.Examples {
			if x.Want != check.Fail || len(x.Facts) != 1 || !c.Each {
				continue
			}
			in := check.Input{Fact: &x.Facts[0], Now: x.At, Params: x.Params}
			en := strings.Count(c.Message(in, "en"), "?")
			for _, lang := range []string{"pt-BR", "es"} {
				if got := c.Message(in, lang); strings.Count(got, "?") != en || strings.Contains(got, "{{") || strings.Contains(got, "true") {
					t.Errorf("%s, example %q, in %s: %s", c.ID, x.Name, lang, got)
				}
			}
		}
	}
}

// An id starts with the thing that it speaks of and says what is true of it.
func TestIDsReadAsClaims(t *testing.T) {
	things := []string{"security-txt", "merged-change", "deploy-key", "admins", "leaver", "service-account", "timer", "alerts", "exceptions", "settings", "exposed-secret", "report", "token"}
	for _, k := range fact.Kinds() {
		things = append(things, strings.ReplaceAll(k.Name, "_", "-"), strings.ReplaceAll(k.Plural, "_", "-"))
	}
	claims := strings.Fields(`is are has have cannot came passed approved protected listed needs dismisses refuses bind
		locks runs holds keeps asks restarted updates encrypted on in only without installed supported used pinned strong
		sends redirects limits forbids sees signs rejects takes watches gives ends belongs was binds`)
	for _, c := range load(t).All() {
		ok := slices.ContainsFunc(things, func(thing string) bool {
			said, found := strings.CutPrefix(c.ID, thing+"-")
			return found && slices.ContainsFunc(strings.Split(said, "-"), func(w string) bool { return slices.Contains(claims, w) })
		})
		if !ok {
			t.Errorf("id %s does not read as a claim about a thing", c.ID)
		}
	}
}
