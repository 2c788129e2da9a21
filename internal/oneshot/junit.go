package oneshot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"time"
)

// junit writes a JUnit report: a test case for each verdict that applies.
// Its first line counts what follows, so the cases are kept until the end.
type junit struct {
	plainFormat
	now   time.Time
	cases bytes.Buffer
}

func (*junit) notes() bool { return true }

func (*junit) verdict(dst []byte, _ verdict) []byte { return dst }

func (j *junit) note(v verdict) {
	if v.status == notApplicable {
		return
	}
	fmt.Fprintf(&j.cases, "<testcase classname=\"%s\" name=\"%s\" time=\"0\"", xmlText(v.check.ID), xmlText(v.fact))
	switch v.status {
	case fail:
		fmt.Fprintf(&j.cases, "><failure type=\"%s\" message=\"%s\">%s</failure></testcase>\n", v.check.Severity, xmlText(v.reason), xmlText(v.check.Fix.In("en")))
	case unknown:
		fmt.Fprintf(&j.cases, "><error type=\"unknown\" message=\"%s\"></error></testcase>\n", xmlText(v.reason))
	case excepted:
		j.cases.WriteString("><skipped></skipped></testcase>\n")
	default:
		j.cases.WriteString("></testcase>\n")
	}
}

func xmlText(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

func (j *junit) foot(totals [5]int64) []byte {
	tests := totals[pass] + totals[fail] + totals[unknown] + totals[excepted]
	counts := fmt.Sprintf(`tests="%d" failures="%d" errors="%d"`, tests, totals[fail], totals[unknown])
	b := fmt.Appendf(nil, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"prumo\" %s>\n", counts)
	b = fmt.Appendf(b, "<testsuite name=\"prumo\" %s skipped=\"%d\" timestamp=\"%s\" time=\"0\">\n", counts, totals[excepted], j.now.UTC().Format("2006-01-02T15:04:05"))
	b = append(b, j.cases.Bytes()...)
	return append(b, "</testsuite>\n</testsuites>\n"...)
}
