package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tries is how often a server is started anew when its port was taken between our
// choice and its start.
const tries = 3

// A spec describes one server process. Its folder is removed when it ends.
type spec struct {
	name   string
	args   []string // program and arguments
	dir    string   // its folder, made by workDir
	env    []string
	signal string              // name of the signal that ends it, TERM if empty
	as     *syscall.Credential // nil: as ourselves
	port   int                 // the port that it must be listening on
	ready  func() error        // nil when it answers and is the one that we started
	within time.Duration       // how long it may take to be ready
}

// A process is a running server under a small shell that waits for our end of a
// pipe to close. When this program ends in any way, even by SIGKILL, the shell ends
// the server and removes its folder.
type process struct {
	spec spec
	cmd  *exec.Cmd
	hold io.WriteCloser
	log  string
}

// The shell starts the server with no standard input, remembers its id, and lives
// until the pipe closes. It signals only that id, and KILLs it if it lingers.
const keeper = `dir=$1 sig=$2; shift 2
"$@" </dev/null & pid=$!
echo $pid >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"
cat >/dev/null
kill -s "$sig" $pid 2>/dev/null
n=0; while kill -0 $pid 2>/dev/null && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
kill -s KILL $pid 2>/dev/null
wait $pid 2>/dev/null
cd / && rm -rf "$dir"`

// start runs a server and waits until it is ready.
func start(s spec) (*process, error) {
	if s.signal == "" {
		s.signal = "TERM"
	}
	logPath := filepath.Join(s.dir, "server.log")
	out, err := os.Create(logPath)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	defer out.Close()
	//nolint:noctx // It ends when the pipe closes, not with a context.
	cmd := exec.Command("/bin/sh", append([]string{"-c", keeper, "sh", s.dir, s.signal}, s.args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.as}
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	p := &process{spec: s, cmd: cmd, hold: hold, log: logPath}
	if err := p.await(); err != nil {
		err = fmt.Errorf("start %s: %w\n%s", s.name, err, p.tail())
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// await polls until the server answers and holds its port itself.
func (p *process) await() error {
	deadline := time.Now().Add(p.spec.within)
	for {
		err := p.spec.ready()
		if err == nil {
			return p.holdsPort()
		}
		if !p.alive() {
			return fmt.Errorf("it ended: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready within %s: %w", p.spec.within, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// alive says whether the server itself still runs; before its id is known, yes.
func (p *process) alive() bool {
	pid, err := p.pid()
	if err != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) || !hasProc()
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z"))
}

func (p *process) pid() (int, error) {
	data, err := os.ReadFile(filepath.Join(p.spec.dir, "pid"))
	if err != nil {
		return 0, fmt.Errorf("read the id of %s: %w", p.spec.name, err)
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

// holdsPort proves that the port is answered by the process that we started and not
// by somebody else's server: its listening socket must be among the process's own.
func (p *process) holdsPort() error {
	if !hasProc() {
		return nil
	}
	pid, err := p.pid()
	if err != nil {
		return err
	}
	inode, err := listener(p.spec.port)
	if err != nil {
		return err
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return fmt.Errorf("list the sockets of %s: %w", p.spec.name, err)
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if err == nil && to == "socket:["+inode+"]" {
			return nil
		}
	}
	return fmt.Errorf("port %d belongs to another process than ours (%d)", p.spec.port, pid)
}

// listener returns the inode of the socket that listens on a loopback port.
func listener(port int) (string, error) {
	want := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], want) {
				return f[9], nil
			}
		}
	}
	return "", fmt.Errorf("nothing listens on port %d", port)
}

func hasProc() bool {
	_, err := os.Stat("/proc/net/tcp")
	return err == nil
}

// stop ends the server and waits until its folder is gone.
func (p *process) stop() error {
	if err := p.hold.Close(); err != nil {
		return fmt.Errorf("stop %s: %w", p.spec.name, err)
	}
	// The shell's own status says nothing about the server's.
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("stop %s: %w", p.spec.name, err)
	}
	return nil
}

// tail returns the last lines that the server wrote, for a failure's message.
func (p *process) tail() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}

// workDir makes a server's folder. It is not below the test's own temporary folder,
// which another user could not enter and which would be removed under its feet.
func workDir(name string, as *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", "prumo-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("make the folder of %s: %w", name, err)
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return "", fmt.Errorf("make the folder of %s: %w", name, err)
		}
	}
	return dir, nil
}

// freePorts returns n loopback ports that were free a moment ago, all different.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		var lc net.ListenConfig
		l, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("find a free port: %s is not a TCP address", l.Addr())
		}
		ports = append(ports, addr.Port)
	}
	return ports, nil
}

// retry runs a start again when it failed, since its port may have been taken.
func retry[T any](f func() (T, error)) (T, error) {
	var v T
	var err error
	for range tries {
		if v, err = f(); err == nil {
			return v, nil
		}
	}
	return v, err
}
