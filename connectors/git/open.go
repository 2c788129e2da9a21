package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const maxRefs = 20_000

// open makes the bare repository that everything else asks.
func (r *reading) open(ctx context.Context) error {
	r.gitDir = filepath.Join(r.tmp, "repository.git")
	if err := r.prepare(); err != nil {
		return err
	}
	if program("git") == "" {
		return &gitError{what: "start", why: "the git program is not installed on this machine; install it"}
	}
	if r.path != "" {
		r.name = strings.TrimSuffix(filepath.Base(r.path), ".git")
		if r.name == "" {
			r.name = filepath.Base(filepath.Dir(r.path))
		}
		r.id = "git/" + r.name
		return r.borrow(ctx)
	}
	to, err := parseRemote(r.url)
	if err != nil {
		return err
	}
	r.name = strings.TrimSuffix(strings.Trim(to.path, "/"), ".git")
	r.id = "git/" + to.host + "/" + r.name
	return r.clone(ctx, to)
}

// borrow makes a bare repository of our own that borrows the objects of the
// one at path: configuration, hooks and filters of that one are out of reach.
func (r *reading) borrow(ctx context.Context) error {
	if info, err := os.Stat(r.path); err != nil || !info.IsDir() {
		return wrong("path", r.path+" is not a folder that can be read; give the folder of a Git repository")
	}
	env := r.environ("GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none")
	ask := func(args ...string) ([]string, error) {
		out, err := r.exec(ctx, "", env, append(append(guards(), "-C", r.path), args...)...)
		return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), err
	}
	at, err := ask("rev-parse", "--git-path", "objects", "--git-path", "shallow", "--show-object-format")
	if ctx.Err() != nil {
		return err
	}
	if err != nil || len(at) != 3 {
		return wrong("path", r.path+" is not a Git repository that can be read; give the folder that holds .git, or an address as url")
	}
	for i := range at[:2] {
		if !filepath.IsAbs(at[i]) {
			at[i] = filepath.Join(r.path, at[i])
		}
	}
	refs, err := ask("for-each-ref", fmt.Sprintf("--count=%d", maxRefs+1), "--format=%(objectname) %(refname)", "refs/heads", "refs/remotes", "refs/tags")
	if err != nil {
		return err
	}
	if len(refs) > maxRefs {
		r.cutShort(fmt.Sprintf("the repository has more than %d branches and tags", maxRefs))
		refs = refs[:maxRefs]
	}
	head, _ := ask("symbolic-ref", "-q", "HEAD") // fails where HEAD is detached
	origin, _ := ask("symbolic-ref", "-q", "refs/remotes/origin/HEAD")
	detached, _ := ask("rev-parse", "-q", "--verify", "HEAD^{commit}")
	if err := r.skeleton(at[0], at[2], refs); err != nil {
		return err
	}
	if b, err := os.ReadFile(at[1]); err == nil {
		if err := os.WriteFile(filepath.Join(r.gitDir, "shallow"), b, 0o600); err != nil {
			return fmt.Errorf("prepare the reading: %w", err)
		}
		r.readShallow()
	}
	return r.choose(refs, strings.TrimPrefix(head[0], "refs/heads/"), strings.TrimPrefix(origin[0], "refs/remotes/origin/"), detached[0])
}

// skeleton writes a bare repository over the objects of another.
func (r *reading) skeleton(objects, format string, refs []string) error {
	if strings.ContainsAny(objects, "\n\"") {
		return wrong("path", "the folder's name holds a quote or a line break, which Git cannot borrow from; rename it")
	}
	config := "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
	if format == "sha256" {
		config = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n"
	}
	for name, content := range map[string]string{
		"config":                  config,
		"HEAD":                    "ref: refs/heads/none\n",
		"objects/info/alternates": objects + "\n",
		"packed-refs":             strings.Join(refs, "\n") + "\n",
		"refs/heads/.keep":        "",
	} {
		file := filepath.Join(r.gitDir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return fmt.Errorf("prepare the reading: %w", err)
		}
		if name == "refs/heads/.keep" || name == "packed-refs" && len(refs) == 1 && refs[0] == "" {
			continue
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return fmt.Errorf("prepare the reading: %w", err)
		}
	}
	return nil
}

// choose finds the default branch and its newest commit: the branch that the
// settings name, the one that HEAD is on, the one that the remote calls its
// own, else main or master.
func (r *reading) choose(refs []string, head, origin, detached string) error {
	at := map[string]string{}
	var names []string
	for _, line := range refs {
		sha, ref, ok := strings.Cut(line, " ")
		if name, isHead := strings.CutPrefix(ref, "refs/heads/"); ok && isHead {
			at[name] = sha
			names = append(names, name)
		} else if name, isRemote := strings.CutPrefix(ref, "refs/remotes/origin/"); ok && isRemote && at["origin/"+name] == "" {
			at["origin/"+name] = sha
		}
	}
	find := func(name string) bool {
		for _, n := range []string{name, "origin/" + name} {
			if name != "" && at[n] != "" {
				r.branch, r.head = name, at[n]
				return true
			}
		}
		return false
	}
	if r.options.branch != "" {
		if !find(r.options.branch) && len(at) > 0 {
			return wrong("branch", fmt.Sprintf("%q is not in the repository; it has %s", r.options.branch, strings.Join(names[:min(len(names), 10)], ", ")))
		}
		return nil
	}
	for _, name := range []string{origin, head, "main", "master", "trunk"} {
		if find(name) {
			return nil
		}
	}
	r.head = detached // detached, and no branch that could be the default one
	if r.head == "" && head != "" {
		r.branch = head
	}
	return nil
}

// clone fetches a bare copy within the limits. File contents are left on the
// host and come as they are asked for, unless a scan for secrets needs them all.
func (r *reading) clone(ctx context.Context, to remote) error {
	if !to.https && (r.sshKey == "" || r.knownHosts == "") {
		return wrong("ssh_key", "an ssh address needs ssh_key and known_hosts; set both")
	}
	relay, err := newRelay(ctx, r.run.Dial, net.JoinHostPort(to.host, to.port), to.https)
	if err != nil {
		return err
	}
	r.relay = relay
	r.remote = to
	if err := r.secretsToFiles(); err != nil {
		return err
	}
	args := append(r.transport(), "clone", "--bare", "--no-recurse-submodules", "--quiet")
	r.partial = r.leaksProgram() == ""
	if r.partial {
		args = append(args, "--filter=blob:none", "--single-branch", "--no-tags")
		if r.options.branch != "" {
			args = append(args, "--branch="+r.options.branch)
		}
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go watchSize(limited, r.gitDir, r.maxBytes, func() { cancel(errTooLong) })
	_, err = r.exec(limited, "", r.environ(r.transportEnv()...), append(args, "--", r.url, r.gitDir)...)
	if errors.Is(context.Cause(limited), errTooLong) || err == nil && folderSize(r.gitDir) > r.maxBytes {
		return &gitError{what: "clone", why: fmt.Sprintf("the repository is larger than max_mb (%d)", r.maxBytes>>20), cause: errTooLong}
	}
	if err != nil {
		return err
	}
	refs, err := r.git(ctx, "", "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads")
	if err != nil {
		return err
	}
	head, _ := r.git(ctx, "", "symbolic-ref", "-q", "HEAD")
	r.readShallow()
	return r.choose(strings.Split(strings.TrimSpace(string(refs)), "\n"), strings.TrimPrefix(strings.TrimSpace(string(head)), "refs/heads/"), "", "")
}

// secretsToFiles writes what ssh reads from files, for this reading only.
func (r *reading) secretsToFiles() error {
	for name, content := range map[string]string{"key": r.sshKey, "known_hosts": r.knownHosts} {
		if content == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(r.tmp, name), []byte(strings.TrimRight(content, "\n")+"\n"), 0o600); err != nil {
			return fmt.Errorf("prepare the reading: %w", err)
		}
	}
	return nil
}

// transport are the arguments of a command that speaks to the host.
func (r *reading) transport() []string {
	args := append(guards(), "-c", "http.followRedirects=false", "-c", "http.sslVerify=true", "-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=60")
	if r.remote.https {
		args = append(args, "-c", "protocol.https.allow=always", "-c", "http.proxy=http://127.0.0.1:"+r.relay.port())
		if r.ca != "" {
			args = append(args, "-c", "http.sslCAInfo="+r.ca)
		}
		return args
	}
	return append(args, "-c", "protocol.ssh.allow=always")
}

// transportEnv carries the credential; it is in no argument, which others could list.
func (r *reading) transportEnv() []string {
	if r.remote.https {
		env := []string{"GIT_ALLOW_PROTOCOL=https"}
		if r.token != "" {
			env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: "+basic(r.token))
		}
		return env
	}
	alias := r.remote.host
	if r.remote.port != "22" {
		alias = "[" + alias + "]:" + r.remote.port
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	ssh := []string{program("ssh"), "-F", "/dev/null"}
	for _, o := range []string{
		"BatchMode=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "UpdateHostKeys=no", "IdentitiesOnly=yes", "IdentityAgent=none",
		"ForwardAgent=no", "ClearAllForwardings=yes", "PermitLocalCommand=no", "ProxyCommand=none", "ConnectTimeout=20", "CheckHostIP=no",
		"HostName=127.0.0.1", "Port=" + r.relay.port(), "HostKeyAlias=" + alias,
		"UserKnownHostsFile=" + filepath.Join(r.tmp, "known_hosts"), "IdentityFile=" + filepath.Join(r.tmp, "key"),
	} {
		ssh = append(ssh, "-o", quote(o))
	}
	return []string{"GIT_ALLOW_PROTOCOL=ssh", "GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND=" + strings.Join(ssh, " ")}
}

// readShallow notes at which commits the history was cut.
func (r *reading) readShallow() {
	b, err := os.ReadFile(filepath.Join(r.gitDir, "shallow"))
	if err != nil {
		return
	}
	r.shallow = map[string]bool{}
	for _, sha := range strings.Fields(string(b)) {
		r.shallow[sha] = true
	}
}

// watchSize calls over once the folder holds more than the limit.
func watchSize(ctx context.Context, dir string, limit int64, over func()) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if folderSize(dir) > limit {
			over()
			return
		}
	}
}

func folderSize(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // files come and go while git works
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}
