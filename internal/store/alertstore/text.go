package alertstore

import (
	"encoding/json"
	"strings"
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

// unfilled returns a text that needs no values, or "".
func unfilled(text string) string {
	if strings.Contains(text, "{{") {
		return ""
	}
	return text
}
