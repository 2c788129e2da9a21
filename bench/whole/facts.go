package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// groups brings an account to a little over 1 KB.
var groups = strings.TrimSuffix(strings.Repeat(`"group-of-people-000",`, 36), ",") //nolint:gochecknoglobals // a constant

// An inventory makes account facts; a number always makes the same one.
type inventory struct{ signedIn time.Time }

// account is one fact line.
func (v inventory) account(source string, i int, mfa bool, at time.Time) string {
	return fmt.Sprintf(`{"kind":"account","id":"u%07d","source":%q,"observed_at":%q,"data":{"login":"user-%d","name":"User %d","email":"user-%d@acme.test",`+
		`"system":"idp","type":"human","active":true,"admin":%v,"mfa":%v,"never_signed_in":false,"last_sign_in":%q,"created_at":"2024-01-01T00:00:00Z","roles":["reader"],"groups":[%s]}}`+"\n",
		i, source, at.UTC().Format(time.RFC3339Nano), i, i, i, i == 0, mfa, v.signedIn.UTC().Format(time.RFC3339), groups)
}

// enrolled says whether an account has a second factor: all but one in fifty.
func enrolled(i int) bool { return i%50 != 0 }

// lines streams n accounts.
func (v inventory) lines(source string, n int, at time.Time) io.Reader {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 1<<18)
		for i := range n {
			if _, err := b.WriteString(v.account(source, i, enrolled(i), at)); err != nil {
				return // nobody reads any more
			}
		}
		w.CloseWithError(b.Flush())
	}()
	return r
}

// p95 is the value that nineteen of twenty do not exceed.
func p95(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)-1, len(d)*95/100)]
}

func median[T int64 | float64 | time.Duration](v []T) T {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
