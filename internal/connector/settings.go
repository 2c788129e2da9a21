package connector

import (
	"context"
	"net"
)

// Settings are a source's settings after references to the environment and to
// files were resolved. Values are string, bool, int64, []string or map[string][]string.
type Settings map[string]any

// Text returns a text setting, or "".
func (s Settings) Text(name string) string { v, _ := s[name].(string); return v }

// Bool returns a switch, or false.
func (s Settings) Bool(name string) bool { v, _ := s[name].(bool); return v }

// Int returns a whole number, or 0.
func (s Settings) Int(name string) int64 { v, _ := s[name].(int64); return v }

// List returns a list of texts, or nil.
func (s Settings) List(name string) []string { v, _ := s[name].([]string); return v }

// Map returns a map of lists, or nil.
func (s Settings) Map(name string) map[string][]string {
	v, _ := s[name].(map[string][]string)
	return v
}

// A Dialer opens connections. It decides on the address that is really dialled,
// after the name was resolved, and refuses networks that a source may not reach.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)
