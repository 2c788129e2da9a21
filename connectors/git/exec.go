package git

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const systemPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin"

// maxOutput bounds what is read of one command.
const maxOutput = 64 << 20

// A gitError is the end of a git command, in words for people; git's own words
// are not kept, since they may hold an address or worse.
type gitError struct {
	what    string
	why     string
	refused bool
	cause   error
}

func (e *gitError) Error() string { return "git " + e.what + ": " + e.why }
func (e *gitError) Unwrap() error { return e.cause }

// program finds a program in the system's folders only.
func program(name string) string {
	for _, dir := range strings.Split(systemPath, ":") {
		p := filepath.Join(dir, name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// environ is the whole environment of a git command: none of ours reaches it.
// What the repository at hand says in its configuration is answered by -c on
// the command line, which is stronger.
func (r *reading) environ(extra ...string) []string {
	return append([]string{
		"PATH=" + systemPath, "LC_ALL=C", "HOME=" + r.tmp, "XDG_CONFIG_HOME=" + r.tmp, "TMPDIR=" + r.tmp,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(r.tmp, ".gitconfig"), "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false",
		"GIT_OPTIONAL_LOCKS=0", "GIT_LFS_SKIP_SMUDGE=1", "GIT_NO_REPLACE_OBJECTS=1", "GIT_PAGER=cat", "GIT_PROTOCOL_FROM_USER=0",
	}, extra...)
}

// prepare writes the only configuration that our commands read.
func (r *reading) prepare() error {
	config := "[safe]\n\tdirectory = *\n" +
		"[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tattributesFile = /dev/null\n" +
		"[protocol]\n\tallow = never\n[submodule]\n\trecurse = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[log]\n\tshowSignature = false\n" +
		"[transfer]\n\tfsckObjects = false\n\tbundleURI = false\n[credential]\n\thelper =\n"
	if err := os.WriteFile(filepath.Join(r.tmp, ".gitconfig"), []byte(config), 0o600); err != nil {
		return fmt.Errorf("prepare the reading: %w", err)
	}
	return nil
}

// guards are given to every command, since they outweigh a repository's own configuration.
func guards() []string {
	return []string{
		"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.sshCommand=/bin/false", "-c", "core.pager=cat",
		"-c", "protocol.allow=never", "-c", "diff.external=", "-c", "log.showSignature=false", "-c", "gpg.program=/bin/false",
		"-c", "gpg.ssh.program=/bin/false", "-c", "gpg.x509.program=/bin/false", "-c", "submodule.recurse=false", "-c", "credential.helper=",
		"-c", "core.alternateRefsCommand=", "-c", "core.gitProxy=",
	}
}

// git runs a git command over our bare repository.
func (r *reading) git(ctx context.Context, input string, args ...string) ([]byte, error) {
	all := append(guards(), "--git-dir="+r.gitDir, "--no-pager")
	if r.partial {
		// Blobs of a partial clone come on demand, the way that the clone came.
		all = append([]string{"--git-dir=" + r.gitDir, "--no-pager"}, r.transport()...)
	}
	return r.exec(ctx, input, r.environ(r.lazy()...), append(all, args...)...)
}

func (r *reading) lazy() []string {
	if r.partial {
		return r.transportEnv()
	}
	return []string{"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none"}
}

// exec runs git without a shell and ends it, with its children, when ctx ends.
func (r *reading) exec(ctx context.Context, input string, env []string, args ...string) ([]byte, error) {
	git := program("git")
	if git == "" {
		return nil, &gitError{what: "start", why: "the git program is not installed on this machine; install it"}
	}
	out, complaint, err := execute(ctx, command{path: git, args: args, env: env, dir: r.tmp, input: input, max: maxOutput})
	if err == nil {
		return out, nil
	}
	return nil, r.explain(ctx, verb(args), complaint, err)
}

// verb is the git command among its arguments, for messages.
func verb(args []string) string {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-c" || args[i] == "-C":
			i++
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		}
	}
	return "command"
}

// explain turns git's complaint into words that hold nothing of it.
func (r *reading) explain(ctx context.Context, what, complaint string, err error) error {
	e := &gitError{what: what, cause: err}
	if ctx.Err() != nil {
		e.why, e.cause = "the reading took longer than its limit", ctx.Err()
		if errors.Is(ctx.Err(), context.Canceled) {
			e.why = "the reading was cancelled"
		}
		return e
	}
	c := strings.ToLower(complaint)
	for _, m := range []struct {
		words   string
		why     string
		refused bool
	}{
		{"authentication failed", "the host refused the credential", true},
		{"could not read username", "the host asks for a credential; set token", true},
		{"could not read password", "the host refused the credential", true},
		{"permission denied (", "the host refused the SSH key", true},
		{"error: 401", "the host refused the credential", true},
		{"error: 403", "the credential may not read this repository", true},
		{"error: 404", "the host hides this repository from the credential, or it is gone", true},
		{"repository not found", "the host hides this repository from the credential, or it is gone", true},
		{"repository '", "the host hides this repository from the credential, or it is gone", true},
		{"error: 429", "the host asks for fewer requests", false},
		{"error: 5", "the host failed", false},
		{"host key verification failed", "the host's SSH key is not in known_hosts; add the host's line", false},
		{"certificate", "the host's certificate was not accepted", false},
		{"could not resolve", "the name of the host could not be resolved", false},
		{"proxy connect", "the address could not be reached, or lies in a network that this source may not reach", false},
		{"connect tunnel failed", "the address could not be reached, or lies in a network that this source may not reach", false},
		{"early eof", "the host cut the answer short", false},
		{"unexpected disconnect", "the host cut the answer short", false},
		{"hung up", "the host cut the connection", false},
		{"remote branch", "the host has no such branch", false},
	} {
		if strings.Contains(c, m.words) {
			e.why, e.refused = m.why, m.refused
			return e
		}
	}
	e.why = "the repository could not be read"
	if errors.Is(err, errTooLong) {
		e.why = "an answer was longer than the limit"
	}
	return e
}

var errTooLong = errors.New("the answer is longer than the limit")

type command struct {
	path  string
	args  []string
	env   []string
	dir   string
	input string
	max   int
}

func execute(ctx context.Context, c command) (out []byte, complaint string, err error) {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = c.env, c.dir, 2*time.Second
	if c.input != "" {
		cmd.Stdin = strings.NewReader(c.input)
	}
	own(cmd)
	stdout, stderr := &capped{max: c.max, stop: true}, &capped{max: 32 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	if stdout.over {
		return nil, "", errTooLong
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("start %s: %w", filepath.Base(c.path), err)
	}
	return stdout.Bytes(), stderr.String(), err
}

// A capped buffer keeps the first max bytes; with stop, more is an error that
// ends the program that writes.
type capped struct {
	bytes.Buffer
	max  int
	stop bool
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	room := max(c.max-c.Len(), 0)
	if len(p) <= room {
		return c.Buffer.Write(p)
	}
	c.over = true
	c.Buffer.Write(p[:room])
	if c.stop {
		return 0, errTooLong
	}
	return len(p), nil
}

// basic is the value of an Authorization header. Hosts take the token as the
// password and any name beside it.
func basic(token string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token))
}
