package git

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

const maxCommits = 50_000

// A commit as its object says it.
type commit struct {
	sha       string
	parents   []string
	author    string // name
	email     string
	at        time.Time // when it was committed
	title     string
	signed    bool // carries a signature, good or not
	openPGP   bool // and it is an OpenPGP one
	reviewers []string
}

// readHistory reads the period's commits and returns those that came past
// review, as far as the settings let us know.
func (r *reading) readHistory(ctx context.Context, f *fact.Repository) []commit {
	since := r.now.Add(-r.period)
	out, err := r.git(ctx, "", "rev-list", "--header", fmt.Sprintf("--max-count=%d", maxCommits+1), fmt.Sprintf("--max-age=%d", since.Unix()), r.head)
	if err != nil {
		r.cutShort("the history could not be read")
		return nil
	}
	commits := parseCommits(out)
	if len(commits) > maxCommits {
		r.cutShort(fmt.Sprintf("the period has more than %d commits", maxCommits))
		return nil
	}
	for _, c := range commits {
		if r.shallow[c.sha] {
			r.cutShort("the clone is shallow and does not reach back over the period; fetch with --unshallow")
			return nil
		}
	}
	f.CommitsInPeriod = fact.Some(int64(len(commits)))
	f.SignedShare = r.signedShare(ctx, commits, since)
	if len(r.marks) == 0 {
		return nil
	}
	var past []commit
	for _, c := range mainline(commits, r.head) {
		if !r.reviewed(c) {
			past = append(past, c)
		}
	}
	f.DirectPushes = fact.Some(int64(len(past)))
	return past
}

// mainline are the commits of the branch itself, without those that a merge brought.
func mainline(commits []commit, head string) []commit {
	by := make(map[string]commit, len(commits))
	for _, c := range commits {
		by[c.sha] = c
	}
	var out []commit
	for at := head; ; {
		c, ok := by[at]
		if !ok {
			return out
		}
		out = append(out, c)
		delete(by, at)
		if len(c.parents) == 0 {
			return out
		}
		at = c.parents[0]
	}
}

// reviewed applies the marks that the organisation says its reviewed changes carry.
func (r *reading) reviewed(c commit) bool {
	for _, m := range r.marks {
		switch m {
		case markMerge:
			if len(c.parents) > 1 {
				return true
			}
		case markNumber:
			if numbered(c.title) {
				return true
			}
		case markReviewedBy:
			if slices.ContainsFunc(c.reviewers, func(who string) bool {
				return !strings.Contains(strings.ToLower(who), "<"+strings.ToLower(c.email)+">")
			}) {
				return true
			}
		}
	}
	return false
}

func numbered(title string) bool {
	return regexp.MustCompile(`\((#|!|PR )\d+\)$|^Merge (pull|merge) request [#!]\d+|^Merged PR \d+`).MatchString(title)
}

// signedShare is the share of commits with a good signature. Where none
// carries a signature it is 0; where some do, a key store must tell which are good.
func (r *reading) signedShare(ctx context.Context, commits []commit, since time.Time) fact.Opt[float64] {
	if len(commits) == 0 {
		return fact.Opt[float64]{}
	}
	signed := 0
	for _, c := range commits {
		if c.signed {
			signed++
		}
	}
	if signed == 0 {
		return fact.Some(0.0)
	}
	if r.allowedSigners == "" && r.keyring == "" {
		return fact.Opt[float64]{}
	}
	good, err := r.goodSignatures(ctx, commits, since)
	if err != nil {
		r.cutShort("the signatures could not be verified")
		return fact.Opt[float64]{}
	}
	return fact.Some(float64(good) / float64(len(commits)))
}

// goodSignatures lets git verify the period's signatures against the key stores
// that the settings name, and no other.
func (r *reading) goodSignatures(ctx context.Context, commits []commit, since time.Time) (int, error) {
	args := []string{"--git-dir=" + r.gitDir, "--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never", "-c", "gpg.minTrustLevel=undefined"}
	if r.allowedSigners != "" {
		args = append(args, "-c", "gpg.ssh.program="+program("ssh-keygen"), "-c", "gpg.ssh.allowedSignersFile="+r.allowedSigners)
	}
	gnupg := filepath.Join(r.tmp, "no-keys")
	if r.keyring != "" {
		gnupg = r.keyring
		args = append(args, "-c", "gpg.program="+program("gpg"))
	} else {
		args = append(args, "-c", "gpg.program=/bin/false")
	}
	args = append(args, "log", "--no-patch", "--format=%H %G?", fmt.Sprintf("--max-age=%d", since.Unix()), r.head)
	out, err := r.exec(ctx, "", r.environ("GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none", "GNUPGHOME="+gnupg), args...)
	if err != nil {
		return 0, err
	}
	openPGP := map[string]bool{}
	for _, c := range commits {
		openPGP[c.sha] = c.openPGP
	}
	good := 0
	for _, line := range strings.Split(string(out), "\n") {
		// U is a good signature by a key of the key ring whose owner nobody
		// vouched for; of an SSH key it means that the key is in no list.
		sha, verdict, _ := strings.Cut(line, " ")
		if verdict == "G" || verdict == "U" && openPGP[sha] {
			good++
		}
	}
	return good, nil
}

// parseCommits reads `rev-list --header`: a hash, a line break and the commit's
// own text, its message indented, between zero bytes.
func parseCommits(out []byte) []commit {
	var commits []commit
	for _, e := range bytes.Split(out, []byte{0}) {
		sha, body, ok := strings.Cut(string(e), "\n")
		if !ok || !isHash(sha) {
			continue
		}
		commits = append(commits, parseCommit(sha, body))
	}
	return commits
}

func parseCommit(sha, body string) commit {
	c := commit{sha: sha}
	head, message, _ := strings.Cut(body, "\n\n")
	for _, line := range strings.Split(head, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author, c.email, _ = parseIdentity(value)
		case "committer":
			_, _, c.at = parseIdentity(value)
		case "gpgsig", "gpgsig-sha256":
			c.signed = true
			c.openPGP = value == "-----BEGIN PGP SIGNATURE-----"
		}
	}
	for i, line := range strings.Split(message, "\n") {
		line = strings.TrimSpace(validText(line))
		if i == 0 {
			c.title = cutText(line, 200)
		}
		if name, who, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Reviewed-by") {
			c.reviewers = append(c.reviewers, strings.TrimSpace(who))
		}
	}
	return c
}

// parseIdentity reads "Name <mail> seconds zone".
func parseIdentity(s string) (name, email string, at time.Time) {
	open, shut := strings.Index(s, "<"), strings.LastIndex(s, ">")
	if open < 0 || shut < open {
		return cutText(validText(s), 100), "", time.Time{}
	}
	name, email = cutText(validText(strings.TrimSpace(s[:open])), 100), validText(s[open+1:shut])
	if w := strings.Fields(s[shut+1:]); len(w) > 0 {
		if n, err := strconv.ParseInt(w[0], 10, 64); err == nil && n >= 0 && n < 1<<38 {
			at = time.Unix(n, 0).UTC()
		}
	}
	return name, email, at
}

func isHash(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// cutText shortens a text to n code points.
func cutText(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}
