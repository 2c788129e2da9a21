package host

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

func TestThisMachine(t *testing.T) {
	m := connector.Record()
	start := time.Now()
	run := connector.Run{Source: "host", Settings: connector.Settings{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := New().Collect(context.Background(), run, m); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > limit {
		t.Errorf("the reading took %s, want less than %s", d, limit)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, f := range m.Facts() {
		seen[f.Kind]++
		k, _ := fact.KindNamed(f.Kind)
		d, err := fact.Decode(k, f.Data)
		if err != nil {
			t.Fatalf("%s: %v", f.ID, err)
		}
		if h, ok := d.(fact.Host); ok {
			checkThisHost(t, name, h)
		}
	}
	if seen["host"] != 1 || seen["account"] < 1 {
		t.Errorf("got %v facts, want one host and its accounts", seen)
	}
	for _, s := range m.Scopes() {
		slow := strings.HasSuffix(s.Detail.Why, ": security_updates") // the simulated upgrade, on a machine that is busy with other tests
		if s.Reading != fact.Complete && !slow {
			t.Errorf("scope %s: got %s (%s), want complete", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
}

func checkThisHost(t *testing.T, name string, h fact.Host) {
	t.Helper()
	if got := h.Name.Or(""); got != name {
		t.Errorf("name: got %q, want %q", got, name)
	}
	for field, known := range map[string]bool{
		"kernel": h.Kernel.Known(), "listeners": h.Listeners.Known(), "root_accounts": h.RootAccounts.Known(),
		"container": h.Container.Known(), "sshd": h.SSHD.Known(), "not_seen": h.NotSeen.Known(),
	} {
		if !known {
			t.Errorf("%s is unknown on a real machine", field)
		}
	}
}
