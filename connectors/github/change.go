package github

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

const changeFields = `
fragment change on PullRequest {
  number title url createdAt updatedAt mergedAt baseRefName
  author { login __typename }
  mergedBy { login }
  mergeCommit { oid }
  reviews(first: 100, states: [APPROVED, CHANGES_REQUESTED, DISMISSED]) {
    totalCount
    nodes { state submittedAt updatedAt authorCanPushToRepository author { login __typename } }
  }
  commits(first: 100) { totalCount nodes { commit { oid author { user { login } } } } }
  statusCheckRollup {
    contexts(first: 100) {
      totalCount
      nodes { __typename ... on CheckRun { name conclusion status } ... on StatusContext { context state } }
    }
  }
}`

type actor struct {
	Login string `json:"login"`
	Type  string `json:"__typename"`
}

type changeNode struct {
	Number    int64      `json:"number"`
	Title     string     `json:"title"`
	URL       string     `json:"url"`
	CreatedAt *time.Time `json:"createdAt"`
	UpdatedAt *time.Time `json:"updatedAt"`
	MergedAt  *time.Time `json:"mergedAt"`
	Base      string     `json:"baseRefName"`
	Author    *actor     `json:"author"`
	MergedBy  *actor     `json:"mergedBy"`
	Merge     *struct {
		OID string `json:"oid"`
	} `json:"mergeCommit"`
	Reviews *struct {
		Total int      `json:"totalCount"`
		Nodes []review `json:"nodes"`
	} `json:"reviews"`
	Commits *struct {
		Total int `json:"totalCount"`
		Nodes []struct {
			Commit struct {
				OID    string `json:"oid"`
				Author *struct {
					User *actor `json:"user"`
				} `json:"author"`
			} `json:"commit"`
		} `json:"nodes"`
	} `json:"commits"`
	Rollup *struct {
		Contexts struct {
			Total int           `json:"totalCount"`
			Nodes []checkResult `json:"nodes"`
		} `json:"contexts"`
	} `json:"statusCheckRollup"`
}

type review struct {
	State     string     `json:"state"`
	Submitted *time.Time `json:"submittedAt"`
	Updated   *time.Time `json:"updatedAt"`
	CanPush   bool       `json:"authorCanPushToRepository"`
	Author    *actor     `json:"author"`
}

type checkResult struct {
	Type       string `json:"__typename"`
	Name       string `json:"name"`
	Conclusion string `json:"conclusion"`
	Status     string `json:"status"`
	Context    string `json:"context"`
	State      string `json:"state"`
}

// A pull is a merged pull request, as far as it is judged, and as it is kept
// between readings.
type pull struct {
	Number     int64              `json:"n"`
	Title      string             `json:"t"`
	URL        string             `json:"u"`
	CreatedAt  time.Time          `json:"c"`
	UpdatedAt  time.Time          `json:"d"`
	MergedAt   time.Time          `json:"m"`
	Base       string             `json:"b"`
	Author     string             `json:"a,omitempty"`
	Bot        bool               `json:"o,omitempty"`
	MergedBy   string             `json:"y,omitempty"`
	Commit     string             `json:"s,omitempty"`
	Commits    []string           `json:"z,omitempty"`
	Committers []string           `json:"w,omitempty"`
	Linked     bool               `json:"l,omitempty"` // each commit's author is an account, and all commits came
	Approvers  []string           `json:"p,omitempty"`
	Programs   []string           `json:"g,omitempty"` // approvers that are programs
	Certain    bool               `json:"i,omitempty"` // the approvers are known
	Checks     []fact.StatusCheck `json:"k,omitempty"`
	Checked    bool               `json:"h,omitempty"` // the checks are known
}

func (n changeNode) pull(private bool) (pull, error) {
	if n.Number == 0 || n.CreatedAt == nil || n.UpdatedAt == nil || n.MergedAt == nil || n.Base == "" || n.Reviews == nil || n.Commits == nil {
		return pull{}, fmt.Errorf("pull request %d: %w", n.Number, connector.ErrFormat)
	}
	p := pull{
		Number: n.Number, Title: n.Title, URL: n.URL, CreatedAt: n.CreatedAt.UTC(), UpdatedAt: n.UpdatedAt.UTC(), MergedAt: n.MergedAt.UTC(),
		Base: n.Base, Linked: len(n.Commits.Nodes) >= n.Commits.Total, Checked: true,
	}
	if n.Author != nil { // an account that was deleted is nobody
		p.Author, p.Bot = n.Author.Login, n.Author.Type == "Bot"
	}
	if n.MergedBy != nil {
		p.MergedBy = n.MergedBy.Login
	}
	if n.Merge != nil {
		p.Commit = n.Merge.OID
	}
	for _, c := range n.Commits.Nodes {
		p.Commits = append(p.Commits, c.Commit.OID)
		if a := c.Commit.Author; a == nil || a.User == nil || a.User.Login == "" {
			p.Linked = false
		} else {
			p.Committers = append(p.Committers, a.User.Login)
		}
	}
	p.Committers = sorted(p.Committers)
	p.Approvers, p.Programs, p.Certain = standing(n.Reviews.Nodes, *n.MergedAt, private)
	p.Certain = p.Certain && len(n.Reviews.Nodes) >= n.Reviews.Total
	if n.Rollup != nil {
		for _, c := range n.Rollup.Contexts.Nodes {
			p.Checks = append(p.Checks, c.check())
		}
		p.Checked = len(n.Rollup.Contexts.Nodes) >= n.Rollup.Contexts.Total
	}
	slices.SortFunc(p.Checks, func(a, b fact.StatusCheck) int {
		return strings.Compare(a.Name+"\x00"+a.Status, b.Name+"\x00"+b.Status)
	})
	return p, nil
}

// standing lists whose approval stood at the merge: the reviewer's last word by
// then is an approval. In a public repository anybody may approve, and only who
// may push counts. Of a review that was dismissed after the merge GitHub does
// not say what it had been.
func standing(reviews []review, merged time.Time, private bool) (who, programs []string, certain bool) {
	last := map[string]review{}
	for _, v := range reviews {
		if v.Author == nil || v.Submitted == nil || v.Submitted.After(merged) || !private && !v.CanPush {
			continue
		}
		if old, ok := last[v.Author.Login]; !ok || !v.Submitted.Before(*old.Submitted) {
			last[v.Author.Login] = v
		}
	}
	certain = true
	for login, v := range last {
		switch {
		case v.State == "APPROVED":
			who = append(who, login)
			if v.Author.Type == "Bot" {
				programs = append(programs, login)
			}
		case v.State == "DISMISSED" && v.Updated != nil && !v.Updated.Before(merged):
			certain = false
		}
	}
	return sorted(who), programs, certain
}

// check says a result in our words. Neutral and skipped keep nobody from merging.
func (c checkResult) check() fact.StatusCheck {
	if c.Type == "StatusContext" {
		switch c.State {
		case "SUCCESS":
			return fact.StatusCheck{Name: c.Context, Status: "success"}
		case "PENDING", "EXPECTED":
			return fact.StatusCheck{Name: c.Context, Status: "pending"}
		default:
			return fact.StatusCheck{Name: c.Context, Status: "failure"}
		}
	}
	switch {
	case c.Status != "COMPLETED":
		return fact.StatusCheck{Name: c.Name, Status: "pending"}
	case c.Conclusion == "SUCCESS":
		return fact.StatusCheck{Name: c.Name, Status: "success"}
	case c.Conclusion == "NEUTRAL" || c.Conclusion == "SKIPPED":
		return fact.StatusCheck{Name: c.Name, Status: "skipped"}
	default:
		return fact.StatusCheck{Name: c.Name, Status: "failure"}
	}
}

// changeFact says what a merged pull request was.
func (r *reader) changeFact(full string, p pull, required fact.Opt[[]string]) fact.Change {
	f := fact.Change{
		Repository: refTo(full), Number: fact.Some(p.Number), Title: fact.Some(p.Title), URL: fact.SomeIf(p.URL, p.URL != ""),
		Base: fact.Some(p.Base), MergedAt: fact.Some(p.MergedAt), CreatedAt: fact.Some(p.CreatedAt),
		Author: fact.SomeIf(p.Author, p.Author != ""), AuthorIsBot: fact.SomeIf(p.Bot || r.isBot(p.Author), p.Author != ""),
		MergedBy: fact.SomeIf(p.MergedBy, p.MergedBy != ""), Commit: fact.SomeIf(p.Commit, p.Commit != ""),
		Committers: fact.SomeIf(sorted(p.Committers), p.Linked),
	}
	if p.Certain {
		f.Approvers = fact.Some(sorted(p.Approvers))
		f.OtherApprovers = r.others(p)
	}
	if p.Checked {
		checks := p.Checks
		if checks == nil {
			checks = []fact.StatusCheck{}
		}
		f.Checks = fact.Some(checks)
		f.ChecksPassed = passed(checks, required)
	}
	return f
}

// others lists the approvers who are people and neither opened the change nor
// wrote a commit of it. Where a commit's author is nobody's account, any
// approver might have written it, and the answer is known only if nobody is
// left anyway.
func (r *reader) others(p pull) fact.Opt[[]string] {
	out := []string{}
	for _, a := range p.Approvers {
		if a != p.Author && !slices.Contains(p.Committers, a) && !slices.Contains(p.Programs, a) && !r.isBot(a) {
			out = append(out, a)
		}
	}
	return fact.SomeIf(out, len(out) == 0 || p.Author != "" && p.Linked)
}

// passed says whether at least one check reported and none failed, waits or,
// of those that are required now, is missing.
func passed(checks []fact.StatusCheck, required fact.Opt[[]string]) fact.Opt[bool] {
	if len(checks) == 0 {
		return fact.Some(false)
	}
	for _, c := range checks {
		if c.Status == "failure" || c.Status == "pending" {
			return fact.Some(false)
		}
	}
	names, known := required.Get()
	for _, n := range names {
		if !slices.ContainsFunc(checks, func(c fact.StatusCheck) bool { return c.Name == n }) {
			return fact.Some(false)
		}
	}
	return fact.SomeIf(true, known)
}
