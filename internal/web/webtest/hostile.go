package webtest

import (
	"encoding/json"
	"strings"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/monitor"
)

// Evil are texts that a source may say and that must hurt no page: markup,
// templates, text from the right, quotes, breaks, and very much of it.
func Evil() []string {
	return []string{
		`<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`,
		`' onmouseover='alert(1)`,
		"javascript:alert(1)",
		"{{.N}} {{template \"x\"}}",
		"مرحبا \u202eevil\u202c العالم",
		"line\r\nbreak\x00null\ttab",
		"</title></style></textarea><h1>",
		strings.Repeat("ab", 2500),
		strings.Repeat("very long words ", 300),
	}
}

// Hostile makes the invented organisation with hostile texts in it: in names,
// ids, sources, reasons, owners, actors and in facts' data.
func Hostile() (*Store, error) {
	s, err := Full()
	if err != nil {
		return nil, err
	}
	evil := Evil()
	for i := range s.facts {
		f := &s.facts[i]
		f.Name, f.Owner, f.Scope = evil[i%len(evil)], evil[(i+1)%len(evil)], evil[(i+2)%len(evil)]
		if raw, err := json.Marshal(map[string]any{"name": f.Name, "roles": []string{f.Owner, f.Scope}, evil[i%4]: 1}); err == nil && i%3 == 0 {
			f.Data = raw
		}
	}
	for i := range s.findings {
		f := &s.findings[i]
		f.Name, f.Owner, f.Reason, f.Message, f.Actor = evil[i%10], evil[(i+1)%10], evil[(i+2)%10], evil[(i+3)%10], evil[(i+4)%10]
	}
	for i := range s.verdicts {
		v := &s.verdicts[i]
		v.Name, v.Reason, v.Owner = evil[i%10], evil[(i+3)%10], evil[(i+4)%10]
	}
	for i := range s.exceptions {
		x := &s.exceptions[i]
		x.Reason, x.Requester, x.Approver, x.Fact = evil[i%10], evil[(i+1)%10], evil[(i+2)%10], evil[(i+3)%10]
	}
	for i := range s.sources {
		x := &s.sources[i]
		x.LastWhy, x.Owner = evil[i%10], evil[(i+1)%10]
		for j := range x.Scopes {
			x.Scopes[j].Name, x.Scopes[j].Why, x.Scopes[j].Permission, x.Scopes[j].LastResult = evil[(i+j)%10], evil[(i+j+1)%10], evil[(i+j+2)%10], "partial"
		}
	}
	s.sources = append(s.sources, monitor.Source{Name: evil[1], Connector: evil[0], LastResult: evil[2], LastWhy: evil[8]})
	for i := range s.deliveries {
		d := &s.deliveries[i]
		d.Receiver, d.LastError, d.Route, d.Channel, d.State = evil[i%10], evil[(i+1)%10], evil[(i+2)%10], evil[(i+3)%4], []string{"dead", evil[0]}[i%2]
	}
	s.routes = append(s.routes, alert.Route{Name: evil[1], When: alert.When{Source: evil}, To: map[string]channel.Target{evil[0]: {Receivers: []channel.Receiver{{Label: evil[8]}}}}})
	return s, nil
}
