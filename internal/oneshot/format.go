package oneshot

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"prumo.dev/prumo/internal/check"
)

// A status is what is shown for a check on one fact.
type status uint8

const (
	pass status = iota
	fail
	unknown
	notApplicable
	excepted
)

func (s status) String() string {
	return [...]string{"pass", "fail", "unknown", "not_applicable", "excepted"}[s]
}

func statusOf(o check.Outcome) status {
	switch o {
	case check.Pass:
		return pass
	case check.Fail:
		return fail
	case check.NotApplicable:
		return notApplicable
	default:
		return unknown
	}
}

// A verdict is one answer on its way out. Its texts may alias a block.
type verdict struct {
	check  *check.Check
	fact   string
	line   int // 0 for a set
	status status
	reason string
}

// A format writes verdicts. verdict is called by several goroutines, the rest
// by one; each verdict begins with the separator, which the first leaves out.
type format interface {
	head() []byte
	verdict(dst []byte, v verdict) []byte
	separator() string
	foot(totals [5]int64) []byte
	every() bool    // verdicts that do not apply are written
	notes() bool    // note must see every verdict
	note(v verdict) // called in order
}

func formatNamed(opts Options) (format, error) {
	switch opts.Format {
	case "", "table":
		return &table{failuresOnly: opts.FailuresOnly}, nil
	case "jsonl":
		return jsonl{}, nil
	case "json":
		return jsonDocument{}, nil
	case "sarif":
		return newSARIF(opts), nil
	case "junit":
		return &junit{now: opts.Now, failuresOnly: opts.FailuresOnly}, nil
	case "oscal":
		return newOSCAL(opts), nil
	}
	return nil, fmt.Errorf("format %q does not exist; write table, jsonl, json, sarif, junit or oscal", opts.Format)
}

// plainFormat is what formats have in common that need no notes.
type plainFormat struct{}

func (plainFormat) head() []byte         { return nil }
func (plainFormat) separator() string    { return "" }
func (plainFormat) foot([5]int64) []byte { return nil }
func (plainFormat) every() bool          { return false }
func (plainFormat) notes() bool          { return false }
func (plainFormat) note(verdict)         {}

// jsonl writes one object a line for every verdict.
type jsonl struct{ plainFormat }

func (jsonl) every() bool { return true }

func (jsonl) verdict(dst []byte, v verdict) []byte { return append(appendVerdict(dst, v), '\n') }

func appendVerdict(dst []byte, v verdict) []byte {
	dst = append(dst, `{"check":`...)
	dst = appendText(dst, v.check.ID)
	dst = append(dst, `,"fact":`...)
	dst = appendText(dst, v.fact)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, v.status.String()...)
	dst = append(dst, `","reason":`...)
	dst = appendText(dst, v.reason)
	return append(dst, '}')
}

// appendText writes a JSON text.
func appendText(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), `\ufffd`...)
				from = i + 1
			}
			i += n
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// jsonDocument writes one document with every verdict and a summary.
type jsonDocument struct{ plainFormat }

func (jsonDocument) every() bool       { return true }
func (jsonDocument) head() []byte      { return []byte(`{"verdicts":[`) }
func (jsonDocument) separator() string { return ",\n" }

func (f jsonDocument) verdict(dst []byte, v verdict) []byte {
	return appendVerdict(append(dst, f.separator()...), v)
}

func (jsonDocument) foot(totals [5]int64) []byte {
	return fmt.Appendf(nil, "],\n"+`"summary":{"pass":%d,"fail":%d,"unknown":%d,"not_applicable":%d,"excepted":%d}}`+"\n",
		totals[pass], totals[fail], totals[unknown], totals[notApplicable], totals[excepted])
}

// table writes what people read: a line for everything that is not as it
// should be, and a summary.
type table struct {
	plainFormat
	failuresOnly bool
}

func (*table) verdict(dst []byte, v verdict) []byte {
	if v.status == pass || v.status == notApplicable {
		return dst
	}
	dst = appendPadded(dst, v.status.String(), 9)
	dst = appendPadded(dst, v.check.Severity.String(), 9)
	dst = appendPadded(dst, v.check.ID, 36)
	dst = appendPadded(dst, oneLine(v.fact), 36)
	dst = append(dst, oneLine(v.reason)...)
	return append(dst, '\n')
}

func appendPadded(dst []byte, s string, width int) []byte {
	dst = append(dst, s...)
	for n := utf8.RuneCountInString(s); n < width-1; n++ {
		dst = append(dst, ' ')
	}
	return append(dst, ' ')
}

// oneLine keeps what a source said from moving the cursor.
func oneLine(s string) string {
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, s)
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

func (t *table) foot(totals [5]int64) []byte {
	if t.failuresOnly {
		return nil
	}
	return fmt.Appendf(nil, "%d pass, %d fail, %d unknown, %d not applicable\n", totals[pass], totals[fail], totals[unknown], totals[notApplicable])
}

// mustJSON writes a value of our own that always has a JSON form.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(strconv.Quote(err.Error()))
	}
	return b
}
