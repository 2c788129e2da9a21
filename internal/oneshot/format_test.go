package oneshot

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// hostile is what a source may say to break a format.
func hostile() string {
	return line("item", `"<&>\u2028 \u0001 é`, `{"type":"box","color":"]]> <x> \u0000 \" \\ \ud800 ; é"}`) + "\n" +
		line("item", `  `, `{"type":"box","color":"\n\t"}`) + "\n"
}

func schemaOf(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, format string) {
	t.Helper()
	for name, text := range map[string]string{"facts": facts(), "hostile": hostile(), "nothing": "", "all pass": line("item", "i", `{"type":"box","color":"red"}`)} {
		for _, failuresOnly := range []bool{false, true} {
			_, out, errs := runText(t, Options{Format: format, FailuresOnly: failuresOnly, Version: "1.2.3"}, text)
			if errs != "" {
				t.Errorf("%s: %s", name, errs)
			}
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
			if err != nil {
				t.Errorf("%s: %v in\n%s", name, err, out)
				continue
			}
			if err := s.Validate(doc); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, out)
			}
		}
	}
}

func TestOSCAL(t *testing.T) {
	text, err := os.ReadFile("testdata/oscal_complete_schema-1-1-3.json")
	if err != nil {
		t.Fatal(err)
	}
	validate(t, schemaOf(t, text), "oscal")
	_, out, _ := runText(t, Options{Format: "oscal"}, facts())
	_, again, _ := runText(t, Options{Format: "oscal", Workers: 3}, facts())
	if out != again {
		t.Error("the same facts give another document")
	}
	for _, want := range []string{`"state":"not-satisfied"`, `"state":"satisfied"`, `bob has no second factor`, `"target-id":"account-has-mfa"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

// TestSARIF validates against the schema that a module of the proxy carries.
func TestSARIF(t *testing.T) {
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/securego/gosec/v2@v2.29.0").Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the SARIF schema cannot be had: %v", err)
		}
		t.Skipf("the SARIF schema cannot be had: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "report/sarif/testdata/sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	validate(t, schemaOf(t, text), "sarif")
	_, log, _ := runText(t, Options{Format: "sarif"}, facts())
	if n := strings.Count(log, `"kind":"fail"`); n != 3 {
		t.Errorf("got %d failures in\n%s", n, log)
	}
	if !strings.Contains(log, `"region":{"startLine":2}`) || !strings.Contains(log, `"uri":"facts.jsonl"`) {
		t.Errorf("no place in\n%s", log)
	}
}

func TestJUnit(t *testing.T) {
	type testcase struct {
		Class   string `xml:"classname,attr"`
		Name    string `xml:"name,attr"`
		Failure *struct {
			Message string `xml:"message,attr"`
		} `xml:"failure"`
		Error *struct{} `xml:"error"`
	}
	var doc struct {
		Suites []struct {
			Tests    int        `xml:"tests,attr"`
			Failures int        `xml:"failures,attr"`
			Errors   int        `xml:"errors,attr"`
			Cases    []testcase `xml:"testcase"`
		} `xml:"testsuite"`
	}
	_, out, _ := runText(t, Options{Format: "junit"}, facts())
	if err := xml.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	s := doc.Suites[0]
	if s.Tests != 10 || s.Failures != 3 || s.Errors != 3 || len(s.Cases) != 10 {
		t.Errorf("got %d tests, %d failures, %d errors, %d cases", s.Tests, s.Failures, s.Errors, len(s.Cases))
	}
	if c := s.Cases[2]; c.Class != "account-has-mfa" || c.Name != "a2" || c.Failure == nil || c.Failure.Message != "bob has no second factor" {
		t.Errorf("got %+v", c)
	}
	_, out, _ = runText(t, Options{Format: "junit"}, hostile())
	if err := xml.Unmarshal([]byte(out), &doc); err != nil {
		t.Errorf("%v in\n%s", err, out)
	}
}

func TestTableAndJSON(t *testing.T) {
	_, out, _ := runText(t, Options{}, facts()+hostile())
	if strings.ContainsAny(out, "\x00\x01\t\r") || !strings.Contains(out, "bob has no second factor") || !strings.Contains(out, "4 pass, 5 fail, 3 unknown, 2 not applicable\n") {
		t.Errorf("got\n%s", out)
	}
	_, out, _ = runText(t, Options{Format: "json"}, facts()+hostile())
	var doc struct {
		Verdicts []struct{ Check, Fact, Status, Reason string }
		Summary  map[string]int
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if len(doc.Verdicts) != 14 || doc.Summary["fail"] != 5 || doc.Summary["pass"] != 4 {
		t.Errorf("got %+v", doc)
	}
	_, out, _ = runText(t, Options{Format: "jsonl"}, hostile())
	for l := range strings.Lines(out) {
		if !json.Valid([]byte(l)) {
			t.Errorf("not JSON: %s", l)
		}
	}
}
