// Package git reads a Git repository by path or address through the git
// program: who may change what (CODEOWNERS), how it is built (CI definitions),
// what was committed in a period, signatures, lock files, committed secrets.
// It reads objects only, never a working tree; the repository's own
// configuration, hooks, submodules and filters are never used.
//
// Git alone cannot prove that somebody reviewed a change: that stays unknown
// unless the organisation says which marks its merges leave (review_marks).
//
// Start at Collect; open.go says how a repository is opened safely.
package git

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

type git struct{}

// New returns the connector for one Git repository.
func New() connector.Connector { return git{} }

// Collect implements connector.Connector. Settings that cannot work are an
// error; a repository that cannot be reached closes its scope as such.
func (git) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	o, err := readOptions(run.Settings)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "prumo-git-")
	if err != nil {
		return fmt.Errorf("make a folder for the reading: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // what stays behind is in the system's folder for such files
	whole, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	r := &reading{options: o, run: run, tmp: tmp, now: run.Now().UTC()}
	err = r.open(whole)
	defer func() {
		if r.relay != nil {
			cancel() // ends the relay's connections
			r.relay.close()
		}
	}()
	if errors.Is(err, connector.ErrSettings) {
		return err
	}
	if err := r.emitRepository(whole, emit, err); err != nil {
		return err
	}
	return ctx.Err()
}

// A reading is one reading of one repository.
type reading struct {
	options
	run connector.Run
	tmp string // holds our bare repository; removed at the end
	now time.Time

	gitDir   string          // our bare repository
	name     string          // as in the fact
	id       string          // of the fact
	branch   string          // default branch; empty: not known
	head     string          // its newest commit; empty: no commit
	shallow  map[string]bool // commits at which the history was cut
	remote   remote          // where url leads
	relay    *relay          // the only way to it
	partial  bool            // blobs come on demand from the host
	jobsOpen bool            // a pipeline has jobs that its file does not name

	tally []string // what was cut short, in words for people
}

func (r *reading) cutShort(why string) {
	for _, t := range r.tally {
		if t == why {
			return
		}
	}
	r.tally = append(r.tally, why)
}

// emitRepository emits the repository and its parts; opened is what opening it ended with.
func (r *reading) emitRepository(ctx context.Context, emit connector.Emit, opened error) error {
	const scope = "repository"
	if err := emit.Open(connector.Scope{Name: scope, Kinds: []string{"repository", "pipeline"}}); err != nil {
		return fmt.Errorf("open scope %s: %w", scope, err)
	}
	if opened != nil {
		r.run.Log.InfoContext(ctx, "git repository could not be read", slog.String("source", r.run.Source), slog.Any("error", opened))
		reading, d := refusal(opened)
		if err := emit.Close(scope, reading, d); err != nil {
			return err
		}
		return r.emitCommits(emit, nil, opened)
	}
	f := fact.Repository{Name: fact.Some(r.name), Empty: fact.Some(r.head == "")}
	f.URL = fact.SomeIf(r.url, strings.HasPrefix(r.url, "https://"))
	f.DefaultBranch = fact.SomeIf(r.branch, r.branch != "")
	f.Production = fact.SomeIf(r.production, r.production)
	var past []commit
	if r.head != "" {
		f.HeadCommit = fact.Some(r.head)
		pipelines := r.readTree(ctx, &f)
		past = r.readHistory(ctx, &f)
		r.readSecrets(ctx, &f)
		for _, p := range pipelines {
			if err := emit.Fact(scope, r.id+"/"+p.File.Or(""), p); err != nil {
				return fmt.Errorf("emit pipeline %s: %w", p.File.Or(""), err)
			}
		}
	}
	if err := emit.Fact(scope, r.id, f); err != nil {
		return fmt.Errorf("emit the repository: %w", err)
	}
	if err := emit.Close(scope, r.result(ctx), connector.Detail{Why: strings.Join(r.tally, "; ")}); err != nil {
		return err
	}
	return r.emitCommits(emit, past, ctx.Err())
}

func (r *reading) result(ctx context.Context) fact.Reading {
	if ctx.Err() != nil && len(r.tally) == 0 {
		r.cutShort("the reading took longer than its limit")
	}
	if len(r.tally) > 0 {
		return fact.Partial
	}
	return fact.Complete
}

// emitCommits emits the commits that came past review, where the settings say
// how a reviewed one is marked; otherwise nobody knows which they are.
func (r *reading) emitCommits(emit connector.Emit, past []commit, failed error) error {
	if len(r.marks) == 0 {
		return nil
	}
	const scope = "commits"
	if err := emit.Open(connector.Scope{Name: scope, Kinds: []string{"commit"}}); err != nil {
		return fmt.Errorf("open scope %s: %w", scope, err)
	}
	for _, c := range past {
		f := fact.Commit{
			Repository: fact.Some(fact.Ref(r.id)), SHA: fact.Some(c.sha), Title: fact.Some(c.title), Author: fact.Some(c.author),
			At: fact.Some(c.at), Reviewed: fact.Some(false), Signed: fact.Some(c.signed),
		}
		if err := emit.Fact(scope, r.id+"/"+c.sha, f); err != nil {
			return fmt.Errorf("emit commit %s: %w", c.sha, err)
		}
	}
	reading, d := fact.Complete, connector.Detail{}
	switch {
	case failed != nil:
		reading, d = refusal(failed)
	case len(r.tally) > 0:
		reading, d = fact.Partial, connector.Detail{Why: strings.Join(r.tally, "; ")}
	}
	return emit.Close(scope, reading, d)
}

// refusal says what an error of opening the repository means for a scope.
func refusal(err error) (fact.Reading, connector.Detail) {
	var ge *gitError
	if errors.As(err, &ge) && ge.why != "" {
		reading := fact.Partial
		if ge.refused {
			reading = fact.Forbidden
		}
		return reading, connector.Detail{Why: ge.why}
	}
	return connector.Honest(err)
}
