package connectortest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"time"
)

const maxBody = 4 << 20

// An answer is one that a fault is to break.
type answer struct {
	w         http.ResponseWriter
	r         *http.Request
	good      *httptest.ResponseRecorder
	hit       int // from 1
	elsewhere string
	secrets   []string
	cancel    context.CancelFunc
	patience  time.Duration // how long an answer that does not come is held
}

// A fault is one way in which a request breaks.
type fault struct {
	name    string
	status  int
	heals   bool // the next attempt is answered well
	hangs   bool
	cancels bool
	whole   bool               // nothing at all can be read
	fits    func(request) bool // nil: every request
	serve   func(answer)
}

func faults() []fault {
	list := []fault{
		{name: "429 that passes", heals: true, serve: func(a answer) {
			if a.hit == 1 {
				a.w.Header().Set("Retry-After", "1")
				refuse(a, http.StatusTooManyRequests)
				return
			}
			a.pass()
		}},
		{name: "429 for an hour", status: 429, serve: func(a answer) {
			a.w.Header().Set("Retry-After", "3600")
			refuse(a, http.StatusTooManyRequests)
		}},
		{name: "429 until a date", status: 429, serve: func(a answer) {
			a.w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			refuse(a, http.StatusTooManyRequests)
		}},
		{name: "cut header", serve: func(a answer) { raw(a, "HTTP/1.1 200 OK\r\nContent-Len") }},
		{name: "cut body", serve: func(a answer) {
			b := a.good.Body.Bytes()
			raw(a, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(b), b[:len(b)/2]))
		}},
		{name: "body cut to an empty list", serve: func(a answer) {
			raw(a, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[]")
		}},
		{name: "cut chunk", serve: func(a answer) {
			b := a.good.Body.Bytes()
			raw(a, fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(b)/2, b[:len(b)/2]))
		}},
		{name: "body cut without a length", serve: func(a answer) {
			b := a.good.Body.Bytes()
			raw(a, fmt.Sprintf("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n%s", b[:len(b)/2]))
		}},
		{name: "empty body", serve: func(a answer) { send(a.w, 200, nil, nil) }},
		{name: "null", serve: func(a answer) { send(a.w, 200, nil, []byte("null")) }},
		{name: "a page for people", serve: func(a answer) { send(a.w, 200, nil, []byte("<html>Sign in</html>")) }},
		{name: "a body over the limit", serve: func(a answer) {
			send(a.w, 200, a.good.Header(), append(a.good.Body.Bytes(), strings.Repeat(" ", maxBody)...))
		}},
		{name: "a page with less than it says", fits: counted, serve: func(a answer) { shorter(a, 1) }},
		{name: "an empty page that says there is more", fits: counted, serve: func(a answer) { shorter(a, 1<<30) }},
		{name: "next page on another host", fits: hasNext, serve: nextElsewhere},
		{name: "redirect to another host", serve: func(a answer) {
			http.Redirect(a.w, a.r, a.elsewhere+a.r.URL.RequestURI(), http.StatusFound)
		}},
		{name: "cancelled", cancels: true, serve: func(a answer) { a.cancel(); hang(a) }},
		{name: "no answer", hangs: true, serve: hang},
	}
	for _, status := range []int{401, 403, 404, 500} {
		list = append(list, fault{name: strconv.Itoa(status), status: status, serve: func(a answer) { refuse(a, status) }})
	}
	return list
}

// refuse answers with a status and a body that repeats what the system was
// told, as many do.
func refuse(a answer, status int) {
	told := fmt.Sprintf("%v %s %s", a.r.Header, a.r.URL, strings.Join(a.secrets, " "))
	b, _ := json.Marshal(map[string]string{"message": told}) //nolint:errchkjson // two texts cannot fail
	send(a.w, status, nil, b)
}

func (a answer) pass() { send(a.w, a.good.Code, a.good.Header(), a.good.Body.Bytes()) }

func send(w http.ResponseWriter, status int, h http.Header, body []byte) {
	for k, v := range h {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// raw writes bytes to the connection and closes it.
func raw(a answer, s string) {
	h, ok := a.w.(http.Hijacker)
	if !ok {
		panic("the exam's server cannot be hijacked")
	}
	conn, _, err := h.Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(s))
	_ = conn.Close()
}

func hang(a answer) {
	select {
	case <-a.r.Context().Done():
	case <-time.After(a.patience):
	}
}

const totalHeader = "X-Total-Count"

// counted reports that the answer is a list that says how many there are.
func counted(q request) bool {
	var list []json.RawMessage
	return json.Unmarshal(q.body, &list) == nil && len(list) > 0 && q.header.Get(totalHeader) != ""
}

// shorter leaves n elements of the list out, and no next page.
func shorter(a answer, n int) {
	var list []json.RawMessage
	if err := json.Unmarshal(a.good.Body.Bytes(), &list); err != nil {
		a.pass()
		return
	}
	list = list[:max(0, len(list)-n)]
	b, _ := json.Marshal(list) //nolint:errchkjson // it was JSON before
	h := a.good.Header().Clone()
	h.Del("Link")
	send(a.w, a.good.Code, h, b)
}

func hasNext(q request) bool { return strings.Contains(q.header.Get("Link"), "next") }

func nextElsewhere(a answer) {
	h := a.good.Header().Clone()
	h.Set("Link", strings.ReplaceAll(h.Get("Link"), "http://"+a.r.Host, a.elsewhere))
	send(a.w, a.good.Code, h, a.good.Body.Bytes())
}

// different compares a fact's data with the good reading's: a field may be
// left out, but what is said must be the same.
func different(got, want []byte) (field, g, w string, differs bool) {
	var a, b map[string]any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal(want, &b) != nil {
		return "data", string(got), string(want), string(got) != string(want)
	}
	return differentIn("", a, b)
}

func differentIn(at string, got, want map[string]any) (field, g, w string, differs bool) {
	for k, v := range got {
		x, ok := want[k]
		if inner, isMap := v.(map[string]any); isMap && ok {
			if whole, same := x.(map[string]any); same {
				if f, g, w, d := differentIn(at+k+".", inner, whole); d {
					return f, g, w, d
				}
				continue
			}
		}
		if !ok {
			return at + k, fmt.Sprint(v), "nothing", true
		}
		if !reflect.DeepEqual(v, x) {
			return at + k, fmt.Sprint(v), fmt.Sprint(x), true
		}
	}
	return "", "", "", false
}
