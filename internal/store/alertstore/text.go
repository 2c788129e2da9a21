package alertstore

import (
	"encoding/json"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/alert"
)

// list writes texts as JSON.
func list(texts []string) string {
	raw, err := json.Marshal(texts)
	if err != nil || texts == nil {
		return "[]"
	}
	return string(raw)
}

// unlist reads what list wrote.
func unlist(doc string) ([]string, error) {
	var out []string
	if doc == "" {
		return nil, nil
	}
	err := json.Unmarshal([]byte(doc), &out)
	return out, err
}

// parts says which groups of the event a letter holds, by their places.
func parts(e alert.Event, groups []alert.Group) string {
	places := make([]int, 0, len(groups))
	for i, g := range e.Groups {
		if slices.ContainsFunc(groups, func(o alert.Group) bool { return o.Check == g.Check && o.Owner == g.Owner }) {
			places = append(places, i)
		}
	}
	raw, err := json.Marshal(places)
	if err != nil {
		return "[]"
	}
	return string(raw)
}

// unfilled returns a text that needs no values, or "".
func unfilled(text string) string {
	if strings.Contains(text, "{{") {
		return ""
	}
	return text
}
