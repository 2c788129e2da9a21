package fact

import "time"

// Protection is what guards a repository's default branch.
type Protection struct {
	Enabled           Opt[bool]     `json:"enabled,omitzero" doc:"a rule protects the branch"`
	PullRequest       Opt[bool]     `json:"pull_request,omitzero" doc:"changes arrive by pull request only; nobody may push directly"`
	Approvals         Opt[int64]    `json:"approvals,omitzero" doc:"approvals asked for before a merge"`
	AuthorCanApprove  Opt[bool]     `json:"author_can_approve,omitzero" doc:"the author's own approval counts"`
	DismissStale      Opt[bool]     `json:"dismiss_stale,omitzero" doc:"a new push takes earlier approvals back"`
	CodeOwners        Opt[bool]     `json:"code_owners,omitzero" doc:"the code owners' approval is asked for"`
	RequiredChecks    Opt[[]string] `json:"required_checks,omitzero" doc:"status checks that must pass before a merge"`
	ChecksRequired    Opt[bool]     `json:"checks_required,omitzero" doc:"at least one status check must pass before a merge"`
	UpToDate          Opt[bool]     `json:"up_to_date,omitzero" doc:"the branch must hold the newest base before a merge"`
	ForcePush         Opt[bool]     `json:"force_push,omitzero" doc:"somebody may rewrite the branch"`
	Deletion          Opt[bool]     `json:"deletion,omitzero" doc:"somebody may delete the branch"`
	Admins            Opt[bool]     `json:"admins,omitzero" doc:"the rule binds administrators too"`
	BypassActors      Opt[[]string] `json:"bypass_actors,omitzero" doc:"accounts, teams and apps that may pass the rule"`
	PushActors        Opt[[]string] `json:"push_actors,omitzero" doc:"accounts and teams that may push directly"`
	MergeActors       Opt[[]string] `json:"merge_actors,omitzero" doc:"accounts and teams that may merge"`
	SignedCommits     Opt[bool]     `json:"signed_commits,omitzero" doc:"commits must be signed"`
	ConversationsDone Opt[bool]     `json:"conversations_done,omitzero" doc:"a rejected review blocks the merge"`
}

// Repository is a place where code lives, with the protection of its default branch.
type Repository struct {
	Name               Opt[string]     `json:"name,omitzero" doc:"full name, such as acme/web"`
	URL                Opt[string]     `json:"url,omitzero" doc:"address of its page"`
	Archived           Opt[bool]       `json:"archived,omitzero" doc:"read-only for ever"`
	Empty              Opt[bool]       `json:"empty,omitzero" doc:"holds no commit"`
	Fork               Opt[bool]       `json:"fork,omitzero" doc:"copy of another repository"`
	Mirror             Opt[bool]       `json:"mirror,omitzero" doc:"follows another repository and takes no change of its own"`
	Public             Opt[bool]       `json:"public,omitzero" doc:"anybody can read it"`
	Production         Opt[bool]       `json:"production,omitzero" doc:"its default branch reaches production"`
	DefaultBranch      Opt[string]     `json:"default_branch,omitzero" doc:"name of the default branch"`
	Protection         Opt[Protection] `json:"protection,omitzero" doc:"what guards the default branch"`
	CodeOwners         Opt[bool]       `json:"code_owners,omitzero" doc:"a CODEOWNERS file is there"`
	SecurityPolicy     Opt[bool]       `json:"security_policy,omitzero" doc:"a SECURITY.md file is there"`
	LockFiles          Opt[bool]       `json:"lock_files,omitzero" doc:"every dependency manifest has its lock file"`
	UnlockedManifests  Opt[[]string]   `json:"unlocked_manifests,omitzero" doc:"dependency manifests without a lock file"`
	RunsTests          Opt[bool]       `json:"runs_tests,omitzero" doc:"its pipeline runs automated tests"`
	RunsCodeScan       Opt[bool]       `json:"runs_code_scan,omitzero" doc:"its pipeline scans the code for weaknesses"`
	RunsDependencyScan Opt[bool]       `json:"runs_dependency_scan,omitzero" doc:"its pipeline scans dependencies"`
	RunsSecretScan     Opt[bool]       `json:"runs_secret_scan,omitzero" doc:"its pipeline scans for secrets"`
	RunsEndToEnd       Opt[bool]       `json:"runs_end_to_end,omitzero" doc:"its pipeline runs end-to-end tests"`
	SecretsFound       Opt[int64]      `json:"secrets_found,omitzero" doc:"committed secrets that a scanner found"`
	SecretLocations    Opt[[]string]   `json:"secret_locations,omitzero" doc:"file, line and rule of each committed secret; never its value"`
	SignedShare        Opt[float64]    `json:"signed_share,omitzero" doc:"share of the period's commits with a good signature, 0 to 1"`
	CommitsInPeriod    Opt[int64]      `json:"commits_in_period,omitzero" doc:"commits on the default branch in the period"`
	DirectPushes       Opt[int64]      `json:"direct_pushes,omitzero" doc:"commits in the period that came past a review"`
	PrivateReporting   Opt[bool]       `json:"private_reporting,omitzero" doc:"takes private vulnerability reports"`
	TokenReadOnly      Opt[bool]       `json:"token_read_only,omitzero" doc:"an automation's token may only read unless a job asks for more"`
	ActionsAllowed     Opt[string]     `json:"actions_allowed,omitzero" doc:"whose automations may run" enum:"all,local_only,selected,none"`
	ActionsPinned      Opt[bool]       `json:"actions_pinned,omitzero" doc:"automations must be pinned to a commit"`
	SecretScanning     Opt[bool]       `json:"secret_scanning,omitzero" doc:"the host looks for committed secrets"`
	PushProtection     Opt[bool]       `json:"push_protection,omitzero" doc:"the host refuses a push that holds a secret"`
	DependencyAlerts   Opt[bool]       `json:"dependency_alerts,omitzero" doc:"the host warns of known weaknesses in dependencies"`
	CodeScannedAt      Opt[time.Time]  `json:"code_scanned_at,omitzero" doc:"last result of a code scanner"`
	PushedAt           Opt[time.Time]  `json:"pushed_at,omitzero" doc:"last push"`
	HeadCommit         Opt[string]     `json:"head_commit,omitzero" doc:"newest commit of the default branch"`
	Writers            Opt[[]string]   `json:"writers,omitzero" doc:"accounts that may write"`
	NonHumanWriters    Opt[[]string]   `json:"non_human_writers,omitzero" doc:"keys, apps and bots that may write"`
	Webhook            Opt[bool]       `json:"webhook,omitzero" doc:"announces its changes to Prumo"`
	Owner              Opt[Ref]        `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
}

// Kind implements Data.
func (Repository) Kind() string { return "repository" }

// StatusCheck is one result that a pipeline reported for a change.
type StatusCheck struct {
	Name   string `json:"name" doc:"name of the check"`
	Status string `json:"status" doc:"result" enum:"success,failure,pending,skipped"`
}

// Change is a merged change: a pull or merge request that reached the default branch.
type Change struct {
	Repository     Opt[Ref]           `json:"repository,omitzero" doc:"repository that it was merged into" ref:"repository"`
	Number         Opt[int64]         `json:"number,omitzero" doc:"number of the pull request"`
	Title          Opt[string]        `json:"title,omitzero" doc:"title"`
	URL            Opt[string]        `json:"url,omitzero" doc:"address of its page"`
	Base           Opt[string]        `json:"base,omitzero" doc:"branch that it was merged into"`
	Author         Opt[string]        `json:"author,omitzero" doc:"account that opened it"`
	AuthorIsBot    Opt[bool]          `json:"author_is_bot,omitzero" doc:"a program opened it"`
	Committers     Opt[[]string]      `json:"committers,omitzero" doc:"accounts whose commits it holds"`
	Approvers      Opt[[]string]      `json:"approvers,omitzero" doc:"accounts whose approval stood at the merge"`
	OtherApprovers Opt[[]string]      `json:"other_approvers,omitzero" doc:"approvers who neither opened it nor wrote a commit of it"`
	MergedBy       Opt[string]        `json:"merged_by,omitzero" doc:"account that merged it"`
	MergedAt       Opt[time.Time]     `json:"merged_at,omitzero" doc:"when it was merged"`
	CreatedAt      Opt[time.Time]     `json:"created_at,omitzero" doc:"when it was opened"`
	Commit         Opt[string]        `json:"commit,omitzero" doc:"commit that the merge made"`
	Checks         Opt[[]StatusCheck] `json:"checks,omitzero" doc:"results reported for its last commit"`
	ChecksPassed   Opt[bool]          `json:"checks_passed,omitzero" doc:"at least one check reported and none failed or was missing"`
}

// Kind implements Data.
func (Change) Kind() string { return "change" }

// Commit is a commit on a default branch that came past review.
type Commit struct {
	Repository Opt[Ref]       `json:"repository,omitzero" doc:"repository that it is in" ref:"repository"`
	SHA        Opt[string]    `json:"sha,omitzero" doc:"its hash"`
	Title      Opt[string]    `json:"title,omitzero" doc:"first line of its message"`
	Author     Opt[string]    `json:"author,omitzero" doc:"who wrote it"`
	Pusher     Opt[string]    `json:"pusher,omitzero" doc:"who pushed it"`
	At         Opt[time.Time] `json:"at,omitzero" doc:"commit time"`
	Reviewed   Opt[bool]      `json:"reviewed,omitzero" doc:"it came through a merged change"`
	Signed     Opt[bool]      `json:"signed,omitzero" doc:"it carries a signature"`
	URL        Opt[string]    `json:"url,omitzero" doc:"address of its page"`
}

// Kind implements Data.
func (Commit) Kind() string { return "commit" }

// Pipeline is a definition of automated work over a repository.
type Pipeline struct {
	Repository    Opt[Ref]       `json:"repository,omitzero" doc:"repository that it works on" ref:"repository"`
	Name          Opt[string]    `json:"name,omitzero" doc:"name"`
	File          Opt[string]    `json:"file,omitzero" doc:"file that defines it"`
	Engine        Opt[string]    `json:"engine,omitzero" doc:"what runs it, such as github-actions, gitea-actions, gitlab-ci"`
	Jobs          Opt[[]string]  `json:"jobs,omitzero" doc:"names of its jobs"`
	Covers        Opt[[]string]  `json:"covers,omitzero" doc:"what its jobs are mapped to: test, code-scan, dependency-scan, secret-scan, end-to-end"`
	OnPullRequest Opt[bool]      `json:"on_pull_request,omitzero" doc:"runs for each pull request"`
	PinnedActions Opt[bool]      `json:"pinned_actions,omitzero" doc:"every action it uses is pinned to a commit"`
	Unpinned      Opt[[]string]  `json:"unpinned,omitzero" doc:"actions that are not pinned to a commit"`
	TokenReadOnly Opt[bool]      `json:"token_read_only,omitzero" doc:"its token may only read unless a job asks for more"`
	Environment   Opt[string]    `json:"environment,omitzero" doc:"environment that it deploys to"`
	NeedsReviewer Opt[bool]      `json:"needs_reviewer,omitzero" doc:"a deployment waits for another person's approval"`
	LastStatus    Opt[string]    `json:"last_status,omitzero" doc:"result of the last run on the default branch" enum:"success,failure,pending,skipped"`
	LastRunAt     Opt[time.Time] `json:"last_run_at,omitzero" doc:"last run on the default branch"`
}

// Kind implements Data.
func (Pipeline) Kind() string { return "pipeline" }

// Vulnerability is a known weakness that a scanner, a tester or a reporter named.
type Vulnerability struct {
	Advisory   Opt[string]    `json:"advisory,omitzero" doc:"identifier such as CVE-2026-1234 or GHSA-…"`
	Title      Opt[string]    `json:"title,omitzero" doc:"short description"`
	Severity   Opt[string]    `json:"severity,omitzero" doc:"how bad" enum:"low,medium,high,critical"`
	Type       Opt[string]    `json:"type,omitzero" doc:"who found it" enum:"dependency,code,secret,infrastructure,pentest,report"`
	Open       Opt[bool]      `json:"open,omitzero" doc:"neither fixed nor dismissed"`
	State      Opt[string]    `json:"state,omitzero" doc:"state in the source's words"`
	Package    Opt[string]    `json:"package,omitzero" doc:"affected package"`
	Version    Opt[string]    `json:"version,omitzero" doc:"affected version in use"`
	FixedIn    Opt[string]    `json:"fixed_in,omitzero" doc:"first version without it"`
	Path       Opt[string]    `json:"path,omitzero" doc:"file that it is in"`
	Repository Opt[Ref]       `json:"repository,omitzero" doc:"repository that it is in" ref:"repository"`
	Host       Opt[Ref]       `json:"host,omitzero" doc:"machine that it is on" ref:"host"`
	FoundAt    Opt[time.Time] `json:"found_at,omitzero" doc:"when it was first seen"`
	DueAt      Opt[time.Time] `json:"due_at,omitzero" doc:"when it must be fixed"`
	FixedAt    Opt[time.Time] `json:"fixed_at,omitzero" doc:"when it was fixed"`
	URL        Opt[string]    `json:"url,omitzero" doc:"address of its page"`
}

// Kind implements Data.
func (Vulnerability) Kind() string { return "vulnerability" }
