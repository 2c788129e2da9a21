package http

import (
	"encoding/json"
	"net/http"
	"net/url"

	"prumo.dev/prumo/internal/connector"
)

// maxKept is the longest answer that is kept for the next reading.
const maxKept = 2 << 20

// A kept answer is one that the system may say did not change.
type kept struct {
	ETag   string      `json:"etag"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

func (r *reader) recall(at *url.URL) (kept, bool) {
	if r.run.Memo == nil {
		return kept{}, false
	}
	raw, ok := r.run.Memo.Recall("GET " + at.String())
	if !ok {
		return kept{}, false
	}
	var k kept
	if err := json.Unmarshal(raw, &k); err != nil || k.ETag == "" {
		return kept{}, false
	}
	return k, true
}

func (r *reader) keep(at *url.URL, reply connector.Reply) {
	tag := reply.Header.Get("ETag")
	if r.run.Memo == nil || tag == "" || len(reply.Body) > maxKept {
		return
	}
	h := reply.Header.Clone()
	h.Del("Set-Cookie")
	if raw, err := json.Marshal(kept{ETag: tag, Header: h, Body: reply.Body}); err == nil {
		r.run.Memo.Keep("GET "+at.String(), raw)
	}
}
