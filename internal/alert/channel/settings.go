package channel

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxReceivers is how many receivers a route may name on one channel.
const maxReceivers = 20

// A Field is one setting of a channel's receivers, for forms.
type Field struct {
	Name     string
	Secret   bool // never shown again
	Optional bool
	Options  []string // the values that it may have; nil: any text
}

// A Former is a channel whose receivers are a mapping of texts, so that a form
// can ask for them.
type Former interface {
	Channel
	Fields() []Field
}

// Read reads one receiver's settings, or a list of them, as mappings of texts
// with these fields. What is not optional must be there. Texts are trimmed.
func Read(to *yaml.Node, secret Secret, fields []Field) ([]map[string]string, error) {
	nodes := []*yaml.Node{to}
	if to.Kind == yaml.SequenceNode {
		nodes = to.Content
	}
	if len(nodes) > maxReceivers {
		return nil, fmt.Errorf("names more than %d receivers", maxReceivers)
	}
	out := make([]map[string]string, 0, len(nodes))
	for _, n := range nodes {
		m, err := readOne(n, secret, fields)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func readOne(n *yaml.Node, secret Secret, fields []Field) (map[string]string, error) {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	known := make([]string, 0, len(fields))
	for _, f := range fields {
		known = append(known, f.Name)
	}
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("is not a mapping; write {%s: …}", strings.Join(required(fields), ": …, "))
	}
	m := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		at := slices.Index(known, key)
		if at < 0 {
			return nil, errors.New("has a key that is not known; use " + listed(known, "and"))
		}
		if _, twice := m[key]; twice {
			return nil, fmt.Errorf("writes %s twice", key)
		}
		text, err := secret(n.Content[i+1])
		if err != nil {
			return nil, fmt.Errorf("%s %w", key, err)
		}
		text = strings.TrimSpace(text)
		if err := fields[at].check(text); err != nil {
			return nil, fmt.Errorf("%s %w", key, err)
		}
		m[key] = text
	}
	for _, f := range fields {
		if !f.Optional && m[f.Name] == "" {
			return nil, fmt.Errorf("has no %s", f.Name)
		}
	}
	return m, nil
}

// check says what is wrong with a value, and never what the value is.
func (f Field) check(text string) error {
	switch {
	case len(text) > 2000:
		return errors.New("is longer than 2,000 bytes")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("has a control character")
	case f.Options != nil && text != "" && !slices.Contains(f.Options, text):
		return errors.New("is not known; use " + listed(f.Options, "or"))
	}
	return nil
}

// listed writes words as a sentence lists them.
func listed(words []string, last string) string {
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
	}
	return strings.Join(words, "")
}

func required(fields []Field) []string {
	var out []string
	for _, f := range fields {
		if !f.Optional {
			out = append(out, f.Name)
		}
	}
	return out
}

// Address checks an address that starts with https:// or http://, without a
// user and without a #. What is wrong is said without the address, which may
// be a password.
func Address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("url is not an address that starts with https:// or http://")
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("url holds a user or a #; leave them out")
	}
	return u, nil
}

// NewReceiver makes a receiver of its settings. Those with the same identity
// are the same receiver in every route. The label must hold no secret.
func NewReceiver(label string, settings any, identity ...string) (Receiver, error) {
	config, err := json.Marshal(settings)
	if err != nil {
		return Receiver{}, err
	}
	sum := sha256.Sum256([]byte(strings.Join(identity, "\x00")))
	return Receiver{Key: hex.EncodeToString(sum[:16]), Label: label, Config: config}, nil
}

// Label is what people see of a receiver: where it is, and the name that the
// route gives it.
func Label(where, name string) string {
	if name == "" {
		return where
	}
	return Clip(name, 80, Runes) + " (" + where + ")"
}
