package workflow

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text   string
		ok, pull, ro bool
		unpinned     []string
	}{
		{"list", "on: [push, pull_request]\njobs: {a: {steps: []}}", true, true, false, nil},
		{"word", "on: push\njobs: {a: {steps: [{uses: ./local}]}}", true, false, false, nil},
		{"map", "on:\n  pull_request_target:\njobs: {a: {uses: 'x/y/z.yml@main'}}", true, true, false, []string{"x/y/z.yml@main"}},
		{"image", "on: push\njobs: {a: {steps: [{uses: 'docker://alpine:3'}, {uses: 'docker://alpine@sha256:00'}]}}", true, false, false, []string{"docker://alpine:3"}},
		{"by path", "on: {pull_request: {paths: [a]}}\njobs: {a: {}}", true, false, false, nil},
		{"other branch", "on: {pull_request: {branches: ['rel/**']}}\njobs: {a: {}}", true, false, false, nil},
		{"our branch", "on: {pull_request: {branches: ['**', '!x']}}\npermissions: read-all\njobs: {a: {}}", true, true, true, nil},
		{"taken back", "on: {pull_request: {branches: ['**', '!main']}}\njobs: {a: {permissions: {}}}", true, false, true, nil},
		{"writes", "on: push\npermissions: {contents: write}\njobs: {a: {}}", true, false, false, nil},
		{"pinned", "on: push\njobs: {a: {steps: [{uses: 'a/b@0123456789012345678901234567890123456789'}]}}", true, false, false, nil},
		{"no jobs", "on: push", false, false, false, nil},
		{"not yaml", "\t{", false, false, false, nil},
		{"another shape", "jobs: [a, b]", false, false, false, nil},
	} {
		w, err := Parse([]byte(tt.text), "main")
		if (err == nil) != tt.ok || w.OnPullRequest != tt.pull || w.TokenReadOnly.Or(false) != tt.ro {
			t.Errorf("%s: %v, on pull request %v, read-only %v", tt.name, err, w.OnPullRequest, w.TokenReadOnly)
		}
		if d := cmp.Diff(tt.unpinned, w.Unpinned); d != "" {
			t.Errorf("%s\n%s", tt.name, d)
		}
	}
}

func TestCovers(t *testing.T) {
	w, err := Parse([]byte("name: CI\non: push\njobs: {unit: {name: Unit tests}, dead: {if: false}}"), "main")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"unit": true, "Unit*": true, "CI/unit": true, "dead": false, "other": false} {
		if got := w.Covers([]string{name}); got != want {
			t.Errorf("%q covers: %v, want %v", name, got, want)
		}
	}
	w, _ = Parse([]byte("on: workflow_dispatch\njobs: {unit: {}}"), "main")
	if w.Covers([]string{"unit"}) {
		t.Error("what only a person starts covers something")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("on: [push, pull_request]\njobs: {a: {uses: acme/x/.github/workflows/y.yml@main}}"))
	f.Add([]byte("a: &a [*a]\njobs: {}"))
	f.Add([]byte("on: {pull_request: {branches: ['[', '+?', '!']}}\njobs: {a: {if: ${{ false }}}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := Parse(b, "main")
		if err == nil && len(w.Jobs) == 0 {
			t.Error("a workflow without jobs was understood")
		}
	})
}
