package github

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// overviewSize is how many repositories one query looks at.
const overviewSize = 20

// An overview is what GraphQL tells about a repository in one go: its newest
// commit, the files that tell something, and what changed since a reading.
type overview struct {
	ID     int64 `json:"databaseId"`
	Empty  *bool `json:"isEmpty"`
	Alerts *bool `json:"hasVulnerabilityAlertsEnabled"`
	Branch *struct {
		Name   string `json:"name"`
		Target *struct {
			OID    string `json:"oid"`
			Suites *struct {
				Total int     `json:"totalCount"`
				Nodes []suite `json:"nodes"`
			} `json:"checkSuites"`
		} `json:"target"`
		Rule *struct {
			Pattern string `json:"pattern"`
		} `json:"branchProtectionRule"`
	} `json:"defaultBranchRef"`
	Root      *tree   `json:"root"`
	Hidden    *tree   `json:"hidden"`
	Docs      *tree   `json:"docs"`
	Workflows *tree   `json:"workflows"`
	Merged    *latest `json:"merged"`
	bareErr   bool    // whether a rule of classic protection is there is not shown
	runsErr   error   // of how workflows ran
	err       error
}

// A suite is the checks that one run of a workflow, or an App, made for a commit.
type suite struct {
	Status     string    `json:"status"`
	Conclusion string    `json:"conclusion"`
	UpdatedAt  time.Time `json:"updatedAt"`
	Run        *struct {
		Event string `json:"event"`
		File  *struct {
			Path string `json:"path"`
		} `json:"file"`
	} `json:"workflowRun"`
}

// lastRun is how a workflow last ran for the newest commit of the default
// branch, other than for a pull request; nil if it did not, or nobody says.
func (v overview) lastRun(path string) *suite {
	var last *suite
	if v.runsErr != nil || v.Branch == nil || v.Branch.Target == nil || v.Branch.Target.Suites == nil {
		return nil
	}
	all := v.Branch.Target.Suites
	for i, s := range all.Nodes {
		if s.Run == nil || s.Run.File == nil || s.Run.File.Path != path || strings.HasPrefix(s.Run.Event, "pull_request") {
			continue
		}
		if last == nil || s.UpdatedAt.After(last.UpdatedAt) {
			last = &all.Nodes[i]
		}
	}
	if len(all.Nodes) < all.Total {
		return nil // a later one may be among those that did not come
	}
	return last
}

// latest says how many pull requests were merged, and when one was last updated.
type latest struct {
	Total int `json:"totalCount"`
	Nodes []struct {
		UpdatedAt time.Time `json:"updatedAt"`
	} `json:"nodes"`
}

type tree struct {
	Entries []entry `json:"entries"`
}

type entry struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Object *struct {
		Text      *string `json:"text"`
		Truncated bool    `json:"isTruncated"`
		Size      int64   `json:"byteSize"`
	} `json:"object,omitempty"`
}

func (v overview) empty() bool { return v.err == nil && v.Empty != nil && *v.Empty }

// bare reports that no rule of classic protection guards the default branch.
func (v overview) bare() bool {
	return v.err == nil && !v.bareErr && v.Branch != nil && v.Branch.Rule == nil
}

func (v overview) head() string {
	if v.Branch == nil || v.Branch.Target == nil {
		return ""
	}
	return v.Branch.Target.OID
}

const overviewFields = `
fragment view on Repository {
  databaseId
  isEmpty
  hasVulnerabilityAlertsEnabled
  defaultBranchRef {
    name
    branchProtectionRule { pattern }
    target {
      oid
      ... on Commit { checkSuites(first: 30) { totalCount nodes { status conclusion updatedAt workflowRun { event file { path } } } } }
    }
  }
  root: object(expression: "HEAD:") { ... on Tree { entries { name type } } }
  hidden: object(expression: "HEAD:.github") { ... on Tree { entries { name type } } }
  docs: object(expression: "HEAD:docs") { ... on Tree { entries { name type } } }
  workflows: object(expression: "HEAD:.github/workflows") {
    ... on Tree { entries { name type object { ... on Blob { text isTruncated byteSize } } } }
  }
  merged: pullRequests(states: [MERGED], first: 1, orderBy: {field: UPDATED_AT, direction: DESC}) {
    totalCount
    nodes { updatedAt }
  }
}`

// overviews asks about some repositories of an organisation at once.
func (r *reader) overviews(ctx context.Context, org string, repos []repo) map[string]overview {
	var heads, body strings.Builder
	vars := map[string]any{}
	for i, x := range repos {
		owner, name, _ := cutName(x.FullName)
		fmt.Fprintf(&heads, "$o%d: String!, $n%d: String!, ", i, i)
		fmt.Fprintf(&body, "  r%d: repository(owner: $o%d, name: $n%d) { ...view }\n", i, i, i)
		vars[fmt.Sprintf("o%d", i)], vars[fmt.Sprintf("n%d", i)] = owner, name
	}
	text := "query(" + strings.TrimSuffix(heads.String(), ", ") + ") {\n" + body.String() + "}" + overviewFields
	var answers map[string]*overview
	denied, err := r.api.query(ctx, org, text, vars, &answers)
	out := map[string]overview{}
	for i, x := range repos {
		v := overview{err: err}
		alias := fmt.Sprintf("r%d", i)
		if got := answers[alias]; err == nil && got != nil {
			v = *got
			v.err = v.check(x)
		} else if err == nil {
			v.err = fmt.Errorf("%s: %w: %w", x.FullName, errNoOverview, connector.ErrFormat)
		}
		for _, field := range []string{"", "defaultBranchRef", "root", "hidden", "docs", "workflows", "merged"} {
			if refused := denied.of(alias, field); refused != nil && err == nil {
				v.err = refused
			}
		}
		v.runsErr = firstOf(denied.of(alias, "checkSuites"), denied.of(alias, "workflowRun"))
		v.bareErr = denied.of(alias, "branchProtectionRule") != nil
		out[x.FullName] = v
	}
	return out
}

// check refuses what does not answer the question.
func (v overview) check(x repo) error {
	whole := v.ID == x.ID && v.Empty != nil && v.Merged != nil
	if whole && !*v.Empty {
		whole = v.Branch != nil && v.Branch.Target != nil && v.Branch.Target.OID != "" && v.Root != nil
	}
	if !whole {
		return fmt.Errorf("repository %s: %w", x.FullName, connector.ErrFormat)
	}
	return nil
}

// seen returns overviews from this reading, and asks for those that it lacks.
// Kept ones hold no files.
func (r *reader) seen(ctx context.Context, org string, repos []repo) map[string]overview {
	out := map[string]overview{}
	var missing []repo
	for _, x := range repos {
		if v, ok := r.views[x.FullName]; ok {
			out[x.FullName] = v
		} else {
			missing = append(missing, x)
		}
	}
	if len(missing) > 0 {
		maps.Copy(out, r.overviews(ctx, org, missing))
	}
	return out
}

func (v overview) light() overview {
	v.Root, v.Hidden, v.Docs, v.Workflows = nil, nil, nil, nil
	return v
}
