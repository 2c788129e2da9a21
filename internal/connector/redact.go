package connector

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// secretForms lists each secret as it is and as it appears in a path, a query,
// a JSON text and in base64.
func secretForms(secrets []string) []string {
	var out []string
	for _, s := range secrets {
		if len(s) < 3 {
			continue
		}
		out = append(out, s, url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s)))
		if b, err := json.Marshal(s); err == nil {
			out = append(out, strings.Trim(string(b), `"`))
		}
	}
	return out
}

func longestFirst(s []string) []string {
	slices.SortFunc(s, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(s)
}

// SecretsOf returns the values of the secret settings, for a client's Secrets.
func SecretsOf(info Info, s Settings) []string {
	var out []string
	for _, f := range info.Fields {
		if v := s.Text(f.Name); f.Type == FieldSecret && v != "" {
			out = append(out, v)
		}
	}
	return out
}

// HostsOf returns the origins of the address settings, for a client's Hosts.
func HostsOf(info Info, s Settings) []string {
	var out []string
	for _, f := range info.Fields {
		if f.Type != FieldURL {
			continue
		}
		if u, err := url.Parse(s.Text(f.Name)); err == nil && u.Host != "" {
			out = append(out, u.Scheme+"://"+u.Host)
		}
	}
	return out
}
