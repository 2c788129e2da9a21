package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const planMaps = `
      - scope: buckets
        kind: storage
        items: page.planned_values.root_module.resources.filter(r, r.type == "aws_s3_bucket")
        id: '"terraform/" + row.address'
        fields: {name: row.values.bucket, public: 'row.values.acl == "public-read"'}
        examples:
          - {row: {address: a.b, values: {bucket: x, acl: public-read}}, want: {name: x, public: true}}
`

const plan = `{"format_version":"1.2","planned_values":{"root_module":{"resources":[
{"address":"aws_s3_bucket.logs","type":"aws_s3_bucket","values":{"bucket":"logs","acl":"private"}},
{"address":"aws_s3_bucket.site","type":"aws_s3_bucket","values":{"bucket":"site","acl":"public-read"}},
{"address":"aws_iam_user.x","type":"aws_iam_user","values":{}}]}}}`

const bucketCheck = `id: bucket-not-public
version: 1
kind: storage
severity: high
title: {en: No bucket is public}
pass: "!storage.public"
message: {en: "{{storage.name}} is public"}
fix: {en: Make it private.}
controls: [x]
examples:
  - {name: closed, want: pass, storage: {public: false}}
  - {name: open, want: fail, storage: {public: true}}
  - {name: silent, want: unknown, storage: {name: a}}
`

// writeFiles writes files into a new folder and returns it.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o700
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runWith(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(context.Background(), Process{
		Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, LookupEnv: os.LookupEnv,
	})
	return code, out.String(), errs.String()
}

// A file, or what comes down a pipe, is judged in one shot.
func TestAPlanIsJudgedInCI(t *testing.T) {
	for name, file := range map[string]string{"file": "plan.json", "pipe": `"-"`} {
		dir := writeFiles(t, map[string]string{
			"prumo.yaml":         "sources:\n  - name: plan\n    connector: http\n    settings:\n      file: " + file + "\n      maps:" + planMaps,
			"plan.json":          plan,
			"checks/bucket.yaml": bucketCheck,
		})
		code, out, errs := runWith(t, plan, "check", "--config", filepath.Join(dir, "prumo.yaml"), "--checks", filepath.Join(dir, "checks"), "--format", "jsonl")
		if code != 1 || strings.Count(out, "\n") != 2 || !strings.Contains(out, `"fact":"terraform/aws_s3_bucket.site","status":"fail"`) {
			t.Errorf("%s: status %d, want 1 and one failure of two:\n%s%s", name, code, out, errs)
		}
	}
	dir := writeFiles(t, map[string]string{
		"prumo.yaml":         "sources:\n  - name: plan\n    connector: http\n    settings:\n      file: plan.json\n      maps:" + planMaps,
		"plan.json":          plan[:200],
		"checks/bucket.yaml": bucketCheck,
	})
	code, _, errs := runWith(t, "", "check", "--config", filepath.Join(dir, "prumo.yaml"), "--checks", filepath.Join(dir, "checks"))
	if code != exitMisuse || !strings.Contains(errs, "cut short") {
		t.Errorf("half a plan: status %d and %q, want 2 and the reason", code, errs)
	}
}

// The examples of every map run on their own, and all problems are told.
func TestSourcesTest(t *testing.T) {
	text := "sources:\n  - name: plan\n    connector: http\n    settings:\n      file: plan.json\n      maps:" + planMaps
	dir := writeFiles(t, map[string]string{"prumo.yaml": text, "plan.json": plan})
	code, out, errs := runCommand(t, "sources", "test", "--config", filepath.Join(dir, "prumo.yaml"))
	if code != 0 || !strings.Contains(out, "plan: buckets: 1 example holds") {
		t.Errorf("status %d: %s%s", code, out, errs)
	}
	dir = writeFiles(t, map[string]string{"prumo.yaml": strings.ReplaceAll(text, "name: x, public: true", "name: y, public: false")})
	code, out, errs = runCommand(t, "sources", "test", "--config", filepath.Join(dir, "prumo.yaml"))
	if code != 1 || !strings.Contains(out, `name is "x", want "y"`) || !strings.Contains(out, "public is true, want false") {
		t.Errorf("status %d, want 1 and both problems: %s%s", code, out, errs)
	}
}
