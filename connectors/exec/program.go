package exec

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
)

const (
	systemPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin"
	maxOutput  = 256 << 20
	maxStderr  = 4 << 10
	// grace is how long children that hold the output are waited for.
	grace = 2 * time.Second
	// markName is the variable by which a run's processes are found again.
	markName = "PRUMO_RUN"
)

// A program is one run.
type program struct {
	cmd      *exec.Cmd
	out      *io.PipeReader
	complain *tail
	mark     string
	started  chan error
	ended    chan error
	redact   *connector.Redactor
}

// trouble is why a run cannot be believed whole. It is shown to people.
func trouble(format string, args ...any) error {
	return &mapping.Misfit{Why: fmt.Sprintf(format, args...)}
}

// prepare makes the command without starting it. Nothing of our own
// environment reaches it but what the settings name.
func (c Connector) prepare(ctx context.Context, s connector.Settings) (*program, error) {
	argv := s.List("command")
	if len(argv) == 0 {
		return nil, fmt.Errorf("%w: command is missing; name the program", connector.ErrSettings)
	}
	p := &program{mark: markName + "=" + rand.Text(), complain: &tail{max: maxStderr}, started: make(chan error, 1), ended: make(chan error, 1)}
	env := map[string]string{"PATH": systemPath, "LC_ALL": "C.UTF-8"}
	secrets := []string{s.Text("input")}
	for _, e := range s.List("environment") {
		name, value, set := strings.Cut(e, "=")
		if !set {
			var ok bool
			if value, ok = c.lookupEnv(name); !ok {
				return nil, trouble("the environment variable %s, which the program is to get, is not set", name)
			}
			secrets = append(secrets, value)
		}
		env[name] = value
	}
	p.redact = connector.NewRedactor(secrets...)
	path, err := find(argv[0], env["PATH"], s.Text("directory"))
	if err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, path, argv[1:]...)
	p.cmd.Args[0] = argv[0]
	p.cmd.Dir, p.cmd.WaitDelay = s.Text("directory"), grace
	p.cmd.Env = []string{p.mark}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	if in := s.Text("input"); in != "" {
		p.cmd.Stdin = strings.NewReader(in)
	}
	own(p.cmd)
	return p, nil
}

// find returns the path of the program.
func find(name, path, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, runnable(name)
	}
	for _, folder := range filepath.SplitList(path) {
		p := filepath.Join(folder, name)
		if filepath.IsAbs(folder) && runnable(p) == nil {
			return p, nil
		}
	}
	return "", trouble("the program is not in the system's folders; name its path")
}

func runnable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return trouble("the program is not there")
	case err != nil:
		return trouble("the account that runs Prumo cannot reach the program")
	case !info.Mode().IsRegular():
		return trouble("the program is no file")
	case info.Mode()&0o111 == 0:
		return trouble("the program may not be executed; set its x bit")
	}
	return nil
}

// start runs the program. Its output is read from p.out; wait must follow.
func (p *program) start() error {
	r, w := io.Pipe()
	p.out = r
	p.cmd.Stdout, p.cmd.Stderr = w, p.complain
	go func() {
		// On Linux the program is tied to the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		p.started <- err
		if err != nil {
			return
		}
		err = p.cmd.Wait()
		_ = w.Close() // it never fails
		p.ended <- err
	}()
	if err := <-p.started; err != nil {
		return cannotStart(err)
	}
	return nil
}

func cannotStart(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return trouble("the program could not be started: its interpreter or its working folder is not there")
	case errors.Is(err, fs.ErrPermission):
		return trouble("the program could not be started: the account that runs Prumo may not")
	default:
		return trouble("the program could not be started: it is no program of this machine")
	}
}

// wait ends what is left of the run and says how the program ended. It is nil
// only for a program that ended well by itself and left nothing behind.
func (p *program) wait(ctx context.Context, limit time.Duration) error {
	// Whoever still writes must not wait for us; what comes now is not believed.
	_ = p.out.CloseWithError(errLate)
	err := <-p.ended
	end(p.cmd, p.mark) // children in the background are no fault of what was printed
	var status *exec.ExitError
	switch {
	case errors.Is(context.Cause(ctx), errTimeLimit):
		return trouble("the program took longer than %s and was ended", limit)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrWaitDelay):
		return trouble("the program ended and left children that held its output; they were ended")
	case errors.As(err, &status) && status.ExitCode() >= 0:
		return trouble("the program ended with status %d", status.ExitCode())
	case errors.As(err, &status):
		return trouble("the program was ended by a signal")
	case err != nil:
		return trouble("the program's output could not be read")
	}
	return nil
}

var (
	errLate      = errors.New("nobody reads any more")
	errTimeLimit = errors.New("time limit")
)

// A tail keeps the last bytes that were written to it. Only the command's own
// copying writes it, and it is read after the command ended.
type tail struct {
	max  int
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b[max(0, len(b)-t.max):]...)
	if over := len(t.kept) - t.max; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

// String returns valid text. Where its beginning was lost, so is the rest of
// the first line: half a secret cannot be told.
func (t *tail) String() string {
	s := strings.ToValidUTF8(string(t.kept), "\uFFFD")
	if len(t.kept) >= t.max {
		if _, rest, _ := strings.Cut(s, "\n"); strings.TrimSpace(rest) != "" {
			s = rest
		} else {
			s = s[len(s)/2:]
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
}
