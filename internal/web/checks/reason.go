package checks

import (
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web/ui"
)

// Reason says why a verdict is what it is, in the reader's language as far as
// the store's words allow.
func Reason(e *ui.Env, v monitor.Verdict) string {
	switch {
	case v.Stale && !v.ReadAt.IsZero():
		return e.T("reason.stale", "When", e.Moment(v.ReadAt))
	case v.Status == monitor.StatusExcepted && v.Reason == "":
		return e.T("reason.excepted")
	case v.Reason != "":
		return v.Reason
	case v.Status == monitor.StatusPass:
		return e.T("reason.pass")
	case v.Status == monitor.StatusNotApplicable:
		return e.T("reason.not_applicable")
	}
	return "–"
}
