package api

import (
	"encoding/json"
	"time"

	"prumo.dev/prumo/internal/monitor"
)

// A VerdictView is a verdict as the interface shows it.
type VerdictView struct {
	Check    string     `json:"check"`
	Version  int        `json:"version"`
	Fact     string     `json:"fact"`
	Name     string     `json:"name,omitempty"`
	Kind     string     `json:"kind"`
	Source   string     `json:"source"`
	Status   string     `json:"status" enum:"pass,fail,unknown,not_applicable,excepted"`
	Outcome  string     `json:"outcome" enum:"pass,fail,unknown,not_applicable"`
	Stale    bool       `json:"stale"`
	Reason   string     `json:"reason"`
	Since    time.Time  `json:"since"`
	Severity string     `json:"severity" enum:"low,medium,high,critical"`
	Owner    string     `json:"owner"`
	Due      *time.Time `json:"due,omitempty" doc:"when the open finding must be fixed"`
	FlipsAt  *time.Time `json:"flips_at,omitempty" doc:"when it turns without a new reading"`
	ReadAt   time.Time  `json:"read_at" doc:"last observation that it rests on"`
	Finding  string     `json:"finding,omitempty"`
	Excepted string     `json:"exception,omitempty"`
}

func verdictView(v monitor.Verdict) VerdictView {
	return VerdictView{
		Check: v.Check, Version: v.Version, Fact: v.Fact, Name: v.Name, Kind: v.Kind, Source: v.Source,
		Status: string(v.Status), Outcome: v.Outcome.String(), Stale: v.Stale, Reason: v.Reason, Since: v.Since,
		Severity: v.Severity.String(), Owner: v.Owner, Due: v.Due, FlipsAt: v.FlipsAt, ReadAt: v.ReadAt,
		Finding: v.Finding, Excepted: v.Excepted,
	}
}

// A FactBody is a fact as the interface shows it: a fact line and how it is known.
type FactBody struct {
	Kind       string          `json:"kind"`
	ID         string          `json:"id"`
	Source     string          `json:"source"`
	Scope      string          `json:"scope"`
	Name       string          `json:"name,omitempty"`
	Origin     string          `json:"origin" enum:"api,host,pushed,person"`
	ObservedAt time.Time       `json:"observed_at"`
	ReadAt     time.Time       `json:"read_at" doc:"last observation: its own or its scope's complete reading"`
	ChangedAt  time.Time       `json:"changed_at"`
	FirstSeen  time.Time       `json:"first_seen"`
	GoneAt     *time.Time      `json:"gone_at,omitempty"`
	Owner      string          `json:"owner,omitempty"`
	Digest     string          `json:"digest"`
	Data       json.RawMessage `json:"data"`
}

func factBody(f monitor.FactView) FactBody {
	return FactBody{
		Kind: f.Kind, ID: f.ID, Source: f.Source, Scope: f.Scope, Name: f.Name, Origin: string(f.Origin),
		ObservedAt: f.ObservedAt, ReadAt: f.ReadAt, ChangedAt: f.ChangedAt, FirstSeen: f.FirstSeen, GoneAt: f.GoneAt,
		Owner: f.Owner, Digest: f.Digest, Data: f.Data,
	}
}

// A FindingView is a finding as the interface shows it.
type FindingView struct {
	ID        string     `json:"id"`
	Check     string     `json:"check"`
	Fact      string     `json:"fact"`
	Name      string     `json:"name,omitempty"`
	Kind      string     `json:"kind"`
	Source    string     `json:"source"`
	Severity  string     `json:"severity"`
	Status    string     `json:"status"`
	Owner     string     `json:"owner"`
	Reason    string     `json:"reason"`
	Message   string     `json:"message"`
	Actor     string     `json:"actor,omitempty" doc:"who changed it at the source, where the source says so"`
	OpenedAt  time.Time  `json:"opened_at"`
	DueAt     time.Time  `json:"due_at"`
	Late      bool       `json:"late"`
	AlertedAt *time.Time `json:"alerted_at,omitempty"`
	ClosedAt  *time.Time `json:"closed_at,omitempty"`
	ClosedWhy string     `json:"closed_why,omitempty"`

	Silences []SilenceView `json:"silences,omitempty" doc:"acknowledgements and mutes of its alerts that hold now"`
}

// A SilenceView is an acknowledgement or a mute of alerts.
type SilenceView struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind" enum:"acknowledge,mute"`
	Finding   string     `json:"finding,omitempty"`
	Cause     string     `json:"cause,omitempty"`
	Check     string     `json:"check,omitempty" doc:"of a part of a cause"`
	Reason    string     `json:"reason,omitempty"`
	By        string     `json:"by"`
	Via       string     `json:"via" doc:"console, api or link"`
	CreatedAt time.Time  `json:"created_at"`
	Until     *time.Time `json:"until,omitempty" doc:"absent: until it is mended"`
}

func silenceView(s monitor.Silence) SilenceView {
	return SilenceView{
		ID: s.ID, Kind: string(s.Kind), Finding: s.Finding, Cause: s.Cause, Check: s.Check, Reason: s.Reason, By: s.By, Via: s.Via,
		CreatedAt: s.CreatedAt, Until: s.Until,
	}
}

func silenceViews(all []monitor.Silence) []SilenceView {
	var out []SilenceView
	for _, s := range all {
		out = append(out, silenceView(s))
	}
	return out
}

func findingView(f monitor.Finding) FindingView {
	return FindingView{
		ID: f.ID, Check: f.Check, Fact: f.Fact, Name: f.Name, Kind: f.Kind, Source: f.Source,
		Severity: f.Severity.String(), Status: string(f.Status), Owner: f.Owner, Reason: f.Reason, Message: f.Message,
		Actor: f.Actor, OpenedAt: f.OpenedAt, DueAt: f.DueAt, Late: f.Late, AlertedAt: f.AlertedAt,
		ClosedAt: f.ClosedAt, ClosedWhy: f.ClosedWhy, Silences: silenceViews(f.Silences),
	}
}

// An ExceptionView is an exception as the interface shows it.
type ExceptionView struct {
	ID         string     `json:"id"`
	Check      string     `json:"check"`
	Fact       string     `json:"fact,omitempty"`
	Source     string     `json:"source,omitempty"`
	Reason     string     `json:"reason"`
	Requester  string     `json:"requester"`
	Approver   string     `json:"approver"`
	Solo       bool       `json:"solo" doc:"requester and approver are one person"`
	CreatedAt  time.Time  `json:"created_at"`
	ApprovedAt *time.Time `json:"approved_at,omitempty"`
	Ends       time.Time  `json:"ends"`
	Guard      string     `json:"guard,omitempty" doc:"check that must stay green"`
	GuardOK    bool       `json:"guard_ok"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	Active     bool       `json:"active"`
	Covers     int64      `json:"covers" doc:"failing verdicts under it"`
}

func exceptionView(e monitor.Exception) ExceptionView {
	return ExceptionView{
		ID: e.ID, Check: e.Check, Fact: e.Fact, Source: e.Source, Reason: e.Reason, Requester: e.Requester,
		Approver: e.Approver, Solo: e.Solo, CreatedAt: e.CreatedAt, ApprovedAt: e.ApprovedAt, Ends: e.Ends,
		Guard: e.Guard, GuardOK: e.GuardOK, RevokedAt: e.RevokedAt, Active: e.Active, Covers: e.Covers,
	}
}

// Counts are verdicts by status; stale ones are part of the unknown.
type Counts struct {
	Pass          int64 `json:"pass"`
	Fail          int64 `json:"fail"`
	Unknown       int64 `json:"unknown"`
	Stale         int64 `json:"stale"`
	NotApplicable int64 `json:"not_applicable"`
	Excepted      int64 `json:"excepted"`
}

func counts(c monitor.Counts) Counts {
	return Counts{Pass: c.Pass, Fail: c.Fail, Unknown: c.Unknown, Stale: c.Stale, NotApplicable: c.NotApplicable, Excepted: c.Excepted}
}

// A Latency is how long it took, in seconds, over 30 days.
type Latency struct {
	DetectP50 float64 `json:"detect_p50"`
	DetectP95 float64 `json:"detect_p95"`
	AlertP50  float64 `json:"alert_p50"`
	AlertP95  float64 `json:"alert_p95"`
	FixP50    float64 `json:"fix_p50"`
	FixP95    float64 `json:"fix_p95"`
	Samples   int64   `json:"samples"`
}

func latency(l monitor.Latency) Latency {
	return Latency{
		DetectP50: l.DetectP50.Seconds(), DetectP95: l.DetectP95.Seconds(), AlertP50: l.AlertP50.Seconds(),
		AlertP95: l.AlertP95.Seconds(), FixP50: l.FixP50.Seconds(), FixP95: l.FixP95.Seconds(), Samples: l.Samples,
	}
}

// A SourceView is a source as the interface shows it; never its settings.
type SourceView struct {
	Name       string      `json:"name"`
	Connector  string      `json:"connector"`
	Every      string      `json:"every"`
	Enabled    bool        `json:"enabled"`
	FromFile   bool        `json:"from_file"`
	Owner      string      `json:"owner,omitempty"`
	Reading    bool        `json:"reading"`
	LastReadAt *time.Time  `json:"last_read_at,omitempty"`
	LastResult string      `json:"last_result"`
	LastWhy    string      `json:"last_why,omitempty"`
	NextReadAt *time.Time  `json:"next_read_at,omitempty"`
	Facts      int64       `json:"facts"`
	Counts     Counts      `json:"counts"`
	Latency    Latency     `json:"latency"`
	Scopes     []ScopeView `json:"scopes"`
}

// A ScopeView is a part of a source and what its last readings covered.
type ScopeView struct {
	Name           string     `json:"name"`
	Kinds          []string   `json:"kinds"`
	LastAt         time.Time  `json:"last_at"`
	LastResult     string     `json:"last_result" enum:"complete,partial,forbidden"`
	LastCompleteAt *time.Time `json:"last_complete_at,omitempty"`
	Seen           int64      `json:"seen"`
	Of             int64      `json:"of" doc:"how many the source says there are; 0: it does not say"`
	Forbidden      int64      `json:"forbidden"`
	Why            string     `json:"why,omitempty"`
	Permission     string     `json:"permission,omitempty" doc:"missing permission"`
}

func sourceView(s monitor.Source) SourceView {
	v := SourceView{
		Name: s.Name, Connector: s.Connector, Every: s.Every.String(), Enabled: s.Enabled, FromFile: s.FromFile,
		Owner: s.Owner, Reading: s.Reading, LastReadAt: s.LastReadAt, LastResult: s.LastResult, LastWhy: s.LastWhy,
		NextReadAt: s.NextReadAt, Facts: s.Facts, Counts: counts(s.Counts), Latency: latency(s.Latency), Scopes: []ScopeView{},
	}
	for _, c := range s.Scopes {
		v.Scopes = append(v.Scopes, ScopeView{
			Name: c.Name, Kinds: c.Kinds, LastAt: c.LastAt, LastResult: string(c.LastResult), LastCompleteAt: c.LastCompleteAt,
			Seen: c.Seen, Of: c.Of, Forbidden: c.Forbidden, Why: c.Why, Permission: c.Permission,
		})
	}
	return v
}

// A RouteView is a route as the interface shows it; never its secret.
type RouteView struct {
	Name     string         `json:"name"`
	FromFile bool           `json:"from_file"`
	Route    map[string]any `json:"route" doc:"when, to, detail, language, recoveries"`
}

// A DeliveryView is one message to one receiver.
type DeliveryView struct {
	ID        string     `json:"id"`
	Cause     string     `json:"cause"`
	Route     string     `json:"route"`
	Channel   string     `json:"channel"`
	Receiver  string     `json:"receiver"`
	State     string     `json:"state" enum:"pending,sent,dead"`
	Attempts  int        `json:"attempts"`
	LastError string     `json:"last_error,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	SentAt    *time.Time `json:"sent_at,omitempty"`
}
