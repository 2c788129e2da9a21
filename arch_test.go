package prumo_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

const module = "prumo.dev/prumo"

// A row says which of our packages a package may import. "a/*" is any package below
// a, at any depth; the first row that matches a package decides. An import of a
// package below one's own row ("internal/store/*" to "internal/store") is written
// down like any other.
type row struct {
	pkg string
	may []string
}

// table is the law of DESIGN: app -> web, api, store, connectors -> areas, monitor ->
// check, connector -> fact. A new package needs a row, which is the moment to ask
// whether it stands in the right place. Areas don't import each other: what one
// needs of another arrives as facts or through app.
func table() []row {
	const (
		fact, check, connector, monitor = "internal/fact", "internal/check", "internal/connector", "internal/monitor"
		access, alert, framework        = "internal/access", "internal/alert", "internal/framework"
	)
	shown := []string{access, alert, "internal/alert/*", framework, monitor, check, connector, fact, "ledger"}
	return []row{
		{".", nil},
		{"cmd/prumo", []string{"internal/app"}},
		{"cmd/prumo-verify", []string{"ledger"}},
		{"ledger", nil},
		{"ledger/*", []string{"ledger", "ledger/*"}},
		{"sigma", nil},
		{"sigma/*", []string{"sigma", "sigma/*"}},
		{"checks", nil},
		{"content", nil},
		{"connectors", []string{"connectors/*", connector}},
		{"connectors/*", []string{connector, "internal/connector/pg", "internal/connector/mapping", "internal/connector/workflow", fact}},
		{fact, nil},
		{check, []string{fact}},
		{connector, []string{fact}},
		{"internal/connector/pg", []string{connector, fact}}, // the protocol of PostgreSQL, for those that speak it
		{"internal/connector/mapping", []string{connector, fact}},
		{"internal/connector/workflow", []string{fact}},
		{monitor, []string{check, fact, "ledger"}},
		// Areas: rules as pure functions.
		{access, []string{check, fact}},
		{alert, []string{"internal/alert/*", "internal/name", monitor, check, fact}},
		{"internal/alert/channel", nil},
		{"internal/alert/*", []string{"internal/alert/channel", "internal/alert/ticket"}},
		{framework, []string{monitor, check, fact}},
		{"internal/demo", []string{fact}}, // an invented organisation
		// What runs, reads and keeps.
		{"internal/collect", []string{connector, monitor, check, fact}},
		{"internal/config", []string{"internal/name"}},
		{"internal/name", nil},
		{"internal/oneshot", []string{check, fact}},
		{"internal/seal", nil},
		{"internal/store", append([]string{"internal/store/*"}, shown...)},
		{"internal/store/*", append([]string{"internal/store", "internal/store/*"}, shown...)},
		{"internal/web", append([]string{"internal/web/*"}, shown...)},
		{"internal/web/*", append([]string{"internal/web", "internal/web/*"}, shown...)},
		{"internal/api", shown},
		{"internal/api/*", append([]string{"internal/api"}, shown...)},
		{"internal/app", []string{"*"}},
		{"internal/app/*", []string{"*"}},
		// Only for tests.
		{"internal/connector/connectortest", []string{connector, fact}},
		{"internal/testkit", nil},
		{"e2e", []string{"internal/testkit"}},
	}
}

// testOnly are packages that no product code may import: an exam such as
// internal/store/storetest, which is named after its parent. Tests import what they like.
func testOnly(pkg string) bool {
	return pkg == "internal/testkit" || pkg == "e2e" || path.Base(pkg) == path.Base(path.Dir(pkg))+"test"
}

// outside says which packages may import what is not ours and is kept in one place.
func outside(pkg, imported string) string {
	in := func(dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case testOnly(pkg):
		return ""
	case in("internal/fact") && strings.Contains(first, "."):
		return "internal/fact imports the standard library only"
	case in("ledger") && strings.Contains(first, ".") && !strings.HasPrefix(imported, "golang.org/x/mod/"):
		return "ledger imports the standard library and golang.org/x/mod only: outsiders read all of it"
	case database(imported) && !in("internal/store") && !in("internal/connector/pg") && !in("connectors/postgres") && !in("connectors/sql"):
		return "only internal/store speaks SQL"
	}
	return ""
}

func database(imported string) bool {
	for _, p := range []string{
		"database/sql", "modernc.org/sqlite", "github.com/jackc/pgx", "github.com/georgysavva/scany",
		"github.com/huandu/go-sqlbuilder", "github.com/pressly/goose", "github.com/riverqueue/river",
	} {
		if imported == p || strings.HasPrefix(imported, p+"/") {
			return true
		}
	}
	return false
}

// A source is one Go file as the guards see it.
type source struct {
	pkg       string // "." for the root, else such as internal/fact
	file      string
	imports   []string
	lines     int
	test      bool
	generated bool
	doc       bool     // it carries the package comment
	inits     []string // names of functions called init, with their lines
}

func matches(pattern, pkg string) bool {
	if pattern == "*" {
		return true
	}
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(pkg, dir+"/")
	}
	return pattern == pkg
}

// lookup returns the row of a package: an exact one before a pattern.
func lookup(rows []row, pkg string) (row, bool) {
	for _, exact := range []bool{true, false} {
		for _, r := range rows {
			if (r.pkg == pkg) == exact && matches(r.pkg, pkg) {
				return r, true
			}
		}
	}
	return row{}, false
}

// importProblems judges what one file imports.
func importProblems(rows []row, s source) []string {
	if s.test {
		return nil
	}
	r, ok := lookup(rows, s.pkg)
	if !ok && !testOnly(s.pkg) {
		return []string{fmt.Sprintf("%s: package %s has no row in the table of arch_test.go; add one that says what it may import", s.file, s.pkg)}
	}
	var problems []string
	for _, imported := range s.imports {
		ours, is := strings.CutPrefix(imported, module+"/")
		switch {
		case !is:
			if why := outside(s.pkg, imported); why != "" {
				problems = append(problems, fmt.Sprintf("%s imports %s: %s", s.file, imported, why))
			}
		case testOnly(s.pkg): // helpers of tests use what they help with
		case testOnly(ours):
			problems = append(problems, fmt.Sprintf("%s imports %s, which is only for tests", s.file, ours))
		case !slices.ContainsFunc(r.may, func(p string) bool { return matches(p, ours) }):
			problems = append(problems, fmt.Sprintf("%s: %s may not import %s (see the table in arch_test.go)", s.file, s.pkg, ours))
		}
	}
	return problems
}

// shapeProblems judges a file's length and its init functions.
func shapeProblems(s source) []string {
	var problems []string
	if s.lines > 500 && !s.generated {
		problems = append(problems, fmt.Sprintf("%s has %d lines, over 500: split it by topic", s.file, s.lines))
	}
	for _, at := range s.inits {
		problems = append(problems, at+": no init functions; values, not registrations")
	}
	return problems
}

// commentProblems wants a package comment in one file of each package.
func commentProblems(all []source) []string {
	documented := map[string]bool{}
	for _, s := range all {
		if !s.test {
			documented[s.pkg] = documented[s.pkg] || s.doc
		}
	}
	var problems []string
	for pkg, ok := range documented {
		if !ok {
			problems = append(problems, "package "+pkg+" has no package comment: say what it is for and where to start")
		}
	}
	slices.Sort(problems)
	return problems
}

// textProblems looks for what only the place where something was written knows: its
// paths, and the hosts from which packages were fetched. The words are put together
// here so that this file does not hold them.
func textProblems(file, text string) []string {
	var problems []string
	for _, word := range []string{
		"/wo" + "rk/", "proxy.go" + "lang.org", "sum.go" + "lang.org", "registry.npm" + "js.org", "deb.deb" + "ian.org",
	} {
		if i := strings.Index(text, word); i >= 0 {
			problems = append(problems, fmt.Sprintf("%s:%d: holds %q, which only one machine knows", file, 1+strings.Count(text[:i], "\n"), word))
		}
	}
	return problems
}

func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

func TestImports(t *testing.T) {
	rows := table()
	for _, s := range sources(t) {
		report(t, importProblems(rows, s))
	}
}

func TestShape(t *testing.T) {
	all := sources(t)
	for _, s := range all {
		report(t, shapeProblems(s))
	}
	report(t, commentProblems(all))
}

func TestTexts(t *testing.T) {
	n := 0
	walk(t, func(file string, text []byte) {
		if n++; !slices.Contains(text[:min(len(text), 8000)], 0) {
			report(t, textProblems(file, string(text)))
		}
	})
	if n < 50 {
		t.Errorf("looked at %d files only", n)
	}
}

// The tool that makes pages must be the library that they are compiled with.
func TestTemplToolAndLibraryAgree(t *testing.T) {
	of := func(file string) string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := modfile.ParseLax(file, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range parsed.Require {
			if r.Mod.Path == "github.com/a-h/templ" {
				return r.Mod.Version
			}
		}
		return ""
	}
	if lib, tool := of("go.mod"), of("tools/templ/go.mod"); lib != tool || lib == "" {
		t.Errorf("templ is %q in go.mod and %q in tools/templ/go.mod", lib, tool)
	}
}

// Every guard bites: each line holds one fault that must be reported.
func TestGuardsBite(t *testing.T) {
	rows := table()
	file := func(pkg string, imports ...string) source {
		return source{pkg: pkg, file: pkg + "/x.go", imports: imports}
	}
	for name, c := range map[string]struct {
		got  []string
		want string
	}{
		"upwards":        {importProblems(rows, file("internal/check", module+"/internal/monitor")), "may not import internal/monitor"},
		"between areas":  {importProblems(rows, file("internal/framework", module+"/internal/alert")), "may not import internal/alert"},
		"monitor, store": {importProblems(rows, file("internal/monitor", module+"/internal/store")), "may not import internal/store"},
		"verifier":       {importProblems(rows, file("cmd/prumo-verify", module+"/internal/fact")), "may not import internal/fact"},
		"connector":      {importProblems(rows, file("connectors/x", module+"/connectors/y")), "may not import connectors/y"},
		"only for tests": {importProblems(rows, file("internal/app", module+"/internal/testkit")), "only for tests"},
		"no row":         {importProblems(rows, file("internal/util")), "has no row in the table"},
		"fact":           {importProblems(rows, file("internal/fact", "gopkg.in/yaml.v3")), "standard library only"},
		"ledger":         {importProblems(rows, file("ledger", "gopkg.in/yaml.v3")), "outsiders read all of it"},
		"SQL":            {importProblems(rows, file("internal/web/things", "database/sql")), "only internal/store speaks SQL"},
		"driver":         {importProblems(rows, file("internal/app", "github.com/jackc/pgx/v5/stdlib")), "only internal/store speaks SQL"},
		"length":         {shapeProblems(source{file: "x.go", lines: 501}), "over 500"},
		"init":           {shapeProblems(source{file: "x.go", inits: []string{"x.go:3"}}), "no init functions"},
		"comment":        {commentProblems([]source{{pkg: "a"}, {pkg: "a", test: true, doc: true}}), "no package comment"},
		"path":           {textProblems("x.md", "see\n/wo"+"rk/main"), "x.md:2"},
		"host":           {textProblems("x.lock", "https://registry.npm"+"js.org/x"), "only one machine knows"},
	} {
		if len(c.got) != 1 || !strings.Contains(c.got[0], c.want) {
			t.Errorf("%s: got %q, want one problem with %q", name, c.got, c.want)
		}
	}
	for _, s := range []source{
		file("internal/check", module+"/internal/fact", "fmt"), file("internal/app", module+"/internal/web/pages"),
		file("internal/store/peoplestore", module+"/internal/monitor", "database/sql"), file("connectors/x", module+"/internal/fact"),
	} {
		if got := importProblems(rows, s); len(got) > 0 {
			t.Errorf("%s: got %q, want nothing", s.pkg, got)
		}
	}
	if got := shapeProblems(source{file: "x_templ.go", lines: 900, generated: true}); len(got) > 0 {
		t.Errorf("a generated file: got %q, want nothing", got)
	}
	bad := parse(t, "p/x.go", "package p\n\nimport _ \"fmt\"\n\nfunc init() {}\n\ntype T int\n\nfunc (T) init() {}\n")
	if len(bad.inits) != 1 || bad.doc || !slices.Equal(bad.imports, []string{"fmt"}) || bad.pkg != "p" {
		t.Errorf("got %+v of the bad file", bad)
	}
}

// walk calls visit with every file of the repository that is kept.
func walk(t *testing.T, visit func(file string, text []byte)) {
	t.Helper()
	skip := []string{".git", "bin", "data", "node_modules", ".tools"}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skip, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(file), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources reads every Go file of this module that builds here.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	walk(t, func(file string, text []byte) {
		if path.Ext(file) != ".go" || strings.HasPrefix(file, "bench/") || strings.Contains(file, "testdata/") {
			return
		}
		if ok, err := build.Default.MatchFile(filepath.Dir(file), filepath.Base(file)); err != nil || !ok {
			return
		}
		all = append(all, parse(t, file, string(text)))
	})
	if len(all) < 50 {
		t.Fatalf("found %d Go files only", len(all))
	}
	return all
}

func parse(t *testing.T, file, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	s := source{
		pkg: path.Dir(file), file: file, lines: strings.Count(text, "\n"),
		test: strings.HasSuffix(file, "_test.go"), generated: ast.IsGenerated(parsed), doc: parsed.Doc != nil,
	}
	for _, i := range parsed.Imports {
		s.imports = append(s.imports, strings.Trim(i.Path.Value, `"`))
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "init" && f.Recv == nil {
			s.inits = append(s.inits, fmt.Sprintf("%s:%d", file, fset.Position(f.Pos()).Line))
		}
	}
	return s
}
