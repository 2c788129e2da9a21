package api

import (
	"context"
	"encoding/json"
	"net/http"
)

// Problem answers with an RFC 9457 problem.
func Problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	body := map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail}
	_ = json.NewEncoder(w).Encode(body) // the client is gone; nothing to do about it
}

type requestKey struct{}

// WithRequestID puts the request's id into its context.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestID returns the id of the request, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}
