package content_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/content"
)

type text map[string]string

// read decodes a file strictly: a key that the table does not know is an error.
func read(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := fs.ReadFile(content.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(strings.NewReader(string(raw)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func complete(t *testing.T, where string, texts ...text) {
	t.Helper()
	for _, one := range texts {
		for _, lang := range []string{"en", "pt-BR", "es"} {
			if s := one[lang]; s == "" || strings.TrimSpace(s) != s {
				t.Errorf("%s: text in %s is %q", where, lang, s)
			} else if lang != "en" && len(s) > 25 && s == one["en"] {
				t.Errorf("%s: the %s text is the English one: %q", where, lang, s)
			}
		}
		if len(one) != 3 {
			t.Errorf("%s: %d languages, want 3", where, len(one))
		}
	}
}

func TestClocks(t *testing.T) {
	var file struct {
		Version int
		Clocks  []struct {
			ID, Framework, Cite, Unit, Date string
			Start, To, Note                 text
			Amount                          *int
			ExtendAmount                    int    `yaml:"extend_amount"`
			ExtendUnit                      string `yaml:"extend_unit"`
			SmallAgentFactor                int    `yaml:"small_agent_factor"`
			Verified                        *bool
		}
	}
	read(t, "clocks.yaml", &file)
	units := map[string]bool{"hours": true, "days": true, "business-days": true, "weeks": true, "months": true, "years": true}
	promises := map[string]bool{"commitment": true, "disclosure": true}
	seen := map[string]bool{}
	for _, c := range file.Clocks {
		if seen[c.ID] || c.ID == "" {
			t.Errorf("clock id %q stands twice or is empty", c.ID)
		}
		seen[c.ID] = true
		complete(t, c.ID, c.Start, c.To)
		if c.Note != nil {
			complete(t, c.ID+" note", c.Note)
		}
		switch {
		case c.Date != "":
			if _, err := time.Parse(time.DateOnly, c.Date); err != nil || c.Amount != nil {
				t.Errorf("%s: date %q beside amount %v", c.ID, c.Date, c.Amount)
			}
		case c.Amount == nil || *c.Amount < 0 || !units[c.Unit]:
			t.Errorf("%s: amount %v %q", c.ID, c.Amount, c.Unit)
		case *c.Amount == 0 && c.Note == nil:
			t.Errorf("%s: an amount of 0 needs a note that says what it means", c.ID)
		}
		if (c.ExtendAmount > 0) != units[c.ExtendUnit] {
			t.Errorf("%s: extension %d %q", c.ID, c.ExtendAmount, c.ExtendUnit)
		}
		if c.Verified == nil {
			t.Errorf("%s: does not say whether it was verified", c.ID)
		}
		if (c.Cite == "") && !promises[c.Framework] {
			t.Errorf("%s: a legal clock without the place that sets it", c.ID)
		}
		_, err := fs.Stat(content.Files(), "frameworks/"+c.Framework+".yaml")
		if err != nil && !promises[c.Framework] && c.Framework != "cra" {
			t.Errorf("%s: framework %q has no file", c.ID, c.Framework)
		}
	}
	if file.Version < 1 || len(seen) != 47 {
		t.Errorf("version %d, %d clocks; want at least 1 and 47", file.Version, len(seen))
	}
}

func TestSampling(t *testing.T) {
	var file struct {
		Version     int
		ByFrequency []struct {
			Frequency, Source   string
			Title, Note         text
			Population, Typical int
			Range               [2]int
			Verified            bool
		} `yaml:"by_frequency"`
		ByPopulation []struct {
			Percent  int
			AtLeast  int `yaml:"at_least"`
			AtMost   int `yaml:"at_most"`
			Title    text
			Verified bool
			Source   string
		} `yaml:"by_population"`
	}
	read(t, "sampling.yaml", &file)
	if file.Version < 1 || len(file.ByFrequency) != 7 || len(file.ByPopulation) != 1 {
		t.Fatalf("version %d, %d and %d rules", file.Version, len(file.ByFrequency), len(file.ByPopulation))
	}
	for _, r := range file.ByFrequency {
		complete(t, r.Frequency, r.Title)
		if r.Range[0] > r.Typical || r.Typical > r.Range[1] || r.Range[0] < 1 || r.Source == "" {
			t.Errorf("%s: typical %d in %v from %q", r.Frequency, r.Typical, r.Range, r.Source)
		}
		if r.Population > 0 && r.Typical > r.Population {
			t.Errorf("%s: a sample of %d from %d", r.Frequency, r.Typical, r.Population)
		}
	}
	for _, r := range file.ByPopulation {
		complete(t, "by population", r.Title)
		if r.Percent < 1 || r.Percent > 100 || r.AtLeast > r.AtMost {
			t.Errorf("%+v", r)
		}
	}
}

func TestDisclosure(t *testing.T) {
	var classes struct {
		Version int
		Classes []struct {
			ID          string
			Title, Only text
			CWE         []string `yaml:"cwe"`
		}
	}
	read(t, "vdp/out-of-scope-classes.yaml", &classes)
	cwe := regexp.MustCompile(`^CWE-[1-9][0-9]*$`)
	seen := map[string]bool{}
	for _, c := range classes.Classes {
		if seen[c.ID] {
			t.Errorf("class %s stands twice", c.ID)
		}
		seen[c.ID] = true
		complete(t, c.ID, c.Title)
		if c.Only != nil {
			complete(t, c.ID+" only", c.Only)
		}
		for _, id := range c.CWE {
			if !cwe.MatchString(id) {
				t.Errorf("%s: %q is no weakness id", c.ID, id)
			}
		}
	}
	var fields struct {
		Version int
		Fields  []struct {
			Name               string
			Required, Multiple bool
			Rule               text
		}
		File map[string]string
	}
	read(t, "vdp/security-txt-fields.yaml", &fields)
	var required []string
	for _, f := range fields.Fields {
		complete(t, f.Name, f.Rule)
		if f.Required {
			required = append(required, f.Name)
		}
	}
	if len(seen) != 12 || len(fields.Fields) != 10 || strings.Join(required, " ") != "Contact Expires" {
		t.Errorf("%d classes, %d fields, required %v", len(seen), len(fields.Fields), required)
	}
	if got := fields.File["location"]; got != "/.well-known/security.txt" {
		t.Errorf("location %q", got)
	}
}
