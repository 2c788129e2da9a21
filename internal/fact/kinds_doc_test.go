package fact_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/fact"
)

var update = flag.Bool("update", false, "write docs/kinds.md anew")

// TestKindsDocument keeps docs/kinds.md equal to the kinds. Refresh it with
// `go test ./internal/fact -run TestKindsDocument -update`.
func TestKindsDocument(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "kinds.md")
	want := kindsDocument()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/kinds.md is stale; refresh it with `go test ./internal/fact -run TestKindsDocument -update`")
	}
}

func kindsDocument() string {
	var b strings.Builder
	b.WriteString(`# The kinds of facts

What Prumo can judge. A fact on a line names its kind, an id that is unique within source and kind, its source and when it was
observed; its fields stand under ` + "`data`" + `. In a check the fact is called by its kind (` + "`account.mfa`" + `), and in a check of the set by the plural.

Every field may be left out, unless the table says that it is always there. A field that the source did not say is unknown: neither
false, nor 0, nor empty, and never a pass. ` + "`null`" + ` says the same as leaving it out. A field that names another fact holds that fact's id, and a
check reads through it (` + "`account.person.ended_at`" + `). In expressions each fact also has ` + "`id`" + ` and ` + "`source`" + `.

` + "`prumo kinds`" + ` prints the same as JSON Schema. This page is made from the program; do not edit it.

| kind | plural | what it is |
| --- | --- | --- |
`)
	for _, k := range fact.Kinds() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", k.Name, k.Name, k.Plural, k.Doc)
	}
	for _, k := range fact.Kinds() {
		fmt.Fprintf(&b, "\n## %s\n\n%s. A list of them is called `%s`. An observation older than %.0f hours says nothing, unless a check sets its own limit.\n",
			k.Name, sentence(k.Doc), k.Plural, k.Fresh.Hours())
		if len(k.Fields) == 0 {
			b.WriteString("\nIts fields are its owner's: any JSON object. An expression reads them under `item.data`; a key that is absent is unknown, and\n" +
				"`has(item.data.key)` asks whether it is there.\n")
			continue
		}
		b.WriteString("\n| field | type | what it means |\n| --- | --- | --- |\n")
		fields(&b, k.Fields, "")
	}
	return b.String()
}

func fields(b *strings.Builder, fs []fact.Field, at string) {
	for _, f := range fs {
		doc := f.Doc
		if len(f.Enum) > 0 {
			doc += ": `" + strings.Join(f.Enum, "`, `") + "`"
		}
		if !f.Opt {
			doc += "; always there"
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", at, f.Name, typeName(f), doc)
		if f.Sub != nil {
			below := at + f.Name + "."
			if f.Type.Kind() == reflect.Slice {
				below = at + f.Name + "[]."
			}
			fields(b, f.Sub, below)
		}
	}
}

func typeName(f fact.Field) string {
	switch {
	case f.Ref != "":
		return fmt.Sprintf("id ([%s](#%s))", f.Ref, f.Ref)
	case f.Type == reflect.TypeFor[time.Time]():
		return "time"
	case f.Type.Kind() == reflect.Slice && f.Sub != nil:
		return "list of objects"
	case f.Type.Kind() == reflect.Slice:
		return "list of texts"
	case f.Sub != nil:
		return "object"
	}
	return map[reflect.Kind]string{reflect.Bool: "true or false", reflect.Int64: "whole number", reflect.Float64: "number"}[f.Type.Kind()] +
		map[bool]string{true: "text"}[f.Type.Kind() == reflect.String]
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
