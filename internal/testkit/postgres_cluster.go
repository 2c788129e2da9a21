package testkit

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
)

// PostgresClusterWith starts a server of the test's own with further settings, each
// such as "ssl=on". It does not survive a crash.
func PostgresClusterWith(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	args := fast()
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	c, err := retry(func() (*Cluster, error) { return newCluster(args) })
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if err := c.proc.stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Addr returns the server's host and port.
func (c *Cluster) Addr() string { return fmt.Sprintf("127.0.0.1:%d", c.port) }

// Exec runs statements as the superuser, one after the other.
func (c *Cluster) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := c.exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Write lets the server itself write a file of lines into its data folder, so that
// the file is its own.
func (c *Cluster) Write(t testing.TB, name, text string) {
	t.Helper()
	if strings.ContainsAny(text, "\\\t$") {
		t.Fatalf("%s: a backslash, tab or dollar cannot be written so", name)
	}
	var dir string
	err := c.with(func(db *sql.DB) error {
		return db.QueryRowContext(t.Context(), "SHOW data_directory").Scan(&dir)
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := "unnest(string_to_array(rtrim($$" + text + "$$, E'\\n'), E'\\n'))"
	c.Exec(t, "COPY (SELECT "+lines+") TO PROGRAM 'umask 077; cat >"+dir+"/"+name+"'")
}

// Stop ends the server before the test does. What it wrote is gone with it.
func (c *Cluster) Stop(t testing.TB) {
	t.Helper()
	pid, err := c.proc.pid()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(os.Interrupt)
	}
	if err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
}
