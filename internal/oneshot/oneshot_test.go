package oneshot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"prumo.dev/prumo/internal/check"
)

func clock() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// def writes a check file.
func def(id, kind, rest, examples string) string {
	return "id: " + id + "\nversion: 1\nkind: " + kind + "\nseverity: high\ntitle: {en: Title of " + id + "}\nfix: {en: Mend it.}\ncontrols: [c-1]\n" +
		rest + "examples:\n" + examples
}

func folder() fs.FS {
	account := func(body string) string {
		return fmt.Sprintf("  - {want: pass, account: %s}\n  - {want: fail, account: {}}\n  - {want: unknown, account: {}}\n", body)
	}
	files := map[string]string{
		"mfa": def("account-has-mfa", "account", "when: account.active\npass: account.mfa\nmessage: {en: \"{{account.login}} has no second factor\"}\n", account("{}")),
		"own": def("account-has-person", "account", "pass: account.person.active\nmessage: {en: nobody}\n", account("{}")),
		"red": def("item-is-red", "item", "when: item.data.type == 'box'\npass: item.data.color == params.color\nparams: {color: red}\nmessage: {en: \"{{item.id}} is {{item.data.color}}\"}\n",
			"  - {want: pass, item: {data: {}}}\n  - {want: fail, item: {data: {}}}\n  - {want: unknown, item: {data: {}}}\n"),
		"few": def("admins-are-few", "account", "each: false\nwhen: account.active\npass: accounts.filter(a, a.admin).size() <= 1\nmessage: {en: \"{{accounts.filter(a, a.admin).map(a, a.id)}}\"}\n",
			"  - {want: pass, accounts: []}\n  - {want: fail, accounts: []}\n  - {want: unknown, accounts: []}\n"),
		"one": def("one-owner", "person", "each: false\npass: people.exists_one(p, p.title == 'owner')\nempty: pass\nmessage: {en: owners}\n",
			"  - {want: pass, people: []}\n  - {want: fail, people: []}\n  - {want: unknown, people: []}\n"),
	}
	out := fstest.MapFS{}
	for name, text := range files {
		out[name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func checks(t testing.TB) *check.Set {
	t.Helper()
	s, problems := check.Load(folder())
	for _, p := range problems {
		t.Fatal(p)
	}
	return s
}

func line(kind, id, data string) string {
	return fmt.Sprintf(`{"kind":%q,"id":%q,"source":"s","observed_at":"2026-06-01T11:00:00Z","data":%s}`, kind, id, data)
}

func facts() string {
	return strings.Join([]string{
		line("account", "a1", `{"login":"ana","active":true,"mfa":true,"admin":true,"person":"p1"}`),
		line("account", "a2", `{"login":"bob","active":true,"mfa":false,"admin":true,"person":"p9"}`),
		line("account", "a3", `{"active":false}`),
		line("person", "p1", `{"active":true,"title":"owner"}`),
		line("item", "i1", `{"type":"box","color":"red"}`),
		line("item", "i2", `{"type":"box","color":"blue \"x\""}`),
		line("item", "i3", `{"type":"box"}`),
		line("item", "i4", `{"type":"bag"}`),
	}, "\n") + "\n"
}

func runText(t testing.TB, opts Options, text string) (exit int, out, errs string) {
	t.Helper()
	if opts.Checks == nil {
		opts.Checks = checks(t)
	}
	if opts.Facts == nil {
		opts.Facts = strings.NewReader(text)
	}
	opts.Now, opts.Name = clock(), "facts.jsonl"
	var o, e bytes.Buffer
	exit = Run(context.Background(), opts, &o, &e)
	return exit, o.String(), e.String()
}

const wantLines = `{"check":"account-has-mfa","fact":"a1","status":"pass","reason":""}
{"check":"account-has-person","fact":"a1","status":"pass","reason":""}
{"check":"account-has-mfa","fact":"a2","status":"fail","reason":"bob has no second factor"}
{"check":"account-has-person","fact":"a2","status":"unknown","reason":"account.person leads nowhere"}
{"check":"account-has-mfa","fact":"a3","status":"not_applicable","reason":""}
{"check":"account-has-person","fact":"a3","status":"unknown","reason":"account.person was not said"}
{"check":"item-is-red","fact":"i1","status":"pass","reason":""}
{"check":"item-is-red","fact":"i2","status":"fail","reason":"i2 is blue \"x\""}
{"check":"item-is-red","fact":"i3","status":"unknown","reason":"item.data.color was not said"}
{"check":"item-is-red","fact":"i4","status":"not_applicable","reason":""}
{"check":"admins-are-few","fact":"set:account","status":"fail","reason":"a1, a2"}
{"check":"one-owner","fact":"set:person","status":"pass","reason":""}
`

func TestJSONL(t *testing.T) {
	for name, opts := range map[string]Options{
		"seekable": {}, "pipe": {Facts: io.MultiReader(strings.NewReader(facts()))}, "one worker": {Workers: 1}, "many workers": {Workers: 7},
		"slow": {Facts: iotestOneByte{strings.NewReader(facts())}},
	} {
		opts.Format = "jsonl"
		exit, out, errs := runText(t, opts, facts())
		if exit != exitFailed || errs != "" || out != wantLines {
			t.Errorf("%s: exit %d, errors %q, got\n%s", name, exit, errs, out)
		}
	}
}

type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestExit(t *testing.T) {
	good := line("item", "x", `{"type":"box","color":"red"}`) + "\n"
	bad := line("item", "y", `{"type":"box","color":"blue"}`) + "\n"
	silent := line("item", "z", `{"type":"box"}`) + "\n"
	none := line("item", "n", `{"type":"bag"}`) + "\n"
	for _, tt := range []struct {
		text    string
		unknown bool
		want    int
	}{
		{"", false, 0}, {good, false, 0}, {none, false, 0}, {bad, false, 1}, {silent, false, 0}, {silent, true, 1}, {good + good, false, 2},
		{bad + "{\n", false, 2}, {good + "{\n", false, 2}, {good, true, 0},
	} {
		exit, _, errs := runText(t, Options{UnknownFails: tt.unknown}, tt.text)
		if exit != tt.want {
			t.Errorf("%q unknown fails %v: exit %d, want %d (%s)", tt.text, tt.unknown, exit, tt.want, errs)
		}
	}
	if exit, _, errs := runText(t, Options{Format: "xml"}, ""); exit != 2 || !strings.Contains(errs, "format \"xml\" does not exist; ") {
		t.Errorf("got %d %q", exit, errs)
	}
	if exit, _, _ := runText(t, Options{Params: map[string]map[string]any{"nothing": {}}}, ""); exit != 2 {
		t.Errorf("got %d", exit)
	}
	if exit, _, _ := runText(t, Options{Params: map[string]map[string]any{"item-is-red": {"color": "blue"}}}, bad); exit != 0 {
		t.Errorf("got %d", exit)
	}
}

func TestRefusedLines(t *testing.T) {
	text := line("item", "x", `{"type":"bag"}`) + "\n\n" + "{\n" + line("item", "x", `{"type":"box"}`) + "\n" + line("nothing", "y", `{}`) + "\n" +
		line("account", "z", `{"mfaa":true}`) + "\n" + line("item", "long", `{"t":"`+strings.Repeat("x", 1<<20)+`"}`) + "\n" +
		strings.Replace(line("item", "f", `{}`), "11:00", "12:06", 1) + "\n\xff\n" + line("item", "last", `{"type":"box"}`)
	exit, out, errs := runText(t, Options{Format: "jsonl"}, text)
	if exit != 2 {
		t.Errorf("exit %d", exit)
	}
	want := []string{"facts.jsonl:3: the line is not a fact: ", "facts.jsonl:4: the id was already given", "facts.jsonl:5: kind \"nothing\"", "facts.jsonl:6: data does not fit kind account: ", "facts.jsonl:7: the line is longer than 1 MB; ", "facts.jsonl:8: observed_at lies", "facts.jsonl:9: the line is not UTF-8; "}
	got := strings.Split(strings.TrimSpace(errs), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) || !strings.Contains(got[i], "; ") {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
	if !strings.Contains(out, `"fact":"x","status":"not_applicable"`) || strings.Count(out, `"fact":"x"`) != 1 || !strings.Contains(out, `"fact":"last","status":"unknown"`) {
		t.Errorf("got %s", out)
	}
}

func TestStale(t *testing.T) {
	old := func(l string) string { return strings.Replace(l, "2026-06-01T11:00:00Z", "2026-05-25T11:59:59Z", 1) }
	text := old(line("item", "i1", `{"type":"box","color":"red"}`)) + "\n" + old(line("item", "i2", `{"type":"bag"}`)) + "\n" + old(line("person", "p", `{"title":"owner"}`)) + "\n"
	_, out, _ := runText(t, Options{Format: "jsonl"}, text)
	for _, want := range []string{
		`"fact":"i1","status":"unknown","reason":"stale: observed at 2026-05-25T11:59:59Z, longer ago than 168h0m0s"`, `"fact":"i2","status":"not_applicable"`,
		`"fact":"set:person","status":"unknown","reason":"stale: `,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

// TestManyBlocks judges a file of many blocks and compares with one worker.
func TestManyBlocks(t *testing.T) {
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintln(&b, line("item", fmt.Sprintf("i%d", i), fmt.Sprintf(`{"type":"box","color":"%s","n":%d}`, []string{"red", "blue"}[i%3%2], i)))
		if i%1000 == 0 {
			b.WriteString("{bad\n" + line("item", "i5", `{"type":"box","color":"blue"}`) + "\n")
		}
	}
	_, out1, err1 := runText(t, Options{Format: "jsonl", Workers: 1}, b.String())
	_, out4, err4 := runText(t, Options{Format: "jsonl", Workers: 4}, b.String())
	if out1 != out4 || err1 != err4 {
		t.Error("the number of workers shows")
	}
	if n := strings.Count(out1, "\n"); n != 20_002 {
		t.Errorf("got %d verdicts", n)
	}
	if n := strings.Count(err1, "already given"); n != 20 {
		t.Errorf("got %d", n)
	}
	_, failures, _ := runText(t, Options{Format: "jsonl", FailuresOnly: true}, b.String())
	if n := strings.Count(failures, "\n"); n != strings.Count(out1, `"status":"fail"`) {
		t.Errorf("got %d failures", n)
	}
}

func TestSourcesAndIncomplete(t *testing.T) {
	text := line("person", "p1", `{"active":false}`) + "\n" + strings.Replace(line("person", "p1", `{"active":true,"title":"owner"}`), `"source":"s"`, `"source":"t"`, 1) + "\n" +
		strings.Replace(line("account", "p1", `{"person":"p1","active":false}`), `"source":"s"`, `"source":"t"`, 1) + "\n"
	exit, out, errs := runText(t, Options{Format: "jsonl", Sources: true, Incomplete: map[string]string{"person": "the list was cut"}}, text)
	if exit != 0 || errs != "" {
		t.Errorf("exit %d, %s", exit, errs)
	}
	for _, want := range []string{
		`{"check":"account-has-person","fact":"p1","status":"pass"`, `{"check":"one-owner","fact":"set:person","status":"unknown","reason":"not every fact was read: the list was cut"}`,
		`{"check":"admins-are-few","fact":"set:account","status":"not_applicable"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}
