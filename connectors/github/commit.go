package github

import (
	"fmt"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

const stepFields = `
fragment step on Commit {
  oid messageHeadline committedDate url
  author { name user { login } }
  signature { isValid }
  parents(first: 1) { totalCount }
  associatedPullRequests(first: 5) { totalCount nodes { number mergedAt baseRefName baseRepository { nameWithOwner } } }
}`

type stepNode struct {
	OID       string     `json:"oid"`
	Headline  string     `json:"messageHeadline"`
	Committed *time.Time `json:"committedDate"`
	URL       string     `json:"url"`
	Author    *struct {
		Name string `json:"name"`
		User *actor `json:"user"`
	} `json:"author"`
	Signature *struct {
		Valid bool `json:"isValid"`
	} `json:"signature"`
	Parents *struct {
		Total int `json:"totalCount"`
	} `json:"parents"`
	Pulls *struct {
		Total int `json:"totalCount"`
		Nodes []struct {
			Number   int64      `json:"number"`
			MergedAt *time.Time `json:"mergedAt"`
			Base     string     `json:"baseRefName"`
			Repo     *struct {
				Name string `json:"nameWithOwner"`
			} `json:"baseRepository"`
		} `json:"nodes"`
	} `json:"associatedPullRequests"`
}

// A commit is one of the default branch.
type commit struct {
	SHA    string    `json:"s"`
	Title  string    `json:"t"`
	Author string    `json:"a"`
	At     time.Time `json:"d"`
	URL    string    `json:"u"`
	Signed bool      `json:"g,omitempty"`
	Root   bool      `json:"r,omitempty"` // it has no parent
	Merged bool      `json:"m,omitempty"` // it came through a merged pull request
}

// commit reads one step of the history. GitHub itself knows which pull request
// brought a commit, also where squash or rebase made it anew; only one that was
// merged into this very branch counts.
func (n stepNode) commit(full, branch string) (commit, error) {
	if n.OID == "" || n.Committed == nil || n.Parents == nil || n.Pulls == nil {
		return commit{}, fmt.Errorf("commit: %w", connector.ErrFormat)
	}
	c := commit{SHA: n.OID, Title: n.Headline, At: n.Committed.UTC(), URL: n.URL, Signed: n.Signature != nil, Root: n.Parents.Total == 0}
	if a := n.Author; a != nil {
		c.Author = a.Name
		if a.User != nil && a.User.Login != "" {
			c.Author = a.User.Login
		}
	}
	for _, p := range n.Pulls.Nodes {
		c.Merged = c.Merged || p.MergedAt != nil && p.Base == branch && p.Repo != nil && sameName(p.Repo.Name, full)
	}
	return c, nil
}

// founds reports that a commit has no parent and was made as the repository was.
func (c commit) founds(made *time.Time) bool {
	if !c.Root || made == nil {
		return false
	}
	d := c.At.Sub(*made)
	return d > -time.Minute && d < time.Hour
}

func (c commit) fact(full string) fact.Commit {
	return fact.Commit{
		Repository: refTo(full), SHA: fact.Some(c.SHA), Title: fact.Some(c.Title), Author: fact.SomeIf(c.Author, c.Author != ""),
		At: fact.Some(c.At), Reviewed: fact.Some(false), Signed: fact.Some(c.Signed), URL: fact.SomeIf(c.URL, c.URL != ""),
	}
}
