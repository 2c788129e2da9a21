package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	maxFile   = 4 << 20 // longest file that is read
	maxOutput = 8 << 20 // longest answer of a program that is read
)

var (
	errAbsent = errors.New("the program is not installed")
	errDenied = errors.New("the account may not run it")
)

// A system is the machine as the connector meets it. Tests put a folder under
// root and answers in the place of programs.
type system struct {
	root     string                                                   // "/" on a real machine
	exec     func(ctx context.Context, argv []string) ([]byte, error) // runs a program by its absolute path
	hostname func() (string, error)                                   // the machine's name
	account  func() string                                            // the account that the process runs as
	kernel   func() string                                            // running kernel version
	inStep   func() (synchronised, known bool)                        // the kernel's clock state
	deny     []string                                                 // files that count as unreadable, for tests that root runs
}

func thisMachine() system {
	return system{root: "/", exec: execute, hostname: os.Hostname, account: accountName, kernel: kernelVersion, inStep: clockInStep}
}

func accountName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("#%d", os.Getuid())
}

func (s system) path(name string) string { return filepath.Join(s.root, name) }

// read returns a whole file; one that is longer than maxFile is an error, never half a file.
func (s system) read(name string) ([]byte, error) {
	if slices.Contains(s.deny, name) {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrPermission)
	}
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("read %s: longer than %d bytes", name, maxFile)
	}
	return b, nil
}

// text returns a file without the white space around it, or "".
func (s system) text(name string) string {
	b, err := s.read(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (s system) list(name string) ([]string, error) {
	if slices.Contains(s.deny, name) {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrPermission)
	}
	entries, err := os.ReadDir(s.path(name))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// glob returns the names below the root that match, in order.
func (s system) glob(pattern string) []string {
	found, err := filepath.Glob(s.path(pattern))
	if err != nil {
		return nil
	}
	for i, p := range found {
		found[i] = "/" + strings.TrimPrefix(strings.TrimPrefix(p, filepath.Clean(s.root)), "/")
	}
	return found
}

func (s system) exists(name string) bool {
	_, err := os.Lstat(s.path(name))
	return err == nil
}

func (s system) link(name string) string {
	to, err := os.Readlink(s.path(name))
	if err != nil {
		return ""
	}
	return to
}

func (s system) changed(name string) (time.Time, bool) {
	info, err := os.Stat(s.path(name))
	if err != nil {
		return time.Time{}, false
	}
	return info.ModTime().UTC().Truncate(time.Second), true
}

// program finds a program in the system's own folders; PATH is not asked.
func (s system) program(name string) string {
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"} {
		p := filepath.Join(dir, name)
		if info, err := os.Stat(s.path(p)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// run runs a program of the system with fixed arguments. Its error is
// errAbsent, errDenied, the context's, or what the program ended with.
func (s system) run(ctx context.Context, wait time.Duration, argv ...string) ([]byte, error) {
	path := s.program(argv[0])
	if path == "" {
		return nil, fmt.Errorf("%s: %w", argv[0], errAbsent)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	out, err := s.exec(ctx, append([]string{path}, argv[1:]...))
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", argv[0], ctx.Err())
	}
	return out, err
}

// execute runs a program without a shell, with an environment of our own and
// nothing on its input. It ends the program and its children with the context.
func execute(ctx context.Context, argv []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/nonexistent"}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	own(cmd)
	out, complaint := &capped{max: maxOutput}, &capped{max: 16 << 10}
	cmd.Stdout, cmd.Stderr = out, complaint
	err := cmd.Run()
	switch {
	case errors.Is(err, fs.ErrPermission), err != nil && refused(complaint.String()):
		return nil, fmt.Errorf("%s: %w", filepath.Base(argv[0]), errDenied)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", filepath.Base(argv[0]), err)
	case out.over:
		return nil, fmt.Errorf("%s: answered more than %d bytes", filepath.Base(argv[0]), maxOutput)
	}
	return out.Bytes(), nil
}

// refused tells from a program's complaint that it was about rights.
func refused(complaint string) bool {
	c := strings.ToLower(complaint)
	for _, words := range []string{"permission denied", "not permitted", "must be root", "need to be root", "only root", "no hostkeys available", "a password is required", "are you root"} {
		if strings.Contains(c, words) {
			return true
		}
	}
	return false
}

// A capped buffer keeps the first max bytes and remembers that there were more.
type capped struct {
	bytes.Buffer
	max  int
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if room := c.max - c.Len(); len(p) > room {
		c.over = true
		c.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return c.Buffer.Write(p)
}

// lastlog reads one user's record of /var/log/lastlog: 4 bytes of time, then
// the line and the machine that the user came from.
func (s system) lastlog(uid int64) (time.Time, bool) {
	const record = 292
	f, err := os.Open(s.path("/var/log/lastlog"))
	if err != nil || uid < 0 {
		return time.Time{}, false
	}
	defer f.Close()
	var b [4]byte
	if _, err := f.ReadAt(b[:], uid*record); err != nil {
		return time.Time{}, false
	}
	n := binary.NativeEndian.Uint32(b[:])
	return time.Unix(int64(n), 0).UTC(), n != 0
}
