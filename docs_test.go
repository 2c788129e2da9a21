package prumo_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/config"
)

// A block is one fenced block of a document.
type block struct {
	file string
	line int // of its fence
	lang string
	text string
}

// A command is one "$ " line of a console block with what it must print. A line
// "..." in the output stands for any lines.
type command struct {
	line int
	run  string
	want string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

func TestDocumentsTellTheTruth(t *testing.T) {
	docs := documents(t)
	blocks := map[string][]block{}
	for _, file := range docs {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		report(t, linkProblems(file, string(text)))
		for _, b := range fences(file, string(text)) {
			blocks[b.lang] = append(blocks[b.lang], b)
			report(t, quick(b))
		}
	}
	t.Run("go", func(t *testing.T) { report(t, compile(t, blocks["go"])) })
	t.Run("console", func(t *testing.T) {
		if len(blocks["console"]) == 0 {
			return
		}
		bin := buildProgram(t)
		for _, file := range docs {
			dir := playground(t)
			for _, b := range blocks["console"] {
				if b.file == file { // the blocks of one document follow each other in one folder
					report(t, console(t, b, dir, bin))
				}
			}
		}
	})
}

// quick judges what needs neither a compiler nor the program.
func quick(b block) []string {
	switch b.lang {
	case "text", "sh", "console", "go":
		return nil
	case "yaml":
		return yamlProblems(b)
	case "json":
		if !json.Valid([]byte(b.text)) {
			return []string{b.String() + ": not JSON"}
		}
		return nil
	case "":
		return []string{b.String() + ": name the block's language; text for what nothing checks"}
	}
	return []string{fmt.Sprintf("%s: nothing checks blocks of %q; use console, go, yaml, json, sh or text", b, b.lang)}
}

// yamlProblems parses a check as a check and prumo.yaml as prumo.yaml, by the
// program's own readers, and anything else as YAML.
func yamlProblems(b block) []string {
	var top map[string]any
	if err := yaml.Unmarshal([]byte(b.text), &top); err != nil {
		return []string{fmt.Sprintf("%s: %v", b, err)}
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { _, ok := top[k]; return ok })
	}
	var problems []string
	switch {
	case has("pass") && has("kind"):
		_, found := check.Parse(b.file, []byte(b.text))
		for _, p := range found {
			problems = append(problems, fmt.Sprintf("%s: in its check: %v", b, p))
		}
	case has("sources", "routes", "organisation"):
		_, found, err := config.Parse(b.file, []byte(b.text), func(string) string { return "set" })
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", b, err))
		}
		for _, p := range found {
			// The folders and secrets that an example names exist where it is used.
			if !regexp.MustCompile(`(folder|file) \S+ (is not there|cannot be read)`).MatchString(fmt.Sprint(p)) {
				problems = append(problems, fmt.Sprintf("%s: in its prumo.yaml: %v", b, p))
			}
		}
	}
	return problems
}

// fences returns the fenced blocks of a document.
func fences(file, text string) []block {
	var all []block
	var open *block
	n := 0
	for line := range strings.Lines(text) {
		n++
		mark, is := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case is && open == nil:
			open = &block{file: file, line: n, lang: strings.TrimSpace(mark)}
		case is:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		all = append(all, block{file: file, line: open.line, lang: "never closed"})
	}
	return all
}

// commands takes a console block apart. A line "> " goes on with the command above.
func commands(b block) ([]command, error) {
	var all []command
	n := b.line
	for line := range strings.Lines(b.text) {
		n++
		if run, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, command{line: n, run: run})
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("%s:%d: a console block starts with a command: $ ", b.file, n)
		}
		last := &all[len(all)-1]
		if more, ok := strings.CutPrefix(line, "> "); ok && last.want == "" {
			last.run += more
		} else {
			last.want += line
		}
	}
	return all, nil
}

// console runs a block and returns what did not print what it says.
func console(t *testing.T, b block, dir, bin string) []string {
	t.Helper()
	list, err := commands(b)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, c := range list {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", c.run)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "LC_ALL=C.UTF-8")
		// A command may fail on purpose; what it prints is what counts.
		out, err := cmd.CombinedOutput()
		if !printed(string(out), c.want) {
			problems = append(problems, fmt.Sprintf("%s:%d: $ %s\nprinted (%v):\n%s\nbut the document says:\n%s",
				b.file, c.line, strings.TrimSpace(c.run), err, out, c.want))
		}
	}
	return problems
}

// printed compares an output with what is promised, in which "..." is any lines.
func printed(got, want string) bool {
	pattern := regexp.QuoteMeta(strings.TrimRight(want, "\n"))
	pattern = regexp.MustCompile(`(?m)^\\\.\\\.\\\.$\n?`).ReplaceAllString(pattern, `(?:.*\n)*?`)
	re, err := regexp.Compile(`^` + pattern + `\n*$`)
	return err == nil && re.MatchString(strings.TrimRight(got, "\n")+"\n")
}

// compile builds each go block as a package of this module, so that it may import
// what is internal.
func compile(t *testing.T, blocks []block) []string {
	t.Helper()
	var problems []string
	dir := t.TempDir()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		if !regexp.MustCompile(`(?m)^package \w+`).MatchString(b.text) {
			problems = append(problems, b.String()+": a go block is a whole file with its package clause; use text for a fragment")
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("block%d.go", i))
		if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		pkg := fmt.Sprintf("connectors/docblock%d", i)
		overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, pkg, "x.go"): file}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file+".json", overlay, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", file+".json", "-o", os.DevNull, "./"+pkg).CombinedOutput()
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: does not compile: %v\n%s", b, err, out))
		}
	}
	return problems
}

// linkProblems looks for links to files that are not there.
func linkProblems(file, text string) []string {
	var problems []string
	for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
		u, err := url.Parse(m[1])
		if err != nil || u.IsAbs() || u.Path == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), u.Path)); err != nil {
			problems = append(problems, fmt.Sprintf("%s: links to %s, which is not there", file, m[1]))
		}
	}
	return problems
}

// documents are the files that people read: the root's and all under docs.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	walk(t, func(file string, _ []byte) {
		if filepath.Ext(file) == ".md" && (!strings.Contains(file, "/") || strings.HasPrefix(file, "docs/")) {
			all = append(all, file)
		}
	})
	if len(all) == 0 {
		t.Fatal("found no document")
	}
	return all
}

// playground is an empty folder with the repository's checks and documents in sight.
func playground(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"checks", "docs"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func buildProgram(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator), "./cmd/...")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return bin
}

// Each document here holds one lie that must be found.
func TestDocumentGuardsBite(t *testing.T) {
	fence := func(lang, text string) block {
		b := fences("x.md", "```"+lang+"\n"+text+"\n```\n")
		if len(b) != 1 {
			t.Fatalf("got %d blocks of %q, want 1", len(b), text)
		}
		return b[0]
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		got  []string
		want string
	}{
		"console":      {console(t, fence("console", "$ echo a\nb"), dir, dir), "but the document says"},
		"no command":   {console(t, fence("console", "a"), dir, dir), "starts with a command"},
		"no program":   {console(t, fence("console", "$ no-such-program"), dir, dir), "not found"},
		"go":           {compile(t, []block{fence("go", "package p\n\nvar x int = \"\"")}), "does not compile"},
		"fragment":     {compile(t, []block{fence("go", "x := 1")}), "package clause"},
		"yaml":         {quick(fence("yaml", "a: [")), "x.md:1"},
		"check":        {quick(fence("yaml", "id: x\nversion: 1\nkind: account\nseverity: nope\npass: account.mfa")), "in its check"},
		"prumo.yaml":   {quick(fence("yaml", "organisation: {nam: x}")), "in its prumo.yaml"},
		"json":         {quick(fence("json", "{")), "not JSON"},
		"no language":  {quick(fence("", "x")), "name the block's language"},
		"strange":      {quick(fence("perl", "x")), "nothing checks blocks"},
		"link":         {linkProblems("docs/x.md", "[a](no-such.md) [b](https://acme.test/x)"), "no-such.md"},
		"never closed": {quick(fences("x.md", "```text\nx")[0]), "never closed"},
	} {
		if len(c.got) == 0 || !strings.Contains(c.got[0], c.want) {
			t.Errorf("%s: got %q, want a problem with %q", name, c.got, c.want)
		}
	}
	good := "$ printf 'a\\nb\\nc\\n'\na\n...\nc\n$ cat <<'E'\n> x\n> E\nx\n$ true"
	if got := console(t, fence("console", good), dir, dir); len(got) > 0 {
		t.Errorf("got %q, want nothing", got)
	}
	if got := compile(t, []block{fence("go", "package p\n\nimport _ \""+module+"/internal/fact\"")}); len(got) > 0 {
		t.Errorf("got %q, want nothing", got)
	}
}
