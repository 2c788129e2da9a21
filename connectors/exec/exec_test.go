package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// script writes a program and returns settings that run it.
func script(t *testing.T, text string) connector.Settings {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "dump-facts")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return connector.Settings{"command": []string{path}, "directory": dir, "timeout": int64(20)}
}

// collect makes one reading with this environment behind it.
func collect(t *testing.T, s connector.Settings, env map[string]string) (*connector.Memory, string) {
	t.Helper()
	m, log, err := try(t.Context(), s, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, sc := range m.Scopes() {
		if !sc.Closed || sc.Reading != fact.Complete && sc.Detail.Why == "" {
			t.Errorf("scope %s is left open, or %s without a reason", sc.Scope.Name, sc.Reading)
		}
	}
	return m, log
}

func try(ctx context.Context, s connector.Settings, env map[string]string) (*connector.Memory, string, error) {
	m := connector.Record()
	var log bytes.Buffer
	run := connector.Run{Source: "crm", Settings: s, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}
	c := New(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	err := c.Collect(ctx, run, m)
	return m, log.String(), err
}

// said shows how each scope was closed.
func said(m *connector.Memory) string {
	var b strings.Builder
	for _, s := range m.Scopes() {
		fmt.Fprintf(&b, "%s %s %d; ", s.Scope.Name, s.Reading, s.Detail.Seen)
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// what names the reasons.
func whys(m *connector.Memory) string {
	var b strings.Builder
	for _, s := range m.Scopes() {
		b.WriteString(s.Detail.Why + "\n")
	}
	return b.String()
}

const ana = `echo '{"kind":"person","id":"crm/ana","data":{"name":"Ana"}}'` + "\n"

func TestWhatProgramsPrint(t *testing.T) {
	for name, c := range map[string]struct{ text, want, why string }{
		"facts alone":    {ana + `echo '{"kind":"item","id":"x","source":"crm","observed_at":"2026-01-31T10:00:00Z","data":{"a":1}}'`, "person complete 1; item complete 1; program complete 0", ""},
		"no last line":   {`printf '%s' '{"kind":"person","id":"a","data":{}}'`, "person complete 1; program complete 0", ""},
		"scopes":         {`echo '{"scope":"people","kinds":["person"]}'` + "\n" + ana + `echo '{"close":"people","of":1}'`, "people complete 1; program complete 0", ""},
		"empty scope":    {`echo '{"scope":"people","kinds":["person"]}'; echo '{"close":"people"}'`, "people complete 0; program complete 0", ""},
		"named scopes":   {`echo '{"scope":"a","kinds":["person"]}'; echo '{"scope":"b","kinds":["item"]}'; echo '{"kind":"person","id":"p","scope":"a","data":{}}'; echo '{"close":"a"}'; echo '{"close":"b"}'`, "a complete 1; b complete 0; program complete 0", ""},
		"not closed":     {`echo '{"scope":"people","kinds":["person"]}'` + "\n" + ana, "people partial 1; program complete 0", `print {"close":"people"}`},
		"fewer":          {`echo '{"scope":"people","kinds":["person"]}'` + "\n" + ana + `echo '{"close":"people","of":3}'`, "people partial 1; program complete 0", "fewer facts"},
		"says partial":   {`echo '{"scope":"people","kinds":["person"]}'; echo '{"close":"people","reading":"partial","why":"the CRM is slow"}'`, "people partial 0; program complete 0", "the CRM is slow"},
		"says forbidden": {`echo '{"scope":"people","kinds":["person"]}'; echo '{"close":"people","reading":"forbidden"}'; exit 1`, "people forbidden 0; program partial 0", "refused"},
		"fails":          {ana + "exit 3", "person partial 1; program partial 0", "status 3"},
		"closed, fails":  {`echo '{"scope":"people","kinds":["person"]}'` + "\n" + ana + `echo '{"close":"people"}'; exit 4`, "people partial 1; program partial 0", "status 4"},
		"kills itself":   {ana + "kill -9 $$", "person partial 1; program partial 0", "signal"},
		"nothing":        {"true", "program partial 0", "printed nothing"},
		"noise":          {"echo connecting...\n" + ana, "person partial 1; program partial 0", "line 1 was refused: it is no JSON object"},
		"bad data":       {ana + `echo '{"kind":"person","id":"b","data":{"nome":"B"}}'`, "person partial 1; program complete 0", `line 2 was refused: field "nome"`},
		"bad kind":       {ana + `echo '{"kind":"persn","id":"b","data":{}}'`, "person partial 1; program partial 0", "did you mean person"},
		"twice":          {ana + ana, "person partial 1; program complete 0", "given in line 1"},
		"two members":    {`echo '{"kind":"person","id":"a","id":"b","data":{}}'`, "program partial 0", "given twice"},
		"unknown member": {`echo '{"kind":"person","id":"a","name":"Ana","data":{}}'`, "program partial 0", "belong into data"},
		"no id":          {`echo '{"kind":"person","data":{}}'`, "person partial 0; program complete 0", "id is empty"},
		"no data":        {`echo '{"kind":"person","id":"a"}'`, "person partial 0; program complete 0", "data is missing"},
		"collector":      {`echo '{"kind":"collector","id":"a","data":{}}'`, "program partial 0", "refused"},
		"NUL":            {ana + `printf '\000\n'`, "person partial 1; program partial 0", "line 2"},
		"not UTF-8":      {ana + `printf '{"kind":"person","id":"\377","data":{}}\n'`, "person partial 1; program partial 0", "UTF-8"},
		"lost scope":     {`echo '{"scope":"people"}'` + "\n" + ana, "program partial 0", "kinds is missing"},
		"after closing":  {`echo '{"scope":"people","kinds":["person"]}'; echo '{"close":"people"}'` + "\n" + ana, "people partial 0; program partial 0", "stands in no scope"},
		"wrong scope":    {`echo '{"scope":"people","kinds":["item"]}'` + "\n" + ana + `echo '{"close":"people"}'`, "people partial 0; program complete 0", "does not belong into scope"},
		"taken name":     {`echo '{"scope":"person","kinds":["person"]}'`, "program partial 0", "cannot be called"},
		"null":           {"echo null", "program partial 0", "no JSON object"},
		"long line":      {ana + `head -c 2000000 /dev/zero | tr '\0' 'x'; echo`, "person partial 1; program partial 0", "longer than 1 MB"},
		"deep":           {ana + `printf '{"kind":"item","id":"d","data":{"a":'; head -c 20000 /dev/zero | tr '\0' '['; echo`, "person partial 1; program partial 0", "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := collect(t, script(t, c.text), nil)
			if got := said(m); got != c.want || !strings.Contains(whys(m), c.why) {
				t.Errorf("got %s\nwant %s\nreasons: %swant: %s", got, c.want, whys(m), c.why)
			}
		})
	}
}

// Kinds of the settings are scopes of every run, also of one that never started.
func TestKindsOfTheSettings(t *testing.T) {
	s := script(t, ana)
	s["kinds"] = []string{"person", "account"}
	m, _ := collect(t, s, nil)
	if got := said(m); got != "person complete 1; account complete 0" {
		t.Errorf("got %s", got)
	}
	s["command"] = []string{"/nowhere/dump"}
	m, _ = collect(t, s, nil)
	if got := said(m); got != "person partial 0; account partial 0" || !strings.Contains(whys(m), "not there") {
		t.Errorf("got %s: %s", got, whys(m))
	}
}

// What cannot be started says why, and its facts stay.
func TestWhatCannotStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for want, command := range map[string][]string{
		"x bit":               {write("plain", "#!/bin/sh\n", 0o600)},
		"interpreter":         {write("odd", "#!/no/such/interpreter\n", 0o700)},
		"no program of":       {write("data", "\x00\x01\x02\x03", 0o700)},
		"is no file":          {dir},
		"not in the system's": {"--help"},
	} {
		m, _ := collect(t, connector.Settings{"command": command, "directory": dir}, nil)
		if said(m) != "program partial 0" || !strings.Contains(whys(m), want) {
			t.Errorf("%v: %s: %s, want %q", command, said(m), whys(m), want)
		}
	}
	m, _ := collect(t, connector.Settings{"command": []string{"true"}, "directory": "/no/such/folder"}, nil)
	if !strings.Contains(whys(m), "working folder") {
		t.Errorf("no folder: %s", whys(m))
	}
}

// The program gets what the settings name and nothing of ours.
func TestEnvironment(t *testing.T) {
	t.Setenv("PRUMO_KEY_FILE", "ours-and-secret")
	s := script(t, `printf '{"kind":"item","id":"env","data":{"all":"%s"}}\n' "$(env | cut -d= -f1 | sort | tr '\n' ' ')"
printf '{"kind":"item","id":"values","data":{"token":"%s","mode":"%s","in":"%s","key":"%s","here":"%s"}}\n' "$TOKEN" "$MODE" "$(cat)" "$PRUMO_KEY_FILE" "$(pwd)"
echo "token is $TOKEN, input is hush-hush" >&2; exit 1`)
	s["environment"] = []string{"TOKEN", "MODE=a=b"}
	s["input"] = "hush-hush"
	m, log := collect(t, s, map[string]string{"TOKEN": "tok-secret-1", "PRUMO_KEY_FILE": "ours-and-secret", "HOME": "/root"})
	all := string(m.Facts()[0].Data)
	if want := `{"all":"LC_ALL MODE PATH PRUMO_RUN PWD TOKEN "}`; all != want && all != strings.Replace(want, "TOKEN ", "TOKEN _ ", 1) {
		t.Errorf("the program sees %s, want %s", all, want)
	}
	if got, want := string(m.Facts()[1].Data), `{"token":"tok-secret-1","mode":"a=b","in":"hush-hush","key":"","here":"`+s.Text("directory")+`"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if strings.Contains(log, "tok-secret-1") || strings.Contains(log, "hush-hush") || !strings.Contains(log, "[secret]") {
		t.Errorf("the log holds a secret, or nothing: %s", log)
	}
	if strings.Contains(whys(m), "token") {
		t.Errorf("what the program complained of is shown: %s", whys(m))
	}
	s["environment"] = []string{"NOT_SET"}
	if m, _ := collect(t, s, nil); !strings.Contains(whys(m), "NOT_SET") {
		t.Errorf("a variable that is not set: %s", whys(m))
	}
}

// No shell reads the arguments.
func TestArgumentsAreNotRead(t *testing.T) {
	s := script(t, `for a in "$@"; do printf '{"kind":"item","id":"%s","data":{}}\n' "$a"; done`)
	s["command"] = append(s.List("command"), "--flag", "$(id)", "; rm -rf x", "*")
	m, _ := collect(t, s, nil)
	var ids []string
	for _, f := range m.Facts() {
		ids = append(ids, f.ID)
	}
	if got := strings.Join(ids, "|"); got != "--flag|$(id)|; rm -rf x|*" {
		t.Errorf("got %s", got)
	}
}

// alive reports whether a process that a script named in a file still runs. One
// that was killed is given the moment that the kernel takes to end it.
func alive(t *testing.T, file string) bool {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return false
		}
		if _, state, _ := bytes.Cut(stat, []byte(") ")); bytes.HasPrefix(state, []byte("Z")) || bytes.HasPrefix(state, []byte("X")) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// Nothing of a run outlives it: neither children in the background nor those
// that left the program's group and session.
func TestNothingIsLeftBehind(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs /proc")
	}
	for name, c := range map[string]struct {
		text    string
		timeout int64
		why     string
	}{
		"background":        {`sleep 300 >/dev/null 2>&1 & echo $! >pid` + "\n" + ana, 20, ""},
		"holds the output":  {`sleep 300 & echo $! >pid` + "\n" + ana, 20, "held its output"},
		"own session":       {`setsid sh -c 'echo $$ >pid; exec sleep 300' >/dev/null 2>&1 & while [ ! -s pid ]; do sleep 0.05; done` + "\n" + ana, 20, ""},
		"time limit":        {`sh -c 'echo $$ >pid; sleep 300; true'`, 1, "longer than 1s"},
		"deaf to the limit": {`trap '' TERM HUP INT; echo $$ >pid; while :; do sleep 0.1; done`, 1, "longer than 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, c.text)
			s["timeout"] = c.timeout
			start := time.Now()
			m, _ := collect(t, s, nil)
			if alive(t, filepath.Join(s.Text("directory"), "pid")) {
				t.Error("a process outlived the run")
			}
			if !strings.Contains(whys(m), c.why) || time.Since(start) > 8*time.Second {
				t.Errorf("%s: %safter %v, want %q", said(m), whys(m), time.Since(start), c.why)
			}
		})
	}
}

// Output without end is cut, and the program with it.
func TestEndlessOutput(t *testing.T) {
	start := time.Now()
	s := script(t, `exec yes '{"kind":"person","id":"crm/ana","data":{"name":"Ana"}}'`)
	s["timeout"] = int64(2)
	m, _ := collect(t, s, nil)
	if len(m.Facts()) != 1 || m.Scopes()[0].Reading != fact.Partial {
		t.Errorf("%s: %s", said(m), whys(m))
	}
	l := &limited{r: strings.NewReader(strings.Repeat("x", 20)), left: 10}
	var b bytes.Buffer
	if _, err := b.ReadFrom(l); err == nil || b.Len() != 10 {
		t.Errorf("%d bytes and %v, want 10 and an error", b.Len(), err)
	}
	if time.Since(start) > 10*time.Second {
		t.Errorf("took %v", time.Since(start))
	}
}

// Standard error without end neither fills the memory nor stops the program.
func TestEndlessComplaints(t *testing.T) {
	m, log := collect(t, script(t, "head -c 30000000 /dev/zero | tr '\\0' 'e' >&2\n"+ana+"echo last words >&2; exit 1"), nil)
	if len(m.Facts()) != 1 || !strings.Contains(log, "last words") || len(log) > 2*maxStderr {
		t.Errorf("%s and a log of %d bytes", said(m), len(log))
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := script(t, ana+"echo $$ >pid; sleep 300")
	time.AfterFunc(300*time.Millisecond, cancel)
	m, _, err := try(ctx, s, nil)
	if !errors.Is(err, context.Canceled) || len(m.Scopes()) == 0 || m.Scopes()[0].Reading != fact.Partial {
		t.Errorf("%s, %v", said(m), err)
	}
	if alive(t, filepath.Join(s.Text("directory"), "pid")) {
		t.Error("the program outlived the cancelled reading")
	}
}

const rowsMap = `
- scope: tickets
  kind: record
  items: page.tickets
  id: '"crm/" + string(row.no)'
  fields: {title: row.title}
  examples:
    - {row: {no: 7, title: x}, id: crm/7, want: {title: x}}
`

// A program may print JSON of its own, as one value or a row a line.
func TestRows(t *testing.T) {
	lines := strings.Replace(rowsMap, "  items: page.tickets\n", "", 1)
	for name, c := range map[string]struct{ maps, output, text, want, why string }{
		"json":        {rowsMap, "", `echo '{"tickets":[{"no":1,"title":"a"},{"no":2,"title":"b"}]}'`, "tickets complete 2", ""},
		"none":        {rowsMap, "", `echo '{"tickets":[]}'`, "tickets complete 0", ""},
		"nothing":     {rowsMap, "", `true`, "tickets partial 0", "empty"},
		"half":        {rowsMap, "", `echo '{"tickets":['`, "tickets partial 0", "cut short"},
		"error":       {rowsMap, "", `echo '{"tickets":[],"error":"x"}'`, "tickets partial 0", "failure"},
		"fails":       {rowsMap, "", `echo '{"tickets":[{"no":1}]}'; exit 2`, "tickets partial 1", "status 2"},
		"lines":       {lines, "lines", `echo '{"no":1}'; echo; echo '{"no":2}'`, "tickets complete 2", ""},
		"no lines":    {lines, "lines", `true`, "tickets complete 0", ""},
		"a bad line":  {lines, "lines", `echo '{"no":1}'; echo oops; echo '{"no":2}'`, "tickets partial 2", "line 2: no JSON object"},
		"lines, then": {lines, "lines", `echo '{"no":1}'; exit 9`, "tickets partial 1", "status 9"},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, c.text)
			s["maps"] = c.maps
			if c.output != "" {
				s["output"] = c.output
			}
			m, _ := collect(t, s, nil)
			if said(m) != c.want || !strings.Contains(whys(m), c.why) {
				t.Errorf("%s: %s, want %s with %q", said(m), whys(m), c.want, c.why)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	info := New(nil).Info()
	ok := map[string]any{"command": []any{"/bin/true"}}
	if _, err := connector.Check(info, ok, connector.FromConsole); !errors.Is(err, connector.ErrSettings) {
		t.Errorf("from the console: %v, want ErrSettings", err)
	}
	for want, more := range map[string]map[string]any{
		"command: is missing":      {"command": []any{}},
		"did you mean person":      {"kinds": []any{"persn"}},
		"NAME or NAME=value":       {"environment": []any{"a b=c"}},
		"must be from 1":           {"timeout": 0},
		"facts, json or lines":     {"output": "xml"},
		"maps is missing":          {"output": "json"},
		"needs no maps":            {"output": "facts", "maps": rowsMap},
		"items is for output":      {"output": "lines", "maps": rowsMap},
		"title is \"x\", want \"y": {"maps": strings.Replace(rowsMap, "want: {title: x}", "want: {title: y}", 1)},
	} {
		raw := map[string]any{"command": []any{"/bin/true"}}
		for k, v := range more {
			raw[k] = v
		}
		if _, err := connector.Check(info, raw, connector.FromFile); !errors.Is(err, connector.ErrSettings) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", more, err, want)
		}
	}
}

// Whatever a program prints, its scopes are closed and no line is believed that is not whole.
func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"scope":"people","kinds":["person"]}` + "\n" + `{"kind":"person","id":"a","data":{}}` + "\n" + `{"close":"people"}`))
	f.Add([]byte("{\"kind\":\"item\",\"id\":\"x\",\"data\":{\"a\":[1]}}\nnull\n{}\n\x00"))
	f.Fuzz(func(t *testing.T, out []byte) {
		m := connector.Record()
		l := newLines(m, nil)
		if err := l.take(bytes.NewReader(out)); err != nil {
			t.Fatal(err)
		}
		if err := l.finish(nil); err != nil {
			t.Fatal(err)
		}
		for _, s := range m.Scopes() {
			if !s.Closed {
				t.Errorf("scope %q is left open", s.Scope.Name)
			}
		}
	})
}
