package app_test

import (
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"
)

// TestCalendarFollowsTheList makes a calendar's link as a person does, and
// reads it as a calendar program does: without a session, and nothing once it ended.
func TestCalendarFollowsTheList(t *testing.T) {
	h := open(t, fleet, nil)
	h.call(http.MethodPost, "/ingest/v1/facts?source=fleet", hostLine("b; c, \\d", false, time.Now()), nil)
	h.until("the finding", 10*time.Second, func() bool { return h.status("host-disk-encrypted", "b; c, \\d") == "fail" })
	browser := &http.Client{}
	press := func(path string, form url.Values) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "Bearer "+h.token)
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return readAll(t, res.Body)
	}
	page := press("/obligations/feed", url.Values{"duty": {"mend"}})
	at := strings.Index(page, h.url+"/calendar/")
	if at < 0 {
		t.Fatalf("the page shows no address: %.600s", page)
	}
	address := page[at : at+strings.Index(page[at:], ".ics")+4]
	code, text := visit(t, http.MethodGet, address, nil)
	if code != http.StatusOK {
		t.Fatalf("status %d: %s", code, text)
	}
	checkCalendar(t, text)
	if code, _ := visit(t, http.MethodGet, h.url+"/calendar/aaaaaaaa.ics", nil); code != http.StatusNotFound {
		t.Errorf("another secret: status %d, want 404", code)
	}
	press("/obligations/feed/end", nil)
	if code, _ := visit(t, http.MethodGet, address, nil); code != http.StatusNotFound {
		t.Errorf("after its end: status %d, want 404", code)
	}
}

func checkCalendar(t *testing.T, text string) {
	t.Helper()
	c, err := ics.ParseCalendar(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Events()); n != 1 {
		t.Fatalf("%d events, want the finding alone:\n%s", n, text)
	}
	ev := c.Events()[0]
	if at, err := ev.GetStartAt(); err != nil || !at.After(time.Now()) {
		t.Errorf("it is due %v, %v", at, err)
	}
	if s := ev.GetProperty(ics.ComponentPropertySummary); s == nil || !strings.HasSuffix(s.Value, "b; c, \\d") {
		t.Errorf("summary %+v", s)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 {
			t.Errorf("a line of %d octets (RFC 5545 3.1 allows 75): %s", len(line), line)
		}
	}
	if path, err := exec.LookPath("python3"); err == nil && exec.CommandContext(t.Context(), path, "-c", "import icalendar").Run() == nil {
		cmd := exec.CommandContext(t.Context(), path, "-c", "import sys,icalendar; c=icalendar.Calendar.from_ical(sys.stdin.read()); print(len(c.walk('VEVENT')))")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "1" {
			t.Errorf("another reader: %s, %v", out, err)
		}
	}
}
