package alertstore

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/seal"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

// A victim is what the killed process is told by its environment.
type victim struct {
	Dir, URL, SMTP, Key string
	First, Causes       int
}

// TestMain runs the victim where the environment asks for it, else the tests.
func TestMain(m *testing.M) {
	if v := os.Getenv("PRUMO_TEST_VICTIM"); v != "" {
		if err := runVictim(v); err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runVictim opens the database, starts the workers, commits causes one after
// another and says each that is committed, until it is killed.
func runVictim(doc string) error {
	var v victim
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		return err
	}
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{URL: v.URL, Dir: v.Dir})
	if err != nil {
		return err
	}
	box, err := seal.Open(v.Key)
	if err != nil {
		return err
	}
	s, err := New(ctx, db, Config{
		Causes: testHeart{db: db}, Checks: func() *check.Set { return nil }, BaseURL: "https://prumo.acme.test",
		Email: email.Config{URL: v.SMTP}, HTTP: http.DefaultClient, Seal: box, Instance: "victim",
		Clock: Clock{Poll: 20 * time.Millisecond, Backoff: func(int) time.Duration { return 100 * time.Millisecond }},
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	f := &seed{db: db, s: s}
	for i := range v.Causes {
		cause := fmt.Sprintf("k%d", v.First+i)
		if err := db.Write(ctx, func(tx *store.Tx) error { return f.failTx(ctx, tx, cause, 1, "", 1) }); err != nil {
			return err
		}
		fmt.Println(cause) // committed: from here on it must be told
		time.Sleep(3 * time.Millisecond)
	}
	select {} // until it is killed
}

// TestKillLosesNothing kills the process with SIGKILL at random instants, again
// and again, and then lets one run to the end: every committed cause was told
// on both channels, and whatever came twice came under its first id.
func TestKillLosesNothing(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		mail := testkit.Mailpit(t)
		h := newHook(t, testSecret())
		dir := t.TempDir()
		v := victim{Dir: dir, URL: url, SMTP: mail.SMTPURL, Key: dir + "/key", Causes: 40}
		prepareVictim(t, v, h.URL)
		rounds := 12
		if testing.Short() {
			rounds = 4
		}
		var committed []string
		for i := range rounds {
			v.First = i * v.Causes
			committed = append(committed, killed(t, v, time.Duration(60+rand.IntN(500))*time.Millisecond)...)
		}
		if len(committed) < rounds {
			t.Fatalf("the victims committed %d causes in %d lives; the test proves nothing", len(committed), rounds)
		}
		f, s := open(t, url, dir, func(c *Config) {
			c.Email, c.HTTP, c.Instance = email.Config{URL: mail.SMTPURL}, http.DefaultClient, "victim"
			box, err := seal.Open(v.Key)
			if err != nil {
				t.Fatal(err)
			}
			c.Seal = box
		})
		eventually(t, 60*time.Second, "everything to be sent", func() bool {
			n, err := s.Numbers(context.Background())
			return err == nil && n.Pending == 0 && allSent(t, f, len(committed))
		})
		verify(t, f, committed, mail.Messages(), h)
	})
}

func prepareVictim(t *testing.T, v victim, hookURL string) {
	t.Helper()
	f, s := open(t, v.URL, v.Dir, func(c *Config) {
		box, err := seal.Open(v.Key)
		if err != nil {
			t.Fatal(err)
		}
		c.Seal = box
	})
	route(t, s, fmt.Sprintf(`{name: all, to: {email: [ops@acme.test], webhook: {url: %q, secret: %q}}}`, hookURL, testSecret()))
	f.begin(t, 1)
	f.end(t, 1)
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
}

// killed runs one victim for a while and returns what it had committed.
func killed(t *testing.T, v victim, life time.Duration) []string {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PRUMO_TEST_VICTIM="+string(doc))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var committed []string
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		if timer == nil { // its life is counted from its first deed
			timer = time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		}
		committed = append(committed, lines.Text())
	}
	err = cmd.Wait()
	if timer == nil {
		t.Fatalf("the victim did nothing: %v\n%s", err, stderr.String())
	}
	timer.Stop()
	return committed
}

func allSent(t *testing.T, f *seed, causes int) bool {
	t.Helper()
	var n int
	err := f.db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.Row(context.Background(), []any{&n}, "SELECT COUNT(*) FROM alert_event")
	})
	return err == nil && n >= causes
}

func verify(t *testing.T, f *seed, committed []string, mails []testkit.Message, h *hook) {
	t.Helper()
	want := map[string]string{} // id → cause
	var rows []struct {
		ID        string `db:"id"`
		MessageID string `db:"message_id"`
		Cause     string `db:"cause"`
		Channel   string `db:"channel"`
		State     string `db:"state"`
	}
	err := f.db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.Select(context.Background(), &rows, "SELECT id, message_id, cause, channel, state FROM alert_delivery")
	})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]map[string]bool{"email": {}, "webhook": {}}
	for _, r := range rows {
		if r.State != string(Sent) {
			t.Errorf("%s of cause %s is %s", r.Channel, r.Cause, r.State)
		}
		want[map[string]string{"email": r.MessageID, "webhook": r.ID}[r.Channel]] = r.Cause
	}
	repeats := 0
	receive := func(channel, id string) {
		cause, ok := want[id]
		if !ok {
			t.Errorf("%s received an id that no delivery has: %s", channel, id)
		}
		if told[channel][cause] {
			repeats++
		}
		told[channel][cause] = true
	}
	for _, m := range mails {
		receive("email", m.MessageID)
	}
	ids, _, errs := h.got()
	for _, id := range ids {
		receive("webhook", id)
	}
	for _, err := range errs {
		t.Errorf("the receiver could not verify: %v", err)
	}
	for _, cause := range committed {
		for channel, causes := range told {
			if !causes[cause] {
				t.Errorf("cause %s was committed and %s was never told", cause, channel)
			}
		}
	}
	t.Logf("%d causes committed, %d mails, %d webhooks, %d repeats, each under its first id", len(committed), len(mails), len(ids), repeats)
}
