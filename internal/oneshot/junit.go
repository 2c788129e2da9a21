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
	now          time.Time
	failuresOnly bool
	cases        bytes.Buffer
}

func (*junit) notes() bool { return true }

func (*junit) verdict(dst []byte, _ verdict) []byte { return dst }

func (j *junit) note(v verdict) {
	if v.status == notApplicable || j.failuresOnly && v.status != fail {
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

// foot writes the whole report. It carries what the stricter of the two
// schemas in use asks for, so that it is valid by both.
func (j *junit) foot(totals [5]int64) []byte {
	if j.failuresOnly {
		totals = [5]int64{fail: totals[fail]}
	}
	tests := totals[pass] + totals[fail] + totals[unknown] + totals[excepted]
	b := fmt.Appendf(nil, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"+
		"<testsuite name=\"prumo\" package=\"prumo\" id=\"0\" hostname=\"localhost\" timestamp=\"%s\" time=\"0\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\">\n<properties></properties>\n",
		j.now.UTC().Format("2006-01-02T15:04:05"), tests, totals[fail], totals[unknown], totals[excepted])
	b = append(b, j.cases.Bytes()...)
	return append(b, "<system-out></system-out>\n<system-err></system-err>\n</testsuite>\n</testsuites>\n"...)
}
