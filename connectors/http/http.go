// Package http reads any JSON: from a system that answers over HTTP, or from a
// file such as a plan that a pipeline wrote. A declaration says which kind of
// fact the rows are (internal/connector/mapping). It sends GET requests only,
// and one POST for a token where the system wants OAuth2 client credentials.
// An answer that is not what the declaration expects is never an empty list.
//
// Start at Connector.Collect in read.go; endpoint.go says what a map may ask.
package http

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
	"prumo.dev/prumo/internal/fact"
)

// A Connector reads JSON over HTTP. It holds no state.
type Connector struct{}

// New returns the connector.
func New() connector.Connector { return Connector{} }

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    "http",
		Title: "JSON over HTTP",
		Summary: connector.Text{
			"en":    "Reads any system that answers with JSON, and makes facts of it by a declaration of yours.",
			"pt-BR": "Lê qualquer sistema que responda em JSON e faz fatos disso por uma declaração sua.",
			"es":    "Lee cualquier sistema que responda en JSON y hace hechos de ello por una declaración suya.",
		},
		Origin: fact.OriginAPI,
		Kinds:  mapping.Kinds(),
		Every:  15 * time.Minute,
		Fields: fields(),
		Check:  checkTogether,
	}
}

// checkTogether holds the settings to the rules between them.
func checkTogether(s connector.Settings) error {
	var problems []error
	bad := func(when bool, text string) {
		if when {
			problems = append(problems, errors.New(text))
		}
	}
	has := func(names ...string) bool {
		for _, n := range names {
			if s.Text(n) != "" {
				return true
			}
		}
		return false
	}
	bad(!has("url", "file"), "url is missing; set the address of the system")
	bad(has("url") && has("file"), "url and file exclude each other; keep one")
	bad(has("file") && has("token", "user", "password", "token_url", "client_id", "client_secret"), "a file needs no credential; leave them out")
	ways := 0
	for _, names := range [][]string{{"token"}, {"user", "password"}, {"token_url", "client_id", "client_secret"}} {
		if has(names...) {
			ways++
		}
	}
	bad(ways > 1, "token, user and token_url are three ways to sign in; keep one")
	bad(has("token_header") && !has("token"), "token_header is set without token")
	bad(has("user") != has("password"), "user and password belong together")
	if has("token_url", "client_id", "client_secret") {
		bad(!has("token_url") || !has("client_id") || !has("client_secret"), "token_url, client_id and client_secret belong together")
	}
	maps, err := parseMaps(s.Text("maps"))
	if err != nil { // told by the field itself
		return errors.Join(problems...)
	}
	for _, e := range maps {
		bad(has("file") && e.asks(), "map "+e.Name+": a file has no path and no pages; leave path and paging out")
	}
	return errors.Join(problems...)
}

// checkMaps compiles the maps and runs their examples.
func checkMaps(v any) error {
	text, _ := v.(string)
	_, err := parseMaps(text)
	return err
}

// checkHeaders refuses headers that would be malformed, carry a credential or
// change how an answer is read.
func checkHeaders(v any) error {
	headers, _ := v.(map[string][]string)
	for name, values := range headers {
		switch strings.ToLower(name) {
		case "authorization", "cookie", "proxy-authorization":
			return fmt.Errorf("%s is a credential; use token with token_header, which keep it secret", name)
		case "host", "accept-encoding", "connection", "transfer-encoding", "content-length", "range", "if-none-match":
			return fmt.Errorf("%s cannot be set", name)
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%q is no name of a header", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("the value of %s cannot stand in a header", name)
			}
		}
	}
	return nil
}

func checkHeaderName(v any) error {
	name, _ := v.(string)
	if !httpguts.ValidHeaderFieldName(name) {
		return errors.New("must be the name of a header, such as X-API-Key")
	}
	return nil
}

// checkHeaderValue is for secrets that stand in a header.
func checkHeaderValue(v any) error {
	value, _ := v.(string)
	if !httpguts.ValidHeaderFieldValue(value) {
		return errors.New("must be one line without control characters")
	}
	return nil
}

// sameOrigin reports whether two addresses lead to the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// constant are the headers that every request carries.
func constant(s connector.Settings) http.Header {
	h := http.Header{"Accept": {"application/json"}}
	for name, values := range s.Map("headers") {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return h
}
