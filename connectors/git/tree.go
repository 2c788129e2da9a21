package git

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/fact"
)

const (
	maxBlob  = 1 << 20 // longest file that is read
	maxBlobs = 500     // most files of one kind that are read
)

// A tree is the files of a commit by path: regular files and links only, and
// no link is ever followed.
type tree map[string]string // path → object

// has reports a file, and find the first of them whose name fits without regard to case.
func (t tree) has(names ...string) (string, bool) {
	for _, n := range names {
		if _, ok := t[n]; ok {
			return n, true
		}
	}
	return "", false
}

// readTree reads what the files of the newest commit say, and returns the pipelines.
func (r *reading) readTree(ctx context.Context, f *fact.Repository) []fact.Pipeline {
	out, err := r.git(ctx, "", "ls-tree", "-r", "-z", "--full-tree", r.head)
	if err != nil {
		r.cutShort("the list of files could not be read")
		return nil
	}
	t := parseTree(out)
	f.CodeOwners = r.codeOwners(ctx, t)
	f.SecurityPolicy = fact.Some(t.securityPolicy())
	r.readLocks(ctx, t, f)
	pipelines, whole := r.readPipelines(ctx, t)
	r.cover(f, pipelines, whole)
	return pipelines
}

// parseTree reads `ls-tree -r -z`: "mode type object\tpath" between zero bytes.
func parseTree(out []byte) tree {
	t := tree{}
	for _, e := range bytes.Split(out, []byte{0}) {
		head, name, ok := strings.Cut(string(e), "\t")
		w := strings.Fields(head)
		if !ok || len(w) != 3 || w[1] != "blob" || w[0] == "120000" {
			continue
		}
		t[name] = w[2]
	}
	return t
}

// blobs returns the contents of files. One that is too long, or that could not
// be read, is left out, and then it is false.
func (r *reading) blobs(ctx context.Context, t tree, names []string) (map[string][]byte, bool) {
	whole := true
	if len(names) > maxBlobs {
		names, whole = names[:maxBlobs], false
	}
	if len(names) == 0 {
		return nil, whole
	}
	small, err := r.smallOnes(ctx, t, names)
	if err != nil || len(small) < len(names) {
		whole = false
	}
	var ask strings.Builder
	for _, n := range small {
		ask.WriteString(t[n] + "\n")
	}
	if ask.Len() == 0 {
		return nil, whole
	}
	out, err := r.git(ctx, ask.String(), "cat-file", "--batch")
	if err != nil {
		return nil, false
	}
	got := map[string][]byte{}
	for _, n := range small {
		content, rest, ok := cutBlob(out)
		if !ok {
			return got, false
		}
		got[n], out = content, rest
	}
	return got, whole
}

// smallOnes leaves out files that are longer than maxBlob.
func (r *reading) smallOnes(ctx context.Context, t tree, names []string) ([]string, error) {
	var ask strings.Builder
	for _, n := range names {
		ask.WriteString(t[n] + "\n")
	}
	out, err := r.git(ctx, ask.String(), "cat-file", "--batch-check=%(objecttype) %(objectsize)")
	if err != nil {
		return nil, err
	}
	var small []string
	for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		kind, size, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(size, 10, 64)
		if i < len(names) && kind == "blob" && err == nil && n <= maxBlob {
			small = append(small, names[i])
		}
	}
	return small, nil
}

// cutBlob takes one object off the answer of `cat-file --batch`:
// "object blob size\n" and that many bytes and a line break.
func cutBlob(out []byte) (content, rest []byte, ok bool) {
	head, rest, ok := bytes.Cut(out, []byte("\n"))
	w := strings.Fields(string(head))
	if !ok || len(w) != 3 || w[1] != "blob" {
		return nil, nil, false
	}
	n, err := strconv.Atoi(w[2])
	if err != nil || n < 0 || len(rest) < n+1 {
		return nil, nil, false
	}
	return rest[:n], rest[n+1:], true
}

// codeOwners reports a CODEOWNERS file with at least one rule, where GitHub,
// GitLab or Gitea look for it.
func (r *reading) codeOwners(ctx context.Context, t tree) fact.Opt[bool] {
	name, ok := t.has("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS", ".gitea/CODEOWNERS", ".forgejo/CODEOWNERS")
	if !ok {
		return fact.Some(false)
	}
	got, whole := r.blobs(ctx, t, []string{name})
	if !whole {
		return fact.Opt[bool]{}
	}
	for _, line := range strings.Split(string(got[name]), "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '[' {
			return fact.Some(true)
		}
	}
	return fact.Some(false)
}

func (t tree) securityPolicy() bool {
	for name := range t {
		dir, base := path.Split(name)
		if !slices.Contains([]string{"", ".github/", "docs/", ".gitlab/", ".gitea/", ".forgejo/"}, dir) {
			continue
		}
		stem, ext, _ := strings.Cut(strings.ToLower(base), ".")
		if stem == "security" && slices.Contains([]string{"md", "rst", "txt", "adoc"}, ext) {
			return true
		}
	}
	return false
}

// cover says what the pipelines run. What is not mapped is unknown. A mapping
// that no job fits is false, unless a pipeline has jobs that its file does not name.
func (r *reading) cover(f *fact.Repository, pipelines []fact.Pipeline, whole bool) {
	for what, to := range map[string]*fact.Opt[bool]{
		coversTest: &f.RunsTests, coversCode: &f.RunsCodeScan, coversDependency: &f.RunsDependencyScan,
		coversSecret: &f.RunsSecretScan, coversEndToEnd: &f.RunsEndToEnd,
	} {
		if _, mapped := r.jobs[what]; !mapped {
			continue
		}
		runs := false
		for _, p := range pipelines {
			runs = runs || slices.Contains(p.Covers.Or(nil), what)
		}
		*to = fact.SomeIf(runs, runs || whole && !r.jobsOpen)
	}
}

// fits reports whether a job's name fits a pattern of the settings.
func fits(pattern, job string) bool {
	if pattern == job {
		return true
	}
	ok, err := path.Match(pattern, strings.ReplaceAll(job, "/", " "))
	return err == nil && ok
}

func validText(s string) string {
	return strings.ToValidUTF8(s, "\uFFFD")
}
