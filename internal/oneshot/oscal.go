package oneshot

import (
	"crypto/sha1" //nolint:gosec // UUIDs of version 5 are made with it; nothing is protected by it
	"fmt"
	"time"

	"prumo.dev/prumo/internal/check"
)

// oscal writes OSCAL assessment results: an observation for each failure and
// each unknown, a finding for each check that judged something.
type oscal struct {
	plainFormat
	opts Options
	by   map[*check.Check]*oscalCheck
}

type oscalCheck struct {
	totals  [5]int64
	related []map[string]string
}

const oscalVersion = "1.1.3"

func newOSCAL(opts Options) *oscal {
	return &oscal{opts: opts, by: map[*check.Check]*oscalCheck{}}
}

// uuid makes a UUID of version 5 from what it stands for, so that the same
// facts give the same document.
func (o *oscal) uuid(of string) string {
	h := sha1.Sum([]byte("prumo.dev/oscal/" + o.opts.Name + "/" + o.stamp() + "/" + of)) //nolint:gosec // as above
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func (o *oscal) stamp() string { return o.opts.Now.UTC().Format(time.RFC3339) }

func (o *oscal) head() []byte {
	b := []byte(`{"assessment-results":{"uuid":`)
	b = append(b, mustJSON(o.uuid("document"))...)
	b = append(b, `,"metadata":`...)
	b = append(b, mustJSON(map[string]any{
		"title": "Prumo check of " + o.opts.Name, "last-modified": o.stamp(), "version": "1", "oscal-version": oscalVersion,
	})...)
	b = append(b, `,"import-ap":{"href":"#"},"results":[{"uuid":`...)
	b = append(b, mustJSON(o.uuid("result"))...)
	b = append(b, `,"title":"Verdicts","description":"What each check said of the facts.","start":`...)
	b = append(b, mustJSON(o.stamp())...)
	b = append(b, `,"reviewed-controls":{"control-selections":[{"include-all":{}}]},"observations":[`...)
	return append(b, mustJSON(map[string]any{
		"uuid": o.uuid("reading"), "title": "Reading", "description": "The facts of " + o.opts.Name + " were read whole.",
		"methods": []string{"TEST"}, "collected": o.stamp(),
	})...)
}

func (*oscal) notes() bool { return true }

// separator is none: the observation of the reading is always first.
func (*oscal) separator() string { return "" }

func (o *oscal) verdict(dst []byte, v verdict) []byte {
	if v.status != fail && v.status != unknown {
		return dst
	}
	reason := v.reason
	if reason == "" {
		reason = v.check.Title.In("en")
	}
	dst = append(dst, ",\n"...)
	return append(dst, mustJSON(map[string]any{
		"uuid": o.uuid(v.check.ID + "/" + v.fact), "title": v.check.ID + " on " + v.fact, "description": reason,
		"methods": []string{"TEST"}, "collected": o.stamp(),
		"props": []any{
			oscalProp("check", v.check.ID), oscalProp("fact", v.fact), oscalProp("status", v.status.String()),
			oscalProp("severity", v.check.Severity.String()),
		},
	})...)
}

// oscalProp is a property in our own namespace. OSCAL allows no space at
// either end of a value and no empty one.
func oscalProp(name, value string) map[string]string {
	return map[string]string{"name": name, "ns": "https://prumo.dev/ns/oscal", "value": oscalString(value)}
}

func oscalString(s string) string {
	s = trimSpace(s)
	if s == "" {
		return "-"
	}
	return s
}

func (o *oscal) note(v verdict) {
	c := o.by[v.check]
	if c == nil {
		c = &oscalCheck{}
		o.by[v.check] = c
	}
	c.totals[v.status]++
	if v.status == fail || v.status == unknown && !o.opts.FailuresOnly {
		c.related = append(c.related, map[string]string{"observation-uuid": o.uuid(v.check.ID + "/" + v.fact)})
	}
}

func (o *oscal) foot([5]int64) []byte {
	b := []byte("]")
	findings := []any{}
	for _, c := range o.opts.Checks.All() {
		t := o.by[c]
		if t == nil || t.totals[pass]+t.totals[fail]+t.totals[unknown]+t.totals[excepted] == 0 {
			continue
		}
		findings = append(findings, o.finding(c, t))
	}
	if len(findings) > 0 {
		b = append(append(b, `,"findings":`...), mustJSON(findings)...)
	}
	return append(b, "}]}}\n"...)
}

func (o *oscal) finding(c *check.Check, t *oscalCheck) map[string]any {
	state, reason := "satisfied", "pass"
	switch {
	case t.totals[fail] > 0:
		state, reason = "not-satisfied", "fail"
	case t.totals[unknown] > 0:
		state, reason = "not-satisfied", "other"
	}
	f := map[string]any{
		"uuid": o.uuid("finding/" + c.ID), "title": c.Title.In("en"),
		"description": fmt.Sprintf("%d pass, %d fail, %d unknown.", t.totals[pass], t.totals[fail], t.totals[unknown]),
		"target": map[string]any{
			"type": "objective-id", "target-id": oscalToken(c.ID), "title": c.Title.In("en"),
			"status": map[string]any{"state": state, "reason": reason},
		},
	}
	props := []any{}
	for _, id := range c.Controls {
		props = append(props, oscalProp("control", id))
	}
	if len(props) > 0 {
		f["props"] = props
	}
	if len(t.related) > 0 {
		f["related-observations"] = t.related
	}
	return f
}

// oscalToken makes an OSCAL token of a check's id, which may begin with a digit or a hyphen.
func oscalToken(id string) string {
	if c := id[0]; c < 'a' || c > 'z' {
		return "check-" + id
	}
	return id
}
