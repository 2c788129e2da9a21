package fact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest names, in bytes.
const (
	MaxID     = 2000
	MaxSource = 200
	MaxScope  = 500
)

// CheckID says what is wrong with a fact's id: it must be 1 to MaxID bytes of
// UTF-8 without control characters, and not the name of a set.
func CheckID(id string) error {
	if err := CheckText("id", id, MaxID); err != nil {
		return err
	}
	rest, ok := strings.CutPrefix(id, "set:")
	if !ok {
		return nil
	}
	kind, _, _ := strings.Cut(rest, ":")
	if _, is := KindNamed(kind); is {
		return fmt.Errorf("id %q is the name of a set of facts; give the thing another id", clip(id))
	}
	return nil
}

// CheckText says what is wrong with an id or a name of at most so many bytes.
func CheckText(what, s string, most int) error {
	if s == "" {
		return fmt.Errorf("%s is empty; give 1 to %d bytes", what, most)
	}
	if len(s) > most {
		return fmt.Errorf("%s has %d bytes; give at most %d", what, len(s), most)
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return checkRunes(what, s)
		}
	}
	return nil
}

func checkRunes(what, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not UTF-8; write it as UTF-8", what)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("%s holds the control character %U; leave it out", what, r)
		}
	}
	return nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

// Nearest names what was probably meant: the one of known that differs in the
// fewest letters, at most two and never all of them. It is empty if none does.
func Nearest(name string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if len(k)-len(name) > 2 || len(name)-len(k) > 2 {
			continue
		}
		d := Distance(strings.ToLower(name), k)
		if d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// Distance is the edit distance of two short names.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// NoKind says that a kind does not exist, and which one was probably meant.
func NoKind(name string) error {
	var known []string
	for _, k := range Kinds() {
		known = append(known, k.Name)
		if name == k.Plural {
			return fmt.Errorf("kind %q does not exist; did you mean %s?", clip(name), k.Name)
		}
	}
	if near := Nearest(name, known); near != "" {
		return fmt.Errorf("kind %q does not exist; did you mean %s?", clip(name), near)
	}
	return fmt.Errorf("kind %q does not exist; `prumo kinds` lists the kinds", clip(name))
}

// deepest is how deep encoding/json follows values.
const deepest = 10000

// checkTwice says which name an object in the JSON gives twice. JSON that is
// not valid is for others to refuse.
func checkTwice(raw []byte) error {
	s := scanner{b: raw, most: deepest}
	if !s.value() && s.twice != "" {
		return twiceError(s.twice)
	}
	return nil
}

func twiceError(name string) error {
	return fmt.Errorf("%q is given twice in one object; give it once", clip(name))
}

// checkNames refuses names that are not exactly those of the fields:
// encoding/json would take them in any case.
func checkNames(raw []byte, fields []Field, at string) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil //nolint:nilerr // what is no object is refused with better words where it is decoded
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		name, _ := t.(string)
		f, ok := fieldNamed(fields, name)
		if !ok {
			return noField(at, name, fields)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil //nolint:nilerr // as above
		}
		if err := checkSubNames(v, f, at+name); err != nil {
			return err
		}
	}
	return nil
}

func checkSubNames(raw json.RawMessage, f Field, at string) error {
	if f.Sub == nil {
		return nil
	}
	if len(raw) == 0 || raw[0] != '[' {
		return checkNames(raw, f.Sub, at+".")
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	for i, v := range list {
		if err := checkNames(v, f.Sub, fmt.Sprintf("%s[%d].", at, i)); err != nil {
			return err
		}
	}
	return nil
}

func fieldNamed(fields []Field, name string) (Field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

func noField(at, name string, fields []Field) error {
	known := make([]string, 0, len(fields))
	for _, f := range fields {
		known = append(known, f.Name)
	}
	why := fmt.Sprintf("field %q does not exist in this kind", at+clip(name))
	if near := Nearest(name, known); near != "" {
		why += "; did you mean " + near + "?"
	}
	return errors.New(why)
}
