package testkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver by which the cluster is set up
)

// A Cluster is one PostgreSQL server.
type Cluster struct {
	port int
	name string
	proc *process
}

// fast are the settings of a cluster that need not survive a crash.
func fast() []string {
	return []string{"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"}
}

// shared starts the one cluster of this test binary on first use. It ends when the
// binary does.
var shared = sync.OnceValues(func() (*Cluster, error) {
	return retry(func() (*Cluster, error) { return newCluster(fast()) })
})

// Postgres returns the address of a new, empty database on a server that all tests
// of this binary share and that does not survive a crash. The database is dropped
// when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	c, err := shared()
	if err != nil {
		missing(t, err)
	}
	return c.Database(t)
}

// PostgresCluster starts a server of the test's own. With durable it writes as in
// production, for tests that kill it.
func PostgresCluster(t testing.TB, durable bool) *Cluster {
	t.Helper()
	settings := fast()
	if durable {
		settings = nil
	}
	c, err := retry(func() (*Cluster, error) { return newCluster(settings) })
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

// Database makes an empty database and returns its address.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	name := "test_" + nonce()
	if err := c.exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return c.url(name)
}

func (c *Cluster) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

func (c *Cluster) exec(ctx context.Context, query string) error {
	return c.with(func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, query)
		return err
	})
}

func (c *Cluster) with(f func(*sql.DB) error) (err error) {
	db, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := f(db); err != nil {
		return fmt.Errorf("ask PostgreSQL on port %d: %w", c.port, err)
	}
	return nil
}

// identify asks the server for the name that we gave it at its start.
func (c *Cluster) identify() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var got string
	err := c.with(func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SHOW cluster_name").Scan(&got)
	})
	if err != nil {
		return err
	}
	if got != c.name {
		return fmt.Errorf("PostgreSQL on port %d is %q, want %q", c.port, got, c.name)
	}
	return nil
}

func newCluster(settings []string) (*Cluster, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	as, err := postgresUser()
	if err != nil {
		return nil, err
	}
	dir, err := workDir("postgres", as)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := initdb(bin, data, as); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	c := &Cluster{port: ports[0], name: "prumo-" + nonce()}
	args := append([]string{
		filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(c.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "cluster_name=" + c.name, "-c", "max_connections=200",
	}, settings...)
	c.proc, err = start(spec{
		name: "PostgreSQL", args: args, dir: dir, as: as, port: c.port,
		signal: "INT", ready: c.identify, within: 30 * time.Second,
	})
	return c, err
}

func initdb(bin, data string, as *syscall.Credential) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data,
		"--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	cmd.Dir = filepath.Dir(data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// postgresBin returns the folder of the newest installed server, which Debian keeps
// off PATH.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", fmt.Errorf("find PostgreSQL: %w", err)
	}
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
		return filepath.Dir(newest), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("PostgreSQL is %w; run tools/setup.sh apt", errMissing)
	}
	return filepath.Dir(path), nil
}

func major(path string) int {
	n, err := strconv.Atoi(strings.Split(path, "/")[4])
	if err != nil {
		return 0
	}
	return n
}

// postgresUser is whom the server runs as: PostgreSQL refuses root.
func postgresUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("the user postgres is %w; run tools/setup.sh apt", errMissing)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the id of the user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the group of the user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
