package connector

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func testInfo() Info {
	return Info{ID: "x", Fields: []Field{
		{Name: "url", Type: FieldURL, Required: true},
		{Name: "token", Type: FieldSecret},
		{Name: "names", Type: FieldList},
		{Name: "days", Type: FieldInt, Default: 90},
		{Name: "strict", Type: FieldBool},
		{Name: "path", Type: FieldPath},
		{Name: "jobs", Type: FieldMap},
	}}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name string
		raw  map[string]any
		from Where
		want Settings
	}{
		{
			"file",
			map[string]any{
				"url": "https://git.acme.test/", "token": "abc\n", "names": []any{"a", " b "}, "days": 30, "strict": true,
				"path": "/x", "jobs": map[string]any{"test": []any{"unit"}, "lint": "vet"},
			},
			FromFile,
			Settings{
				"url": "https://git.acme.test", "token": "abc", "names": []string{"a", "b"}, "days": int64(30), "strict": true,
				"path": "/x", "jobs": map[string][]string{"test": {"unit"}, "lint": {"vet"}},
			},
		},
		{
			"form",
			map[string]any{"url": "http://h:1", "token": "", "names": "a, b\nc", "days": "7", "strict": "on", "path": "", "jobs": "test: unit, e2e\n\nlint: vet"},
			FromConsole,
			Settings{
				"url": "http://h:1", "names": []string{"a", "b", "c"}, "days": int64(7), "strict": true,
				"jobs": map[string][]string{"test": {"unit", "e2e"}, "lint": {"vet"}},
			},
		},
		{"json", map[string]any{"url": "http://h", "days": float64(5), "strict": false}, FromConsole, Settings{"url": "http://h", "days": int64(5), "strict": false}},
		{"number", map[string]any{"url": "http://h", "days": json.Number("6")}, FromConsole, Settings{"url": "http://h", "days": int64(6)}},
		{"default", map[string]any{"url": "http://h"}, FromConsole, Settings{"url": "http://h", "days": int64(90)}},
		{"one entry of a file keeps its comma", map[string]any{"url": "http://h", "names": "a,b"}, FromFile, Settings{"url": "http://h", "names": []string{"a,b"}, "days": int64(90)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Check(testInfo(), tt.raw, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	ok := "http://h"
	for _, tt := range []struct {
		name string
		raw  map[string]any
		from Where
		want string
	}{
		{"missing", map[string]any{}, FromFile, "url: is missing"},
		{"unknown", map[string]any{"url": ok, "tokn": "x"}, FromFile, `no setting "tokn"`},
		{"address", map[string]any{"url": "git.acme.test"}, FromFile, "url: must be an address"},
		{"password", map[string]any{"url": "http://u:secret@h"}, FromFile, "must hold no user"},
		{"type", map[string]any{"url": ok, "token": 5}, FromFile, "token: must be a text"},
		{"reference from the console", map[string]any{"url": ok, "token": map[string]any{"env": "HOME"}}, FromConsole, "token: must be a text"},
		{"fraction", map[string]any{"url": ok, "days": 1.5}, FromFile, "days: must be a whole number"},
		{"list", map[string]any{"url": ok, "names": []any{1}}, FromFile, "names: must be a list of texts"},
		{"bool", map[string]any{"url": ok, "strict": "perhaps"}, FromFile, "strict: must be true or false"},
		{"path from the console", map[string]any{"url": ok, "path": "/etc/shadow"}, FromConsole, "path: opens this machine"},
		{"map", map[string]any{"url": ok, "jobs": []any{}}, FromFile, "jobs: must be a map"},
		{"nul", map[string]any{"url": ok, "token": "a\x00b"}, FromFile, "token: must be UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Check(testInfo(), tt.raw, tt.from)
			if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrSettings with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%v tells the value", err)
			}
		})
	}
	local := testInfo()
	local.Local = true
	if _, err := Check(local, map[string]any{"url": ok}, FromConsole); !errors.Is(err, ErrSettings) {
		t.Errorf("local connector from the console: got %v, want ErrSettings", err)
	}
	if _, err := Check(local, map[string]any{"url": ok}, FromFile); err != nil {
		t.Errorf("local connector from the file: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"url":"http://h","names":["a"],"jobs":"a: b","days":1}`), true)
	f.Fuzz(func(t *testing.T, raw []byte, file bool) {
		var m map[string]any
		if json.Unmarshal(raw, &m) != nil {
			return
		}
		from := FromConsole
		if file {
			from = FromFile
		}
		s, err := Check(testInfo(), m, from)
		if err != nil {
			return
		}
		if from == FromConsole && s.Text("path") != "" {
			t.Errorf("the console set a path: %q", s.Text("path"))
		}
		for k, v := range s {
			switch v.(type) {
			case string, bool, int64, []string, map[string][]string:
			default:
				t.Errorf("%s has type %T", k, v)
			}
		}
	})
}

// A document may be written as YAML in the file or as text in a form; its own
// rules are asked in both.
func TestCheckDocument(t *testing.T) {
	info := Info{ID: "x", Fields: []Field{{
		Name: "maps", Type: FieldDocument, Check: func(v any) error {
			if !strings.Contains(v.(string), "scope: people") {
				return errors.New("holds no people")
			}
			return nil
		},
	}}}
	for name, raw := range map[string]any{
		"yaml": []any{map[string]any{"scope": "people"}},
		"text": "- scope: people\n",
		"form": "\r\n  - scope: people\r\n    kind: person\r\n",
	} {
		s, err := Check(info, map[string]any{"maps": raw}, FromFile)
		var list []map[string]any
		if err == nil {
			err = yaml.Unmarshal([]byte(s.Text("maps")), &list)
		}
		if err != nil || len(list) != 1 || list[0]["scope"] != "people" {
			t.Errorf("%s: %q, %v", name, s.Text("maps"), err)
		}
	}
	_, err := Check(info, map[string]any{"maps": "- scope: rooms"}, FromConsole)
	if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "maps: holds no people") {
		t.Errorf("a document that breaks its rules: %v", err)
	}
}

// A command is kept as it is, is never split, and never comes from the console.
func TestCommand(t *testing.T) {
	info := Info{ID: "x", Fields: []Field{{Name: "command", Type: FieldCommand}}}
	s, err := Check(info, map[string]any{"command": []any{"./dump", "", " a b ", "$(id)"}}, FromFile)
	if err != nil || !cmp.Equal(s.List("command"), []string{"./dump", "", " a b ", "$(id)"}) {
		t.Errorf("got %q, %v", s.List("command"), err)
	}
	for name, raw := range map[string]any{"a line for a shell": "./dump --all", "a number": []any{"./dump", 5}, "NUL": []any{"a\x00b"}} {
		if _, err := Check(info, map[string]any{"command": raw}, FromFile); !errors.Is(err, ErrSettings) {
			t.Errorf("%s: error %v, want ErrSettings", name, err)
		}
	}
	if _, err := Check(info, map[string]any{"command": []any{"./dump"}}, FromConsole); !errors.Is(err, ErrSettings) {
		t.Errorf("from the console: error %v, want ErrSettings", err)
	}
}

// Rules between settings are held once each of them is right.
func TestRulesBetweenSettings(t *testing.T) {
	info := testInfo()
	info.Check = func(s Settings) error {
		if s.Text("token") == "" {
			return errors.New("token is missing")
		}
		return nil
	}
	if _, err := Check(info, map[string]any{"url": "http://h"}, FromFile); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "token is missing") {
		t.Errorf("error %v", err)
	}
	if _, err := Check(info, map[string]any{"url": "http://h", "token": "x"}, FromFile); err != nil {
		t.Error(err)
	}
}
