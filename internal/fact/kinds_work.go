package fact

import (
	"encoding/json"
	"time"
)

// LogSource is a stream of events that is kept or watched.
type LogSource struct {
	Name        Opt[string]    `json:"name,omitzero" doc:"name"`
	System      Opt[string]    `json:"system,omitzero" doc:"system that writes it"`
	Enabled     Opt[bool]      `json:"enabled,omitzero" doc:"events are written"`
	Monitored   Opt[bool]      `json:"monitored,omitzero" doc:"somebody or something reads them as they come"`
	Immutable   Opt[bool]      `json:"immutable,omitzero" doc:"who wrote an event cannot change it"`
	KeptDays    Opt[int64]     `json:"kept_days,omitzero" doc:"days that events are kept"`
	LastEventAt Opt[time.Time] `json:"last_event_at,omitzero" doc:"newest event"`
	Host        Opt[Ref]       `json:"host,omitzero" doc:"machine that writes it" ref:"host"`
	Database    Opt[Ref]       `json:"database,omitzero" doc:"database that writes it" ref:"database"`
}

// Kind implements Data.
func (LogSource) Kind() string { return "log_source" }

// Sensor is something that watches for intrusion.
type Sensor struct {
	Name       Opt[string]    `json:"name,omitzero" doc:"name"`
	Type       Opt[string]    `json:"type,omitzero" doc:"what it watches" enum:"network,host,cloud,application,file"`
	Active     Opt[bool]      `json:"active,omitzero" doc:"running"`
	Rules      Opt[int64]     `json:"rules,omitzero" doc:"rules loaded"`
	UpdatedAt  Opt[time.Time] `json:"updated_at,omitzero" doc:"last update of its rules"`
	LastSeenAt Opt[time.Time] `json:"last_seen_at,omitzero" doc:"last sign of life"`
	Host       Opt[Ref]       `json:"host,omitzero" doc:"machine that it watches" ref:"host"`
}

// Kind implements Data.
func (Sensor) Kind() string { return "sensor" }

// Record is a proof or a duty that people keep: a test, a review, a training, an approval.
type Record struct {
	Title      Opt[string]    `json:"title,omitzero" doc:"what it is"`
	Type       Opt[string]    `json:"type,omitzero" doc:"what it proves, such as pentest, restore-test, review, policy, training"`
	State      Opt[string]    `json:"state,omitzero" doc:"where it stands" enum:"open,done,approved,rejected,expired"`
	Control    Opt[string]    `json:"control,omitzero" doc:"control that it proves"`
	Owner      Opt[Ref]       `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
	ApprovedBy Opt[string]    `json:"approved_by,omitzero" doc:"who approved it"`
	StartsAt   Opt[time.Time] `json:"starts_at,omitzero" doc:"start of the period that it covers"`
	EndsAt     Opt[time.Time] `json:"ends_at,omitzero" doc:"end of its validity"`
	DueAt      Opt[time.Time] `json:"due_at,omitzero" doc:"when it must be done"`
	DoneAt     Opt[time.Time] `json:"done_at,omitzero" doc:"when it was done"`
	External   Opt[bool]      `json:"external,omitzero" doc:"made by a third party"`
	URL        Opt[string]    `json:"url,omitzero" doc:"where it can be read"`
}

// Kind implements Data.
func (Record) Kind() string { return "record" }

// Collector is a source of Prumo as Prumo sees it, or Prumo's own machinery.
type Collector struct {
	Name            Opt[string]    `json:"name,omitzero" doc:"name of the source, or of the part of Prumo"`
	Type            Opt[string]    `json:"type,omitzero" doc:"what it is" enum:"source,timer,alerts,exceptions,settings,ledger"`
	Connector       Opt[string]    `json:"connector,omitzero" doc:"its connector"`
	Enabled         Opt[bool]      `json:"enabled,omitzero" doc:"switched on"`
	EverySeconds    Opt[int64]     `json:"every_seconds,omitzero" doc:"its rhythm in seconds"`
	Overdue         Opt[bool]      `json:"overdue,omitzero" doc:"has been silent for more than three of its intervals"`
	SilentAt        Opt[time.Time] `json:"silent_at,omitzero" doc:"when it will count as silent unless it reads again"`
	LastReadAt      Opt[time.Time] `json:"last_read_at,omitzero" doc:"last reading, of whatever result"`
	LastCompleteAt  Opt[time.Time] `json:"last_complete_at,omitzero" doc:"last complete reading"`
	LastResult      Opt[string]    `json:"last_result,omitzero" doc:"result of the last reading" enum:"complete,partial,forbidden,failed"`
	Failures        Opt[int64]     `json:"failures,omitzero" doc:"readings in a row that were not complete"`
	ForbiddenScopes Opt[int64]     `json:"forbidden_scopes,omitzero" doc:"scopes that the source refuses"`
	Facts           Opt[int64]     `json:"facts,omitzero" doc:"facts in the last complete reading"`
	FactsBefore     Opt[int64]     `json:"facts_before,omitzero" doc:"facts in the complete reading before it"`
	Shrunk          Opt[bool]      `json:"shrunk,omitzero" doc:"lost more than a third of its facts, and more than ten, between two complete readings"`
	LagSeconds      Opt[int64]     `json:"lag_seconds,omitzero" doc:"how far it is behind, in seconds"`
	Pending         Opt[int64]     `json:"pending,omitzero" doc:"what waits: messages, requests"`
	Dead            Opt[int64]     `json:"dead,omitzero" doc:"messages that could not be delivered after every try"`
	ReadOnly        Opt[bool]      `json:"read_only,omitzero" doc:"its credential was seen to be read-only"`
	Setting         Opt[string]    `json:"setting,omitzero" doc:"setting of Prumo that the fact is about"`
	Safe            Opt[bool]      `json:"safe,omitzero" doc:"the setting has a safe value"`
	Detail          Opt[string]    `json:"detail,omitzero" doc:"what was found, in words"`
}

// Kind implements Data.
func (Collector) Kind() string { return "collector" }

// Item is anything of the customer's own: any JSON object under its key data.
type Item struct {
	Object json.RawMessage // a JSON object
}

// Kind implements Data.
func (Item) Kind() string { return "item" }

// MarshalJSON writes the object itself.
func (i Item) MarshalJSON() ([]byte, error) { return i.Object, nil }
