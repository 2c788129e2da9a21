package connector

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Where says where settings were written.
type Where int

// Where settings come from. What opens the machine itself is refused from the console.
const (
	FromConsole Where = iota // the console or the API
	FromFile                 // prumo.yaml on the machine
)

const maxText = 64 << 10

// Check turns raw settings, as YAML, JSON or a form gave them, into Settings:
// each value converted to its field's type, defaults filled in. It reports
// every problem, each with the field's name and what to do; all are ErrSettings.
// A field that is empty and not required is left out.
func Check(info Info, raw map[string]any, from Where) (Settings, error) {
	if info.Local && from == FromConsole {
		return nil, fmt.Errorf("%w: connector %s works on this machine; write the source in prumo.yaml", ErrSettings, info.ID)
	}
	out := Settings{}
	problems := unknownNames(info, raw)
	for _, f := range info.Fields {
		v, err := checkField(f, raw[f.Name], from)
		if err != nil {
			problems = append(problems, fmt.Errorf("%w: %s: %w", ErrSettings, f.Name, err))
			continue
		}
		if v != nil {
			out[f.Name] = v
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if info.Check != nil {
		if err := info.Check(out); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSettings, err)
		}
	}
	return out, nil
}

func unknownNames(info Info, raw map[string]any) []error {
	var names []string
	for _, f := range info.Fields {
		names = append(names, f.Name)
	}
	var out []error
	for k := range raw {
		if !slices.Contains(names, k) {
			out = append(out, fmt.Errorf("%w: connector %s has no setting %q; it has %s", ErrSettings, info.ID, k, strings.Join(names, ", ")))
		}
	}
	slices.SortFunc(out, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return out
}

func checkField(f Field, raw any, from Where) (any, error) {
	v, err := convert(f, raw, from)
	if err != nil {
		return nil, err
	}
	if v == nil && f.Default != nil {
		return convert(f, f.Default, FromFile)
	}
	if v == nil && f.Required {
		return nil, errors.New("is missing; set it")
	}
	if v != nil && from == FromConsole && (f.Local || f.Type == FieldPath || f.Type == FieldCommand) {
		return nil, errors.New("opens this machine; set it in prumo.yaml")
	}
	if v != nil && f.Check != nil {
		if err := f.Check(v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// convert returns nil for a value that is empty.
func convert(f Field, raw any, from Where) (any, error) {
	if raw == nil {
		return nil, nil //nolint:nilnil // nothing was set, which is no error
	}
	switch f.Type {
	case FieldBool:
		return toBool(raw)
	case FieldInt:
		return toInt(raw)
	case FieldList:
		return toList(raw, from)
	case FieldMap:
		return toMap(raw, from)
	case FieldURL:
		return toURL(raw)
	case FieldDocument:
		return toDocument(raw)
	case FieldCommand:
		return toCommand(raw)
	default:
		return toText(raw)
	}
}

func toText(raw any) (any, error) {
	s, ok := raw.(string)
	if !ok {
		return nil, errors.New("must be a text; write it in quotes")
	}
	s = strings.TrimSpace(s)
	if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return nil, errors.New("must be UTF-8 text of at most 64 KB")
	}
	if s == "" {
		return nil, nil //nolint:nilnil // an empty text sets nothing
	}
	return s, nil
}

// toDocument keeps a text as it is, but for the ends of its lines and empty
// ones around it, and writes anything else as YAML.
func toDocument(raw any) (any, error) {
	text, ok := raw.(string)
	if !ok {
		b, err := yaml.Marshal(raw)
		if err != nil {
			return nil, errors.New("must be YAML")
		}
		text = string(b)
	}
	if _, err := toText(text); err != nil {
		return nil, err
	}
	text = strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), " \t\n")
	for line, rest, more := strings.Cut(text, "\n"); more && strings.TrimSpace(line) == ""; line, rest, more = strings.Cut(text, "\n") {
		text = rest
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil //nolint:nilnil // an empty text sets nothing
	}
	return text, nil
}

// toCommand keeps a program's arguments as they are, empty ones too. One text
// is a program without arguments: nothing is ever split as a shell would.
func toCommand(raw any) (any, error) {
	var out []string
	switch v := raw.(type) {
	case string:
		if strings.ContainsAny(v, " \t\n") {
			return nil, errors.New("must be a list: the program and each of its arguments, such as [./dump-facts, --all]")
		}
		out = []string{v}
	case []string:
		out = slices.Clone(v)
	case []any:
		for _, x := range v {
			s, ok := x.(string)
			if !ok {
				return nil, errors.New("must be a list of texts; write numbers in quotes")
			}
			out = append(out, s)
		}
	default:
		return nil, errors.New("must be a list: the program and each of its arguments, such as [./dump-facts, --all]")
	}
	for _, s := range out {
		if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return nil, errors.New("must be UTF-8 texts of at most 64 KB")
		}
	}
	if len(out) == 0 || out[0] == "" {
		return nil, nil //nolint:nilnil // no program sets nothing
	}
	return out, nil
}

func toURL(raw any) (any, error) {
	v, err := toText(raw)
	if v == nil || err != nil {
		return nil, err
	}
	u, err := url.Parse(v.(string))
	if err != nil || u.Scheme == "" || u.Host == "" {
		return nil, errors.New("must be an address such as https://git.example.com")
	}
	if web := u.Scheme == "http" || u.Scheme == "https"; web && (u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return nil, errors.New("must hold no user, password, query or fragment; the credential has a setting of its own")
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

func toBool(raw any) (any, error) {
	switch v := raw.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "":
			return nil, nil //nolint:nilnil // an empty text sets nothing
		case "true", "on", "yes", "1":
			return true, nil
		case "false", "off", "no", "0":
			return false, nil
		}
	}
	return nil, errors.New("must be true or false")
}

func toInt(raw any) (any, error) {
	switch v := raw.(type) {
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v), nil
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
	case string:
		if strings.TrimSpace(v) == "" {
			return nil, nil //nolint:nilnil // an empty text sets nothing
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n, nil
		}
	}
	return nil, errors.New("must be a whole number")
}

// toList takes a list of texts, or one text. A text from the console is a
// form's: it holds one entry a line, or several between commas.
func toList(raw any, from Where) (any, error) {
	var out []string
	add := func(v any) error {
		s, err := toText(v)
		if s != nil {
			out = append(out, s.(string))
		}
		return err
	}
	switch v := raw.(type) {
	case []string:
		for _, s := range v {
			if err := add(s); err != nil {
				return nil, err
			}
		}
	case []any:
		for _, s := range v {
			if err := add(s); err != nil {
				return nil, fmt.Errorf("must be a list of texts: an entry %w", err)
			}
		}
	case string:
		if err := addSplit(v, from, add); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("must be a list of texts")
	}
	if len(out) == 0 {
		return nil, nil //nolint:nilnil // an empty list sets nothing
	}
	return out, nil
}

func addSplit(s string, from Where, add func(any) error) error {
	if from == FromFile {
		return add(s)
	}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' }) {
		if err := add(part); err != nil {
			return err
		}
	}
	return nil
}

// toMap takes an object of lists of texts, or a form's text of lines "name: a, b".
func toMap(raw any, from Where) (any, error) {
	out := map[string][]string{}
	add := func(k string, v any) error {
		l, err := toList(v, from)
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
		out[k], _ = l.([]string)
		return nil
	}
	switch v := raw.(type) {
	case map[string][]string:
		maps.Copy(out, v)
	case map[string]any:
		for k, l := range v {
			if err := add(k, l); err != nil {
				return nil, err
			}
		}
	case string:
		for line := range strings.Lines(v) {
			k, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
			if k == "" && !ok {
				continue
			}
			if !ok {
				return nil, errors.New("must hold lines such as `name: first, second`")
			}
			l, err := toList(rest, FromConsole)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			if out[strings.TrimSpace(k)], ok = l.([]string); !ok {
				return nil, fmt.Errorf("%s has no value; write `name: first, second`", k)
			}
		}
	default:
		return nil, errors.New("must be a map of names to lists of texts")
	}
	if len(out) == 0 {
		return nil, nil //nolint:nilnil // an empty map sets nothing
	}
	return out, nil
}
