package oneshot

import (
	"prumo.dev/prumo/internal/check"
)

// sarif writes a SARIF 2.1.0 log: a rule for each check, a result for each
// failure and each unknown.
type sarif struct {
	plainFormat
	opts  Options
	index map[*check.Check]int
}

func newSARIF(opts Options) *sarif {
	s := &sarif{opts: opts, index: map[*check.Check]int{}}
	for i, c := range opts.Checks.All() {
		s.index[c] = i
	}
	return s
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID         string         `json:"id"`
	Short      sarifText      `json:"shortDescription"`
	Help       sarifText      `json:"help"`
	Config     map[string]any `json:"defaultConfiguration"`
	Properties map[string]any `json:"properties"`
}

func sarifLevel(s check.Severity) string {
	switch s {
	case check.Critical, check.High:
		return "error"
	case check.Medium:
		return "warning"
	default:
		return "note"
	}
}

func (s *sarif) head() []byte {
	rules := []sarifRule{}
	for _, c := range s.opts.Checks.All() {
		rules = append(rules, sarifRule{
			ID: c.ID, Short: sarifText{c.Title.In("en")}, Help: sarifText{c.Fix.In("en")},
			Config:     map[string]any{"level": sarifLevel(c.Severity)},
			Properties: map[string]any{"severity": c.Severity.String(), "tags": c.Controls, "version": c.Version},
		})
	}
	driver := map[string]any{"name": "Prumo", "rules": rules}
	if s.opts.Version != "" {
		driver["version"] = s.opts.Version
	}
	b := []byte(`{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":{"driver":`)
	b = append(b, mustJSON(driver)...)
	return append(b, `},"columnKind":"unicodeCodePoints","results":[`...)
}

func (*sarif) separator() string { return ",\n" }

func (s *sarif) verdict(dst []byte, v verdict) []byte {
	kind, level := "fail", sarifLevel(v.check.Severity)
	switch v.status {
	case fail:
	case unknown:
		kind, level = "open", "none"
	default:
		return dst
	}
	location := map[string]any{
		"logicalLocations": []any{map[string]any{"fullyQualifiedName": v.fact, "kind": "resource"}},
	}
	if v.line > 0 {
		location["physicalLocation"] = map[string]any{
			"artifactLocation": map[string]any{"uri": fileURI(s.opts.Name)},
			"region":           map[string]any{"startLine": v.line},
		}
	}
	reason := v.reason
	if reason == "" {
		reason = v.check.Title.In("en")
	}
	dst = append(dst, s.separator()...)
	return append(dst, mustJSON(map[string]any{
		"ruleId": v.check.ID, "ruleIndex": s.index[v.check], "kind": kind, "level": level,
		"message": sarifText{reason}, "locations": []any{location},
		"partialFingerprints": map[string]any{"checkAndFact/v1": v.check.ID + "/" + v.fact},
	})...)
}

func (*sarif) foot([5]int64) []byte { return []byte("]}]}\n") }
