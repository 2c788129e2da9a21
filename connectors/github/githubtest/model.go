// Package githubtest is a GitHub in memory: one state machine with
// organisations, repositories, classic protection and rulesets, pull requests,
// alerts, tokens and Apps, ETags, both rate limits, pages and GitHub's habit of
// answering 404 where it hides something. It serves the REST paths and the
// GraphQL fields that the github connector uses, and some that only its tests
// use. What it answers is held to GitHub's published description in describe.go.
//
// It is for tests only. Start at New; change the state under Do.
package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A GitHub is the whole system. Change its fields through Do while it serves.
type GitHub struct {
	Now        func() time.Time
	Orgs       []*Org
	Tokens     map[string]*Credential
	Apps       map[string]*App // by App id or client id
	Limit      int             // requests an hour of one credential; 0: none
	GraphLimit int             // points an hour; 0: none
	Burst      int             // requests a minute before the secondary limit; 0: none

	mu     sync.Mutex // guards all of the state
	mux    *http.ServeMux
	spent  map[string]*window
	minute window
	tally  Tally
	nextID int64
}

// A Tally is what was asked so far.
type Tally struct {
	REST      int // answered in full: these count against the primary limit
	Unchanged int // answered with 304, which costs nothing
	Graph     int // queries
	Points    int // that they cost
	Refused   int // because a limit was used up
	Paths     []string
}

// Counted are the requests that a limit counts.
func (t Tally) Counted() int { return t.REST + t.Graph }

type window struct {
	used int
	ends time.Time
}

// A Credential is whose a token is and what it may see.
type Credential struct {
	User        *User
	Scopes      *string           // of a classic token
	Only        []string          // repositories that a fine-grained token may see; nil: all
	Permissions map[string]string // of an App's installation
	Org         string            // of an App's installation
	Ends        time.Time         // of an App's token
}

// An App can make tokens for the organisations in which it is installed.
type App struct {
	ID   int64
	Slug string
	Key  any // its public key
}

// A User is an account.
type User struct {
	ID        int64
	Login     string
	Name      string
	Email     string
	Bot       bool
	TwoFactor bool
	Created   time.Time
}

// An Org is an organisation.
type Org struct {
	ID                 int64
	Login, Plan        string
	TwoFactorRequired  bool
	BasePermission     string
	CreatePublic       bool
	Owners, Members    []*User // Members holds the owners too
	Outside            []*User
	Teams              []*Team
	Installs           []*Install
	Rulesets           []*Ruleset
	Repos              []*Repo
	AllowedActions     string
	Pinned             bool
	TokenDefault       string
	ActionsApprove     bool
	Dependabot         []*Alert
	CodeAlerts         []*Alert
	SecretAlerts       []*Alert
	Advisories         []*Alert
	Audit              []time.Time
	AccessTokens       []*AccessToken
	DependabotDisabled bool
}

// A Team is some members.
type Team struct {
	ID      int64
	Slug    string
	Members []*User
}

// An Install is an App in an organisation.
type Install struct {
	ID          int64
	App         *App
	Permissions map[string]string
	Selection   string
	Created     time.Time
	Suspended   *time.Time
}

// An AccessToken is a fine-grained personal token that may enter an organisation.
type AccessToken struct {
	ID      int64
	Owner   *User
	Name    string
	Ends    *time.Time
	Used    *time.Time
	Granted time.Time
	Repo    map[string]string
}

// A Repo is a repository.
type Repo struct {
	ID                        int64
	Name, Branch              string
	Private, Archived, Fork   bool
	Created, Pushed           time.Time
	SecretScanning            bool
	PushProtection            bool
	VulnerabilityAlerts       bool
	PrivateReporting          bool
	Collaborators             []Collaborator
	Keys                      []*Key
	Environments              []*Environment
	Classic                   map[string]*Classic // by branch
	Rulesets                  []*Ruleset
	Files                     map[string]string
	Commits                   []*Commit // of the default branch, newest first
	Pulls                     []*Pull
	Runs                      []Run
	ActionsOff                bool
	AllowedActions            string
	Pinned                    bool
	TokenDefault              string
	Analysed                  *time.Time
	NoPullAccess, NoCheckPerm bool // for an App that lacks the permission
}

// A Collaborator may do something with a repository, through whatever gives the right.
type Collaborator struct {
	User *User
	Role string // read, write, maintain or admin
}

// A Key is a deploy key.
type Key struct {
	ID       int64
	Title    string
	ReadOnly bool
	Created  time.Time
	Used     *time.Time
	AddedBy  string
}

// An Environment is a place that is deployed to.
type Environment struct {
	ID         int64
	Name       string
	Wait       int
	Reviewers  []any // *User or *Team
	NoSelf     bool
	Protected  bool
	Branches   []string // custom policies
	AdminsPass bool
}

// A Commit is one of the default branch.
type Commit struct {
	OID, Message string
	At           time.Time
	Author       *User // nil: the address is nobody's
	Signed       bool
	Root         bool
	Pulls        []*Pull
}

// A Pull is a pull request.
type Pull struct {
	Number                     int
	Title, Base                string
	Author, MergedBy           *User
	Created, Updated, MergedAt time.Time
	Merge                      string
	Commits                    []*Commit
	Reviews                    []Review
	Checks                     []Check
}

// A Review is one person's word on a pull request.
type Review struct {
	State   string
	By      *User
	At      time.Time
	Updated time.Time
	NoPush  bool // its author may not push
}

// A Run is a run of a workflow for the newest commit of the default branch.
type Run struct {
	Path, Event, Result string
	At                  time.Time
}

// A Check is one result.
type Check struct {
	Name, Result string
	Status       bool // a commit status, and not a check run
}

// An Alert is of whatever kind its list is.
type Alert struct {
	Number                        int
	Repo                          *Repo
	State                         string
	Severity, Package, Fixed      string
	Title, Path, Advisory, Secret string
	Created                       time.Time
	Ended                         *time.Time
}

// New returns an empty GitHub.
func New(now func() time.Time) *GitHub {
	g := &GitHub{Now: now, Tokens: map[string]*Credential{}, Apps: map[string]*App{}, spent: map[string]*window{}, nextID: 1000}
	g.routes()
	return g
}

// Do changes the state while nothing is served.
func (g *GitHub) Do(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// Reset returns the tally and begins a new one.
func (g *GitHub) Reset() Tally {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.tally
	g.tally = Tally{}
	return t
}

// ID returns a number that nothing else has.
func (g *GitHub) ID() int64 { g.nextID++; return g.nextID }

// User makes an account.
func (g *GitHub) User(login string) *User {
	return &User{ID: g.ID(), Login: login, Email: "", TwoFactor: true, Created: g.Now().AddDate(-2, 0, 0)}
}

// Org makes an organisation with its owners.
func (g *GitHub) Org(login string, owners ...*User) *Org {
	o := &Org{
		ID: g.ID(), Login: login, Plan: "team", TwoFactorRequired: true, BasePermission: "read", Owners: owners, Members: slices.Clone(owners),
		AllowedActions: "selected", Pinned: true, TokenDefault: "read",
	}
	g.Orgs = append(g.Orgs, o)
	return o
}

// Repo makes a repository with one commit.
func (g *GitHub) Repo(o *Org, name string) *Repo {
	made := g.Now().AddDate(0, -10, 0)
	r := &Repo{
		ID: g.ID(), Name: name, Branch: "main", Private: true, Created: made, Pushed: made, AllowedActions: "all", TokenDefault: "read",
		Classic: map[string]*Classic{}, Files: map[string]string{"README.md": "# " + name}, SecretScanning: true, VulnerabilityAlerts: true,
	}
	r.Commits = []*Commit{{OID: oid(name + " root"), Message: "initial commit", At: made.Add(time.Second), Root: true}}
	for _, u := range o.Owners {
		r.Collaborators = append(r.Collaborators, Collaborator{u, "admin"})
	}
	o.Repos = append(o.Repos, r)
	return r
}

// Merge makes a merged pull request, squashed into one commit.
func (g *GitHub) Merge(r *Repo, title string, author *User, at time.Time, reviews ...Review) *Pull {
	n := len(r.Pulls) + 1
	step := &Commit{OID: oid(fmt.Sprintf("%s step %d", r.Name, n)), Message: title, At: at.Add(-time.Hour), Author: author}
	p := &Pull{
		Number: n, Title: title, Base: r.Branch, Author: author, MergedBy: author, Created: at.Add(-2 * time.Hour), Updated: at, MergedAt: at,
		Merge: oid(fmt.Sprintf("%s merge %d", r.Name, n)), Commits: []*Commit{step}, Reviews: reviews, Checks: []Check{{Name: "test", Result: "SUCCESS"}},
	}
	r.Pulls = append(r.Pulls, p)
	g.Push(r, &Commit{OID: p.Merge, Message: fmt.Sprintf("%s (#%d)", title, n), At: at, Author: author, Signed: true, Pulls: []*Pull{p}})
	return p
}

// Push puts a commit on the default branch.
func (g *GitHub) Push(r *Repo, c *Commit) {
	r.Commits = append([]*Commit{c}, r.Commits...)
	r.Pushed = c.At
}

func (o *Org) full(r *Repo) string { return o.Login + "/" + r.Name }
