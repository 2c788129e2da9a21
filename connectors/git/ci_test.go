package git

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/fact"
)

func TestActions(t *testing.T) {
	job := "\njobs: {a: {steps: []}}\n"
	for _, tc := range []struct {
		name, text string
		automatic  bool
		onPR       bool
		readOnly   fact.Opt[bool]
		open       bool
		unpinned   int
		invalid    bool
	}{
		{name: "push", text: "on: push" + job, automatic: true},
		{name: "list", text: "on: [push, pull_request]" + job, automatic: true, onPR: true},
		{name: "map", text: "on: {pull_request: {branches: [main]}}" + job, automatic: true, onPR: true},
		{name: "other branch", text: "on: {pull_request: {branches: [dev]}}" + job, automatic: true},
		{name: "some paths", text: "on: {pull_request: {paths: [src/**]}}" + job, automatic: true},
		{name: "some events", text: "on: {pull_request: {types: [labeled]}}" + job, automatic: true},
		{name: "by hand", text: "on: workflow_dispatch" + job},
		{name: "write", text: "on: push\npermissions: write-all" + job, automatic: true, readOnly: fact.Some(false)},
		{name: "read", text: "on: push\npermissions: read-all" + job, automatic: true, readOnly: fact.Some(true)},
		{name: "none", text: "on: push\npermissions: {}" + job, automatic: true, readOnly: fact.Some(true)},
		{name: "one write", text: "on: push\npermissions: {contents: read, packages: write}" + job, automatic: true, readOnly: fact.Some(false)},
		{name: "each job", text: "on: push\njobs: {a: {permissions: {contents: write}}}", automatic: true, readOnly: fact.Some(true)},
		{name: "another workflow", text: "on: push\njobs: {a: {uses: acme/ci/.github/workflows/x.yml@main}}", automatic: true, open: true, unpinned: 1},
		{name: "images", text: "on: push\njobs: {a: {steps: [{uses: 'docker://alpine:3'}, {uses: 'docker://alpine@sha256:aa'}]}}", automatic: true, unpinned: 1},
		{name: "no jobs", text: "on: push", invalid: true},
		{name: "a list", text: "- a", invalid: true},
		{name: "no YAML", text: "a: [", invalid: true},
		{name: "aliases", text: bomb(), invalid: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, err := readActions([]byte(tc.text), "main", true)
			if (err != nil) != tc.invalid {
				t.Fatalf("got error %v, want one: %t", err, tc.invalid)
			}
			if err != nil {
				return
			}
			if w.automatic != tc.automatic || w.onPullRequest.Or(false) != tc.onPR || w.tokenReadOnly != tc.readOnly || w.open != tc.open || len(w.unpinned) != tc.unpinned {
				t.Errorf("got %+v", w)
			}
		})
	}
}

// bomb is a small document whose aliases grow to millions of nodes.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 9; i++ {
		n := string(rune('0' + i))
		p := string(rune('0' + i - 1))
		b.WriteString("a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+",", 10), ",") + "]\n")
	}
	return b.String() + "on: push\njobs: {a: *a8}\n"
}

func TestOtherEngines(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", ".gitlab-ci.yml", "stages: [a]\n.base: {script: x}\nunit: {extends: .base}\ndeploy: {when: manual, environment: {name: production}}\n",
		".circleci/config.yml", "version: 2.1\njobs: {build: {}}\nworkflows: {w: {jobs: [build, orb/scan, {hold: {type: approval}}]}}\n",
		"Jenkinsfile", "pipeline {}", ".gitea/workflows/a.yaml", "on: push\njobs: {lint: {}}\n")
	settings := c.settings(map[string]any{"jobs": map[string][]string{"test": {"unit"}, "code-scan": {"orb?scan"}, "end-to-end": {"deploy"}, "secret-scan": {"nowhere"}}})
	m := read(t, settings)
	got := map[string]string{}
	for _, p := range decoded[fact.Pipeline](t, m, "pipeline") {
		got[p.Engine.Or("")] = strings.Join(p.Jobs.Or([]string{"?"}), " ")
	}
	if d := cmp.Diff(got, map[string]string{"gitlab-ci": "deploy unit", "circleci": "build hold orb/scan", "jenkins": "?", "gitea-actions": "lint"}); d != "" {
		t.Error(d)
	}
	f := repository(t, m)
	want(t, "runs_tests", f.RunsTests, true)
	want(t, "runs_code_scan", f.RunsCodeScan, true)
	unknown(t, "runs_end_to_end", f.RunsEndToEnd) // the Jenkinsfile may run it
	unknown(t, "runs_secret_scan", f.RunsSecretScan)
}

func TestBrokenDefinition(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", ".github/workflows/a.yml", "jobs: [")
	f := repository(t, read(t, c.settings(map[string]any{"jobs": map[string][]string{"test": {"unit"}}})))
	unknown(t, "runs_tests", f.RunsTests)
}

func FuzzPipeline(f *testing.F) {
	f.Add([]byte(workflowText))
	f.Add([]byte("stages: [a]\nunit: {rules: [{if: x}]}\ninclude: x\n"))
	f.Add([]byte("jobs: {a: {}}\nworkflows: {w: {jobs: [a, {b: {}}]}}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		r := &reading{id: "git/x", options: options{jobs: map[string][]string{"test": {"*"}}}}
		for _, e := range engines() {
			p := r.pipeline(e, "f.yml", b)
			for _, j := range p.Jobs.Or(nil) {
				if !utf8.ValidString(j) {
					t.Errorf("job %q is not UTF-8", j)
				}
			}
		}
	})
}

func FuzzCommits(f *testing.F) {
	f.Add([]byte("0123456789012345678901234567890123456789\ntree x\nparent y\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\ngpgsig x\n\n    title\n    Reviewed-by: B <b@c>\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range parseCommits(b) {
			if !utf8.ValidString(c.title+c.author) || !isHash(c.sha) {
				t.Errorf("%+v", c)
			}
			_ = numbered(c.title)
		}
	})
}

func FuzzTree(f *testing.F) {
	f.Add([]byte("100644 blob abc\ta\x00120000 blob abc\tb\x00"), []byte("abc blob 3\nxyz\n"))
	f.Fuzz(func(t *testing.T, tree, batch []byte) {
		_ = parseTree(tree).securityPolicy()
		if content, rest, ok := cutBlob(batch); ok && len(content)+len(rest) > len(batch) {
			t.Error("more than there was")
		}
	})
}

func FuzzLeaks(f *testing.F) {
	f.Add([]byte(`[{"RuleID":"a","File":"b","StartLine":1,"Commit":"c"}]`))
	f.Add([]byte(`{"runs":[{"results":[{"ruleId":"a"}]}]}`))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseLeaks(b) })
}

func FuzzRemote(f *testing.F) {
	f.Add("https://a.test/x")
	f.Add("git@a.test:x")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRemote(s)
		if err == nil && (strings.HasPrefix(s, "-") || strings.HasPrefix(r.host, "-") || strings.HasPrefix(r.user, "-") || strings.Contains(s, "::")) {
			t.Errorf("%q was accepted as %+v", s, r)
		}
	})
}
