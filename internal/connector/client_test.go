package connector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const testSecret = "s3cr3t/with+signs"

// newTestClient serves h and returns a client pinned to it, what it slept, and its log.
func newTestClient(t *testing.T, h http.HandlerFunc, change func(*ClientConfig)) (*http.Client, string, *[]time.Duration, *bytes.Buffer) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	var slept []time.Duration
	var log bytes.Buffer
	cfg := ClientConfig{
		Hosts: []string{srv.URL}, Dial: NewDialer(NetworkPolicy{AllowAll: true}), Rate: -1, Secrets: []string{testSecret}, Version: "1.2.3",
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sleep: func(ctx context.Context, d time.Duration) error {
			slept = append(slept, d)
			return ctx.Err()
		},
	}
	if change != nil {
		change(&cfg)
	}
	c := NewClient(cfg)
	t.Cleanup(c.CloseIdleConnections)
	return c, srv.URL, &slept, &log
}

func TestClientRepeatsWhatMayPass(t *testing.T) {
	var n atomic.Int32
	c, url, slept, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("User-Agent"); got != "prumo/1.2.3" {
			t.Errorf("User-Agent %q, want prumo/1.2.3", got)
		}
		switch n.Add(1) {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			fmt.Fprint(w, `[1]`)
		}
	}, nil)
	r, err := Fetch(t.Context(), c, url+"/a", nil)
	if err != nil || string(r.Body) != "[1]" {
		t.Fatalf("got %q, %v, want [1]", r.Body, err)
	}
	if len(*slept) != 2 || (*slept)[1] != 7*time.Second {
		t.Errorf("slept %v, want a backoff and then 7s", *slept)
	}
}

func TestClientDoesNotWaitBeyondTheDeadline(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name, header string
		want         time.Duration
	}{
		{"seconds", "3600", time.Hour},
		{"date", now.Add(2 * time.Hour).Format(http.TimeFormat), 2 * time.Hour},
		{"absurd", "99999999999", 7 * 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			c, url, slept, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
				n.Add(1)
				w.Header().Set("Date", now.Format(http.TimeFormat))
				w.Header().Set("Retry-After", tt.header)
				w.WriteHeader(http.StatusTooManyRequests)
			}, nil)
			_, err := Fetch(t.Context(), c, url+"/a?token=x", nil)
			var se *StatusError
			if !errors.As(err, &se) || se.Status != 429 || se.RetryAfter != tt.want || se.Path != "/a" {
				t.Fatalf("got %+v (%v), want status 429 with %v", se, err, tt.want)
			}
			if n.Load() != 1 || len(*slept) != 0 {
				t.Errorf("made %d requests and slept %v, want one and none", n.Load(), *slept)
			}
		})
	}
}

func TestClientGivesUp(t *testing.T) {
	var n atomic.Int32
	c, url, _, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) { n.Add(1); w.WriteHeader(502) }, nil)
	_, err := Fetch(t.Context(), c, url, nil)
	var se *StatusError
	if !errors.As(err, &se) || se.Status != 502 || n.Load() != 4 {
		t.Errorf("got %v after %d requests, want status 502 after 4", err, n.Load())
	}
	n.Store(0)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	res, err := c.Do(req)
	if err != nil || res.StatusCode != 502 || n.Load() != 1 {
		t.Errorf("a POST was made %d times, want once (%v)", n.Load(), err)
	}
}

func TestClientStaysWithItsHosts(t *testing.T) {
	var reached atomic.Int32
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer evil.Close()
	c, url, _, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, evil.URL+"/x", http.StatusFound)
	}, nil)
	for _, target := range []string{url + "/redirects", evil.URL + "/direct", strings.Replace(url, "http://", "http://user:pw@", 1), strings.Replace(url, "http:", "https:", 1)} {
		if _, err := Fetch(t.Context(), c, target, nil); !errors.Is(err, ErrHost) {
			t.Errorf("%s: got %v, want ErrHost", target, err)
		}
	}
	if reached.Load() != 0 {
		t.Errorf("the other host was reached %d times", reached.Load())
	}
	none := NewClient(ClientConfig{})
	if _, err := Fetch(t.Context(), none, url, nil); !errors.Is(err, ErrHost) {
		t.Errorf("a client without hosts: got %v, want ErrHost", err)
	}
}

func TestSamePlace(t *testing.T) {
	for _, tt := range []struct {
		allowed, address string
		want             bool
	}{
		{"git.acme.test", "https://git.acme.test/x", true},
		{"git.acme.test:443", "https://GIT.acme.test", true},
		{"https://git.acme.test", "https://git.acme.test:443", true},
		{"https://git.acme.test", "http://git.acme.test:443", false},
		{"git.acme.test:8443", "https://git.acme.test", false},
		{"git.acme.test", "https://git.acme.test.evil.test", false},
		{"git.acme.test", "https://git.acme.test@evil.test", false},
		{"[::1]:80", "http://[::1]/", true},
	} {
		req, err := http.NewRequest(http.MethodGet, tt.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := samePlace(tt.allowed, req.URL); got != tt.want {
			t.Errorf("samePlace(%s, %s) = %v, want %v", tt.allowed, tt.address, got, tt.want)
		}
	}
}

// answer writes raw bytes and closes the connection.
func answer(t *testing.T, raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(conn, raw)
		conn.Close()
	}
}

func TestClientRefusesCutAnswers(t *testing.T) {
	for name, raw := range map[string]string{
		"header":  "HTTP/1.1 200 OK\r\nContent-Len",
		"nothing": "",
		"body":    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[]",
		"chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n",
		"gzip":    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00",
	} {
		t.Run(name, func(t *testing.T) {
			c, url, slept, _ := newTestClient(t, answer(t, raw), nil)
			r, err := Fetch(t.Context(), c, url, nil)
			if err == nil {
				t.Fatalf("got body %q, want an error", r.Body)
			}
			if len(*slept) != 3 {
				t.Errorf("repeated %d times, want 3", len(*slept))
			}
			if reading, d := Honest(err); reading != "partial" || d.Why == "" {
				t.Errorf("Honest(%v) = %s %q, want partial with a reason", err, reading, d.Why)
			}
		})
	}
}

func TestClientCapsBodies(t *testing.T) {
	c, url, _, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "[]"+strings.Repeat(" ", 100))
	}, func(c *ClientConfig) { c.MaxBody = 50 })
	if _, err := Fetch(t.Context(), c, url, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestClientTellsNoSecret(t *testing.T) {
	c, url, _, log := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		fmt.Fprint(w, "you sent "+r.URL.RawQuery+" and "+testSecret)
	}, nil)
	_, err := Fetch(t.Context(), c, url+"/p/"+strings.ReplaceAll(testSecret, "/", "%2F")+"?q="+testSecret+"&visible=1", nil)
	var se *StatusError
	if !errors.As(err, &se) {
		t.Fatalf("got %v, want a StatusError", err)
	}
	down, _ := net.Listen("tcp", "127.0.0.1:0")
	gone := "http://" + down.Addr().String()
	down.Close()
	c2, _, _, log2 := newTestClient(t, nil, func(c *ClientConfig) { c.Hosts = []string{gone} })
	_, err2 := Fetch(t.Context(), c2, gone+"/x?q="+testSecret+"&visible=1", nil)
	if err2 == nil {
		t.Fatal("a closed port answered")
	}
	for _, text := range []string{err.Error(), string(se.Body), log.String(), err2.Error(), log2.String()} {
		for _, bad := range []string{testSecret, "s3cr3t", "visible=1"} {
			if strings.Contains(text, bad) {
				if bad == "visible=1" && text == string(se.Body) {
					continue // the system's own words, which are shown to nobody
				}
				t.Errorf("%q holds %q", text, bad)
			}
		}
	}
	if !strings.Contains(log.String(), "status=500") {
		t.Errorf("log %q does not name the status", log.String())
	}
}

func TestClientStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, url, _, _ := newTestClient(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}, nil)
	start := time.Now()
	_, err := Fetch(ctx, c, url, nil)
	if !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v, want context.Canceled at once", err, time.Since(start))
	}
}

func TestClientDeadline(t *testing.T) {
	stop := make(chan struct{})
	c, url, _, _ := newTestClient(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	}, func(c *ClientConfig) { c.Deadline = 50 * time.Millisecond; c.Sleep = nil })
	defer close(stop)
	start := time.Now()
	_, err := Fetch(t.Context(), c, url, nil)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
		t.Errorf("got %v after %v, want the deadline", err, time.Since(start))
	}
}

func TestClientKeepsTheRate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var slept time.Duration
	c, url, _, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }, func(c *ClientConfig) {
		c.Rate, c.Burst = 2, 1
		c.Now = func() time.Time { return now }
		c.Sleep = func(_ context.Context, d time.Duration) error { slept += d; now = now.Add(d); return nil }
	})
	for range 5 {
		if _, err := Fetch(t.Context(), c, url, nil); err != nil {
			t.Fatal(err)
		}
	}
	if slept != 2*time.Second {
		t.Errorf("five requests at 2 a second waited %v, want 2s", slept)
	}
}

func TestDialerRefusesNetworks(t *testing.T) {
	c, url, _, _ := newTestClient(t, func(http.ResponseWriter, *http.Request) { t.Error("was reached") }, func(c *ClientConfig) {
		c.Dial = NewDialer(NetworkPolicy{})
	})
	_, err := Fetch(t.Context(), c, url, nil)
	if !errors.Is(err, ErrNetwork) {
		t.Errorf("got %v, want ErrNetwork", err)
	}
	byName := strings.Replace(url, "127.0.0.1", "localhost", 1)
	c2, _, _, _ := newTestClient(t, nil, func(c *ClientConfig) { c.Hosts = []string{byName}; c.Dial = nil })
	if _, err := Fetch(t.Context(), c2, byName, nil); !errors.Is(err, ErrNetwork) {
		t.Errorf("by name: got %v, want ErrNetwork", err)
	}
}
